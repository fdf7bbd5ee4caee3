"""The record store: a folder of Parquet, one file per table and bucket, under a manifest.

    <store>/manifest.json                              says which generation holds
    <store>/generation-00001/attendance/bucket-000.parquet
    <store>/generation-00001/schools/all.parquet       tables that have no student_id

A generation is written beside the one that holds, and settled on the disk; the manifest is moved into place
last. Whoever is killed before that, or loses power, leaves the old store whole; the next intake clears away
what such a one left lying.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.domain import School, Term
from riskmodel.errors import Where, WorkspaceError
from riskmodel.records.contract import Table, table
from riskmodel.records.durable import settle, settle_tree

FORMAT = 1
MANIFEST = "manifest.json"
COPIES = "copies.partial"
"""Where zips are unpacked and databases copied to while a delivery is taken in."""
STAGING = "staging.partial"
UNBUCKETED = "all"
BEGINNING = date(1, 1, 1)
"""From when a row is known that neither says when it was recorded nor what day it is about."""

SMALLEST_BUCKET_COUNT = 4
STUDENTS_PER_BUCKET = 10_000
STUDENTS_IN_SMALLEST = 50_000

SQL_TYPES = {
    "text": "VARCHAR", "code": "VARCHAR", "date": "DATE", "integer": "BIGINT", "number": "DOUBLE",
    "boolean": "BOOLEAN",
}  # fmt: skip

STORED = {
    "known_from": "DATE",
    "known_until": "DATE",
    "statement_on": "DATE",
    "implied": "BOOLEAN",
    "origin": "VARCHAR",
    "delivery": "INTEGER",
    "file": "VARCHAR",
    "sheet": "VARCHAR",
    "row": "BIGINT",
}
"""Columns of a stored row besides the contract's. `known_until` is the first day on which the row was
withdrawn or replaced (empty: never); `origin` the source (a word that the contract uses in `population`),
`delivery` the number of the delivery that brought it; `sheet` is missing but in a workbook of sheets."""

LATEST_FIRST = "statement_on DESC, implied, {closed_first}delivery DESC, origin DESC, file DESC, row DESC"
"""Order of statements about one key; the first holds. Engines disagree on two statements of one day."""


@dataclass(frozen=True)
class FileReceipt:
    """A file as it was taken in: its hash, and the rows that were read from it."""

    file: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Delivery:
    """One delivery of one source: the files that were new or changed, and the tables that they told.

    `complete_to` is the day that configuration claims, if it does; `forced` names the doubts that a person
    overruled.
    """

    number: int
    source: str
    delivered_on: date
    files: tuple[FileReceipt, ...]
    tables: tuple[str, ...]
    mapping_sha256: str | None = None
    reporting_delay_days: int = 0
    complete_to: date | None = None
    forced: tuple[str, ...] = ()
    keyed_by: str = "student_id"


@dataclass(frozen=True)
class Latest:
    """The latest days that rows of a source tell: that it recorded one, and that one is known at all."""

    recorded_on: date | None = None
    known_from: date | None = None

    def or_later(self, recorded_on: date | None, known_from: date | None) -> Latest:
        """Return the later of what was told and what is told now."""
        recorded = max((d for d in (self.recorded_on, recorded_on) if d), default=None)
        return Latest(recorded, max((d for d in (self.known_from, known_from) if d), default=None))


@dataclass(frozen=True)
class Manifest:
    """What a store says of itself.

    `rows` counts stored rows per table, withdrawn ones included. `identity_check` tells whether a key is the
    one from which ids were made (empty: none were); it tells nothing of the key.
    """

    bucket_count: int
    generation: int
    student_count: int
    deliveries: tuple[Delivery, ...]
    latest: dict[str, Latest] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    identity_check: str = ""

    @property
    def complete_to(self) -> dict[str, date]:
        """Up to which day each source tells everything.

        That is what configuration claims; else the latest `recorded_on`; else the latest day from which a
        row is known, but not past the delivery (a grant may state an end to come).
        """
        days = {}
        for delivery in self.deliveries:
            latest = self.latest.get(delivery.source, Latest())
            known = min(latest.known_from, delivery.delivered_on) if latest.known_from else None
            day = delivery.complete_to or latest.recorded_on or known
            if day is not None:
                days[delivery.source] = day
        return days

    @property
    def content_hash(self) -> str:
        """The sha256 over what was delivered: the same deliveries in the same order give the same."""
        told = [asdict(delivery) for delivery in self.deliveries]
        return hashlib.sha256(json.dumps([FORMAT, told], default=str).encode()).hexdigest()


def quoted(names: Iterable[str], prefix: str = "") -> str:
    """List column names for SQL, quoted (`by` and `row` are words of SQL), each with a prefix."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def column_types(of: Table) -> dict[str, str]:
    """Return the SQL type of each contract column of a table."""
    return {column.name: SQL_TYPES[column.kind] for column in of.columns}


