"""The ledgers as the workbook that bureaus keep: a tab for each ledger, and one of visits.

A3 lying on its side, one page wide, headings on every page. The columns are those of county software (name,
guardian, school, reason, people in charge, rounds of visits, return, closing); the same file can be taken in.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, get_args

from riskmodel.domain import Language
from riskmodel.ledger.codes import Kind
from riskmodel.sheets.workbooks import lines_of, plain_workbook, tab_name
from riskmodel.store.cases import KeptCase
from riskmodel.wording import text

COLUMNS = (
    "name", "sex", "birth_date", "ethnicity", "number_tail", "school_id", "township", "grade", "class_name",
    "guardian", "phone", "address", "household_place", "hardship", "found_by", "opened_on", "left_on",
    "reasons", "owner", "helper", "rounds", "last_visit_on", "state", "placement", "returned_on", "code",
    "closed_on", "student_id", "case_id",
)  # fmt: skip
"""Columns of a ledger after the running number."""
VISIT_COLUMNS = ("case_id", "name", "round", "day", "by", "met", "why")
_WIDTHS: Mapping[str, int] = {
    "name": 9, "sex": 5, "ethnicity": 6, "grade": 5, "class_name": 6, "address": 20, "household_place": 14,
    "reasons": 14, "why": 50, "student_id": 13, "case_id": 18, "phone": 13, "rounds": 5, "round": 5,
    "number_tail": 7,
}  # fmt: skip
_USUAL_WIDTH = 10
_LINE_POINTS = 12
"""Height of a line of 9 points."""


def ledger_task(found: Sequence[KeptCase], *, language: Language, on: date) -> dict[str, Any]:
    """Return what `ledger_workbook` prints, as plain data: every cell is text or a whole number."""
    tables = []
    for kind in get_args(Kind):
        rows = [
            [number, *(_cell(one, column, language) for column in COLUMNS)]
            for number, one in enumerate((one for one in found if one.case.kind == kind), start=1)
        ]
        title = text(f"ledger.kinds.{kind}", language)
        tables.append(_table(tab_of(kind, language), title, COLUMNS, rows, language, on))
    visits, name = list(_visits(found, language)), text("ledger.file.visits", language)
    tables.append(_table(name, name, VISIT_COLUMNS, visits, language, on))
    return {"made_at": on.isoformat(), "tables": tables, "notice": text("ledger.file.notice", language)}


def ledger_workbook(task: Mapping[str, Any]) -> bytes:
    """Make the workbook: to be printed as it is, and the same file to the byte from the same cases."""
    out = io.BytesIO()
    book = plain_workbook(out, made_at=date.fromisoformat(task["made_at"]))
    title = book.add_format({"bold": True, "font_size": 16, "align": "center"})
    small = book.add_format({"font_size": 9})
    head = book.add_format({"bold": True, "border": 1, "text_wrap": True, "align": "center", "font_size": 9})
    cell = book.add_format(
        {"border": 1, "text_wrap": True, "valign": "top", "num_format": "@", "font_size": 9}
    )
    for table in task["tables"]:
        sheet = book.add_worksheet(tab_name(table["name"], book))
        sheet.set_landscape()
        sheet.set_paper(8)  # A3
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(2)
        sheet.freeze_panes(3, 2)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer("&C&P / &N")
        sheet.merge_range(0, 0, 0, len(table["head"]) - 1, table["title"], title)
        sheet.write_string(1, 0, table["said"], small)
        for column, (name, width) in enumerate(zip(table["head"], table["widths"], strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(2, column, name, head)
        for row, cells in enumerate([table["head"], *table["rows"]], start=2):
            sheet.set_row(row, _height(cells, table["widths"]))
        for row, cells in enumerate(table["rows"], start=3):
            for column, value in enumerate(cells):
                if isinstance(value, int):
                    sheet.write_number(row, column, value, cell)
                else:
                    sheet.write_string(row, column, value, cell)
        sheet.write_string(4 + len(table["rows"]), 0, task["notice"], small)
    book.close()
    return out.getvalue()


def _height(cells: Sequence[object], widths: Sequence[int]) -> int:
    """Return how high a row must be, in points, for its fullest cell."""
    return 3 + _LINE_POINTS * max(
        lines_of(str(cell), width) for cell, width in zip(cells, widths, strict=True)
    )


def heading(column: str, language: Language) -> str:
    """Return the heading of a column, by which it is also taken in."""
    return text(f"ledger.file.columns.{column}", language)


def tab_of(kind: Kind, language: Language) -> str:
    """Return the name of a ledger's tab."""
    return text(f"ledger.file.tabs.{kind}", language)


def _table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    language: Language,
    on: date,
) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "said": text("ledger.file.as_of", language, day=on.isoformat(), count=len(rows)),
        "head": [heading("number", language), *(heading(column, language) for column in columns)],
        "widths": [5, *(_WIDTHS.get(column, _USUAL_WIDTH) for column in columns)],
        "rows": rows,
    }


def _visits(found: Iterable[KeptCase], language: Language) -> Iterable[list[object]]:
    number = 0
    for one in found:
        visits = [kept.entry for kept in one.entries_in_force if kept.entry.event == "visited"]
        for round_, visit in enumerate(sorted(visits, key=lambda entry: entry.day), start=1):
            number += 1
            met = text(f"ledger.met.{visit.met}", language) if visit.met else ""
            told = (one.case_id, one.case.child.get("name", ""), round_, visit.day.isoformat(), visit.by, met)
            yield [number, *told, visit.why]


def _cell(kept: KeptCase, column: str, language: Language) -> str | int:
    say = _SAID.get(column)
    if say is not None:
        return say(kept, language)
    return kept.case.child.get(column, "")


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _words(group: str, code: str | None, language: Language) -> str:
    return text(f"ledger.{group}.{code}", language) if code else ""


_SAID: Mapping[str, Callable[[KeptCase, Language], str | int]] = {
    "school_id": lambda one, _: one.case.home.school_id,
    "township": lambda one, _: one.case.home.township,
    "grade": lambda one, _: "" if one.case.home.grade is None else one.case.home.grade,
    "class_name": lambda one, _: one.case.home.class_name,
    "found_by": lambda one, language: _words("found_by", one.case.found_by, language),
    "opened_on": lambda one, _: _day(one.case.opened_on),
    "left_on": lambda one, _: _day(one.case.left_on),
    "reasons": lambda one, language: "; ".join(
        _words("reasons", reason, language) for reason in one.case.reasons
    ),
    "owner": lambda one, _: one.case.owner,
    "helper": lambda one, _: one.case.duties.get("helper", ""),
    "rounds": lambda one, _: one.case.rounds,
    "last_visit_on": lambda one, _: _day(one.case.last_visit_on),
    "state": lambda one, language: _words("states", one.case.state, language),
    "placement": lambda one, language: _words("placements", one.case.placement, language),
    "returned_on": lambda one, _: _day(one.case.returned_on),
    "code": lambda one, language: _words("codes", one.case.code, language),
    "closed_on": lambda one, _: _day(one.case.closed_on),
    "student_id": lambda one, _: one.student_id,
    "case_id": lambda one, _: one.case_id,
}
