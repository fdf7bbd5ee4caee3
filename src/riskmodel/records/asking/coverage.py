"""What the records hold and what they lack on a day: counts only, nobody's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.contract import TABLES
from riskmodel.records.store import RecordStore

_REPORTED = """
SELECT term, school_id, count(*), count(reported.date)
FROM terms
JOIN school_days AS day ON day.date BETWEEN start_date AND end_date
LEFT JOIN reported_days AS reported USING (school_id, date)
WHERE day.date <= $day
GROUP BY term, start_date, school_id
ORDER BY start_date, term, school_id
"""
_STUDENTS = """
SELECT
    count(*),
    count(*) FILTER (student_id NOT IN (SELECT student_id FROM grades)),
    count(*) FILTER (student_id NOT IN (SELECT student_id FROM family))
FROM cohort
"""


@dataclass(frozen=True)
class Reported:
    """Of how many of its school days a school reported attendance, in one term, up to the day."""

    term: str
    school_id: str
    school_days: int
    reported_days: int


@dataclass(frozen=True)
class Coverage:
    """What the records hold.

    Attributes
    ----------
    rows
        Stored rows of each table that was delivered, withdrawn ones included.
    missing_tables
        Tables of the contract that nobody delivered.
    reported
        By term and school, oldest term first; terms that had not begun by the day are left out.
    students, without_marks, without_family_statement
        The cohort of the day, and those of it of whom no mark, no family statement is known.
    """

    rows: Mapping[str, int]
    missing_tables: tuple[str, ...]
    reported: tuple[Reported, ...]
    students: int
    without_marks: int
    without_family_statement: int


def coverage(store: RecordStore, as_of: AsOf, rule: RegionRule) -> Coverage:
    """Count what was known on an as-of date, bucket by bucket."""
    reported: tuple[Reported, ...] = ()
    counts = []
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket) as reader:
            connection = reader.at(as_of.as_of_date, rule, as_of.term)
            if bucket == 0:
                # Schools are not dealt into buckets: every bucket tells the same of them.
                reported = _reported(connection, as_of)
            counts.append(connection.execute(_STUDENTS).fetchall()[0])
    students, without_marks, without_family_statement = (sum(column) for column in zip(*counts, strict=True))
    return Coverage(
        rows={name: store.manifest.rows.get(name, 0) for name in store.tables},
        missing_tables=tuple(each.name for each in TABLES if each.name not in store.tables),
        reported=reported,
        students=students,
        without_marks=without_marks,
        without_family_statement=without_family_statement,
    )


def _reported(connection: duckdb.DuckDBPyConnection, as_of: AsOf) -> tuple[Reported, ...]:
    rows = connection.execute(_REPORTED, {"day": as_of.as_of_date}).fetchall()
    return tuple(Reported(*row) for row in rows)
