"""Who may not be one child, and who may be: numbers, names and birthdays held against each other."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.store import RecordStore

_NORMAL_NAME = "regexp_replace(nfc_normalize(translate(name, '•・．.', '····')), '[\\s·]', '', 'g')"


def check_people(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    *,
    read: Mapping[tuple[str, str], Telling],
    findings: Findings,
) -> None:
    """Refuse one number of two children, doubt one id of two, list one child who may have two numbers.

    Needs `staged_students` and `sent`.
    """
    _make_people(connection, before)
    _numbers_of_two(connection, read, findings)
    _students_that_are_others(connection, read, findings)
    _perhaps_one_child(connection, read, findings)


def _make_people(connection: duckdb.DuckDBPyConnection, before: RecordStore | None) -> None:
    """Make `people`: all statements about students that hold now, of this delivery and of the store."""
    columns = f"""student_id, roll_number, {_NORMAL_NAME} AS name, birth_date, sex, statement_on,
                  origin, file, sheet, "row", delivery"""
    files = [str(file).replace("'", "''") for file in before.files("students")] if before else []
    listed = "', '".join(files)
    stored = (
        f"read_parquet(['{listed}']) WHERE known_until IS NULL" if files else "staged_students WHERE false"
    )
    connection.execute(f"CREATE TEMP TABLE told_before AS SELECT {columns}, false AS is_new FROM {stored}")
    connection.execute(
        f"""CREATE TEMP TABLE people AS
            SELECT {columns}, true AS is_new FROM staged_students
            UNION ALL FROM told_before
            WHERE (origin, file) NOT IN (SELECT (origin, file) FROM sent WHERE "table" = 'students')"""
    )
    connection.execute(
        """CREATE TEMP TABLE person AS FROM people QUALIFY row_number() OVER (
               PARTITION BY student_id ORDER BY statement_on DESC, delivery DESC, origin, file, "row") = 1"""
    )


def _numbers_of_two(
    connection: duckdb.DuckDBPyConnection, read: Mapping[tuple[str, str], Telling], findings: Findings
) -> None:
    """Refuse a number that two students have now, naming both rows."""
    rows = connection.execute(
        """SELECT b.origin, b.file, b.sheet, b."row", a.file, a."row"
           FROM person AS a JOIN person AS b USING (roll_number)
           WHERE b.is_new AND a.student_id <> b.student_id
             AND (NOT a.is_new OR (a.origin, a.file, coalesce(a.sheet, ''), a."row")
                                < (b.origin, b.file, coalesce(b.sheet, ''), b."row"))
           QUALIFY row_number() OVER (
               PARTITION BY b.origin, b.file, b.sheet, b."row" ORDER BY a.is_new, a.file, a."row") = 1
           ORDER BY ALL"""
    ).fetchall()
    for source, file, sheet, row, other_file, other_row in rows:
        where = read[source, file].where(row=row, column="roll_number", sheet=sheet)
        findings.refuse("roll_number_of_two", where, other_file=other_file, other_row=other_row)


def _students_that_are_others(
    connection: duckdb.DuckDBPyConnection, read: Mapping[tuple[str, str], Telling], findings: Findings
) -> None:
    """Doubt a student of whom both name and birthday are others than before: most likely another child."""
    differs = "now.is_new AND now.name <> was.name AND now.birth_date <> was.birth_date"
    rows = connection.execute(
        f"""WITH is_another AS (
                SELECT now.origin, now.file, now.sheet, now."row"
                FROM people AS now JOIN told_before AS was USING (student_id) WHERE {differs}
                UNION
                SELECT now.origin, now.file, now.sheet, now."row"
                FROM people AS now JOIN people AS was USING (student_id)
                WHERE {differs} AND was.statement_on < now.statement_on
            )
            FROM is_another ORDER BY ALL"""
    ).fetchall()
    for source, file, sheet, row in rows:
        findings.doubt("student_is_another", read[source, file].where(row=row, column="name", sheet=sheet))


def _perhaps_one_child(
    connection: duckdb.DuckDBPyConnection, read: Mapping[tuple[str, str], Telling], findings: Findings
) -> None:
    """List a student with a temporary number who has name and birthday of another one; nobody is joined."""
    rows = connection.execute(
        """SELECT a.origin, a.file, a.sheet, a."row"
           FROM person AS a JOIN person AS b USING (name, birth_date)
           WHERE a.is_new AND a.student_id <> b.student_id AND a.roll_number[1] = 'L'
             AND coalesce(a.sex = b.sex, true) ORDER BY ALL"""
    ).fetchall()
    for source, file, sheet, row in dict.fromkeys(rows):
        findings.review("perhaps_one_child", read[source, file].where(row=row, sheet=sheet))
