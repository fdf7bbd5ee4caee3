"""Checks and conversion: cells become values of the contract, or findings with row and remedy.

A cell is converted by rules of ours, never by guessing: a date is a real day written YYYY-MM-DD, a number is
ASCII digits with a point (no 1e5, no 1_000), a boolean is true or false. A finding names the place and
never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from riskmodel.records.contract import Column, Table
from riskmodel.records.findings import Findings
from riskmodel.records.readers import Telling
from riskmodel.records.store import SQL_TYPES

NO_CELLS = ("sheet", "row")
_BLANK = "' \t\r\n\u3000\u00a0'"
_INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
)  # fmt: skip
_CODE_OF_KIND = {
    "date": "value_no_date",
    "integer": "value_no_integer",
    "number": "value_no_number",
    "boolean": "value_no_boolean",
    "code": "value_no_code",
    "text": "value_no_text",
}


@dataclass(frozen=True)
class _Rule:
    code: str
    column: str
    broken: str
    slots: Mapping[str, str]


def check_cells(connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings) -> None:
    """Turn the table `cells` into the view `told`: the contract's columns with their types, and `row`.

    Every cell that breaks a rule becomes a finding; its value is then missing in `told`.
    """
    table = telling.table
    types = {name: kind.upper() for name, kind, *_ in connection.execute("DESCRIBE cells").fetchall()}
    read = []
    for column in table.columns:
        cell = _cell(column, telling, types)
        kind = "VARCHAR" if column.name in telling.constants else types.get(column.name, "VARCHAR")
        value = _value(column, kind=kind, date_format=telling.dates.get(column.name))
        read.append(f'{cell} AS "cell {column.name}"')
        read.append(f'{value} AS "{column.name}"')
    blank = " AND ".join(f'"cell {name}" IS NULL' for name in types if name not in NO_CELLS)
    connection.execute(
        f"""CREATE OR REPLACE VIEW told AS SELECT {", ".join(read)}, sheet, "row" FROM cells
            WHERE NOT ({blank})"""
    )
    _apply(connection, telling, findings, _rules(table))
    _mended(connection, telling, findings, types)


def _cell(column: Column, telling: Telling, types: Mapping[str, str]) -> str:
    """Return the SQL of a cell: text without blanks around it, empty as missing, source codes translated."""
    if column.name in telling.constants:
        cell = _literal(telling.constants[column.name])
    elif column.name not in types:
        return "CAST(NULL AS VARCHAR)"
    elif types[column.name] != "VARCHAR":
        cell = f'"{column.name}"'
        if column.name not in telling.codes and column.name not in telling.dates:
            return cell
        cell = f"CAST({cell} AS VARCHAR)"
    else:
        cell = f"nullif(trim(\"{column.name}\", {_BLANK}), '')"
    codes = telling.codes.get(column.name)
    if codes:
        whens = " ".join(f"WHEN {_literal(theirs)} THEN {_literal(ours)}" for theirs, ours in codes.items())
        cell = f"nullif(CASE {cell} {whens} ELSE {cell} END, '')"
    return cell


def _value(column: Column, *, kind: str, date_format: str | None) -> str:
    """Return the SQL of a cell's value, missing where it is not a value of the column."""
    cell = f'"cell {column.name}"'
    missing = f"CAST(NULL AS {SQL_TYPES[column.kind]})"
    is_text = kind == "VARCHAR" or kind.startswith("ENUM")
    text = cell if kind == "VARCHAR" else f"CAST({cell} AS VARCHAR)"
    if kind == '"NULL"':
        return missing
    if column.kind == "date" and date_format is not None:
        return f"CAST(try_strptime({text}, {_literal(date_format)}) AS DATE)"
    if column.kind in ("text", "code"):
        if not is_text and kind not in _INTEGERS:
            return missing
        return _code(column, text) if column.kind == "code" else text
    if is_text:
        return _FROM_TEXT[column.kind].format(cell=text)
    return _from_number_or_date(column, cell=cell, kind=kind) or missing


_FROM_TEXT = {
    "date": (
        "CASE WHEN regexp_full_match({cell}, '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]') "
        "THEN TRY_CAST({cell} AS DATE) END"
    ),
    "integer": "CASE WHEN regexp_full_match({cell}, '-?[0-9]+') THEN TRY_CAST({cell} AS BIGINT) END",
    "number": (
        "CASE WHEN regexp_full_match({cell}, '-?[0-9]+([.][0-9]+)?') "
        "AND isfinite(TRY_CAST({cell} AS DOUBLE)) THEN TRY_CAST({cell} AS DOUBLE) END"
    ),
    "boolean": "CASE lower({cell}) WHEN 'true' THEN true WHEN 'false' THEN false END",
}


