"""A child leaves the records for good: its rows go, and no later delivery brings them back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskmodel.records.checking.identity import IDENTITIES, identities_file
from riskmodel.records.contract import TABLES
from riskmodel.records.keeping.erased import add_erased, read_erased, remove_rows, rows_naming
from riskmodel.records.keeping.manifest import commit, generation_folder
from riskmodel.records.store import RecordStore


def numbers_of(store: RecordStore, student_id: str) -> frozenset[str]:
    """Return every roll number that the records ever knew a student by."""
    numbers: set[str] = set()
    for file in store.files("students"):
        numbers |= set(rows_naming(file, [student_id]).column("roll_number").to_pylist())
    identities = identities_file(store)
    if identities is not None:
        known = pq.read_table(identities)
        numbers |= set(known.filter(pc.equal(known["student_id"], student_id)).column("number").to_pylist())
    return frozenset(number for number in numbers if number)


def erase_from_records(store: RecordStore, values: Collection[str], *, by: str, on: date) -> int:
    """Remove a child's rows, withdrawn ones included, and keep it out of every later delivery.

    The list comes first: where this is interrupted, a second call finishes it, and no delivery in between
    brings the child back. What was delivered, and so the store's content hash, stays the same.

    Parameters
    ----------
    values
        The child's id, and every roll number it was known by.

    Returns
    -------
    int
        How many rows went.
    """
    add_erased(store.folder, values, by=by, on=on)
    generation = generation_folder(store.folder, store.manifest.generation)
    removed = sum(remove_rows(file, values) for file in sorted(generation.rglob("*.parquet")))
    counts = {
        name: sum(pq.read_metadata(file).num_rows for file in store.files(name))
        for name in store.manifest.rows
    }
    known: set[str] = set()
    for file in store.files("students"):
        rows = pq.read_table(file, columns=["student_id", "known_until"])
        known |= set(rows.filter(pc.is_null(rows["known_until"])).column("student_id").to_pylist())
    commit(store.folder, replace(store.manifest, rows=counts, student_count=len(known)))
    return removed


def leave_out_erased(connection: duckdb.DuckDBPyConnection, store: Path, *, on: date) -> int:
    """Remove what a delivery tells of erased children, before anything is made of it; return the rows.

    A child that comes again under another id is known by its roll number, and that id is on the list from
    then on: later deliveries may tell of it without the number.
    """
    erased = read_erased(store)
    if not erased.refs:
        return 0
    others = connection.execute(
        "SELECT DISTINCT student_id FROM staged_students WHERE roll_number IN (SELECT unnest($gone))",
        {"gone": erased.among(_told(connection, "staged_students", "roll_number"))},
    ).fetchall()
    if others:
        add_erased(store, [student_id for (student_id,) in others], by="riskmodel intake", on=on)
        erased = read_erased(store)
    places = [(f"staged_{table.name}", column.name) for table in TABLES for column in table.columns
              if column.name in ("student_id", "roll_number")]  # fmt: skip
    removed = 0
    for table, column in (*places, (IDENTITIES, "student_id"), (IDENTITIES, "number")):
        gone = erased.among(_told(connection, table, column))
        if gone:
            query = f"DELETE FROM {table} WHERE {column} IN (SELECT unnest($gone))"
            removed += int(connection.execute(query, {"gone": gone}).fetchall()[0][0])
    return removed


def _told(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> list[str]:
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"
    return [str(value) for (value,) in connection.execute(query).fetchall()]
