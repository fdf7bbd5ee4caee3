"""A delivery becomes a generation of the store: what is staged and what is stored, merged by bucket."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from riskmodel.records.checking.identity import write_identities
from riskmodel.records.contract import TABLES, Table
from riskmodel.records.deliveries.revisions import has_repeated_rows, merge, report_conflicts
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.manifest import (
    Delivery,
    Latest,
    Manifest,
    commit,
    generation_folder,
    table_file,
)
from riskmodel.records.keeping.rows import STORED, bucket_count_for, column_types, quoted
from riskmodel.records.store import RecordStore


def write_generation(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    deliveries: Sequence[Delivery],
    *,
    store: Path,
    delivered_on: date,
    identity_check: str = "",
    findings: Findings,
) -> RecordStore:
    """Merge what is staged with what is stored, and make it the generation that holds.

    Raises
    ------
    RecordsRefused
        If there is any finding that refuses the delivery; the store is then as it was.
    """
    students = connection.execute("SELECT count(DISTINCT student_id) FROM staged_students").fetchall()[0][0]
    bucket_count = before.bucket_count if before else bucket_count_for(students)
    generation = before.manifest.generation + 1 if before else 1
    folder = generation_folder(store, generation)
    shutil.rmtree(folder, ignore_errors=True)
    sent = {name for (name,) in connection.execute('SELECT DISTINCT "table" FROM sent').fetchall()}
    rows = dict(before.manifest.rows) if before else {}
    student_count = before.student_count if before else 0
    try:
        for table in TABLES:
            if table.name not in sent:
                _link(table, before, folder)
                continue
            rows[table.name] = 0
            student_count = 0 if table.name == "students" else student_count
            told = _buckets_told(connection, table, bucket_count)
            repeated = has_repeated_rows(connection, table)
            for bucket in range(bucket_count) if table.per_student else (None,):
                stored = before.file(table.name, bucket) if before else None
                if stored is None and (bucket or 0) not in told:
                    continue
                merge(
                    connection,
                    table,
                    stored=stored,
                    bucket=bucket,
                    bucket_count=bucket_count,
                    repeated=repeated,
                    day=delivered_on,
                )
                report_conflicts(connection, table, findings)
                if not findings.refused:
                    rows[table.name] += _write(connection, table, folder / table_file(table, bucket))
                if table.name == "students":
                    student_count += _known_students(connection)
        findings.raise_if_refused()
        write_identities(connection, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    manifest = Manifest(
        bucket_count=bucket_count,
        generation=generation,
        student_count=student_count,
        deliveries=(*(before.manifest.deliveries if before else ()), *deliveries),
        latest=_latest(connection, before),
        rows=rows,
        identity_check=identity_check or (before.manifest.identity_check if before else ""),
        attendance_known=_attendance_known(connection, before),
    )
    commit(store, manifest)
    return RecordStore(store, manifest)


def _buckets_told(connection: duckdb.DuckDBPyConnection, table: Table, bucket_count: int) -> set[int]:
    found = connection.execute(f"SELECT DISTINCT student_hash % {bucket_count} FROM staged_{table.name}")
    return {int(bucket) for (bucket,) in found.fetchall() if bucket is not None}


def _write(connection: duckdb.DuckDBPyConnection, table: Table, file: Path) -> int:
    """Write `merged`, sorted by student; no file where there is no row."""
    count = int(connection.execute("SELECT count(*) FROM merged").fetchall()[0][0])
    if count:
        file.parent.mkdir(parents=True, exist_ok=True)
        order = quoted([*table.key, "statement_on", "origin", "file", "row", "implied", "delivery"])
        connection.execute(
            f"""COPY (SELECT {quoted(column_types(table) | STORED)} FROM merged ORDER BY {order})
                TO '{str(file).replace("'", "''")}' (FORMAT parquet, COMPRESSION zstd)"""
        )
    return count


def _link(table: Table, before: RecordStore | None, folder: Path) -> None:
    """Take over the files of a table that this delivery did not touch."""
    for file in before.files(table.name) if before else ():
        target = folder / table.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copyfile(file, target)


def _known_students(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT count(DISTINCT student_id) FROM merged WHERE known_until IS NULL")
    return int(found.fetchall()[0][0])


def _latest(connection: duckdb.DuckDBPyConnection, before: RecordStore | None) -> dict[str, Latest]:
    """Return, per source, the latest days that its rows ever told."""
    latest = dict(before.manifest.latest) if before else {}
    for table in TABLES:
        recorded_on = "max(recorded_on)" if "recorded_on" in column_types(table) else "NULL"
        told = connection.execute(
            f"""SELECT origin, {recorded_on}, max(known_from) FILTER (known_from > DATE '0001-01-01')
                FROM staged_{table.name} GROUP BY origin"""
        ).fetchall()
        for source, recorded, known in told:
            latest[source] = latest.get(source, Latest()).or_later(recorded, known)
    return latest


def _attendance_known(
    connection: duckdb.DuckDBPyConnection, before: RecordStore | None
) -> dict[str, tuple[date, ...]]:
    """Return, per source, each day from which a row of attendance is known."""
    known = {source: set(days) for source, days in before.manifest.attendance_known.items()} if before else {}
    told = connection.execute(
        "SELECT DISTINCT origin, known_from FROM staged_attendance WHERE known_from > DATE '0001-01-01'"
    ).fetchall()
    for source, day in told:
        known.setdefault(source, set()).add(day)
    return {source: tuple(sorted(days)) for source, days in sorted(known.items())}
