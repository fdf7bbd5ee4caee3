"""Readers: a file becomes the table `cells`, canonical column names, and the sheet and row of each.

Cells of text files and workbooks are text, exactly as they stand; a Parquet file keeps its own types. Nothing
is converted here. What the contract (or the mapping) does not name is dropped here and never stored.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from riskmodel.errors import Where
from riskmodel.records.contract import Table
from riskmodel.records.findings import Findings
from riskmodel.records.header import Header, Wanted, choose_columns, find_header, known_names, letter_of
from riskmodel.records.raw import format_of
from riskmodel.records.text_files import EncodingUnknown, delimiter_of, encoding_of, text_rows
from riskmodel.records.values import BLANKS
from riskmodel.records.vocabulary import plain, synonyms
from riskmodel.records.wide import Wide
from riskmodel.records.workbook_scan import WorkbookRefused
from riskmodel.records.workbooks import Sheet, open_workbook

_CHUNKS_AN_INSERT = 25
_TOTAL = re.compile(
    r"(合计|总计|小计|共计|累计|平均|平均分|均分|最高分|最低分|及格率|优秀率|总人数|total|subtotal|sum|average|mean)"
    r"\s*[:：]?",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"(注|备注|说明|制表|制表人|填表|填表人|填报人|审核|审核人|负责人|校长|班主任|签名|签字|盖章|单位盖章|制表日期"
    r"|填表日期|打印时间|导出时间|note|notes|prepared by|checked by|signed)\s*[:：]",
    re.IGNORECASE,
)


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
        Canonical name to the names that the source may give its column; a canonical name that is not
        there keeps its own.
    codes, dates, constants
        Per canonical column: source values to codes, a strptime format, one value for all rows.
    missing
        Per canonical column words that say that nothing is known.
    factors
        Per canonical column what its numbers are multiplied by to have the contract's unit.
    decimal_comma
        Whether numbers have a decimal comma.
    fill_down
        Canonical columns in which an empty cell says what the one above it says.
    sheets
        A pattern of the names of the sheets that are read; empty: all that hold anything.
    wide
        How the sheet is spread, where it has one column per day or subject.
    elsewhere
        Names of the file's columns, as they are compared, that some table takes.
    is_mapped
        Whether a mapping file says what columns are called; else usual names are recognised.
    letters, headings
        What reading found: per sheet and canonical column the letter over it and its name in the header;
        of spread columns per sheet and position.
    base_1904
        Whether numbers that stand for days count from 1904, as the workbook says.
    """

    source: str
    table: Table
    file: str
    path: Path = Path()
    query: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    decimal_comma: bool = False
    fill_down: tuple[str, ...] = ()
    sheets: str = ""
    wide: Wide | None = None
    is_mapped: bool = False
    elsewhere: frozenset[str] = frozenset()
    letters: Mapping[tuple[str | None, str | int], str] = field(default_factory=dict)
    headings: Mapping[tuple[str | None, str | int], str] = field(default_factory=dict)
    base_1904: bool = False

    def where(
        self,
        *,
        row: int | None = None,
        column: str | None = None,
        sheet: str | None = None,
        at: int | None = None,
    ) -> Where:
        """Return a place in this file; `column` is a canonical name and told as the source calls it.

        `at` is the position of the spread column that the row comes from.
        """
        if column is None:
            return Where(source=self.source, file=self.file, sheet=sheet, row=row)
        place: tuple[str | None, str | int] = (sheet, column)
        if at is not None and self.wide is not None and column in self.wide.filled:
            place = (sheet, at)
        if place not in self.headings and sheet is None:
            place = next((told for told in self.headings if told[1] == column), place)
        said = self.headings.get(place) or self.columns.get(column, (column,))[0]
        letter = self.letters.get(place)
        return Where(source=self.source, file=self.file, sheet=sheet, row=row, column=said, letter=letter)

    def wanted(self) -> Wanted:
        """Return what a header may hold, and which of it must be there."""
        given = {*self.constants, *(self.wide.filled if self.wide else ())}
        names = {column.name: self._names_of(column.name) for column in self.table.columns}
        names = {name: told for name, told in names.items() if name not in given}
        required = {column.name for column in self.table.columns if column.required}
        # Whether an exam was sat may also be told by what stands in the place of its score.
        optional = {"status"} if self.table.name == "grades" and "status" not in self.columns else set()
        return Wanted(names, frozenset(required - given - optional))

    def _names_of(self, column: str) -> tuple[str, ...]:
        if self.is_mapped:
            return self.columns.get(column, (column,))
        return (column, *synonyms(self.table.name, column))


