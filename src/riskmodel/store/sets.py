"""The published sets, and what was published with them and is about nobody."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from riskmodel.domain import Language, PublishedSet
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.rows import read_facts
from riskmodel.store.tables import DOCUMENTS, MOVES, SETS, instant

CURRENT = select(MOVES.c.set_id).order_by(MOVES.c.number.desc()).limit(1)
"""The id of the set that the pointer names; no row before anything was published."""


@dataclass(frozen=True)
class Document:
    """A page that is published with a set, in one language: `card`, the model card as HTML."""

    name: str
    language: Language
    content: str


def published_set(store: Store, set_id: str) -> PublishedSet | None:
    """Return a set that was current once; None where there is none of that id."""
    with store.reading() as connection:
        known = connection.scalar(select(MOVES.c.set_id).where(MOVES.c.set_id == set_id).limit(1))
        return None if known is None else set_of(connection, set_id)


def set_of_term(store: Store, term: str) -> PublishedSet | None:
    """Return the set that was current last among those of a term; None where the term has none."""
    with store.reading() as connection:
        known = connection.scalar(
            select(MOVES.c.set_id)
            .join(SETS, SETS.c.set_id == MOVES.c.set_id)
            .where(SETS.c.term == term)
            .order_by(MOVES.c.number.desc())
            .limit(1)
        )
        return None if known is None else set_of(connection, known)


def published_sets(store: Store, *, most: int | None = None) -> tuple[PublishedSet, ...]:
    """Return the sets that were ever current, the last to become so first; all, or so many at most."""
    with store.reading() as connection:
        ids = connection.scalars(
            select(MOVES.c.set_id)
            .group_by(MOVES.c.set_id)
            .order_by(func.max(MOVES.c.number).desc())
            .limit(most)
        ).all()
        return tuple(set_of(connection, set_id) for set_id in ids)


def publishers(store: Store) -> frozenset[str]:
    """Return who answers for what is kept: names of people, or of a command."""
    with store.reading() as connection:
        return frozenset(connection.scalars(select(SETS.c.published_by).where(SETS.c.state == "complete")))


def document(store: Store, set_id: str, name: str, language: Language) -> str | None:
    """Return a page that was published with a set; None where there is none."""
    with store.reading() as connection:
        found: str | None = connection.scalar(
            select(DOCUMENTS.c.content).where(
                DOCUMENTS.c.set_id == set_id, DOCUMENTS.c.name == name, DOCUMENTS.c.language == language
            )
        )
    return found


def current_set_id(connection: Connection) -> str:
    """Return the id of the set that the pointer names.

    Raises
    ------
    StoreError
        If nothing was published yet.
    """
    current: str | None = connection.scalar(CURRENT)
    if current is None:
        raise StoreError("nothing_published")
    return current


def set_of(connection: Connection, set_id: str) -> PublishedSet:
    """Return a complete set.

    Raises
    ------
    StoreError
        If there is none of that id.
    """
    row = connection.execute(
        select(SETS.c.published_at, SETS.c.facts).where(SETS.c.set_id == set_id, SETS.c.state == "complete")
    ).one_or_none()
    if row is None:
        raise StoreError("set_unknown", set_id=set_id)
    return PublishedSet(set_id, instant(row.published_at), read_facts(row.facts))
