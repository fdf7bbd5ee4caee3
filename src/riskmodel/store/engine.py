"""Opening the published store, and the two kinds of transaction in it.

On every connection SQLite stands in WAL mode, so that a publishing never blocks a reader, with
synchronous=FULL, so that what was acknowledged survives a loss of power on an honest disk, and with foreign
keys on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import DatabaseError

from riskmodel.errors import StoreError, Where
from riskmodel.store.glance import Found, Glance, OneRow
from riskmodel.store.migrations import migrate
from riskmodel.store.tables import METADATA, SCHEMA, SCHEMA_VERSION

FILE_NAME = "published.db"


_WRITER: ContextVar[Connection | None] = ContextVar("writer", default=None)
"""The transaction in which this thread, or task, writes now."""


@dataclass(frozen=True)
class Store:
    """An open store. Every function of this package takes one; only two methods here begin transactions."""

    engine: Engine
    folder: Path
    wait_seconds: float = 5.0

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give one transaction that sees one state of the store throughout.

        Raises
        ------
        StoreError
            If the store is locked, damaged or gone.
        """
        with _said_clearly(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give one transaction that holds the only write lock: all of it is kept, or nothing.

        Within another `writing` of the same store it is that transaction: what both do is kept together.

        Raises
        ------
        StoreError
            If another writer holds the lock for longer than the waiting time, or the store is damaged.
        """
        outer = _WRITER.get()
        if outer is not None and outer.engine is self.engine:
            yield outer
            return
        with _said_clearly(), self.engine.connect() as connection:
            writer = connection.execution_options(writes=True)
            with writer.begin():
                token = _WRITER.set(writer)
                try:
                    yield writer
                finally:
                    _WRITER.reset(token)

    def seen(self) -> int:
        """Return what names the present state: two things that are remembered of it belong together.

        Raises
        ------
        StoreError
            If the store is locked, damaged or gone.
        """
        try:
            return self._glance.seen()
        except sqlite3.DatabaseError as problem:
            raise _clear(problem) from None

    def remember(self, what: Hashable, read: Callable[[], Found], *, seen: int | None = None) -> Found:
        """Return what `read` finds; it is asked again only after something was committed.

        Parameters
        ----------
        seen
            The state, where it was asked for a moment ago.

        Raises
        ------
        StoreError
            If the store is locked, damaged or gone.
        """
        try:
            return self._glance.remember(what, read, seen)
        except (DatabaseError, sqlite3.DatabaseError) as problem:
            raise _clear(problem) from None

    def row(self, query: OneRow, **values: object) -> tuple[Any, ...] | None:
        """Return the one row that a composed query finds with these values.

        Raises
        ------
        StoreError
            If the store is locked, damaged or gone.
        """
        try:
            return self._glance.row(query, values)
        except sqlite3.DatabaseError as problem:  # what is asked all day goes through no context manager
            raise _clear(problem) from None

    @cached_property
    def _glance(self) -> Glance:
        return Glance(self.folder / FILE_NAME, self.wait_seconds)

    def close(self) -> None:
        """Close all connections."""
        if "_glance" in vars(self):
            self._glance.close()
        self.engine.dispose()


def open_store(folder: Path, *, create: bool = False, wait_seconds: float = 5.0) -> Store:
    """Open `published.db` in a folder.

    Parameters
    ----------
    create
        Make the folder and the tables where there are none, and bring a store of an older version to the
        present one. Without it nothing is ever changed at opening.
    wait_seconds
        How long a writer waits for another before it gives up.

    Raises
    ------
    StoreError
        If there is no store, it is of another version, damaged, or locked.
    """
    file = folder / FILE_NAME
    if not file.is_file() and not create:
        raise StoreError("store_absent", Where(file=FILE_NAME))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise StoreError("store_not_writable", Where(file=FILE_NAME)) from None
    store = Store(_sqlite_engine(file, wait_seconds), folder, wait_seconds)
    try:
        if create:
            _make_or_migrate(store)
        _check_version(store)
    except BaseException:
        store.close()
        raise
    return store


def _make_or_migrate(store: Store) -> None:
    with store.writing() as connection:
        if not inspect(connection).get_table_names():
            METADATA.create_all(connection)
            connection.execute(insert(SCHEMA).values(version=SCHEMA_VERSION))
        else:
            migrate(connection, _version(connection))


def _version(connection: Connection) -> int | None:
    known = inspect(connection).has_table(SCHEMA.name)
    return connection.scalar(select(SCHEMA.c.version)) if known else None


def _check_version(store: Store) -> None:
    with store.reading() as connection:
        version = _version(connection)
    if version != SCHEMA_VERSION:
        found = "?" if version is None else version
        raise StoreError("store_version", Where(file=FILE_NAME), found=found, expected=SCHEMA_VERSION)


def _sqlite_engine(file: Path, wait_seconds: float) -> Engine:
    # As many connections as the web process has threads: nobody waits for the pool.
    engine = create_engine(
        f"sqlite:///{file}",
        pool_size=40,
        max_overflow=10,
        connect_args={"timeout": wait_seconds},
        hide_parameters=True,  # neither a log nor an error of the driver's names a child
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins too late for a reader; we begin ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _said_clearly() -> Iterator[None]:
    """Turn the driver's errors into ours: its messages hold values of rows, ours never do."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as problem:
        raise _clear(problem) from None


def _clear(problem: DatabaseError | sqlite3.DatabaseError) -> Exception:
    code = _what_happened(problem.orig if isinstance(problem, DatabaseError) else problem)
    return problem if code is None else StoreError(code, Where(file=FILE_NAME))


def _what_happened(problem: BaseException | None) -> str | None:
    said = str(problem)
    if "malformed" in said or "not a database" in said:
        return "store_damaged"
    if not isinstance(problem, sqlite3.OperationalError):
        return None
    if "locked" in said or "busy" in said:
        return "store_locked"
    if "readonly" in said:
        return "store_not_writable"
    return "store_disk_full" if "full" in said else "store_damaged"
