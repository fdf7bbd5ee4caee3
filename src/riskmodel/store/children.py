"""Everything that the published store holds about one child: told whole, or erased for good."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, select

from riskmodel.errors import StoreError, Where
from riskmodel.store.engine import FILE_NAME, Store
from riskmodel.store.idempotency import forget_answers
from riskmodel.store.ledger_rows import empty_rows
from riskmodel.store.principals import Principal
from riskmodel.store.tables import LEDGER_ENTRIES, METADATA


def rows_about(store: Store, principal: Principal, student_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row about a child, of every table that names children, by table.

    Raises
    ------
    StoreError
        `not_allowed` for who does not see everywhere.
    """
    principal.must_see_everywhere()
    with store.reading() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(
                    select(table).where(table.c.student_id == student_id)
                ).mappings()
            ]
            for table in _tables_of_children()
        }


def erase_student(store: Store, principal: Principal, student_id: str, *, at: datetime) -> int:
    """Remove every row about a child from every table, and its bytes from the file and the log beside it.

    The list of tables is that of `tables.py`: a table of a later day that names children is among them. Rows
    of the ledger's chain are emptied: that there was one, and when, stays, and nothing of whom it was about.

    Returns
    -------
    int
        How many rows went. 0: there were none; the bytes are cleared all the same.

    Raises
    ------
    StoreError
        `not_allowed` for who does not see everywhere; `store_locked` if somebody reads or writes for longer
        than the waiting time, so that the bytes may still lie in the file: ask again.
    """
    principal.must_see_everywhere()
    removed = 0
    with store.writing() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
        removed += empty_rows(connection, principal, student_id, at=at)
        for table in reversed(_tables_of_children()):
            if table is LEDGER_ENTRIES:
                continue
            removed += connection.execute(delete(table).where(table.c.student_id == student_id)).rowcount
        removed += forget_answers(connection, student_id)
    _clear_bytes(store)
    return removed


def _clear_bytes(store: Store) -> None:
    """Write the file anew, and cut off the log: a deleted row otherwise lies in free pages for years."""
    store.close()
    try:
        with closing(sqlite3.connect(store.folder / FILE_NAME, timeout=5, isolation_level=None)) as file:
            file.execute("VACUUM")
            [busy, *_] = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        busy = 1
    if busy:
        raise StoreError("store_locked", Where(file=FILE_NAME))


def _tables_of_children() -> list[Table]:
    return [table for table in METADATA.sorted_tables if "student_id" in table.c]
