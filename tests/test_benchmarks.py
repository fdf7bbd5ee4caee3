"""The benchmarks' own reckoning, on counties of a few rows; full runs are made by hand (`make knowable`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskmodel.config import gates_file, read_gate_limits

ROOT = Path(__file__).parents[1]
DAY = pd.Timestamp(2025, 10, 27).as_unit("s")


@pytest.fixture(scope="module")
def knowable(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("county_knowable")


def _county(knowable: ModuleType, seed: int, *, students: int = 400, noise: float = 0.0) -> Any:
    """A county whose model knows the knowable probability, but for some noise on the log-odds."""
    generator = np.random.default_rng(seed)
    chance = generator.beta(1, 12, students)
    ids = [f"s{number}" for number in range(students)]
    left = generator.random(students) < chance
    margin = np.log(chance / (1 - chance)) + noise * generator.standard_normal(students)
    judged = pd.DataFrame(
        {
            "as_of_date": DAY,
            "student_id": ids,
            "outcome": np.where(left, "left", "stayed"),
            "lightgbm_score": margin,
            "lightgbm_risk": 1 / (1 + np.exp(-margin)),
            "absence_rule_score": generator.random(students),
        }
    )
    truth = pd.DataFrame(
        {
            "as_of_date": DAY.date(),
            "student_id": ids,
            "true_probability": chance,
            "knowable_probability": chance,
            "simulation_error": 0.2 * chance,
        }
    ).iloc[1:]
    cost = knowable.Cost("county", 1.0, 1.0, 100.0)
    return knowable._county(seed, judged, truth, (cost,), training_events=100)


def test_a_model_that_knows_all_that_is_knowable_has_the_whole_share(knowable: ModuleType) -> None:
    found = knowable.found("one", [_county(knowable, 1)], resamples=20)
    assert found.share.value == 1
    assert found.share_with_error < 1
    assert found.error == pytest.approx(0.2)
    assert 0 < found.auc_lost < 0.05


def test_noise_on_the_scores_costs_a_part_of_the_share(knowable: ModuleType) -> None:
    found = knowable.found("one", [_county(knowable, 1, noise=1.5)], resamples=20)
    assert found.share.low < found.share.value < 0.9


def test_a_row_without_a_truth_is_not_judged_and_is_counted(knowable: ModuleType) -> None:
    county = _county(knowable, 1)
    assert county.without_truth == 1
    assert knowable.found("one", [county], resamples=20).evaluation.rows == 399


def test_pooled_counties_have_lists_of_their_own_and_share_no_student(knowable: ModuleType) -> None:
    pooled = knowable.found("pooled", [_county(knowable, seed) for seed in (1, 2)], resamples=20)
    assert pooled.evaluation.students == 2 * 399
    assert len(pooled.evaluation.test_dates) == 2
    assert pooled.evaluation.models[0].at_capacity[0].listed == 2 * 4


def test_the_report_is_tables_with_a_line_per_county_and_the_pooled_ones(knowable: ModuleType) -> None:
    told = knowable.report([_county(knowable, seed) for seed in (1, 2)], resamples=20)
    figures, shares, similar, lists, costs = (block.splitlines() for block in told.split("\n\n"))
    for block in (figures, shares, similar):
        assert [line.split(" | ")[0] for line in block[2:]] == ["| seed 1", "| seed 2", "| pooled"]
    assert len(lists) == 2 + 3 * 4 * 4
    assert len(costs) == 2 + 2
    assert {line.count("|") for line in lists} == {10}


def test_what_is_said_of_similar_students_is_held_against_their_mean_true_probability(
    knowable: ModuleType,
) -> None:
    rows = pd.DataFrame(
        [
            # Two dates of one child count once: (10 + 2) / 2 of 100.
            ("1/a", 0, 3, 7, 0.10), ("1/a", 0, 3, 7, 0.10), ("1/b", 0, 3, 7, 0.02),
            ("1/c", 1, 8, 20, 0.07),
            ("2/a", 0, 3, 7, 0.08), ("2/b", None, None, None, 0.5),
        ],
        columns=["student_id", "similar", "similar_low", "similar_high", "true"],
    )  # fmt: skip
    said = knowable.said_of_similar(rows)
    assert said == knowable.Said(groups=3, held=1, too_low=1, rows=5, rows_held=3)
    assert knowable.said_of_similar(rows.drop(columns="similar")) is None


def test_a_county_that_was_judged_is_kept_whole(knowable: ModuleType, tmp_path: Path) -> None:
    county = _county(knowable, 1)
    knowable.keep(county, tmp_path / "seed-1")
    read = knowable.read_kept(tmp_path / "seed-1")
    pd.testing.assert_frame_equal(read.rows, county.rows)
    assert (read.seed, read.costs, read.without_truth) == (1, county.costs, county.without_truth)
    assert [file.name for file in tmp_path.iterdir()] == ["seed-1"]


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(
    knowable: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="missing"):
        knowable.measured("intake", tmp_path / "missing.yaml")


def test_commands_work_on_a_county_of_their_own(knowable: ModuleType, tmp_path: Path) -> None:
    config = knowable.configured(3, tmp_path, students=500, times_leavers=2)
    assert read_gate_limits(gates_file(config)) == read_gate_limits(ROOT / "configs" / "gates.yaml")
    cost = knowable.measured("county", config)
    assert cost.cpu_seconds > 0
    assert cost.peak_mb > 50
    assert (tmp_path / "workspace" / "county" / "truth" / "probabilities.parquet").exists()
