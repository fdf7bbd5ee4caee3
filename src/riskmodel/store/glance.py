"""What every request asks again: remembered until the file changes, and single rows found by their key.

SQLite tells in some microseconds whether any other connection, of this process or another, has committed
(`PRAGMA data_version`). What was read before that is forgotten: a key revoked by any process is refused from
the next request on, and a set published a moment ago is the current one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

Found = TypeVar("Found")
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class OneRow:
    """A query for one row, composed: its text, and the values that it was composed with."""

    sql: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, query: Select[Any]) -> Self:
        """Compose a query; what it leaves open with `bindparam` is given each time."""
        composed = query.compile(
            dialect=sqlite.dialect(paramstyle="named"), compile_kwargs={"render_postcompile": True}
        )
        return cls(str(composed), dict(composed.params))


class Glance:
    """One connection that only reads, shared by all threads."""

    def __init__(self, file: Path, wait_seconds: float) -> None:
        self._connection = sqlite3.connect(
            file, timeout=wait_seconds, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA query_only = ON")
        self._lock = threading.Lock()
        self._version: int | None = None
        self._remembered: dict[Hashable, object] = {}

    def seen(self) -> int:
        """Return what names the store's present state; forget what was read in another one."""
        with self._lock:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version or len(self._remembered) > _MOST_REMEMBERED:
                self._version = version
                self._remembered.clear()
        return version

    def remember(self, what: Hashable, read: Callable[[], Found], seen: int | None = None) -> Found:
        """Return what `read` found, read anew if anything was committed since. None is never remembered.

        Who asks several things at once says which state they are of (`seen`), which is looked up only once.
        """
        version = self.seen() if seen is None else seen
        known = self._remembered.get(what) if version == self._version else None
        if known is not None:
            return cast(Found, known)
        found = read()
        with self._lock:
            # Another thread may have met a newer state meanwhile: what was read before it is not kept.
            if found is not None and self._version == version:
                self._remembered[what] = found
        return found

    def row(self, query: OneRow, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """Return the row that a query finds, without the cost of composing it or of a transaction."""
        told = {**query.values, **values}
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(query.sql, told).fetchone()
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
