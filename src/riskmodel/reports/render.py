"""A report as a page, as a PDF and as a workbook, all from the same plain data."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from markupsafe import Markup

from riskmodel.errors import RiskmodelError
from riskmodel.html_templates import templates
from riskmodel.sheets.fonts import find_fonts
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
    import typst

    fonts = find_fonts()
    as_json = json.dumps(
        {name: page[name] for name in ("language", "title", "below", "sections")}, ensure_ascii=False
    )
    fonts.require(as_json)
    inputs = {"page": as_json, "families": json.dumps(fonts.families)}
    try:
        made = _compiler().compile(
            input=resources.files("riskmodel.reports").joinpath("report.typ").read_bytes(), format="pdf",
            sys_inputs=inputs, timestamp=0, pdf_tags=False,
        )  # fmt: skip
    except typst.TypstError as error:
        raise RiskmodelError("sheet_not_made", problem=error.message) from error
    if not isinstance(made, bytes):
        raise RiskmodelError("sheet_not_made", problem="no PDF")
    return made


def to_workbook(page: Mapping[str, Any], made_at: datetime) -> bytes:
    """Make a workbook: a sheet per section with a table, sentences below it, and a sheet of plain figures."""
    import xlsxwriter

    out, language = io.BytesIO(), page["language"]
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": page["title"], "created": made_at.replace(tzinfo=None)})
    forms = {
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        "title": book.add_format({"bold": True, "font_size": 13}),
    }
    for number, section in enumerate(page["sections"], start=1):
        sheet = book.add_worksheet(f"{number} {section['title']}"[:31].replace("/", " ").replace(":", " "))
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.write_string(0, 0, f"{page['title']} · {section['title']}", forms["title"])
        sheet.write_string(1, 0, page["below"])
        _section(sheet, section, forms, start=3)
    sheet = book.add_worksheet(text("periodic.sections.figures", language)[:31])
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


@lru_cache(maxsize=1)
def _compiler() -> Any:
    # Made once: reading the fonts takes longer than a page.
    import typst

    return typst.Compiler(font_paths=find_fonts().handle)
