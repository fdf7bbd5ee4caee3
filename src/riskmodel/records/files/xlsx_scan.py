"""A look through an XLSX before it is opened: its size, what is hidden, which cells are errors."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from riskmodel.records.files.packages import (
    MOST_CELLS,
    SheetFacts,
    WorkbookFacts,
    WorkbookRefused,
    check_package,
    check_size,
    count_of,
    mark_error,
    parse_member,
)

MOST_TEXT = 200_000_000
"""Characters of a sheet's cells, a shared string counted in every cell that shows it."""
_LONG = 64
"""Only where a shared string is longer than this is the text of a sheet counted."""


def scan_xlsx(path: Path) -> WorkbookFacts:
    """Look through an XLSX.

    Raises
    ------
    WorkbookRefused
        If it is damaged, a bomb, or larger than what is read here.
    """
    names = {member.filename for member in check_package(path)}
    facts = WorkbookFacts(
        has_macros=any(name.lower().endswith("vbaproject.bin") for name in names),
        has_external_links=any(name.startswith("xl/externalLinks/") for name in names),
    )
    sheets: dict[str, str] = {}
    targets: dict[str, str] = {}

    def workbook(name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            facts.date_1904 = attributes.get("date1904") in ("1", "true")
        elif name == "sheet":
            relation = next(
                (value for key, value in attributes.items() if key.endswith("id") and ":" in key), ""
            )
            sheets[relation] = attributes.get("name", "")

    def relations(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    with zipfile.ZipFile(path) as package:
        parse_member(package, "xl/workbook.xml", workbook)
        if "xl/_rels/workbook.xml.rels" in names:
            parse_member(package, "xl/_rels/workbook.xml.rels", relations)
        shared = _SharedStrings()
        if "xl/sharedStrings.xml" in names:
            parse_member(package, "xl/sharedStrings.xml", shared.start, text=shared.text)
        for relation, sheet in sheets.items():
            target = targets.get(relation, "")
            member = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if member in names:
                facts.sheets[sheet] = _scan_sheet(package, member, sheet, shared.lengths)
    return facts


class _SharedStrings:
    """Lengths of the strings that cells share."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002  the parser's form
        if name == "si":
            self.lengths.append(0)

    def text(self, told: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(told)


def _scan_sheet(package: zipfile.ZipFile, member: str, sheet: str, lengths: Sequence[int]) -> SheetFacts:
    look = _SheetLook(sheet, lengths)
    is_long = max(lengths, default=0) > _LONG
    parse_member(package, member, look.start, text=look.text if is_long else None)
    look.end_cell()
    return look.facts


class _SheetLook:
    """Follows rows and cells; a cell counts once it holds a value."""

    def __init__(self, sheet: str, lengths: Sequence[int]) -> None:
        self.facts = SheetFacts()
        self._lengths = lengths
        self._is_shared = False
        self._characters = 0
        self._sheet = sheet
        self._row = 0
        self._column = 0
        self._columns: dict[str, int] = {}
        self._is_formula = self._is_filled = self._is_error = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "v" or name == "is":
            self._is_filled = True
        elif name == "c":
            self.end_cell()
            self._column = self._column_of(attributes.get("r", ""))
            self._is_formula = self._is_filled = False
            self._is_error = attributes.get("t") == "e"
            self._is_shared = attributes.get("t") == "s"
        elif name == "f":
            self._is_formula = True
        elif name == "row":
            self.end_cell()
            self._row = count_of(attributes.get("r"), default=self._row + 1)
            self._column = 0
            if attributes.get("hidden") in ("1", "true"):
                self.facts.hidden_rows += 1
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = count_of(attributes.get("min")), count_of(attributes.get("max"))
            self.facts.hidden_columns += max(last - first + 1, 0)

    def text(self, told: str) -> None:
        """Count the text of a cell."""
        if self._is_filled and self._is_shared and told.strip().isdigit():
            number = int(told)
            self._characters += self._lengths[number] if number < len(self._lengths) else 0
            if self._characters > MOST_TEXT:
                raise WorkbookRefused("sheet_too_large", sheet=self._sheet, most=f"{MOST_CELLS:,}")

    def end_cell(self) -> None:
        """Count the cell that has just been read."""
        if self._column and (self._is_filled or self._is_formula):
            facts = self.facts
            if self._row > facts.last_row or self._column > facts.last_column:
                facts.last_row = max(facts.last_row, self._row)
                facts.last_column = max(facts.last_column, self._column)
                check_size(facts, self._sheet)
            if self._is_error:
                mark_error(facts, self._row, self._column, "#N/A")
            elif not self._is_filled:
                mark_error(facts, self._row, self._column, UNCALCULATED)
        self._is_formula = self._is_filled = self._is_error = False

    def _column_of(self, reference: str) -> int:
        if not reference:
            return self._column + 1
        letters = reference.rstrip("0123456789")
        number = self._columns.get(letters)
        if number is None:
            number = 0
            for letter in letters.upper():
                number = number * 26 + ord(letter) - 64
            self._columns[letters] = number
        return number


UNCALCULATED = "#UNCALCULATED"
"""Stands for a formula that no program has calculated."""
