"""Whose students a principal may see: conditions that stand in the SQL of every query about them.

They are read from the set that a row belongs to: a school that changes township, or a student who changes
school, is seen by others from the next publishing on, with no key changed.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, and_, false, not_, or_, select, true, tuple_

from riskmodel.store.principals import Principal
from riskmodel.store.tables import LEDGER_CASES, OBJECTIONS, SCHOOLS, STUDENTS


def sees_school(principal: Principal, school: FromClause = SCHOOLS) -> ColumnElement[bool]:
    """Limit rows of published schools to those of the principal, a class's school included."""
    if principal.rights.everywhere:
        return true()
    named = principal.school_ids | {one.school_id for one in principal.classes}
    return or_(
        false(),
        school.c.school_id.in_(sorted(named)),
        school.c.township.in_(sorted(principal.townships)),
    )


def sees_student(principal: Principal, student: FromClause = STUDENTS) -> ColumnElement[bool]:
    """Limit rows of published students to those of the principal's schools, townships and classes.

    A child whose guardian objects is nobody's, whoever asks.
    """
    willing = not_(objects(student.c.student_id))
    if principal.rights.everywhere:
        return willing
    ways = [student.c.school_id.in_(sorted(principal.school_ids))]
    if principal.townships:
        near = select(SCHOOLS.c.school_id).where(
            SCHOOLS.c.set_id == student.c.set_id, SCHOOLS.c.township.in_(sorted(principal.townships))
        )
        ways.append(student.c.school_id.in_(near))
    if principal.classes:
        place = tuple_(student.c.school_id, student.c.grade, student.c.class_name)
        ways.append(place.in_(sorted(principal.classes)))
    return and_(willing, or_(*ways))


def sees_case(principal: Principal, case: FromClause = LEDGER_CASES) -> ColumnElement[bool]:
    """Limit cases of the ledgers to those of the principal's schools, townships and classes.

    A case is its home's until it is handed over, whatever the published set says of the child: who has left
    stands in no set, and somebody must ask after them.
    """
    if principal.rights.everywhere:
        return true()
    ways = [
        false(),
        and_(case.c.school_id != "", case.c.school_id.in_(sorted(principal.school_ids))),
        and_(case.c.township != "", case.c.township.in_(sorted(principal.townships))),
    ]
    if principal.classes:
        place = tuple_(case.c.school_id, case.c.grade, case.c.class_name)
        ways.append(place.in_(sorted(principal.classes)))
    return or_(*ways)


def objects(student_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Tell whether an objection of the child's guardian holds: the last row about the child says so."""
    made, later = OBJECTIONS.alias("made"), OBJECTIONS.alias("later")
    after = select(later.c.number).where(
        later.c.student_id == made.c.student_id, later.c.number > made.c.number
    )
    return (
        select(made.c.number)
        .where(made.c.student_id == student_id, made.c.lifted.is_(False), not_(after.exists()))
        .exists()
    )


def is_theirs_now(
    principal: Principal, student_id: ColumnElement[str], *, current_set_id: str
) -> ColumnElement[bool]:
    """Limit rows that name a student (of a former set, an action, a feedback) to who is the principal's now.

    What was said of a child at a former school is not told to the former school any more, and a child who
    is in no current set is told to nobody but those who see everywhere.
    """
    if principal.rights.everywhere:
        return true()
    now = STUDENTS.alias("now")
    return (
        select(now.c.student_id)
        .where(and_(now.c.set_id == current_set_id, now.c.student_id == student_id))
        .where(sees_student(principal, now))
        .exists()
    )
