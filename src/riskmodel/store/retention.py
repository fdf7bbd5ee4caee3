"""What the published store no longer keeps: old actions, and old sets but the current and previous one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, select, update

from riskmodel.store.engine import Store
from riskmodel.store.publishing import previous_set_id, remove_leftovers
from riskmodel.store.rows import read_facts
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import ACTIONS, MOVES, SETS, instant, instant_text


@dataclass(frozen=True)
class KeptSet:
    """A complete set: when it was published, and by which model."""

    set_id: str
    published_at: datetime
    model_version: str


def complete_sets(store: Store) -> tuple[KeptSet, ...]:
    """Return every complete set, oldest first."""
    asked = select(SETS).where(SETS.c.state == "complete").order_by(SETS.c.published_at, SETS.c.set_id)
    with store.reading() as connection:
        rows = connection.execute(asked).all()
    return tuple(
        KeptSet(row.set_id, instant(row.published_at), read_facts(row.facts).model_version) for row in rows
    )


def outdated_sets(store: Store, *, before: datetime) -> tuple[str, ...]:
    """Return the complete sets published before an instant that a removal may take."""
    with store.reading() as connection:
        return _outdated(connection, before)


def remove_sets(store: Store, set_ids: Sequence[str], *, before: datetime) -> int:
    """Remove outdated sets with all their students; return how many. What became current meanwhile stays."""
    with store.writing() as connection:
        going = sorted(set(set_ids) & set(_outdated(connection, before)))
        connection.execute(delete(MOVES).where(MOVES.c.set_id.in_(going)))
        connection.execute(update(SETS).where(SETS.c.set_id.in_(going)).values(state="abandoned"))
    remove_leftovers(store)
    return len(going)


def outdated_actions(store: Store, *, before: date) -> int:
    """Count the actions that were done before a day."""
    with store.reading() as connection:
        counted = select(func.count()).select_from(ACTIONS).where(ACTIONS.c.day < before.isoformat())
        return connection.scalar(counted) or 0


def remove_actions(store: Store, *, before: date) -> int:
    """Remove the actions that were done before a day; return how many."""
    with store.writing() as connection:
        return connection.execute(delete(ACTIONS).where(ACTIONS.c.day < before.isoformat())).rowcount


def _outdated(connection: Connection, before: datetime) -> tuple[str, ...]:
    if connection.scalar(select(MOVES.c.number).limit(1)) is None:
        return ()
    stays = {current_set_id(connection), previous_set_id(connection)}
    asked = select(SETS.c.set_id).where(
        SETS.c.state == "complete", SETS.c.published_at < instant_text(before)
    )
    return tuple(sorted(set(connection.scalars(asked)) - stays))
