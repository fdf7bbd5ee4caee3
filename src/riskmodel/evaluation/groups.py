"""What a model does to groups of students: who is missed first, then false alarms, then calibration.

Being missed is the harm here, so recall at capacity comes first. Lists are those that were drawn up for
everybody; each leaver counts once. Intervals resample schools, for children of one school leave together. A
group with too few leavers gets no figures: "too few to say". Cells of fewer than ten people are hidden, and
the next smallest with them until what is hidden together, which anybody can subtract, holds ten or more.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from riskmodel.evaluation.by_school import Counted, SchoolCells, interval_of, ratio
from riskmodel.evaluation.ranking import Bools, Floats
from riskmodel.figures import Interval

if TYPE_CHECKING:
    import pandas as pd

SMALL_CELL = 10
"""Aggregates of fewer people are not shown (practice of education statistics; shared reference, T13)."""
FEW_EVENTS, MANY_EVENTS = 20, 100
"""Fewer leavers: too few to say. So many and more: observed over expected within fixed limits; between: its
interval must hold 1 (shared reference, V13)."""
OVER_EXPECTED = (0.8, 1.25)
NOT_KNOWN = "not_known"


class Calibrated(StrEnum):
    """What the leavers of a group say about its calibration."""

    AS_EXPECTED = "as_expected"
    TOO_LOW = "too_low"
    """More left than the risks said."""
    TOO_HIGH = "too_high"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Grouping:
    """A way to divide students: the column of the matrix, and what its values are called.

    Values of `names` are codes of the wording; other values, and a missing one, are `NOT_KNOWN`. Empty: the
    values are names themselves.
    """

    name: str
    column: str
    names: Mapping[float, str]


_YES_NO = {1.0: "yes", 0.0: "no"}
GROUPINGS = (
    Grouping("sex", "sex_female", {1.0: "female", 0.0: "male"}),
    Grouping("stage", "stage", {}),
    Grouping("township", "township", {}),
    Grouping("rural", "household_rural", _YES_NO),
    Grouping("boarding", "boards", _YES_NO),
    Grouping("left_behind", "parents_away", {0.0: "no", 1.0: "one_parent_away", 2.0: "both_parents_away"}),
    Grouping("migrant", "migrant_child", _YES_NO),
    Grouping("disability", "disability_registered", _YES_NO),
    Grouping("hardship", "hardship_registered", _YES_NO),
    Grouping("ethnicity", "ethnicity_not_han", {1.0: "not_han", 0.0: "han"}),
)


@dataclass(frozen=True)
class GroupFigures:
    """A group on the rows that were judged, and on the lists.

    Attributes
    ----------
    students, events
        People judged, and leavers, each once; None where the cell is hidden.
    recall, false_alarms, precision
        Share of its leavers that a list held; share of its student-dates of who stayed that were listed;
        share of its listed student-dates that left. None where too few left.
    observed_over_expected
        Student-dates that left, over the sum of risks; None where too few left, or there are no risks.
    """

    grouping: str
    group: str
    students: int | None
    events: int | None
    recall: Interval | None
    false_alarms: Interval | None
    precision: Interval | None
    observed_over_expected: Interval | None
    calibrated: Calibrated


@dataclass(frozen=True)
class RecallGap:
    """The largest difference of recall between groups of a grouping that have leavers enough.

    `most`, `least` name them. None where fewer than two have.
    """

    grouping: str
    most: str
    least: str
    gap: Interval


def groups_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the group of each row of a matrix, a column per grouping whose column the matrix has."""
    import pandas as pd

    found = {}
    for each in GROUPINGS:
        if each.column not in frame:
            continue
        values = frame[each.column]
        named = values.map(each.names) if each.names else values.astype(object)
        found[each.name] = named.where(named.notna() & (named != ""), NOT_KNOWN).astype(str)
    return pd.DataFrame(found, index=frame.index)


def group_figures(
    rows: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    risk: Floats | None,
    listed: Bools,
    seed: int,
    resamples: int = 1000,
) -> tuple[tuple[GroupFigures, ...], tuple[RecallGap, ...]]:
    """Judge every group of every grouping on the same rows, lists and bootstrap samples.

    Parameters
    ----------
    rows
        A row per student-date: `student_id`, `school_id`, `outcome`.
    groups
        What `groups_of` gives for the same rows.
    risk
        Calibrated risk of each row; None where there is none.
    listed
        Whether the row was on the list of its date.

    Returns
    -------
    tuple
        The figures in the order of the groupings, largest group first, and the gaps.
    """
    cells = SchoolCells.of(rows, risk=risk, listed=listed)
    draws = cells.draws(seed=seed, resamples=resamples)
    figures: list[GroupFigures] = []
    gaps: list[RecallGap] = []
    for grouping in groups.columns:
        values = groups[grouping].to_numpy(dtype=str)
        names = _largest_first(values)
        counted = {name: cells.count(values == name) for name in names}
        hidden = hidden_cells({name: (one.students, one.events) for name, one in counted.items()})
        recalls = {}
        for name, one in counted.items():
            found, recall = _judged(grouping, name, one, draws, hidden=name in hidden)
            figures.append(found)
            if recall is not None:
                recalls[name] = recall
        if len(recalls) > 1:
            gaps.append(_gap(grouping, recalls, hidden))
    return tuple(figures), tuple(gaps)


