"""The only path from a matrix to a score: the evaluation of a training, backtests and each term use it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel.bundle import Model, ModelBundle
from riskmodel.domain import (
    MATRIX_KEYS,
    Band,
    FeatureMatrix,
    PerHundred,
    School,
    ScoredStudent,
    ScoredTerm,
    Stage,
    TermFacts,
)
from riskmodel.errors import BundleRefused, NotEnoughData
from riskmodel.explain import Explained, enough_known, family_statements, unknowns
from riskmodel.models.gbm import BULK_ROWS
from riskmodel.models.logistic import Logistic
from riskmodel.models.rules import absence_rule, constant, rule_bands, school_rate
from riskmodel.models.scorer import Scorer
from riskmodel.models.training import TrainedModel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Progress = Callable[[int, int], None]

HISTORY = tuple(f"absence_days_block_{block}" for block in range(1, 7))
CHUNK_ROWS = BULK_ROWS


class Scores(NamedTuple):
    """Scores of a matrix's rows, in their order.

    `margin` ranks: raw log-odds, or the absence rule's score where there are no probabilities. `risk` is
    the calibrated probability of each row; None where there are none.
    """

    margin: Floats
    risk: Floats | None


def score(matrix: FeatureMatrix, bundle: ModelBundle) -> Scores:
    """Score every row of a matrix.

    Raises
    ------
    BundleRefused
        If the matrix lacks a column that the model was trained on.
    """
    if bundle.model is None:
        return Scores(absence_rule(matrix), None)
    margin = _margins(matrix, bundle.feature_names, bundle.model.scorer)
    return Scores(margin, bundle.model.calibrator.risk(margin))


def score_unwritten(matrix: FeatureMatrix, trained: TrainedModel) -> Scores:
    """Score every row by a fitted model that stands beside the bundle's and is never written."""
    if trained.fitted is None:
        return Scores(absence_rule(matrix), None)
    margin = _margins(matrix, trained.feature_names, trained.fitted.scorer)
    return Scores(margin, trained.fitted.calibrator.risk(margin))


def score_beside(
    matrix: FeatureMatrix, trained: TrainedModel | None, *, last_term: Floats | None = None
) -> dict[str, Scores]:
    """Score every row by what stands beside the model, none of it needing LightGBM.

    `logistic` (if fitted), `absence_rule`, `last_term` (if given: see `places_on_last_list`), `school_rate`
    (what share left the school's stage, of the training's rows) and `constant`. Where there was nothing to
    train on, there is no rate and the constant has no risk.
    """
    beside: dict[str, Scores] = {}
    if trained is not None and trained.fitted is not None:
        margin = _margins(matrix, trained.feature_names, trained.fitted.logistic)
        beside["logistic"] = Scores(margin, trained.fitted.logistic_calibrator.risk(margin))
    beside["absence_rule"] = Scores(absence_rule(matrix), None)
    if last_term is not None:
        beside["last_term"] = Scores(last_term, None)
    base_risk = None if trained is None else trained.base_risk
    if trained is not None and base_risk is not None:
        beside["school_rate"] = Scores(school_rate(matrix, trained.by_school), None)
    risk = None if base_risk is None else np.full(len(matrix.frame), base_risk)
    return {**beside, "constant": Scores(constant(matrix), risk)}


def places_on_last_list(matrix: FeatureMatrix, earlier: pd.Series[float]) -> Floats:
    """Return each row's place on the list of an earlier date: the share of that cohort not ranked above.

    `earlier` holds that date's scores by student id. A place, and no score: lists that different models or
    a rule made can stand side by side. In (0, 1], 1 for the first, equal scores in the middle; NaN for who
    was not in that cohort.
    """
    places = earlier.rank(pct=True, na_option="top")
    return np.asarray(matrix.frame["student_id"].map(places), dtype=np.float64)


def tie_breaks(student_ids: Iterable[str]) -> NDArray[np.uint64]:
    """Return a number per student that orders equal scores: a fixed hash, so row order never matters."""
    digests = (hashlib.blake2b(student.encode(), digest_size=8).digest() for student in student_ids)
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


