"""A report as a page, as a PDF and as a workbook, all from the same plain data."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any

from markupsafe import Markup

from riskmodel.html_templates import templates
from riskmodel.sheets.typesetting import as_json, set_pdf
from riskmodel.sheets.workbooks import plain_workbook, tab_name
from riskmodel.wording import text


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
        "title": book.add_format({"bold": True, "font_size": 13}),
    }
    for number, section in enumerate(page["sections"], start=1):
        sheet = book.add_worksheet(tab_name(f"{number} {section['title']}", book))
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.write_string(0, 0, f"{page['title']} · {section['title']}", forms["title"])
        sheet.write_string(1, 0, page["below"])
        _section(sheet, section, forms, start=3)
    sheet = book.add_worksheet(tab_name(text("periodic.sections.figures", language), book))
    _table(sheet, page["figures"], forms, start=0)
    sheet.freeze_panes(1, 0)
    book.close()
    return out.getvalue()


def _section(sheet: Any, section: Mapping[str, Any], forms: Mapping[str, Any], *, start: int) -> None:
    row = start
    for part in section["parts"]:
        if part["kind"] == "table" and part["rows"]:
            row = _table(sheet, part, forms, start=row) + 1
        elif part["kind"] == "lines":
            for line in part["lines"]:
                sheet.write_string(row, 0, line)
                row += 1
    sheet.set_column(0, 0, 34)


def _table(sheet: Any, table: Mapping[str, Any], forms: Mapping[str, Any], *, start: int) -> int:
    for column, name in enumerate(table["head"]):
        sheet.write_string(start, column, name, forms["head"])
        sheet.set_column(column, column, 22)
    for row, cells in enumerate(table["rows"], start=start + 1):
        for column, cell in enumerate(cells):
            number = _number(cell)
            if number is None:
                sheet.write_string(row, column, cell, forms["wrap"])
            else:
                sheet.write_number(row, column, number)
    return start + 1 + len(table["rows"])


def _number(cell: str) -> float | None:
    plain = cell.replace(",", "")
    try:
        return float(plain) if plain and set(plain) <= set("0123456789.-e") else None
    except ValueError:
        return None
