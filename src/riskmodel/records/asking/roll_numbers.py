"""The roll number of each student, as known on a day: for publishing what stands for it."""

from __future__ import annotations

from datetime import date

import duckdb

from riskmodel.records.asking.asof import KNOWN
from riskmodel.records.contract import table
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.keeping.rows import latest_first, quoted
from riskmodel.records.store import RecordStore


def roll_numbers(store: RecordStore, day: date) -> dict[str, str]:
    """Return the roll number by student id; whose number is not known on the day is left out."""
    students = table("students")
    latest = f"PARTITION BY {quoted(students.key)} ORDER BY {latest_first(students)}"
    query = f"""
        SELECT student_id, trim(roll_number) FROM (
            SELECT * FROM read_parquet($file) WHERE {KNOWN}
            QUALIFY row_number() OVER ({latest}) = 1
        ) WHERE trim(roll_number) <> ''"""
    found: dict[str, str] = {}
    with duckdb.connect(config=duckdb_settings()) as connection:
        for file in store.files(students.name):
            found.update(connection.execute(query, {"file": str(file), "day": day}).fetchall())
    return found
