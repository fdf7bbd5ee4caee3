"""Readers: a file becomes the table `cells`, canonical column names, and the sheet and row of each.

Cells of text files and workbooks are text, exactly as they stand; a Parquet file keeps its own types. Nothing
is converted here. What the contract (or the mapping) does not name is dropped here and never stored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from itertools import chain

import duckdb
import pyarrow as pa

from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.raw import format_of
from riskmodel.records.files.text_files import EncodingUnknown, delimiter_of, encoding_of, text_rows
from riskmodel.records.files.workbooks import open_workbook
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import plain
from riskmodel.records.reading.header import (
    Header,
    choose_columns,
    find_days,
    find_header,
    known_names,
    letter_of,
)
from riskmodel.records.reading.sheet_rows import Grid, SheetRows

_CHUNKS_AN_INSERT = 25
_SUFFIXES = {
    "xlsx": (".xlsx", ".xlsm", ".xltx", ".xltm"),
    "xls": (".xls", ".xlt", ".et"),
    "ods": (".ods", ".ots"),
}
"""`.et` is what WPS calls an old workbook."""


def read_cells(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> Telling | None:
    """Read a telling's file into the table `cells`.

    Returns
    -------
    Telling or None
        The telling with what reading found; None where the file's header or shape forbids it.
    """
    form, name = format_of(telling.path)
    try:
        if form == "parquet":
            return _read_parquet(connection, telling, findings)
        if form == "text":
            read = _read_text(connection, telling, findings)
        elif form in ("xlsx", "xls", "ods"):
            facts, sheets = open_workbook(telling.path, form)
            if not telling.file.lower().endswith(_SUFFIXES[form]):
                findings.mended("file_named_otherwise", telling.where(), format=form.upper())
            if facts.has_external_links:
                findings.review("external_links", telling.where())
            if facts.has_macros:
                findings.review("macros_not_run", telling.where())
            grids = (Grid(sheet.name, sheet.chunks, sheet=sheet) for sheet in sheets)
            read = _read_grids(connection, replace(telling, base_1904=facts.date_1904), grids, findings)
        else:
            code = "file_empty" if form == "empty" else "file_of_other_format"
            findings.refuse(code, telling.where(), kind=None, format=name or form)
            return None
    except WorkbookRefused as refused:
        findings.refuse(refused.code, telling.where(sheet=refused.sheet), kind=None, **refused.slots)
        return None
    return read


def _read_parquet(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings
) -> Telling | None:
    try:
        described = connection.execute(
            "DESCRIBE SELECT * FROM read_parquet($path)", {"path": str(telling.path)}
        ).fetchall()
    except duckdb.Error:
        findings.refuse("file_no_parquet", telling.where())
        return None
    names = tuple(str(name) for name, *_ in described)
    chosen = columns_by_name(telling, names, findings)
    if chosen is None:
        return None
    select = ", ".join(f'"{_sql(names[at])}" AS "{name}"' for name, at in chosen.items())
    connection.execute(
        f"""CREATE OR REPLACE TABLE cells AS
            SELECT {select}, CAST(NULL AS VARCHAR) AS sheet, file_row_number + 2 AS "row",
                   CAST(NULL AS BIGINT) AS "at"
            FROM read_parquet($path, file_row_number = true)""",
        {"path": str(telling.path)},
    )
    return telling


def columns_by_name(telling: Telling, names: Sequence[str], findings: Findings) -> dict[str, int] | None:
    """Find the canonical columns among the names of a Parquet file's, or a query's, columns."""
    wanted, where = telling.wanted(), telling.where(row=1)
    header = Header(1, tuple(names))
    if not known_names([names], wanted):
        needed = ", ".join(wanted.names[name][0] for name in sorted(wanted.required))
        findings.refuse("header_missing", where, columns=needed)
        return None
    return choose_columns(header, wanted, where, findings, mapped=frozenset(telling.columns))


def _sql(name: str) -> str:
    return name.replace('"', '""')


def _read_text(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> Telling | None:
    try:
        encoding = encoding_of(telling.path)
        wanted = telling.wanted()
        delimiter = delimiter_of(telling.path, encoding, lambda rows: known_names(rows, wanted))
        if encoding in ("gb18030", "utf-16"):
            findings.mended("encoding_translated", telling.where(), encoding=encoding.upper())
        grid = Grid(None, text_rows(telling.path, encoding, delimiter), is_ragged=True)
        return _read_grids(connection, telling, iter([grid]), findings)
    except EncodingUnknown as unknown:
        code = "encodings_mixed" if unknown.mixed else "encoding_unknown"
        findings.refuse(code, telling.where(row=unknown.row))
    except csv.Error as problem:
        findings.refuse("quotes_broken", telling.where(), line=problem.args[0])
    return None


def _read_grids(
    connection: duckdb.DuckDBPyConnection, telling: Telling, grids: Iterator[Grid], findings: Findings
) -> Telling | None:
    """Read every sheet into one table `cells`; None where none of them could be read."""
    letters: dict[tuple[str | None, str | int], str] = {}
    headings: dict[tuple[str | None, str | int], str] = {}
    names = [column.name for column in telling.table.columns if column.name not in telling.constants]
    columns = ", ".join(f'"{name}" VARCHAR' for name in names)
    connection.execute(f'CREATE OR REPLACE TABLE cells ({columns}, sheet VARCHAR, "row" BIGINT, "at" BIGINT)')
    is_empty = True
    for grid in grids:
        if telling.sheets and grid.name is not None and not fnmatch(grid.name, telling.sheets):
            continue
        is_empty = False
        if grid.sheet is not None and grid.sheet.is_hidden:
            findings.review("sheet_hidden", telling.where(sheet=grid.name))
        found = _read_grid(connection, telling, grid, findings)
        for canonical, (at, heading) in (found or {}).items():
            letters[grid.name, canonical] = letter_of(at)
            headings[grid.name, canonical] = heading
    if is_empty:
        findings.refuse("file_empty", telling.where())
    if not headings:
        return None
    # A column that no sheet has is as if nobody had named it.
    for name in names:
        filled = telling.wide.filled if telling.wide else ()
        if name not in filled and all(canonical != name for _, canonical in headings):
            connection.execute(f'ALTER TABLE cells DROP COLUMN "{name}"')
    return replace(telling, letters=letters, headings=headings)


def _read_grid(
    connection: duckdb.DuckDBPyConnection, telling: Telling, grid: Grid, findings: Findings
) -> dict[str | int, tuple[int, str]] | None:
    """Add a sheet's rows to `cells`; per canonical or spread column its position and name in the header."""
    before = findings.refused
    first = next(grid.chunks, [])
    where, wanted = telling.where(sheet=grid.name), telling.wanted()
    if telling.wide is not None and not telling.columns and not wanted.required:
        header = find_days(first, telling.wide, [grid.name or "", telling.file])
    else:
        header = find_header(first, wanted, where, findings)
    if header is None:
        if not any(any(row) for row in first):
            findings.refuse("file_empty", where)
        elif findings.refused == before:
            # Without a header the first row may be a child's: nothing of it may be repeated.
            needed = ", ".join(wanted.names[name][0] for name in wanted.names if name in wanted.required)
            findings.refuse("header_missing", replace(where, row=1), columns=needed)
        return None
    at_header = replace(where, row=header.row)
    spread: dict[int, Mapping[str, str]] = {}
    if telling.wide is not None:
        titles = [cell for row in first[: header.row - 1] for cell in row if cell]
        titles += [grid.name or "", telling.file]
        spread = telling.wide.spread(header.names, titles)
        if not spread:
            findings.refuse("spread_columns_missing", at_header)
            return None
        if len(months := telling.wide.months(header.names, titles)) > 1:
            findings.refuse("spread_months_differ", where, months=", ".join(months))
            return None
    mapped = frozenset(telling.columns)
    apart = {*spread, *(at for at, name in enumerate(header.names) if plain(name) in telling.elsewhere)}
    chosen = choose_columns(header, wanted, at_header, findings, mapped=mapped, apart=apart)
    if chosen is None:
        return None
    if header.row > 1:
        above = header.row - (2 if header.two_rows else 1)
        if above:
            findings.mended("title_rows_skipped", where, count=above)
        if header.two_rows:
            findings.mended("header_of_two_rows", at_header)
    rows = SheetRows(telling, grid, header, chosen, findings, spread=spread)
    batches: list[pa.RecordBatch] = []
    for chunk in chain([first[header.row :]], grid.chunks):
        batches.append(rows.batch(chunk))
        if len(batches) == _CHUNKS_AN_INSERT:
            _insert(connection, batches)
            batches = []
    _insert(connection, batches)
    rows.report()
    places: list[tuple[str | int, int]] = [*chosen.items(), *((at, at) for at in spread)]
    return {name: (at, header.names[at]) for name, at in places}


def _insert(connection: duckdb.DuckDBPyConnection, batches: Sequence[pa.RecordBatch]) -> None:
    if batches:
        connection.register("batches", pa.Table.from_batches(batches))
        connection.execute("INSERT INTO cells BY NAME SELECT * FROM batches")
        connection.unregister("batches")
