"""What the published store no longer keeps: old actions, runs of aid, and sets; some of them never go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Select, delete, func, select, update

from riskmodel.store.engine import Store
from riskmodel.store.publishing import remove_leftovers, sets_to_go_to
from riskmodel.store.rows import read_facts
from riskmodel.store.tables import (
    ACTIONS,
    ALLOCATION_ITEMS,
    ALLOCATION_RUNS,
    MOVES,
    SETS,
    instant,
    instant_text,
)


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
    """Count the rows of actions that were done before a day, those that a later row corrects included."""
    with store.reading() as connection:
        return _count_of(connection, _outdated_actions(before))


def remove_actions(store: Store, *, before: date) -> int:
    """Remove the actions that were done before a day; return how many rows that were.

    When something was done is what its last correction says. An action goes with all its corrections, or
    stays with them: without the row that corrects or withdraws it, it would be in force again.
    """
    outdated = _outdated_actions(before)
    with store.writing() as connection:
        # Of a statement that begins with a common table, the driver does not tell how many rows went.
        count = _count_of(connection, outdated)
        connection.execute(delete(ACTIONS).where(ACTIONS.c.number.in_(outdated)))
    return count


def allocation_runs(store: Store) -> frozenset[str]:
    """Return the ids of every run of aid, of one that is being written, too."""
    with store.reading() as connection:
        return frozenset(connection.scalars(select(ALLOCATION_RUNS.c.run_id)))


def outdated_allocations(store: Store, *, before: datetime) -> tuple[str, ...]:
    """Return the runs of aid made before an instant, but for the newest approved one."""
    with store.reading() as connection:
        return _outdated_allocations(connection, before)


def remove_allocation(store: Store, run_id: str, *, before: datetime) -> int:
    """Remove an outdated run with its items; return how many runs. What became the newest meanwhile stays."""
    with store.writing() as connection:
        if run_id not in _outdated_allocations(connection, before):
            return 0
        connection.execute(delete(ALLOCATION_ITEMS).where(ALLOCATION_ITEMS.c.run_id == run_id))
        return connection.execute(delete(ALLOCATION_RUNS).where(ALLOCATION_RUNS.c.run_id == run_id)).rowcount


def _outdated_actions(before: date) -> Select[tuple[int]]:
    """Ask for the numbers of rows whose last correction tells a day before this one."""
    of, later = ACTIONS.c, ACTIONS.alias("later").c
    corrected = select(later.number).where(later.student_id == of.student_id, later.corrects == of.action_id)
    last = select(of.number, of.student_id, of.corrects).where(
        of.day < before.isoformat(), ~corrected.exists()
    )
    chain = last.cte("chain", recursive=True)
    chain = chain.union(
        select(of.number, of.student_id, of.corrects).join(
            chain, (of.student_id == chain.c.student_id) & (of.action_id == chain.c.corrects)
        )
    )
    return select(chain.c.number)


def _count_of(connection: Connection, asked: Select[tuple[int]]) -> int:
    return connection.scalar(select(func.count()).select_from(asked.subquery())) or 0


def _outdated_allocations(connection: Connection, before: datetime) -> tuple[str, ...]:
    of = ALLOCATION_RUNS.c
    newest = connection.scalar(
        select(of.run_id)
        .where(of.state == "approved")
        .order_by(of.as_of_date.desc(), of.approved_at.desc())
        .limit(1)
    )
    asked = select(of.run_id).where(of.state != "writing", of.made_at < instant_text(before))
    return tuple(sorted(set(connection.scalars(asked)) - {newest}))


def _outdated(connection: Connection, before: datetime) -> tuple[str, ...]:
    if connection.scalar(select(MOVES.c.number).limit(1)) is None:
        return ()
    stays = sets_to_go_to(connection)
    asked = select(SETS.c.set_id).where(
        SETS.c.state == "complete", SETS.c.published_at < instant_text(before)
    )
    return tuple(sorted(set(connection.scalars(asked)) - stays))
