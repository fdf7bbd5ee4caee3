"""The linear programme: the most expected benefit under the same limits, made whole, and filled.

Benefit of a pair is risk times the assumed effect of the programme. The optimum of the programme in which a
place may be given in part is a bound that no list can pass: how far a list stays below it is printed with
each run. Its dual values price one more place, hour and yuan. HiGHS (in scipy) solves it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from riskmodel.targeting.greedy import Given, Left, give_by_order, give_to
from riskmodel.targeting.need import Bools, Floats, Ints, Pairs
from riskmodel.targeting.rounding import choose_whole

_WHOLE = 1 - 1e-6
_NEAR = 0.4
"""Of its benefit, so far a pair may lie from the price of what it uses to be decided as a whole."""
_AT_ONCE = 10_000
"""Pairs up to which all are handed to the solver at once; of more, those that can matter (see `solve`)."""
_SAMPLE, _WORTH_A_LOOK = 10, 0.3
"""One student in so many tells about the prices; those handed over have a benefit above them, or
less than this share of it below. Both only decide how long it takes: the optimum is that of all pairs."""


@dataclass(frozen=True)
class Solved:
    """The optimum: the share of each pair, the bound, and what one more of each limit is worth.

    Prices are expected benefit (students kept, under the assumed effects) for one yuan, one hour at each
    school, one place of each programme in the bureau; `None` where there is no limit. `bound` is the value of
    the dual at these prices, which no list can pass whatever the solver takes for close enough (weak duality;
    HiGHS calls a benefit below 1e-7 nothing, and its own optimum was passed by 2e-8).
    """

    share: Floats
    bound: float
    yuan_price: float
    hour_prices: Floats
    place_prices: tuple[float | None, ...]
    reduced: Floats
    """Benefit less the price of what the pair uses: what is still worth giving comes first."""
    shared: Floats
    """Benefit less the price of what others use, too, beyond the hours of a school: yuan and places."""


def solve(pairs: Pairs, benefit: Floats, left: Left) -> Solved:
    """Solve the linear programme.

    With many pairs it is solved on some of them, and those outside whose benefit is above the price of what
    they use are added until none is left: the optimum is then that of all (column generation, Dantzig and
    Wolfe 1960), and the bound holds for all.
    """
    if not len(pairs):
        none = np.zeros(0)
        limited = tuple(0.0 if np.isfinite(room) else None for room in left.places)
        return Solved(none, 0.0, 0.0, np.zeros(len(left.hours)), limited, none, none)
    limits = _limits(pairs, left)
    inside = _first_columns(pairs, benefit, limits)
    while True:
        columns = np.flatnonzero(inside)
        found, prices = _optimum(limits, columns, benefit, limits.room)
        reduced = benefit - limits.rows.T @ prices
        outside = ~inside & (reduced > 1e-12)
        if not outside.any():
            break
        inside |= outside
    share = np.zeros(len(pairs))
    share[columns] = found
    beyond = prices.copy()
    beyond[limits.hours] = beyond[limits.students] = 0.0
    return Solved(
        share=share,
        bound=float(prices @ limits.room + np.maximum(0.0, reduced).sum()),
        yuan_price=float(prices[0]),
        hour_prices=prices[limits.hours],
        place_prices=tuple(
            float(price) if np.isfinite(room) else None
            for price, room in zip(prices[limits.places], left.places, strict=True)
        ),
        reduced=reduced,
        shared=benefit - limits.rows.T @ beyond,
    )


def _optimum(limits: _Limits, columns: Ints, benefit: Floats, room: Floats) -> tuple[Floats, Floats]:
    """Return the share of each of some pairs, and the price of each limit (0 where none of them is in it)."""
    from scipy.optimize import linprog

    if not len(columns):  # nothing that is assumed to do any good: linprog takes no empty programme
        return np.zeros(0), np.zeros(len(room))
    rows = limits.rows[:, columns].tocsr()
    used = np.diff(rows.indptr) > 0
    answer = linprog(
        -benefit[columns],
        A_ub=rows[used],
        b_ub=room[used],
        bounds=(0, 1),
        method="highs-ds",
        options={"presolve": False},  # presolving took eight times as long as solving
    )
    if answer.status != 0:
        raise RuntimeError(f"HiGHS: {answer.message}")  # 0 is always allowed: cannot happen but by a bug
    prices = np.zeros(len(room))
    prices[used] = np.maximum(0.0, -np.asarray(answer.ineqlin.marginals))
    return np.asarray(answer.x), prices


def give_by_programme(pairs: Pairs, benefit: Floats, solved: Solved, left: Left, taken: Bools) -> Given:
    """Give the places that are sure, decide those near the price as wholes, and fill what is left.

    Sure is a pair that the optimum gives whole and whose benefit lies well above the price of what it uses.
    Those near the price are few; school by school they are chosen as wholes (`rounding`: rounding down alone
    loses 2 % where a school has hours for six students), and what still fits is filled by what is worth most.
    """
    near = ~taken & ((np.abs(solved.reduced) <= _NEAR * benefit) | _in_part(solved.share))
    sure = (solved.share >= _WHOLE) & ~near
    after_sure = give_to(pairs, sure & ~taken, copy.deepcopy(left))
    whole = choose_whole(pairs, near, solved.shared, after_sure)
    fits_hours = whole & (pairs.hours > 0)  # before pairs without hours: a chosen one left out wastes them
    order = np.lexsort((np.arange(len(pairs)), -solved.reduced, ~whole, ~fits_hours, ~sure))
    given = give_by_order(_taken_in(pairs, order), left, taken[order])
    back = np.argsort(order)
    return Given(given.answers[back], given.yuan_left[back])


def _taken_in(pairs: Pairs, order: Any) -> Pairs:
    return replace(pairs, **{name: getattr(pairs, name)[order] for name in vars(pairs)})


def _in_part(share: Floats) -> Bools:
    return np.asarray((share > 1 - _WHOLE) & (share < _WHOLE))


@dataclass(frozen=True)
class _Limits:
    """A row per limit and a column per pair, what each limit leaves, and which rows are whose."""

    rows: Any
    room: Floats
    hours: slice
    places: slice
    students: slice


def _limits(pairs: Pairs, left: Left) -> _Limits:
    """Return one row per limit that can bind.

    Yuan; hours of each school; places of each programme, and of each school's own; each student who is in
    more pairs than one may have.
    """
    from scipy import sparse

    number = np.arange(len(pairs))
    schools, programmes = len(left.hours), len(left.places)
    wanted = np.bincount(pairs.student, minlength=len(left.programmes))
    may = left.most - left.programmes
    tight = np.flatnonzero(wanted > may)  # the others can have all that they ask for
    row_of = np.full(len(wanted), -1)
    row_of[tight] = np.arange(len(tight))
    student = row_of[pairs.student]
    own = [
        ((programme, school), places)
        for programme, of_school in enumerate(left.school_places)
        if of_school is not None
        for school, places in {**dict.fromkeys(range(schools), 0.0), **of_school}.items()
    ]
    own_row = {key: row for row, (key, _) in enumerate(own)}
    own_of = np.full(len(pairs), -1)
    if own:
        keys = zip(pairs.programme, pairs.school, strict=True)
        own_of = np.array([own_row.get(key, -1) for key in keys], dtype=np.int64)
    blocks = [
        sparse.csr_matrix((pairs.yuan, (np.zeros(len(pairs), dtype=int), number)), (1, len(pairs))),
        sparse.csr_matrix((pairs.hours, (pairs.school, number)), (schools, len(pairs))),
        sparse.csr_matrix((np.ones(len(pairs)), (pairs.programme, number)), (programmes, len(pairs))),
        sparse.csr_matrix(
            (np.ones((own_of >= 0).sum()), (own_of[own_of >= 0], number[own_of >= 0])), (len(own), len(pairs))
        ),
        sparse.csr_matrix(
            (np.ones((student >= 0).sum()), (student[student >= 0], number[student >= 0])),
            (len(tight), len(pairs)),
        ),
    ]
    room = np.concatenate(
        [
            [left.yuan],
            left.hours,
            np.minimum(left.places, float(len(pairs))),
            [places for _, places in own],
            may[tight].astype(np.float64),
        ]
    )
    rows = sparse.vstack(blocks).tocsr()
    rows.eliminate_zeros()
    ends = np.cumsum([1, schools, programmes, len(own), len(tight)])
    return _Limits(
        rows.tocsc(),
        room,
        hours=slice(ends[0], ends[1]),
        places=slice(ends[1], ends[2]),
        students=slice(ends[3], ends[4]),
    )


def _first_columns(pairs: Pairs, benefit: Floats, limits: _Limits) -> Bools:
    """Return all pairs, or of many those that the prices of a sample of students do not rule out."""
    if len(pairs) <= _AT_ONCE:
        return np.ones(len(pairs), dtype=bool)
    room = limits.room / _SAMPLE
    room[limits.students] = limits.room[limits.students]
    _, prices = _optimum(limits, np.flatnonzero(pairs.student % _SAMPLE == 0), benefit, room)
    prices[limits.students] = 0.0  # of the sample's students, and of no other
    return np.asarray(benefit - limits.rows.T @ prices > -_WORTH_A_LOOK * benefit)
