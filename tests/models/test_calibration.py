import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riskmodel.models.calibration import Calibrator, fit_calibrator


def _outcomes(margin, *, slope=1.0, intercept=0.0, seed=0):
    risk = 1 / (1 + np.exp(-(slope * margin + intercept)))
    return (np.random.default_rng(seed).random(len(margin)) < risk).astype(int)


def test_the_slope_and_intercept_of_the_truth_are_found():
    margin = np.random.default_rng(1).normal(-3, 1.5, 60_000)
    calibrator = fit_calibrator(margin, _outcomes(margin, slope=0.6, intercept=-0.5))
    assert calibrator.kind == "sigmoid"
    assert calibrator.slope == pytest.approx(0.6, abs=0.05)
    assert calibrator.intercept == pytest.approx(-0.5, abs=0.15)


def test_the_mean_risk_is_the_observed_rate():
    margin = np.random.default_rng(1).normal(-3, 1.5, 20_000)
    y = _outcomes(margin, slope=0.5)
    assert fit_calibrator(margin, y).risk(margin).mean() == pytest.approx(y.mean(), rel=0.01)


def test_targets_are_smoothed_so_that_perfect_order_does_not_end_in_zero_and_one():
    margin = np.array([-2.0, -1.0, 1.0, 2.0])
    risk = fit_calibrator(margin, np.array([0, 0, 1, 1])).risk(margin)
    assert (risk > 0.1).all()
    assert (risk < 0.9).all()


def test_margins_that_point_the_wrong_way_fall_back_to_the_base_rate_and_say_so():
    margin = np.random.default_rng(1).normal(size=5000)
    y = _outcomes(-margin, intercept=-2)
    calibrator = fit_calibrator(margin, y)
    assert calibrator.kind == "base_rate"
    assert calibrator.risk(margin) == pytest.approx(np.full(5000, y.mean()), rel=0.05)


@pytest.mark.parametrize("y", [np.zeros(50, dtype=int), np.ones(50, dtype=int)])
def test_one_outcome_alone_gives_the_base_rate(y):
    assert fit_calibrator(np.linspace(-1, 1, 50), y).kind == "base_rate"


def test_the_broken_line_is_given_from_1000_leavers_on_and_each_counts_once():
    margin = np.random.default_rng(1).normal(-1, 1, 8000)
    y = _outcomes(margin)
    assert y.sum() > 1000
    assert fit_calibrator(margin, y, isotonic=True).kind == "isotonic"
    assert fit_calibrator(margin, y, isotonic=True, events=999).kind == "sigmoid"
    assert fit_calibrator(margin, y).kind == "sigmoid"


@given(st.integers(0, 10_000), st.booleans(), st.floats(0.05, 5))
@example(4783, True, 0.5)  # two pools whose shares differed by less than rounding
def test_no_calibrator_reverses_the_order_of_two_students(seed, isotonic, slope):
    margin = np.random.default_rng(seed).normal(-1, 2, 300)
    calibrator = fit_calibrator(
        margin, _outcomes(margin, slope=slope, seed=seed), isotonic=isotonic, events=2000
    )
    ends = [margin.min() - 5, margin.max() + 5]
    ordered = np.sort(np.concatenate([margin, ends]))
    steps = np.diff(calibrator.risk(ordered))
    assert (steps >= 0).all()
    if calibrator.kind != "base_rate":
        assert (steps[np.diff(ordered) > 1e-6] > 0).all()


def test_numbers_come_back_from_json_as_an_equal_calibrator():
    margin = np.random.default_rng(1).normal(-1, 1, 8000)
    for isotonic in (True, False):
        calibrator = fit_calibrator(margin, _outcomes(margin), isotonic=isotonic)
        assert Calibrator.from_numbers(json.loads(json.dumps(calibrator.to_numbers()))) == calibrator
