"""The record store, opened: which tables it has, up to which day, and where their rows lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.domain import School, Term
from riskmodel.errors import Where, WorkspaceError
from riskmodel.records.contract import table
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.keeping.manifest import (
    FORMAT,
    MANIFEST,
    Manifest,
    generation_folder,
    manifest_of,
    table_file,
)
from riskmodel.records.keeping.rows import latest_first, quoted, township_of_one_place


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
        township = township_of_one_place("read_parquet($file)")
        rows = self._latest("schools", f"school_id, name, coalesce({township}, '')", order="school_id")
        return tuple(School(*row) for row in rows)

    def calendar(self) -> dict[date, bool]:
        """Return what the calendar says of days for all schools: whether each is a school day."""
        rows = self._latest("calendar", "date, school_id, is_school_day", order="date")
        return {day: school_day for day, school_id, school_day in rows if not school_id}

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
