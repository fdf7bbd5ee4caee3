"""The explanation of one student: what stands on the sheet as data, and what its PDF is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from riskmodel.domain import Audience, Language, PublishedSet, School, ScoredStudent
from riskmodel.sheets.compose import Sheet
from riskmodel.store.principals import RIGHTS, Role
from riskmodel.store.rows import facts_text, student_text
from serve.answers import NO_NAME, both, student_risk, words
from serve.schemas import CodeOut, Explanation, HistoryOut


def as_read_by(student: ScoredStudent, role: Role) -> ScoredStudent:
    """Return the student as a sheet for this role may name them."""
    if RIGHTS[role].names:
        return student
    return replace(student, masked_name=NO_NAME, number_tail="")


def explanation(
    student: ScoredStudent, sheet: Sheet | None, published: PublishedSet, *, role: Role, today: date
) -> Explanation:
    """Tell what stands on a student's sheet; of who gets none, what is known and why there is none."""
    return Explanation(
        student=student_risk(student, published, role=role, today=today),
        has_sheet=sheet is not None,
        why_no_sheet=None if sheet is not None else words("problems.no_sheet.detail"),
        history=tuple(
            HistoryOut(start_date=block.start_date, days_absent=block.days_absent)
            for block in (sheet.history if sheet is not None else ())
        ),
        first_steps=tuple(both(step.text) for step in (sheet.steps if sheet is not None else ())),
        feedback_codes=_coded(sheet.feedback if sheet is not None else ()),
        caveats=_coded(sheet.caveats if sheet is not None else ()),
    )


def sheets_task(
    students: Iterable[ScoredStudent],
    published: PublishedSet,
    school: School,
    *,
    audience: Audience,
    language: Language,
) -> dict[str, Any]:
    """Return what the child is asked for: the sheets of these students."""
    return {
        "students": [student_text(student) for student in students],
        "set_id": published.set_id,
        "published_at": published.published_at.isoformat(),
        "facts": facts_text(published.facts),
        "school": [school.school_id, school.name, school.township],
        "audience": audience,
        "language": language,
    }


def _coded(codes: Iterable[str]) -> tuple[CodeOut, ...]:
    return tuple(CodeOut(code=code, text=words(code)) for code in codes)
