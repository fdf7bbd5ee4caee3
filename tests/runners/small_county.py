"""A small county, dealt into as many buckets as a test asks for, and every stage that is mapped over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from riskmodel.domain import AsOf, RegionRule, ScoredStudent
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.labels import LabelTask, label_bucket, read_labels
from riskmodel.pipelines.scoring_parts import Scored, score_parts
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore
from riskmodel.runners import Runner

from ..conftest import complete, write_tables

RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")
AS_OF = (
    AsOf(date(2024, 10, 31), date(2025, 2, 28), "2024-2025-1"),
    AsOf(date(2025, 4, 30), date(2025, 8, 31), "2024-2025-2"),
)
LABEL_DATE = date(2025, 12, 31)
STUDENTS = 90
BANDS, CAPACITY = (0.6, 0.45), 0.2
PARTS = 2
"""Of the five schools."""


def rows() -> dict[str, list[dict[str, Any]]]:
    """Ninety students; every seventh changes schools between the two dates, some leave."""
    chance = np.random.default_rng(13)
    names = ("students", "enrolments", "attendance", "grades")
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    tables["attendance_reports"] = [
        {"school_id": school, "start_date": "2024-09-02", "end_date": "2025-04-30"} for school in "ABCDE"
    ]
    for number in range(STUDENTS):
        student, school = f"s{number:03d}", "AABCDE"[number % 6]
        tables["students"].append({"student_id": student, "birth_date": "2011-05-01"})
        spell = {"student_id": student, "school_id": school, "start_date": "2024-09-02", "grade": 7}
        if number % 7 == 0:
            other = "BCDEA"["ABCDE".index(school)]
            told = {"end_date": "2025-01-17", "exit_reason": "transferred", "to_school_id": other}
            tables["enrolments"].append(spell | told)
            spell |= {"school_id": other, "start_date": "2025-02-17"}
        elif number % 5 in (1, 3):
            spell |= {"end_date": "2025-05-20", "exit_reason": "dropped_out"}
        tables["enrolments"].append(spell)
        for ago in chance.choice(200, size=int(chance.integers(0, 12)), replace=False):
            on = (date(2025, 4, 30) - timedelta(days=int(ago))).isoformat()
            absence = {"student_id": student, "start_date": on, "end_date": on, "days_absent": 1}
            tables["attendance"].append(absence)
        exam = {"student_id": student, "subject": "mathematics", "exam": "midterm", "status": "sat"}
        tables["grades"] += [
            exam | {"exam_date": on, "full_score": 100, "score": int(chance.integers(20, 100))}
            for on in ("2024-10-20", "2025-04-20")
        ]
    return tables


def county(folder: Path, *, buckets: int) -> RecordStore:
    """Take the county in, dealt into so many buckets."""
    files = write_tables(folder / "files", complete(rows()))
    dealt = "riskmodel.records.deliveries.generation.bucket_count_for"
    with mock.patch(dealt, return_value=buckets):
        source = SourceFiles("bureau", files, complete_to=LABEL_DATE)
        take_in([source], store=folder / "store", delivered_on=LABEL_DATE, force=True)
    return RecordStore.open(folder / "store")


@dataclass(frozen=True)
class Stages:
    """Every stage that is mapped, over one store, with its results in one folder."""

    store: RecordStore
    out: Path

    def students(self, runner: Runner) -> list[Path]:
        asked = tuple((as_of, RULE) for as_of in AS_OF)
        tasks = [
            StudentStageTask(self.store.folder, bucket, asked, self.out / "buckets", parts=PARTS)
            for bucket in range(self.store.bucket_count)
        ]
        return runner.map(student_stage, tasks)

    def matrix(self, runner: Runner, buckets: Sequence[Path]) -> pd.DataFrame:
        return read_matrix(school_stage(buckets, out=self.out, parts=PARTS, runner=runner)).frame

    def labels(self, runner: Runner) -> pd.DataFrame:
        rules = (RULE,) * len(AS_OF)
        tasks = [
            LabelTask(self.store.folder, bucket, AS_OF, rules, LABEL_DATE, self.out / f"labels-{bucket}")
            for bucket in range(self.store.bucket_count)
        ]
        paths = runner.map(label_bucket, tasks)
        return read_labels(paths, label_date=LABEL_DATE, rule_version=RULE.version).frame

    def parts(self, model: Path, public_key: str) -> list[Scored]:
        """Name the parts of the later date's cohort, whose matrix was made before."""
        day = AS_OF[1]
        files = sorted(self.out.glob(f"part-*/matrix-{day.as_of_date}-{day.term}.parquet"))
        out = self.out / "scored"
        return [Scored(file, (), model, model.name, public_key, out / file.parent.name) for file in files]

    def scored(self, runner: Runner, model: Path, public_key: str) -> tuple[ScoredStudent, ...]:
        parts = self.parts(model, public_key)
        return score_parts(parts, runner=runner, bands=BANDS, capacity_share=CAPACITY)
