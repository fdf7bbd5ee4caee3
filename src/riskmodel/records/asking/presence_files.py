"""What is there, as a page to look at and as a workbook to send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from riskmodel.domain import Language, School
from riskmodel.html_templates import templates
from riskmodel.records.asking.expected import Expected
from riskmodel.records.asking.presence import Presence, SchoolTerm
from riskmodel.records.keeping.durable import whole_file
from riskmodel.wording import LANGUAGES, text

TERMS_SHOWN = 2
"""So many terms, the latest first, stand on the page by school; the workbook has all."""
LOW = 0.8
_SOURCE = ("source", "deliveries", "delivered_on", "complete_to", "tables", "added", "withdrawn", "forced")
_SCHOOL = ("school", "students", "reported", "marks", "family", "newest", "expected", "note")


def write_presence(
    folder: Path,
    found: Presence,
    expected: Sequence[Expected],
    schools: Sequence[School],
) -> list[Path]:
    """Write `presence.<language>.html` and `.xlsx`; return their paths, the pages first."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {school.school_id: school.name for school in schools}
    waited_for = Counter(one.school_id for one in expected)
    pages, books = [], []
    for language in LANGUAGES:
        page, book = folder / f"presence.{language}.html", folder / f"presence.{language}.xlsx"
        with whole_file(page) as beside:
            beside.write_text(_page(found, names, waited_for, language), encoding="utf-8")
        with whole_file(book) as beside:
            _book(beside, found, names, waited_for, language)
        pages.append(page)
        books.append(book)
    return [*pages, *books]


def _page(found: Presence, names: Mapping[str, str], waited_for: Counter[str], language: Language) -> str:
    shown = list(dict.fromkeys(one.term for one in found.schools))[:TERMS_SHOWN]
    terms = []
    for term in shown:
        of_term = [one for one in found.schools if one.term == term]
        is_current = term == found.as_of.term
        rows = [_school_row(one, names, waited_for if is_current else Counter(), language) for one in of_term]
        summary = text(
            "check.term_summary",
            language,
            schools=len(of_term),
            students=f"{sum(one.students for one in of_term):,}",
            reported=_share(sum(o.reported_days for o in of_term), sum(o.school_days for o in of_term)),
            silent=sum(one.is_silent for one in of_term),
        )
        terms.append({"title": text("check.term", language, term=term), "summary": summary, "rows": rows})
    return (
        templates("riskmodel.records.asking")
        .get_template("presence.html.j2")
        .render(
            language=language,
            words={word: text(f"check.{word}", language) for word in ("title", "how", "sources")},
            known=text("check.known", language, day=found.as_of.as_of_date, term=found.as_of.term),
            lines=_lines(found, waited_for, language),
            source_header=[text(f"check.source.{name}", language) for name in _SOURCE],
            sources=[[str(cell) for cell in row] for row in _source_rows(found, language)],
            school_header=[text(f"check.school.{name}", language) for name in _SCHOOL],
            terms=terms,
        )
    )


def _lines(found: Presence, waited_for: Counter[str], language: Language) -> list[str]:
    lines = [text("check.expected_count", language, students=waited_for.total(), schools=len(waited_for))]
    if found.missing_tables:
        separator = text("intake.separator", language)
        tables = separator.join(text(f"sources.{name}", language) for name in found.missing_tables)
        lines.append(text("check.missing", language, tables=tables))
    return lines


def _source_rows(found: Presence, language: Language) -> list[list[object]]:
    separator = text("intake.separator", language)
    return [
        [
            one.source,
            one.deliveries,
            one.delivered_on,
            one.complete_to or text("values.not_known", language),
            separator.join(text(f"sources.{name}", language) for name in one.tables),
            one.added,
            one.withdrawn,
            separator.join(text(f"check.forced.{code}", language) for code in one.forced),
        ]
        for one in found.sources
    ]


