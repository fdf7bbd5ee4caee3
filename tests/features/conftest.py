"""Small worlds: rows of the record contract, stored as intake would store them, and their features."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskmodel.domain import AsOf, RegionRule
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.records.contract import table
from riskmodel.records.keeping.manifest import Delivery, Manifest, commit, generation_folder, table_file
from riskmodel.records.keeping.rows import BEGINNING, STORED, bucket_of, column_types

Row = dict[str, Any]
ARROW = {
    "VARCHAR": pa.string(), "DATE": pa.date32(), "BIGINT": pa.int64(), "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
}  # fmt: skip

RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")
TERMS = {
    "2024-2025-1": ("2024-09-02", "2025-01-17"),
    "2024-2025-2": ("2025-02-17", "2025-06-27"),
    "2025-2026-1": ("2025-09-01", "2026-01-16"),
}


class World:
    """A county of two schools, `north` and `south`, and three terms; every day is reported up to `DAY`."""

    DAY = date(2025, 10, 31)
    """A Friday in the ninth week of the last term: the as-of date."""
    TERM = "2025-2026-1"

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self.tables: dict[str, list[Row]] = {name: [] for name in ("students", "enrolments", "attendance")}
        for school in ("north", "south"):
            self.add("schools", school_id=school, name=school, county="c", township="t", stage="nine_year")
            self.add("attendance_reports", school_id=school, start_date="2024-09-02", end_date=str(self.DAY))
        for term, (start, end) in TERMS.items():
            self.add("terms", term=term, start_date=start, end_date=end)

    def add(self, name: str, /, **row: Any) -> None:
        """Add a row; dates may be text."""
        self.tables.setdefault(name, []).append(
            {k: _dated(table(name).column(k).kind, v) for k, v in row.items()}
        )

    def enrol(self, student: str, **spell: Any) -> None:
        """Add a spell, by default one that runs since the last term began, and the student once."""
        if all(row["student_id"] != student for row in self.tables["students"]):
            self.add("students", student_id=student, birth_date="2011-11-01")
        usual = {"school_id": "north", "grade": 8, "start_date": "2025-09-01", "boards": False}
        self.add("enrolments", student_id=student, **(usual | spell))

    def absent(self, student: str, *days: str, **more: Any) -> None:
        """Add a row per day absent."""
        for on in days:
            self.add(
                "attendance", student_id=student, start_date=on, end_date=on, **({"days_absent": 1} | more)
            )

    def sat(self, student: str, on: str, *scores: float | None, **more: Any) -> None:
        """Add an exam per score, each in a subject of its own; None is missed."""
        for number, score in enumerate(scores):
            row = {"subject": f"other:{number}", "exam": "midterm", "full_score": 100, "score": score}
            row["status"] = "absent" if score is None else "sat"
            self.add("grades", student_id=student, exam_date=on, **(row | more))

    @classmethod
    def school_days(cls, count: int) -> list[str]:
        """Return the last so many days from Monday to Friday, the as-of date first."""
        back = (cls.DAY - timedelta(days=n) for n in range(3 * count + 7))
        return [str(on) for on in back if on.isoweekday() <= 5][:count]

    def copy(self) -> World:
        """Return a world that can be changed alone."""
        twin = World(self._folder)
        twin.tables = copy.deepcopy(self.tables)
        return twin

    def features(self, *dates: tuple[str, str], buckets: int = 1, parts: int = 1) -> pd.DataFrame:
        """Build the matrix, by default of `DAY`; one row per student (and date), indexed by student."""
        folder = self._folder()
        asked = tuple((date.fromisoformat(on), term) for on, term in dates) or ((self.DAY, self.TERM),)
        as_of = tuple((AsOf(on, on + timedelta(days=180), term), RULE) for on, term in asked)
        store = self.store(folder / "store", buckets=buckets)
        tasks = [
            StudentStageTask(store, bucket, as_of, folder / "work", parts=parts) for bucket in range(buckets)
        ]
        paths = school_stage([student_stage(task) for task in tasks], out=folder / "matrix", parts=parts)
        return read_matrix(paths).frame.set_index("student_id")

    def of(self, student: str) -> pd.Series:
        """Build the features of one student on `DAY`."""
        return self.features().loc[student]

    def store(self, folder: Path, *, buckets: int = 1) -> Path:
        """Write the world as a record store."""
        for name, rows in self.tables.items():
            parts: dict[int | None, list[Row]] = {}
            for row in _stored(rows, name):
                bucket = bucket_of(row["student_id"], buckets) if table(name).per_student else None
                parts.setdefault(bucket, []).append(row)
            for bucket, kept in parts.items():
                _write(kept, name, generation_folder(folder, 1) / table_file(table(name), bucket))
        folder.mkdir(parents=True, exist_ok=True)
        told = Delivery(1, "s", self.DAY, (), tuple(self.tables), complete_to=date(2026, 6, 30))
        commit(folder, Manifest(bucket_count=buckets, generation=1, student_count=0, deliveries=(told,)))
        return folder


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    """Make an empty world."""
    return lambda: World(lambda: tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    """An empty world."""
    return make_world()


def _dated(kind: str, value: Any) -> Any:
    return date.fromisoformat(value) if kind == "date" and isinstance(value, str) else value


def _stored(rows: Sequence[Row], name: str) -> list[Row]:
    """Give each row the dates and the origin that intake gives it."""
    of = table(name)
    done = []
    for number, row in enumerate(rows, start=1):
        events = [row.get(column) for column in of.event_dates or ()]
        known = row.get("recorded_on") or max((on for on in events if on), default=BEGINNING)
        origin = {"known_from": known, "known_until": None, "statement_on": known, "implied": False}
        rest = {key: kind for key, kind in STORED.items() if key not in origin}
        place = {key: "s" if kind == "VARCHAR" else number for key, kind in rest.items()}
        done.append({column.name: row.get(column.name) for column in of.columns} | origin | place)
    return done


def _write(rows: list[Row], name: str, file: Path) -> None:
    types = column_types(table(name)) | STORED
    schema = pa.schema([(column, ARROW[kind]) for column, kind in types.items()])
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
