"""Where the rows of a delivery wait until all of it is checked."""

from __future__ import annotations

import duckdb

from riskmodel.records.contract import TABLES
from riskmodel.records.deliveries.revisions import known_from_sql
from riskmodel.records.keeping.rows import STORED, column_types, hash_sql, quoted
from riskmodel.records.mapping.telling import Telling


def create_staged(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the empty tables that hold a delivery until it is merged."""
    for table in TABLES:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in (column_types(table) | STORED).items())
        connection.execute(f"CREATE TABLE staged_{table.name} ({columns}, student_hash BIGINT)")
    connection.execute(
        'CREATE TABLE number_changes (former VARCHAR, "current" VARCHAR, evidence VARCHAR, origin VARCHAR, '
        'file VARCHAR, sheet VARCHAR, "row" BIGINT)'
    )
    connection.execute('CREATE TABLE sent ("table" VARCHAR, origin VARCHAR, file VARCHAR, delay INTEGER)')


def stage(connection: duckdb.DuckDBPyConnection, telling: Telling, *, delivery: int, delay: int) -> int:
    """Add the rows of the view `told` to their staged table, with the day from which each is known.

    Returns
    -------
    int
        How many rows were told.
    """
    table = telling.table
    known_from = known_from_sql(table, delay)
    connection.execute(
        f"""INSERT INTO staged_{table.name} BY NAME
            SELECT {quoted(column_types(table))}, {known_from} AS known_from, {known_from} AS statement_on,
                   false AS implied, $source AS origin, $delivery AS delivery, $file AS file, sheet, "row",
                   {hash_sql() if table.per_student else "0"} AS student_hash
            FROM told""",
        {"source": telling.source, "delivery": delivery, "file": telling.file},
    )
    connection.execute(
        "INSERT INTO sent VALUES ($table, $source, $file, $delay)",
        {"table": table.name, "source": telling.source, "file": telling.file, "delay": delay},
    )
    return int(connection.execute("SELECT count(*) FROM told").fetchall()[0][0])
