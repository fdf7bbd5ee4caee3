"""Which counts are withheld from others: small ones, and those from which a small one could be had again.

Cells are tied by sums: a place is the sum of its parts, a stage of its grades, a total of its reasons. A
withheld cell is safe where no sum, and no combination of sums, gives it away. So in each sum at least two
cells are withheld or none, and together they hold `below` people or more; then the sums as a whole are solved
for each withheld cell, and where one has a single solution another beside it is withheld as well: the one
worth least, of these the smallest.

Source: Hundepool et al., Statistical Disclosure Control (2012), chapters 4.2 and 4.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_PRIME = 2_147_483_647
"""Elimination modulo a prime: a cell that is determined over the whole numbers is so here."""


@dataclass(frozen=True)
class Sum(Generic[Key]):
    """One cell that is the sum of others."""

    total: Key
    parts: tuple[Key, ...]


def withheld(
    values: Mapping[Key, int], sums: Sequence[Sum[Key]], *, below: int, also: Iterable[Key] = (),
    worth: Callable[[Key], int] = lambda _: 0,
) -> set[Key]:  # fmt: skip
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
    worth
        Of cells that could be withheld beside a small one, those worth least go first.
    """
    # Numbers instead of keys: places are compared millions of times. Ties between equals go by key.
    keys = sorted(values, key=repr)
    number = {key: at for at, key in enumerate(keys)}
    counts = [values[key] for key in keys]
    tied = [_Tied(number[one.total], tuple(number[key] for key in one.parts)) for one in sums]
    search = _Search(counts, tied, below, [worth(key) for key in keys])
    first = {at for at, count in enumerate(counts) if 0 < abs(count) < below}
    search.withhold(first | {number[key] for key in also if key in number})
    return {keys[at] for at in search.hidden}


@dataclass(frozen=True)
class _Tied:
    total: int
    parts: tuple[int, ...]

    @property
    def cells(self) -> tuple[int, ...]:
        return (self.total, *self.parts)


class _Search:
    """Withholds more until nothing small is given away."""

    def __init__(
        self, counts: Sequence[int], sums: Sequence[_Tied], below: int, worth: Sequence[int]
    ) -> None:
        self._counts, self._below, self._worth = counts, below, worth
        self._of: dict[int, list[_Tied]] = defaultdict(list)
        for one in sums:
            for at in one.cells:
                self._of[at].append(one)
        self.hidden: set[int] = set()

    def withhold(self, cells: set[int]) -> None:
        """Withhold cells, and all that they make necessary."""
        while cells:
            touched = set(cells)
            self.hidden |= cells
            waiting = [one for at in sorted(cells) for one in self._of[at]]
            while waiting:
                for at in self._companions(waiting.pop()):
                    self.hidden.add(at)
                    touched.add(at)
                    waiting += self._of[at]
            # Only what hangs together with a change can be given away by it.
            cells = set()
            for known in self._given_away(touched):
                beside = self._beside(known)
                if beside is not None:
                    cells.add(beside)

    def _order(self, at: int) -> tuple[int, bool, int, int]:
        return self._worth[at], self._counts[at] == 0, abs(self._counts[at]), at

    def _companions(self, one: _Tied) -> list[int]:
        """Choose what more of a sum is to be withheld: what is worth least first, of these the smallest."""
        within = [at for at in one.parts if at in self.hidden]
        total_hidden = one.total in self.hidden
        if (not within and not total_hidden) or self._safe(within, total_hidden):
            return []
        chosen: list[int] = []
        for at in sorted((at for at in one.cells if at not in self.hidden), key=self._order):
            chosen.append(at)
            parts = [*within, *(each for each in chosen if each != one.total)]
            if self._safe(parts, total_hidden or one.total in chosen):
                break
        return chosen

    def _safe(self, parts: Sequence[int], total_hidden: bool) -> bool:
        if total_hidden:
            return len(parts) >= 1
        return len(parts) >= 2 and abs(sum(self._counts[at] for at in parts)) >= self._below

    def _given_away(self, touched: set[int]) -> list[int]:
        """Return small cells that the sums determine: solved component by component."""
        found: set[int] = set()
        for cells, sums in self._components(touched):
            found |= _determined(cells, [[at for at in one.cells if at in self.hidden] for one in sums],
                                 [one.total for one in sums])  # fmt: skip
        return sorted(at for at in found if 0 < abs(self._counts[at]) < self._below)

    def _components(self, touched: set[int]) -> Iterable[tuple[list[int], list[_Tied]]]:
        left = set(touched)
        while left:
            waiting, cells, sums = [min(left)], set[int](), dict[int, _Tied]()
            while waiting:
                at = waiting.pop()
                if at in cells:
                    continue
                cells.add(at)
                for one in self._of[at]:
                    if id(one) not in sums:
                        sums[id(one)] = one
                        waiting += [other for other in one.cells if other in self.hidden]
            left -= cells
            if sums:
                yield sorted(cells), list(sums.values())

    def _beside(self, known: int) -> int | None:
        near = {at for one in self._of[known] for at in one.cells if at not in self.hidden}
        if not near:  # every sum of the cell is withheld as a whole: look one step further
            further = {at for one in self._of[known] for at in one.cells}
            near = {at for cell in further for one in self._of[cell] for at in one.cells} - self.hidden
        return min(near, key=self._order, default=None)


