"""Reading what is published. Every function takes the principal who asks, and the scope stands in the SQL.

A student of a school that the principal may not see, and one that does not exist, are the same answer: None,
from the same query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import true

from riskmodel.domain import Band, PublishedSet, School, ScoredStudent
from riskmodel.store.engine import Store
from riskmodel.store.glance import OneRow
from riskmodel.store.paging import USUAL_ORDER, read_cursor, read_order, write_cursor
from riskmodel.store.principals import Principal
from riskmodel.store.rows import read_student
from riskmodel.store.scope import alike, is_theirs_now, places_of, sees_school, sees_student
from riskmodel.store.sets import CURRENT, current_set_id, set_of
from riskmodel.store.tables import MOVES, SCHOOLS, STUDENTS

MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100
MOST_AT_ONCE = 1_000
_IDS_A_QUERY = 500


@dataclass(frozen=True)
class Page:
    """Students of a school in the order that was asked for. The last page has no `after`."""

    set_id: str
    students: tuple[ScoredStudent, ...]
    after: str | None


@dataclass(frozen=True)
class ClassCount:
    """A class of a school: how many students it has, and how many of them are listed."""

    grade: int
    class_name: str
    students: int
    listed: int


def current_set(store: Store, *, seen: int | None = None) -> PublishedSet:
    """Return the set that the pointer names.

    Raises
    ------
    StoreError
        If nothing was published yet.
    """

    def read() -> PublishedSet:
        with store.reading() as connection:
            return set_of(connection, current_set_id(connection))

    return store.remember("current set", read, seen=seen)


def student(
    store: Store, principal: Principal, student_id: str, *, set_id: str | None = None
) -> ScoredStudent | None:
    """Return a student of the current set, or of a given one; None where none is within the scope.

    Of a former set only those are told who are the principal's today: who has moved to another school or been
    erased is no longer seen through what was published before.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read risks.
    """
    content = _content(store, principal, student_id, set_id, of_former=set_id is not None)
    return None if content is None else read_student(content)


def student_content(
    store: Store, principal: Principal, student_id: str, *, current_set_id: str | None = None
) -> str | None:
    """Return what is stored of a student of the current set, as text; None where none is within the scope.

    The question that schools ask all day: its query is composed once, and asks itself which set is the
    current one, unless the caller was told a moment ago.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read risks.
    """
    return _content(store, principal, student_id, current_set_id, of_former=False)


def _content(
    store: Store, principal: Principal, student_id: str, set_id: str | None, *, of_former: bool
) -> str | None:
    principal.must("read_risk")
    found = store.row(_question(principal, of_former=of_former), set_id=set_id, student_id=student_id)
    return None if found is None else str(found[0])


@lru_cache(maxsize=10_000)
def _question(principal: Principal, *, of_former: bool) -> OneRow:
    query = _student_query(alike(principal), of_former=of_former)
    return OneRow(query.sql, {**query.values, **places_of(principal)})


@cache
def _student_query(principal: Principal, *, of_former: bool) -> OneRow:
    """Compose the query once for all who are alike: it takes SQLAlchemy some milliseconds."""
    current = CURRENT.scalar_subquery()
    query = select(STUDENTS.c.content).where(
        STUDENTS.c.set_id == func.coalesce(bindparam("set_id", None), current),
        STUDENTS.c.student_id == bindparam("student_id", ""),
        sees_student(principal),
    )
    if of_former:
        query = query.where(is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current))
    return OneRow.of(query)


def students_by_id(
    store: Store, principal: Principal, student_ids: Sequence[str], *, set_id: str | None = None
) -> dict[str, ScoredStudent]:
    """Return those of the students who are within the scope, by id; as `student` would, in fewer queries."""
    principal.must("read_risk")
    found: dict[str, ScoredStudent] = {}
    with store.reading() as connection:
        chosen = _set_id(connection, set_id)
        for start in range(0, len(student_ids), _IDS_A_QUERY):
            rows = connection.scalars(
                select(STUDENTS.c.content).where(
                    STUDENTS.c.set_id == chosen,
                    STUDENTS.c.student_id.in_(student_ids[start : start + _IDS_A_QUERY]),
                    *_sees(principal, chosen, connection),
                )
            )
            found |= {one.student_id: one for one in map(read_student, rows)}
    return found


def students_by_roll_ref(
    store: Store, principal: Principal, roll_refs: Sequence[str], *, set_id: str | None = None
) -> dict[str, ScoredStudent]:
    """Return those of the students who are within the scope, by what stands for their roll number."""
    principal.must("read_risk")
    found: dict[str, ScoredStudent] = {}
    with store.reading() as connection:
        chosen = _set_id(connection, set_id)
        for start in range(0, len(roll_refs), _IDS_A_QUERY):
            rows = connection.execute(
                select(STUDENTS.c.roll_ref, STUDENTS.c.content).where(
                    STUDENTS.c.set_id == chosen,
                    STUDENTS.c.roll_ref.in_(roll_refs[start : start + _IDS_A_QUERY]),
                    *_sees(principal, chosen, connection),
                )
            )
            found |= {ref: read_student(content) for ref, content in rows}
    return found


def student_history(
    store: Store, principal: Principal, student_id: str
) -> tuple[tuple[PublishedSet, ScoredStudent], ...]:
    """Return what was published of a student, each set that was ever current once, the latest first.

    Empty where the student is not within the scope. What another school was told is not among it.
    """
    principal.must("read_risk")
    with store.reading() as connection:
        current = current_set_id(connection)
        rows = connection.execute(
            select(STUDENTS.c.set_id, STUDENTS.c.content)
            .join(_MOVED, _MOVED.c.set_id == STUDENTS.c.set_id)
            .where(
                STUDENTS.c.student_id == student_id,
                sees_student(principal),
                is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current),
            )
            .order_by(_MOVED.c.number.desc())
        ).all()
        return tuple((set_of(connection, set_id), read_student(content)) for set_id, content in rows)


def students(
    store: Store,
    principal: Principal,
    school_id: str,
    *,
    band: Band | None = None,
    grade: int | None = None,
    class_name: str | None = None,
    listed: bool | None = None,
    order: str = USUAL_ORDER,
    limit: int = USUAL_PER_PAGE,
    after: str | None = None,
    set_id: str | None = None,
) -> Page:
    """Return a page of a school's students in the current set, or in a given one.

    Parameters
    ----------
    order
        Names of `paging.ORDER_NAMES`, separated by commas; a minus turns one round. There is no order by
        risk: a list is no ranking.
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
        `order_unreadable`; `cursor_unreadable` if `after` is none of ours or of another order,
        `cursor_of_former_set` if another set has become current since the first page; `not_allowed` if the
        principal may not read lists.
    """
    principal.must("read_list")
    sorted_by = read_order(order)
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
            .order_by(*sorted_by.columns())
            .limit(most + 1)
        )
        if after is not None:
            query = query.where(sorted_by.behind(read_cursor(after, chosen, sorted_by)))
        found = [read_student(row) for row in connection.scalars(query)]
    more = len(found) > most
    cursor = write_cursor(chosen, sorted_by, found[most - 1]) if more else None
    return Page(chosen, tuple(found[:most]), cursor)


def classes(
    store: Store, principal: Principal, school_id: str, *, set_id: str | None = None
) -> tuple[ClassCount, ...]:
    """Return the classes of a school, by grade and name; none where it is not within the scope."""
    principal.must("read_list")
    with store.reading() as connection:
        chosen = _set_id(connection, set_id)
        rows = connection.execute(
            select(
                STUDENTS.c.grade,
                STUDENTS.c.class_name,
                func.count(),
                func.count().filter(STUDENTS.c.listed),
            )
            .where(
                STUDENTS.c.set_id == chosen,
                STUDENTS.c.school_id == school_id,
                *_sees(principal, chosen, connection),
            )
            .group_by(STUDENTS.c.grade, STUDENTS.c.class_name)
            .order_by(STUDENTS.c.grade, STUDENTS.c.class_name)
        ).all()
    return tuple(ClassCount(*row) for row in rows)


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


_MOVED = select(MOVES.c.set_id, func.max(MOVES.c.number).label("number")).group_by(MOVES.c.set_id).subquery()


def _sees(principal: Principal, set_id: str, connection: Connection) -> tuple[ColumnElement[bool], ...]:
    """Limit a query about the students of a set to the principal's; of a former set, to theirs of today."""
    current = _set_id(connection, None)
    if set_id == current:
        return (sees_student(principal),)
    still = is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current)
    return (sees_student(principal), still)


def _set_id(connection: Connection, set_id: str | None) -> str:
    return current_set_id(connection) if set_id is None else set_id
