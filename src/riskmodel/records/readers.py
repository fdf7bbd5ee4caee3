"""Readers: a file becomes the table `cells`, canonical column names and the row a spreadsheet shows.

Cells of a CSV stay text, exactly as they stand; a Parquet file keeps its own types. Nothing is converted
here. What the contract (or the mapping) does not name is dropped here and never stored.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from riskmodel.errors import Where
from riskmodel.records.contract import Table
from riskmodel.records.findings import Findings

_CHUNK = 2_000
"""Rows that are turned into columns at once: few enough to stay in the processor's cache."""
_CHUNKS_AN_INSERT = 25
_LONGEST_CELL = 100_000


@dataclass(frozen=True)
class Telling:
    """One file (or query) that tells rows of one table, and how it is translated.

    Attributes
    ----------
    file
        How findings and origins name it: the path inside the source's folder, or `<table> (query)`.
    path
        The file; without meaning for a query.
    query
        The SELECT over the raw files; empty for a file.
    columns
        Canonical name to the source's column; a canonical name that is not there keeps its own.
    codes, dates, constants
        Per canonical column: source values to codes, a strptime format, one value for all rows.
    """

    source: str
    table: Table
    file: str
    path: Path = Path()
    query: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def where(self, *, row: int | None = None, column: str | None = None) -> Where:
        """Return a place in this file; `column` is a canonical name and told as the source calls it."""
        said = self.columns.get(column, column) if column is not None else None
        return Where(source=self.source, file=self.file, row=row, column=said)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_cells(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> bool:
    """Read a telling's file into the table `cells`; False where its header or shape forbids it."""
    if telling.path.suffix == ".parquet":
        return _read_parquet(connection, telling, findings)
    return _read_csv(connection, telling, findings)


def choose_columns(telling: Telling, header: Sequence[str], findings: Findings) -> dict[str, int] | None:
    """Find the canonical columns in a header.

    Returns
    -------
    dict or None
        Canonical name to position in the header; None where a column is missing or there twice.
    """
    before = findings.refused
    names = {telling.columns.get(column.name, column.name): column for column in telling.table.columns}
    missing = [
        name
        for name, column in names.items()
        if (column.required or column.name in telling.columns)
        and name not in header
        and column.name not in telling.constants
    ]
    if missing and not names.keys() & set(header):
        # Without a header the first row is a child's: nothing of it may be repeated.
        findings.refuse("header_missing", telling.where(row=1), columns=", ".join(missing))
        return None
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        findings.refuse("column_twice", telling.where(row=1), column=name)
    for name in missing:
        near = difflib.get_close_matches(name, [h for h in header if h and h not in names], n=1, cutoff=0.6)
        code = "column_missing_but_near" if near else "column_missing"
        slots = {"near": near[0]} if near else {"header": ", ".join(header)}
        findings.refuse(code, telling.where(row=1), column=name, **slots)
    for name in header:
        if name not in names:
            findings.review("column_dropped", telling.where(row=1), column=name)
    if findings.refused > before:
        return None
    return {names[name].name: position for position, name in enumerate(header) if name in names}


def _read_parquet(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> bool:
    try:
        described = connection.execute(
            "DESCRIBE SELECT * FROM read_parquet($path)", {"path": str(telling.path)}
        ).fetchall()
    except duckdb.Error:
        findings.refuse("file_no_parquet", telling.where())
        return False
    header = [str(name) for name, *_ in described]
    chosen = choose_columns(telling, header, findings)
    if chosen is None:
        return False
    select = ", ".join(f'"{_sql(header[at])}" AS "{name}"' for name, at in chosen.items())
    connection.execute(
        f"""CREATE OR REPLACE TABLE cells AS
            SELECT {select}, file_row_number + 2 AS "row" FROM read_parquet($path, file_row_number = true)""",
        {"path": str(telling.path)},
    )
    return True


def _sql(name: str) -> str:
    return name.replace('"', '""')


def _read_csv(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> bool:
    csv.field_size_limit(_LONGEST_CELL)
    with telling.path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        row = 1
        try:
            header = [name.strip() for name in next(reader, [])]
            if not header:
                findings.refuse("file_empty", telling.where())
                return False
            chosen = choose_columns(telling, header, findings)
            if chosen is None:
                return False
            _make_cells(connection, list(chosen))
            batches = []
            while chunk := list(islice(reader, _CHUNK)):
                sound = _sound(chunk, telling, findings, before=row, width=len(header))
                batches.append(_batch(sound, chosen))
                row += len(chunk)
                if len(batches) == _CHUNKS_AN_INSERT:
                    _insert(connection, batches)
                    batches = []
            _insert(connection, batches)
        except UnicodeDecodeError:
            findings.refuse("file_not_utf8", telling.where(row=first_row_not_utf8(telling.path)))
            return False
        except csv.Error:
            findings.refuse("quotes_broken", telling.where(), line=reader.line_num)
            return False
    return True


def _make_cells(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    columns = ", ".join(f'"{name}" VARCHAR' for name in names)
    connection.execute(f'CREATE OR REPLACE TABLE cells ({columns}, "row" BIGINT)')


def _sound(
    chunk: Sequence[Sequence[str]], telling: Telling, findings: Findings, *, before: int, width: int
) -> dict[int, Sequence[str]]:
    """Return cells by row number; a row with more or fewer than the header is refused, never shifted."""
    numbered = dict(enumerate(chunk, start=before + 1))
    if any(map(width.__ne__, map(len, chunk))):
        for number, cells in enumerate(chunk, start=before + 1):
            if len(cells) == width:
                continue
            del numbered[number]
            if cells:  # an empty line is no row
                code = "row_too_long" if len(cells) > width else "row_too_short"
                findings.refuse(code, telling.where(row=number), cells=len(cells), expected=width)
    return numbered


def _batch(numbered: Mapping[int, Sequence[str]], chosen: Mapping[str, int]) -> pa.RecordBatch:
    by_column = list(zip(*numbered.values(), strict=True))
    arrays = [pa.array(by_column[at] if by_column else [], pa.string()) for at in chosen.values()]
    return pa.record_batch([*arrays, pa.array(list(numbered), pa.int64())], names=[*chosen, "row"])


def _insert(connection: duckdb.DuckDBPyConnection, batches: Sequence[pa.RecordBatch]) -> None:
    if batches:
        connection.register("batches", pa.Table.from_batches(batches))
        connection.execute("INSERT INTO cells BY NAME SELECT * FROM batches")
        connection.unregister("batches")


def first_row_not_utf8(path: Path) -> int | None:
    """Return the first line of a file that is not UTF-8; None where all of it is."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None
