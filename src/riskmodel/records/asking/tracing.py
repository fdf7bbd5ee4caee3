"""The source rows behind a student on a day: which row of which file told what was known.

What holds on the day is decided in `asof`; here its rows are only read together with where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from riskmodel.domain import RegionRule
from riskmodel.errors import NotEnoughData
from riskmodel.records.asking.asof import BucketReader, held_rows
from riskmodel.records.contract import TABLES, Table
from riskmodel.records.keeping.rows import BEGINNING, STORED, bucket_of, column_types, quoted
from riskmodel.records.store import RecordStore

UNTOLD = frozenset({"student_id", "name", "roll_number"})
"""Columns whose values are not told: file and row lead to them, and no feature reads them."""

_OF_THE_STUDENT = "student_id = $student"
_OF_THE_SCHOOLS = f"""(coalesce(school_id, '') = ''
    OR school_id IN (SELECT school_id FROM main.enrolments WHERE {_OF_THE_STUDENT}))"""


@dataclass(frozen=True)
class TracedRow:
    """One row that held on the day, and where it stands.

    Attributes
    ----------
    source, delivery, file, row
        Name of the source, number of its delivery, its file, and the row as a spreadsheet counts it (the
        header is row 1); of a mapping's query the row of its result, from 1.
    known_from
        First day on which the row was known; None: from the beginning.
    implied
        The file's row tells a closed spell, of which only the opening was known on the day.
    values
        What was known: the contract's columns, None where empty, without those of `UNTOLD`.
    """

    table: str
    source: str
    delivery: int
    file: str
    row: int
    known_from: date | None
    implied: bool
    values: Mapping[str, object]


def trace(
    store: RecordStore, student_id: str, *, as_of_date: date, rule: RegionRule, term: str | None = None
) -> tuple[TracedRow, ...]:
    """Return the rows that held for a student of the cohort on a day, in the contract's order of tables.

    All rows about the student, and of the tables about schools those of the student's own schools and
    those that hold for all. The comparison with others of the school-grade rests on their rows as well,
    which are not told.

    Raises
    ------
    NotEnoughData
        If no record tells of the student, or the student is not in the cohort on that day.
    """
    with BucketReader(store, bucket_of(student_id, store.bucket_count)) as reader:
        connection = reader.at(as_of_date, rule, term)
        if not _has(connection, "raw.students", student_id):
            raise NotEnoughData("student_not_recorded")
        if not _has(connection, "main.cohort", student_id):
            raise NotEnoughData("student_outside_cohort", as_of_date=as_of_date)
        return tuple(
            row for table in TABLES for row in _rows(connection, table, student_id=student_id, day=as_of_date)
        )


def _has(connection: duckdb.DuckDBPyConnection, relation: str, student_id: str) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM {relation} WHERE {_OF_THE_STUDENT} LIMIT 1", {"student": student_id}
    )
    return bool(found.fetchall())


def _rows(connection: duckdb.DuckDBPyConnection, of: Table, *, student_id: str, day: date) -> list[TracedRow]:
    columns = tuple(column_types(of))
    # What was cut from `main` after the rule that held_rows states is no source of anything either.
    same_key = " AND ".join(f'held."{name}" IS NOT DISTINCT FROM told."{name}"' for name in of.key)
    sql = f"""
        SELECT {quoted(columns)}, {quoted(STORED)} FROM ({held_rows(of, (*columns, *STORED))}) AS told
        WHERE {_whose(of)} AND EXISTS (SELECT 1 FROM main.{of.name} AS held WHERE {same_key})
        ORDER BY known_from, origin, file, "row" """
    found = connection.execute(sql, {"day": day} | ({"student": student_id} if "$student" in sql else {}))
    return [_traced(of, dict(zip((*columns, *STORED), row, strict=True))) for row in found.fetchall()]


def _whose(of: Table) -> str:
    if of.per_student:
        return _OF_THE_STUDENT
    if any(column.name == "school_id" for column in of.columns):
        return _OF_THE_SCHOOLS
    # The terms are everybody's; a person of the population register is no student of the records.
    return "true" if of.name == "terms" else "false"


def _traced(of: Table, row: dict[str, object]) -> TracedRow:
    known_from = row["known_from"]
    return TracedRow(
        table=of.name,
        source=str(row["origin"]),
        delivery=int(str(row["delivery"])),
        file=str(row["file"]),
        row=int(str(row["row"])),
        known_from=known_from if isinstance(known_from, date) and known_from > BEGINNING else None,
        implied=bool(row["implied"]),
        values={name: row[name] for name in column_types(of) if name not in UNTOLD},
    )
