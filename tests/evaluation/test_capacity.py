import numpy as np
import pandas as pd
import pytest

from riskmodel.documents.tables import places_head, places_row
from riskmodel.evaluation.capacity import Within, judge_places, top_lists
from riskmodel.evaluation.metrics import evaluate


def county(students=3000, *, schools=30, seed=1):
    generator = np.random.default_rng(seed)
    school = generator.integers(0, schools, students)
    risk = np.clip(generator.beta(1, 20, students) * (1 + (school == 0) * 3), 0, 0.9)
    dates = np.repeat(pd.to_datetime(["2025-10-27", "2025-11-24"]).as_unit("s"), students // 2)
    rows = pd.DataFrame({
        "as_of_date": dates,
        "student_id": [f"s{number % (students // 2)}" for number in range(students)],
        "school_id": [f"k{number}" for number in school],
        "outcome": np.where(generator.random(students) < risk, "left", "stayed"),
    })  # fmt: skip
    rows.loc[generator.choice(students, 40, replace=False), "outcome"] = "unaccounted"
    return rows, risk


def test_lists_of_the_bureau_have_the_figures_of_the_table_that_every_training_prints():
    rows, risk = county()
    bureau, _ = judge_places(rows, risk, share=0.05, seed=1, resamples=50)
    table = evaluate({"model": (risk, risk)}, rows, seed=1, training_rows=0, training_events=0, resamples=20)
    at = table.models[0].at_capacity[2]
    assert at.share == bureau.share == 0.05
    assert (bureau.listed, bureau.listed_left, bureau.found) == (at.listed, at.listed_left, at.found)
    assert bureau.events == table.events
    assert bureau.ceiling == at.precision_ceiling
    for name in ("precision", "recall", "lift"):
        assert getattr(bureau, name).value == pytest.approx(getattr(at, name).value)
    assert bureau.to_contact.value == pytest.approx(1 / bureau.precision.value)


def test_lists_by_school_give_every_school_its_places_and_find_fewer_where_risk_is_in_one():
    rows, risk = county()
    bureau, schools = judge_places(rows, risk, share=0.05, seed=1, resamples=50)
    listed = top_lists(rows, risk, share=0.05, within=Within.SCHOOL)
    by_school = rows.assign(listed=listed).groupby(["as_of_date", "school_id"])["listed"]
    assert (by_school.sum() == np.ceil(0.05 * by_school.size() - 1e-9)).all()
    assert schools.listed > bureau.listed
    assert schools.precision.value < bureau.precision.value
    assert schools.ceiling < bureau.ceiling


def test_the_interval_of_a_list_whose_leavers_are_of_one_school_reaches_to_nobody_found():
    rows, risk = county()
    only = rows["school_id"].eq("k0") & rows["outcome"].eq("left")
    score = np.where(only, 1.0, risk / 10)
    rows.loc[rows["outcome"].eq("left") & ~only, "outcome"] = "stayed"
    bureau, _ = judge_places(rows, score, share=0.05, seed=1, resamples=200)
    assert bureau.recall.value == 1
    assert bureau.precision.low == pytest.approx(0, abs=0.01)


def test_lists_by_school_tell_how_much_longer_they_are():
    students, schools = 240, 20
    rows = pd.DataFrame({
        "as_of_date": pd.Timestamp("2025-10-27").as_unit("s"),
        "student_id": [f"s{number:03}" for number in range(students)],
        "school_id": [f"k{number % schools}" for number in range(students)],
        "outcome": ["left" if number % 10 == 0 else "stayed" for number in range(students)],
    })  # fmt: skip
    bureau, by_school = judge_places(rows, -np.arange(240.0), share=0.02, seed=1, resamples=20)
    assert (bureau.listed, by_school.listed) == (5, 20)
    at = places_head("en").index("Share of all")
    assert [places_row(each, "en")[at] for each in (bureau, by_school)] == ["2.1 %", "8.3 %"]


def test_no_ceiling_lies_above_what_lists_of_those_enough_is_known_of_can_reach():
    rows, risk = county()
    left = rows["outcome"].to_numpy() == "left"
    told = rows.assign(enough_known=~left | (np.cumsum(left) % 2 == 0))
    few = rows.assign(enough_known=np.arange(len(rows)) % 50 == 0)
    for known in (told, few):
        lists = judge_places(known, np.where(left, 1.0, risk / 2), share=0.05, seed=1, resamples=20)
        table = evaluate(
            {"model": (risk, risk)}, known, seed=1, training_rows=0, training_events=0, resamples=20
        )
        best = [each.ceiling for each in lists] + [
            each.precision_ceiling for each in table.models[0].at_capacity
        ]
        assert max(best) <= 1
        assert lists[0].ceiling == pytest.approx(lists[0].precision.value)
        assert table.models[0].at_capacity[2].listed == lists[0].listed


def test_who_gets_no_place_from_any_list_is_found_by_none_that_is_judged():
    rows, risk = county()
    thin = np.arange(len(rows)) % 10 == 0
    risk = np.where(thin, 0.95, risk)  # they look the riskiest, and no school is told of them
    told = rows.assign(enough_known=~thin)
    listed = top_lists(told, risk, share=0.05)
    assert (listed.sum(), (listed & thin).sum()) == (top_lists(rows, risk, share=0.05).sum(), 0)
    bureau, _ = judge_places(told, risk, share=0.05, seed=1, resamples=20)
    table = evaluate({"model": (risk, risk)}, told, seed=1, training_rows=0, training_events=0, resamples=20)
    assert table.models[0].at_capacity[2].found == bureau.found
    left = rows["outcome"].to_numpy() == "left"
    assert bureau.listed_left == (listed & left).sum()
    assert bureau.events == rows.loc[left, "student_id"].nunique(), "who cannot be found is missed"
    assert table.left_little_known == (left & thin).sum() > 0
    nobody_more = top_lists(told.assign(enough_known=False), risk, share=0.05)
    assert not nobody_more.any()
