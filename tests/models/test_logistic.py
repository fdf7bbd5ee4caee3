import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from riskmodel.models.logistic import CLIP, Logistic, fit_logistic


def test_a_planted_line_is_recovered_in_order_and_sign():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(5000, 3)) * [1, 10, 100]
    y = (chance.random(5000) < 1 / (1 + np.exp(2 - X[:, 0] + 0.05 * X[:, 1]))).astype(int)
    model = fit_logistic(X, y, names=("a", "b", "c"))
    assert model.weight[0] > 0.5
    assert model.weight[1] < -0.2
    assert abs(model.weight[2]) < 0.1


def test_a_weaker_prior_lets_a_weight_grow():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(300, 1))
    y = (chance.random(300) < 1 / (1 + np.exp(2 - X[:, 0]))).astype(int)
    strong, weak = (fit_logistic(X, y, names=("a",), prior_sd=sd).weight[0] for sd in (0.1, 0.3))
    assert 0 < strong < weak


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


def _a_column_that_tells_more_late_in_a_term():
    chance = np.random.default_rng(0)
    X = np.column_stack([chance.normal(size=(6000, 2)), chance.choice([28.0, 70.0, 112.0], size=6000)])
    X[chance.random(6000) < 0.1, 1] = np.nan
    y = (chance.random(6000) < 1 / (1 + np.exp(2 - X[:, 0] * X[:, 2] / 100))).astype(int)
    return X, y


def test_a_weight_varies_with_the_day_of_the_term_and_contributions_still_add_up():
    X, y = _a_column_that_tells_more_late_in_a_term()
    model = fit_logistic(X, y, names=("a", "b", "day"), season="day")
    plain = fit_logistic(X, y, names=("a", "b", "day"))

    def one_more_of_a(model, day):
        low, high = model.margin(np.array([[0.0, 0.0, day], [1.0, 0.0, day]]))
        return high - low

    assert one_more_of_a(model, 28.0) < 0.5 < 0.8 < one_more_of_a(model, 112.0)
    assert one_more_of_a(plain, 28.0) == pytest.approx(one_more_of_a(plain, 112.0))
    np.testing.assert_allclose(model.contributions(X).sum(axis=1), model.margin(X), atol=1e-9)
    assert Logistic.from_text(model.text).margin(X).tobytes() == model.margin(X).tobytes()


def test_dates_that_all_lie_on_one_day_of_their_terms_give_the_line_without_it():
    X, y = _a_column_that_tells_more_late_in_a_term()
    X[:, 2] = 56.0
    model, plain = (fit_logistic(X, y, names=("a", "b", "day"), season=name) for name in ("day", None))
    alone = fit_logistic(X[:, :2], y, names=("a", "b"))
    assert model.text == plain.text
    np.testing.assert_allclose(model.margin(X), alone.margin(X[:, :2]), atol=1e-4)


@pytest.mark.parametrize("hazard", [False, True])
def test_weights_are_those_that_scikit_learn_finds_with_all_rows_in_memory(hazard):
    chance = np.random.default_rng(3)
    X = chance.normal(size=(9000, 3)) * [1, 5, 9]  # of more than one piece
    margin = X @ [0.8, -0.1, 0.05] - 2
    times = chance.integers(1, 4, 9000)
    exposure = chance.uniform(0.2, 1, 9000) if hazard else None
    share = 1 / (1 + np.exp(-margin)) if exposure is None else 1 - np.exp(-np.exp(margin) * exposure)
    y = (chance.random(9000) < share).astype(int)

    model = fit_logistic(X, y, names=("a", "b", "c"), exposure=exposure, times=times, prior_sd=0.3)

    columns = np.clip((X - X.mean(axis=0)) / X.std(axis=0), -CLIP, CLIP)
    if exposure is None:
        theirs = LogisticRegression(C=0.09, tol=1e-9, max_iter=1000).fit(columns, y, sample_weight=times)
    else:
        counted = times * exposure
        theirs = PoissonRegressor(alpha=1 / (0.09 * counted.sum()), tol=1e-9, max_iter=1000)
        theirs.fit(columns, y / exposure, sample_weight=counted)
    assert model.weight == pytest.approx(np.ravel(theirs.coef_), abs=2e-6)
    assert model.intercept == pytest.approx(np.ravel(theirs.intercept_)[0], abs=2e-6)
