"""A school's list to work from: whom to reach, in which order, and where the hours run out. No reasons.

The order is by advice, then those not near the line, then grade and class: never by risk. As HTML, as PDF (A4
lying on its side), as a workbook and as CSV, all from the same rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from riskmodel.domain import Band, Language, PublishedSet, School, ScoredStudent
from riskmodel.html_templates import templates
from riskmodel.sheets.page import class_words
from riskmodel.sheets.render import Printed, to_pdf
from riskmodel.sheets.workbooks import plain_workbook
from riskmodel.store.sheet_codes import sheet_code
from riskmodel.wording import text
from riskmodel.wording.statements import band_name, format_date, format_value, term_name

ROWS_PER_LEAF = 25
_ORDER = (Band.REACH_OUT, Band.CHECK_IN, Band.NOT_ENOUGH_INFORMATION)
COLUMNS = (
    "number", "class_name", "name", "tail", "advice", "near_line", "hours", "owner", "next_look", "state",
)  # fmt: skip
"""Columns of the printed list; the last three are for the school to fill."""
IN_FILES = (*COLUMNS[:7], "hours_so_far", "within_hours", "code", *COLUMNS[7:])
"""Columns of the workbook and of the CSV."""
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Hours:
    """The school's hours for first talks while a set is valid, and what one student is reckoned to take."""

    available: float
    reach_out: float
    check_in: float

    def of(self, band: Band) -> float:
        """Return the hours that a student of this band is reckoned to take; finding out is a short talk."""
        return self.reach_out if band is Band.REACH_OUT else self.check_in


@dataclass(frozen=True)
class Row:
    """One student of the list."""

    student: ScoredStudent
    code: str
    hours: float
    hours_so_far: float
    within_hours: bool


@dataclass(frozen=True)
class SchoolList:
    """The list of one school, of one set."""

    school: School
    published: PublishedSet
    hours: Hours
    rows: tuple[Row, ...]


def school_list(
    students: Sequence[ScoredStudent], published: PublishedSet, school: School, *, hours: Hours
) -> SchoolList:
    """Order the listed and reckon their hours. Usual care is on no list."""
    listed = [one for one in students if one.listed and one.band in _ORDER]
    listed.sort(
        key=lambda one: (_ORDER.index(one.band), one.near_line, one.grade, one.class_name, one.student_id)
    )
    rows, so_far = [], 0.0
    for student in listed:
        takes = hours.of(student.band)
        so_far += takes
        code = sheet_code(published.set_id, student.student_id)
        rows.append(Row(student, code, takes, so_far, so_far <= hours.available + 1e-9))
    return SchoolList(school, published, hours, tuple(rows))


def list_page(given: SchoolList, language: Language) -> dict[str, Any]:
    """Say the list in the words of a language, in leaves of 25 rows; both HTML and PDF print it."""
    leaves: list[list[dict[str, Any]]] = [[]]
    line_drawn = False
    for number, row in enumerate(given.rows, start=1):
        if sum(one["kind"] == "row" for one in leaves[-1]) == ROWS_PER_LEAF:
            leaves.append([])
        if not row.within_hours and not line_drawn:
            line_drawn = True
            leaves[-1].append({"kind": "line", "text": text("school_list.line", language)})
        told = _told(number, row, language)
        leaves[-1].append({"kind": "row", "cells": [str(told[column]) for column in COLUMNS]})
    facts = given.published.facts
    return {
        "language": language,
        "title": text("school_list.title", language),
        "internal": text("sheet.internal", language),
        "audience": text("school_list.audience", language),
        "term": term_name(facts.term, language),
        "data_to": text("sheet.data_to", language, date=format_date(facts.as_of_date, language)),
        "valid_until": text("sheet.valid_until", language, date=format_date(facts.valid_until, language)),
        "school": given.school.name,
        "hours": _hours_words(given, language),
        "heads": [text(f"school_list.heads.{column}", language) for column in COLUMNS],
        "leaves": leaves,
        "leaf_numbers": [
            text("school_list.leaf", language, number=number, of=len(leaves))
            for number in range(1, len(leaves) + 1)
        ],
        "nobody": text("sheet_index.none", language),
        "footer": [
            text("school_list.order", language),
            f"{text('sheet.limits', language)} {text('sheet.not_the_ledger', language)}",
        ],
        "run": text("booklet.run", language, set_id=given.published.set_id),
    }


