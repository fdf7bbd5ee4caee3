"""Small worlds: rows of the record contract, stored as intake would store them, and their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from riskmodel.domain import AsOf, RegionRule
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.records.contract import table
from riskmodel.records.store import (
    BEGINNING,
    STORED,
    Delivery,
    Manifest,
    bucket_of,
    column_types,
    commit,
    generation_folder,
    table_file,
)

Row = dict[str, Any]
World = dict[str, list[Row]]

RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")
AUTUMN, SPRING, AUTUMN_AGAIN = "2024-2025-1", "2024-2025-2", "2025-2026-1"
DAY = date(2025, 10, 31)
"""A Friday in the ninth week of the last term."""


def day(text: str) -> date:
    return date.fromisoformat(text)


def calendar() -> World:
    """Two schools of one township, three terms, no students; every period is reported until 2026."""
    return {
        "schools": [
            {"school_id": school, "name": school, "county": "c", "township": "t", "stage": "nine_year"}
            for school in ("north", "south")
        ],
        "terms": [
            {"term": AUTUMN, "start_date": day("2024-09-02"), "end_date": day("2025-01-17")},
            {"term": SPRING, "start_date": day("2025-02-17"), "end_date": day("2025-06-27")},
            {"term": AUTUMN_AGAIN, "start_date": day("2025-09-01"), "end_date": day("2026-01-16")},
        ],
        "students": [],
        "enrolments": [],
        "attendance": [],
        "attendance_reports": [
            {"school_id": school, "start_date": day("2024-09-02"), "end_date": DAY, "recorded_on": DAY}
            for school in ("north", "south")
        ],
        "grades": [],
        "family": [],
        "subsidies": [],
        "ledger_events": [],
    }


def enrol(world: World, student: str, *, school: str = "north", grade: int = 8, **more: Any) -> None:
    """Add a student and a running spell since the start of the last term."""
    if student not in {row["student_id"] for row in world["students"]}:
        world["students"].append({"student_id": student, "birth_date": day("2011-11-01")})
    spell = {"student_id": student, "school_id": school, "grade": grade, "start_date": day("2025-09-01")}
    world["enrolments"].append(spell | {"boards": False} | more)


def absent(world: World, student: str, *days: str, **more: Any) -> None:
    """Add a day absent for each of the days."""
    world["attendance"] += [
        {"student_id": student, "start_date": day(d), "end_date": day(d), "days_absent": 1, **more}
        for d in days
    ]


def school_days_before(last: date, count: int) -> list[str]:
    """Return so many days from Monday to Friday, the latest first, `last` among them."""
    days = (last - timedelta(days=back) for back in range(3 * count + 7))
    return [str(d) for d in days if d.isoweekday() <= 5][:count]


def stored(rows: Iterable[Row], name: str) -> list[Row]:
    """Give each row the dates and the origin that intake gives it."""
    of = table(name)
    done = []
    for number, row in enumerate(rows, start=1):
        events = [row.get(column) for column in of.event_dates or ()]
        if of.spell and row.get("end_date") is None:
            events = [row["start_date"]]
        known = row.get("recorded_on") or max((d for d in events if d), default=BEGINNING)
        origin = {"known_from": known, "known_until": None, "statement_on": known, "implied": False}
        place = {"source": "s", "delivery": 1, "file": f"{name}.csv", "row": number}
        done.append({column.name: row.get(column.name) for column in of.columns} | origin | place)
    return done


def write_store(folder: Path, world: Mapping[str, Sequence[Row]], *, buckets: int = 1) -> Path:
    """Write a world as a record store."""
    for name, rows in world.items():
        of, parts = table(name), {}
        for row in stored(rows, name):
            bucket = bucket_of(row["student_id"], buckets) if of.per_student else None
            parts.setdefault(bucket, []).append(row)
        for bucket, kept in parts.items():
            file = generation_folder(folder, 1) / table_file(of, bucket)
            file.parent.mkdir(parents=True, exist_ok=True)
            _write(kept, column_types(of) | STORED, file)
    told = Delivery(1, "s", DAY, (), tuple(world), reporting_delay_days=hash_of(world))
    commit(folder, Manifest(buckets, 1, 0, (told,), {"s": day("2026-06-30")}, {}))
    return folder


def hash_of(world: Mapping[str, Sequence[Row]]) -> int:
    return hash(str(sorted(world.items()))) % 1_000_000


def _write(rows: list[Row], types: dict[str, str], file: Path) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    marks = ", ".join("?" for _ in types)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
        connection.executemany(
            f"INSERT INTO t VALUES ({marks})", [[row[name] for name in types] for row in rows]
        )
        connection.execute(f"COPY t TO '{file}' (FORMAT parquet)")


def features_of(
    folder: Path,
    world: World,
    *,
    dates: Sequence[tuple[date, str]] = ((DAY, AUTUMN_AGAIN),),
    buckets: int = 1,
) -> pd.DataFrame:
    """Build the matrix of a world, from its rows to the frame."""
    store = write_store(folder / "store", world, buckets=buckets)
    as_of = tuple((AsOf(on, on + timedelta(days=180), term), RULE) for on, term in dates)
    tasks = [
        StudentStageTask(store=store, bucket=n, as_of=as_of, out=folder / "work") for n in range(buckets)
    ]
    return read_matrix(school_stage([student_stage(task) for task in tasks], out=folder / "matrix")).frame


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pd.DataFrame]:
    """Build the features of a world in a folder of its own: `build(world)` has one row per student id."""

    def of(world: World, **more: Any) -> pd.DataFrame:
        frame = features_of(tmp_path_factory.mktemp("world"), world, **more)
        return frame.set_index("student_id")

    return of
