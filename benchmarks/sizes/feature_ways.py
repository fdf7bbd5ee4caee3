"""Features of a fictional county: ours, the pandas twin of every column, and reading and writing alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pandas_features
import pyarrow.parquet as pq
from county_knowable import configured, measured
from pandas_features.known import Known

from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import StudentStageTask, parts_for, read_matrix, school_stage, student_stage
from riskmodel.pipelines.run import Run, dates_of, silent
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore
from sizes.ways import Way, Work

COUNTY = "county"
STUDENT_TABLES = ("cohort", "students", "enrolments", "attendance", "grades", "family", "subsidies")


def prepare(folder: Path, *, students: int) -> None:
    """Make a county and take it in."""
    (folder / COUNTY).mkdir(parents=True)
    config = configured(7, folder / COUNTY, students=students, times_leavers=1, school_years=2)
    for step in ("county", "intake"):
        measured(step, config)


def _opened(folder: Path) -> tuple[Run, RecordStore]:
    run = Run.of(folder / COUNTY / "county.yaml", say=silent)
    return run, RecordStore.open(run.workspace.records)


def features_ours(folder: Path) -> tuple[Work, int]:
    """Make the matrix of the current date, all buckets one after the other."""
    run, store = _opened(folder)
    as_of = dates_of(run, store).current
    out = folder / "features-ours"
    shutil.rmtree(out, ignore_errors=True)  # what was made before would be taken again

    def work() -> object:
        parts = parts_for(store.student_count)
        tasks = [
            StudentStageTask(
                run.workspace.records, bucket, ((as_of, run.rule(as_of)),), out / "b", parts=parts
            )
            for bucket in range(store.bucket_count)
        ]
        return school_stage([student_stage(task) for task in tasks], out=out, parts=parts)

    return work, store.student_count


def features_pandas(folder: Path) -> tuple[Work, int]:
    """Make the same columns in pandas; what was known on the day is given, its cutting is not counted."""
    run, store = _opened(folder)
    known = _known(run, store)
    return lambda: pandas_features.features(known), store.student_count


def features_least(folder: Path) -> tuple[Work, int]:
    """Read every stored column once, and write as many rows of the result."""
    run, store = _opened(folder)
    files = sorted(run.workspace.records.rglob("*.parquet"))
    found = sorted((folder / "features-ours").rglob("matrix-*.parquet"))

    def work() -> object:
        for file in files:
            pq.read_table(file, use_threads=False)
        for number, file in enumerate(found):
            pq.write_table(pq.read_table(file), folder / f"copy-{number}.parquet")
        return None

    return work, store.student_count


def check(folder: Path) -> float:
    """Return by how much the two ways differ at most, where both know a value; raise where one does not."""
    run, store = _opened(folder)
    theirs = pandas_features.features(_known(run, store))
    ours = read_matrix(sorted((folder / "features-ours").rglob("matrix-*.parquet"))).frame
    names = [feature.name for feature in ALL_FEATURES]
    ours = ours.set_index("student_id").loc[theirs.index, names].astype("float64")
    if not (ours.isna() == theirs[names].isna()).all(axis=None):
        raise SystemExit("one of the two knows what the other does not")
    return float((ours - theirs[names]).abs().max(axis=None))


def _known(run: Run, store: RecordStore) -> Known:
    as_of = dates_of(run, store).current
    rule = run.rule(as_of)
    parts = []
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket) as reader:
            parts.append(
                pandas_features.read_known(
                    reader.at(as_of.as_of_date, rule, as_of.term),
                    delivered=tuple(store.tables),
                    outcome_delay_days=rule.outcome_delay_days,
                )
            )
    first = parts[0]
    tables = dict(first.tables)
    for name in STUDENT_TABLES:
        tables[name] = pd.concat([part[name] for part in parts], ignore_index=True)
    tables["cohort"] = tables["cohort"].sort_values("student_id", ignore_index=True)
    return Known(first.as_of_date, first.term_start, first.outcome_delay_days, tables, first.delivered)


FEATURE_WAYS: dict[str, Way] = {
    "ours": features_ours,
    "pandas": features_pandas,
    "least: read, write": features_least,
}