@dataclass(frozen=True)
class _Grid:
    """Rows of text, numbered from 1: a text file, or a sheet of a workbook."""

    name: str | None
    chunks: Iterator[list[list[str]]]
    is_ragged: bool = False
    sheet: Sheet | None = None


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
            if facts.has_external_links:
                findings.review("external_links", telling.where())
            if facts.has_macros:
                findings.review("macros_not_run", telling.where())
            grids = (_Grid(sheet.name, sheet.chunks, sheet=sheet) for sheet in sheets)
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
        grid = _Grid(None, text_rows(telling.path, encoding, delimiter), is_ragged=True)
        return _read_grids(connection, telling, iter([grid]), findings)
    except EncodingUnknown as unknown:
        code = "encodings_mixed" if unknown.mixed else "encoding_unknown"
        findings.refuse(code, telling.where(row=unknown.row))
    except csv.Error as problem:
        findings.refuse("quotes_broken", telling.where(), line=problem.args[0])
    return None


def _read_grids(
    connection: duckdb.DuckDBPyConnection, telling: Telling, grids: Iterator[_Grid], findings: Findings
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
    connection: duckdb.DuckDBPyConnection, telling: Telling, grid: _Grid, findings: Findings
) -> dict[str | int, tuple[int, str]] | None:
    """Add a sheet's rows to `cells`; per canonical or spread column its position and name in the header."""
    before = findings.refused
    first = next(grid.chunks, [])
    where, wanted = telling.where(sheet=grid.name), telling.wanted()
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
        spread = telling.wide.spread(header.names, [*titles, grid.name or "", telling.file])
        if not spread:
            findings.refuse("spread_columns_missing", at_header)
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
    rows = _Rows(telling, grid, header, chosen, findings, spread=spread)
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


