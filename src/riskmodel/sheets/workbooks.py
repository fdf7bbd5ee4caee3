"""Workbooks in which every text is a text: one door, for what a name begins with must never be reckoned."""

from __future__ import annotations

from datetime import date, datetime
from typing import IO, Any

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
