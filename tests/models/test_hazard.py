import numpy as np
import pytest

from riskmodel.models.gbm import fit_gbm
from riskmodel.models.hazard import LEAST_EXPOSURE, exposures
from riskmodel.models.logistic import PRIOR_SD, fit_logistic

NAMES = ("a", "b")


def test_who_was_observed_as_long_as_anybody_counts_in_full_and_who_left_early_for_less():
    days = np.array([10, 10, 10, 2, 6])
    found = exposures(days, np.array([False, False, False, True, True]), whole=np.full(5, 10))
    first, second = 1 / 5, 1 / 5 + 1 / 4  # Nelson-Aalen: one of five on day 2, one of four on day 6
    assert found == pytest.approx([1, 1, 1, first / second, 1])


def test_a_horizon_still_running_counts_for_the_hazard_it_saw():
    days = np.array([1, 2, 3, 4, 2, 4, 4, 4])
    left = np.array([True, True, True, True, False, False, False, False])
    found = exposures(days, left, whole=np.full(8, 4))
    assert found[4] == found[1]
    assert found[4] == pytest.approx((1 / 8 + 1 / 7) / (1 / 8 + 1 / 7 + 1 / 5 + 1 / 4))


def test_who_was_observed_over_the_whole_of_a_shorter_horizon_counts_in_full():
    days, left = np.array([100, 30, 20, 60]), np.array([False, False, True, True])
    found = exposures(days, left, whole=np.array([100, 30, 100, 100]))
    first, second = 1 / 4, 1 / 4 + 1 / 2  # one of four on day 20, one of two on day 60
    assert found == pytest.approx([1, 1, first / second, 1])


def test_where_nobody_left_the_days_count():
    found = exposures(np.array([1, 5, 10]), np.zeros(3, dtype=bool), whole=np.full(3, 10))
    assert found == pytest.approx([0.1, 0.5, 1])


def test_nobody_has_no_exposure():
    found = exposures(np.array([1, 400]), np.array([False, True]), whole=np.full(2, 400))
    assert found.min() == LEAST_EXPOSURE


def _observed(seed: int, rows: int = 60_000, horizon: int = 100):
    """Draw days of leaving: a hazard that doubles half-way, times exp(a); half the rows end on day 40."""
    chance = np.random.default_rng(seed)
    X = chance.normal(size=(rows, 2))
    daily = np.where(np.arange(1, horizon + 1) <= 50, 0.0004, 0.0008)
    at_least = chance.exponential(size=rows) / np.exp(X[:, 0])
    left_on = np.searchsorted(daily.cumsum(), at_least) + 1
    until = np.where(chance.random(rows) < 0.5, horizon, 40)
    left = left_on <= until
    return X, left, np.where(left, left_on, until), until


def test_rows_cut_short_tell_the_same_hazard_as_a_row_for_every_day():
    """One row per student gives the coefficients of the regression on a row per student and day."""
    from sklearn.linear_model import PoissonRegressor

    X, left, days, _ = _observed(1, rows=3000)
    model = fit_logistic(
        X, left.astype(int), names=NAMES, exposure=exposures(days, left, whole=np.full(len(days), 100))
    )
    longest = days.max()
    leaving = np.bincount(days[left], minlength=longest + 1)
    hazard = leaving / np.maximum(np.bincount(days, minlength=longest + 1)[::-1].cumsum()[::-1], 1)
    share = hazard / hazard.sum()
    row = np.repeat(np.arange(len(X)), days)
    day = np.concatenate([np.arange(1, last + 1) for last in days])
    event = left[row] & (day == days[row])
    used = share[day] > 0  # days on which nobody left add nothing to either likelihood
    columns = ((X - model.centre) / model.scale).clip(-4, 4)
    long = PoissonRegressor(alpha=1 / (PRIOR_SD**2 * share[day][used].sum()), max_iter=1000, tol=1e-8)
    long.fit(columns[row][used], event[used] / share[day][used], sample_weight=share[day][used])
    assert model.weight == pytest.approx(long.coef_, abs=1e-4)
    assert model.intercept == pytest.approx(float(long.intercept_), abs=1e-4)


def test_trees_that_learn_from_running_horizons_expect_as_many_leavings_as_a_whole_horizon_has():
    X, left, days, _ = _observed(2)
    model = fit_gbm(
        X,
        left.astype(int),
        names=NAMES,
        seed=1,
        exposure=exposures(days, left, whole=np.full(len(days), 100)),
    )
    again, still, _, until = _observed(3)
    whole = until == 100
    expected = np.exp(model.margin(again[whole]))
    assert (1 - np.exp(-expected)).mean() == pytest.approx(still[whole].mean(), rel=0.08)
    assert model.contributions(again[:50]).sum(axis=1) == pytest.approx(model.margin(again[:50]))


def test_taking_a_cut_row_for_one_who_stayed_would_promise_too_little():
    X, left, _, _ = _observed(2)
    naive = fit_gbm(X, left.astype(int), names=NAMES, seed=1, exposure=np.ones(len(X)))
    again, still, _, until = _observed(3)
    whole = until == 100
    expected = np.exp(naive.margin(again[whole]))
    assert (1 - np.exp(-expected)).mean() < 0.8 * still[whole].mean()
