"""The cells of a file become values of the contract, and what there is to say of them: SQL over a whole file.

How one cell is read is said in `cell_sql`. Most columns are plain from top to bottom; of these nothing more
than that is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from riskmodel.records.contract import Column, Table
from riskmodel.records.keeping.rows import SQL_TYPES, column_types, quoted
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.values.cell_sql import is_plain_sql, typed_fault, typed_mended, typed_value, value_sql
from riskmodel.records.values.forms import Reading, ValueSql, literal, narrowed, trimmed

NO_CELLS = ("sheet", "row", "at")
_PARTS = ("fault", "mended", "doubt")
_FEW = 20_000
"""A file of so many rows is looked at once and kept whole: to plan the look takes longer than the look."""


def read_values(
    connection: duckdb.DuckDBPyConnection, telling: Telling, types: Mapping[str, str]
) -> list[str]:
    """Make `told`, the values, and `said`, what there is to say of the few rows that are not plain.

    Most columns are plain from top to bottom: that is found by one look, and nothing more is asked of them.
    Of the others each cell is read in layers: the cell, the cell narrowed, its value, what was found.

    Returns
    -------
    list of str
        The columns of which `said` may say something.
    """
    of = telling.table
    looks = [_look(column, telling, types) for column in of.columns]
    rows, asked = _not_plain(connection, looks)
    parts = [look.layers if look.name in asked else look.plain_layers for look in looks]
    cells, plains, values, said = (", ".join(filter(None, layer)) for layer in zip(*parts, strict=True))
    blank = " AND ".join(f'"cell {name}" IS NULL' for name in types if name not in NO_CELLS)
    looked = f"""(SELECT *, {values} FROM (SELECT *{plains and f", {plains}"} FROM (
                    SELECT {cells}, sheet, "row", "at" FROM cells) WHERE NOT ({blank})))"""
    if asked:
        looked = f"(SELECT *, {said} FROM {looked})"
    if asked and rows <= _FEW:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE looked AS FROM {looked}")
        looked = "looked"
    empty = "".join(f', "cell {name}" IS NULL AS "empty {name}"' for name in _asked_whether_empty(of))
    connection.execute(
        f"""CREATE OR REPLACE TABLE told AS
            SELECT {quoted(column_types(of))}, sheet, "row", "at"{empty} FROM {looked}"""
    )
    found = [f'"{part} {name}"' for name in asked for part in _PARTS]
    written = "".join(f'"cell {name}", ' for name in asked)
    faulty = " OR ".join(f'"fault {name}" IS NOT NULL' for name in asked)
    connection.execute(
        f"""CREATE OR REPLACE TABLE said AS
            SELECT {"".join(f"{part}, " for part in found)}{written}{faulty or "false"} AS is_faulty,
                   sheet, "row", "at"
            FROM {looked if asked else "told"}
            WHERE {" OR ".join(f"{part} IS NOT NULL" for part in found) or "false"}"""
    )
    return asked


def _not_plain(connection: duckdb.DuckDBPyConnection, looks: Sequence[_Look]) -> tuple[int, list[str]]:
    """Count the rows of `cells`, and name the columns in which a cell is not plain."""
    there = [look for look in looks if look.is_plain != "true"]
    if not there:
        return 0, []
    cells = ", ".join(
        f'{look.cell} AS "cell {look.name}", {look.trims} AS "raw {look.name}"' for look in there
    )
    tests = ", ".join(f'bool_and({look.is_plain} AND "raw {look.name}" IS NOT true)' for look in there)
    rows, *are_plain = connection.execute(
        f"SELECT count(*), {tests} FROM (SELECT {cells} FROM cells)"
    ).fetchall()[0]
    return rows, [look.name for look, is_plain in zip(there, are_plain, strict=True) if is_plain is False]


def what_is_said(connection: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count, per part (`fault`, `mended`, `doubt`) and column, the cells of which something is said."""
    if not asked:
        return Counter()
    told = [(part, name) for part in _PARTS for name in asked]
    counts = ", ".join(f'count("{part} {name}")' for part, name in told)
    return Counter(
        dict(zip(told, connection.execute(f"SELECT {counts} FROM said").fetchall()[0], strict=True))
    )


def _asked_whether_empty(of: Table) -> list[str]:
    """Return the columns of which a rule asks whether anything was written there at all."""
    asked = [column.name for column in of.columns if column.required and not column.may_be_empty]
    return asked + (["score"] if of.name == "grades" else [])


