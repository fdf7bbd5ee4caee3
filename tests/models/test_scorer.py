import numpy as np
import pytest

from riskmodel.models.gbm import fit_gbm
from riskmodel.models.logistic import fit_logistic
from riskmodel.models.scorer import Scorer

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def rows():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(2000, 3)) * [1, 10, 0.1]
    X[chance.random(X.shape) < 0.1] = np.nan
    y = (chance.random(2000) < 1 / (1 + np.exp(2 - np.nan_to_num(X[:, 0])))).astype(int)
    return X, y


@pytest.fixture(scope="module", params=["trees", "linear", "both"])
def scorer(rows, request):
    X, y = rows
    trees = fit_gbm(X, y, names=NAMES, seed=1) if request.param != "linear" else None
    linear = fit_logistic(X, y, names=NAMES) if request.param != "trees" else None
    return Scorer(trees, linear)


def test_contributions_and_base_add_up_to_the_margin(scorer, rows):
    added = scorer.contributions(rows[0])
    assert added.shape == (2000, 4)
    assert np.abs(added.sum(axis=1) - scorer.margin(rows[0])).max() < 1e-9
    assert np.ptp(added[:, -1]) == 0


def test_a_model_read_from_its_texts_gives_the_same_margins_bit_for_bit(scorer, rows):
    again = Scorer.from_texts(scorer.texts)
    assert again.names == NAMES
    assert np.array_equal(again.margin(rows[0]), scorer.margin(rows[0]))


def test_a_row_alone_scores_as_among_others_bit_for_bit(scorer, rows):
    among = scorer.margin(rows[0])
    assert [scorer.margin(rows[0][number : number + 1])[0] for number in range(20)] == list(among[:20])


def test_the_margin_is_the_mean_of_its_parts(rows):
    X, y = rows
    trees, linear = fit_gbm(X, y, names=NAMES, seed=1), fit_logistic(X, y, names=NAMES)
    assert np.allclose(Scorer(trees, linear).margin(X), (trees.margin(X) + linear.margin(X)) / 2)


def test_not_known_is_counted_with_its_column(rows):
    X, y = rows
    linear = fit_logistic(X, y, names=NAMES)
    gap, typical = np.array([[np.nan, 0.0, 0.0]]), np.array([[linear.median[0], 0.0, 0.0]])
    moved = linear.contributions(gap)[0] - linear.contributions(typical)[0]
    assert moved[1:] == pytest.approx([0, 0, 0])
    assert moved[0] == pytest.approx(linear.weight[3] / linear.scale[3])
