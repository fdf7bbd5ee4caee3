"""Training: one model that scores and explains, calibrated on rows it had not learned from, and its kin.

The kin are a bag of models that only say how sure a sign or a place in the list is, and the logistic
regression that stands beside on the same rows and folds. No figure of a test enters here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from riskmodel.design import Design
from riskmodel.domain import FeatureInfo, Labels, Matrix, Outcome
from riskmodel.errors import NotEnoughData
from riskmodel.models.calibration import Calibrator, fit_calibrator
from riskmodel.models.learning import (
    KEYS,
    Grower,
    LearningRows,
    margins_of,
    outcomes_of,
    resample,
    rows_to_learn,
)
from riskmodel.models.logistic import Logistic
from riskmodel.models.scorer import Scorer
from riskmodel.models.similar import SimilarStudents, group_by_risk
from riskmodel.recipe import PLAIN, Recipe
from riskmodel.splits import school_folds

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

BAG = 5
"""Models on resamples of students: they tell which signs are sure and who is near the line."""

MINIMUM_TRAINING_EVENTS = 100
"""Leavers, each once, below which no probabilities are given. With fewer than 100 events a calibration
slope cannot be told from a wrong one (Collins, Ogundimu and Altman 2016, Van Calster et al. 2016: at least
100 events; a perfectly calibrated model shows observed over expected outside 0.8 to 1.2 in 14 of 100 cases
at 50 events, in 4 at 100)."""
_FITS_BESIDE_EACH_OTHER = 2
"""Each on one thread. Fixed, as each takes memory; no result depends on it."""


@dataclass(frozen=True)
class TrainingCounts:
    """What a model was trained on.

    `rows` counts student-dates with a known outcome, `event_rows` those of them that left; `students` and
    `events` count people, each once. `unaccounted`, `unknown` and `already_gone` are rows left out, by
    outcome, and `unlabelled` rows without any.
    """

    rows: int
    students: int
    events: int
    event_rows: int
    unaccounted: int
    unknown: int
    already_gone: int
    unlabelled: int


@dataclass(frozen=True)
class Fitted:
    """What a training with enough events makes.

    Attributes
    ----------
    scorer, calibrator
        The model that scores and explains, on all rows, and the way from its margin to a risk, fitted on
        out-of-fold margins.
    bag
        Models on resamples of students: for stability only, never for a score.
    logistic, logistic_calibrator
        The simple model beside it.
    similar
        What became of students with about the same risk.
    """

    scorer: Scorer
    calibrator: Calibrator
    bag: tuple[Scorer, ...]
    logistic: Logistic
    logistic_calibrator: Calibrator
    similar: SimilarStudents


@dataclass(frozen=True)
class TrainedModel:
    """A training's result.

    Attributes
    ----------
    features
        Declarations of the matrix that it was trained on.
    feature_names
        The columns that the model uses, in order.
    recipe
        How it was made.
    fitted
        None where fewer than `MINIMUM_TRAINING_EVENTS` were known: then only the absence rule speaks.
    out_of_fold
        One row per training row: `as_of_date`, `student_id`, `left` (0 or 1) and, where fitted, `margin`,
        `risk`, `logistic_margin`, `logistic_risk` by models that had not seen the row's school.
    by_school
        By `school_id` and `stage`, training `rows` and how many of them `left`.
    base_risk
        Share of training rows that left; None where no outcome is known.
    quantiles
        (p, 19): the 5th to the 95th percentile of each column, of which synthetic rows are made (the
        extremes are left out: one may be a single child's). NaN where nothing is known.
    missing
        (p,): share of rows in which the column is not known.
    """

    features: tuple[FeatureInfo, ...]
    feature_names: tuple[str, ...]
    recipe: Recipe
    counts: TrainingCounts
    by_school: pd.DataFrame
    base_risk: float | None
    as_of_dates: tuple[date, ...]
    label_date: date
    rule_version: str
    seed: int
    fitted: Fitted | None
    out_of_fold: pd.DataFrame
    quantiles: Floats
    missing: Floats

    @property
    def probabilities(self) -> bool:
        """Whether there were events enough for calibrated risks."""
        return self.fitted is not None


def train(
    matrix: Matrix,
    labels: Labels,
    *,
    recipe: Recipe | None = None,
    running: Labels | None = None,
    seed: int,
    bag: int = BAG,
    folds: int = 5,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train on the rows whose outcome is known; where there are too few, or none, nothing is fitted.

    Parameters
    ----------
    matrix, labels
        Joined on (`as_of_date`, `student_id`); a label without a row of the matrix is left out.
    recipe
        How the model is made; None: `PLAIN`.
    running
        For a recipe that learns a hazard: what was known of dates whose horizon was still running, labelled
        up to the day until which they were observed. They never enter calibration or any count of outcomes.
    seed
        The only source of chance: the same data and seed give the same texts.
    bag
        How many models on resamples of students; 0 where nobody will be listed with reasons.
    folds
        Groups of schools for the cross-fitted calibration; fewer where there are fewer schools.
    progress
        Called with (steps done, steps to do).

    Raises
    ------
    NotEnoughData
        If schools cannot be held out, or all leavers are of one fold.
    """
    recipe = recipe or PLAIN
    known, y, counts = _join(matrix, labels)
    names = matrix.model_features
    quantiles, missing = _spread(matrix.design(names).at(np.flatnonzero(known)))
    whose = matrix.read([*KEYS, "school_id", "stage"])[known].assign(left=y).reset_index(drop=True)
    out_of_fold = whose[[*KEYS, "left"]]
    days = np.unique(out_of_fold["as_of_date"].dt.date)
    fitted = None
    if counts.events >= MINIMUM_TRAINING_EVENTS:
        part = running if recipe.learns == "hazard" else None
        rows = rows_to_learn(matrix, labels, part, recipe=recipe, seed=seed)
        fitted, margins = _fit(rows, recipe=recipe, seed=seed, bag=bag, folds=folds, progress=progress)
        out_of_fold = out_of_fold.assign(
            margin=margins[0],
            risk=fitted.calibrator.risk(margins[0]),
            logistic_margin=margins[1],
            logistic_risk=fitted.logistic_calibrator.risk(margins[1]),
        )
    return TrainedModel(
        features=matrix.features,
        feature_names=names,
        recipe=recipe,
        counts=counts,
        by_school=whose.assign(rows=1).groupby(["school_id", "stage"])[["rows", "left"]].sum(),
        base_risk=float(y.mean()) if len(y) else None,
        as_of_dates=tuple(days),
        label_date=labels.label_date,
        rule_version=labels.rule_version,
        seed=seed,
        fitted=fitted,
        out_of_fold=out_of_fold,
        quantiles=quantiles,
        missing=missing,
    )


@contextmanager
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Give threads for a few fits beside each other, of which each reckons in one thread.

    Threads of BLAS wait for each other where fits run side by side, and sum in another order on a machine
    of more processors.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_FITS_BESIDE_EACH_OTHER) as pool:
        yield pool


