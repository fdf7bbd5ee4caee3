"""What is told of the cells of a file: findings with place and remedy.

What keeps the delivery out is told cell by cell, what was mended by column, and what wants a look. A finding
names the place and never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from riskmodel.records.contract import Column, Table, table
from riskmodel.records.files.text_files import is_garbled
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import usual_codes
from riskmodel.records.values.cell_reading import read_values, what_is_said
from riskmodel.records.values.cell_sql import kind_sql
from riskmodel.records.values.forms import literal, narrowed, trimmed

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
    asked = read_values(connection, telling, types)
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
    is_said = what_is_said(connection, asked)
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
