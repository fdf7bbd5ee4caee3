"""Reading what is published. Every function takes the principal who asks, and the scope stands in the SQL.

A student of a school that the principal may not see, and one that does not exist, are the same answer: None,
from the same query.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from sqlalchemy import Connection, Select, select, tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import true

from riskmodel.domain import Band, PublishedSet, School, ScoredStudent
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.rows import read_facts, read_student
from riskmodel.store.scope import is_theirs_now, sees_school, sees_student
from riskmodel.store.tables import MOVES, SCHOOLS, SETS, STUDENTS, instant

MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100


@dataclass(frozen=True)
class Page:
    """Students of a school by grade, class and id, which is no ranking. The last page has no `after`."""

    set_id: str
    students: tuple[ScoredStudent, ...]
    after: str | None


def current_set(store: Store) -> PublishedSet:
    """Return the set that the pointer names.

    Raises
    ------
    StoreError
        If nothing was published yet.
    """
    with store.reading() as connection:
        return _set(connection, None)


def student(
    store: Store, principal: Principal, student_id: str, *, set_id: str | None = None
) -> ScoredStudent | None:
    """Return a student of the current set, or of a given one; None where none is within the scope.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read risks.
    """
    principal.must("read_risk")
    with store.reading() as connection:
        chosen = _set_id(connection, set_id)
        found = connection.scalar(
            select(STUDENTS.c.content).where(
                STUDENTS.c.set_id == chosen,
                STUDENTS.c.student_id == student_id,
                *_sees(principal, chosen, connection),
            )
        )
    return None if found is None else read_student(found)


def students(
    store: Store,
    principal: Principal,
    school_id: str,
    *,
    band: Band | None = None,
    grade: int | None = None,
    class_name: str | None = None,
    listed: bool | None = None,
    limit: int = USUAL_PER_PAGE,
    after: str | None = None,
    set_id: str | None = None,
) -> Page:
    """Return a page of a school's students in the current set, or in a given one.

    Parameters
    ----------
    limit
        1 to 500.
    after
        `Page.after` of the page before. It names its set: pages of two sets never mix.

    Returns
    -------
    Page
        Empty where the school is not within the scope.

    Raises
    ------
    StoreError
        `cursor_unreadable` if `after` is none of ours, `cursor_of_former_set` if another set has become
        current since the first page; `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    most = min(max(limit, 1), MOST_PER_PAGE)
    wanted = {"band": band, "grade": grade, "class_name": class_name, "listed": listed}
    with store.reading() as connection:
        chosen = _set_id(connection, set_id)
        query = (
            select(STUDENTS.c.content)
            .where(
                STUDENTS.c.set_id == chosen,
                STUDENTS.c.school_id == school_id,
                *_sees(principal, chosen, connection),
                *(STUDENTS.c[name] == value for name, value in wanted.items() if value is not None),
            )
            .order_by(*_ORDER)
            .limit(most + 1)
        )
        found = [read_student(row) for row in connection.scalars(_behind(query, after, chosen))]
    more = len(found) > most
    return Page(chosen, tuple(found[:most]), _cursor(chosen, found[most - 1]) if more else None)


def school(store: Store, principal: Principal, school_id: str, *, set_id: str | None = None) -> School | None:
    """Return a school of the set; None where none is within the scope."""
    found = _schools(store, principal, set_id, SCHOOLS.c.school_id == school_id)
    return found[0] if found else None


def schools(store: Store, principal: Principal, *, set_id: str | None = None) -> tuple[School, ...]:
    """Return the schools of the set that are within the scope, by id."""
    return _schools(store, principal, set_id, true())


def _schools(
    store: Store, principal: Principal, set_id: str | None, which: ColumnElement[bool]
) -> tuple[School, ...]:
    principal.must("read_list")
    with store.reading() as connection:
        rows = connection.execute(
            select(SCHOOLS.c.school_id, SCHOOLS.c.name, SCHOOLS.c.township)
            .where(
                SCHOOLS.c.set_id == _set_id(connection, set_id),
                sees_school(principal),
                which,
            )
            .order_by(SCHOOLS.c.school_id)
        ).all()
    return tuple(School(*row) for row in rows)


_ORDER = (STUDENTS.c.grade, STUDENTS.c.class_name, STUDENTS.c.student_id)


def _sees(principal: Principal, set_id: str, connection: Connection) -> tuple[ColumnElement[bool], ...]:
    """Limit a query about the students of a set to the principal's; of a former set, to theirs of today."""
    current = _set_id(connection, None)
    if set_id == current:
        return (sees_student(principal),)
    still = is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current)
    return (sees_student(principal), still)


def _set_id(connection: Connection, set_id: str | None) -> str:
    return current_set_id(connection) if set_id is None else set_id


def current_set_id(connection: Connection) -> str:
    """Return the id of the set that the pointer names.

    Raises
    ------
    StoreError
        If nothing was published yet.
    """
    current: str | None = connection.scalar(select(MOVES.c.set_id).order_by(MOVES.c.number.desc()).limit(1))
    if current is None:
        raise StoreError("nothing_published")
    return current


def _set(connection: Connection, set_id: str | None) -> PublishedSet:
    chosen = _set_id(connection, set_id)
    row = connection.execute(
        select(SETS.c.published_at, SETS.c.facts).where(SETS.c.set_id == chosen, SETS.c.state == "complete")
    ).one_or_none()
    if row is None:
        raise StoreError("set_unknown", set_id=chosen)
    return PublishedSet(chosen, instant(row.published_at), read_facts(row.facts))


def _behind(query: Select[str], after: str | None, set_id: str) -> Select[str]:
    if after is None:
        return query
    of_set, grade, class_name, student_id = _read_cursor(after)
    if of_set != set_id:
        raise StoreError("cursor_of_former_set")
    return query.where(tuple_(*_ORDER) > tuple_(grade, class_name, student_id))


def _cursor(set_id: str, last: ScoredStudent) -> str:
    parts = [set_id, last.grade, last.class_name, last.student_id]
    return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False).encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, int, str, str]:
    try:
        parts = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        set_id, grade, class_name, student_id = parts
        for part in (set_id, class_name, student_id):
            part.encode()  # a lone surrogate would only fail inside the database
        if type(grade) is not int or not 0 <= grade < 100:
            raise ValueError
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        raise StoreError("cursor_unreadable") from None
    return set_id, grade, class_name, student_id
