from types import SimpleNamespace

import numpy as np
import pytest

from riskmodel.evaluation.stability import against_direction, flipped, same_reasons

OURS = np.array([[3.0, 2.0, 1.0, 0.5], [0.1, 0.2, -1.0, -2.0]])


def test_the_same_reasons_agree_wholly_whatever_their_size():
    assert same_reasons(OURS, np.stack([OURS * 5, OURS / 3])) == (1.0, 1.0)


def test_a_family_that_lowers_the_margin_is_no_reason():
    other = np.array([[3.0, 2.0, -1.0, -0.5], [0.2, 0.1, -1.0, -2.0]])
    first, three = same_reasons(OURS, other[None])
    assert first == 0.5
    # Two of three in the first row; the second has the same two reasons in another order.
    assert three == pytest.approx((2 / 3 + 1) / 2)


def test_rows_without_any_reason_agree_with_each_other_and_with_nobody_else():
    none = np.array([[-1.0, -2.0, -3.0, -4.0]])
    assert same_reasons(none, none[None]) == (1.0, 1.0)
    assert same_reasons(none, -none[None]) == (0.0, 0.0)


def test_a_flip_to_the_family_that_was_changed_is_no_flip():
    before = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    after = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    assert flipped(before, after, related=1) == pytest.approx(1 / 3)


def test_a_column_that_pushes_against_its_direction_is_named_if_it_has_weight():
    generator = np.random.default_rng(1)
    X = generator.random((500, 4))
    X[::7, 0] = np.nan
    contributions = np.column_stack([-X[:, 0], X[:, 1], -X[:, 2] / 1000, -X[:, 3], np.zeros(500)])
    contributions[np.isnan(contributions)] = 0.0
    features = [
        SimpleNamespace(name=name, direction=way) for name, way in zip("abcd", (1, 1, 1, 0), strict=True)
    ]
    assert against_direction(X, contributions, names="abcd", features=features) == ("a",)
