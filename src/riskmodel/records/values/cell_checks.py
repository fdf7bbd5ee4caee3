"""Checks and conversion: cells become values of the contract, or findings with place and remedy.

How a cell is read is said in `values`; here it is done for a file at once, and told: what keeps the delivery
out cell by cell, what was mended by column, what wants a look. A finding names the place and never the value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from riskmodel.records.contract import Column, Table, table
from riskmodel.records.files.text_files import is_garbled
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.rows import SQL_TYPES, column_types, quoted
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import usual_codes
from riskmodel.records.values.cell_sql import (
    is_plain_sql,
    kind_sql,
    typed_fault,
    typed_mended,
    typed_value,
    value_sql,
)
from riskmodel.records.values.forms import Reading, ValueSql, literal, narrowed, trimmed

NO_CELLS = ("sheet", "row", "at")
_PARTS = ("fault", "mended", "doubt")
_SAMPLED = 2_000
"""So many different words of a column are looked at for a wrong encoding."""
_FEW = 20_000
"""A file of so many rows is looked at once and kept whole: to plan the look takes longer than the look."""
_MANY = 20
"""More doubts than this of one kind in one column are told as one, with their count."""


@dataclass(frozen=True)
class _Rule:
    code: str
    column: str
    broken: str
    slots: Mapping[str, str]


def check_cells(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> None:
    """Turn the table `cells` into the table `told`: the contract's columns with their types, and the place.

    Every cell that breaks a rule becomes a finding; its value is then missing in `told`.
    """
    of = telling.table
    if of.name == "grades":
        _tell_status_by_score(connection, telling, findings)
    types = {name: kind.upper() for name, kind, *_ in connection.execute("DESCRIBE cells").fetchall()}
    asked = _read_values(connection, telling, types)
    blank = connection.execute(
        "SELECT (SELECT count(*) FROM cells) - (SELECT count(*) FROM told)"
    ).fetchall()[0][0]
    if blank:
        sheet, row = connection.execute(
            """SELECT sheet, "row" FROM cells
               WHERE (coalesce(sheet, ''), "row") NOT IN (SELECT (coalesce(sheet, ''), "row") FROM told)
               ORDER BY ALL LIMIT 1"""
        ).fetchall()[0]
        findings.mended("blank_rows_skipped", telling.where(sheet=sheet, row=row), count=blank)
    is_said = _what_is_said(connection, asked)
    for column in of.columns:
        if is_said["fault", column.name]:
            _tell_faults(connection, telling, findings, column)
        if column.kind == "text" and types.get(column.name) == "VARCHAR":
            _tell_garbled(connection, telling, findings, column)
        if is_said["mended", column.name]:
            _tell_mended(connection, telling, findings, column)
        if is_said["doubt", column.name]:
            _tell_doubts(connection, telling, findings, column)
    _apply(connection, telling, findings, _rules(of))


def _tell_status_by_score(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings
) -> None:
    """Read a word in the place of a score (absent, exempt) as the exam's status: absent is not 0."""
    types = {name: kind.upper() for name, kind, *_ in connection.execute("DESCRIBE cells").fetchall()}
    if types.get("score") != "VARCHAR" or "score" in telling.codes:
        return
    words = {
        word: code for word, code in usual_codes(table("grades").column("status")).items() if code != "sat"
    }
    whens = " ".join(f"WHEN {literal(word)} THEN {literal(code)}" for word, code in words.items())
    status = f"CASE {narrowed(trimmed('score'))} {whens} END"
    has_status = "status" in types or "status" in telling.constants
    count, first = connection.execute(
        f'SELECT count(*), min((sheet, "row", "at")) FROM cells WHERE {status} IS NOT NULL'
    ).fetchall()[0]
    if not has_status:
        connection.execute("ALTER TABLE cells ADD COLUMN status VARCHAR")
        connection.execute(f"UPDATE cells SET status = coalesce({status}, 'sat') WHERE {_not_blank(types)}")
    if count and (not has_status or types.get("status") == "VARCHAR"):
        told = f"coalesce({trimmed('status')}, {status})"
        connection.execute(f"UPDATE cells SET status = {told}, score = NULL WHERE {status} IS NOT NULL")
        where = telling.where(sheet=first[0], row=first[1], at=first[2], column="score")
        findings.mended("score_words_coded", where, count=count)


def _not_blank(types: Mapping[str, str]) -> str:
    return " OR ".join(
        f"\"{name}\" <> ''" for name, kind in types.items() if kind == "VARCHAR" and name != "sheet"
    )


