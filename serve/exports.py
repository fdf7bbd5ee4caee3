"""A list as CSV and as a workbook, for people who open it in a spreadsheet.

Whatever a cell holds stays text: a name that begins with = is no formula (ASVS 5.0, 1.2.10), and an id of 19
digits keeps all of them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Any

from riskmodel.domain import Language, PublishedSet, School, ScoredStudent
from riskmodel.store.principals import RIGHTS, Role
from riskmodel.wording import text
from riskmodel.wording.statements import band_name, format_date, grade_name
from serve.answers import NO_NAME

COLUMNS = (
    "student_id", "school_id", "name", "grade", "class_name", "masked_name", "band", "listed", "near_line",
    "set_id", "valid_until",
)  # fmt: skip
_WIDTHS = (26, 14, 20, 10, 8, 10, 14, 8, 8, 22, 14)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def list_rows(
    students: Iterable[ScoredStudent], school: School, published: PublishedSet, *, role: Role,
    language: Language,
) -> list[list[str]]:  # fmt: skip
    """Say a school's students, a row each, in the order of `COLUMNS`."""

    def yes(told: bool) -> str:
        return text("values.yes" if told else "values.no", language)

    valid_until = format_date(published.facts.valid_until, language)
    return [
        [
            one.student_id,
            school.school_id,
            school.name,
            grade_name(one.grade, language),
            one.class_name,
            one.masked_name if RIGHTS[role].names else NO_NAME,
            band_name(one.band, language),
            yes(one.listed),
            yes(one.near_line),
            published.set_id,
            valid_until,
        ]
        for one in students
    ]


def csv_file(rows: Iterable[Iterable[str]], language: Language) -> bytes:
    """Write CSV in UTF-8 with a BOM, by which a spreadsheet knows it; no cell is a formula."""
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_titles(language))
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def workbook_task(rows: list[list[str]], published: PublishedSet, *, language: Language) -> dict[str, Any]:
    """Return what the child is asked: the list, what its columns mean, and the limits of its use."""
    titles = _titles(language)
    meanings = [[name, title, text(f"api.fields.{name}", language)]
                for name, title in zip(COLUMNS, titles, strict=True)]  # fmt: skip
    limits = [[text("api.notice", language)], [text("sheet.not_the_ledger", language)],
              [published.set_id]]  # fmt: skip
    head = [text(f"api.workbook.{part}", language) for part in ("code", "title", "meaning")]
    return {
        "made_at": published.published_at.replace(tzinfo=None).isoformat(),
        "tables": [
            {"name": text("api.workbook.list", language), "head": titles, "rows": rows,
             "widths": list(_WIDTHS), "narrow": True},
            {"name": text("api.workbook.dictionary", language), "head": head, "rows": meanings,
             "widths": [18, 18, 80], "narrow": False},
            {"name": text("api.workbook.limits", language), "head": [text("api.workbook.limits", language)],
             "rows": limits, "widths": [110], "narrow": False},
        ],
    }  # fmt: skip


def _titles(language: Language) -> list[str]:
    return [text(f"api.columns.{name}", language) for name in COLUMNS]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
