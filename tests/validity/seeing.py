"""What the system makes of a world: taken in by the real intake, read on a day."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from riskmodel.domain import AsOf, FeatureMatrix, Labels, RegionRule, UnexcusedAbsenceRule
from riskmodel.features import build
from riskmodel.labels import LabelTask, label_bucket, read_labels
from riskmodel.records.contract import table
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in

from .worlds import Row, Tables

RULE = RegionRule(
    "fictional", date(2020, 1, 1), "test", unexcused_absence=UnexcusedAbsenceRule(4), outcome_delay_days=10
)
DELIVERED = date(2026, 10, 1)
COMPLETE_TO = date(2026, 9, 1)
"""Claimed by configuration: what a source claims of itself is no record."""


@dataclass(frozen=True)
class Seen:
    """What the system makes of records: features, and what became of an earlier cohort, as known then."""

    matrix: FeatureMatrix
    labels: Labels | None

    def bits(self) -> bytes:
        """Every key, every feature, to the last bit, and every label."""
        frame = self.matrix.frame
        numbers = frame.select_dtypes("float64").to_numpy().tobytes()
        keys = frame.select_dtypes(exclude="float64").to_csv().encode()
        return numbers + keys + (b"" if self.labels is None else self.labels.frame.to_csv().encode())

    def differs_in(self, other: Seen) -> set[str]:
        """Name the columns that differ, or who came or went; empty where every bit is the same."""
        if self.bits() == other.bits():
            return set()
        one, two = (seen.matrix.frame.set_index(["as_of_date", "student_id"]) for seen in (self, other))
        if not one.index.equals(two.index):
            return {"cohort"}
        found = {name for name in one if not one[name].equals(two[name])}
        return found or {"labels"}


class Bureau:
    """Takes deliveries in, as production does, and reads the store on a day."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.complete_to: date | None = COMPLETE_TO

    def store(self, tables: Tables) -> Path:
        """Take a first delivery in; return the store."""
        self.number += 1
        store = self.folder / str(self.number) / "store"
        self.deliver(store, tables, delivered_on=DELIVERED)
        return store

    def deliver(self, store: Path, tables: Tables, *, delivered_on: date) -> None:
        """Take a delivery in; what was there before is revised from that day on."""
        files, sources = store.parent / f"delivered-{delivered_on}", []
        # Attendance comes from elsewhere: what it tells everything of is not told by the bureau's other rows.
        for name in ("bureau", "attendance"):
            own = {
                table: rows for table, rows in tables.items() if (table == "attendance") == (name != "bureau")
            }
            _write(files / name, own)
            sources.append(SourceFiles(name, files / name, complete_to=self.complete_to))
        # What is poisoned looks like a mistake, and shall get in nevertheless.
        take_in(sources, store=store, delivered_on=delivered_on, force=True)

    def see(
        self,
        store: Path,
        *dates: AsOf,
        earlier: AsOf | None = None,
        label_date: date | None = None,
        buckets: int = 1,
    ) -> Seen:
        """Build the matrix of some dates, and label an earlier one as known on the label date."""
        work = store.parent / "work"
        asked = tuple((as_of, RULE) for as_of in dates)
        tasks = [build.StudentStageTask(store, bucket, asked, work) for bucket in range(buckets)]
        matrix = build.read_matrix(
            build.school_stage([build.student_stage(task) for task in tasks], out=work)
        )
        if earlier is None or label_date is None:
            return Seen(matrix, None)
        out = [work / f"labels-{bucket}.parquet" for bucket in range(buckets)]
        for bucket, file in enumerate(out):
            label_bucket(LabelTask(store, bucket, (earlier,), (RULE,), label_date, file))
        return Seen(matrix, read_labels(out, label_date=label_date, rule_version=RULE.version))

    def forget(self) -> None:
        """Remove what was delivered so far: two hundred worlds would fill a disk."""
        for place in self.folder.iterdir():
            shutil.rmtree(place)


def _write(folder: Path, tables: Mapping[str, Sequence[Row]]) -> None:
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        header = [column.name for column in table(name).columns]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(header)
            writer.writerows([_cell(row.get(column)) for column in header] for row in rows)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
