"""A look through a workbook's XML before it is opened: how large it really is, and what a reader hides.

calamine reads a sheet into memory in full, from the first filled cell to the last, and gives error cells and
formulas that were never calculated as empty. So the package is first streamed through a parser that keeps
nothing but positions: what would not fit is refused before it is opened, and what would be lost is marked.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.parsers import expat

from riskmodel.records.raw import DAMAGED_ZIP

MOST_MEMBERS = 5_000
MOST_BYTES = 1_000_000_000
"""Of all members of a workbook together, unpacked."""
MOST_RATIO = 200
"""Unpacked over packed bytes of one member beyond `SMALL_BYTES`; honest sheets reach about 30."""
SMALL_BYTES = 20_000_000
MOST_COLUMNS = 1_000
MOST_CELLS = 8_000_000
"""From the first to the last filled cell of a sheet; at some 100 bytes a cell (2.1 million were measured at
280 MB in all) that is under 1 GB."""
MOST_TEXT = 200_000_000
"""Characters of a sheet's cells, a shared string counted in every cell that shows it."""
_LONG = 64
"""Only where a shared string is longer than this is the text of a sheet counted."""
MOST_ERRORS = 100_000
"""So many error cells of a sheet are kept by their place."""

_BLOCK = 1 << 16


class WorkbookRefused(Exception):  # noqa: N818  the name is the sentence
    """The package is not opened; `code` says why, `slots` what the sentence names."""

    def __init__(self, code: str, *, sheet: str | None = None, **slots: object) -> None:
        self.code = code
        self.sheet = sheet
        self.slots = slots
        super().__init__(code)


@dataclass
class SheetFacts:
    """What a sheet holds that a reader does not tell. Rows and columns count from 1.

    Attributes
    ----------
    last_row, last_column
        Of the cells that hold something.
    errors
        Error cells and their text; formulas without a calculated value have none.
    hidden_rows, hidden_columns
        How many are hidden.
    """

    last_row: int = 0
    last_column: int = 0
    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden_rows: int = 0
    hidden_columns: int = 0


@dataclass
class WorkbookFacts:
    """What a workbook holds besides its cells; `sheets` by name."""

    sheets: dict[str, SheetFacts] = field(default_factory=dict)
    date_1904: bool = False
    has_macros: bool = False
    has_external_links: bool = False


def check_package(path: Path, *, most_bytes: int = MOST_BYTES) -> list[zipfile.ZipInfo]:
    """Refuse a zip that is damaged, locked, too large unpacked, or names a place outside itself.

    Returns
    -------
    list of ZipInfo
        Its files.

    Raises
    ------
    WorkbookRefused
        With what is wrong.
    """
    try:
        with zipfile.ZipFile(path) as package:
            members = [member for member in package.infolist() if not member.is_dir()]
    except (OSError, *DAMAGED_ZIP):
        raise WorkbookRefused("zip_damaged") from None
    if len(members) > MOST_MEMBERS:
        raise WorkbookRefused("zip_too_large", most=f"{MOST_MEMBERS:,}")
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in PurePosixPath(name).parts or re.match("[A-Za-z]:", name):
            raise WorkbookRefused("zip_name_unsafe")
        if member.external_attr >> 28 == 0xA:
            raise WorkbookRefused("zip_name_unsafe")
        if member.flag_bits & 1:
            raise WorkbookRefused("file_locked")
        if member.file_size > SMALL_BYTES and member.file_size > MOST_RATIO * max(member.compress_size, 1):
            raise WorkbookRefused("zip_too_large", most=f"{most_bytes:,}")
    if sum(member.file_size for member in members) > most_bytes:
        raise WorkbookRefused("zip_too_large", most=f"{most_bytes:,}")
    return members


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
        _parse(package, "xl/workbook.xml", workbook)
        if "xl/_rels/workbook.xml.rels" in names:
            _parse(package, "xl/_rels/workbook.xml.rels", relations)
        shared = _SharedStrings()
        if "xl/sharedStrings.xml" in names:
            _parse(package, "xl/sharedStrings.xml", shared.start, text=shared.text)
        for relation, sheet in sheets.items():
            target = targets.get(relation, "")
            member = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if member in names:
                facts.sheets[sheet] = _scan_sheet(package, member, sheet, shared.lengths)
    return facts


