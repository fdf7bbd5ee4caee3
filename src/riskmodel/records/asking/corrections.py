"""Of whom the records of a day were corrected, or completed, after it was scored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from riskmodel.records.contract import TABLES, Table
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.store import RecordStore

_CORRECTED = """known_from <= $day AND (known_until > $day OR (delivery > $since AND known_until IS NULL))"""
"""Withdrawn or replaced since the day; or brought later, and recorded by then."""


@dataclass(frozen=True)
class Corrected:
    """Students of whom a row was corrected, and schools whose reports or school days were."""

    student_ids: frozenset[str]
    school_ids: frozenset[str]


def corrected_since(store: RecordStore, *, as_of_date: date, since_delivery: int) -> Corrected:
    """Tell what was said of a day, or left out, and was put right after it was scored.

    Parameters
    ----------
    as_of_date
        The day that was scored.
    since_delivery
        Number of the last delivery that the scores were made from.
    """
    asked = {"day": as_of_date, "since": since_delivery}
    with duckdb.connect(config=duckdb_settings()) as connection:

        def ids(of: Table, key: str) -> set[str]:
            files = [str(file) for file in store.files(of.name)] if of.per_student else _whole(store, of)
            if not files:
                return set()
            rows = connection.execute(
                f"SELECT DISTINCT {key} FROM read_parquet($files) WHERE {_CORRECTED}",
                {**asked, "files": files},
            ).fetchall()
            return {key for (key,) in rows if key}

        students = [ids(of, "student_id") for of in TABLES if of.per_student]
        schools = [ids(of, "school_id") for of in TABLES if of.name in ("attendance_reports", "calendar")]
    return Corrected(frozenset[str]().union(*students), frozenset[str]().union(*schools))


def _whole(store: RecordStore, of: Table) -> list[str]:
    file = store.file(of.name)
    return [str(file)] if file else []