def scored_term(
    matrix: FeatureMatrix,
    bundle: ModelBundle,
    *,
    facts: TermFacts,
    schools: Sequence[School],
    bands: tuple[float, float],
    capacity_share: float,
    cutoffs: Floats | None = None,
    progress: Progress | None = None,
) -> ScoredTerm:
    """Score the cohort of one as-of date, band and list it, and give the listed their reasons.

    Of whom too little is known has no risk, is banded so, and takes no place. Places are the cohort's
    share, rounded up; they go by risk, equal risks by a fixed hash.

    Parameters
    ----------
    matrix
        Rows of one as-of date; no other is allowed.
    facts
        What is true of the whole term; its `probabilities` says what the bundle says.
    bands
        Calibrated risk from which to reach out, and from which to check in.
    capacity_share
        Share of the cohort for whom people have time, in (0, 1].
    cutoffs
        (n,) risk from which the group of each row is to be listed: places go by risk over it. None: by risk.
        Bands go by risk in any case.
    progress
        Called with (rows explained, rows to explain).

    Raises
    ------
    NotEnoughData
        If the matrix has rows of another day.
    """
    days = matrix.frame["as_of_date"].dt.date
    if (days != facts.as_of_date).any():
        raise NotEnoughData("not_the_as_of_date", as_of_date=facts.as_of_date)
    standing = stand(matrix, bundle, cutoffs=cutoffs)
    lines = draw_lines([standing], capacity_share=capacity_share)
    students = tell(matrix, bundle, standing, lines, bands=bands, progress=progress)
    return ScoredTerm(facts, tuple(schools), students)


@dataclass(frozen=True)
class Standing:
    """Scores of some rows of a cohort, by which it is told who of all of it is listed.

    Attributes
    ----------
    scores, known
        Of each row; whether a judgement can rest on it (`explain.enough_known`).
    ties
        See `tie_breaks`.
    cutoff
        (n,) risk from which the group of each row is to be listed; 1 where lists go by risk alone.
    bag
        (b, n) risk by each of the bagged models; none without probabilities.
    """

    scores: Scores
    known: Bools
    ties: NDArray[np.uint64]
    cutoff: Floats
    bag: Floats

    @property
    def ranked(self) -> Floats:
        """(1 + b, n): what places go by, highest first: of the model, and of each of the bagged ones."""
        own = self.scores.margin if self.scores.risk is None else self.scores.risk / self.cutoff
        return np.vstack([own, self.bag / self.cutoff])


class Line(NamedTuple):
    """The last place of a list: who stands above it, or on it with no later `tie`, has a place."""

    ranked: float
    tie: int

    def has(self, ranked: Floats, standing: Standing) -> Bools:
        """Tell of each row whether it has a place."""
        above = (ranked > self.ranked) | ((ranked == self.ranked) & (standing.ties <= np.uint64(self.tie)))
        return np.asarray(standing.known & above, dtype=bool)


def stand(matrix: FeatureMatrix, bundle: ModelBundle, *, cutoffs: Floats | None = None) -> Standing:
    """Score some rows of a cohort by the model and by each of its bag; see `scored_term`."""
    model, rows = bundle.model, len(matrix.frame)
    bag = np.zeros((0 if model is None else len(model.bag), rows))
    if model is not None:
        for number, member in enumerate(model.bag):
            bag[number] = model.calibrator.risk(_margins(matrix, bundle.feature_names, member))
    return Standing(
        scores=score(matrix, bundle),
        known=enough_known(matrix),
        ties=tie_breaks(matrix.frame["student_id"]),
        cutoff=np.ones(rows) if cutoffs is None else cutoffs,
        bag=bag,
    )


def draw_lines(standings: Sequence[Standing], *, capacity_share: float) -> tuple[Line, ...]:
    """Find the last place on the list of a whole cohort, by the model and by each of its bag.

    Parameters
    ----------
    standings
        Of all rows of the cohort, in any number of parts.
    capacity_share
        See `scored_term`.
    """
    known = np.concatenate([one.known for one in standings])
    ties = np.concatenate([one.ties for one in standings])
    ranked = np.hstack([one.ranked for one in standings])
    places = min(math.ceil(capacity_share * len(known) - 1e-9), int(known.sum()))  # 7 % of 100 is 7, not 8
    if places == 0:
        return (Line(math.inf, 0),) * len(ranked)
    last = [np.lexsort((ties, -each, ~known))[places - 1] for each in ranked]
    return tuple(Line(float(each[row]), int(ties[row])) for each, row in zip(ranked, last, strict=True))


