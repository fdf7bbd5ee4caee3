"""Sheets over HTTP: composed as `riskmodel sheets` composes them, and told as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from riskmodel.domain import Audience, PublishedSet, School, ScoredStudent
from riskmodel.sheets.compose import Sheet, compose_each
from riskmodel.sheets.page import answer_text
from riskmodel.sheets.steps import Steps
from riskmodel.store.principals import RIGHTS, Role
from riskmodel.store.steps import steps_of
from riskmodel.store.tickets import tickets
from serve.answers import NO_NAME, both, student_risk, words
from serve.deps import Visit
from serve.schemas import AnsweredOut, CodeOut, Explanation, HistoryOut


def as_read_by(student: ScoredStudent, role: Role) -> ScoredStudent:
    """Return the student as a sheet for this role may name them."""
    if RIGHTS[role].names:
        return student
    return replace(student, masked_name=NO_NAME, number_tail="")


def sheets_of(
    students: Sequence[ScoredStudent],
    published: PublishedSet,
    school: School,
    visit: Visit,
    *,
    audience: Audience,
) -> tuple[Sheet | None, ...]:
    """Compose the sheets of students of a school: the bureau's first steps, the intake's last answers."""
    return compose_each(
        students,
        published,
        school,
        audience=audience,
        steps=Steps.general(steps_of(visit.store)),
        tickets=tickets(visit.store, visit.principal, student_ids=[one.student_id for one in students]),
    )


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
        answered=_answered(sheet),
        feedback_codes=_coded(sheet.feedback if sheet is not None else ()),
        caveats=_coded(sheet.caveats if sheet is not None else ()),
    )


def _answered(sheet: Sheet | None) -> AnsweredOut | None:
    if sheet is None or sheet.answered is None:
        return None
    told = sheet.answered
    return AnsweredOut(
        family=told.family,
        answer=told.answer,
        answered_on=told.on,
        text=both(lambda language: answer_text(sheet, language)),
    )


def _coded(codes: Iterable[str]) -> tuple[CodeOut, ...]:
    return tuple(CodeOut(code=code, text=words(code)) for code in codes)
