"""Whole places out of shares: school by school the best that fits in its hours.

A school has hours for a few students, so that cutting off what the optimum gives in part wastes an hour or
five at each. What a pair is worth beyond the price of what the whole bureau shares (yuan, places) is known;
what is left is to fill the school's hours, with at most so many programmes a student: a knapsack, solved to
the end by dynamic programming (Martello and Toth 1990, 2.6 and 11).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, groupby

import numpy as np

from riskmodel.targeting.greedy import Left
from riskmodel.targeting.need import Bools, Floats, Ints, Pairs

_STEP = 0.25
"""Hours are counted in quarters, what a pair uses rounded up: what is chosen always fits."""
_MOST_OF_A_STUDENT = 8
"""Pairs of one student that are weighed against each other, those worth most."""
Option = tuple[int, ...]


def choose_whole(pairs: Pairs, near: Bools, worth: Floats, left: Left) -> Bools:
    """Choose among some pairs, at each school, what is worth most and fits.

    Parameters
    ----------
    near
        Pairs to choose from.
    worth
        Of each pair, its benefit less the price of what it uses of the bureau's yuan and places.
    left
        What the schools' hours and the students still leave.
    """
    chosen = np.zeros(len(pairs), dtype=bool)
    rows = np.flatnonzero(near & (worth > 0))
    rows = rows[np.lexsort((-worth[rows], pairs.student[rows], pairs.school[rows]))]
    for of_school in np.split(rows, np.flatnonzero(np.diff(pairs.school[rows])) + 1):
        if len(of_school):
            chosen[_best(pairs, of_school, worth, left)] = True
    return chosen


def _best(pairs: Pairs, rows: Ints, worth: Floats, left: Left) -> list[int]:
    quarters = np.ceil(pairs.hours[rows] / _STEP - 1e-9).astype(np.int64)
    uses = dict(zip(rows.tolist(), quarters.tolist(), strict=True))
    room = int(min(max(0.0, left.hours[pairs.school[rows[0]]] / _STEP + 1e-9), quarters.sum()))
    best = np.zeros(room + 1)  # what is worth most within so many quarters
    decided: list[tuple[list[Option], Ints]] = []
    for options in _choices(pairs, rows, left):
        better, which = best.copy(), np.zeros(room + 1, dtype=np.int64)
        for number, option in enumerate(options):
            size = sum(uses[row] for row in option)
            if size <= room:
                with_it = best[: room + 1 - size] + sum(worth[row] for row in option)
                more = with_it > better[size:]
                better[size:][more], which[size:][more] = with_it[more], number
        best = better
        decided.append((options, which))
    found: list[int] = []
    for options, which in reversed(decided):
        option = options[which[room]]
        found += option
        room -= sum(uses[row] for row in option)
    return found


def _choices(pairs: Pairs, rows: Ints, left: Left) -> Iterator[list[Option]]:
    """Yield what is decided by itself: each pair, or all of a student who is in more than one may have."""
    for student, grouped in groupby(rows.tolist(), key=lambda row: int(pairs.student[row])):
        mine = list(grouped)
        may = int(left.most - left.programmes[student])
        if len(mine) <= may:
            yield from ([(), (row,)] for row in mine)
        else:
            mine = mine[:_MOST_OF_A_STUDENT]
            yield [one for count in range(max(0, may) + 1) for one in combinations(mine, count)]
