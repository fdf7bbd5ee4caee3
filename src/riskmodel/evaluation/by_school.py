"""Counts by school, and figures made of them whose intervals resample schools.

Children of one school leave, and are recorded, together: rows are no independent draws. Every figure here is
a ratio of sums over schools, so that a thousand bootstrap samples are one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskmodel.domain import Outcome
from riskmodel.evaluation.bootstrap import interval, samples
from riskmodel.evaluation.ranking import Bools, Floats
from riskmodel.figures import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Counted:
    """Some rows' people, and per school the counts that figures are made of.

    `leavers`, `found` count people, each once, at the school of their first such row; the others count
    student-dates: who `stayed`, false `alarms` (of them, listed), `listed`, `listed_left`, `left`, and the
    sum of risks, `expected`.
    """

    students: int
    events: int
    leavers: Floats
    found: Floats
    stayed: Floats
    alarms: Floats
    listed: Floats
    listed_left: Floats
    left: Floats
    expected: Floats | None


@dataclass(frozen=True)
class SchoolCells:
    """Student-dates as numbers, to be counted by school."""

    school: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    student: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    left: Bools
    judged: Bools
    listed: Bools
    risk: Floats | None
    schools: int

    @classmethod
    def of(cls, rows: pd.DataFrame, *, listed: Bools, risk: Floats | None = None) -> SchoolCells:
        """Take rows that have `student_id`, `school_id` and `outcome`."""
        outcome = rows["outcome"].to_numpy(dtype=str)
        names, school = np.unique(rows["school_id"].to_numpy(dtype=str), return_inverse=True)
        _, student = np.unique(rows["student_id"].to_numpy(dtype=str), return_inverse=True)
        left = outcome == Outcome.LEFT
        return cls(school, student, left, left | (outcome == Outcome.STAYED), listed, risk, len(names))

    def count(self, of: Bools | None = None) -> Counted:
        """Count some rows, or all."""
        if of is None:
            of = np.ones(len(self.left), dtype=bool)
        left, judged = self.left & of, self.judged & of
        return Counted(
            students=np.unique(self.student[judged]).size,
            events=np.unique(self.student[left]).size,
            leavers=self._people(left),
            found=self._people(left & self.listed),
            stayed=self._sum(judged & ~left),
            alarms=self._sum(judged & ~left & self.listed),
            listed=self._sum(of & self.listed),
            listed_left=self._sum(left & self.listed),
            left=self._sum(left),
            expected=None if self.risk is None else self._sum(judged, self.risk),
        )

    def _sum(self, rows: Bools, values: Floats | None = None) -> Floats:
        weights = None if values is None else values[rows]
        return np.bincount(self.school[rows], weights, minlength=self.schools).astype(np.float64)

    def _people(self, rows: Bools) -> Floats:
        """Count students, each once, at the school of their first such row."""
        _, first = np.unique(self.student[rows], return_index=True)
        return np.bincount(self.school[rows][first], minlength=self.schools).astype(np.float64)


def ratio(above: Floats, below: Floats, draws: Floats) -> Floats:
    """Return the ratio of two sums over schools: as they are, and in each sample."""
    weights = np.vstack([np.ones(draws.shape[1]), draws])
    under = weights @ below
    shares = np.full(len(weights), np.nan)
    np.divide(weights @ above, under, out=shares, where=under > 0)
    return shares


def interval_of(values: Floats) -> Interval:
    """Return the first value with the interval of the others: what `ratio` gives."""
    return interval(float(values[0]), values[1:])


def school_weights(schools: int, *, seed: int, resamples: int) -> Floats:
    """Draw schools with replacement: (resamples, schools), how often each was drawn."""
    return np.stack(list(samples(schools, seed=seed, resamples=resamples)))
