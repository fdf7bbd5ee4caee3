"""The benchmark on tables without time: its own reckoning, and a short form on the real tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskmodel.config import read_recipe
from riskmodel.models import training

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
beside = pytest.mark.skipif(
    not (DATA / "uci320").is_dir() or not (DATA / "uci697").is_dir(),
    reason="the tables UCI 320 and UCI 697 do not stand in ../shared/data (see benchmarks/README.md)",
)


@pytest.fixture(scope="module")
def uci(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("uci_tables")


def drawn(uci: ModuleType, *, rows: int = 600, signal: float = 1.5) -> Any:
    """A table in which a column and a level go along with failing."""
    chance = np.random.default_rng(0)
    column, level = chance.normal(size=rows), chance.choice(["a", "b", "c"], rows)
    odds = -1 + signal * column + signal * (level == "b")
    y = (chance.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return uci.Table("drawn", pd.DataFrame({"column": column, "level": level}), y, ("level",))


@pytest.fixture(scope="module")
def judged(uci: ModuleType) -> Any:
    others = {"logistic": uci.rivals()["logistic"], "nobody": lambda fold: np.full(len(fold.held), 0.3)}
    ours = {uci.OURS: uci.our_models()[uci.OURS]}
    return uci.judge(drawn(uci), ours=ours, others=others, seeds=(1, 2), folds=2)


def test_our_recipe_is_the_one_that_is_shipped(uci: ModuleType) -> None:
    for ours in (uci.TABLE_AVERAGE, uci.AVERAGE):
        assert read_recipe(ROOT / "configs" / "recipes" / f"{ours.name}.yaml") == ours


def test_the_interval_allows_for_folds_that_share_rows(uci: ModuleType) -> None:
    values = np.array([0.7, 0.8, 0.7, 0.8])
    # By hand: sd 0.057735, times sqrt(1/4 + 1) and t(0.975, 3) = 3.18245.
    found = uci.corrected(values, folds=2)
    assert found.value == pytest.approx(0.75)
    assert found.high - found.value == pytest.approx(3.18245 * 0.057735 * np.sqrt(1.25), abs=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_the_interval_holds_the_truth_where_one_that_takes_folds_for_independent_does_not(
    uci: ModuleType,
) -> None:
    """Means of the rows held out in 5 x 5 folds of the same 400 drawn values, whose true mean is 0."""
    held = naive = 0
    for world in range(200):
        chance = np.random.default_rng(world)
        values = chance.normal(size=400)
        means = np.array(
            [values[part].mean() for _ in range(5) for part in np.array_split(chance.permutation(400), 5)]
        )
        found = uci.corrected(means, folds=5)
        held += found.low <= 0 <= found.high
        naive += abs(found.value) <= (found.high - found.value) * np.sqrt((1 / 25) / (1 / 25 + 1 / 4))
    assert held >= 186
    assert naive < 160


def test_every_row_is_held_out_once_in_each_repeat_and_leavers_are_dealt_evenly(judged: Any) -> None:
    assert not any(np.isnan(risk).any() for risk in judged.risks.values())
    for fold in judged.fold:
        events = np.bincount(fold, weights=judged.table.y)
        assert np.ptp(np.bincount(fold)) <= 1
        assert np.ptp(events) <= 1
    assert not np.array_equal(judged.fold[0], judged.fold[1])


def test_levels_are_coded_by_the_rows_to_learn_from_alone(uci: ModuleType) -> None:
    table = drawn(uci)
    learn, held = np.arange(400), np.arange(400, 600)
    other = table.columns.copy()
    other.loc[held, "level"] = "never seen"
    other.loc[[0, 1], "level"] = "rare"
    usual = uci.Table("", other, table.y, table.categories).fold(learn, held, 1)
    assert usual.X.shape[1] == 1 + 4
    assert usual.X[:2, -1].tolist() == [1.0, 1.0]
    assert (usual.held[:, -1] == 1).all()
    again = uci.Table("", table.columns.assign(level=other["level"].where(other.index < 400, "a")), table.y,
                      table.categories).fold(learn, held, 1)  # fmt: skip
    assert np.array_equal(usual.X, again.X)


def test_the_product_finds_the_planted_signal_and_its_risks_mean_what_they_say(judged: Any) -> None:
    slope, ratio = judged.calibration("table_average", resamples=50)
    assert judged.by_fold("table_average")["auc"].mean() > 0.8
    assert slope.low < 1 < slope.high
    assert ratio.low < 1 < ratio.high


def test_ahead_is_above_0_where_ours_is_better_whatever_the_figure(judged: Any) -> None:
    for figure in ("auc", "average_precision", "brier"):
        assert judged.ahead(figure, "table_average", "nobody").low > 0, figure
        assert judged.best(figure) == "logistic"


def test_on_shuffled_outcomes_nobody_is_ahead_of_chance(uci: ModuleType) -> None:
    table = drawn(uci, signal=0.0)
    found = uci.judge(
        table, ours={"average": uci.our_models()["average"]}, others={}, seeds=(1,), folds=2
    ).by_fold("average")
    assert found["auc"].mean() == pytest.approx(0.5, abs=0.08)


def test_the_bound_of_the_product_is_lowered_for_the_benchmark_alone(uci: ModuleType) -> None:
    table = drawn(uci, rows=120)
    few = uci.Table("few", table.columns, (np.arange(120) < 40).astype(int), table.categories)
    with pytest.raises(ValueError, match="fewer than 50"):
        uci.our_models()["average"](few.fold(np.arange(120), np.arange(2), 1))
    assert training.MINIMUM_TRAINING_EVENTS == 100


def test_the_report_tells_every_model_and_the_best_of_the_others(uci: ModuleType, judged: Any) -> None:
    told = uci.report(judged, resamples=20)
    assert "600 rows" in told
    assert "2 x 2 folds" in told
    assert told.count("| **table_average** |") == 1
    assert "| **table_average**, the best |" in told
    assert {line.count("|") for line in told.split("\n\n")[2].splitlines()} == {5}


@pytest.mark.shared_data
@beside
def test_the_tables_hold_what_is_known_at_the_time_and_no_outcome(uci: ModuleType) -> None:
    tables = uci.read_tables(DATA)
    assert [(len(table.y), int(table.y.sum())) for table in tables] == [
        (4424, 1421), (4424, 1421), (649, 100), (649, 100), (395, 130), (395, 130),
    ]  # fmt: skip
    for table in tables:
        assert not [name for name in table.columns if "2nd_sem" in name or name in {"Status", "G2", "G3"}]
        assert set(table.categories) <= set(table.columns)
        numbers = table.columns.drop(columns=list(table.categories))
        assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    fees = {"Debtor", "Tuition_fees_up_to_date"}
    assert [bool(fees & set(table.columns)) for table in tables[:2]] == [True, False]
    assert ["G1" in table.columns for table in tables[2:]] == [True, False, True, False]


@pytest.mark.shared_data
@beside
def test_on_the_development_table_ours_is_not_far_below_the_best_of_the_others(uci: ModuleType) -> None:
    """UCI 320 mathematics, two folds of a seed that no figure is printed of: a short form, and no proof."""
    table = uci.read_tables(DATA)[4]
    found = uci.judge(table, ours=uci.our_models(), others=uci.rivals(), seeds=(501,), folds=2)
    assert len(found.risks) >= 5
    best = found.by_fold(found.best("auc"))["auc"].mean()
    assert best - 0.05 < found.by_fold("average")["auc"].mean() < 0.99
