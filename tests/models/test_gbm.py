import lightgbm
import numpy as np
import pytest

from riskmodel.models.gbm import BinnedRows, Gbm, fit_gbm, parameters_of
from riskmodel.recipe import TreeParameters


def _rows(seed: int = 0, rows: int = 2000):
    chance = np.random.default_rng(seed)
    X = chance.normal(size=(rows, 4))
    X[chance.random(X.shape) < 0.1] = np.nan
    y = (chance.random(rows) < 1 / (1 + np.exp(2 - np.nan_to_num(X[:, 0])))).astype(int)
    return X, y


NAMES = ("a", "b", "c", "d")


def test_the_same_rows_and_seed_give_the_same_text_byte_for_byte():
    X, y = _rows()
    first, second = (fit_gbm(X, y, names=NAMES, seed=3) for _ in range(2))
    assert first.text == second.text
    assert fit_gbm(X, y, names=NAMES, seed=4).text != first.text


def test_a_model_read_from_its_text_gives_the_same_margins_bit_for_bit():
    X, y = _rows()
    model = fit_gbm(X, y, names=NAMES, seed=3)
    again = Gbm.from_text(model.text)
    assert again.names == NAMES
    assert np.array_equal(again.margin(X), model.margin(X))


def test_contributions_and_base_sum_to_the_margin():
    X, y = _rows()
    model = fit_gbm(X, y, names=NAMES, seed=3)
    contributions = model.contributions(X)
    assert contributions.shape == (len(X), 5)
    assert np.abs(contributions.sum(axis=1) - model.margin(X)).max() < 1e-9


def test_a_row_alone_scores_as_among_others_and_no_rows_score_as_none():
    X, y = _rows()
    model = fit_gbm(X, y, names=NAMES, seed=3)
    assert model.margin(X[5:6])[0] == model.margin(X)[5]
    assert model.margin(X[:0]).shape == (0,)
    assert model.contributions(X[:0]).shape == (0, 5)


def test_a_monotone_column_never_lowers_the_margin_as_it_rises():
    X, y = _rows()
    model = fit_gbm(X, y, names=NAMES, seed=3, directions=(1, 0, 0, 0), trees=TreeParameters(monotone=True))
    rows = np.zeros((50, 4))
    rows[:, 0] = np.linspace(-3, 3, 50)
    assert (np.diff(model.margin(rows)) >= 0).all()


def test_the_mean_risk_of_a_rare_outcome_is_its_rate():
    chance = np.random.default_rng(5)
    X = chance.normal(size=(20_000, 4))
    y = (chance.random(20_000) < 1 / (1 + np.exp(5 - X[:, 0]))).astype(int)
    margin = fit_gbm(X, y, names=NAMES, seed=1).margin(X)
    assert (1 / (1 + np.exp(-margin))).mean() == pytest.approx(y.mean(), rel=0.05)


@pytest.mark.parametrize(
    "weight", ["is_unbalance", "scale_pos_weight", "class_weight", "pos_bagging_fraction"]
)
def test_no_class_is_weighted(weight):
    assert weight not in parameters_of(TreeParameters())


def test_a_column_with_one_value_adds_nothing():
    # All dates of a region may lie on one day of their terms.
    X, y = _rows()
    with_one = np.column_stack([X[:, :2], np.full(len(X), 56.0), X[:, 2:]])
    beside = fit_gbm(with_one, y, names=("a", "b", "day", "c", "d"), seed=3)
    assert not beside.contributions(with_one)[:, 2].any()


def test_bins_of_pieces_are_those_of_one_array(monkeypatch, tmp_path):
    """LightGBM reads our rows piece by piece; its own reading of one array is what that must equal."""
    monkeypatch.setattr("riskmodel.design.PIECE_ROWS", 700)
    chance = np.random.default_rng(4)
    X = np.round(chance.exponential(size=(5_000, 4)), 2) * (chance.random((5_000, 4)) < 0.6)
    X[chance.random(X.shape) < 0.1] = np.nan
    y = chance.integers(0, 2, 5_000)
    pieces = BinnedRows.of(X, y, names=NAMES)._data
    parameters = parameters_of(TreeParameters())
    array = lightgbm.Dataset(X, label=y, feature_name=list(NAMES), params=parameters).construct()
    for name, data in (("pieces", pieces), ("array", array)):
        data.save_binary(tmp_path / name)
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "array").read_bytes()
