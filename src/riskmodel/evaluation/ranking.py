"""What a ranking is worth: AUC, average precision, and lists at capacity, under weights per student.

A bootstrap sample of students is a weight per student (how often drawn). Orders are found once, so a
sample costs one gather and one running sum per order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


def places(share: float, cohort: Floats) -> Floats:
    """Return how many places a list of the top `share` has: rounded up, as the lists of a term are."""
    # 0.07 x 100 is a little more than 7 to the machine; that little is no place.
    return np.ceil(share * cohort - 1e-9)


@dataclass(frozen=True)
class Pooled:
    """All judged rows in one order, best score first. Only groups of equal scores that hold a leaver matter.

    Attributes
    ----------
    students
        Student number of each row, in order.
    first, last
        Positions of the first and the last row of each group of equal scores that holds a leaver.
    left_students, left_groups
        Student number and group number of each row that left.
    """

    students: Integers
    first: Integers
    last: Integers
    left_students: Integers
    left_groups: Integers

    @classmethod
    def of(cls, score: Floats, left: Bools, students: Integers) -> Pooled:
        """Order the rows. A missing score (NaN) ranks last."""
        ranked = np.where(np.isnan(score), -np.inf, score)
        order = np.argsort(-ranked, kind="stable")
        ranked, left, students = ranked[order], left[order], students[order]
        starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
        ends = np.concatenate((starts[1:], [ranked.size])) - 1
        group_of_row = np.searchsorted(starts, np.flatnonzero(left), side="right") - 1
        groups, left_groups = np.unique(group_of_row, return_inverse=True)
        return cls(students, starts[groups], ends[groups], students[left], left_groups)

    def figures(self, weights: Floats) -> dict[str, float]:
        """Return `auc` (equal scores count half) and `average_precision` (equal scores enter together).

        Average precision is the mean, over leavers, of the precision at the leaver's score. Both are NaN
        where the weights leave no leaver, or nobody but leavers.
        """
        running = np.cumsum(weights[self.students])
        up_to = running[self.last]
        before = np.where(self.first > 0, running[self.first - 1], 0.0)
        leavers = np.bincount(self.left_groups, weights[self.left_students], minlength=self.first.size)
        leavers_up_to = np.cumsum(leavers)
        events = leavers_up_to[-1] if leavers.size else 0.0
        stayers = running[-1] - events
        if not events or not stayers:
            return {"auc": float("nan"), "average_precision": float("nan")}
        stayers_up_to = up_to - leavers_up_to
        stayers_beside = up_to - before - leavers
        below = stayers - stayers_up_to + stayers_beside / 2
        precision = np.divide(leavers_up_to, up_to, out=np.zeros_like(up_to), where=up_to > 0)
        return {
            "auc": float(leavers @ below / (events * stayers)),
            "average_precision": float(leavers @ precision / events),
        }


@dataclass(frozen=True)
class Lists:
    """One list per as-of date: the cohort of the date, best score first, equal scores by `tie_breaks`.

    Who may have no place (`known` is false) stands last, and leaves the places empty.

    Attributes
    ----------
    students, bounds, ends
        Student number of each row in order; date `d` has the rows from `bounds[d]` to before `bounds[d + 1]`,
        those who may have a place to before `ends[d]`.
    left_at, left_date
        Position and date number of each row that left, sorted by student.
    left_starts
        Where in `left_at` each leaver begins.
    not_judged_rank, not_judged_date
        Rank within its date (first is 0) and date number of each row that nobody can judge.
    """

    students: Integers
    bounds: Integers
    ends: Integers
    left_at: Integers
    left_date: Integers
    left_starts: Integers
    not_judged_rank: Integers
    not_judged_date: Integers

    @classmethod
    def of(
        cls, score: Floats, *, left: Bools, judged: Bools, known: Bools, students: Integers,
        dates: Integers, ties: NDArray[np.uint64],
    ) -> Lists:  # fmt: skip
        """Order the rows. `dates` numbers the as-of dates from 0; a missing score (NaN) ranks last."""
        ranked = np.where(np.isnan(score), -np.inf, score)
        order = np.lexsort((ties, -ranked, ~known, dates))
        students, dates, left, judged = students[order], dates[order], left[order], judged[order]
        bounds = np.concatenate(([0], np.cumsum(np.bincount(dates))))
        ends = bounds[:-1] + np.bincount(dates[known[order]], minlength=bounds.size - 1)
        left_at = np.flatnonzero(left)
        left_at = left_at[np.argsort(students[left_at], kind="stable")]
        _, left_starts = np.unique(students[left_at], return_index=True)
        not_judged = np.flatnonzero(~judged)
        return cls(
            students, bounds, ends, left_at, dates[left_at], left_starts,
            not_judged - bounds[dates[not_judged]], dates[not_judged],
        )  # fmt: skip

    def figures(self, weights: Floats, shares: Iterable[float]) -> dict[str, float]:
        """Return, per share, the counts `listed`, `listed_left`, `found` and the figures made from them.

        Keys are `<name>@<share>`. Where weights repeat a student, the copies are different people.
        """
        row_weights = weights[self.students]
        running = np.concatenate(([0.0], np.cumsum(row_weights)))
        offsets = running[self.bounds]
        cohort = np.diff(offsets)
        weight = row_weights[self.left_at]
        above = running[self.left_at] - offsets[self.left_date]
        left = float(weight.sum())
        events = float(weights[self.students[self.left_at[self.left_starts]]].sum())
        base_rate = left / float(cohort.sum())
        most = running[self.ends] - offsets[:-1]
        could = np.where(self.left_at < self.ends[self.left_date], weight, 0.0)
        could_per_date = np.bincount(self.left_date, could, minlength=cohort.size)
        figures: dict[str, float] = {}
        for share in shares:
            room = np.minimum(places(share, cohort), most)
            on_list = np.clip(room[self.left_date] - above, 0.0, weight)
            listed, listed_left = float(room.sum()), float(on_list.sum())
            precision = listed_left / listed if listed else float("nan")
            found = float(np.maximum.reduceat(on_list, self.left_starts).sum())
            waiting = self.not_judged_rank < room[self.not_judged_date]
            figures |= {
                f"listed@{share}": listed,
                f"listed_left@{share}": listed_left,
                f"listed_not_judged@{share}": float(waiting.sum()),
                f"found@{share}": found,
                f"precision@{share}": precision,
                f"recall@{share}": found / events if events else float("nan"),
                f"lift@{share}": precision / base_rate if base_rate else float("nan"),
                f"ceiling@{share}": float(np.minimum(room, could_per_date).sum()) / max(listed, 1.0),
            }
        return figures
