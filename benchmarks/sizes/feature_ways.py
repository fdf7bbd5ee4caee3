"""Features of a fictional county on all its dates: ours, a pandas twin of each, reading and writing alone."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pandas_features
import pyarrow.parquet as pq
from county_knowable import configured, measured
from pandas_features.cutting import STORED, cut
from pandas_features.known import Known

from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import StudentStageTask, parts_for, read_matrix, school_stage, student_stage
from riskmodel.pipelines.run import Run, dates_of, silent
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.contract import table
from riskmodel.records.store import RecordStore
from riskmodel.runners.local import LocalRunner
from sizes.ways import Way, Work

COUNTY, COUNT = "county", "student-dates"
STUDENT_TABLES = ("students", "enrolments", "attendance", "grades", "family", "subsidies")


def prepare(folder: Path, *, students: int) -> None:
    """Make a county and take it in."""
    (folder / COUNTY).mkdir(parents=True)
    config = configured(7, folder / COUNTY, students=students, times_leavers=1, school_years=2)
    for step in ("county", "intake"):
        measured(step, config)
    # Counted once: reading all cohorts for it would be the most that a way has in memory.
    (folder / COUNT).write_text(str(sum(len(known["cohort"]) for known in _given(folder))))


def _opened(folder: Path) -> tuple[Run, RecordStore]:
    run = Run.of(folder / COUNTY / "county.yaml", say=silent)
    return run, RecordStore.open(run.workspace.records)


def features_ours(folder: Path, *, processes: int = 1) -> tuple[Work, int]:
    """Make the matrices of all dates, bucket by bucket."""
    run, store = _opened(folder)
    dates = tuple((as_of, run.rule(as_of)) for as_of in dates_of(run, store).all)
    parts = parts_for(store.student_count)
    out = folder / "features-ours"
    shutil.rmtree(out, ignore_errors=True)  # what was made before would be taken again
    runner = LocalRunner(processes)
    tasks = [
        StudentStageTask(run.workspace.records, bucket, dates, out / "b", parts=parts)
        for bucket in range(store.bucket_count)
    ]
    return lambda: school_stage(
        runner.map(student_stage, tasks), out=out, parts=parts, runner=runner
    ), _student_dates(folder)


def features_beside(folder: Path) -> tuple[Work, int]:
    """Do the same in two processes, as every command does on two cores."""
    return features_ours(folder, processes=2)


def features_pandas(folder: Path) -> tuple[Work, int]:
    """Read the records once, cut them at each date, and make the same columns in pandas.

    The cohort, school days and reported days of each date are given, and take pandas nothing.
    """
    given = _given(folder)

    def work() -> object:
        stored = _stored(folder)
        return [pandas_features.features(_known(stored, known)) for known in given]

    return work, _student_dates(folder)


def features_least(folder: Path) -> tuple[Work, int]:
    """Read every stored column once, and write as many rows of the result."""
    run, _ = _opened(folder)
    files = sorted(run.workspace.records.rglob("*.parquet"))
    found = sorted((folder / "features-ours").rglob("matrix-*.parquet"))

    def work() -> object:
        for file in files:
            pq.read_table(file, use_threads=False)
        for number, file in enumerate(found):
            pq.write_table(pq.read_table(file), folder / f"copy-{number}.parquet")
        return None

    return work, _student_dates(folder)


def check(folder: Path) -> float:
    """Return by how much the two ways differ at most, where both know a value; raise where one does not."""
    stored = _stored(folder)
    names = [feature.name for feature in ALL_FEATURES]
    most = 0.0
    for known in _given(folder):
        theirs = pandas_features.features(_known(stored, known))
        files = (folder / "features-ours").rglob(f"matrix-{known.as_of_date:%Y-%m-%d}-*.parquet")
        ours = read_matrix(sorted(files)).frame
        ours = ours.set_index("student_id").loc[theirs.index, names].astype("float64")
        if not (ours.isna() == theirs[names].isna()).all(axis=None):
            raise SystemExit("one of the two knows what the other does not")
        most = max(most, float((ours - theirs[names]).abs().max(axis=None)))
    return most


def _stored(folder: Path) -> dict[str, pd.DataFrame]:
    """Read what is stored of each student, of all buckets: what the contract has, and when it was known."""
    _, store = _opened(folder)
    return {
        name: pandas_features.dated(
            pd.concat(
                [
                    pd.read_parquet(store.file(name, bucket), columns=_columns(name))
                    for bucket in range(store.bucket_count)
                ],
                ignore_index=True,
            )
        )
        for name in STUDENT_TABLES
    }


def _columns(name: str) -> list[str]:
    return [*(column.name for column in table(name).columns), *STORED]


def _known(stored: dict[str, pd.DataFrame], given: Known) -> Known:
    keys = {name: table(name).key for name in stored}
    return given.having(cut(stored, keys, given.as_of_date))


@cache
def _given(folder: Path) -> tuple[Known, ...]:
    """Return what each date is: its cohort, terms, schools, school days; not the records of students."""
    run, store = _opened(folder)
    given = []
    for as_of in dates_of(run, store).all:
        rule = run.rule(as_of)
        parts = []
        for bucket in range(store.bucket_count):
            with BucketReader(store, bucket) as reader:
                shown = reader.at(as_of.as_of_date, rule, as_of.term)
                told = pandas_features.read_known(
                    shown, delivered=tuple(store.tables), outcome_delay_days=rule.outcome_delay_days
                )
            parts.append(told.without(STUDENT_TABLES))
        cohort = pd.concat([part["cohort"] for part in parts], ignore_index=True)
        given.append(parts[0].having({"cohort": cohort.sort_values("student_id", ignore_index=True)}))
    return tuple(given)


def _student_dates(folder: Path) -> int:
    return int((folder / COUNT).read_text())


FEATURE_WAYS: dict[str, Way] = {
    "ours": features_ours,
    "ours, two processes": features_beside,
    "pandas": features_pandas,
    "least: read, write": features_least,
}