@dataclass(frozen=True)
class _Look:
    """How the cells of a column are looked at, as SQL.

    `cell` is the cell without blanks around it, `trims` whether there were any, `is_plain` whether nothing
    else needs to be said of it; then `plain_value` is its value, else what `read` says.
    """

    name: str
    of_type: str
    cell: str
    trims: str
    is_plain: str
    narrowed: str
    plain_value: str
    read: ValueSql

    @property
    def plain_layers(self) -> tuple[str, str, str, str]:
        """Return the column's part of each layer where all its cells are plain."""
        value = f'CAST({self.plain_value} AS {self.of_type}) AS "{self.name}"'
        return f'{self.cell} AS "cell {self.name}"', "", value, ""

    @property
    def layers(self) -> tuple[str, str, str, str]:
        """Return the column's part of each layer: cell, cell narrowed, value, what there is to say."""
        name, read, unless = self.name, self.read, f'CASE WHEN NOT "is plain {self.name}" THEN'
        value = f'CASE WHEN "is plain {name}" THEN {self.plain_value} ELSE {read.value} END'
        mended, fault, doubt = (f"{unless} {part} END" for part in (read.mended, read.fault, read.doubt))
        mended = f"coalesce({mended}, CASE WHEN \"raw {name}\" THEN 'blanks_trimmed' END)"
        return (
            f'{self.cell} AS "cell {name}", {self.trims} AS "raw {name}"',
            f'{self.is_plain} AS "is plain {name}", {self.narrowed} AS "plain {name}"',
            f'CAST({value} AS {self.of_type}) AS "{name}"',
            f'{mended} AS "mended {name}", {fault} AS "fault {name}", {doubt} AS "doubt {name}"',
        )


_INSTANT = "TIMESTAMP WITH TIME ZONE"


def _look(column: Column, telling: Telling, types: Mapping[str, str]) -> _Look:
    name, reading = column.name, _reading(column, telling)
    kind = "VARCHAR" if name in telling.constants else types.get(name)
    cell, of_type, none = f'"cell {name}"', SQL_TYPES[column.kind], "CAST(NULL AS VARCHAR)"
    how = _cell(column, telling, kind)
    if kind is None:
        return _Look(name, of_type, how, "false", "true", none, "NULL", ValueSql("NULL", "NULL", "NULL"))
    if kind == "VARCHAR" or kind.startswith("ENUM") or name in telling.codes or name in telling.dates:
        is_plain = f"({cell} IS NULL OR {is_plain_sql(column, reading)})"
        narrow = f"CASE WHEN NOT {is_plain} THEN {narrowed(cell)} END"
        trims = f'"{name}" <> {trimmed(name)}' if types.get(name) == "VARCHAR" else "false"
        value = f"TRY_CAST({cell} AS {of_type})"
        return _Look(name, of_type, how, trims, is_plain, narrow, value, value_sql(column, reading))
    kind = "TIMESTAMP" if kind == _INSTANT else kind
    value = typed_value(column, cell=cell, kind=kind)
    mended = typed_mended(column, cell=cell, kind=kind)
    is_plain = f"({cell} IS NULL OR ({value} IS NOT NULL AND {mended} IS NULL))"
    read = ValueSql(value, mended, typed_fault(column))
    return _Look(name, of_type, how, "false", is_plain, none, value, read)


def _reading(column: Column, telling: Telling) -> Reading:
    return Reading(
        codes=telling.codes.get(column.name),
        date_format=telling.dates.get(column.name),
        base_1904=telling.base_1904,
        factor=telling.factors.get(column.name, 1.0),
        decimal_comma=telling.decimal_comma,
    )


def _cell(column: Column, telling: Telling, kind: str | None) -> str:
    """Return the SQL of a cell: text without blanks around it, empty as missing, source codes translated."""
    if column.name in telling.constants:
        cell = literal(telling.constants[column.name])
    elif kind is None:
        return "CAST(NULL AS VARCHAR)"
    elif kind != "VARCHAR":
        cell = f'"{column.name}"'
        if kind == _INSTANT:  # its day is that of where schools are, whatever zone this machine keeps
            cell = f"timezone('Asia/Shanghai', {cell})"
        if kind == '"NULL"' or kind.startswith("ENUM") or column.name in (*telling.codes, *telling.dates):
            cell = f"CAST({cell} AS VARCHAR)"
    else:
        cell = trimmed(column.name)
    if missing := telling.missing.get(column.name):
        cell = f"CASE WHEN {cell} NOT IN ({', '.join(map(literal, missing))}) THEN {cell} END"
    codes = telling.codes.get(column.name)
    if codes:
        whens = " ".join(f"WHEN {literal(theirs)} THEN {literal(ours)}" for theirs, ours in codes.items())
        cell = f"nullif(CASE {cell} {whens} ELSE {cell} END, '')"
    return cell
