"""Who looked at whom, when and why: a row for each look at a student, in a file that can only grow.

The file stands apart from the published store, so that a publishing and a look never wait for each other. A
row names the student by a keyed hash, and holds no name and no score. Each row holds the hash of the row
before it: whoever changes, removes or reorders rows breaks the chain. Rows cut off at the end are noticed by
the count that SQLite keeps, and by a head that was noted elsewhere.

There is no index by student: each row of it lay on a page of its own, and all these pages were flushed before
anything was shown. Who asks about one child reads the whole log: 0.2 s for a million rows.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from riskmodel.errors import StoreError, Where
from riskmodel.store.chain import FIRST, ChainCheck, chain_up, check_chain
from riskmodel.store.principals import Purpose
from riskmodel.store.tables import instant_text
from riskmodel.store.turns import Turn

FILE_NAME = "audit.db"
_VERSION = 3
_COLUMNS = (
    "at", "key_id", "route", "method", "status", "set_id", "student_ref", "shown", "request_id", "purpose",
)  # fmt: skip
_CHAINED = ("previous", *_COLUMNS, "hash")
_HEAD = f"coalesce((SELECT hash FROM look ORDER BY number DESC LIMIT 1), '{FIRST}')"
_MOST_AT_ONCE = 200
"""Rows a transaction, but that of a list stay together: more would keep the first of them waiting."""
_MOST_A_STATEMENT = 500
_Row = tuple[object, ...]
_Waiting = tuple[list[_Row], Future[None]]
_TABLES = """
CREATE TABLE salt (value TEXT NOT NULL);
CREATE TABLE look (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, key_id TEXT NOT NULL, route TEXT NOT NULL,
    method TEXT NOT NULL, status INTEGER NOT NULL, set_id TEXT, student_ref TEXT, shown INTEGER NOT NULL,
    request_id TEXT NOT NULL, purpose TEXT, previous TEXT NOT NULL, hash TEXT NOT NULL
);
"""
_STEPS = ("ALTER TABLE look ADD COLUMN purpose TEXT", "DROP INDEX look_by_student")
"""From version 1 to 2, and from there to 3."""
_GUARD = (
    "CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'append only'); END;"
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one request showed. `route` is the template, never the path.

    `shown` are the students of the answer, `missed` those who were asked about and not shown: a row each.
    An answer that is about no student is a row without one.
    """

    at: datetime
    key_id: str
    route: str
    method: str
    status: int
    set_id: str | None
    request_id: str
    purpose: Purpose
    shown: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class AuditLog:
    """The open file: one connection, and one thread that writes.

    Looks that arrive while the disk is busy go down together in the next transaction, so that many requests
    wait for one another's flush and not each for its own. Several processes take turns by a lock in the
    kernel: SQLite's own lock is waited for by polling, at which a process that writes all the time always
    wins.
    """

    def __init__(
        self, file: Path, connection: sqlite3.Connection, salt: bytes, turns: IO[str], wait: float
    ) -> None:
        self._file = file
        self._connection = connection
        self._keyed = hmac.new(salt, digestmod=hashlib.sha256)
        self._turns = turns
        self._turn = Turn(turns.fileno())
        self._wait = wait
        self._head: str | None = None  # the last row's hash, if it was ours
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._of_loop: _OfLoop | None = None
        self._writer = threading.Thread(target=self._write_as_they_come, name="audit", daemon=True)
        self._writer.start()

    def record(self, look: Look) -> None:
        """Write a look; when this returns, it is on the disk.

        Raises
        ------
        StoreError
            If it cannot be written. Then nothing may be shown.
        """
        written = self.submit(look)
        try:
            written.result(timeout=2 * self._wait)
        except TimeoutError:
            written.cancel()  # nobody is shown anything: what waits still is not to be written
            raise StoreError("audit_unwritable", Where(file=FILE_NAME)) from None

    async def recorded(self, *looks: Look) -> None:
        """Do as `record` within an event loop; several looks are written together.

        Raises
        ------
        StoreError
            If it cannot be written. Then nothing may be shown.
        """
        loop = asyncio.get_running_loop()
        if self._of_loop is None or self._of_loop.loop is not loop:
            self._of_loop = _OfLoop(loop, self._submit, 2 * self._wait)
        await self._of_loop.written([row for look in looks for row in self._rows(look)])

    def submit(self, look: Look) -> Future[None]:
        """Hand a look to the writer; nothing may be shown before the future is done without an error."""
        return self._submit(self._rows(look))

    def _submit(self, rows: list[_Row]) -> Future[None]:
        written: Future[None] = Future()
        if self._writer.is_alive():
            self._waiting.put((rows, written))
        else:
            written.set_exception(StoreError("audit_unwritable", Where(file=FILE_NAME)))
        return written

    def _rows(self, look: Look) -> list[_Row]:
        students: list[tuple[str | None, int]] = [(self.student_ref(one), 1) for one in look.shown]
        students += [(self.student_ref(one), 0) for one in look.missed]
        at = instant_text(look.at)
        return [
            (
                at, look.key_id, look.route, look.method, look.status, look.set_id,
                student_ref, shown, look.request_id, look.purpose,
            )
            for student_ref, shown in students or [(None, 0)]
        ]  # fmt: skip

    def _write_as_they_come(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ends = [first], False
            while sum(len(rows) for rows, _ in batch) < _MOST_AT_ONCE and not ends:
                try:
                    following = self._waiting.get_nowait()
                except Empty:
                    break
                if following is None:
                    ends = True
                else:
                    batch.append(following)
            self._write(batch)
            if ends:
                return

    def _write(self, told: Sequence[_Waiting]) -> None:
        batch: list[_Waiting] | None = None
        try:
            with self._lock, self._turn:
                # Who asked may have gone by now: nothing was shown to them. An answer to them would end this
                # thread.
                batch = [one for one in told if one[1].set_running_or_notify_cancel()]
                rows = [row for rows, _ in batch for row in rows]
                if len(rows) <= _MOST_A_STATEMENT:
                    self._append(rows)
                else:
                    with _Immediate(self._connection):
                        for start in range(0, len(rows), _MOST_A_STATEMENT):
                            self._append(rows[start : start + _MOST_A_STATEMENT])
        except Exception:
            if batch is None:  # no turn was had
                batch = [one for one in told if one[1].set_running_or_notify_cancel()]
            for _, written in batch:
                written.set_exception(StoreError("audit_unwritable", Where(file=FILE_NAME)))
        else:
            for _, written in batch:
                written.set_result(None)

    def _append(self, rows: Sequence[_Row]) -> None:
        """Put rows behind the last one, which is another process's as soon as that had its turn."""
        while rows:
            head, self._head = self._head, None
            if head is None:
                head = self._connection.execute(f"SELECT {_HEAD}").fetchone()[0]
            chained, last = chain_up(head, rows)
            if self._connection.execute(_insert(len(rows)), [*chained, head]).rowcount:
                self._head = last
                return

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that only reads, so that a long report keeps no look waiting.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        try:
            with closing(
                sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True, timeout=self._wait)
            ) as connection:
                yield connection
        except sqlite3.Error:
            raise StoreError("audit_damaged", Where(file=FILE_NAME)) from None

    def check(self) -> None:
        """Try whether a look could be written now.

        Raises
        ------
        StoreError
            If it could not.
        """
        if not self._lock.acquire(timeout=self._wait):  # the writer waits for its own turn
            raise StoreError("audit_unwritable", Where(file=FILE_NAME))
        try:
            with _Immediate(self._connection) as connection:
                connection.execute("SELECT 1 FROM look LIMIT 1").fetchone()
        except sqlite3.Error:
            raise StoreError("audit_unwritable", Where(file=FILE_NAME)) from None
        finally:
            self._lock.release()

    def student_ref(self, student_id: str) -> str:
        """Return the pseudonym under which looks at a student are kept: find them with it."""
        keyed = self._keyed.copy()  # OpenSSL looks its algorithms up anew for each new one: 0.2 ms
        keyed.update(student_id.encode("utf-8", errors="replace"))
        return keyed.hexdigest()[:32]

    def verify(self, *, known_head: str | None = None) -> ChainCheck:
        """Check every row against the one before it.

        Parameters
        ----------
        known_head
            A head noted earlier: it must still be the hash of some row.

        Raises
        ------
        StoreError
            If the file is so damaged that it cannot be read.
        """
        query = f"SELECT number, {', '.join(_COLUMNS)}, previous, hash FROM look ORDER BY number"
        try:
            with self._lock:
                counted = self._connection.execute("SELECT seq FROM sqlite_sequence").fetchone()
                rows = (
                    (number, _hashed(content), said_previous, said)
                    for number, *content, said_previous, said in self._connection.execute(query)
                )
                return check_chain(rows, counted=counted[0] if counted else 0, known_head=known_head)
        except (sqlite3.Error, UnicodeDecodeError):
            raise StoreError("audit_damaged", Where(file=FILE_NAME)) from None

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._waiting.put(None)
        self._writer.join()
        self._connection.close()
        self._turns.close()