def latest_first(of: Table) -> str:
    """Return the SQL order of statements about one key of a table; the first holds."""
    return LATEST_FIRST.format(closed_first="end_date NULLS LAST, " if of.spell else "")


def bucket_of(student_id: str, bucket_count: int) -> int:
    """Return the bucket of a student: first 8 hex digits of the md5, modulo the count."""
    return int(hashlib.md5(student_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % bucket_count


def hash_sql() -> str:
    """Return the SQL of the number, made from a column `student_id`, whose remainder is the bucket."""
    return "CAST('0x' || md5(student_id)[1:8] AS BIGINT)"


def bucket_count_for(students: int) -> int:
    """Return how many buckets a store gets that begins with so many students."""
    if students <= STUDENTS_IN_SMALLEST:
        return SMALLEST_BUCKET_COUNT
    return -(-students // STUDENTS_PER_BUCKET)


class RecordStore:
    """The records of a bureau with both dates of every row; what was known on a day stays answerable."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path) -> RecordStore:
        """Open the store in a folder.

        Raises
        ------
        WorkspaceError
            If there is none, it is of another version, or its manifest cannot be read.
        """
        file = folder / MANIFEST
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WorkspaceError("record_store_missing", Where(file=str(folder))) from None
        except (ValueError, OSError):
            raise WorkspaceError("record_store_unreadable", Where(file=str(file))) from None
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise WorkspaceError(
                "record_store_of_other_version", Where(file=str(file)), found=found, expected=FORMAT
            )
        try:
            manifest = manifest_of(content)
        except (KeyError, TypeError, ValueError):
            raise WorkspaceError("record_store_unreadable", Where(file=str(file))) from None
        return cls(folder, manifest)

    @property
    def bucket_count(self) -> int:
        """How many buckets the students are dealt into; fixed by the first delivery."""
        return self.manifest.bucket_count

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that were delivered at all."""
        return tuple(sorted({name for d in self.manifest.deliveries for name in d.tables}))

    @property
    def content_hash(self) -> str:
        """The sha256 over what was delivered."""
        return self.manifest.content_hash

    @property
    def student_count(self) -> int:
        """How many students `students` knows today."""
        return self.manifest.student_count

    def complete_to(self, name: str) -> date | None:
        """Return the day up to which a source, or a table, tells everything.

        For a table: the earliest day among the sources that delivered it. None where nothing is known
        of the name, or where its source tells no dated fact.
        """
        if name in self.manifest.complete_to:
            return self.manifest.complete_to[name]
        return self._table_complete_to(name)

    def last_complete_date(self, tables: Sequence[str]) -> date | None:
        """Return the earliest `complete_to` among the sources that delivered these tables."""
        days = (self._table_complete_to(name) for name in tables)
        return min((day for day in days if day is not None), default=None)

    def file(self, name: str, bucket: int | None = None) -> Path | None:
        """Return the Parquet file of a table (and bucket); None where no row of it is stored."""
        file = generation_folder(self.folder, self.manifest.generation) / table_file(table(name), bucket)
        return file if file.exists() else None

    def files(self, name: str) -> list[Path]:
        """Return all Parquet files of a table, in the order of the buckets."""
        folder = generation_folder(self.folder, self.manifest.generation) / name
        return sorted(folder.glob("*.parquet"))

    def terms(self) -> tuple[Term, ...]:
        """Return all terms as known today, in the order of their start."""
        rows = self._latest("terms", "term, start_date, end_date", order="start_date, term")
        return tuple(Term(*row) for row in rows)

    def schools(self) -> tuple[School, ...]:
        """Return all schools as known today, in the order of their id; an unknown township is empty."""
        rows = self._latest("schools", "school_id, name, coalesce(township, '')", order="school_id")
        return tuple(School(*row) for row in rows)

    def _table_complete_to(self, name: str) -> date | None:
        sources = {delivery.source for delivery in self.manifest.deliveries if name in delivery.tables}
        days = self.manifest.complete_to
        return min((days[source] for source in sources if source in days), default=None)

    def _latest(self, name: str, columns: str, *, order: str) -> list[tuple[Any, ...]]:
        file = self.file(name)
        if file is None:
            return []
        key, order_of_statements = quoted(table(name).key), latest_first(table(name))
        with duckdb.connect(config=duckdb_settings()) as connection:
            return connection.execute(
                f"""SELECT {columns} FROM (
                        SELECT * FROM read_parquet($file) WHERE known_until IS NULL
                        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order_of_statements}) = 1
                    ) ORDER BY {order}""",
                {"file": str(file)},
            ).fetchall()


def duckdb_settings(
    *, threads: int = 1, memory_limit: str = "1GB", spill_to: Path | None = None
) -> dict[str, Any]:
    """Return the settings of every DuckDB that reads records: bounded, and no extension is fetched."""
    return {
        "threads": threads,
        "memory_limit": memory_limit,
        "temp_directory": str(spill_to) if spill_to else "",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "false",
    }


def without_progress_bar(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep DuckDB's own bar out of what a person or a program reads.

    In a notebook without ipywidgets it is off, and DuckDB refuses every word about it.
    """
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")


def generation_folder(folder: Path, generation: int) -> Path:
    """Return the folder of a generation of a store."""
    return folder / f"generation-{generation:05d}"


def table_file(of: Table, bucket: int | None) -> Path:
    """Return the path, inside a generation, of a table's rows."""
    part = f"bucket-{bucket:03d}" if of.per_student and bucket is not None else UNBUCKETED
    return Path(of.name) / f"{part}.parquet"


def commit(folder: Path, manifest: Manifest) -> RecordStore:
    """Make a written generation the one that holds: move the manifest last, then clear older ones.

    Each step is on the disk for good before the next: the rows, their names, the manifest, its name. Only
    then may anything older go, and only then is the delivery acknowledged by returning.
    """
    complete_to = {source: str(day) for source, day in sorted(manifest.complete_to.items())}
    content = {"format": FORMAT, "content_hash": manifest.content_hash, "complete_to": complete_to}
    content |= asdict(manifest)
    settle_tree(generation_folder(folder, manifest.generation))
    beside = folder / f"{MANIFEST}.partial"
    with beside.open("w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False, indent=1, default=str)
        out.flush()
        os.fsync(out.fileno())
    # The folders above may be new as well: the workspace, and the folder that it was made in.
    settle(folder, folder.parent, folder.parent.parent)
    beside.replace(folder / MANIFEST)
    settle(folder)
    clear_leftovers(folder, manifest)
    return RecordStore(folder, manifest)


def clear_leftovers(folder: Path, manifest: Manifest | None) -> None:
    """Remove what an intake that was interrupted left lying, and generations that hold no more.

    What cannot be removed now does no harm, and is tried again by the next intake.
    """
    holds = generation_folder(folder, manifest.generation) if manifest else None
    for other in (*folder.glob("generation-*"), folder / STAGING, folder / COPIES):
        if other != holds:
            shutil.rmtree(other, ignore_errors=True)
    with suppress(OSError):
        (folder / f"{MANIFEST}.partial").unlink(missing_ok=True)


def manifest_of(content: dict[str, Any]) -> Manifest:
    """Read what a manifest file says."""
    deliveries = tuple(
        Delivery(
            number=told["number"],
            source=told["source"],
            delivered_on=date.fromisoformat(told["delivered_on"]),
            files=tuple(FileReceipt(**file) for file in told["files"]),
            tables=tuple(told["tables"]),
            mapping_sha256=told["mapping_sha256"],
            reporting_delay_days=told["reporting_delay_days"],
            complete_to=date.fromisoformat(told["complete_to"]) if told["complete_to"] else None,
            forced=tuple(told.get("forced", ())),
            keyed_by=told.get("keyed_by", "student_id"),
        )
        for told in content["deliveries"]
    )
    return Manifest(
        bucket_count=content["bucket_count"],
        generation=content["generation"],
        student_count=content["student_count"],
        deliveries=deliveries,
        latest={
            source: Latest(*(date.fromisoformat(day) if day else None for day in told.values()))
            for source, told in content["latest"].items()
        },
        rows=content["rows"],
        identity_check=content.get("identity_check", ""),
    )