class _Rows:
    """The data rows of one sheet: what is under the header, less totals, signatures and broken rows."""

    def __init__(
        self,
        telling: Telling,
        grid: _Grid,
        header: Header,
        chosen: Mapping[str, int],
        findings: Findings,
        *,
        spread: Mapping[int, Mapping[str, str]],
    ) -> None:
        self._spread = spread
        self._names = header.names
        self._telling = telling
        self._grid = grid
        self._chosen = chosen
        self._width = len(header.names)
        self._findings = findings
        self._row = header.row
        self._header_row = header.row
        keys = [name for name in telling.table.key if name in chosen]
        self._key = chosen[keys[0]] if keys else min(chosen.values())
        self._footers: list[int] = []
        self._repeated: list[int] = []
        self._above: dict[str, str | None] = {}
        self._filled: dict[str, list[int]] = {}

    def batch(self, chunk: Sequence[Sequence[str]]) -> pa.RecordBatch:
        """Return the chosen cells of some rows, with the number of each row."""
        numbered = dict(enumerate(chunk, start=self._row + 1))
        self._row += len(chunk)
        if self._grid.is_ragged:
            self._drop_ragged(numbered)
        for number in [n for n, cells in numbered.items() if self._is_footer(cells)]:
            self._footers.append(number)
            del numbered[number]
        heading = self._names[self._key]
        for number in [n for n, cells in numbered.items() if cells[self._key].strip(BLANKS) == heading]:
            if tuple(cell.strip() for cell in numbered[number]) == self._names:
                self._repeated.append(number)
                del numbered[number]
        numbers = list(numbered)
        positions: list[int | None] = [None] * len(numbered)
        by_column = list(zip(*numbered.values(), strict=True))
        columns: dict[str, Sequence[str | None]] = {
            name: by_column[at] if by_column else () for name, at in self._chosen.items()
        }
        for name in self._telling.fill_down:
            if name in columns:
                columns[name] = self._fill_down(name, columns[name], numbers)
        if self._telling.wide is not None:
            columns, numbers, positions = self._unspread(columns, numbered)
        arrays = [pa.array(cells, pa.string()) for cells in columns.values()]
        sheet = pa.array([self._grid.name] * len(numbers), pa.string())
        places = (pa.array(told, pa.int64()) for told in (numbers, positions))
        return pa.record_batch([*arrays, sheet, *places], names=[*columns, "sheet", "row", "at"])

    def report(self) -> None:
        """Say what was left out and filled, and which cells are merged that may not be."""
        telling, grid = self._telling, self._grid
        if self._footers:
            where = telling.where(sheet=grid.name, row=self._footers[0])
            self._findings.mended("total_rows_dropped", where, count=len(self._footers))
        if self._repeated:
            where = telling.where(sheet=grid.name, row=self._repeated[0])
            self._findings.mended("header_repeated", where, count=len(self._repeated))
        for name, filled in self._filled.items():
            place = self._place(self._chosen[name], row=filled[0])
            self._findings.mended("cells_filled_down", place, count=len(filled))
        if grid.sheet is None:
            return
        if hidden := grid.sheet.facts.hidden_rows:
            self._findings.review("rows_hidden", telling.where(sheet=grid.name), count=hidden, rows=hidden)
        if hidden := grid.sheet.facts.hidden_columns:
            self._findings.review(
                "columns_hidden", telling.where(sheet=grid.name), count=hidden, columns=hidden
            )
        by_position = {at + 1: name for name, at in self._chosen.items()}
        for first_row, first_column, last_row, last_column in grid.sheet.merged:
            touched = {by_position[at] for at in range(first_column, last_column + 1) if at in by_position}
            if first_row <= self._header_row or first_row in self._footers or not touched:
                continue
            if touched <= set(telling.fill_down) and first_column == last_column:
                continue
            place = self._place(first_column - 1, row=first_row)
            cells = f"{letter_of(first_column - 1)}{first_row}:{letter_of(last_column - 1)}{last_row}"
            self._findings.refuse("cells_merged", place, cells=cells)

    def _place(self, at: int, *, row: int) -> Where:
        canonical = next((name for name, position in self._chosen.items() if position == at), None)
        where = self._telling.where(sheet=self._grid.name, row=row, column=canonical)
        return replace(where, letter=letter_of(at))

    def _drop_ragged(self, numbered: dict[int, Sequence[str]]) -> None:
        """Refuse rows with more or fewer cells than the header; nothing is shifted."""
        for number in [n for n, cells in numbered.items() if len(cells) != self._width]:
            cells = numbered.pop(number)
            if not cells:  # an empty line is no row
                continue
            if self._is_footer(cells):
                self._footers.append(number)
                continue
            code = "row_too_long" if len(cells) > self._width else "row_too_short"
            where = self._telling.where(sheet=self._grid.name, row=number)
            self._findings.refuse(code, where, cells=len(cells), expected=self._width)

    def _is_footer(self, cells: Sequence[str]) -> bool:
        """Tell a row of totals or a signature: no key, and a word that says so."""
        key = cells[self._key].strip(BLANKS) if self._key < len(cells) else ""
        if key and not _TOTAL.fullmatch(key) and not _SIGNATURE.match(key):
            return False
        return any(
            _TOTAL.fullmatch(cell.strip(BLANKS)) or _SIGNATURE.match(cell.strip(BLANKS)) for cell in cells
        )

    def _unspread(
        self, columns: Mapping[str, Sequence[str | None]], numbered: Mapping[int, Sequence[str]]
    ) -> tuple[dict[str, Sequence[str | None]], list[int], list[int | None]]:
        """Return a row for each filled cell of the spread columns, with its number and position."""
        wide = self._telling.wide
        assert wide is not None  # noqa: S101  the caller's condition
        told: dict[str, list[str | None]] = {name: [] for name in (*columns, *wide.filled)}
        numbers: list[int] = []
        positions: list[int | None] = []
        for index, (number, cells) in enumerate(numbered.items()):
            for at, given in self._spread.items():
                cell = cells[at].strip(BLANKS)
                meant = wide.marks.get(cell, {}) if cell else None
                if meant is None:
                    continue
                if wide.marks and cell not in wide.marks:
                    place = replace(self._place(at, row=number), column=self._names[at])
                    self._findings.refuse("mark_unknown", place, allowed=" ".join(wide.marks))
                    continue
                row = {**given, **meant}
                if wide.value:
                    row.setdefault(wide.value, cell)
                for name in wide.filled:
                    told[name].append(row.get(name))
                for name, of in columns.items():
                    told[name].append(of[index])
                numbers.append(number)
                positions.append(at)
        return dict(told), numbers, positions

    def _fill_down(self, name: str, cells: Sequence[str | None], rows: Sequence[int]) -> list[str | None]:
        filled: list[str | None] = []
        for row, cell in zip(rows, cells, strict=True):
            if cell and cell.strip(BLANKS):
                self._above[name] = cell
            elif name in self._above:
                self._filled.setdefault(name, []).append(row)
            filled.append(self._above.get(name, cell))
        return filled


def _insert(connection: duckdb.DuckDBPyConnection, batches: Sequence[pa.RecordBatch]) -> None:
    if batches:
        connection.register("batches", pa.Table.from_batches(batches))
        connection.execute("INSERT INTO cells BY NAME SELECT * FROM batches")
        connection.unregister("batches")
