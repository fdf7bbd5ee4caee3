"""On the Open University data, which stand beside the checkout: no look ahead, and the agreed figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "oulad"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason="the Open University data do not stand in ../shared/data/oulad (see configs/oulad.yaml)",
    ),
]


@pytest.fixture(scope="module")
def oulad(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("oulad_future")


@pytest.fixture(scope="module")
def proof(oulad: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The proof on a quarter of the students of two presentations; `make oulad-proof` takes all."""
    folder = tmp_path_factory.mktemp("proof")
    return oulad.prove(DATA, folder, presentations=("2013B", "2014B"), one_in=4)


@pytest.fixture(scope="module")
def trained(oulad: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One training by `configs/oulad.yaml`, whole."""
    from riskmodel.pipelines import train_model

    run = oulad.taken_in(DATA, tmp_path_factory.mktemp("judged") / "workspace")
    train_model(run)
    return run


@pytest.fixture(scope="module")
def judged(trained: Any) -> dict[str, Any]:
    """The figures of that training."""
    [told] = trained.workspace.models.glob("*/evaluation.json")
    figures: dict[str, Any] = json.loads(told.read_text())
    return figures


def test_the_cut_takes_rows_of_every_dated_table_and_all_results(proof: Any) -> None:
    taken = {each.table: each for each in proof.removed["day 56 of every presentation"]}
    assert taken["studentVle"].rows > 500_000
    assert taken["studentAssessment"].rows > 10_000
    assert taken["studentRegistration"].cells > 300
    assert taken["studentInfo"].cells == taken["studentInfo"].rows_before - taken["studentInfo"].rows
    assert not any(each.rows or each.cells for each in proof.removed["whole"])


def test_one_more_day_let_through_is_noticed_in_features_and_scores(proof: Any) -> None:
    assert [each.what for each in proof.alarms if each.differing_students > each.students // 2] == [
        "features of 2013B, one day more let through",
        "features of 2014B, one day more let through",
        "scores of 2014B, one day more let through",
    ]


def test_features_and_scores_are_the_same_without_what_came_after_day_56(proof: Any) -> None:
    assert {each.what: each.where for each in proof.same} == {
        "features of 2013B, cut at 56 everywhere": (),
        "features of 2014B, cut at 56 everywhere": (),
        "features of 2014B, cut at 56 in 2014B alone": (),
        "scores of 2014B, cut at 56 in 2014B alone": (),
    }
    assert min(each.values for each in proof.same) > 2_000


def test_only_what_was_known_of_earlier_leavers_differs_where_the_cut_takes_it_away(
    proof: Any, oulad: ModuleType
) -> None:
    assert [each.where for each in proof.taken_away] == [oulad.EARLIER_COHORTS]


def _model(judged: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = judged["models"][0]
    return model


def test_the_strict_split_is_the_agreed_one(judged: dict[str, Any]) -> None:
    assert judged["test_dates"] == ["2014-03-29"]
    assert judged["training_rows"] == 3_962
    assert judged["rows"] + judged["unaccounted"] == 6_210


def test_nothing_reaches_what_only_a_leak_could(judged: dict[str, Any]) -> None:
    assert _model(judged)["auc"]["value"] <= 0.72


def test_auc_reaches_the_floor(judged: dict[str, Any]) -> None:
    assert _model(judged)["auc"]["value"] >= 0.67


def test_average_precision_reaches_the_floor(judged: dict[str, Any]) -> None:
    assert _model(judged)["average_precision"]["value"] >= 0.30


def test_the_model_is_not_below_our_own_logistic_regression(judged: dict[str, Any]) -> None:
    for difference in ("paired_auc_difference", "paired_average_precision_difference"):
        assert judged[difference]["logistic"]["high"] >= 0, difference


def test_risks_are_neither_too_extreme_nor_too_flat(judged: dict[str, Any]) -> None:
    assert 0.8 <= _model(judged)["calibration_slope"]["value"] <= 1.25
