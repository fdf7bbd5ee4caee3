"""The written-down probabilities are those by which the children of the county leave."""

import numpy as np
import yaml

from riskmodel.county.world import RATES, write_county
from riskmodel.domain import Stage

BUSY_RATES = {Stage.PRIMARY: 0.05, Stage.JUNIOR: 0.10}


def test_yearly_rates_are_near_the_asked_ones(county):
    for stage, rate in RATES.items():
        leavers = county.report.leavers[stage]
        expected = rate * leavers / county.report.rates[stage]
        assert abs(leavers - expected) <= 3 * np.sqrt(expected)


def test_other_rates_can_be_asked_for(busy):
    for stage, rate in BUSY_RATES.items():
        expected = rate * busy.report.leavers[stage] / busy.report.rates[stage]
        assert abs(busy.report.leavers[stage] - expected) <= 3 * np.sqrt(expected)


def test_knowable_and_true_probabilities_add_up_to_those_who_left(busy):
    for _, rows in busy.probabilities.groupby("as_of_date"):
        left = rows["left_on"].notna().sum()
        assert left > 50
        for column in ("knowable_probability", "true_probability"):
            p = rows[column].astype(float)
            assert abs(left - p.sum()) <= 3 * np.sqrt((p * (1 - p)).sum())


def test_the_noise_has_mean_one(busy):
    p = busy.probabilities
    assert abs(p["true_probability"].mean() / p["knowable_probability"].mean() - 1) < 0.15
    assert p["true_probability"].corr(p["knowable_probability"]) > 0.8
    assert (p["true_probability"] != p["knowable_probability"]).mean() > 0.9


def test_leavers_had_higher_probabilities_and_the_simulation_error_is_small(busy):
    p = busy.probabilities
    left = p["left_on"].notna()
    assert p.loc[left, "knowable_probability"].median() > 5 * p.loc[~left, "knowable_probability"].median()
    assert p["knowable_probability"].between(0, 1).all()
    assert p["simulation_error"].mean() < 0.3 * p["knowable_probability"].mean()


def test_those_in_class_are_the_rows_and_none_had_left(busy):
    p = busy.probabilities
    assert not p.duplicated(["as_of_date", "student_id"]).any()
    assert (p["left_on"].dropna() > p.loc[p["left_on"].notna(), "as_of_date"]).all()
    assert (p["left_on"].dropna() <= p.loc[p["left_on"].notna(), "horizon_end"]).all()
    first = p[p["as_of_date"] == p["as_of_date"].min()]
    assert 0.85 * 2_000 < len(first) <= 2_000


def test_causes_are_written_down_with_their_coefficients(county):
    said = yaml.safe_load((county.folder / "truth" / "causes.yaml").read_text(encoding="utf-8"))
    assert said["causes"]["absence"]["coefficient"] > 0
    assert {"subsidy_lapsed", "absence_and_marks_fall", "sibling_left", "noise_sd"} <= set(said["causes"])
    assert set(said["intercepts"]) == {"primary", "junior"}


def test_a_large_county_is_written_in_blocks_with_distinct_children(tmp_path, monkeypatch):
    monkeypatch.setattr("riskmodel.county.world.BLOCK_STUDENTS", 400)
    said: list[str] = []
    report = write_county(tmp_path, students=1_000, school_years=1, seed=1, progress=said.append)
    assert said == ["334/1000", "667/1000", "1000/1000"]
    ids = (tmp_path / "records" / "students.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len({line.split(",")[0] for line in ids}) == report.students
