"""What a kind of messy input is: who may be spoilt by it, how, and what must then be found.

A kind has one or more variants, and seeds go round among them. The numbers are those of the fifty kinds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from .clean import COLUMNS, Style, clean_delivery
from .files import TEXT, WORKBOOKS, Answer, Case, Cell, Delivery, Expected, File, Format, Sheet

ANY: tuple[Format, ...] = (*TEXT, *WORKBOOKS, "zip")
"""Formats whose cells are texts, or may be: all but Parquet, which has types of its own."""


@dataclass(frozen=True)
class Variant:
    """One way in which a kind shows itself."""

    kind: int
    spoil: Callable[[Spoiler], None]
    tables: tuple[str, ...]
    formats: tuple[Format, ...]
    styles: tuple[Style, ...]
    pairs: bool
    beside: tuple[str, ...] = ()


class NoRowFitsError(Exception):
    """The drawn delivery has no row that this variant could spoil."""


@dataclass
class Spoiler:
    """The hands that spoil one file of a case, and say what must be found."""

    case: Case
    table: str
    draw: random.Random
    spoilt_rows: set[int] = field(default_factory=set)

    @property
    def file(self) -> File:
        """The file that is spoilt."""
        return self.case.delivery.of(self.table)

    @property
    def sheet(self) -> Sheet:
        """Its sheet."""
        return self.file.sheet

    @property
    def same(self) -> Delivery:
        """The delivery that must store the same as the spoilt one."""
        if self.case.same_as is None:
            self.case.same_as = self.case.clean.copy()
        return self.case.same_as

    def name(self, column: str) -> str:
        """Return how the file calls a column of the contract."""
        return self.column_of(self.table, column)

    def column_of(self, table: str, column: str) -> str:
        """Return how the delivery calls a column of a table."""
        return COLUMNS.get(table, {}).get(column, column) if self.case.delivery.mapping else column

    def at(self, column: str) -> int:
        """Return a column's position."""
        return self.sheet.at(self.name(column))

    def any_row(self, *columns: str, of: Callable[[list[Cell]], bool] = lambda _: True) -> int:
        """Draw a row in which these columns are not empty, and that was not drawn before."""
        at = [self.at(column) for column in columns]
        fit = [
            index
            for index, row in enumerate(self.sheet.rows)
            if index not in self.spoilt_rows
            and all(row[a] is not None and row[a] != "" for a in at)
            and of(row)
        ]
        if not fit:
            raise NoRowFitsError
        index = self.draw.choice(fit)
        self.spoilt_rows.add(index)
        return index

    def get(self, index: int, column: str) -> Cell:
        """Return a cell."""
        return self.sheet.rows[index][self.at(column)]

    def put(self, index: int, column: str, cell: Cell) -> None:
        """Write a cell of the spoilt file."""
        self.sheet.rows[index][self.at(column)] = cell

    def put_same(self, index: int, column: str, cell: Cell) -> None:
        """Write a cell of what must be stored."""
        self.same.of(self.table).sheet.rows[index][self.at(column)] = cell

    def put_both(self, index: int, column: str, cell: Cell) -> None:
        """Write a cell on both sides."""
        self.put(index, column, cell)
        self.put_same(index, column, cell)

    def expect(
        self, answer: Answer, *codes: str, index: int | None = None, row: int | None = None,
        column: str | None = None, letter: str | None = None, sheet: Sheet | None = None,
        file: str | None = None, of_sheet: bool = True,
    ) -> None:  # fmt: skip
        """Say what must be found.

        `index` counts rows of the sheet's data, `row` those of the sheet; `of_sheet` is False where the
        finding is about the whole file.
        """
        on = sheet or self.sheet
        if index is not None:
            row = on.row(index)
        if column is not None:
            letter = on.letter(self.name(column))
        named = file if file is not None else self.file.told
        self.case.expected.append(
            Expected(codes, answer, named, (on.name or None) if of_sheet else None, row, letter)
        )


VARIANTS: dict[int, list[Variant]] = {}


def kind(
    number: int, *, tables: tuple[str, ...] = ("students",), formats: tuple[Format, ...] = ANY,
    styles: tuple[Style, ...] = ("local", "plain"), pairs: bool = True, beside: tuple[str, ...] = (),
) -> Callable[[Callable[[Spoiler], None]], Callable[[Spoiler], None]]:  # fmt: skip
    """Register a variant of a kind; what must be found takes the tables of `beside` as well."""

    def register(spoil: Callable[[Spoiler], None]) -> Callable[[Spoiler], None]:
        VARIANTS.setdefault(number, []).append(Variant(number, spoil, tables, formats, styles, pairs, beside))
        return spoil

    return register


def make_case(number: int, seed: int) -> Case:
    """Make the case of a kind and a seed; where no row of the delivery fits, of the next one drawn."""
    return next(case for drawn in count(seed, 1_000) if (case := _case(number, seed, drawn)) is not None)


def _case(number: int, seed: int, drawn: int) -> Case | None:
    variant = VARIANTS[number][seed % len(VARIANTS[number])]
    draw = random.Random(f"{number} {drawn}")  # noqa: S311  a seed, no secret
    table, in_format = draw.choice(variant.tables), draw.choice(variant.formats)
    clean = clean_delivery(drawn, style=draw.choice(variant.styles), formats={table: in_format})
    case = Case(number, drawn, clean, clean.copy())
    try:
        variant.spoil(Spoiler(case, table, draw))
    except NoRowFitsError:
        return None
    return case


def make_pair(seed: int) -> Case:
    """Make a case in which two kinds spoil two tables of one delivery."""
    return next(case for drawn in count(seed, 1_000) if (case := _pair(drawn)) is not None)


def _pair(drawn: int) -> Case | None:
    draw = random.Random(f"pair {drawn}")  # noqa: S311
    fit = [each for variants in VARIANTS.values() for each in variants if each.pairs]
    while True:
        first, second = draw.sample(fit, 2)
        of_first, of_second = draw.choice(first.tables), draw.choice(second.tables)
        styles = sorted(set(first.styles) & set(second.styles))
        if first.kind != second.kind and of_first != of_second and styles:
            break
    formats = {of_first: draw.choice(first.formats), of_second: draw.choice(second.formats)}
    clean = clean_delivery(drawn, style=draw.choice(styles), formats=formats)
    case = Case(first.kind, drawn, clean, clean.copy())
    try:
        first.spoil(Spoiler(case, of_first, draw))
        second.spoil(Spoiler(case, of_second, draw))
    except NoRowFitsError:
        return None
    if _takes_away(case, of_second, first) or _takes_away(case, of_first, second):
        return None
    return case


def _takes_away(case: Case, table: str, variant: Variant) -> bool:
    """Tell whether a file refused as a whole hides what a variant shows only beside it."""
    file = case.delivery.of(table).told
    of_the_whole = [each for each in case.expected if each.answer == "refuse" and each.letter is None]
    return table in variant.beside and file in {each.file for each in of_the_whole}
