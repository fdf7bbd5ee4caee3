"""Training: one model that scores and explains, calibrated on rows it had not learned from, and its kin.

The kin are a bag of models that only say how sure a sign or a place in the list is, and the logistic
regression that stands beside on the same rows and folds. No figure of a test enters here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import FeatureInfo, FeatureMatrix, Labels, Outcome
from riskmodel.errors import NotEnoughData
from riskmodel.models.calibration import Calibrator, fit_calibrator
from riskmodel.models.gbm import Gbm, fit_gbm
from riskmodel.models.logistic import Logistic, fit_logistic
from riskmodel.models.similar import SimilarStudents, group_by_risk
from riskmodel.splits import school_folds

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

MINIMUM_TRAINING_EVENTS = 100
"""Leavers, each once, below which no probabilities are given. With fewer than 100 events a calibration
slope cannot be told from a wrong one (Collins, Ogundimu and Altman 2016, Van Calster et al. 2016: at least
100 events; a perfectly calibrated model shows observed over expected outside 0.8 to 1.2 in 14 of 100 cases
at 50 events, in 4 at 100)."""


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
    gbm, calibrator
        The model that scores and explains, on all rows, and the way from its margin to a risk, fitted on
        out-of-fold margins.
    bag
        Models on resamples of students: for stability only, never for a score.
    logistic, logistic_calibrator
        The simple model beside it.
    similar
        What became of students with about the same risk.
    """

    gbm: Gbm
    calibrator: Calibrator
    bag: tuple[Gbm, ...]
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
    fitted
        None where fewer than `MINIMUM_TRAINING_EVENTS` were known: then only the absence rule speaks.
    out_of_fold
        One row per training row: `as_of_date`, `student_id`, `left` (0 or 1) and, where fitted, `margin`,
        `risk`, `logistic_margin`, `logistic_risk` by models that had not seen the row's school.
    base_risk
        Share of training rows that left.
    quantiles
        (p, 19): the 5th to the 95th percentile of each column, of which synthetic rows are made (the
        extremes are left out: one may be a single child's). NaN where nothing is known.
    missing
        (p,): share of rows in which the column is not known.
    """

    features: tuple[FeatureInfo, ...]
    feature_names: tuple[str, ...]
    counts: TrainingCounts
    base_risk: float
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
    matrix: FeatureMatrix,
    labels: Labels,
    *,
    seed: int,
    bag: int = 5,
    folds: int = 5,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train on the rows whose outcome is known.

    Parameters
    ----------
    matrix, labels
        Joined on (`as_of_date`, `student_id`); a label without a row of the matrix is left out.
    seed
        The only source of chance: the same data and seed give the same texts.
    bag
        Models on resamples of students.
    folds
        Groups of schools for the cross-fitted calibration; fewer where there are fewer schools.
    progress
        Called with (models fitted, models to fit).

    Raises
    ------
    NotEnoughData
        If no row has a known outcome.
    """
    rows, counts = _join(matrix, labels)
    if rows.empty:
        raise NotEnoughData("no_training_rows", label_date=labels.label_date)
    names = matrix.model_features
    X = rows[list(names)].to_numpy(dtype=np.float64)
    y = (rows["outcome"] == Outcome.LEFT).to_numpy().astype(np.int_)
    out_of_fold = rows[["as_of_date", "student_id"]].assign(left=y).reset_index(drop=True)
    fitted = None
    if counts.events >= MINIMUM_TRAINING_EVENTS:
        fitted, margins = _fit(rows, X, y, names=names, seed=seed, bag=bag, folds=folds, progress=progress)
        out_of_fold = out_of_fold.assign(
            margin=margins[0],
            risk=fitted.calibrator.risk(margins[0]),
            logistic_margin=margins[1],
            logistic_risk=fitted.logistic_calibrator.risk(margins[1]),
        )
    return TrainedModel(
        features=matrix.features,
        feature_names=names,
        counts=counts,
        base_risk=float(y.mean()),
        as_of_dates=tuple(day.date() for day in sorted(rows["as_of_date"].unique())),
        label_date=labels.label_date,
        rule_version=labels.rule_version,
        seed=seed,
        fitted=fitted,
        out_of_fold=out_of_fold,
        quantiles=_quantiles(X),
        missing=np.isnan(X).mean(axis=0),
    )


def _join(matrix: FeatureMatrix, labels: Labels) -> tuple[pd.DataFrame, TrainingCounts]:
    keys = ["as_of_date", "student_id"]
    joined = matrix.frame.merge(labels.frame[[*keys, "outcome"]], on=keys, how="left", validate="1:1")
    joined = joined.sort_values(keys, kind="stable")
    rows = joined[joined["outcome"].isin([Outcome.STAYED, Outcome.LEFT])]
    left = rows[rows["outcome"] == Outcome.LEFT]
    counts = TrainingCounts(
        rows=len(rows),
        students=rows["student_id"].nunique(),
        events=left["student_id"].nunique(),
        event_rows=len(left),
        unaccounted=int((joined["outcome"] == Outcome.UNACCOUNTED).sum()),
        unknown=int((joined["outcome"] == Outcome.UNKNOWN).sum()),
        already_gone=int((joined["outcome"] == Outcome.ALREADY_GONE).sum()),
        unlabelled=int(joined["outcome"].isna().sum()),
    )
    return rows, counts


def _fit(
    rows: pd.DataFrame,
    X: Floats,
    y: NDArray[np.int_],
    *,
    names: tuple[str, ...],
    seed: int,
    bag: int,
    folds: int,
    progress: Progress | None,
) -> tuple[Fitted, Floats]:
    students = rows["student_id"].to_numpy(dtype=str)
    splits = school_folds(
        rows["school_id"].to_numpy(dtype=str), rows["household_id"].to_numpy(dtype=str), students, folds=folds
    )
    steps = len(splits) + 1 + bag
    tell = progress or (lambda _done, _all: None)
    margins = np.full((2, len(y)), np.nan)
    for done, (learn, held_out) in enumerate(splits):
        tell(done, steps)
        margins[0, held_out] = fit_gbm(X[learn], y[learn], names=names, seed=seed).margin(X[held_out])
        margins[1, held_out] = fit_logistic(X[learn], y[learn], names=names).margin(X[held_out])
    events = len(np.unique(students[y == 1]))
    judged = ~np.isnan(margins[0])
    calibrator, logistic_calibrator = (
        fit_calibrator(margin[judged], y[judged], events=events) for margin in margins
    )
    tell(len(splits), steps)
    gbm = fit_gbm(X, y, names=names, seed=seed)
    logistic = fit_logistic(X, y, names=names)
    bagged = []
    for member in range(bag):
        tell(len(splits) + 1 + member, steps)
        drawn = _resample(students, np.random.default_rng([seed, member]))
        bagged.append(fit_gbm(X[drawn], y[drawn], names=names, seed=seed + 1 + member))
    tell(steps, steps)
    risk = calibrator.risk(margins[0][judged])
    similar = group_by_risk(risk, y[judged], students[judged])
    return Fitted(gbm, calibrator, tuple(bagged), logistic, logistic_calibrator, similar), margins


def _resample(students: NDArray[np.str_], chance: np.random.Generator) -> NDArray[np.int_]:
    """Rows of students drawn with replacement; a student who is drawn twice stands there twice."""
    _, who = np.unique(students, return_inverse=True)
    times = np.bincount(chance.integers(0, who.max() + 1, size=who.max() + 1), minlength=who.max() + 1)
    return np.repeat(np.arange(len(students)), times[who])


def _quantiles(X: Floats) -> Floats:
    at = np.arange(1, 20) / 20
    columns = (column[~np.isnan(column)] for column in X.T)
    return np.array([np.quantile(column, at) if len(column) else np.full(19, np.nan) for column in columns])
