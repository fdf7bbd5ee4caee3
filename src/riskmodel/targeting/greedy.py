"""Places by need, line by line: each pair in its order takes what is left, or is told what was used up.

Who has more need stands earlier and meets at least what stood there before, so more need never loses a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from riskmodel.domain import AidAnswer
from riskmodel.targeting.need import ANSWERS, Bools, Floats, Ints, Pairs
from riskmodel.targeting.programmes import ProgrammesFile, SchoolCapacity

CENT = 1e-9
"""Sums of hours and yuan are compared with so much room: 0.1 + 0.2 is 0.3."""


class Pair(NamedTuple):
    """One pair of a student and a programme."""

    student: int
    programme: int
    school: int
    yuan: float
    hours: float


@dataclass
class Left:
    """What is left to give. The only thing here that changes."""

    yuan: float
    hours: Floats
    places: list[float]
    school_places: list[dict[int, float] | None]
    programmes: Ints
    most: int

    def lacks(self, pair: Pair) -> AidAnswer | None:
        """Return what is used up for this pair, the first in a fixed order; None: it can be given."""
        own = self.school_places[pair.programme]
        if self.programmes[pair.student] >= self.most:
            return AidAnswer.ENOUGH_PROGRAMMES
        if self.places[pair.programme] < 1 or (own is not None and own.get(pair.school, 0) < 1):
            return AidAnswer.PLACES_USED_UP
        if pair.hours > self.hours[pair.school] + CENT:
            return AidAnswer.HOURS_USED_UP
        if pair.yuan > self.yuan + CENT:
            return AidAnswer.YUAN_USED_UP
        return None

    def give(self, pair: Pair) -> None:
        """Give it."""
        own = self.school_places[pair.programme]
        if own is not None:
            own[pair.school] -= 1
        self.programmes[pair.student] += 1
        self.places[pair.programme] -= 1
        self.hours[pair.school] -= pair.hours
        self.yuan -= pair.yuan


@dataclass(frozen=True)
class Given:
    """Answers of the pairs, in their order: indexes into `ANSWERS`, and what was left of yuan after each."""

    answers: Ints
    yuan_left: Floats

    @property
    def taken(self) -> Bools:
        """Pairs that were given."""
        return np.asarray(self.answers == ANSWERS.index(AidAnswer.TAKEN))


def all_there_is(
    told: ProgrammesFile, *, schools: Sequence[str], students: int, by_school: Mapping[str, SchoolCapacity]
) -> Left:
    """Return what a run may give."""
    hours = [
        by_school[school].hours if school in by_school else told.budget.hours_per_school for school in schools
    ]
    return Left(
        yuan=told.budget.yuan,
        hours=np.array(hours, dtype=np.float64),
        places=[np.inf if one.places is None else float(one.places) for one in told.programmes],
        school_places=[_of_schools(one.id, schools, by_school) for one in told.programmes],
        programmes=np.zeros(students, dtype=np.int64),
        most=told.budget.programmes_per_student,
    )


def _of_schools(
    programme: str, schools: Sequence[str], by_school: Mapping[str, SchoolCapacity]
) -> dict[int, float] | None:
    """Return the places of each school, if the file of capacities has any of this programme."""
    if not any(programme in each.places for each in by_school.values()):
        return None
    return {
        number: float(by_school[school].places[programme])
        for number, school in enumerate(schools)
        if school in by_school and programme in by_school[school].places
    }


def give_floors(pairs: Pairs, told: ProgrammesFile, left: Left) -> Bools:
    """Give the floors of schools and groups, each by need; return which pairs took a place so."""
    taken = np.zeros(len(pairs), dtype=bool)
    for number, one in enumerate(told.programmes):
        rows = np.flatnonzero(pairs.programme == number)
        for bit, floor in enumerate(one.floors.groups):
            wanted = int(np.floor(floor.share * (0 if one.places is None else one.places) + CENT))
            _give_some(pairs, rows[(pairs.group[rows] >> bit) & 1 == 1], left, taken, most=wanted)
        if one.floors.each_school:
            for school in np.unique(pairs.school[rows]):
                mine = rows[pairs.school[rows] == school]
                _give_some(pairs, mine, left, taken, most=one.floors.each_school)
    return taken


def _give_some(pairs: Pairs, rows: Ints, left: Left, taken: Bools, *, most: int) -> None:
    have = int(taken[rows].sum())
    for row, pair in zip(rows, _each(pairs, rows), strict=True):
        if have >= most:
            return
        if not taken[row] and left.lacks(pair) is None:
            left.give(pair)
            taken[row] = True
            have += 1


def give_by_order(pairs: Pairs, left: Left, taken: Bools) -> Given:
    """Go through the pairs once, in their order; those that `taken` marks have their place already."""
    answers = np.full(len(pairs), ANSWERS.index(AidAnswer.TAKEN), dtype=np.int64)
    yuan_left = np.zeros(len(pairs))
    for row, pair in enumerate(_each(pairs, slice(None))):
        if not taken[row]:
            lacking = left.lacks(pair)
            if lacking is None:
                left.give(pair)
            else:
                answers[row] = ANSWERS.index(lacking)
        yuan_left[row] = left.yuan
    return Given(answers, yuan_left)


def give_to(pairs: Pairs, rows: Bools, left: Left) -> Left:
    """Give some pairs their places without asking, and return what is left."""
    for pair in _each(pairs, rows):
        left.give(pair)
    return left


def _each(pairs: Pairs, rows: Ints | Bools | slice) -> Iterator[Pair]:
    columns = (pairs.student, pairs.programme, pairs.school, pairs.yuan, pairs.hours)
    return map(Pair._make, zip(*(column[rows].tolist() for column in columns), strict=True))
