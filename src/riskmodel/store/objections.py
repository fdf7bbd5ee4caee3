"""A guardian's objection: from its row on the child is in no answer, list or export, until it is lifted.

The rows only grow: who took it down, and who lifted it, stays. The condition stands in `scope`, so
that no query about students can forget it. What the model wing learns from and scores is told by pipelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.idempotency import forget_answers
from riskmodel.store.scope import objects
from riskmodel.store.tables import OBJECTIONS, SETS, STUDENTS, instant, instant_text


@dataclass(frozen=True)
class Objection:
    """One row: made, or lifted; `by` answers for it."""

    student_id: str
    lifted: bool
    by: str
    at: datetime


def object_to(store: Store, student_id: str, *, by: str, at: datetime) -> None:
    """Take an objection down. It holds from the next answer on; one that holds already stays as it is.

    Raises
    ------
    StoreError
        If nobody is named, or no published set ever held the child (an id is easily mistyped).
    """
    _named(by)
    with store.writing() as connection:
        known = select(STUDENTS.c.student_id).where(STUDENTS.c.student_id == student_id).limit(1)
        if connection.scalar(known) is None:
            raise StoreError("objection_student_unknown")
        if not _holds(connection, student_id):
            _add(connection, student_id, lifted=False, by=by, at=at)
            forget_answers(connection, student_id)  # a repeated write would tell of the child again


def lift(store: Store, student_id: str, *, by: str, at: datetime) -> None:
    """Lift an objection: the child is in answers and lists again at once, where a set holds the child.

    Raises
    ------
    StoreError
        If nobody is named, or no objection holds.
    """
    _named(by)
    with store.writing() as connection:
        if not _holds(connection, student_id):
            raise StoreError("objection_absent")
        _add(connection, student_id, lifted=True, by=by, at=at)


def objecting(store: Store) -> frozenset[str]:
    """Return the children whose objection holds: what pipelines hand to the cohort."""
    with store.reading() as connection:
        made = select(OBJECTIONS.c.student_id).where(objects(OBJECTIONS.c.student_id)).distinct()
        return frozenset(connection.scalars(made))


def published_places(store: Store, student_id: str) -> tuple[tuple[str, str], ...]:
    """Return set id and school id of every set that holds the child, the newest first."""
    asked = (
        select(STUDENTS.c.set_id, STUDENTS.c.school_id)
        .join(SETS, SETS.c.set_id == STUDENTS.c.set_id)
        .where(STUDENTS.c.student_id == student_id)
        .order_by(SETS.c.published_at.desc())
    )
    with store.reading() as connection:
        return tuple((row.set_id, row.school_id) for row in connection.execute(asked))


def objections_of(store: Store, student_id: str) -> tuple[Objection, ...]:
    """Return every row about a child, oldest first."""
    asked = select(OBJECTIONS).where(OBJECTIONS.c.student_id == student_id).order_by(OBJECTIONS.c.number)
    with store.reading() as connection:
        rows = connection.execute(asked).all()
    return tuple(Objection(row.student_id, row.lifted, row.by, instant(row.at)) for row in rows)


def _named(by: str) -> None:
    if not by.strip():
        raise StoreError("objection_needs_a_name")


def _holds(connection: Connection, student_id: str) -> bool:
    asked = select(OBJECTIONS.c.number).where(
        OBJECTIONS.c.student_id == student_id, objects(OBJECTIONS.c.student_id)
    )
    return connection.scalar(asked.limit(1)) is not None


def _add(connection: Connection, student_id: str, *, lifted: bool, by: str, at: datetime) -> None:
    connection.execute(
        insert(OBJECTIONS).values(student_id=student_id, lifted=lifted, by=by.strip(), at=instant_text(at))
    )
