"""Rows of a delivery that speak of a student or a school that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import duckdb

from riskmodel.records.checking.plausible import Read
from riskmodel.records.contract import LEDGER_SOURCE, TABLES
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.store import RecordStore

_SCHOOL_CODES = (
    ("schools", "successor_id"),
    ("enrolments", "school_id"),
    ("enrolments", "to_school_id"),
    ("attendance_reports", "school_id"),
    ("calendar", "school_id"),
)


def restore_zeros(connection: duckdb.DuckDBPyConnection, *, read: Read, findings: Findings) -> None:
    """Give school codes back the leading zeros that a spreadsheet took, where one school alone fits.

    Needs the table `known_schools`.
    """
    for name, column in _SCHOOL_CODES:
        rows = connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE restored AS
                SELECT lost.code, any_value(k.school_id) AS whole
                FROM (SELECT DISTINCT {column} AS code FROM staged_{name} AS told
                      ANTI JOIN known_schools AS k ON k.school_id = told.{column}
                      WHERE regexp_full_match({column}, '[1-9][0-9]*')) AS lost
                JOIN (SELECT DISTINCT school_id FROM known_schools) AS k
                  ON regexp_full_match(k.school_id, '0+' || lost.code)
                GROUP BY lost.code HAVING count(*) = 1;
                SELECT origin, file, sheet, min("row"), count(*) FROM staged_{name}
                JOIN restored ON code = {column} GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
        for source, file, sheet, row, count in rows:
            where = read[source, file].where(sheet=sheet, row=row, column=column)
            findings.mended("zeros_restored", where, count=count)
        if rows:
            connection.execute(
                f"UPDATE staged_{name} SET {column} = restored.whole FROM restored WHERE {column} = code"
            )


_REFERENCES = (
    ("enrolments", "school_id", "schools"),
    ("attendance_reports", "school_id", "schools"),
    ("calendar", "school_id", "schools"),
    *((table.name, "student_id", "students") for table in TABLES if table.per_student),
)


def check_references(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    *,
    read: Mapping[tuple[str, str], Telling],
    unread: Collection[str],
    findings: Findings,
) -> None:
    """Refuse rows about a student or a school that `students` or `schools` does not know.

    Where one of these could not be read (`unread`) that alone is told. An id of our own ledger nobody can
    take back, and a child may be in no export any more: such rows are kept, and told. `read` has the
    tellings of this delivery by source and file: they know what stands over each column.
    """
    for known, key in (("students", "student_id"), ("schools", "school_id")):
        connection.execute(f"CREATE TEMP TABLE known_{known} AS SELECT DISTINCT {key} FROM staged_{known}")
        for file in before.files(known) if before else ():
            connection.execute(
                f"""INSERT INTO known_{known} SELECT {key} FROM read_parquet($file)
                    WHERE known_until IS NULL
                      AND (origin, file) NOT IN (SELECT (origin, file) FROM sent WHERE "table" = $known)""",
                {"file": str(file), "known": known},
            )
    restore_zeros(connection, read=read, findings=findings)
    for name, column, known in _REFERENCES:
        if name == known or known in unread:
            continue
        unknown = f"FROM staged_{name} ANTI JOIN known_{known} USING ({column}) WHERE {column} IS NOT NULL"
        ours = connection.execute(
            f"""SELECT file, min("row"), count(DISTINCT {column}) {unknown} AND origin = '{LEDGER_SOURCE}'
                GROUP BY file"""
        ).fetchall()
        for file, row, students in ours:
            where = read[LEDGER_SOURCE, file].where(row=row, column=column)
            findings.review("student_of_ledger_in_no_records", where, students=students)
        unknown += f" AND origin <> '{LEDGER_SOURCE}'"
        count = connection.execute(f"SELECT count(*) {unknown}").fetchall()[0][0]
        if not count:
            continue
        rows = connection.execute(
            f'SELECT origin, file, sheet, "row" {unknown} ORDER BY ALL LIMIT {findings.room}'
        ).fetchall()
        for source, file, sheet, row in rows:
            where = read[source, file].where(sheet=sheet, row=row, column=column)
            findings.refuse(f"{column}_unknown", where)
        findings.count_more(f"{column}_unknown", count - len(rows))
