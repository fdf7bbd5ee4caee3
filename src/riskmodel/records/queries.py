"""Mapping queries: one SELECT over a source's raw files, in a database that reaches nothing else."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import duckdb

from riskmodel.errors import Where
from riskmodel.records.findings import Findings
from riskmodel.records.mapping import SourceMapping
from riskmodel.records.raw import RawFile
from riskmodel.records.readers import Telling, columns_by_name
from riskmodel.records.store import duckdb_settings, without_progress_bar
from riskmodel.records.text_files import first_row_not_utf8

_SAFE_TO_TELL = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""What these say comes from the query and the columns' names; others may quote a value of a person."""
_BATCH = 200_000
MEMORY_LIMIT = "600MB"


class RawViews:
    """The raw files of a source as views, in which its mapping's queries run.

    Cells of a CSV are text, an empty one is missing; a Parquet file keeps its types. Files are streamed.
    Apart from them the database reaches neither disk nor network, and its settings are locked.
    """

    def __init__(self, source: str, mapping: SourceMapping, *, spill_to: Path) -> None:
        self._source = source
        self._mapping = mapping
        settings = duckdb_settings(threads=2, memory_limit=MEMORY_LIMIT, spill_to=spill_to)
        self._connection = duckdb.connect(config=settings)
        without_progress_bar(self._connection)
        self._files: dict[str, RawFile] = {}

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()

    def open(self, files: Sequence[RawFile], findings: Findings) -> bool:
        """Make the views; False where a file or a shared query does not allow it."""
        before = findings.refused
        for view, names in self._mapping.files.items():
            there = [raw for name in names.split("|") for raw in files if raw.name == name.strip()]
            if there:
                self._files[view] = there[0]
                self._view_of_file(view, there[0], findings)
            else:
                findings.refuse("mapped_file_missing", Where(source=self._source), pattern=names)
        paths = ", ".join(_literal(raw.path.resolve().as_posix()) for raw in self._files.values())
        spill = _literal(
            self._connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
        )
        self._connection.execute(f"SET allowed_paths = [{paths}]")
        self._connection.execute(f"SET allowed_directories = [{spill}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        for view, query in self._mapping.views.items():
            if findings.refused == before:
                self._run(f"CREATE VIEW {view} AS {_bare(query)}", f"views.{view}", findings)
        return findings.refused == before

    def read_cells(self, connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> bool:
        """Run a telling's query and put its rows into the table `cells`; False where it fails.

        Rows are numbered from 1 in the order of all their columns, so that a number stays the same from
        run to run.
        """
        place = f"tables.{telling.table.name}.query"
        query = f"SELECT * FROM ({_bare(telling.query)}\n)"
        described = self._run(f"DESCRIBE {query}", place, findings)
        if described is None:
            return False
        chosen = columns_by_name(telling, [str(name) for name, *_ in described], findings)
        if chosen is None:
            return False
        select = ", ".join(f'"{described[at][0]}" AS "{name}"' for name, at in chosen.items())
        try:
            result = self._connection.sql(f"SELECT {select} FROM ({query}) ORDER BY ALL")
            batches = result.to_arrow_reader(_BATCH)
            connection.register("batches", batches)
            connection.execute(
                """CREATE OR REPLACE TABLE cells AS SELECT *, CAST(NULL AS VARCHAR) AS sheet,
                   row_number() OVER () AS "row", CAST(NULL AS BIGINT) AS "at" FROM batches"""
            )
        except duckdb.Error as problem:
            self._refuse(problem, place, findings)
            return False
        finally:
            connection.unregister("batches")
        return True

    def _view_of_file(self, view: str, raw: RawFile, findings: Findings) -> None:
        path = raw.path.resolve()
        try:
            if path.suffix.lower() == ".parquet":
                scan = f"read_parquet({_literal(path.as_posix())})"
            else:
                scan = _csv_scan(path)
            self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {scan}")
        except (duckdb.Error, UnicodeDecodeError, csv.Error):
            _refuse_file(self._source, raw, findings)

    def _run(self, sql: str, place: str, findings: Findings) -> list[tuple[str, ...]] | None:
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as problem:
            self._refuse(problem, place, findings)
            return None

    def _refuse(self, problem: duckdb.Error, place: str, findings: Findings) -> None:
        """Say why a query failed: a raw file that cannot be read, or the query itself."""
        before = findings.refused
        for raw in self._files.values():
            if raw.path.suffix.lower() != ".parquet" and "CSV" in str(problem) and raw.name in str(problem):
                _refuse_file(self._source, raw, findings)
        if findings.refused == before:
            said = (
                str(problem).splitlines()[0] if isinstance(problem, _SAFE_TO_TELL) else type(problem).__name__
            )
            findings.refuse("query_failed", Where(source=self._source, key=place), problem=said)


def _refuse_file(source: str, raw: RawFile, findings: Findings) -> None:
    if raw.path.suffix.lower() == ".parquet":
        findings.refuse("file_no_parquet", Where(source=source, file=raw.name))
    elif row := first_row_not_utf8(raw.path):
        findings.refuse("file_not_utf8", Where(source=source, file=raw.name, row=row))
    else:
        findings.refuse("raw_file_malformed", Where(source=source, file=raw.name))


def _csv_scan(path: Path) -> str:
    """Return the SQL that streams a CSV: every cell is text, nothing is guessed."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = [name.strip() for name in next(csv.reader(file, strict=True), [])]
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header)
    form = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', strict_mode = true"
    return f"read_csv({_literal(path.as_posix())}, {form}, null_padding = false, columns = {{{columns}}})"


def _bare(query: str) -> str:
    return query.strip().rstrip(";")


def _literal(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
