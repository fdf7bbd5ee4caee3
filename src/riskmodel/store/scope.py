"""Whose students a principal may see: conditions that stand in the SQL of every query about them.

They are read from the set that a row belongs to: a school that changes township, or a student who changes
school, is seen by others from the next publishing on, with no key changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
)

from riskmodel.store.principals import Principal, SchoolClass
from riskmodel.store.sets import CURRENT
from riskmodel.store.tables import LEDGER_CASES, OBJECTIONS, SCHOOLS, SETS, STUDENTS


def sees_school(principal: Principal, school: FromClause = SCHOOLS) -> ColumnElement[bool]:
    """Limit rows of published schools to those of the principal, a class's school included."""
    if principal.rights.everywhere:
        return true()
    named = principal.school_ids | {one.school_id for one in principal.classes}
    return or_(
        school.c.school_id.in_(_listed("named_schools", json.dumps(sorted(named)))),
        school.c.township.in_(_listed("townships", places_of(principal)["townships"])),
    )


def sees_student(principal: Principal, student: FromClause = STUDENTS) -> ColumnElement[bool]:
    """Limit rows of published students to those of the principal's schools, townships and classes.

    A child whose guardian objects is nobody's, whoever asks.
    """
    return and_(not_(objects(student.c.student_id)), keeps_student(principal, student))


def keeps_student(principal: Principal, student: FromClause = STUDENTS) -> ColumnElement[bool]:
    """Limit rows as `sees_student` does, by place alone: for the ledger, which no objection touches."""
    if principal.rights.everywhere:
        return true()
    places = places_of(principal)
    ways: list[ColumnElement[bool]] = [false()]
    if principal.school_ids:
        ways.append(student.c.school_id.in_(_listed("schools", places["schools"])))
    if principal.townships:
        near = select(SCHOOLS.c.school_id).where(
            SCHOOLS.c.set_id == student.c.set_id,
            SCHOOLS.c.school_id == student.c.school_id,
            SCHOOLS.c.township.in_(_listed("townships", places["townships"])),
        )
        ways.append(near.exists())
    if principal.classes:
        ways.append(_in_classes(student, places))
    return or_(*ways)


@lru_cache(maxsize=10_000)
def alike(principal: Principal) -> Principal:
    """Return one whose conditions are the same SQL: of the same role, with places of the same kinds."""
    return Principal(
        "",
        principal.role,
        frozenset({""} if principal.school_ids else ()),
        frozenset({""} if principal.townships else ()),
        frozenset({SchoolClass("", 0, "")} if principal.classes else ()),
    )


@lru_cache(maxsize=10_000)
def places_of(principal: Principal) -> Mapping[str, str]:
    """Return what `sees_student` asks with, by name, as JSON: no place stands in the SQL itself."""
    return {
        "schools": json.dumps(sorted(principal.school_ids)),
        "townships": json.dumps(sorted(principal.townships)),
        "classes": json.dumps(sorted(principal.classes)),
    }


def _listed(name: str, values: str) -> Select[tuple[str]]:
    listed = func.json_each(bindparam(name, values, Text)).table_valued("value")
    return select(listed.c.value)


def _in_classes(row: FromClause, places: Mapping[str, str]) -> ColumnElement[bool]:
    classes = func.json_each(bindparam("classes", places["classes"], Text)).table_valued("value")
    of_class = select(*(func.json_extract(classes.c.value, f"$[{part}]") for part in range(3)))
    return tuple_(row.c.school_id, row.c.grade, row.c.class_name).in_(of_class)


def sees_case(principal: Principal, case: FromClause = LEDGER_CASES) -> ColumnElement[bool]:
    """Limit cases of the ledgers to those of the principal's schools, townships and classes.

    A case is its home's until it is handed over, whatever the published set says of the child: who has left
    stands in no set, and somebody must ask after them. In which township its school lies is what the current
    set says; the township kept with the case holds where it has no school, or one that no current set names.
    In which class the child is, of the same school, is what the current set says too: after a summer the case
    is with the teacher who has the child. The class kept with the case holds where the set has no such child,
    until the school year is over: then other children sit in it.
    """
    if principal.rights.everywhere:
        return true()
    places = places_of(principal)
    named = select(SCHOOLS.c.township).where(
        SCHOOLS.c.set_id == CURRENT.scalar_subquery(), SCHOOLS.c.school_id == case.c.school_id
    )
    near = named.where(SCHOOLS.c.township.in_(_listed("townships", places["townships"])))
    now = STUDENTS.alias("now")
    placed = select(now.c.student_id).where(
        now.c.set_id == CURRENT.scalar_subquery(),
        now.c.student_id == case.c.student_id,
        now.c.school_id == case.c.school_id,
    )
    ways = [
        and_(case.c.school_id != "", case.c.school_id.in_(_listed("schools", places["schools"]))),
        near.exists(),
        and_(
            case.c.township != "",
            case.c.township.in_(_listed("townships", places["townships"])),
            not_(named.exists()),
        ),
        placed.where(_in_classes(now, places)).exists(),
        and_(_in_classes(case, places), not_(placed.exists()), case.c.opened_on >= _school_year()),
    ]
    return or_(*ways)


def _school_year() -> ColumnElement[str]:
    """Return the first of September before the current set was published; before all days where none was."""
    at = select(SETS.c.published_at).where(SETS.c.set_id == CURRENT.scalar_subquery()).scalar_subquery()
    year = cast(func.substr(at, 1, 4), Integer) - cast(func.substr(at, 6, 2) < "09", Integer)
    return func.coalesce(cast(year, Text) + "-09-01", "")


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
    principal: Principal, student_id: ColumnElement[str], *, current_set_id: str | ColumnElement[str]
) -> ColumnElement[bool]:
    """Limit rows that name a student (of a former set, an action, a feedback) to who is the principal's now.

    What was said of a child at a former school is not told to the former school any more, a child who is in
    no current set is told to nobody but those who see everywhere, and one whose guardian objects to nobody.
    """
    if principal.rights.everywhere:
        return not_(objects(student_id))
    now = STUDENTS.alias("now")
    return (
        select(now.c.student_id)
        .where(and_(now.c.set_id == current_set_id, now.c.student_id == student_id))
        .where(sees_student(principal, now))
        .exists()
    )
