"""Lists as long as people have time for: who is on them, and what they were worth.

Places are a share of the cohort, for the whole bureau or for each school by itself. A list of the bureau goes
where risk is; lists by school give every school its own, and find fewer. Both are shown, for who decides
between them is a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import Outcome
from riskmodel.evaluation.by_school import SchoolCells, interval_of, ratio
from riskmodel.evaluation.ranking import Bools, Floats, places
from riskmodel.figures import Interval
from riskmodel.scoring import tie_breaks

if TYPE_CHECKING:
    import pandas as pd


class Within(StrEnum):
    """Of whom a list takes its share."""

    BUREAU = "bureau"
    SCHOOL = "school"


_KEYS = {Within.BUREAU: ("as_of_date",), Within.SCHOOL: ("as_of_date", "school_id")}


@dataclass(frozen=True)
class Places:
    """What lists of the top `share` were worth, drawn up for the bureau or for each school by itself.

    Attributes
    ----------
    listed, listed_left
        Student-dates on lists (who cannot be judged takes a place too); of them, those that left.
    events, found
        Leavers, each once; of them, those who left from at least one list.
    precision, recall, lift, to_contact
        `listed_left` / `listed`; `found` / `events`; precision over that of lists drawn by lot; `listed` /
        `listed_left`: how many are contacted for one who would leave. Intervals resample schools, or students
        of few schools.
    ceiling
        The best precision that lists of this length could have.
    listed_share
        `listed` of all that competed. Places round up, at each school where lists are by school: then it is
        the more over `share` the smaller the schools are. None in audits that did not tell it.
    """

    within: Within
    share: float
    listed: int
    listed_left: int
    events: int
    found: int
    precision: Interval
    recall: Interval
    lift: Interval
    to_contact: Interval
    ceiling: float
    listed_share: float | None = None


def top_lists(rows: pd.DataFrame, score: Floats, *, share: float, within: Within = Within.BUREAU) -> Bools:
    """Tell who is on the list of each as-of date: the top share of its rows, as lists are judged.

    The share is rounded up, equal scores go by `tie_breaks`, a missing score ranks last. Where the rows tell
    of whom too little is known (`enough_known`), none of these gets a place: neither does anybody whom a
    school is told of.
    """
    lists, cohort = _lists(rows, within)
    known = known_rows(rows)
    ranked = np.where(np.isnan(score) | ~known, -np.inf, score)
    order = np.lexsort((tie_breaks(rows["student_id"]), -ranked, lists))
    first = np.concatenate(([0.0], np.cumsum(cohort)[:-1]))
    listed = np.zeros(len(rows), dtype=bool)
    listed[order] = np.arange(len(rows)) - first[lists[order]] < places(share, cohort)[lists[order]]
    return listed & known


def known_rows(rows: pd.DataFrame) -> Bools:
    """Tell of which rows enough is known for a place on a list: all, where they do not say."""
    if "enough_known" not in rows:
        return np.ones(len(rows), dtype=bool)
    return rows["enough_known"].to_numpy(dtype=bool)


def judge_places(
    rows: pd.DataFrame, score: Floats, *, share: float, seed: int, resamples: int = 1000
) -> tuple[Places, ...]:
    """Judge the lists of a score: those of the bureau, then those by school.

    Parameters
    ----------
    rows
        A row per student-date: `as_of_date`, `student_id`, `school_id`, `outcome`.
    """
    return tuple(_judge(rows, score, share, within, seed, resamples) for within in Within)


def _judge(
    rows: pd.DataFrame, score: Floats, share: float, within: Within, seed: int, resamples: int
) -> Places:
    listed = top_lists(rows, score, share=share, within=within)
    cells = SchoolCells.of(rows, listed=listed)
    draws = cells.draws(seed=seed, resamples=resamples)
    count = cells.count()
    precision = ratio(count.listed_left, count.listed, draws)
    by_lot = ratio(count.left, count.cohort, draws)
    left = (rows["outcome"] == Outcome.LEFT).to_numpy(dtype=bool)
    lists, cohort = _lists(rows, within)
    could = left & known_rows(rows)
    best = np.minimum(*(np.bincount(lists[which], minlength=len(cohort)) for which in (listed, could)))
    return Places(
        within=within,
        share=share,
        listed=int(count.listed.sum()),
        listed_left=int(count.listed_left.sum()),
        events=count.events,
        found=int(count.found.sum()),
        precision=interval_of(precision),
        recall=interval_of(ratio(count.found, count.leavers, draws)),
        lift=interval_of(np.divide(precision, by_lot, out=np.full_like(by_lot, np.nan), where=by_lot > 0)),
        to_contact=interval_of(ratio(count.listed, count.listed_left, draws)),
        ceiling=float(best.sum() / max(listed.sum(), 1)),
        listed_share=float(count.listed.sum() / len(rows)),
    )


def _lists(rows: pd.DataFrame, within: Within) -> tuple[NDArray[np.intp], Floats]:
    """Tell for which list each row competes, and how many rows compete for each."""
    keys: Sequence[str] = _KEYS[within]
    number = rows.groupby(list(keys), sort=True).ngroup().to_numpy()
    return number.astype(np.intp), np.bincount(number).astype(np.float64)