def _read_values(
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


def _what_is_said(connection: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> Counter[tuple[str, str]]:
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


def _tell_faults(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, column: Column
) -> None:
    name = column.name
    counts = connection.execute(
        f'SELECT "fault {name}", count(*) FROM said WHERE "fault {name}" IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall()
    allowed = ", ".join([*column.codes, *(["other:…"] if column.open_codes else [])])
    for code, count in counts:
        kind = kind_sql(f'CAST("cell {name}" AS VARCHAR)')
        rows = connection.execute(
            f"""SELECT sheet, "row", "at", {kind} FROM said WHERE "fault {name}" = $code
                ORDER BY sheet, "row" LIMIT {findings.room}""",
            {"code": code},
        ).fetchall()
        for sheet, row, at, found in rows:
            where = telling.where(sheet=sheet, row=row, column=name, at=at)
            findings.refuse(code, where, kind=found, allowed=allowed)
        findings.count_more(code, count - len(rows))


def _tell_garbled(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, column: Column
) -> None:
    """Refuse a column of which most words were read in a wrong encoding once, at the first of them."""
    name = column.name
    words = connection.execute(
        f"""SELECT "{name}", min((sheet, "row", "at")) FROM told
            WHERE regexp_matches("{name}", '[^\\x00-\\x7F]')
            GROUP BY 1 ORDER BY 2 LIMIT {_SAMPLED}"""
    ).fetchall()
    garbled = [place for word, place in words if is_garbled(word)]
    if len(garbled) * 2 > len(words):
        sheet, row, at = garbled[0]
        findings.refuse("text_garbled", telling.where(sheet=sheet, row=row, at=at, column=name))


def _tell_mended(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, column: Column
) -> None:
    """Tell what was mended in a column, as one finding of each kind."""
    name = column.name
    for code, count, first in connection.execute(
        f"""SELECT "mended {name}", count(*), min((sheet, "row", "at")) FROM said
            WHERE "mended {name}" IS NOT NULL GROUP BY 1 ORDER BY 1"""
    ).fetchall():
        where = telling.where(sheet=first[0], row=first[1], at=first[2], column=name)
        findings.mended(code, where, count=count)


def _tell_doubts(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, column: Column
) -> None:
    """Tell what wants a look, cell by cell."""
    name = column.name
    for code, count in connection.execute(
        f'SELECT "doubt {name}", count(*) FROM said WHERE "doubt {name}" IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall():
        rows = connection.execute(
            f"""SELECT sheet, "row", "at", {kind_sql(f'CAST("cell {name}" AS VARCHAR)')} FROM said
                WHERE "doubt {name}" = $code ORDER BY sheet, "row" LIMIT {_MANY}""",
            {"code": code},
        ).fetchall()
        for number, (sheet, row, at, found) in enumerate(rows, start=1):
            where = telling.where(sheet=sheet, row=row, column=name, at=at)
            more = count - len(rows) + 1 if number == len(rows) else 1
            findings.review(code, where, kind=found, count=more)


def _rules(of: Table) -> list[_Rule]:
    rules = []
    for column in of.columns:
        value = f'"{column.name}"'
        if column.required and not column.may_be_empty:
            rules.append(_Rule("cell_empty", column.name, f'"empty {column.name}"', {}))
        if column.minimum is not None:
            slots = {"minimum": f"{column.minimum:g}"}
            rules.append(_Rule("number_too_small", column.name, f"{value} < {column.minimum}", slots))
        if column.maximum is not None:
            slots = {"maximum": f"{column.maximum:g}"}
            rules.append(_Rule("number_too_large", column.name, f"{value} > {column.maximum}", slots))
    names = {column.name for column in of.columns}
    if {"start_date", "end_date"} <= names:
        rules.append(_Rule("end_before_start", "end_date", "end_date < start_date", {}))
    if of.name == "grades":
        rules.append(_Rule("score_above_full", "score", "score > full_score", {}))
        rules.append(_Rule("score_without_sitting", "score", "score IS NOT NULL AND status <> 'sat'", {}))
        rules.append(_Rule("sitting_without_score", "score", "\"empty score\" AND status = 'sat'", {}))
    if of.name == "attendance":
        broken = "days_absent > end_date - start_date + 1 AND end_date >= start_date"
        rules.append(_Rule("absent_longer_than_period", "days_absent", broken, {}))
    if of.name == "enrolments":
        broken = "end_date IS NULL AND exit_reason IS NOT NULL"
        rules.append(_Rule("exit_reason_without_end", "exit_reason", broken, {}))
    return rules


def _apply(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, rules: list[_Rule]
) -> None:
    counts = connection.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({rule.broken})' for rule in rules)} FROM told"
    ).fetchall()[0]
    for rule, count in zip(rules, counts, strict=True):
        if not count:
            continue
        rows = connection.execute(
            f"""SELECT sheet, "row", "at" FROM told WHERE {rule.broken}
                ORDER BY sheet, "row" LIMIT {findings.room}"""
        ).fetchall()
        for sheet, row, at in rows:
            where = telling.where(sheet=sheet, row=row, column=rule.column, at=at)
            findings.refuse(rule.code, where, **rule.slots)
        findings.count_more(rule.code, count - len(rows))
