"""Publishing a scored term: its students in chunks, and then, in a small transaction, the pointer.

Until the pointer moves nobody can see the set; a killed publishing leaves the former set current, and what it
left behind is removed by the next one. Former sets stay, so that the pointer can go back.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select, update

from riskmodel.domain import ScoredStudent, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.idempotency import forget_old_answers
from riskmodel.store.rows import facts_text, student_text
from riskmodel.store.sets import Document, current_set_id
from riskmodel.store.tables import DOCUMENTS, MOVES, SCHOOLS, SETS, STUDENTS, instant_text

CHUNK_ROWS = 2_000
"""Rows a transaction: some 50 ms of the write lock."""


def publish(
    store: Store,
    term: ScoredTerm,
    *,
    published_at: datetime,
    published_by: str,
    roll_refs: Mapping[str, str] = MappingProxyType({}),
    documents: Sequence[Document] = (),
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Store a scored term under a new set id and make it the current set.

    Parameters
    ----------
    published_at
        With time zone.
    published_by
        Who answers for it: a person's or a command's name, kept with the set.
    roll_refs
        By student id, what stands for the roll number (`roll_numbers.roll_ref`): never the number itself.
    documents
        Pages to keep with the set, such as its model's card. They are about nobody.
    progress
        Called with students stored and students in all after each chunk.

    Returns
    -------
    str
        The set id: `set-<as_of_date>-<six hex digits>`.

    Raises
    ------
    StoreError
        If the term contradicts itself (then nothing is stored), the store is locked, or another
        publishing has begun meanwhile. The former set stays current.
    """
    _check(term)
    set_id = f"set-{term.facts.as_of_date:%Y%m%d}-{secrets.token_hex(3)}"
    remove_leftovers(store)
    with store.writing() as connection:
        forget_old_answers(connection, published_at)  # where nobody has written since
        connection.execute(
            insert(SETS).values(
                set_id=set_id,
                published_at=instant_text(published_at),
                published_by=published_by,
                state="writing",
                term=term.facts.term,
                student_count=0,
                facts=facts_text(term.facts),
            )
        )
        schools = [{"set_id": set_id, **_school_row(school)} for school in term.schools]
        if schools:
            connection.execute(insert(SCHOOLS), schools)
        for each in documents:
            connection.execute(
                insert(DOCUMENTS).values(
                    set_id=set_id, name=each.name, language=each.language, content=each.content
                )
            )
    for chunk in _chunks(term.students):
        # Made before the store is locked: schools write between two chunks.
        rows = [_student_row(set_id, student, roll_refs.get(student.student_id)) for student in chunk]
        with store.writing() as connection:
            _still_writing(connection, set_id, len(chunk))
            connection.execute(insert(STUDENTS), rows)
            stored = connection.scalar(select(SETS.c.student_count).where(SETS.c.set_id == set_id))
        if progress is not None:
            progress(stored or 0, len(term.students))
    with store.writing() as connection:
        _still_writing(connection, set_id, 0)
        connection.execute(update(SETS).where(SETS.c.set_id == set_id).values(state="complete"))
        _move(connection, set_id, at=published_at, by=published_by)
    return set_id


def go_back(store: Store, *, to: str | None, by: str, at: datetime) -> str:
    """Make a former set the current one again; return its id.

    Parameters
    ----------
    to
        Its id; None: see `previous_set_id`.

    Raises
    ------
    StoreError
        If nothing was published, there is no former set, or no complete one of that id.
    """
    with store.writing() as connection:
        former = to or previous_set_id(connection)
        if former is None:
            raise StoreError("nothing_to_go_back_to", set_id=current_set_id(connection))
        state = connection.scalar(select(SETS.c.state).where(SETS.c.set_id == former))
        if state != "complete":
            raise StoreError("set_unknown", set_id=former)
        _move(connection, former, at=at, by=by)
    return former


def previous_set_id(connection: Connection) -> str | None:
    """Return the set to go back to from the present one; None: there is none.

    It is the last that was published before it and was not left by going back: who asks twice does not get
    again what somebody has taken back.
    """
    first, left = _history(connection)
    current = current_set_id(connection)
    before = [each for each in first if first[each] < first[current] and each not in left]
    return max(before, key=first.__getitem__, default=None)


def sets_to_go_to(connection: Connection) -> set[str]:
    """Return the sets that must be there: the current one, the one to go back to, and what stood before.

    The last is what one goes to after a rollback that was a mistake.
    """
    moves = connection.scalars(select(MOVES.c.set_id).order_by(MOVES.c.number.desc())).all()
    former = next((each for each in moves if each != moves[0]), None)
    return {each for each in (moves[0], previous_set_id(connection), former) if each is not None}


