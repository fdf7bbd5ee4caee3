"""When a row is known, and what a delivery changes: the rules of the two dates, as SQL.

Of a delivery the rows of one table and bucket stand in `fresh`, those of the store in `stored`; `merged` is
what the new generation holds. A row that vanished from a file that was sent again is known until the day of
the delivery; a row that says the same statement anew (same key, same `recorded_on`) is known from then.
What was known before stays answerable.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from riskmodel.errors import Where
from riskmodel.records.contract import Table
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.rows import (
    BEGINNING,
    STORED,
    column_types,
    has_recorded_on,
    quoted,
    statement_of,
)

_TOLD_BY_CLOSING = ("end_date", "exit_reason", "to_school_id", "expected_return", "recorded_on")
_BEGINNING = f"DATE '{BEGINNING.isoformat()}'"


def known_from_sql(table: Table, reporting_delay_days: int) -> str:
    """Return the SQL of the day from which a row is known.

    That is `recorded_on`; else the last event date that the row states (an opening: its start) and the
    reporting delay; else, where the table tells no event, the beginning.
    """
    if table.event_dates is None:
        known = _BEGINNING
    else:
        known = f"greatest({quoted(table.event_dates)}) + {reporting_delay_days}"
    return f"coalesce(recorded_on, {known})" if has_recorded_on(table) else known


def merge(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    *,
    stored: Path | None,
    bucket: int | None,
    bucket_count: int,
    repeated: bool,
    day: date,
) -> None:
    """Make the table `merged` of one table and bucket from the store's file and the staged rows.

    Needs `staged_<table>` (the rows of this delivery, made known on `day`) and `sent` (which files were
    sent anew, and the delay of their source). `repeated` tells whether a row may be staged twice.
    """
    columns = ", ".join(f'"{name}" {kind}' for name, kind in (column_types(table) | STORED).items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE stored ({columns})")
    if stored is not None:
        connection.execute("INSERT INTO stored BY NAME FROM read_parquet($file)", {"file": str(stored)})
    count = bucket_count if table.per_student else 1
    _make_fresh(connection, table, bucket=bucket or 0, bucket_count=count, repeated=repeated)
    if table.spell:
        _add_implied_openings(connection, table)
    if stored is None:
        connection.execute("DROP TABLE IF EXISTS merged; ALTER TABLE fresh RENAME TO merged")
    else:
        _merge_with_stored(connection, table, day)


def has_repeated_rows(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Tell whether any file of the staged rows says a row twice: much cheaper than to put rows together."""
    content = quoted(column_types(table))
    rows, different = connection.execute(
        f"SELECT count(*), count(DISTINCT hash({content}, origin, file)) FROM staged_{table.name}"
    ).fetchall()[0]
    return bool(rows != different)


