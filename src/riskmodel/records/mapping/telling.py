"""A telling: one file, or query, that tells rows of one table, and how it is translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from riskmodel.errors import Where
from riskmodel.records.contract import Table
from riskmodel.records.mapping.vocabulary import plain, synonyms
from riskmodel.records.mapping.wide import Wide


@dataclass(frozen=True)
class Telling:
    """One file (or query) that tells rows of one table, and how it is translated.

    Attributes
    ----------
    file
        How findings and origins name it: the path inside the source's folder, or `<table> (query)`.
    path
        The file; without meaning for a query.
    query
        The SELECT over the raw files; empty for a file.
    columns
        Canonical name to the names that the source may give its column; a canonical name that is not
        there keeps its own.
    codes, dates, constants
        Per canonical column: source values to codes, a strptime format, one value for all rows.
    missing
        Per canonical column words that say that nothing is known.
    factors
        Per canonical column what its numbers are multiplied by to have the contract's unit.
    decimal_comma
        Whether numbers have a decimal comma.
    fill_down
        Canonical columns in which an empty cell says what the one above it says.
    sheets
        A pattern of the names of the sheets that are read; empty: all that hold anything.
    wide
        How the sheet is spread, where it has one column per day or subject.
    elsewhere
        Names of the file's columns, as they are compared, that some table takes.
    is_mapped
        Whether a mapping file says what columns are called; else usual names are recognised.
    letters, headings
        What reading found: per sheet and canonical column the letter over it and its name in the header;
        of spread columns per sheet and position.
    base_1904
        Whether numbers that stand for days count from 1904, as the workbook says.
    """

    source: str
    table: Table
    file: str
    path: Path = Path()
    query: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    decimal_comma: bool = False
    fill_down: tuple[str, ...] = ()
    sheets: str = ""
    wide: Wide | None = None
    is_mapped: bool = False
    elsewhere: frozenset[str] = frozenset()
    letters: Mapping[tuple[str | None, str | int], str] = field(default_factory=dict)
    headings: Mapping[tuple[str | None, str | int], str] = field(default_factory=dict)
    base_1904: bool = False

    def where(
        self,
        *,
        row: int | None = None,
        column: str | None = None,
        sheet: str | None = None,
        at: int | None = None,
    ) -> Where:
        """Return a place in this file; `column` is a canonical name and told as the source calls it.

        `at` is the position of the spread column that the row comes from.
        """
        if column is None:
            return Where(source=self.source, file=self.file, sheet=sheet, row=row)
        place: tuple[str | None, str | int] = (sheet, column)
        if at is not None and self.wide is not None and column in self.wide.filled:
            place = (sheet, at)
        if place not in self.headings and sheet is None:
            place = next((told for told in self.headings if told[1] == column), place)
        said = self.headings.get(place) or self.columns.get(column, (column,))[0]
        letter = self.letters.get(place)
        return Where(source=self.source, file=self.file, sheet=sheet, row=row, column=said, letter=letter)

    def wanted(self) -> Wanted:
        """Return what a header may hold, and which of it must be there."""
        given = {*self.constants, *(self.wide.filled if self.wide else ())}
        names = {column.name: self._names_of(column.name) for column in self.table.columns}
        names = {name: told for name, told in names.items() if name not in given}
        required = {column.name for column in self.table.columns if column.required}
        # Whether an exam was sat may also be told by what stands in the place of its score.
        optional = {"status"} if self.table.name == "grades" and "status" not in self.columns else set()
        return Wanted(names, frozenset(required - given - optional))

    def _names_of(self, column: str) -> tuple[str, ...]:
        if self.is_mapped:
            return self.columns.get(column, (column,))
        return (column, *synonyms(self.table.name, column))


@dataclass(frozen=True)
class Wanted:
    """What a header may hold: per canonical column the names it may have, and which must be there."""

    names: Mapping[str, Sequence[str]]
    required: frozenset[str]

    def by_plain_name(self) -> dict[str, str]:
        """Return the canonical column by each name as it is compared; an earlier column goes first."""
        told: dict[str, str] = {}
        for canonical, names in self.names.items():
            for name in names:
                told.setdefault(plain(name), canonical)
        return told
