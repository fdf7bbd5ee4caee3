"""The workbook that goes back to who sent a file: its own rows with the cells marked, and a list of findings.

Cells are copied as text, so that no number, date or formula of the sender changes or is worked out; a
character that turns the order of reading is written out. It holds the sender's rows, and belongs beside them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter

from riskmodel.domain import Language
from riskmodel.errors import Finding
from riskmodel.wording import LANGUAGES, text

ROWS_SHOWN_WHOLE = 20_000
"""A longer sheet shows its header and its marked rows only, each with its own number in front."""
_LONGEST_CELL = 32_767
_SHEET_NAME = 31
_WIDENED = 60
"""Columns wide enough for a date; a sheet that has more shows the rest as narrow as any new sheet."""
_NO_SHEET_NAME = re.compile(r"[\[\]:*?/\\']")
_TURNS_READING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOURS = {"refuse": "#F4B084", "review": "#FFE699", "mended": "#BDD7EE"}
_LIST_COLUMNS = (
    ("number", 6), ("severity", 12), ("sheet", 14), ("row", 8), ("letter", 8), ("column", 16), ("count", 8),
    ("kind", 18), ("zh", 64), ("en", 64), ("code", 26),
)  # fmt: skip


@dataclass(frozen=True)
class SentSheet:
    """A sheet as it was sent: `rows()` gives its texts in order, the first is row 1.

    `name` is that by which findings tell it; None in a file that has no sheets.
    """

    name: str | None
    rows: Callable[[], Iterable[Sequence[str]]]


@dataclass(frozen=True)
class _Page:
    """A sheet of the workbook, and what marks it: findings by cell and by whole row, with their numbers.

    `shown` tells where each row of a long sheet stands; None: every row stands where it stood.
    """

    title: str
    rows: Callable[[], Iterable[Sequence[str]]]
    shown: Mapping[int, int] | None
    cells: Mapping[tuple[int, int], list[tuple[int, Finding]]]
    whole_rows: Mapping[int, list[tuple[int, Finding]]]

    def of(self, row: int, at: int) -> list[tuple[int, Finding]]:
        """Return what marks a cell, worst first (`at` counts from 0)."""
        return sorted(
            (*self.cells.get((row, at), ()), *self.whole_rows.get(row, ())), key=lambda each: each[0]
        )


def write_marked(sheets: Sequence[SentSheet], findings: Sequence[Finding], *, out: Path) -> None:
    """Write the workbook for one file.

    Parameters
    ----------
    sheets
        The file's sheets; none where it could not be read at all, the list then stands alone.
    findings
        Those of the file, in any order.
    out
        Replaced if it is there.
    """
    numbered = sorted(findings, key=_by_place)
    pages = [_page(sheet, title, numbered) for sheet, title in zip(sheets, _titles(sheets), strict=True)]
    beside = out.with_name(f".{out.name}.partial")
    try:
        with xlsxwriter.Workbook(str(beside), {"constant_memory": True}) as book:
            _write_list(book, numbered, dict(zip((sheet.name for sheet in sheets), pages, strict=True)))
            for page in pages:
                _write_page(book, page)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def _by_place(finding: Finding) -> tuple[int, str, int, int, str, str]:
    where, letter = finding.where, finding.where.letter or ""
    worst_first = tuple(_COLOURS).index(finding.severity)
    return (worst_first, where.sheet or "", where.row or 0, len(letter), letter, finding.code)


def _titles(sheets: Sequence[SentSheet]) -> list[str]:
    """Return names that a workbook accepts, each once; the list of findings has its own."""
    titles: list[str] = []
    taken = {_in_both("marked.list").casefold()}
    for sheet in sheets:
        base = _NO_SHEET_NAME.sub("_", sheet.name or _in_both("marked.rows"))[: _SHEET_NAME - 4]
        title, number = base, 1
        while title.casefold() in taken:
            number += 1
            title = f"{base}_{number}"
        taken.add(title.casefold())
        titles.append(title)
    return titles


def _in_both(code: str) -> str:
    return " ".join(text(code, language) for language in LANGUAGES)


def _sentence(finding: Finding, language: Language) -> str:
    return text(f"errors.{finding.code}", language, **dict(finding.slots))


def _write_list(book: Any, numbered: Sequence[Finding], pages: Mapping[str | None, _Page]) -> None:
    page = book.add_worksheet(_in_both("marked.list"))
    shape = {"text_wrap": True, "valign": "top", "num_format": "@"}
    plain, bold = book.add_format(shape), book.add_format({"bold": True})
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    linked = book.add_format(shape | {"font_color": "#0563C1", "underline": 1})
    coloured = {each: book.add_format(shape | {"bg_color": colour}) for each, colour in _COLOURS.items()}
    for row, language in enumerate(LANGUAGES):
        page.write_string(row, 0, text("marked.what_to_do", language), bold)
    top = len(LANGUAGES) + 1
    for at, (name, width) in enumerate(_LIST_COLUMNS):
        page.set_column(at, at, width)
        page.write_string(
            top, at, "\n".join(text(f"marked.columns.{name}", each) for each in LANGUAGES), head
        )
    page.freeze_panes(top + 1, 0)
    page.autofilter(top, 0, top + len(numbered), len(_LIST_COLUMNS) - 1)
    for number, finding in enumerate(numbered, start=1):
        where, kind = finding.where, finding.kind
        told = (
            number, _in_both(f"marked.severity.{finding.severity}"), where.sheet, where.row, where.letter,
            where.column, finding.count, _in_both(f"value_kinds.{kind}") if kind else None,
            _sentence(finding, "zh"), _sentence(finding, "en"), finding.code,
        )  # fmt: skip
        for at, said in enumerate(told):
            form = coloured[finding.severity] if at < 2 else plain
            page.write_string(top + number, at, "" if said is None else _shown(str(said)), form)
        if where.row and where.sheet in pages:
            sent = pages[where.sheet]
            row = where.row if sent.shown is None else sent.shown[where.row]
            column = where.letter if where.letter and sent.shown is None else "A"
            page.write_url(top + number, 3, f"internal:'{sent.title}'!{column}{row}", linked, str(where.row))


def _page(sheet: SentSheet, title: str, numbered: Sequence[Finding]) -> _Page:
    cells: dict[tuple[int, int], list[tuple[int, Finding]]] = defaultdict(list)
    whole_rows: dict[int, list[tuple[int, Finding]]] = defaultdict(list)
    for number, finding in enumerate(numbered, start=1):
        where = finding.where
        if where.row is None or where.sheet != sheet.name:
            continue
        if where.letter is None:
            whole_rows[where.row].append((number, finding))
        else:
            cells[where.row, _position(where.letter)].append((number, finding))
    shown = None
    if sum(1 for _ in sheet.rows()) > ROWS_SHOWN_WHOLE:
        marked = sorted({1, *whole_rows, *(row for row, _ in cells)})
        shown = {row: place for place, row in enumerate(marked, start=1)}
    return _Page(title, sheet.rows, shown, cells, whole_rows)


def _position(letter: str) -> int:
    position = 0
    for each in letter:
        position = position * 26 + ord(each) - ord("A") + 1
    return position - 1


def _write_page(book: Any, sent: _Page) -> None:
    page = book.add_worksheet(sent.title)
    page.set_column(0, _WIDENED, 14)
    as_text = {"num_format": "@", "quote_prefix": True}
    plain = book.add_format(as_text)
    coloured = {each: book.add_format(as_text | {"bg_color": colour}) for each, colour in _COLOURS.items()}
    marked_rows = {row for row, _ in sent.cells} | set(sent.whole_rows)
    width = max((at + 1 for _, at in sent.cells), default=1)
    for number, cells in enumerate(sent.rows(), start=1):
        place = number if sent.shown is None else sent.shown.get(number)
        if place is None:
            continue
        first = 0
        if sent.shown is not None:
            first = 1
            page.write_string(
                place - 1, 0, str(number) if number > 1 else _in_both("marked.columns.row"), plain
            )
        is_marked = number in marked_rows
        for at in range(max(len(cells), width if is_marked else 1)):
            found = sent.of(number, at) if is_marked else []
            cell = _shown(cells[at]) if at < len(cells) else ""
            form = coloured[found[0][1].severity] if found else plain
            page.write_string(place - 1, first + at, cell, form)
            if found and (at == 0 or (number, at) in sent.cells):
                page.write_comment(place - 1, first + at, _comment(found), {"x_scale": 2.5, "y_scale": 1.5})


def _comment(found: Sequence[tuple[int, Finding]]) -> str:
    return "\n".join(f"{number}. {_sentence(finding, 'zh')}" for number, finding in found)[:_LONGEST_CELL]


def _shown(cell: str) -> str:
    visible = _TURNS_READING.sub(lambda turn: f"⟨U+{ord(turn[0]):04X}⟩", cell)
    return visible[:_LONGEST_CELL]
