"""Checks and conversion: cells become values of the contract, or findings with place and remedy.

How a cell is read is said in `values`; here it is done for a file at once, and told: what keeps the delivery
out cell by cell, what was mended by column, what wants a look. A finding names the place and never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from riskmodel.records.contract import Column, Table, table
from riskmodel.records.files.text_files import is_garbled
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.rows import SQL_TYPES
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import usual_codes
from riskmodel.records.values.cell_sql import is_plain_sql, kind_sql, typed_fault, typed_value, value_sql
from riskmodel.records.values.forms import Reading, ValueSql, literal, narrowed, trimmed

NO_CELLS = ("sheet", "row", "at")
_SAMPLED = 2_000
"""So many different words of a column are looked at for a wrong encoding."""
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
    _read_values(connection, telling, types)
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
    for column in of.columns:
        if column.name in types or column.name in telling.constants:
            _tell_faults(connection, telling, findings, column)
            if column.kind == "text" and types.get(column.name) == "VARCHAR":
                _tell_garbled(connection, telling, findings, column)
            _tell_mended(connection, telling, findings, column)
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


def _read_values(connection: duckdb.DuckDBPyConnection, telling: Telling, types: Mapping[str, str]) -> None:
    """Make `told` in layers: cell, narrowed cell, value, and what there is to say of it."""
    layers = [_layers(column, telling, types) for column in telling.table.columns]
    cells, plains, values, said = (", ".join(layer) for layer in zip(*layers, strict=True))
    working = ", ".join(
        f'"{part} {column.name}"' for column in telling.table.columns for part in ("plain", "is plain", "raw")
    )
    blank = " AND ".join(f'"cell {name}" IS NULL' for name in types if name not in NO_CELLS)
    connection.execute(
        f"""CREATE OR REPLACE TABLE told AS
            SELECT * EXCLUDE ({working}), {said} FROM (SELECT *, {values} FROM (SELECT *, {plains} FROM (
                SELECT {cells}, sheet, "row", "at" FROM cells) WHERE NOT ({blank})))"""
    )


def _layers(column: Column, telling: Telling, types: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return a column's part of each layer. Nothing more is asked of a cell that is plain: most of them."""
    name, reading = column.name, _reading(column, telling)
    kind = "VARCHAR" if name in telling.constants else types.get(name)
    cell, of_type = f'"cell {name}"', SQL_TYPES[column.kind]
    is_text = kind is not None and (
        kind == "VARCHAR" or kind.startswith("ENUM") or name in telling.codes or name in telling.dates
    )
    is_plain, plain, trims = "true", "CAST(NULL AS VARCHAR)", "false"
    if kind is None:
        sql = ValueSql(f"CAST(NULL AS {of_type})", "NULL", "NULL")
    elif is_text:
        told = value_sql(column, reading)
        is_plain = f"({cell} IS NULL OR {is_plain_sql(column, reading)})"
        plain = f"CASE WHEN NOT {is_plain} THEN {narrowed(cell)} END"
        unless = f'CASE WHEN NOT "is plain {name}" THEN'
        sql = ValueSql(
            f'CASE WHEN "is plain {name}" THEN TRY_CAST({cell} AS {of_type}) ELSE {told.value} END',
            *(f"{unless} {part} END" for part in (told.mended, told.fault, told.doubt)),
        )
        if kind == "VARCHAR" and name in types and name not in telling.codes:
            trims = f'"{name}" <> {cell}'
    else:
        sql = ValueSql(typed_value(column, cell=cell, kind=kind), "NULL", typed_fault(column))
    mended = f"coalesce({sql.mended}, CASE WHEN \"raw {name}\" THEN 'blanks_trimmed' END)"
    return (
        f'{_cell(column, telling, kind)} AS {cell}, {trims} AS "raw {name}"',
        f'{is_plain} AS "is plain {name}", {plain} AS "plain {name}"',
        f'CAST({sql.value} AS {of_type}) AS "{name}"',
        f'{mended} AS "mended {name}", {sql.fault} AS "fault {name}", {sql.doubt} AS "doubt {name}"',
    )


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
        f'SELECT "fault {name}", count(*) FROM told WHERE "fault {name}" IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall()
    allowed = ", ".join([*column.codes, *(["other:…"] if column.open_codes else [])])
    for code, count in counts:
        kind = kind_sql(f'CAST("cell {name}" AS VARCHAR)')
        rows = connection.execute(
            f"""SELECT sheet, "row", "at", {kind} FROM told WHERE "fault {name}" = $code
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
        f"""SELECT "cell {name}", min((sheet, "row", "at")) FROM told
            WHERE "fault {name}" IS NULL AND regexp_matches("cell {name}", '[^\\x00-\\x7F]')
            GROUP BY 1 ORDER BY 2 LIMIT {_SAMPLED}"""
    ).fetchall()
    garbled = [place for word, place in words if is_garbled(word)]
    if len(garbled) * 2 > len(words):
        sheet, row, at = garbled[0]
        findings.refuse("text_garbled", telling.where(sheet=sheet, row=row, at=at, column=name))


def _tell_mended(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, column: Column
) -> None:
    """Tell what was mended in a column as one finding of each kind; what wants a look cell by cell."""
    name = column.name
    for code, count, first in connection.execute(
        f"""SELECT "mended {name}", count(*), min((sheet, "row", "at")) FROM told
            WHERE "mended {name}" IS NOT NULL GROUP BY 1 ORDER BY 1"""
    ).fetchall():
        where = telling.where(sheet=first[0], row=first[1], at=first[2], column=name)
        findings.mended(code, where, count=count)
    for code, count in connection.execute(
        f'SELECT "doubt {name}", count(*) FROM told WHERE "doubt {name}" IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall():
        rows = connection.execute(
            f"""SELECT sheet, "row", "at", {kind_sql(f'CAST("cell {name}" AS VARCHAR)')} FROM told
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
        cell, value = f'"cell {column.name}"', f'"{column.name}"'
        if column.required and not column.may_be_empty:
            rules.append(_Rule("cell_empty", column.name, f"{cell} IS NULL", {}))
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
        rules.append(_Rule("sitting_without_score", "score", "\"cell score\" IS NULL AND status = 'sat'", {}))
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
