"""Workbooks (XLSX, XLS, ODS): their sheets as rows of text, each cell as its type says.

A date cell becomes YYYY-MM-DD (calamine knows the workbook's base, 1900 or 1904), a whole number has no
point, truth is true or false. A number of more than 15 digits has lost some in the program that wrote it;
it keeps its exponent, so that a check can tell.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path

import python_calamine as calamine

from riskmodel.records.files.ods_scan import scan_ods
from riskmodel.records.files.packages import SheetFacts, WorkbookFacts, WorkbookRefused
from riskmodel.records.files.raw import Format
from riskmodel.records.files.text_files import CHUNK
from riskmodel.records.files.xls_scan import scan_xls
from riskmodel.records.files.xlsx_scan import scan_xlsx

_MOST_DIGITS = 10**15
_TAB = re.compile(rb"<(\w+):tab\b[^>]*/>")
_Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta


@dataclass(frozen=True)
class Sheet:
    """A sheet's rows, in chunks and numbered from 1 without a gap, and what else it says.

    Attributes
    ----------
    merged
        Ranges of merged cells: first row, first column, last row, last column, from 1.
    """

    name: str
    chunks: Iterator[list[list[str]]]
    facts: SheetFacts
    merged: tuple[tuple[int, int, int, int], ...] = ()
    is_hidden: bool = False


def open_workbook(path: Path, form: Format) -> tuple[WorkbookFacts, Iterator[Sheet]]:
    """Open a workbook and give its sheets that hold anything, one after the other.

    Raises
    ------
    WorkbookRefused
        If it is damaged, locked, or larger than what is read here; then it was not opened.
    """
    if form == "xlsx":
        facts = scan_xlsx(path)
    elif form == "ods":
        facts = scan_ods(path)
    else:
        facts = scan_xls(path)
    try:
        workbook = calamine.load_workbook(_to_open(path, form, facts))
    except calamine.PasswordError:
        raise WorkbookRefused("file_locked") from None
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError, ValueError):
        raise WorkbookRefused("workbook_damaged") from None
    return facts, _sheets(workbook, facts)


def _to_open(path: Path, form: Format, facts: WorkbookFacts) -> str | io.BytesIO:
    if facts.has_tabs:
        return io.BytesIO(_tabs_as_blanks(path))
    # By its name calamine would take the one form for another.
    return str(path) if path.suffix.lower() == f".{form}" else io.BytesIO(path.read_bytes())


def _tabs_as_blanks(path: Path) -> bytes:
    """Return an ODS whose tabs are blanks: calamine leaves tabs out, and joins what stands around them."""
    written = io.BytesIO()
    with zipfile.ZipFile(path) as package, zipfile.ZipFile(written, "w") as copy:
        for member in package.infolist():
            content = package.read(member)
            is_content = member.filename == "content.xml"
            copy.writestr(member.filename, _TAB.sub(rb"<\1:s/>", content) if is_content else content)
    return written.getvalue()


def _sheets(workbook: calamine.CalamineWorkbook, facts: WorkbookFacts) -> Iterator[Sheet]:
    with workbook:
        for told in workbook.sheets_metadata:
            if told.typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            try:
                sheet = workbook.get_sheet_by_name(told.name)
            except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError, ValueError):
                raise WorkbookRefused("workbook_damaged", sheet=told.name) from None
            seen = facts.sheets.get(told.name, SheetFacts())
            if sheet.start is None and not seen.errors:
                continue
            ranges = [(a + 1, b + 1, c + 1, d + 1) for (a, b), (c, d) in sheet.merged_cell_ranges or ()]
            yield Sheet(
                told.name,
                _chunks(sheet, seen),
                seen,
                tuple(ranges or seen.merged),
                is_hidden=told.visible != calamine.SheetVisibleEnum.Visible,
            )


def _chunks(sheet: calamine.CalamineSheet, facts: SheetFacts) -> Iterator[list[list[str]]]:
    """Yield rows of text; cells that calamine leaves out (errors, formulas never calculated) are put back."""
    before = [""] * (sheet.start[1] if sheet.start else 0)
    height, width = sheet.end or (-1, -1)
    width = max([width + 1, *(column for _, column in facts.errors)])
    height = max([height + 1, *(row for row, _ in facts.errors)])
    lost: dict[int, list[tuple[int, str]]] = {}
    for (row, column), text in facts.errors.items():
        lost.setdefault(row, []).append((column, text))
    rows = ([*before, *map(text_of, row)] for row in (sheet.iter_rows() if sheet.start else ()))
    first = 1
    while first <= height:
        chunk = list(islice(rows, min(CHUNK, height - first + 1))) or [[]]
        for number, cells in enumerate(chunk, start=first):
            cells.extend([""] * (width - len(cells)))
            for column, text in lost.get(number, ()):
                cells[column - 1] = text
        yield chunk
        first += len(chunk)


def text_of(value: _Value) -> str:
    """Return a cell's value as text, in the one way of writing that every check reads."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not value.is_integer():
            text = repr(value)
            return text if "e" not in text else format(Decimal(text), "f")
        return str(int(value)) if abs(value) < _MOST_DIGITS else f"{value:.14E}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value)