def _from_number_or_date(column: Column, *, cell: str, kind: str) -> str | None:
    is_number = kind in _INTEGERS or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL")
    if column.kind == "integer" and is_number:
        return f"CASE WHEN {cell} = trunc({cell}) THEN TRY_CAST({cell} AS BIGINT) END"
    if column.kind == "number" and is_number:
        return f"CASE WHEN isfinite(CAST({cell} AS DOUBLE)) THEN CAST({cell} AS DOUBLE) END"
    if column.kind == "date" and kind.startswith("TIMESTAMP"):
        return f"CASE WHEN {cell} = date_trunc('day', {cell}) THEN CAST({cell} AS DATE) END"
    return cell if (column.kind, kind) in (("date", "DATE"), ("boolean", "BOOLEAN")) else None


def _code(column: Column, text: str) -> str:
    allowed = f"{text} IN ({', '.join(_literal(code) for code in column.codes)})"
    if column.open_codes:
        allowed += f" OR regexp_full_match({text}, 'other:.+')"
    return f"CASE WHEN {allowed} THEN {text} END"


def _literal(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def _rules(table: Table) -> list[_Rule]:
    rules = []
    for column in table.columns:
        cell, value = f'"cell {column.name}"', f'"{column.name}"'
        if column.required and not column.may_be_empty:
            rules.append(_Rule("cell_empty", column.name, f"{cell} IS NULL", {}))
        code = _CODE_OF_KIND[column.kind]
        allowed = ", ".join([*column.codes, *(["other:…"] if column.open_codes else [])])
        slots = {"allowed": allowed} if column.kind == "code" else {}
        rules.append(_Rule(code, column.name, f"{cell} IS NOT NULL AND {value} IS NULL", slots))
        if column.minimum is not None:
            slots = {"minimum": f"{column.minimum:g}"}
            rules.append(_Rule("number_too_small", column.name, f"{value} < {column.minimum}", slots))
        if column.maximum is not None:
            slots = {"maximum": f"{column.maximum:g}"}
            rules.append(_Rule("number_too_large", column.name, f"{value} > {column.maximum}", slots))
    names = {column.name for column in table.columns}
    if {"start_date", "end_date"} <= names:
        rules.append(_Rule("end_before_start", "end_date", "end_date < start_date", {}))
    if table.name == "grades":
        rules.append(_Rule("score_above_full", "score", "score > full_score", {}))
        rules.append(_Rule("score_without_sitting", "score", "score IS NOT NULL AND status <> 'sat'", {}))
        rules.append(_Rule("sitting_without_score", "score", "\"cell score\" IS NULL AND status = 'sat'", {}))
    if table.name == "attendance":
        broken = "days_absent > end_date - start_date + 1 AND end_date >= start_date"
        rules.append(_Rule("absent_longer_than_period", "days_absent", broken, {}))
    if table.name == "enrolments":
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
            f'SELECT sheet, "row" FROM told WHERE {rule.broken} ORDER BY sheet, "row" LIMIT {findings.room}'
        ).fetchall()
        for sheet, row in rows:
            where = telling.where(sheet=sheet, row=row, column=rule.column)
            findings.refuse(rule.code, where, **rule.slots)
        findings.count_more(rule.code, count - len(rows))


def _mended(
    connection: duckdb.DuckDBPyConnection, telling: Telling, findings: Findings, types: Mapping[str, str]
) -> None:
    texts = [column.name for column in telling.table.columns if types.get(column.name) == "VARCHAR"]
    trimmed = [f'count(*) FILTER (trim("{name}", {_BLANK}) <> "{name}")' for name in texts]
    told = "count(*) - (SELECT count(*) FROM told)"
    blank, *counts = connection.execute(f"SELECT {', '.join([told, *trimmed])} FROM cells").fetchall()[0]
    if blank:
        findings.mended("blank_rows_skipped", telling.where(), count=blank)
    for name, count in zip(texts, counts, strict=True):
        if count:
            findings.mended("blanks_trimmed", telling.where(column=name), count=count)
