"""The package of a workbook, looked through before it is opened: how large it is, what a reader hides.

calamine reads a sheet into memory in full, from the first filled cell to the last, and gives error cells and
formulas that were never calculated as empty. So the package is first streamed through a parser that keeps
nothing but positions: what would not fit is refused before it is opened, and what would be lost is marked.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.parsers import expat

from riskmodel.records.files.raw import DAMAGED_ZIP

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
    merged
        Ranges of merged cells (of an ODS): first row, first column, last row, last column.
    """

    last_row: int = 0
    last_column: int = 0
    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden_rows: int = 0
    hidden_columns: int = 0
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass
class WorkbookFacts:
    """What a workbook holds besides its cells; `sheets` by name."""

    sheets: dict[str, SheetFacts] = field(default_factory=dict)
    date_1904: bool = False
    has_macros: bool = False
    has_external_links: bool = False
    has_tabs: bool = False


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


def mark_error(facts: SheetFacts, row: int, column: int, text: str) -> None:
    """Keep the place of an error cell, and what stands for it."""
    if len(facts.errors) >= MOST_ERRORS:
        raise WorkbookRefused("sheet_full_of_errors", most=f"{MOST_ERRORS:,}")
    facts.errors[row, column] = text


def check_size(facts: SheetFacts, sheet: str) -> None:
    """Refuse a sheet that is wider or larger than what is read here."""
    if facts.last_column > MOST_COLUMNS:
        raise WorkbookRefused("sheet_too_wide", sheet=sheet, most=f"{MOST_COLUMNS:,}")
    if facts.last_row * facts.last_column > MOST_CELLS:
        raise WorkbookRefused("sheet_too_large", sheet=sheet, most=f"{MOST_CELLS:,}")


def count_of(told: str | None, default: int = 1) -> int:
    """Return the count that an attribute tells; `default` where it tells none, or an absurd one."""
    return int(told) if told and told.isdigit() and len(told) < 9 else default


def parse_member(
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
