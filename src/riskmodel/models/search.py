"""A bounded search for tree parameters on held-out rows; the simplest within one standard error wins.

Held-out rows are later terms where there are some, else other schools (the folds come in). The measure is
the log loss of the risk that a margin stands for by itself, before calibration: it punishes ranking,
sharpness and overconfidence at once. No row of a test is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.figures import Interval
from riskmodel.models.learning import Grower, Ids, LearningRows, margins_of
from riskmodel.recipe import Recipe, TreeParameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
Progress = Callable[[int, int], None]

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Trial:
    """One set of parameters on the held-out rows.

    Attributes
    ----------
    number
        0 is the recipe's own, the ones to beat.
    loss
        Mean log loss of a held-out row, in nats.
    behind, standard_error
        How much more that is than the best trial's on the same rows, and its standard error by school.
    leaves
        Leaves of all trees together: what simple means.
    """

    number: int
    trees: TreeParameters
    loss: float
    behind: float
    standard_error: float
    leaves: int
    seconds: float


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    trials
        In the order tried.
    chosen
        The simplest of the trials that lie within one standard error of the best.
    gain
        Log loss of a row by the recipe's own parameters less that by the chosen ones. The chosen were chosen
        on these rows: as an estimate of later rows it flatters.
    rows, events, folds
        Held-out rows, students among them who left, each once, and how many folds.
    by
        Whether the folds hold out later terms or other schools.
    """

    trials: tuple[Trial, ...]
    chosen: Trial
    gain: Interval
    rows: int
    events: int
    folds: int
    by: str


def search_trees(
    rows: LearningRows,
    folds: Sequence[Fold],
    *,
    recipe: Recipe,
    by: str,
    seed: int,
    progress: Progress | None = None,
) -> SearchResult:
    """Try tree parameters until the recipe's bounds, by a seeded tree-structured Parzen estimator.

    The bound in minutes depends on the machine: a result is the same for the same rows and seed where the
    bound in trials came first.

    Parameters
    ----------
    folds
        (rows to learn from, rows held out), positions in `rows`; of those held out, rows with a known
        outcome count.
    recipe
        Its `trees` are the ones to beat and its `search` holds the bounds; its other parts stand beside the
        trees in each trial as in the model.
    progress
        Called with (trials done, trials allowed).
    """
    import optuna

    bounds = recipe.search
    if bounds is None:
        raise ValueError("the recipe asks for no search")
    space = _space()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Each fold is binned for itself: bins made with the held-out rows would know their values.
    held = [(Grower.of(rows.at(learn).sampled(), recipe), out[rows.known[out]]) for learn, out in folds]
    at = np.concatenate([out for _, out in held])
    tried: list[tuple[TreeParameters, Floats, float]] = []
    end = time.monotonic() + bounds.minutes * 60

    def loss_of(trees: TreeParameters) -> float:
        begun = time.monotonic()
        margin = np.concatenate(
            [margins_of(grower.fit(seed=seed, trees=trees), rows.X.at(out)) for grower, out in held]
        )
        loss = log_loss(margin, rows.y[at], hazard=recipe.learns == "hazard")
        tried.append((trees, loss, time.monotonic() - begun))
        if progress:
            progress(len(tried), bounds.trials)
        return float(loss.mean())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8))
    own, value = asdict(recipe.trees), loss_of(recipe.trees)
    # The sampler learns from the recipe's own parameters only where they lie within its space.
    with suppress(ValueError):
        study.add_trial(optuna.trial.create_trial(params=own, distributions=space, value=value))
    while len(tried) < bounds.trials and time.monotonic() < end:
        asked = study.ask(space)
        study.tell(asked, loss_of(TreeParameters(**asked.params)))
    return _choose(tried, rows, at, folds=len(folds), by=by)


def log_loss(margin: Floats, y: NDArray[np.int_], *, hazard: bool) -> Floats:
    """Return the log loss of each row, in nats, of the risk that a margin stands for.

    A margin is the log-odds of leaving; of a hazard, the logarithm of the expected leavings over the whole
    horizon, of which the risk is `1 - exp(-expected)`.
    """
    if hazard:
        expected = np.exp(margin)
        return np.asarray(np.where(y == 1, -np.log(-np.expm1(-expected)), expected))
    return np.asarray(np.logaddexp(0, np.where(y == 1, -margin, margin)))


def mean_and_error(values: Floats, schools: NDArray[np.str_] | Ids) -> tuple[float, float]:
    """Return the mean of values and its standard error, where rows of one school are not independent."""
    _, who = np.unique(schools, return_inverse=True)
    sums = np.bincount(who, weights=values - values.mean())
    return float(values.mean()), float(np.sqrt((sums**2).sum()) / len(values))


def _choose(
    tried: Sequence[tuple[TreeParameters, Floats, float]],
    rows: LearningRows,
    at: NDArray[np.intp],
    *,
    folds: int,
    by: str,
) -> SearchResult:
    schools = rows.schools[at]
    best = min((loss for _, loss, _ in tried), key=lambda loss: float(loss.mean()))
    trials = []
    for number, (trees, loss, seconds) in enumerate(tried):
        behind, error = mean_and_error(loss - best, schools)
        leaves = trees.rounds * trees.leaves
        trials.append(Trial(number, trees, float(loss.mean()), behind, error, leaves, seconds))
    within = [trial for trial in trials if trial.behind <= trial.standard_error]
    chosen = min(within, key=lambda trial: (trial.leaves, trial.loss, trial.number))
    gained, error = mean_and_error(tried[0][1] - tried[chosen.number][1], schools)
    gain = Interval(gained, gained - NORMAL_95 * error, gained + NORMAL_95 * error)
    events = len(np.unique(rows.students[at][rows.y[at] == 1]))
    return SearchResult(tuple(trials), chosen, gain, len(at), events, folds, by)


def _space() -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        "depth": IntDistribution(2, 5),
        "rounds": IntDistribution(40, 480, step=40),
        "learning_rate": FloatDistribution(0.01, 0.1, log=True),
        "column_share": FloatDistribution(0.1, 0.6),
        "leaf_rows": IntDistribution(20, 200, log=True),
        "leaf_events": FloatDistribution(1.0, 20.0, log=True),
        "l2": FloatDistribution(1.0, 100.0, log=True),
        "monotone": CategoricalDistribution([False, True]),
    }
