"""How good a model is on as-of dates whose outcomes are known: figures with intervals and counts.

Judged are rows of who stayed or left. AUC, average precision, Brier and calibration pool these
student-dates over the as-of dates. Lists are drawn up per as-of date from the whole cohort of that date,
as a school would have got them: who was already gone, or is unaccounted, takes a place and is never
counted as found. Events are leavers, each counted once however many as-of dates hold them.

Intervals are 2.5 and 97.5 percentiles of bootstrap samples of students, all rows of a student together;
all models are judged on the same samples, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from riskmodel.domain import Outcome
from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.bootstrap import interval, samples
from riskmodel.evaluation.capacity import known_rows
from riskmodel.evaluation.probabilities import Probabilities
from riskmodel.evaluation.ranking import Bools, Floats, Integers, Lists, Pooled
from riskmodel.figures import FEWEST_SCHOOLS, AtCapacity, Evaluation, Interval, ModelFigures
from riskmodel.scoring import tie_breaks

if TYPE_CHECKING:
    import pandas as pd

SHARES = (0.01, 0.02, 0.05, 0.10)
"""List lengths, as shares of the cohort, at which every training is judged."""

ScoresLike: TypeAlias = tuple[ArrayLike, ArrayLike | None]
"""A score that ranks (more is more likely to leave), and the calibrated risk or None, one per row."""


def evaluate(
    models: Mapping[str, ScoresLike],
    frame: pd.DataFrame,
    *,
    seed: int,
    training_rows: int,
    training_events: int,
    resamples: int = 1000,
    shares: Sequence[float] = SHARES,
) -> Evaluation:
    """Judge models and baselines on the same rows and the same bootstrap samples.

    Parameters
    ----------
    models
        By name; the first is compared with each other one. A missing score (NaN) ranks last.
    frame
        One row per scored student-date, in the order of the scores: `student_id`, `as_of_date`, `outcome`
        (values of Outcome). As-of dates of which no outcome is known are left out and counted as unknown.
        Where it has `school_id`, of `FEWEST_SCHOOLS` and more, samples draw schools, as children of one
        school leave together; else they draw students.
    training_rows, training_events
        What the first model was trained on, to stand beside its figures.

    Raises
    ------
    NotEnoughData
        If no outcome is known, or nobody left, or nobody stayed.
    """
    rows = _Rows.of(frame)
    judges = [_Judge.of(name, scores, rows, len(frame)) for name, scores in models.items()]
    drawn_from = int(rows.units.max()) + 1
    values = [judge.figures(np.ones(rows.units.size), shares) for judge in judges]
    draws: list[list[dict[str, float]]] = [[] for _ in judges]
    for times in samples(drawn_from, seed=seed, resamples=resamples):
        weights = times[rows.units]
        for judge, drawn in zip(judges, draws, strict=True):
            drawn.append(judge.figures(weights, shares))
    return Evaluation(
        test_dates=rows.test_dates,
        rows=int(rows.judged.sum()),
        students=np.unique(rows.students[rows.judged]).size,
        events=np.unique(rows.students[rows.left]).size,
        training_rows=training_rows,
        training_events=training_events,
        unaccounted=rows.unaccounted,
        unknown=rows.unknown,
        already_gone=rows.already_gone,
        seed=seed,
        models=tuple(
            _model_figures(judge.name, value, drawn, shares)
            for judge, value, drawn in zip(judges, values, draws, strict=True)
        ),
        paired_auc_difference=_differences("auc", judges, values, draws),
        paired_average_precision_difference=_differences("average_precision", judges, values, draws),
        left_rows=int(rows.left.sum()),
        left_little_known=int((rows.left & ~rows.known).sum()),
        resamples=resamples,
        resampled="schools" if drawn_from < rows.units.size else "students",
    )


def knowable_share(
    score: ArrayLike,
    knowable_probability: ArrayLike,
    *,
    labels: ArrayLike,
    students: Sequence[str],
    seed: int,
    resamples: int = 1000,
) -> Interval:
    """Return how much of the ranking that records allow a score reaches: see `share_of_knowable`.

    Parameters
    ----------
    score, knowable_probability
        The model's score, and the true probability given all that records could tell, one per row.
    labels
        1 where the student left within the horizon, 0 where not; judged rows only.
    students
        Student of each row: bootstraps resample students, and both AUCs see the same samples.
    """
    left = np.asarray(labels, dtype=float) == 1
    _, number = np.unique(np.asarray(students, dtype=str), return_inverse=True)
    ours = Pooled.of(np.asarray(score, dtype=float), left, number)
    best = Pooled.of(np.asarray(knowable_probability, dtype=float), left, number)

    def share(weights: Floats) -> float:
        return share_of_knowable(ours.figures(weights)["auc"], best.figures(weights)["auc"])

    count = int(number.max()) + 1
    drawn = [share(weights) for weights in samples(count, seed=seed, resamples=resamples)]
    return interval(share(np.ones(count)), drawn)


def share_of_knowable(auc_model: float, auc_knowable: float) -> float:
    """Return (AUC of the model - 0.5) / (AUC of the knowable - 0.5); NaN where nothing is knowable."""
    return (auc_model - 0.5) / (auc_knowable - 0.5) if auc_knowable > 0.5 else float("nan")


@dataclass(frozen=True)
class _Rows:
    """The rows of as-of dates with known outcomes, as numbers; `kept` are their places in the frame.

    `units` has a number per student: that of the school of the first row, or the student's own.
    """

    kept: Integers
    students: Integers
    units: Integers
    dates: Integers
    left: Bools
    judged: Bools
    known: Bools
    ties: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
    test_dates: tuple[date, ...]
    unaccounted: int
    already_gone: int
    unknown: int

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Rows:
        import pandas as pd

        outcome = frame["outcome"].to_numpy(dtype=str)
        strange = set(outcome) - {state.value for state in Outcome}
        if strange:
            raise ValueError(f"{len(strange)} value(s) in outcome are no Outcome")
        as_of = pd.to_datetime(frame["as_of_date"]).to_numpy()
        judged = np.isin(outcome, [Outcome.STAYED.value, Outcome.LEFT.value])
        if not judged.any():
            raise NotEnoughData("no_known_outcomes", rows=len(frame))
        unknown = outcome == Outcome.UNKNOWN.value
        kept = np.flatnonzero(np.isin(as_of, as_of[judged]) & ~unknown)
        outcome, judged, as_of = outcome[kept], judged[kept], as_of[kept]
        left = outcome == Outcome.LEFT.value
        test_dates, dates = np.unique(as_of, return_inverse=True)
        days = tuple(pd.Timestamp(day).date() for day in test_dates)
        if not left.any() or left.sum() == judged.sum():
            missing = "nobody_left" if not left.any() else "nobody_stayed"
            raise NotEnoughData(missing, rows=int(judged.sum()), dates=", ".join(map(str, days)))
        ids, first, students = np.unique(
            frame["student_id"].to_numpy(dtype=str)[kept], return_index=True, return_inverse=True
        )
        units = np.arange(ids.size)
        if "school_id" in frame:
            schools, school = np.unique(frame["school_id"].to_numpy(dtype=str)[kept], return_inverse=True)
            units = school[first] if schools.size >= FEWEST_SCHOOLS else units
        return cls(
            kept=kept,
            students=students,
            units=units,
            dates=dates,
            left=left,
            judged=judged,
            known=known_rows(frame)[kept],
            ties=tie_breaks(ids)[students],
            test_dates=days,
            unaccounted=int((outcome == Outcome.UNACCOUNTED.value).sum()),
            already_gone=int((outcome == Outcome.ALREADY_GONE.value).sum()),
            unknown=int(unknown.sum()),
        )


@dataclass(frozen=True)
class _Judge:
    """One model on the rows, its orders found once."""

    name: str
    pooled: Pooled
    lists: Lists
    probabilities: Probabilities | None

    @classmethod
    def of(cls, name: str, scores: ScoresLike, rows: _Rows, length: int) -> _Judge:
        score = np.asarray(scores[0], dtype=float)
        risk = None if scores[1] is None else np.asarray(scores[1], dtype=float)
        if score.shape != (length,) or (risk is not None and risk.shape != (length,)):
            raise ValueError(f"{name}: one score (and risk) per row of the frame")
        score, judged = score[rows.kept], rows.judged
        left, students = rows.left[judged], rows.students[judged]
        return cls(
            name,
            Pooled.of(score[judged], left, students),
            Lists.of(
                score,
                left=rows.left,
                judged=judged,
                known=rows.known,
                students=rows.students,
                dates=rows.dates,
                ties=rows.ties,
            ),
            None if risk is None else Probabilities.of(risk[rows.kept][judged], left, students),
        )

    def figures(self, weights: Floats, shares: Sequence[float]) -> dict[str, float]:
        figures = self.pooled.figures(weights) | self.lists.figures(weights, shares)
        return figures if self.probabilities is None else figures | self.probabilities.figures(weights)


def _differences(
    figure: str,
    judges: Sequence[_Judge],
    values: Sequence[Mapping[str, float]],
    draws: Sequence[Sequence[Mapping[str, float]]],
) -> dict[str, Interval]:
    """Return the first model's figure less that of each other, sample by sample."""
    return {
        judge.name: interval(
            values[0][figure] - value[figure],
            [ours[figure] - theirs[figure] for ours, theirs in zip(draws[0], drawn, strict=True)],
        )
        for judge, value, drawn in list(zip(judges, values, draws, strict=True))[1:]
    }


