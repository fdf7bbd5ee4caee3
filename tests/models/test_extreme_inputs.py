"""Whatever stands in the columns, what comes out is finite, and a probability is one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from riskmodel.domain import FeatureMatrix
from riskmodel.models.training import train
from riskmodel.recipe import Recipe
from riskmodel.scoring import score_unwritten

EXTREMES = (np.nan, 0.0, -1.0, 1.0, 200.0, -1e-30, 1e-30, 1e12, -1e12, 1e30, -1e30)
"""The line counts in single precision: beyond 3e38 it would say so with a warning."""


@pytest.fixture(scope="module")
def average(planted):
    """The mean of trees and a line: both parts see the rows."""
    return train(planted.matrix, planted.labels, recipe=Recipe(parts=("trees", "linear")), seed=7, bag=0)


@pytest.fixture(scope="module")
def extreme(planted):
    """All columns at one extreme; each column alone at each; and rows of mixed extremes."""
    matrix = planted.matrix
    names = list(matrix.model_features)
    usual = matrix.frame[names].to_numpy()[:1]
    one_by_one = np.repeat(usual, len(names) * len(EXTREMES), axis=0)
    one_by_one[np.arange(len(one_by_one)), np.repeat(np.arange(len(names)), len(EXTREMES))] = np.tile(
        EXTREMES, len(names)
    )
    mixed = np.random.default_rng(0).choice(EXTREMES, size=(500, len(names)))
    rows = np.vstack([np.tile(np.array(EXTREMES)[:, None], len(names)), one_by_one, mixed])
    frame = matrix.frame.iloc[np.zeros(len(rows), dtype=int)].reset_index(drop=True)
    frame = frame.assign(**dict(zip(names, rows.T, strict=True)))
    return FeatureMatrix(frame.assign(student_id=[f"x{n}" for n in range(len(frame))]), matrix.features)


def test_margins_risks_and_contributions_of_extreme_rows_are_finite(average, extreme):
    scores = score_unwritten(extreme, average)
    assert len(scores.margin) > 600
    assert np.isfinite(scores.margin).all()
    assert ((scores.risk > 0) & (scores.risk < 1)).all()
    added = average.fitted.scorer.contributions(extreme.frame[list(average.feature_names)].to_numpy())
    assert np.isfinite(added).all()
    assert added.sum(axis=1) == pytest.approx(scores.margin, abs=1e-9)


def test_no_extreme_value_carries_a_margin_far_beyond_those_of_training(average, extreme, planted):
    usual = score_unwritten(planted.matrix, average).margin
    told = score_unwritten(extreme, average).margin
    spread = np.ptp(usual)
    assert usual.min() - 2 * spread < told.min()
    assert told.max() < usual.max() + 2 * spread


def test_a_row_of_which_nothing_is_known_and_columns_of_one_value_can_be_learnt_from(planted):
    frame = planted.matrix.frame.copy()
    names = list(planted.matrix.model_features)
    frame.loc[frame.index[:40], names] = np.nan
    frame["distance_km"] = np.nan
    frame["months_at_school"] = 3.0
    trained = train(
        replace(planted.matrix, frame=frame),
        planted.labels,
        recipe=Recipe(parts=("trees", "linear")),
        seed=7,
        bag=0,
    )
    found = trained.out_of_fold
    assert np.isfinite(found[["margin", "risk", "logistic_margin", "logistic_risk"]].to_numpy()).all()
    assert ((found["risk"] > 0) & (found["risk"] < 1)).all()
