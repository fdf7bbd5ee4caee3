"""Were promises kept? Scores that were served, once it is known who left, beside what the model's card said.

The scores are those that schools were given, as they were stored: scores made later are what nobody saw. Who
was helped may have stayed for it, so that a promise of risk can be broken by help that worked: figures here
say how well the scores held, and never what help did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel.domain import Outcome, ScoredTerm
from riskmodel.evaluation.by_school import SchoolCells, interval_of, ratio
from riskmodel.evaluation.capacity import judge_places
from riskmodel.evaluation.groups import hidden_cells
from riskmodel.figures import Interval

FEWEST_EVENTS = 20
"""Of fewer leavers nothing is said (see `gates`)."""
RESAMPLES = 1000


class Kept(StrEnum):
    """Whether a promise was kept."""

    KEPT = "kept"
    BROKEN = "broken"
    TOO_FEW = "too_few"
    NOT_PROMISED = "not_promised"


@dataclass(frozen=True)
class Promised:
    """What the card of a model said of the share of the cohort that people have time for."""

    observed_over_expected: Interval | None = None
    precision: Interval | None = None
    recall: Interval | None = None


@dataclass(frozen=True)
class Held:
    """One figure as promised and as it came."""

    figure: str
    promised: Interval | None
    served: Interval | None
    kept: Kept


@dataclass(frozen=True)
class ByHelp:
    """What came of those for whom something was done within the horizon, or of all others.

    The two are no comparison: people choose whom they help, and those who stay can be helped for longer.

    Attributes
    ----------
    students, events
        People, and of them those who left, each once; None, as all that follows, where one of the two cells
        is too small to be shown (`groups.hidden_cells`).
    rows, left, expected
        Student-dates, those that left, and the sum of their risks.
    observed_over_expected
        None, too, where fewer than `FEWEST_EVENTS` people left.
    """

    helped: bool
    students: int | None
    events: int | None
    rows: int | None
    left: int | None
    expected: float | None
    observed_over_expected: Interval | None


@dataclass(frozen=True)
class ServedJudged:
    """What came of a term's scores by one model.

    Attributes
    ----------
    dates
        As-of dates whose scores were served, and whose outcomes are known.
    rows, events, listed, listed_left
        Student-dates judged; leavers, each once; student-dates that schools had on their lists, and of them
        those that left.
    by_help
        With and without those for whom something was done; empty where nothing is known to have been done.
    """

    term: str
    model_version: str
    dates: tuple[date, ...]
    rows: int
    events: int
    listed: int
    listed_left: int
    held: tuple[Held, ...]
    by_help: tuple[ByHelp, ...] = ()

    @property
    def broken(self) -> tuple[Held, ...]:
        """The promises that were not kept."""
        return tuple(held for held in self.held if held.kept is Kept.BROKEN)


def served_rows(terms: Sequence[ScoredTerm], outcomes: pd.DataFrame) -> pd.DataFrame:
    """Lay what became of the students beside the scores that were served.

    Parameters
    ----------
    terms
        Published sets, one of an as-of date.
    outcomes
        The frame of `Labels` of these dates.
    """
    frame = pd.DataFrame(
        [
            (term.facts.as_of_date, student.student_id, student.school_id, student.risk, student.listed)
            for term in terms
            for student in term.students
        ],
        columns=["as_of_date", "student_id", "school_id", "risk", "listed"],
    )
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"]).astype("datetime64[s]")
    frame["risk"] = frame["risk"].astype(np.float64)
    keys = ["as_of_date", "student_id"]
    rows = frame.merge(outcomes[[*keys, "outcome"]], on=keys, how="inner", validate="1:1")
    # Who is already gone or unaccounted took a place; who is not known yet is judged another time.
    return rows[rows["outcome"] != Outcome.UNKNOWN].reset_index(drop=True)


def judge_served(
    rows: pd.DataFrame,
    *,
    term: str,
    model_version: str,
    promised: Promised,
    share: float,
    seed: int,
    rank: NDArray[np.float64] | None = None,
    helped: NDArray[np.bool_] | None = None,
) -> ServedJudged | None:
    """Judge served scores; None where they gave no risks, or nobody is known to have left or stayed.

    Parameters
    ----------
    rows
        What `served_rows` returns.
    share
        Of the cohort, for whom people have time: what precision and recall were promised of.
    rank
        (n,) by what the lists went (`cutoffs.rank_of`); None: the risk.
    helped
        (n,) for whom something was done between the as-of date and the end of the horizon.
    """
    risk = rows["risk"].to_numpy(dtype=np.float64)
    known = ~np.isnan(risk)
    left = (rows["outcome"] == Outcome.LEFT).to_numpy(dtype=bool)
    if not known.any() or not left.any():
        return None
    listed = rows["listed"].to_numpy(dtype=bool)
    events = rows.loc[left, "student_id"].nunique()
    places = judge_places(rows, risk if rank is None else rank, share=share, seed=seed)[0]
    served = {
        "observed_over_expected": _over_expected(rows[known], seed=seed),
        "precision": places.precision,
        "recall": places.recall,
    }
    return ServedJudged(
        term=term,
        model_version=model_version,
        dates=tuple(sorted(set(rows["as_of_date"].dt.date))),
        rows=len(rows),
        events=int(events),
        listed=int(listed.sum()),
        listed_left=int((listed & left).sum()),
        held=tuple(
            _held(name, getattr(promised, name), figure, events=int(events))
            for name, figure in served.items()
        ),
        by_help=() if helped is None or not helped.any() else _by_help(rows[known], helped[known], seed=seed),
    )


def _by_help(rows: pd.DataFrame, helped: NDArray[np.bool_], *, seed: int) -> tuple[ByHelp, ...]:
    judged = rows["outcome"].isin([Outcome.LEFT, Outcome.STAYED]).to_numpy(dtype=bool)
    groups = {"helped": rows[judged & helped], "others": rows[judged & ~helped]}
    cells = {
        name: (of["student_id"].nunique(), _leavers(of)["student_id"].nunique())
        for name, of in groups.items()
        if len(of)
    }
    if hidden_cells(cells):
        return tuple(ByHelp(name == "helped", *(None,) * 6) for name in cells)
    return tuple(
        ByHelp(
            name == "helped",
            students=students,
            events=events,
            rows=len(groups[name]),
            left=len(_leavers(groups[name])),
            expected=float(groups[name]["risk"].sum()),
            observed_over_expected=(
                _over_expected(groups[name], seed=seed) if events >= FEWEST_EVENTS else None
            ),
        )
        for name, (students, events) in cells.items()
    )


def _leavers(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["outcome"] == Outcome.LEFT]


def _over_expected(rows: pd.DataFrame, *, seed: int) -> Interval:
    nobody: NDArray[np.bool_] = np.zeros(len(rows), dtype=bool)
    cells = SchoolCells.of(rows, listed=nobody, risk=rows["risk"].to_numpy(dtype=np.float64))
    count = cells.count()
    if count.expected is None:
        raise AssertionError("the cells were given risks")
    draws = cells.draws(seed=seed, resamples=RESAMPLES)
    return interval_of(ratio(count.left, count.expected, draws))


def _held(figure: str, promised: Interval | None, served: Interval, *, events: int) -> Held:
    """Say whether a promise was kept: broken is what chance on neither side explains.

    Precision and recall may be better than promised; risks that are too high and too low are both wrong.
    """
    if promised is None or promised.low is None or promised.high is None:
        return Held(figure, promised, served, Kept.NOT_PROMISED)
    if events < FEWEST_EVENTS or served.low is None or served.high is None:
        return Held(figure, promised, served, Kept.TOO_FEW)
    below, above = served.high < promised.low, served.low > promised.high
    broken = below or (above and figure == "observed_over_expected")
    return Held(figure, promised, served, Kept.BROKEN if broken else Kept.KEPT)