def _join(matrix: Matrix, labels: Labels) -> tuple[NDArray[np.bool_], NDArray[np.int_], TrainingCounts]:
    """Find the rows of the matrix whose outcome is known, and who of them left."""
    joined = outcomes_of(matrix, labels)
    outcome, students = joined["outcome"], joined["student_id"]
    left = outcome == Outcome.LEFT
    known = left | (outcome == Outcome.STAYED)
    counts = TrainingCounts(
        rows=int(known.sum()),
        students=students[known].nunique(),
        events=students[left].nunique(),
        event_rows=int(left.sum()),
        unaccounted=int((outcome == Outcome.UNACCOUNTED).sum()),
        unknown=int((outcome == Outcome.UNKNOWN).sum()),
        already_gone=int((outcome == Outcome.ALREADY_GONE).sum()),
        unlabelled=int(outcome.isna().sum()),
    )
    return known.to_numpy(dtype=bool), left[known].to_numpy().astype(np.int_), counts


def _fit(
    rows: LearningRows, *, recipe: Recipe, seed: int, bag: int, folds: int, progress: Progress | None
) -> tuple[Fitted, Floats]:
    """Fit all models, some beside each other: each depends on its own seed and rows only.

    Returned are also the out-of-fold margins, of the model and of the logistic regression, of the rows whose
    outcome is known.
    """
    X, y, students = rows.X, rows.y, rows.students
    held_out = school_folds(rows.schools, rows.households, students, folds=folds)
    learnt = rows.sampled()
    grower = Grower.of(learnt, recipe)
    margins = np.full((2, len(y)), np.nan)

    def fold(learn: NDArray[np.intp], held: NDArray[np.intp]) -> None:
        part = rows.at(learn).sampled()
        left = part.y[part.known]
        if 0 < left.sum() < len(left):
            # Binned anew: bins made with the held-out rows would know their values. Of these all are scored,
            # so that a risk is calibrated on as many who stayed as there were.
            model = Grower.of(part, recipe).fit(seed=seed)
            margins[0, held] = margins_of(model, X.at(held))
            margins[1, held] = margins_of(part.line(), X.at(held))

    def member(number: int) -> Scorer:
        drawn, times = resample(learnt.students, seed=[seed, number])
        return grower.fit(seed=seed + 1 + number, rows=drawn, times=times)

    with side_by_side() as pool:
        model = pool.submit(grower.fit, seed=seed)
        logistic = pool.submit(learnt.line)
        folded = [pool.submit(fold, *split) for split in held_out]
        members = [pool.submit(member, number) for number in range(bag)]
        _wait([model, logistic, *folded, *members], progress)
    margins, y, students = margins[:, rows.known], y[rows.known], students[rows.known]
    judged = ~np.isnan(margins[0])
    if not 0 < y[judged].sum() < judged.sum():
        raise NotEnoughData("leavers_of_one_fold")
    events = len(np.unique(students[judged & (y == 1)]))
    calibrator, logistic_calibrator = (
        fit_calibrator(margin[judged], y[judged], events=events) for margin in margins
    )
    fitted = Fitted(
        scorer=model.result(),
        calibrator=calibrator,
        bag=tuple(member.result() for member in members),
        logistic=logistic.result(),
        logistic_calibrator=logistic_calibrator,
        similar=group_by_risk(calibrator.risk(margins[0][judged]), y[judged], students[judged]),
    )
    return fitted, margins


def _wait(steps: Sequence[Future[Any]], progress: Progress | None) -> None:
    """Wait for all, telling how many are done; the first failure is raised."""
    for done, step in enumerate(as_completed(steps), start=1):
        step.result()
        if progress:
            progress(done, len(steps))


def _spread(X: Design) -> tuple[Floats, Floats]:
    """Return the quantiles of each column, and the share of rows in which it is not known."""
    at = np.arange(1, 20) / 20
    quantiles, missing = np.full((X.width, 19), np.nan), np.ones(X.width)
    for number in range(X.width):
        column = X.column(number)
        there = column[~np.isnan(column)]
        if len(there):
            quantiles[number] = np.quantile(there, at)
            missing[number] = (len(column) - len(there)) / len(column)
    return quantiles, missing
