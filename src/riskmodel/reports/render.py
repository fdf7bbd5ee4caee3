"""A report as a page, as a PDF and as a workbook, all from the same plain data."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from itertools import zip_longest
from typing import Any

from markupsafe import Markup

from riskmodel.html_templates import templates
from riskmodel.sheets.typesetting import as_json, set_pdf
from riskmodel.sheets.workbooks import plain_workbook, tab_name, width_of, write_across
from riskmodel.wording import text

_NARROWEST, _WIDEST, _PAGE = 9, 44, 120
"""Widths of a column, and of a page without a table, in digits."""


def to_html(page: Mapping[str, Any]) -> str:
    """Make one HTML file that loads and runs nothing; plots stand in it as SVG."""
    drawn = json.loads(json.dumps(page))
    for section in drawn["sections"]:
        for part in section["parts"]:
            if part["kind"] == "plots":
                # Drawn by reports.plots, which escapes every word.
                part["drawn"] = [Markup(svg) for svg in part["drawn"]]  # noqa: S704
    return templates("riskmodel.reports").get_template("report.html.j2").render(page=drawn)


def to_pdf(page: Mapping[str, Any]) -> bytes:
    """Make a PDF of A4 pages, the same bytes from the same report.

    Raises
    ------
    RiskmodelError
        If no font with Chinese is there, or a character has no glyph.
    """
    told = {name: page[name] for name in ("language", "title", "below", "sections")}
    template = resources.files("riskmodel.reports").joinpath("report.typ").read_bytes()
    return set_pdf(template, {"page": as_json(told)})


def to_workbook(page: Mapping[str, Any], made_at: datetime) -> bytes:
    """Make a workbook: a sheet per section with a table, sentences below it, and a sheet of plain figures."""
    out, language = io.BytesIO(), page["language"]
    book = plain_workbook(out, made_at=made_at, title=page["title"])
    forms = {
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        "number": book.add_format({"valign": "top", "align": "left"}),
        "title": book.add_format({"bold": True, "font_size": 13, "text_wrap": True, "valign": "top"}),
    }
    for number, section in enumerate(page["sections"], start=1):
        sheet = book.add_worksheet(tab_name(f"{number} {section['title']}", book))
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        _section(sheet, section, forms, above=(f"{page['title']} · {section['title']}", page["below"]))
    sheet = book.add_worksheet(tab_name(text("periodic.sections.figures", language), book))
    for column, width in enumerate(_widths([page["figures"]])):
        sheet.set_column(column, column, width)
    _table(sheet, page["figures"], forms, start=0)
    sheet.freeze_panes(1, 0)
    book.close()
    return out.getvalue()


def _section(
    sheet: Any, section: Mapping[str, Any], forms: Mapping[str, Any], *, above: tuple[str, str]
) -> None:
    tables = [part for part in section["parts"] if part["kind"] == "table" and part["rows"]]
    widths = _widths(tables)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    write_across(sheet, 0, above[0], forms["title"], widths=widths)
    write_across(sheet, 1, above[1], forms["wrap"], widths=widths)
    row = 3
    for part in section["parts"]:
        if part in tables:
            row = _table(sheet, part, forms, start=row) + 1
        for line in part["lines"] if part["kind"] == "lines" else ():
            write_across(sheet, row, line, forms["wrap"], widths=widths)
            row += 1


def _widths(tables: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return widths in which most cells stand on one line, of the columns that the tables share."""
    rows = [row for table in tables for row in (table["head"], *table["rows"])]
    if not rows:
        return [_PAGE]
    longest = [max(map(width_of, column)) for column in zip_longest(*rows, fillvalue="")]
    return [min(max(width + 2, _NARROWEST), _WIDEST) for width in longest]


def _table(sheet: Any, table: Mapping[str, Any], forms: Mapping[str, Any], *, start: int) -> int:
    for column, name in enumerate(table["head"]):
        sheet.write_string(start, column, name, forms["head"])
    for row, cells in enumerate(table["rows"], start=start + 1):
        for column, cell in enumerate(cells):
            number = _number(cell)
            if number is None:
                sheet.write_string(row, column, cell, forms["wrap"])
            else:
                sheet.write_number(row, column, number, forms["number"])
    return start + 1 + len(table["rows"])


def _number(cell: str) -> float | None:
    plain = cell.replace(",", "")
    try:
        return float(plain) if plain and set(plain) <= set("0123456789.-e") else None
    except ValueError:
        return None
