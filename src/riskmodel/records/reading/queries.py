"""Mapping queries: one SELECT over a source's raw files, in a database that reaches nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from riskmodel.errors import Where
from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.raw import RawFile, format_of
from riskmodel.records.files.text_files import EncodingUnknown, delimiter_of, encoding_of, text_rows
from riskmodel.records.files.workbooks import open_workbook
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.engine import duckdb_settings, without_progress_bar
from riskmodel.records.mapping.source_mapping import SourceMapping
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.reading.cells import columns_by_name
from riskmodel.records.reading.header import SEARCHED

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
        form, name = format_of(path)
        where = Where(source=self._source, file=raw.name)
        try:
            if form == "parquet":
                scan = f"read_parquet({_literal(path.as_posix())})"
                self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {scan}")
            elif form == "text":
                encoding = encoding_of(path)
                delimiter = delimiter_of(path, encoding, lambda _: 0)
                if encoding in ("utf-8", "utf-8-sig"):
                    scan = _csv_scan(path, delimiter)
                    self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {scan}")
                else:
                    findings.mended("encoding_translated", where, encoding=encoding.upper())
                    self._table_of_rows(view, text_rows(path, encoding, delimiter))
            elif form in ("xlsx", "xls", "ods"):
                self._table_of_rows(
                    view, next((sheet.chunks for sheet in open_workbook(path, form)[1]), iter(()))
                )
            else:
                code = "file_empty" if form == "empty" else "file_of_other_format"
                findings.refuse(code, where, kind=None, format=name or form)
        except EncodingUnknown as unknown:
            code = "encodings_mixed" if unknown.mixed else "encoding_unknown"
            findings.refuse(code, replace(where, row=unknown.row))
        except WorkbookRefused as refused:
            findings.refuse(refused.code, replace(where, sheet=refused.sheet), kind=None, **refused.slots)
        except (duckdb.Error, csv.Error, ValueError):
            _refuse_file(self._source, raw, findings)

    def _table_of_rows(self, view: str, chunks: Iterator[list[list[str]]]) -> None:
        """Load rows of text as a table: its header is the first of the fullest rows near the top."""
        first = next(chunks, [])
        top = [sum(1 for cell in row if cell.strip()) for row in first[:SEARCHED]]
        at = top.index(max(top)) if top else 0
        header = first[at] if first else []
        names = [cell.strip() or f"column_{number}" for number, cell in enumerate(header, start=1)]
        columns = ", ".join(f'"{name.replace(chr(34), "")}" VARCHAR' for name in names)
        self._connection.execute(f"CREATE TABLE {view} ({columns})")
        for chunk in chain([first[at + 1 :]], chunks):
            rows = [row for row in chunk if any(row)]
            if any(len(row) != len(names) for row in rows):
                raise ValueError("ragged")
            cells = list(zip(*rows, strict=True)) or [()] * len(names)
            batch = pa.table(
                [pa.array([c or None for c in cell], pa.string()) for cell in cells], names=names
            )
            self._connection.register("batch", batch)
            self._connection.execute(f"INSERT INTO {view} SELECT * FROM batch")
            self._connection.unregister("batch")

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
            if "CSV" in str(problem) and raw.path.name in str(problem):
                _refuse_file(self._source, raw, findings)
        if findings.refused == before:
            said = (
                str(problem).splitlines()[0] if isinstance(problem, _SAFE_TO_TELL) else type(problem).__name__
            )
            findings.refuse("query_failed", Where(source=self._source, key=place), problem=said)


def _refuse_file(source: str, raw: RawFile, findings: Findings) -> None:
    is_parquet = format_of(raw.path)[0] == "parquet"
    code = "file_no_parquet" if is_parquet else "raw_file_malformed"
    findings.refuse(code, Where(source=source, file=raw.name))


def _csv_scan(path: Path, delimiter: str) -> str:
    """Return the SQL that streams a CSV: every cell is text, nothing is guessed."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = [name.strip() for name in next(csv.reader(file, strict=True, delimiter=delimiter), [])]
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header)
    form = f"auto_detect = false, header = true, delim = '{delimiter}', strict_mode = true, "
    form += "quote = '\"', escape = '\"'"
    return f"read_csv({_literal(path.as_posix())}, {form}, null_padding = false, columns = {{{columns}}})"


def _bare(query: str) -> str:
    return query.strip().rstrip(";")


def _literal(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
