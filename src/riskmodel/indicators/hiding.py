"""Which counts are withheld from others: small ones, and those from which a small one could be had again.

Cells are tied by sums: a place is the sum of its parts, a stage of its grades, a total of its reasons. A
withheld cell is safe where no sum, and no combination of sums, gives it away. So in each sum at least two
cells are withheld or none, and together they hold `below` people or more; then the sums as a whole are solved
for each withheld cell, and where one has a single solution the next smallest beside it is withheld as well.

Source: Hundepool et al., Statistical Disclosure Control (2012), chapters 4.2 and 4.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Sum(Generic[Key]):
    """One cell that is the sum of others."""

    total: Key
    parts: tuple[Key, ...]


def withheld(
    values: Mapping[Key, int], sums: Sequence[Sum[Key]], *, below: int, also: Iterable[Key] = ()
) -> set[Key]:
    """Return the cells to withhold.

    Parameters
    ----------
    values
        Counts, or net counts (below 0 as well); what is not in here is not shown to anybody.
    sums
        How they are tied.
    below
        Counts from 1 to this less one, of either sign, are small.
    also
        Cells to withhold for another reason.
    """
    hidden = {key for key, value in values.items() if 0 < abs(value) < below} | (set(also) & values.keys())
    tied: dict[Key, list[Sum[Key]]] = defaultdict(list)
    for one in sums:
        for key in (one.total, *one.parts):
            tied[key].append(one)
    waiting = [one for key in sorted(hidden, key=repr) for one in tied[key]]
    while True:
        while waiting:
            one = waiting.pop()
            for key in _companions(one, values, hidden, below):
                hidden.add(key)
                waiting += tied[key]
        given_away = _given_away(hidden, tied)
        if not given_away:
            return hidden
        more = _beside(given_away, tied, values, hidden)
        if more is None:
            return hidden
        hidden.add(more)
        waiting += tied[more]


def _companions(one: Sum[Key], values: Mapping[Key, int], hidden: set[Key], below: int) -> list[Key]:
    """Choose what more of a sum is to be withheld: the smallest parts first, the total last."""
    within = [key for key in one.parts if key in hidden]
    total_hidden = one.total in hidden
    if not within and not total_hidden:
        return []
    shown = sorted(
        (key for key in one.parts if key not in hidden),
        key=lambda key: (values[key] == 0, abs(values[key]), repr(key)),
    )
    chosen: list[Key] = []
    while not _safe([*within, *chosen], values, total_hidden, below) and shown:
        chosen.append(shown.pop(0))
    if not _safe([*within, *chosen], values, total_hidden, below) and not total_hidden:
        chosen.append(one.total)
    return chosen


def _safe(parts: Sequence[Key], values: Mapping[Key, int], total_hidden: bool, below: int) -> bool:
    if total_hidden:
        return len(parts) >= 1
    return len(parts) >= 2 and abs(sum(values[key] for key in parts)) >= below


def _given_away(hidden: set[Key], tied: Mapping[Key, list[Sum[Key]]]) -> list[Key]:
    """Return withheld cells that the sums determine: solved component by component."""
    found: list[Key] = []
    for cells, sums in _components(hidden, tied):
        place = {key: number for number, key in enumerate(cells)}
        matrix = np.zeros((len(sums), len(cells)))
        for row, one in enumerate(sums):
            if one.total in place:
                matrix[row, place[one.total]] -= 1
            for key in one.parts:
                if key in place:
                    matrix[row, place[key]] += 1
        _, strengths, rows = np.linalg.svd(matrix, full_matrices=True)
        rank = int((strengths > 1e-9).sum())
        free = np.abs(rows[rank:]).max(axis=0) if rank < len(cells) else np.zeros(len(cells))
        found += [key for key, number in place.items() if free[number] < 1e-9]
    return found


def _components(
    hidden: set[Key], tied: Mapping[Key, list[Sum[Key]]]
) -> Iterable[tuple[list[Key], list[Sum[Key]]]]:
    left = set(hidden)
    while left:
        start = min(left, key=repr)
        cells, sums, waiting = [], [], [start]
        left.discard(start)
        seen: set[int] = set()
        while waiting:
            key = waiting.pop()
            cells.append(key)
            for one in tied.get(key, []):
                if id(one) in seen:
                    continue
                seen.add(id(one))
                sums.append(one)
                for other in (one.total, *one.parts):
                    if other in left:
                        left.discard(other)
                        waiting.append(other)
        if sums:
            yield cells, sums


def _beside(
    given_away: Sequence[Key], tied: Mapping[Key, list[Sum[Key]]], values: Mapping[Key, int], hidden: set[Key]
) -> Key | None:
    near = {
        key
        for cell in given_away
        for one in tied[cell]
        for key in (*one.parts, one.total)
        if key not in hidden
    }
    return min(near, key=lambda key: (values[key] == 0, abs(values[key]), repr(key)), default=None)