def hidden_cells(cells: Mapping[str, tuple[int, int]]) -> set[str]:
    """Name the groups whose counts are not shown: too small, or needed to hide those that are.

    What is hidden together is known, for totals are shown: so it is two groups or more, and no small cell
    itself. The next smallest are hidden with it until that is so (as in `hiding`).

    `cells` holds students and leavers by group. No leaver at all tells nobody's fate but that of those who
    stayed, and is shown.
    """
    hidden = {name for name, counts in cells.items() if _is_small(*counts)}
    # Zeros hide nothing, so they go last: only a count that is not known otherwise makes the sum unknown.
    rest = sorted(
        cells.keys() - hidden, key=lambda name: (cells[name][1] == 0, cells[name][1], cells[name][0], name)
    )
    while rest and hidden and (len(hidden) < 2 or _is_small(*_together(cells, hidden))):
        hidden.add(rest.pop(0))
    return hidden


def _is_small(students: int, events: int) -> bool:
    return students < SMALL_CELL or 0 < events < SMALL_CELL


def _together(cells: Mapping[str, tuple[int, int]], names: Iterable[str]) -> tuple[int, int]:
    students, events = zip(*(cells[name] for name in names), strict=True)
    return sum(students), sum(events)


def _judged(
    grouping: str, group: str, one: Counted, draws: Floats, *, hidden: bool
) -> tuple[GroupFigures, Floats | None]:
    """Return a group's figures and its recall: the value first, then that of each sample.

    Who is hidden because another group is small is asked for a gap all the same.
    """
    students, events = (None, None) if hidden else (one.students, one.events)
    recall = None if one.events < FEW_EVENTS else ratio(one.found, one.leavers, draws)
    if hidden or recall is None:
        none = (None, None, None, None)
        return GroupFigures(grouping, group, students, events, *none, Calibrated.TOO_FEW), recall
    over = None if one.expected is None else interval_of(ratio(one.left, one.expected, draws))
    figures = GroupFigures(
        grouping, group, students, events,
        recall=interval_of(recall),
        false_alarms=interval_of(ratio(one.alarms, one.stayed, draws)),
        precision=interval_of(ratio(one.listed_left, one.listed, draws)),
        observed_over_expected=over,
        calibrated=calibrated(over, events=one.events),
    )  # fmt: skip
    return figures, recall


def calibrated(over: Interval | None, *, events: int) -> Calibrated:
    """Judge observed over expected by how many left: see `FEW_EVENTS`."""
    if over is None or events < FEW_EVENTS:
        return Calibrated.TOO_FEW
    low, high = over.value, over.value
    lowest, highest = OVER_EXPECTED
    if events < MANY_EVENTS:
        low = over.value if over.low is None else over.low
        high = over.value if over.high is None else over.high
        lowest = highest = 1.0
    if low > highest:
        return Calibrated.TOO_LOW
    return Calibrated.TOO_HIGH if high < lowest else Calibrated.AS_EXPECTED


def _gap(grouping: str, recalls: Mapping[str, Floats], hidden: Container[str]) -> RecallGap:
    """Tell the largest gap, with an interval that holds for every pair at once: this one was picked.

    Of 24 groups that are found alike, the most different two look far apart by chance. The width is that
    which the largest of all pairs' differences, each over its own spread, keeps to in 95 % of the resamples
    (max-t: Westfall and Young 1993).

    That of a hidden group is told to a twentieth, its ends outwards: from all digits its leavers could be
    counted.
    """
    names = list(recalls)
    values = np.array([recalls[name] for name in names])
    most, least = int(np.argmax(values[:, 0])), int(np.argmin(values[:, 0]))
    errors = values[:, 1:] - values[:, :1]
    one, other = np.triu_indices(len(names), 1)
    apart = errors[one] - errors[other]
    spread = np.nanstd(apart, axis=1)
    sure = spread > 0
    gap, half = float(values[most, 0] - values[least, 0]), 0.0
    if sure.any():
        largest = np.fmax.reduce(np.abs(apart[sure]) / spread[sure, None])
        of_pair = float(np.nanstd(errors[most] - errors[least]))
        half = float(np.nanquantile(largest, 0.95)) * of_pair
    told = [gap, gap - half, gap + half]
    if names[most] in hidden or names[least] in hidden:
        told = [round(20 * gap) / 20, math.floor(20 * (gap - half)) / 20, math.ceil(20 * (gap + half)) / 20]
    return RecallGap(grouping, names[most], names[least], Interval(*told))


def _largest_first(values: np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> Sequence[str]:
    names, counts = np.unique(values, return_counts=True)
    return [str(names[at]) for at in np.lexsort((names, -counts))]