def _make_fresh(
    connection: duckdb.DuckDBPyConnection, table: Table, *, bucket: int, bucket_count: int, repeated: bool
) -> None:
    """Make `fresh`: the staged rows of a bucket, each once though its file may say it again."""
    columns = {name: f'"{name}"' for name in (column_types(table) | STORED)}
    columns |= {"known_until": "CAST(NULL AS DATE)", "implied": "false"}
    group = ""
    if repeated:
        group = f"GROUP BY {quoted(column_types(table))}, origin, file"
        columns |= {name: f"any_value({name})" for name in ("known_from", "statement_on", "delivery")}
        columns |= {"sheet": 'arg_min(sheet, "row")', "row": 'min("row")'}
    select = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE fresh AS SELECT {select} FROM staged_{table.name}
            WHERE student_hash % {bucket_count} = {bucket} {group}"""
    )


def report_conflicts(connection: duckdb.DuckDBPyConnection, table: Table, findings: Findings) -> None:
    """Refuse statements of `merged` that contradict each other, naming both rows."""
    content, statement = quoted(column_types(table)), ", ".join(statement_of(table))
    keyed = "".join(f' AND "{c.name}" IS NOT NULL' for c in table.columns if c.key and not c.may_be_empty)
    claims = f"FROM merged WHERE known_until IS NULL AND NOT implied{keyed}"
    doubtful = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 {claims} GROUP BY {statement} HAVING count(*) > 1)"
    ).fetchall()[0][0]
    if not doubtful:
        return
    rows = connection.execute(
        f"""SELECT dense_rank() OVER (ORDER BY {statement}) AS said,
                   dense_rank() OVER (ORDER BY {content}) AS content, origin, file, sheet, "row"
            FROM (SELECT * {claims} QUALIFY count(*) OVER (PARTITION BY {statement}) > 1)
            ORDER BY said, origin, file, sheet, "row" """
    ).fetchall()
    first: dict[int, tuple[int, str, int]] = {}
    for said, said_content, source, file, sheet, row in rows:
        place = f"{file} / {sheet}" if sheet else file
        content_then, other_file, other_row = first.setdefault(said, (said_content, place, row))
        if said_content != content_then:
            where = Where(source=source, file=file, sheet=sheet, row=row)
            key = ", ".join(table.key)
            findings.refuse("rows_contradict", where, other_file=other_file, other_row=other_row, columns=key)


def _add_implied_openings(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Add to `fresh` the opening of each spell of which only a closed row was ever sent.

    It is known from its start, unless the closed row itself is known by then.
    """
    key = quoted(table.key)
    opening = ", ".join(
        f'{"NULL" if name in _TOLD_BY_CLOSING else f"closed.{name}"} AS "{name}"'
        for name in column_types(table)
    )
    connection.execute(
        f"""INSERT INTO fresh BY NAME
            WITH closed AS (
                SELECT fresh.*, start_date + if(recorded_on IS NULL, delay, 0) AS opened_on
                FROM fresh JOIN (SELECT origin, max(delay) AS delay FROM sent GROUP BY origin) USING (origin)
                QUALIFY row_number() OVER (
                    PARTITION BY origin, file, {key} ORDER BY fresh.known_from, "row"
                ) = 1
            ),
            sent_openings AS (
                SELECT {key} FROM fresh WHERE end_date IS NULL
                UNION SELECT {key} FROM stored WHERE end_date IS NULL AND NOT implied
            )
            SELECT {opening}, opened_on AS known_from, NULL AS known_until,
                   opened_on AS statement_on, true AS implied, origin, delivery, file, sheet, "row"
            FROM closed ANTI JOIN sent_openings USING ({key})
            WHERE opened_on < known_from"""
    )


def _merge_with_stored(connection: duckdb.DuckDBPyConnection, table: Table, delivered_on: date) -> None:
    day = f"DATE '{delivered_on.isoformat()}'"
    sent = f"SELECT (origin, file) FROM sent WHERE \"table\" = '{table.name}'"
    same_content = " AND ".join(
        f"a.{name} IS NOT DISTINCT FROM b.{name}"
        for name in ["origin", "file", "implied", *(f'"{name}"' for name in column_types(table))]
    )
    same_statement = " AND ".join(
        f"{a} IS NOT DISTINCT FROM {b}"
        for a, b in zip(statement_of(table, "a."), statement_of(table, "b."), strict=True)
    )
    stored_columns = ", ".join(f'b."{n}"' for n in (column_types(table) | STORED) if n != "known_until")
    fresh_columns = ", ".join(f'a."{n}"' for n in (column_types(table) | STORED) if n != "known_from")
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE kept AS
            SELECT {stored_columns}, CASE
                WHEN b.known_until IS NULL
                  AND (b.origin, b.file) IN ({sent})
                  AND NOT EXISTS (SELECT 1 FROM fresh AS a WHERE {same_content})
                THEN {day} ELSE b.known_until END AS known_until
            FROM stored AS b"""
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE merged AS
            FROM kept
            UNION ALL BY NAME
            SELECT {fresh_columns}, CASE
                WHEN EXISTS (SELECT 1 FROM kept AS b WHERE b.known_until IS NOT NULL
                             AND b.origin = a.origin AND {same_statement})
                THEN greatest({day}, a.known_from) ELSE a.known_from END AS known_from
            FROM fresh AS a
            WHERE NOT EXISTS (SELECT 1 FROM kept AS b WHERE b.known_until IS NULL AND {same_content})"""
    )
