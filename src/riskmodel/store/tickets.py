"""Data that a school calls wrong: a ticket for the intake, closed with an answer for the next sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection, Row, insert, select, update

from riskmodel.domain import Family
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.scope import is_theirs_now
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import TICKETS, instant, instant_text

Answer = Literal["corrected", "stands", "unclear"]
"""`corrected`: the record was wrong and is put right at its source. `stands`: it was checked and is right.
`unclear`: nobody could say."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One thing to check. `family` is None where nobody said which; `answer` is None while it is open."""

    ticket_id: int
    student_id: str
    school_id: str
    family: Family | None
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    answer: Answer | None = None


def tickets(
    store: Store, principal: Principal, *, open_only: bool = False, student_ids: Sequence[str] | None = None
) -> tuple[Ticket, ...]:
    """Return the tickets within the scope, oldest first: all of them, or those of some students."""
    principal.must("read_risk")
    query = select(TICKETS).order_by(TICKETS.c.ticket_id)
    if open_only:
        query = query.where(TICKETS.c.closed_at.is_(None))
    if student_ids is not None:
        query = query.where(TICKETS.c.student_id.in_(student_ids))
    with store.reading() as connection:
        theirs = is_theirs_now(principal, TICKETS.c.student_id, current_set_id=current_set_id(connection))
        return tuple(_ticket(row) for row in connection.execute(query.where(theirs)))


def close_ticket(store: Store, principal: Principal, ticket_id: int, *, answer: str, at: datetime) -> Ticket:
    """Close a ticket with its answer. Only who sees all records answers for them.

    Raises
    ------
    StoreError
        If the answer is none, there is no such open ticket, or the principal may not close one.
    """
    principal.must("write_feedback")
    principal.must_see_everywhere()
    if answer not in get_args(Answer):
        raise StoreError("ticket_answer_unknown", answers=", ".join(get_args(Answer)))
    with store.writing() as connection:
        row = connection.execute(
            update(TICKETS)
            .where(TICKETS.c.ticket_id == ticket_id, TICKETS.c.closed_at.is_(None))
            .values(closed_at=instant_text(at), closed_by=principal.key_id, answer=answer)
            .returning(TICKETS)
        ).one_or_none()
    if row is None:
        raise StoreError("ticket_not_open", ticket=ticket_id)
    return _ticket(row)


def open_ticket(
    connection: Connection, student_id: str, school_id: str, family: Family | None, *, at: datetime
) -> int:
    """Open a ticket within a transaction, or return the one that is open for the same thing."""
    standing = connection.scalar(
        select(TICKETS.c.ticket_id).where(
            TICKETS.c.student_id == student_id,
            TICKETS.c.family.is_(family) if family is None else TICKETS.c.family == family,
            TICKETS.c.closed_at.is_(None),
        )
    )
    if standing is not None:
        return int(standing)
    made = connection.execute(
        insert(TICKETS).values(
            student_id=student_id, school_id=school_id, family=family, opened_at=instant_text(at)
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101  one row was inserted
    return int(made.inserted_primary_key[0])


def _ticket(row: Row[tuple[object, ...]]) -> Ticket:
    told = dict(row._mapping)
    closed_at = told.pop("closed_at")
    return Ticket(
        **{
            **told,
            "opened_at": instant(told["opened_at"]),
            "closed_at": instant(closed_at) if closed_at else None,
        }
    )