def scan_ods(path: Path) -> WorkbookFacts:
    """Look through an ODS: cells and rows that are repeated count as often as they are.

    Raises
    ------
    WorkbookRefused
        If it is damaged, a bomb, or larger than what is read here.
    """
    names = {member.filename for member in check_package(path)}
    facts = WorkbookFacts(has_macros=any(name.startswith("Basic/") for name in names))
    look = _OdsLook(facts)
    with zipfile.ZipFile(path) as package:
        if "content.xml" not in names:
            raise WorkbookRefused("zip_damaged")
        _parse(package, "content.xml", look.start)
    return facts


class _OdsLook:
    def __init__(self, facts: WorkbookFacts) -> None:
        self._facts = facts
        self._name = ""
        self._sheet = SheetFacts()
        self._row = 0
        self._rows = 1
        self._column = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table":
            self._name, self._sheet, self._row, self._rows = (
                attributes.get("table:name", ""),
                SheetFacts(),
                0,
                0,
            )
            self._facts.sheets[self._name] = self._sheet
        elif name == "table-row":
            self._row += self._rows
            self._rows = _count(attributes.get("table:number-rows-repeated"))
            self._column = 0
            if attributes.get("table:visibility") in ("collapse", "filter"):
                self._sheet.hidden_rows += self._rows
        elif name == "table-column" and attributes.get("table:visibility") in ("collapse", "filter"):
            self._sheet.hidden_columns += _count(attributes.get("table:number-columns-repeated"))
        elif name in ("table-cell", "covered-table-cell"):
            repeated = _count(attributes.get("table:number-columns-repeated"))
            if attributes.get("office:value-type"):
                self._sheet.last_row = max(self._sheet.last_row, self._row + self._rows)
                self._sheet.last_column = max(self._sheet.last_column, self._column + repeated)
                if attributes.get("calcext:value-type") == "error":
                    _mark(self._sheet, self._row + 1, self._column + 1, "#ERROR")
                _check_size(self._sheet, self._name)
            self._column += repeated


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
    _parse(package, member, look.start, text=look.text if is_long else None)
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
            self._row = _count(attributes.get("r"), default=self._row + 1)
            self._column = 0
            if attributes.get("hidden") in ("1", "true"):
                self.facts.hidden_rows += 1
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = _count(attributes.get("min")), _count(attributes.get("max"))
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
                _check_size(facts, self._sheet)
            if self._is_error:
                _mark(facts, self._row, self._column, "#N/A")
            elif not self._is_filled:
                _mark(facts, self._row, self._column, UNCALCULATED)
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


def _mark(facts: SheetFacts, row: int, column: int, text: str) -> None:
    if len(facts.errors) >= MOST_ERRORS:
        raise WorkbookRefused("sheet_full_of_errors", most=f"{MOST_ERRORS:,}")
    facts.errors[row, column] = text


def _check_size(facts: SheetFacts, sheet: str) -> None:
    if facts.last_column > MOST_COLUMNS:
        raise WorkbookRefused("sheet_too_wide", sheet=sheet, most=f"{MOST_COLUMNS:,}")
    if facts.last_row * facts.last_column > MOST_CELLS:
        raise WorkbookRefused("sheet_too_large", sheet=sheet, most=f"{MOST_CELLS:,}")


def _count(told: str | None, default: int = 1) -> int:
    return int(told) if told and told.isdigit() and len(told) < 9 else default


def _parse(
    package: zipfile.ZipFile,
    member: str,
    start: Callable[[str, dict[str, str]], None],
    text: Callable[[str], None] | None = None,
) -> None:
    """Stream a member through the parser; a document that declares anything of its own is refused."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def local(name: str, attributes: dict[str, str]) -> None:
        start(name.rpartition(":")[2], attributes)

    def declared(*_: object) -> None:
        raise WorkbookRefused("xml_declares_entities")

    parser.StartElementHandler = local
    if text is not None:
        parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = declared
    parser.EntityDeclHandler = declared
    try:
        with package.open(member) as file:
            while block := file.read(_BLOCK):
                parser.Parse(block, False)
            parser.Parse(b"", True)
    except (expat.ExpatError, OSError, *DAMAGED_ZIP):
        raise WorkbookRefused("zip_damaged") from None
