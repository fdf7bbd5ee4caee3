"""Workbooks in which every text is a text: one door, for what a name begins with must never be reckoned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from textwrap import wrap
from typing import IO, Any
from unicodedata import east_asian_width

_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\", " "))
_MOST = 31
"""Characters of a tab's name, as Excel takes them."""


def plain_workbook(out: IO[bytes], *, made_at: date | datetime, title: str = "") -> Any:
    """Open a workbook; `made_at` stands for the clock, so that the same content is the same bytes."""
    import xlsxwriter

    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    book = xlsxwriter.Workbook(out, options)
    created = datetime(made_at.year, made_at.month, made_at.day)  # noqa: DTZ001  a workbook knows no zones
    if isinstance(made_at, datetime):
        created = made_at.replace(tzinfo=None)
    book.set_properties({"created": created} | ({"title": title} if title else {}))
    return book


def tab_name(name: str, book: Any) -> str:
    """Return a name that Excel takes for one more tab of a workbook: whatever a bureau calls a programme."""
    plain = name.translate(_FORBIDDEN).strip().strip("'")[:_MOST] or "-"
    taken = {sheet.get_name().casefold() for sheet in book.worksheets()}
    number, found = 2, plain
    while found.casefold() in taken:
        found = f"{plain[: _MOST - 4]} ({number})"
        number += 1
    return found


def width_of(said: str) -> int:
    """Return how wide a text is, in digits: a Chinese character is two of them."""
    return len(_as_digits(said))


def lines_of(said: str, width: float) -> int:
    """Return how many lines a text takes in a column: who prints does not adjust rows."""
    return max(1, len(wrap(_as_digits(said), int(width))))


def _as_digits(said: str) -> str:
    return "".join("xx" if east_asian_width(character) in "WF" else character for character in said)


def write_across(sheet: Any, row: int, said: str, form: Any, *, widths: Sequence[float]) -> None:
    """Write a sentence over the columns of a table, as many lines high as it needs.

    In one cell it would run over the columns' end and make the printed page as wide as itself.
    """
    if len(widths) > 1:
        sheet.merge_range(row, 0, row, len(widths) - 1, "", form)
    sheet.write_string(row, 0, said, form)
    sheet.set_row(row, 17 * lines_of(said, sum(widths) * 0.9))