def list_to_pdf(given: SchoolList, language: Language) -> bytes:
    """Make the list as a PDF, A4 lying on its side, 25 students a page."""
    title, words = text("school_list.title", language), list_page(given, language)
    return to_pdf(Printed(title=title, language=language, pages=[("roll", words)], wide=True))


def list_to_html(given: SchoolList, language: Language) -> str:
    """Make the list as one HTML file that loads and runs nothing."""
    return templates("riskmodel.sheets").get_template("list.html.j2").render(list_page(given, language))


def list_to_csv(given: SchoolList, language: Language) -> bytes:
    """Make the list as CSV that a spreadsheet opens as text: UTF-8 with its mark, no formulas."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([text(f"school_list.heads.{column}", language) for column in IN_FILES])
    for number, row in enumerate(given.rows, start=1):
        told = _told(number, row, language)
        writer.writerow([_as_text(told[column]) for column in IN_FILES])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def list_to_workbook(given: SchoolList, language: Language) -> bytes:
    """Make the list as a workbook: every text a text, numbers as numbers, and a sheet of notes."""
    out = io.BytesIO()
    book = plain_workbook(
        out, made_at=given.published.published_at, title=text("school_list.title", language)
    )
    bold = book.add_format({"bold": True, "bottom": 1})
    over = book.add_format({"top": 5})
    sheet = book.add_worksheet(text("school_list.sheet", language))
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(IN_FILES):
        sheet.write_string(0, column, text(f"school_list.heads.{name}", language), bold)
    first_over = next((n for n, row in enumerate(given.rows, start=1) if not row.within_hours), None)
    for number, row in enumerate(given.rows, start=1):
        told = _told(number, row, language) | {"hours": row.hours, "hours_so_far": row.hours_so_far}
        look = over if number == first_over else None
        for column, name in enumerate(IN_FILES):
            value = told[name]
            if isinstance(value, str):
                sheet.write_string(number, column, value, look)
            else:
                sheet.write_number(number, column, value, look)
    sheet.autofit()
    notes = book.add_worksheet(text("school_list.notes", language))
    page = list_page(given, language)
    said = [page["title"], page["school"], page["term"], page["data_to"], page["valid_until"], page["hours"]]
    said += [text("school_list.line", language), *page["footer"], page["run"]]
    for number, sentence in enumerate(said):
        notes.write_string(number, 0, sentence)
    notes.set_column(0, 0, 110)
    book.close()
    return out.getvalue()


def _told(number: int, row: Row, language: Language) -> dict[str, str | int | float]:
    student = row.student
    return {
        "number": number,
        "class_name": class_words(student.grade, student.class_name, language),
        "name": student.masked_name,
        "tail": student.number_tail,
        "advice": f"{text(f'bands.{student.band}.mark', language)} {band_name(student.band, language)}",
        "near_line": "≈" if student.near_line else "",
        "hours": format_value(row.hours, "count", language),
        "hours_so_far": format_value(row.hours_so_far, "count", language),
        "within_hours": text("values.yes" if row.within_hours else "values.no", language),
        "code": row.code,
        "owner": "",
        "next_look": "",
        "state": "",
    }


def _hours_words(given: SchoolList, language: Language) -> str:
    needed = given.rows[-1].hours_so_far if given.rows else 0.0
    return text(
        "school_list.hours",
        language,
        available=format_value(given.hours.available, "count", language),
        needed=format_value(needed, "count", language),
    )


def _as_text(value: str | int | float) -> str:
    said = str(value)
    return f"'{said}" if said.lstrip(" \u00a0\u3000").startswith(_STARTS_A_FORMULA) else said
