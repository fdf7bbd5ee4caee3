from dataclasses import replace

import numpy as np
import pytest

from riskmodel.models.learning import rows_to_learn
from riskmodel.models.search import log_loss, mean_and_error, search_trees
from riskmodel.recipe import PLAIN, Search, TreeParameters
from riskmodel.splits import school_folds


@pytest.fixture(scope="module")
def rows(planted):
    return rows_to_learn(planted.matrix, planted.labels, None, recipe=PLAIN)


def _search(rows, trees: TreeParameters, *, trials: int = 5, minutes: float = 5):
    recipe = replace(PLAIN, trees=trees, search=Search(trials=trials, minutes=minutes))
    folds = school_folds(rows.schools, rows.households, rows.students, folds=3)
    return search_trees(rows, folds, recipe=recipe, by="school", seed=7)


@pytest.fixture(scope="module")
def found(rows):
    return _search(rows, TreeParameters(depth=1, rounds=2))


def test_parameters_that_are_too_weak_are_left_behind(found):
    assert found.chosen.number > 0
    assert found.gain.low > 0
    assert found.chosen.loss < found.trials[0].loss


def test_the_simplest_within_one_standard_error_of_the_best_is_chosen(found):
    within = [trial for trial in found.trials if trial.behind <= trial.standard_error]
    assert min(found.trials, key=lambda trial: trial.loss) in within
    assert found.chosen.leaves == min(trial.leaves for trial in within)


def test_the_same_rows_and_seed_give_the_same_search(rows, found):
    again = _search(rows, TreeParameters(depth=1, rounds=2))
    assert [(one.trees, one.loss) for one in again.trials] == [(one.trees, one.loss) for one in found.trials]


def test_the_bound_in_minutes_ends_it_after_the_trial_that_crossed_it(rows):
    assert len(_search(rows, TreeParameters(rounds=2), trials=50, minutes=1e-9).trials) == 1


def test_outcomes_of_rows_whose_horizon_is_running_are_not_judged(rows):
    some = replace(rows, known=np.arange(len(rows.y)) % 2 == 0)
    assert _search(some, TreeParameters(rounds=2), trials=2).rows == some.known.sum()


@pytest.mark.parametrize("hazard", [False, True])
def test_log_loss_is_that_of_the_risk_that_the_margin_stands_for(hazard):
    margin, y = np.array([-3.0, -1.0, 0.5]), np.array([1, 0, 1])
    risk = 1 - np.exp(-np.exp(margin)) if hazard else 1 / (1 + np.exp(-margin))
    assert log_loss(margin, y, hazard=hazard) == pytest.approx(-np.log(np.where(y == 1, risk, 1 - risk)))


def test_rows_of_one_school_count_as_one_for_the_standard_error():
    values = np.array([0.0, 1.0, 0.0, 1.0])
    alone, together = np.array(list("abcd")), np.array(["a", "b", "a", "b"])
    assert mean_and_error(values, together)[1] == pytest.approx(mean_and_error(values, alone)[1] * 2**0.5)
