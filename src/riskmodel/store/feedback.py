"""What a school says of a sheet, in six codes, and how often the reasons of a family fit.

F0 checked, nothing wrong · F1 data wrong · F2 changed · F3 already helped · F4 reason does not fit ·
F5 something important is missing. Feedback never becomes a label: people mark the students whom they know. It
serves the data (F1 opens a ticket) and the judgement of reasons, and no part of the model wing reads it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, get_args

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from riskmodel.domain import Family, ScoredStudent
from riskmodel.errors import StoreError
from riskmodel.figures import Interval
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.rows import read_student
from riskmodel.store.scope import is_theirs_now
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import FEEDBACK, STUDENTS, instant, instant_text
from riskmodel.store.tickets import open_ticket

Code = Literal["F0", "F1", "F2", "F3", "F4", "F5"]

NAMES_A_FAMILY = frozenset({"F1", "F2", "F4"})
"""What these codes are about may be said by the family of reasons; F4 must say which reason does not fit."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that was said of one sheet, on a day. Without a `set_id`: of the current set."""

    student_id: str
    code: Code
    noted_on: date
    family: Family | None = None
    set_id: str | None = None
    on_paper: bool = False


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What is kept of it. `entered_by` is the key that entered it; `ticket_id` the ticket that F1 opened."""

    feedback_id: str
    set_id: str
    student_id: str
    school_id: str
    code: Code
    family: Family | None
    noted_on: date
    entered_at: datetime
    entered_by: str
    on_paper: bool
    ticket_id: int | None


@dataclass(frozen=True)
class Agreement:
    """Of the sheets that came back with a reason of this family, how many did not call it wrong.

    A reason is called wrong by F4 that names it, or by F1 that says its data are wrong.
    """

    family: Family
    came_back: int
    agreed: int

    @property
    def share(self) -> Interval:
        """The share with its 95 % interval (Wilson, 1927)."""
        n, z = self.came_back, 1.96
        if not n:
            return Interval(math.nan)
        p = self.agreed / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def record_feedback(
    store: Store, principal: Principal, said: Sequence[Said], *, at: datetime
) -> tuple[Feedback, ...]:
    """Keep what was said: all of it, or nothing. What was said before is returned as it stands.

    Raises
    ------
    StoreError
        `feedback_student_unknown` if a student is not within the scope, or not in the set;
        `feedback_family_wrong` if the code takes no family, or F4 names none that the principal can read as
        a reason of this student. `number` tells which one, from 1.
    """
    principal.must("write_feedback")
    with store.writing() as connection:
        return tuple(
            _record(connection, principal, each, at=at, number=number)
            for number, each in enumerate(said, start=1)
        )


def feedback_of(store: Store, principal: Principal, student_id: str) -> tuple[Feedback, ...]:
    """Return what was said of a student's sheets, oldest first; empty outside of the scope.

    What it is about is told to who entered it, and to who reads a reason of that family on that sheet: what a
    counsellor said must not tell others which reason is withheld from them.
    """
    principal.must("read_risk")
    query = (
        select(FEEDBACK, STUDENTS.c.content)
        .outerjoin(
            STUDENTS,
            (STUDENTS.c.set_id == FEEDBACK.c.set_id) & (STUDENTS.c.student_id == FEEDBACK.c.student_id),
        )
        .where(FEEDBACK.c.student_id == student_id)
        .order_by(FEEDBACK.c.entered_at, FEEDBACK.c.feedback_id)
    )
    with store.reading() as connection:
        rows = connection.execute(query.where(_theirs(principal, connection))).all()
    return tuple(
        _as_read_by(principal, _feedback(row), read_student(row.content) if row.content else None)
        for row in rows
    )


def _as_read_by(principal: Principal, said: Feedback, student: ScoredStudent | None) -> Feedback:
    if said.family is None or said.entered_by == principal.key_id:
        return said
    if principal.rights.audience == "counsellor" or (
        student is not None and _reads_reason(principal, student, said.family)
    ):
        return said
    return replace(said, family=None)


def _reads_reason(principal: Principal, student: ScoredStudent, family: Family) -> bool:
    return any(
        reason.family == family
        and (reason.audience == "class_teacher" or principal.rights.audience == "counsellor")
        for reason in student.reasons
    )


def agreement(store: Store, principal: Principal) -> tuple[Agreement, ...]:
    """Return how often the reasons of each family fit, over all sheets that came back, within the scope."""
    principal.must("read_risk")
    query = select(
        FEEDBACK.c.set_id, FEEDBACK.c.student_id, FEEDBACK.c.code, FEEDBACK.c.family, STUDENTS.c.content
    ).join(
        STUDENTS,
        (STUDENTS.c.set_id == FEEDBACK.c.set_id) & (STUDENTS.c.student_id == FEEDBACK.c.student_id),
    )
    told: dict[tuple[str, str], ScoredStudent] = {}
    wrong: dict[tuple[str, str], set[str]] = {}
    with store.reading() as connection:
        for set_id, student_id, code, family, content in connection.execute(
            query.where(_theirs(principal, connection))
        ):
            sheet = (set_id, student_id)
            if sheet not in told:
                told[sheet] = read_student(content)
            if code in ("F1", "F4"):
                wrong.setdefault(sheet, set()).add(family)
    found = []
    for family in get_args(Family):
        back = [sheet for sheet, student in told.items() if any(r.family == family for r in student.reasons)]
        agreed = sum(family not in wrong.get(sheet, ()) for sheet in back)
        found.append(Agreement(family, len(back), agreed))
    return tuple(found)


def _record(
    connection: Connection, principal: Principal, said: Said, *, at: datetime, number: int
) -> Feedback:
    set_id = said.set_id or current_set_id(connection)
    row = connection.execute(
        select(STUDENTS.c.school_id, STUDENTS.c.content).where(
            STUDENTS.c.set_id == set_id,
            STUDENTS.c.student_id == said.student_id,
            is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current_set_id(connection)),
        )
    ).one_or_none()
    if row is None:
        raise StoreError("feedback_student_unknown", number=number)
    _check_family(said, read_student(row.content), principal, number)
    standing = connection.execute(
        select(FEEDBACK).where(
            FEEDBACK.c.set_id == set_id,
            FEEDBACK.c.student_id == said.student_id,
            FEEDBACK.c.code == said.code,
            FEEDBACK.c.family == (said.family or ""),
            FEEDBACK.c.noted_on == said.noted_on.isoformat(),
        )
    ).one_or_none()
    if standing is not None:
        return _feedback(standing)
    ticket = None
    if said.code == "F1":
        ticket = open_ticket(connection, said.student_id, row.school_id, said.family, at=at)
    kept = Feedback(
        feedback_id=f"fb-{secrets.token_hex(8)}",
        set_id=set_id,
        student_id=said.student_id,
        school_id=row.school_id,
        code=said.code,
        family=said.family,
        noted_on=said.noted_on,
        entered_at=at,
        entered_by=principal.key_id,
        on_paper=said.on_paper,
        ticket_id=ticket,
    )
    values = vars(kept) | {
        "family": kept.family or "",
        "noted_on": kept.noted_on.isoformat(),
        "entered_at": instant_text(at),
    }
    connection.execute(insert(FEEDBACK).values(values))
    return replace(kept, entered_at=instant(instant_text(at)))


def _theirs(principal: Principal, connection: Connection) -> ColumnElement[bool]:
    return is_theirs_now(principal, FEEDBACK.c.student_id, current_set_id=current_set_id(connection))


def _check_family(said: Said, student: ScoredStudent, principal: Principal, number: int) -> None:
    """Refuse a family where none belongs, and for F4 one that this principal cannot have read."""
    if said.family is None:
        fits = said.code != "F4"
    elif said.code == "F4":
        fits = _reads_reason(principal, student, said.family)
    else:
        fits = said.code in NAMES_A_FAMILY
    if not fits:
        raise StoreError("feedback_family_wrong", number=number)


def _feedback(row: Row[tuple[object, ...]]) -> Feedback:
    told = {name: value for name, value in row._mapping.items() if name in FEEDBACK.c}
    return Feedback(
        **{
            **told,
            "family": told["family"] or None,
            "noted_on": date.fromisoformat(told["noted_on"]),
            "entered_at": instant(told["entered_at"]),
        }
    )
