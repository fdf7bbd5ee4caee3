"""The search for tree parameters that a recipe asks for, on what was known before the test dates."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import numpy as np

from riskmodel import splits
from riskmodel.models.learning import LearningRows, rows_to_learn
from riskmodel.models.search import Fold, SearchResult, Trial, search_trees
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.pipelines.inputs import stored_matrix_of
from riskmodel.pipelines.judging import Learnt, learnt_on
from riskmodel.pipelines.run import Dates, Run, clock
from riskmodel.recipe import Recipe
from riskmodel.records.store import RecordStore
from riskmodel.tracking import NestedRun


def learnt_for_test(run: Run, store: RecordStore, dates: Dates) -> Learnt:
    """Read what was known before the first test date."""
    first = min(as_of.as_of_date for as_of in dates.test)
    read = partial(stored_matrix_of, run, store)
    return learnt_on(
        run, store, first, training=dates.training_for_test, running=dates.running_for_test, read=read
    )


def searched(
    run: Run, store: RecordStore, dates: Dates, *, recipe: Recipe | None = None
) -> tuple[Recipe, SearchResult | None]:
    """Return a recipe (None: the run's) with what its search chose; as it is where it asks for none.

    Nothing of the test dates is looked at. Where no date is judged, or too few leavers are known for a
    model, nothing is searched.
    """
    recipe = recipe or run.recipe
    if recipe.search is None or not dates.test or not dates.training_for_test:
        return recipe, None
    seconds = clock()
    learnt = learnt_for_test(run, store, dates)
    running = learnt.running if recipe.learns == "hazard" else None
    seed = run.configuration.seed
    rows = rows_to_learn(learnt.matrix, learnt.known, running, recipe=recipe, seed=seed)
    if _leavers(rows, np.flatnonzero(rows.known)) < MINIMUM_TRAINING_EVENTS:
        return recipe, None
    by, folds = search_folds(rows, dates, outcome_delay_days=run.outcome_delay_days)
    found = search_trees(rows, folds, recipe=recipe, by=by, seed=seed)
    run.say(
        f"searched_by_{by}",
        trials=len(found.trials),
        folds=found.folds,
        events=found.events,
        chosen=found.chosen.number,
        gain=f"{found.gain.value:+.5f} [{found.gain.low:+.5f}, {found.gain.high:+.5f}]",
        seconds=seconds(),
    )
    return replace(recipe, trees=found.chosen.trees), found


def search_folds(
    rows: LearningRows, dates: Dates, *, outcome_delay_days: splits.Delay
) -> tuple[str, list[Fold]]:
    """Hold out later terms; where none has enough leavers known before it, hold out schools."""
    forward = splits.forward_folds(rows.days, dates.training_for_test, outcome_delay_days=outcome_delay_days)
    enough = [
        (learn, held)
        for learn, held in forward
        if _leavers(rows, learn) >= MINIMUM_TRAINING_EVENTS and _leavers(rows, held)
    ]
    if enough:
        return "term", enough
    return "school", splits.school_folds(rows.schools, rows.households, rows.students)


def trial_run(trial: Trial, *, chosen: bool) -> NestedRun:
    """Return a trial as it is logged."""
    metrics = {
        "log_loss": trial.loss,
        "behind_best": trial.behind,
        "behind_best_standard_error": trial.standard_error,
        "leaves": float(trial.leaves),
        "seconds": trial.seconds,
    }
    parameters = {name: str(value) for name, value in asdict(trial.trees).items()}
    return NestedRun(name=f"trial-{trial.number}", parameters=parameters, metrics=metrics, chosen=chosen)


def _leavers(rows: LearningRows, at: np.ndarray) -> int:
    return len(np.unique(rows.students[at][rows.y[at] == 1]))
