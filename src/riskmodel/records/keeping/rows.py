"""The form of a stored row: its columns and their types, its order among others, its bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

from riskmodel.records.contract import Table

BEGINNING = date(1, 1, 1)
"""From when a row is known that neither says when it was recorded nor what day it is about."""

STUDENTS_OF_ONE_BUCKET = 5_000
"""Up to so many are not dealt out: planning a date's queries takes as long as reckoning so many students, so
that a second processor would gain nothing."""
STUDENTS_PER_BUCKET = 12_500
"""More of them would spare what starting queries costs, and take memory: 9,400 students over nine years
(874,000 marks) peak at 540 MB. A county of 20,000 at a time, 22,000 over two years, makes two buckets."""

SQL_TYPES = {
    "text": "VARCHAR", "code": "VARCHAR", "date": "DATE", "integer": "BIGINT", "number": "DOUBLE",
    "boolean": "BOOLEAN",
}  # fmt: skip

STORED = {
    "known_from": "DATE",
    "known_until": "DATE",
    "statement_on": "DATE",
    "implied": "BOOLEAN",
    "origin": "VARCHAR",
    "delivery": "INTEGER",
    "file": "VARCHAR",
    "sheet": "VARCHAR",
    "row": "BIGINT",
}
"""Columns of a stored row besides the contract's. `known_until` is the first day on which the row was
withdrawn or replaced (empty: never); `origin` the source (a word that the contract uses in `population`),
`delivery` the number of the delivery that brought it; `sheet` is missing but in a workbook of sheets."""

LATEST_FIRST = "statement_on DESC, implied, {closed_first}delivery DESC, origin DESC, file DESC, row DESC"
"""Order of statements about one key; the first holds. Engines disagree on two statements of one day."""


def quoted(names: Iterable[str], prefix: str = "") -> str:
    """List column names for SQL, quoted (`by` and `row` are words of SQL), each with a prefix."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def column_types(of: Table) -> dict[str, str]:
    """Return the SQL type of each contract column of a table."""
    return {column.name: SQL_TYPES[column.kind] for column in of.columns}


def latest_first(of: Table) -> str:
    """Return the SQL order of statements about one key of a table; the first holds."""
    return LATEST_FIRST.format(closed_first="end_date NULLS LAST, " if of.spell else "")


def statement_of(of: Table, prefix: str = "") -> list[str]:
    """Return the SQL of what makes two rows the same statement: the key and when it was recorded.

    Where that is not said, an opening and a closing of one spell are two statements.
    """
    parts = [f'{prefix}"{name}"' for name in of.key if name != "recorded_on"]
    if has_recorded_on(of):
        parts.append(f"{prefix}recorded_on")
    if of.spell:
        parts.append(f"({prefix}recorded_on IS NULL AND {prefix}end_date IS NULL)")
    return parts


def township_of_one_place(schools: str) -> str:
    """Return the SQL of a row's township: with its county where several counties have one of that name.

    Many county seats are called 城关镇: by its name alone a district's key would open the schools of
    another county, and rates of two places would be pooled.

    Parameters
    ----------
    schools
        SQL of all rows of `schools`, whenever they were said: a place keeps one name over the years.
    """
    shared = f"SELECT township FROM {schools} WHERE township <> '' GROUP BY township"
    return f"""CASE WHEN county <> '' AND township IN ({shared} HAVING count(DISTINCT county) > 1)
                    THEN county || ' ' || township ELSE township END"""


def has_recorded_on(of: Table) -> bool:
    """Tell whether a table's rows can say when they were recorded."""
    return "recorded_on" in column_types(of)


def bucket_of(student_id: str, bucket_count: int) -> int:
    """Return the bucket of a student: first 8 hex digits of the md5, modulo the count."""
    return int(hashlib.md5(student_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % bucket_count


def hash_sql() -> str:
    """Return the SQL of the number, made from a column `student_id`, whose remainder is the bucket."""
    return "CAST('0x' || md5(student_id)[1:8] AS BIGINT)"


def bucket_count_for(students: int) -> int:
    """Return how many buckets a store gets that begins with so many students."""
    fewest = 1 if students <= STUDENTS_OF_ONE_BUCKET else 2
    return max(fewest, -(-students // STUDENTS_PER_BUCKET))