def tell(
    matrix: FeatureMatrix,
    bundle: ModelBundle,
    standing: Standing,
    lines: Sequence[Line],
    *,
    bands: tuple[float, float],
    progress: Progress | None = None,
) -> tuple[ScoredStudent, ...]:
    """Band and list some rows of a cohort by its lines, and give the listed their reasons.

    Parameters
    ----------
    standing
        What `stand` found of the same rows.
    lines
        What `draw_lines` found of the whole cohort.
    bands, progress
        See `scored_term`.
    """
    risk, known = standing.scores.risk, standing.known
    banded = bands_of(standing.scores, known, limits=bands)
    ranked = standing.ranked
    listed = np.isin(banded, [Band.REACH_OUT, Band.CHECK_IN]) | lines[0].has(ranked[0], standing)
    near_line = np.zeros(len(known), dtype=bool)
    similar: tuple[PerHundred | None, ...] = (None,) * len(known)
    explained: dict[int, Explained] = {}
    if bundle.model is not None and risk is not None:
        near_line = _near_line(standing, lines, limit=bands[1])
        similar = bundle.model.similar.of(risk)
        explained = _explain(matrix, bundle, bundle.model, np.flatnonzero(listed), progress)
    unknown = unknowns(matrix)
    return tuple(
        ScoredStudent(
            student_id=row["student_id"],
            school_id=intern(row["school_id"]),
            stage=Stage(row["stage"]),
            grade=int(row["grade"]),
            class_name=intern(row["class_name"]),
            masked_name=intern(row["masked_name"]),
            number_tail=intern(row["number_tail"]),
            risk=float(risk[number]) if risk is not None and known[number] else None,
            band=banded[number],
            listed=bool(listed[number]),
            near_line=bool(near_line[number]),
            similar=similar[number] if known[number] else None,
            reasons=explained[number].reasons if number in explained else (),
            strengths=explained[number].strengths if number in explained else (),
            unknowns=unknown[number],
            attendance_history=_history(row),
        )
        for number, row in enumerate(_records(matrix, [*MATRIX_KEYS, *HISTORY]))
    )


def _margins(matrix: FeatureMatrix, names: Sequence[str], model: Scorer | Logistic) -> Floats:
    """Return the margin of each row, some rows at a time: a copy of all columns would be large."""
    lacking = [name for name in names if name not in matrix.frame]
    if lacking:
        raise BundleRefused("bundle_columns_lacking", columns=", ".join(lacking))
    parts = [model.margin(_values(few, names)) for few in _few_rows(matrix.frame)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _few_rows(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), CHUNK_ROWS):
        yield frame.iloc[start : start + CHUNK_ROWS]


def _values(rows: pd.DataFrame, names: Sequence[str]) -> Floats:
    return rows[list(names)].to_numpy(dtype=np.float64)


def _records(matrix: FeatureMatrix, names: Sequence[str]) -> Iterator[Mapping[Hashable, Any]]:
    """Yield rows by the names of their columns: a few thousand dictionaries at a time are in memory."""
    there = [name for name in names if name in matrix.frame]
    for few in _few_rows(matrix.frame):
        yield from few[there].to_dict("records")


def bands_of(scores: Scores, known: Bools, *, limits: tuple[float, float]) -> list[Band]:
    """Band each row: by the limits of risk, by the absence rule where there is none, if enough is known.

    Parameters
    ----------
    known
        What `explain.enough_known` tells of the same rows.
    limits
        Calibrated risk from which to reach out, and from which to check in.
    """
    if scores.risk is None:
        found = rule_bands(scores.margin)
    else:
        reach_out, check_in = limits
        found = [
            Band.REACH_OUT if risk >= reach_out else Band.CHECK_IN if risk >= check_in else Band.USUAL_CARE
            for risk in scores.risk
        ]
    return [
        band if enough else Band.NOT_ENOUGH_INFORMATION for band, enough in zip(found, known, strict=True)
    ]


def _near_line(standing: Standing, lines: Sequence[Line], *, limit: float) -> Bools:
    """Who is listed by some models of the bag and not by others."""
    times = np.zeros(len(standing.known), dtype=int)
    for risk, ranked, line in zip(standing.bag, standing.ranked[1:], lines[1:], strict=True):
        times += line.has(ranked, standing) | (standing.known & (risk >= limit))
    return (times > 0) & (times < len(standing.bag))


def _explain(
    matrix: FeatureMatrix,
    bundle: ModelBundle,
    model: Model,
    listed: NDArray[np.int_],
    progress: Progress | None,
) -> dict[int, Explained]:
    """Statements of the listed rows, a chunk at a time: contributions of a bag are large."""
    explained: dict[int, Explained] = {}
    for start in range(0, len(listed), CHUNK_ROWS):
        chunk = listed[start : start + CHUNK_ROWS]
        rows = matrix.frame.iloc[chunk]
        X = _values(rows, bundle.feature_names)
        told = family_statements(
            model.scorer.contributions(X),
            np.stack([member.contributions(X) for member in model.bag]),
            rows=rows,
            names=bundle.feature_names,
            features=matrix.features,
        )
        explained.update(zip(chunk.tolist(), told, strict=True))
        if progress:
            progress(start + len(chunk), len(listed))
    return explained


def _history(row: Mapping[Hashable, Any]) -> tuple[float | None, ...]:
    days = [row.get(name) for name in HISTORY]
    return tuple(day if isinstance(day, float) and not math.isnan(day) else None for day in days)
