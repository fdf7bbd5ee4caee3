"""Contributions looked up in tables are LightGBM's own, to rounding, and a wrong table is noticed."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from riskmodel.models import gbm
from riskmodel.models.contribution_tables import MOST_QUESTIONS, ContributionTables
from riskmodel.models.gbm import Gbm, fit_gbm
from riskmodel.recipe import TreeParameters

NAMES = tuple("abcdef")


def rows(count: int = 3000) -> np.ndarray:
    """Columns with gaps, with few values, with zeros, and below zero."""
    chance = np.random.default_rng(1)
    X = chance.normal(size=(count, 6))
    X[:, 1] = np.round(X[:, 1])
    X[chance.random(X.shape) < 0.15] = np.nan
    X[:, 4] = np.nan_to_num(X[:, 4])  # nothing is missing: LightGBM takes a gap for 0 here
    return X


def model(depth: int, **asked: object) -> Gbm:
    X, chance = rows(), np.random.default_rng(2)
    margin = np.nan_to_num(X) @ [1, -1, 0.5, 0, 1, 0] + np.isnan(X[:, 0])
    y = (chance.random(len(X)) < 1 / (1 + np.exp(1 - margin))).astype(int)
    trees = TreeParameters(depth=depth, rounds=30, column_share=0.8, leaf_rows=10, leaf_events=0.1)
    return fit_gbm(X, y, names=NAMES, seed=1, trees=trees)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_every_row_gets_what_lightgbm_gives_it(depth):
    fitted = model(depth)
    X = np.vstack([rows(500), np.full(6, np.nan), np.zeros(6), np.full(6, 1e300), np.full(6, -1e-36)])
    tables = ContributionTables.of(fitted._booster.dump_model())
    found = tables.contributions(X)
    assert np.abs(found - fitted.contributions(X)).max() < 1e-12
    assert np.abs(found.sum(axis=1) - fitted.margin(X)).max() < 1e-12
    assert max(len(group.questions) for group in tables._groups) <= MOST_QUESTIONS


def test_zero_that_stands_for_not_known_is_asked_as_lightgbm_asks():
    X = rows() * (np.random.default_rng(5).random((3000, 6)) < 0.5)
    y = (np.nan_to_num(X).sum(axis=1) > 0).astype(int)
    data = lightgbm.Dataset(X, label=y, params={"zero_as_missing": True, "verbosity": -1})
    booster = lightgbm.train({"objective": "binary", "max_depth": 3, "verbosity": -1}, data, 20)
    told = ContributionTables.of(booster.dump_model()).contributions(X)
    assert np.abs(told - booster.predict(X, pred_contrib=True)).max() < 1e-12


def test_a_tree_that_asks_about_categories_has_no_table():
    X = np.random.default_rng(6).integers(0, 6, size=(2000, 2)).astype(float)
    data = lightgbm.Dataset(X, label=(X[:, 0] % 2), categorical_feature=[0], params={"verbosity": -1})
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 2)
    assert ContributionTables.of(booster.dump_model()) is None


def test_tables_are_used_from_a_size_on_and_only_while_they_agree(monkeypatch):
    fitted, X = model(3), rows(400)
    exact = fitted.contributions(X)
    monkeypatch.setattr(gbm, "BULK_ROWS", 300)
    assert np.abs(fitted.contributions(X) - exact).max() < 1e-12
    assert not np.array_equal(fitted.contributions(X), exact)  # it was another way
    tables = fitted._tables
    for wrong in (1e-6, np.nan):  # planted
        spoilt = replace(tables._groups[0], table=tables._groups[0].table + wrong)
        fitted.__dict__["_tables"] = replace(tables, _groups=(spoilt, *tables._groups[1:]))
        assert np.array_equal(fitted.contributions(X), exact)