class _OfLoop:
    """Looks of one event loop: all that come while a batch is being written are the next batch.

    To hand each over and be woken for each by itself cost more than all the rest of an answer.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, submit: Callable[[list[_Row]], Future[None]], wait: float
    ) -> None:
        self.loop = loop
        self._submit = submit
        self._wait = wait
        self._gathered: list[tuple[list[_Row], asyncio.Future[None]]] = []
        self._under_way = False

    def written(self, rows: list[_Row]) -> asyncio.Future[None]:
        """Return what is done when the rows are on the disk."""
        written: asyncio.Future[None] = self.loop.create_future()
        self._gathered.append((rows, written))
        if not self._under_way:
            self._under_way = True
            self.loop.call_soon(self._hand_over)
        return written

    def _hand_over(self) -> None:
        # Who asked and went away meanwhile was shown nothing.
        batch = [one for one in self._gathered if not one[1].done()]
        self._gathered.clear()
        self._under_way = bool(batch)
        if not batch:
            return
        together = self._submit([row for rows, _ in batch for row in rows])

        def end(problem: BaseException | None) -> None:
            if not batch:
                return  # given up before
            overdue.cancel()
            for _, written in batch:
                if not written.done():
                    written.set_result(None) if problem is None else written.set_exception(problem)
            batch.clear()
            self._hand_over()

        def give_up() -> None:
            together.cancel()  # nobody is shown anything: what waits still is not to be written
            end(StoreError("audit_unwritable", Where(file=FILE_NAME)))

        def wake(done: Future[None]) -> None:
            if not done.cancelled():
                self.loop.call_soon_threadsafe(end, done.exception())

        overdue = self.loop.call_later(self._wait, give_up)
        together.add_done_callback(wake)


def open_audit(folder: Path, *, wait_seconds: float = 5.0) -> AuditLog:
    """Open `audit.db` in the store's folder; made where there is none.

    Raises
    ------
    StoreError
        If it cannot be opened or made, or is no log of looks.
    """
    try:
        connection = sqlite3.connect(
            folder / FILE_NAME, timeout=wait_seconds, isolation_level=None, check_same_thread=False
        )
        turns = (folder / "audit.lock").open("a")
    except (sqlite3.Error, OSError):
        raise StoreError("audit_unwritable", Where(file=FILE_NAME)) from None
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        with _Immediate(connection):
            if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                _make(connection)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            known = 0 < version <= _VERSION
            if known and version < _VERSION:
                for step in _STEPS[version - 1 :]:
                    connection.execute(step)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            salt = connection.execute("SELECT value FROM salt").fetchone() if known else None
        if salt is None:
            raise StoreError("audit_damaged", Where(file=FILE_NAME))
        return AuditLog(folder / FILE_NAME, connection, bytes.fromhex(salt[0]), turns, wait_seconds)
    except BaseException as problem:
        connection.close()
        turns.close()
        if isinstance(problem, sqlite3.OperationalError):
            raise StoreError("audit_unwritable", Where(file=FILE_NAME)) from None
        if isinstance(problem, sqlite3.DatabaseError):
            raise StoreError("audit_damaged", Where(file=FILE_NAME)) from None
        raise


class _Immediate:
    """A transaction that takes the write lock at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, problem: type[BaseException] | None, *_: object) -> None:
        try:
            self._connection.execute("ROLLBACK" if problem else "COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


@lru_cache
def _insert(rows: int) -> str:
    """Write the statement that begins, puts rows in and commits, if the chain has the head that is told last.

    One call into SQLite for all of them: each call that returns to Python waits for its turn among all that
    the process answers meanwhile.
    """
    row = f"({', '.join('?' * len(_CHAINED))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO look ({', '.join(_CHAINED)}) SELECT * FROM (VALUES {values}) WHERE {_HEAD} = ?"


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.strip().split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO salt VALUES (?)", (secrets.token_hex(32),))
    for table in ("look", "salt"):
        for verb in ("UPDATE", "DELETE"):
            connection.execute(_GUARD.format(table=table, verb=verb))
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _hashed(row: tuple[object, ...] | list[object]) -> tuple[object, ...] | list[object]:
    # Rows of version 1 had no purpose, and their hashes hold none.
    return row if row[-1] is not None else row[:-1]
