"""Counts by school, and figures made of them whose intervals resample schools.

Children of one school leave, and are recorded, together: rows are no independent draws. Every figure here is
a ratio of sums over schools, so that a thousand bootstrap samples are one matrix product. Of whom lies in
fewer than `FEWEST_SCHOOLS` (a township, a small county) students are drawn instead, by the block: of one
school each sample would be the same, and its interval have no width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskmodel.domain import Outcome
from riskmodel.evaluation.bootstrap import interval, samples
from riskmodel.evaluation.ranking import Bools, Floats, Integers
from riskmodel.figures import BLOCKS, FEWEST_SCHOOLS, Interval
from riskmodel.scoring import tie_breaks

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Counted:
    """Some rows' people, and per unit (schools, then blocks) the counts that figures are made of.

    `leavers`, `found` count people, each once, at the unit of their first such row; the others count
    student-dates: all of the `cohort`, who `stayed`, false `alarms` (of them, listed), `listed`,
    `listed_left`, `left`, and the sum of risks, `expected`.
    """

    students: int
    events: int
    leavers: Floats
    found: Floats
    cohort: Floats
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
    block: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
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
        ids, student = np.unique(rows["student_id"].to_numpy(dtype=str), return_inverse=True)
        block = (tie_breaks(ids) % BLOCKS).astype(np.intp)[student]
        left = outcome == Outcome.LEFT
        judged = left | (outcome == Outcome.STAYED)
        return cls(school, block, student, left, judged, listed, risk, len(names))

    def draws(self, *, seed: int, resamples: int) -> Floats:
        """Draw schools, and apart from them blocks: (resamples, units), how often each was drawn."""
        units = ((self.schools, [seed]), (BLOCKS, [seed, 1]))
        drawn = [list(samples(count, seed=of, resamples=resamples)) for count, of in units]
        return np.hstack([np.stack(each) for each in drawn])

    def count(self, of: Bools | None = None) -> Counted:
        """Count some rows, or all."""
        if of is None:
            of = np.ones(len(self.left), dtype=bool)
        left, judged = self.left & of, self.judged & of
        few = np.unique(self.school[judged]).size < FEWEST_SCHOOLS
        unit = self.schools + self.block if few else self.school

        def total(rows: Bools | Integers, values: Floats | None = None) -> Floats:
            weights = None if values is None else values[rows]
            return np.bincount(unit[rows], weights, minlength=self.schools + BLOCKS).astype(np.float64)

        def people(rows: Bools) -> Floats:
            _, first = np.unique(self.student[rows], return_index=True)
            return total(np.flatnonzero(rows)[first])

        return Counted(
            students=np.unique(self.student[judged]).size,
            events=np.unique(self.student[left]).size,
            leavers=people(left),
            found=people(left & self.listed),
            cohort=total(of),
            stayed=total(judged & ~left),
            alarms=total(judged & ~left & self.listed),
            listed=total(of & self.listed),
            listed_left=total(left & self.listed),
            left=total(left),
            expected=None if self.risk is None else total(judged, self.risk),
        )


def ratio(above: Floats, below: Floats, draws: Floats) -> Floats:
    """Return the ratio of two sums over units: as they are, and in each sample."""
    weights = np.vstack([np.ones(draws.shape[1]), draws])
    under = weights @ below
    shares = np.full(len(weights), np.nan)
    np.divide(weights @ above, under, out=shares, where=under > 0)
    return shares


def interval_of(values: Floats) -> Interval:
    """Return the first value with the interval of the others: what `ratio` gives."""
    return interval(float(values[0]), values[1:])
