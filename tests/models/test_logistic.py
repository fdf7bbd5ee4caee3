import numpy as np

from riskmodel.models.logistic import fit_logistic


def test_a_planted_line_is_recovered_in_order_and_sign():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(5000, 3)) * [1, 10, 100]
    y = (chance.random(5000) < 1 / (1 + np.exp(2 - X[:, 0] + 0.05 * X[:, 1]))).astype(int)
    model = fit_logistic(X, y, names=("a", "b", "c"))
    assert model.weight[0] > 0.5
    assert model.weight[1] < -0.2
    assert abs(model.weight[2]) < 0.1


def test_not_known_has_a_weight_of_its_own():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(5000, 2))
    gone = chance.random(5000) < 0.3
    X[gone, 0] = np.nan
    y = (chance.random(5000) < np.where(gone, 0.4, 0.1)).astype(int)
    model = fit_logistic(X, y, names=("a", "b"))
    margin = model.margin(np.array([[np.nan, 0.0], [np.nanmedian(X[:, 0]), 0.0]]))
    assert margin[0] - margin[1] > 1


def test_columns_that_lack_together_share_one_indicator_and_an_empty_column_has_none():
    X = np.array([[np.nan, np.nan, np.nan, 1.0], [1.0, 2.0, np.nan, np.nan]] * 20 + [[0.0, 0.0, np.nan, 0.0]])
    y = np.array([0, 1] * 20 + [1])
    model = fit_logistic(X, y, names=("a", "b", "c", "d"))
    assert model.indicators.tolist() == [0, 3]
    assert np.isfinite(model.margin(X)).all()


def test_a_typing_error_moves_no_margin_beyond_four_standard_deviations():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(2000, 1))
    y = (chance.random(2000) < 1 / (1 + np.exp(2 - X[:, 0]))).astype(int)
    model = fit_logistic(X, y, names=("a",))
    far, absurd = model.margin(np.array([[10.0], [1e9]]))
    assert far == absurd
