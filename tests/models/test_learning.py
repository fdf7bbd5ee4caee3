from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.design import ArrayDesign, whole
from riskmodel.domain import FeatureMatrix, Labels, Outcome
from riskmodel.models.learning import Grower, rows_to_learn
from riskmodel.models.training import train
from riskmodel.recipe import PLAIN, Recipe

HAZARD = Recipe(name="hazard", learns="hazard")


def _with_ends(labels: Labels, *, horizon_days: int, seed: int = 0) -> Labels:
    """Say when each horizon ends and, of who left, on which day."""
    frame, chance = labels.frame, np.random.default_rng(seed)
    left = (frame["outcome"] == Outcome.LEFT).to_numpy()
    day = pd.to_timedelta(chance.integers(1, horizon_days, len(frame)), unit="D")
    return Labels(
        frame.assign(
            horizon_end=frame["as_of_date"] + pd.Timedelta(days=horizon_days),
            left_on=(frame["as_of_date"] + day).where(left),
        ),
        labels.label_date,
        labels.rule_version,
    )


def _first_date(matrix: FeatureMatrix, labels: Labels) -> tuple[Labels, Labels]:
    """Part labels: what is known of the first date, and of the second, which was still running."""
    first = labels.frame["as_of_date"] == matrix.frame["as_of_date"].min()
    return tuple(Labels(labels.frame[part], labels.label_date, "test") for part in (first, ~first))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def parted(planted):
    labels = _with_ends(planted.labels, horizon_days=100)
    known, running = _first_date(planted.matrix, labels)
    told = running.frame.assign(observed_to=running.frame["horizon_end"])
    return planted.matrix, known, replace(running, frame=told)


def test_only_known_outcomes_are_learnt_where_no_horizon_is_running(parted):
    matrix, known, _ = parted
    rows = rows_to_learn(matrix, known, None, recipe=PLAIN)
    assert rows.known.all()
    assert len(rows.y) == len(known.frame)
    assert rows.observed is None


def test_a_running_horizon_is_learnt_from_for_as_long_as_it_was_observed(parted):
    matrix, known, running = parted
    cut = running.frame.assign(observed_to=running.frame["as_of_date"] + pd.Timedelta(days=30))
    seen = (cut["left_on"] <= cut["observed_to"]).to_numpy()
    cut = cut.assign(outcome=np.where(seen, "left", "stayed"), left_on=cut["left_on"].where(seen))
    rows = rows_to_learn(matrix, known, Labels(cut, date(2026, 3, 1), "test"), recipe=HAZARD)
    assert len(rows.y) == len(matrix.frame)
    assert rows.known.sum() == len(known.frame)
    assert rows.y[~rows.known].sum() == seen.sum()
    assert rows.observed[~rows.known & (rows.y == 0)].tolist() == [30] * int((~seen).sum())
    assert rows.observed[rows.known & (rows.y == 0)].min() == 100
    assert set(rows.whole) == {100}


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.UNACCOUNTED, Outcome.ALREADY_GONE])
def test_who_is_in_doubt_is_left_out_also_while_running(parted, outcome):
    matrix, known, running = parted
    doubtful = Labels(running.frame.assign(outcome=outcome.value), running.label_date, "test")
    assert rows_to_learn(matrix, known, doubtful, recipe=HAZARD).known.all()


def test_running_horizons_enter_the_model_and_neither_counts_nor_calibration(parted):
    matrix, known, running = parted
    alone = train(matrix, known, recipe=HAZARD, seed=7, bag=0)
    beside = train(matrix, known, recipe=HAZARD, running=running, seed=7, bag=0)
    assert beside.counts.events == alone.counts.events
    assert len(beside.out_of_fold) == len(alone.out_of_fold) == len(known.frame)
    assert beside.fitted.scorer.texts != alone.fitted.scorer.texts
    assert beside.fitted.logistic.text == alone.fitted.logistic.text


def test_a_hazards_calibrated_risk_is_as_high_as_leaving_is_frequent(parted):
    matrix, known, running = parted
    trained = train(matrix, known, recipe=HAZARD, running=running, seed=7, bag=0)
    found = trained.out_of_fold
    assert found["risk"].mean() == pytest.approx(found["left"].mean(), rel=0.02)


def test_rows_at_positions_know_nothing_of_the_others(parted):
    matrix, known, running = parted
    rows = rows_to_learn(matrix, known, running, recipe=HAZARD)
    half = np.arange(0, len(rows.y), 2)
    turned = whole(rows.X)
    turned[1::2] = turned[1::2][::-1] * 3
    other = replace(rows, X=ArrayDesign(turned), y=np.where(np.arange(len(rows.y)) % 2, 1 - rows.y, rows.y))
    first, second = (Grower.of(each.at(half), HAZARD).fit(seed=1).texts for each in (rows, other))
    assert first == second