def _determined(cells: Sequence[int], sums: Sequence[Sequence[int]], totals: Sequence[int]) -> set[int]:
    """Return the unknown cells that a system of sums has a single solution for.

    A sum with a cell that stands in no other sum binds nothing else: it is set aside, and that cell is
    determined if all others of the sum are. What is left is small, and its null space is computed.
    """
    held: dict[int, set[int]] = {at: set() for at in cells}
    for number, one in enumerate(sums):
        for at in one:
            held[at].add(number)
    aside: list[tuple[int, int]] = []
    waiting = [at for at in cells if len(held[at]) == 1]
    while waiting:
        at = waiting.pop()
        if len(held[at]) != 1:
            continue
        number = next(iter(held[at]))
        aside.append((at, number))
        for other in sums[number]:
            held[other].discard(number)
            if len(held[other]) == 1:
                waiting.append(other)
    left = sorted({number for of_cell in held.values() for number in of_cell})
    core = sorted(at for at in cells if held[at])
    found = _without_freedom(core, [sums[number] for number in left], [totals[number] for number in left])
    for at, number in reversed(aside):
        if all(other in found for other in sums[number] if other != at):
            found.add(at)
    return found


def _without_freedom(core: Sequence[int], sums: Sequence[Sequence[int]], totals: Sequence[int]) -> set[int]:
    """Solve by elimination, in whole numbers modulo a prime: exact, and sums are short."""
    rows: dict[int, dict[int, int]] = {}
    for at_row, (one, total) in enumerate(zip(sums, totals, strict=True)):
        rows[at_row] = {at: _PRIME - 1 if at == total else 1 for at in one}
    holding: dict[int, set[int]] = {at: set() for at in core}
    for at_row, row in rows.items():
        for at in row:
            holding[at].add(at_row)
    solved: dict[int, int] = {}
    left = set(rows)
    while left:
        at_row = min(left, key=lambda number: (len(rows[number]), number))
        left.discard(at_row)
        row = rows[at_row]
        if not row:
            continue
        pivot = min(row, key=lambda at: (len(holding[at]), at))
        scale = pow(row[pivot], -1, _PRIME)
        for at in row:
            row[at] = row[at] * scale % _PRIME
        solved[pivot] = at_row
        for other in [one for one in holding[pivot] if one != at_row]:
            factor, target = rows[other][pivot], rows[other]
            for at, value in row.items():
                changed = (target.get(at, 0) - factor * value) % _PRIME
                if changed:
                    target[at] = changed
                    holding[at].add(other)
                elif at in target:
                    del target[at]
                    holding[at].discard(other)
    return {pivot for pivot, at_row in solved.items() if len(rows[at_row]) == 1}