def _school_row(
    one: SchoolTerm, names: Mapping[str, str], waited_for: Counter[str], language: Language
) -> dict[str, object]:
    pairs = (
        (one.reported_days, one.school_days),
        (one.with_marks, one.students),
        (one.with_family, one.students),
    )
    return {
        "school": names.get(one.school_id, one.school_id),
        "students": f"{one.students:,}",
        "shares": [
            {
                "said": _share(part, whole),
                "width": round(100 * part / whole) if whole else None,
                "low": whole > 0 and part < LOW * whole,
            }
            for part, whole in pairs
        ],
        "newest": one.newest or "—",
        "expected": waited_for[one.school_id] or "",
        "note": _note(one, language),
    }


def _note(one: SchoolTerm, language: Language) -> str:
    notes = []
    if one.is_silent:
        notes.append(text("check.silent", language))
    if one.vanished:
        notes.append(text("check.vanished", language, students=one.vanished))
    return " ".join(notes)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "—"


def _book(
    file: Path, found: Presence, names: Mapping[str, str], waited_for: Counter[str], language: Language
) -> None:
    with xlsxwriter.Workbook(str(file), {"in_memory": True}) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        share = book.add_format({"num_format": "0%"})
        sheet = book.add_worksheet(text("check.sheets.sources", language))
        _head(sheet, [text(f"check.source.{name}", language) for name in _SOURCE], head)
        for at, row in enumerate(_source_rows(found, language), start=1):
            for column, cell in enumerate(row):
                _put(sheet, at, column, cell, day)
        sheet = book.add_worksheet(text("check.sheets.schools", language))
        header = [text("check.school.term", language), text("check.school.id", language)]
        _head(sheet, header + [text(f"check.school.{name}", language) for name in _SCHOOL], head)
        for at, one in enumerate(found.schools, start=1):
            _put(sheet, at, 0, one.term, day)
            _put(sheet, at, 1, one.school_id, day)
            _put(sheet, at, 2, names.get(one.school_id, one.school_id), day)
            _put(sheet, at, 3, one.students, day)
            pairs = (
                (one.reported_days, one.school_days),
                (one.with_marks, one.students),
                (one.with_family, one.students),
            )
            for column, (part, whole) in enumerate(pairs, start=4):
                if whole:
                    sheet.write_number(at, column, part / whole, share)
            _put(sheet, at, 7, one.newest, day)
            if one.term == found.as_of.term:
                _put(sheet, at, 8, waited_for[one.school_id], day)
            _put(sheet, at, 9, _note(one, language), day)
        _told_sheet(book, found, names, language, (head, day))


def _told_sheet(
    book: xlsxwriter.Workbook,
    found: Presence,
    names: Mapping[str, str],
    language: Language,
    forms: tuple[Any, Any],
) -> None:
    head, day = forms
    sheet = book.add_worksheet(text("check.sheets.told", language))
    header = [text(f"check.school.{name}", language) for name in ("term", "id", "school")]
    header += [text(f"check.told.{name}", language) for name in ("source", "table", "rows", "newest")]
    _head(sheet, header, head)
    for at, one in enumerate(found.told, start=1):
        table = text(f"sources.{one.table}", language)
        school = names.get(one.school_id, one.school_id)
        cells = (one.term, one.school_id, school, one.source, table, one.rows, one.newest)
        for column, cell in enumerate(cells):
            _put(sheet, at, column, cell, day)


def _head(sheet: xlsxwriter.worksheet.Worksheet, names: Sequence[str], form: object) -> None:
    for column, name in enumerate(names):
        sheet.write_string(0, column, name, form)
        sheet.set_column(column, column, 22 if column in (0, 2, 4) else 14)
    sheet.freeze_panes(1, 0)


def _put(sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, value: object, day: object) -> None:
    """Write a value as what it is; text never becomes a formula."""
    if value is None or value == "":
        return
    if isinstance(value, int | float):
        sheet.write_number(row, column, value)
    elif hasattr(value, "year"):
        sheet.write_datetime(row, column, value, day)
    else:
        sheet.write_string(row, column, str(value))