def taken_back(store: Store) -> dict[str, str]:
    """Return the sets that were left by going back, and who decided so; not those that came back since."""
    with store.reading() as connection:
        return _history(connection)[1]


def _history(connection: Connection) -> tuple[dict[str, int], dict[str, str]]:
    """Return when each set became current first, and which were left by going back, by whom."""
    first: dict[str, int] = {}
    left: dict[str, tuple[str, str]] = {}  # by whom, and from which set they went back
    current: str | None = None
    moves = select(MOVES.c.number, MOVES.c.set_id, MOVES.c.moved_by).order_by(MOVES.c.number)
    for number, set_id, by in connection.execute(moves):
        if current is not None and set_id in first:
            # Who goes back over several sets leaves them all.
            left = {
                each: (by, current) for each in first if first[set_id] < first[each] <= first[current]
            } | left
        # Who returns to a set undoes what was left by going back from it.
        left = {each: (by, of) for each, (by, of) in left.items() if set_id not in (each, of)}
        first.setdefault(set_id, number)
        current = set_id
    return first, {each: by for each, (by, _) in left.items()}


def remove_leftovers(store: Store) -> int:
    """Remove what killed publishings left; return how many sets that were.

    A publishing that still runs is stopped by this: its next chunk raises. The last to begin wins.
    """
    with store.writing() as connection:
        connection.execute(update(SETS).where(SETS.c.state == "writing").values(state="abandoned"))
        abandoned = connection.scalars(select(SETS.c.set_id).where(SETS.c.state == "abandoned")).all()
    for set_id in abandoned:
        while _remove_some_students(store, set_id):
            pass
        with store.writing() as connection:
            for table in (SCHOOLS, DOCUMENTS):
                connection.execute(delete(table).where(table.c.set_id == set_id))
            connection.execute(delete(SETS).where(SETS.c.set_id == set_id))
    return len(abandoned)


def _remove_some_students(store: Store, set_id: str) -> int:
    with store.writing() as connection:
        some = select(STUDENTS.c.student_id).where(STUDENTS.c.set_id == set_id).limit(CHUNK_ROWS)
        removed = connection.execute(
            delete(STUDENTS).where(STUDENTS.c.set_id == set_id, STUDENTS.c.student_id.in_(some))
        )
        return removed.rowcount


def _still_writing(connection: Connection, set_id: str, more: int) -> None:
    counted = connection.execute(
        update(SETS)
        .where(SETS.c.set_id == set_id, SETS.c.state == "writing")
        .values(student_count=SETS.c.student_count + more)
    )
    if counted.rowcount != 1:
        raise StoreError("publishing_overtaken", set_id=set_id)


def _move(connection: Connection, set_id: str, *, at: datetime, by: str) -> None:
    connection.execute(insert(MOVES).values(set_id=set_id, moved_at=instant_text(at), moved_by=by))


def _check(term: ScoredTerm) -> None:
    ids = [student.student_id for student in term.students]
    if len(set(ids)) != len(ids):
        raise StoreError("publish_student_twice", count=len(ids) - len(set(ids)))
    schools = {school.school_id for school in term.schools}
    if len(schools) != len(term.schools):
        raise StoreError("publish_school_twice", count=len(term.schools) - len(schools))
    strays = sum(student.school_id not in schools for student in term.students)
    if strays:
        raise StoreError("publish_school_missing", count=strays)
    wrong = sum(not _risk_is_sound(student, term.facts.probabilities) for student in term.students)
    if wrong:
        raise StoreError("publish_risk_unsound", count=wrong)


def _risk_is_sound(student: ScoredStudent, probabilities: bool) -> bool:
    if student.risk is None:
        return True
    return probabilities and math.isfinite(student.risk) and 0 <= student.risk <= 1


def _chunks(students: Sequence[ScoredStudent]) -> Iterator[list[ScoredStudent]]:
    remaining = iter(students)
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        yield chunk


def _school_row(school: object) -> dict[str, object]:
    return {name: getattr(school, name) for name in ("school_id", "name", "township")}


def _student_row(set_id: str, student: ScoredStudent, roll_ref: str | None) -> dict[str, object]:
    return {
        "set_id": set_id,
        "student_id": student.student_id,
        "school_id": student.school_id,
        "grade": student.grade,
        "class_name": student.class_name,
        "band": student.band.value,
        "listed": student.listed,
        "roll_ref": roll_ref,
        "content": student_text(student),
    }