def _model_figures(
    name: str, value: Mapping[str, float], drawn: Sequence[Mapping[str, float]], shares: Sequence[float]
) -> ModelFigures:
    def with_ends(figure: str) -> Interval:
        return interval(value[figure], [draw[figure] for draw in drawn])

    def if_there(figure: str) -> Interval | None:
        return with_ends(figure) if np.isfinite(value.get(figure, np.nan)) else None

    return ModelFigures(
        name=name,
        auc=with_ends("auc"),
        average_precision=with_ends("average_precision"),
        brier=if_there("brier"),
        calibration_slope=if_there("calibration_slope"),
        observed_over_expected=if_there("observed_over_expected"),
        at_capacity=tuple(
            AtCapacity(
                share=share,
                listed=round(value[f"listed@{share}"]),
                found=round(value[f"found@{share}"]),
                precision=with_ends(f"precision@{share}"),
                recall=with_ends(f"recall@{share}"),
                lift=with_ends(f"lift@{share}"),
                precision_ceiling=value[f"ceiling@{share}"],
                listed_left=round(value[f"listed_left@{share}"]),
                listed_not_judged=round(value[f"listed_not_judged@{share}"]),
            )
            for share in shares
        ),
        calibration_intercept=if_there("calibration_intercept"),
    )
