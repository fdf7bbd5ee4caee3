"""The lists of those expected and not there, a workbook and a CSV per school, to be filled in."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import xlsxwriter

from riskmodel.domain import School
from riskmodel.records.asking.expected import Expected
from riskmodel.records.keeping.durable import whole_file
from riskmodel.wording import LANGUAGES, text
from riskmodel.workspace import file_stem

_EXPECTED = (
    "school", "grade", "class_name", "name", "number_tail", "student_id", "reason", "last_day", "to_school",
    "answer", "remark",
)  # fmt: skip
ANSWERS = ("here", "elsewhere", "will_come", "left", "moved_away", "unknown")
_ACTIVE = re.compile(r"^[=+\-@\t\r\n＝＋－＠]")


def write_expected(folder: Path, expected: Sequence[Expected], schools: Sequence[School]) -> list[Path]:
    """Write for each school a workbook and a CSV of those expected and not there; one file name per school.

    Both have headers in both languages, and columns for the answer. The folder holds names of children: the
    files' names hold none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {school.school_id: school.name for school in schools}
    written = []
    header = [
        " / ".join(text(f"check.expected.{name}", language) for language in LANGUAGES) for name in _EXPECTED
    ]
    for school, of_school in groupby(expected, key=lambda one: one.school_id):
        rows = [_expected_row(one, names) for one in of_school]
        stem = folder / file_stem(school)
        with whole_file(stem.with_suffix(".csv")) as beside:
            _write_csv(beside, [header, *rows])
        with whole_file(stem.with_suffix(".xlsx")) as beside:
            _write_list(beside, header, rows)
        written += [stem.with_suffix(".xlsx"), stem.with_suffix(".csv")]
    for old in {*folder.glob("*.xlsx"), *folder.glob("*.csv")}.difference(written):
        old.unlink()
    return written


def _expected_row(one: Expected, names: Mapping[str, str]) -> list[str]:
    reason = " / ".join(text(f"check.reasons.{one.reason}", language) for language in LANGUAGES)
    to_school = names.get(one.to_school_id, one.to_school_id)
    last_day = one.last_day.isoformat() if one.last_day else ""
    return [
        names.get(one.school_id, one.school_id), str(one.grade), one.class_name, one.name, one.number_tail,
        one.student_id, reason, last_day, to_school, "", "",
    ]  # fmt: skip


def _write_csv(file: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write a CSV that a spreadsheet opens as it stands: a mark at its head, no cell that it would run."""
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([[f"'{c}" if _ACTIVE.match(c) else c for c in row] for row in rows])


def _write_list(file: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with xlsxwriter.Workbook(str(file), {"in_memory": True}) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        sheet = book.add_worksheet(text("check.sheets.expected", "zh"))
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        for column, name in enumerate(header):
            sheet.write_string(0, column, name, head)
            sheet.set_column(column, column, {0: 20, 5: 24, 6: 30, 9: 24, 10: 24}.get(column, 12))
        for at, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                sheet.write_string(at, column, cell, wrap)
        answers = [" / ".join(text(f"check.answers.{code}", each) for each in LANGUAGES) for code in ANSWERS]
        column = _EXPECTED.index("answer")
        sheet.data_validation(1, column, len(rows), column, {"validate": "list", "source": answers})
        sheet.freeze_panes(1, 0)
