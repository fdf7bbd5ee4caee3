"""One student's sheet as facts: codes, values and dates, no prose. Both languages are said from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from riskmodel.domain import (
    Audience,
    Band,
    Family,
    Kind,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Statement,
    Step,
    Unit,
    Unknown,
)
from riskmodel.sheets.steps import Steps
from riskmodel.store.sheet_codes import sheet_code
from riskmodel.store.tables import day_of
from riskmodel.store.tickets import Answer, Ticket
from riskmodel.wording import codes

MOST_REASONS = 4
"""More reasons than four help nobody (people.md, section 0, after credit practice)."""
MOST_STRENGTHS = 3
ANSWERS_SHOWN_DAYS = 180
"""How long a sheet shows what the intake answered: the next sheet does, and not those of later years."""
_BLOCK_DAYS = 28


@dataclass(frozen=True)
class ReasonGroup:
    """Reasons of one kind, strongest first."""

    kind: Kind
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class HistoryBlock:
    """Absent days in the 28 days from `start_date` on; None where nothing was reported."""

    start_date: date
    days_absent: float | None


@dataclass(frozen=True)
class Answered:
    """What came of data that the school called wrong."""

    family: Family | None
    answer: Answer
    on: date


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Everything that stands on one sheet, for one audience.

    Attributes
    ----------
    similar
        None: no number is given, and the sheet says so (`probabilities` tells which words).
    withheld
        A reason is not for this audience. What it says is nowhere in the sheet.
    sheet_code
        By it the paper finds its student back.
    told_families
        Families of the reasons that are told: one of them may be called unfit.
    answered
        The latest answer to data that the school called wrong; None: there is none to tell.
    feedback, caveats
        Wording codes in the order of the sheet.
    units
        Unit of each feature that a statement may name.
    """

    set_id: str
    sheet_code: str
    audience: Audience
    school_name: str
    term: str
    as_of_date: date
    valid_until: date
    horizon_days: int
    grade: int
    class_name: str
    masked_name: str
    number_tail: str
    band: Band
    near_line: bool
    probabilities: bool
    similar: PerHundred | None
    reasons: tuple[ReasonGroup, ...]
    withheld: bool
    history: tuple[HistoryBlock, ...]
    strengths: tuple[Statement, ...]
    unknowns: tuple[Unknown, ...]
    steps: tuple[Step, ...]
    told_families: tuple[Family, ...]
    answered: Answered | None
    feedback: tuple[str, ...]
    caveats: tuple[str, ...]
    units: Mapping[str, Unit]


def compose(
    student: ScoredStudent,
    published: PublishedSet,
    school: School,
    *,
    audience: Audience,
    steps: Steps,
    tickets: Sequence[Ticket] = (),
) -> Sheet | None:
    """Compose the sheet of a student as one audience may read it.

    Parameters
    ----------
    steps
        The library of first steps.
    tickets
        What this student's school called wrong.

    Returns
    -------
    Sheet or None
        None for usual care: such students get no sheet (nobody is asked to do anything).
    """
    if student.band is Band.USUAL_CARE:
        return None
    facts = published.facts
    visible = _visible(student.reasons[:MOST_REASONS], audience)
    told_families = tuple(dict.fromkeys(reason.family for reason in visible))
    return Sheet(
        set_id=published.set_id,
        sheet_code=sheet_code(published.set_id, student.student_id),
        audience=audience,
        school_name=school.name,
        term=facts.term,
        as_of_date=facts.as_of_date,
        valid_until=facts.valid_until,
        horizon_days=facts.horizon_days,
        grade=student.grade,
        class_name=student.class_name,
        masked_name=student.masked_name,
        number_tail=student.number_tail,
        band=student.band,
        near_line=student.near_line,
        probabilities=facts.probabilities,
        similar=student.similar,
        reasons=_grouped(visible),
        withheld=len(visible) < len(student.reasons[:MOST_REASONS]),
        history=_history(student.attendance_history, facts.as_of_date),
        strengths=_visible(student.strengths, audience)[:MOST_STRENGTHS],
        unknowns=(*student.unknowns, *(Unknown(code) for code in codes("standing_unknowns."))),
        steps=steps.first(visible, audience),
        told_families=told_families,
        answered=_answered(tickets, published, named=None if audience == "counsellor" else told_families),
        feedback=codes("feedback."),
        caveats=_caveats(student, said_reasons=bool(visible)),
        units=facts.units,
    )


def compose_each(
    students: Sequence[ScoredStudent],
    published: PublishedSet,
    school: School,
    *,
    audience: Audience,
    steps: Steps,
    tickets: Sequence[Ticket],
) -> tuple[Sheet | None, ...]:
    """Compose the sheets of students of one school, in their order: on paper and over HTTP alike.

    `tickets` are those of all these students; else as `compose`.
    """
    of_student: defaultdict[str, list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        of_student[ticket.student_id].append(ticket)
    return tuple(
        compose(one, published, school, audience=audience, steps=steps, tickets=of_student[one.student_id])
        for one in students
    )


def _visible(statements: Sequence[Statement], audience: Audience) -> tuple[Statement, ...]:
    if audience == "counsellor":
        return tuple(statements)
    return tuple(statement for statement in statements if statement.audience == audience)


def _grouped(statements: Sequence[Statement]) -> tuple[ReasonGroup, ...]:
    groups = (
        ReasonGroup(kind, tuple(statement for statement in statements if statement.kind == kind))
        for kind in get_args(Kind)
    )
    return tuple(group for group in groups if group.statements)


def _history(blocks: Sequence[float | None], as_of_date: date) -> tuple[HistoryBlock, ...]:
    first = as_of_date - timedelta(days=_BLOCK_DAYS * len(blocks) - 1)
    return tuple(
        HistoryBlock(first + timedelta(days=_BLOCK_DAYS * number), days) for number, days in enumerate(blocks)
    )


def _answered(
    tickets: Sequence[Ticket], published: PublishedSet, *, named: Sequence[Family] | None
) -> Answered | None:
    """Take the latest answer that is not older than half a year.

    What it is about is said where the reader reads a reason of that family anyway (None: reads them all):
    an answer must not tell what the sheet withholds.
    """
    found = [
        Answered(
            ticket.family if named is None or ticket.family in named else None,
            ticket.answer,
            day_of(ticket.closed_at),
        )
        for ticket in tickets
        if ticket.closed_at is not None and ticket.answer is not None
    ]
    new = [one for one in found if (published.facts.as_of_date - one.on).days <= ANSWERS_SHOWN_DAYS]
    return max(new, key=lambda one: one.on, default=None)


def _caveats(student: ScoredStudent, *, said_reasons: bool) -> tuple[str, ...]:
    only_background = bool(student.reasons) and all(r.kind == "background" for r in student.reasons)
    applies = {
        "caveats.B3": only_background,
        "caveats.B4": student.band is Band.NOT_ENOUGH_INFORMATION,
        "caveats.B1": student.similar is not None or student.near_line,
        "caveats.B2": said_reasons,
        "caveats.B5": True,
        "caveats.B7": True,
    }
    return tuple(code for code, holds in applies.items() if holds)
