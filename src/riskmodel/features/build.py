"""Records as of a day become a FeatureMatrix: the student stage on buckets, the school stage after it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.domain import MATRIX_KEYS, NOBODY, AsOf, FeatureMatrix, LeftOut, RegionRule
from riskmodel.errors import NotEnoughData
from riskmodel.features import ALL_FEATURES, GROUPS, school
from riskmodel.features.declaration import Feature
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd

_COMPOUND_SURNAMES = (
    "欧阳", "司马", "诸葛", "上官", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "端木",
    "长孙", "宇文", "独孤", "南宫", "轩辕", "呼延", "申屠", "钟离", "百里", "东郭", "闻人", "澹台",
)  # fmt: skip
_SURNAME_CHARACTERS = f"CASE WHEN name[1:2] IN {_COMPOUND_SURNAMES} AND length(name) > 2 THEN 2 ELSE 1 END"

_KEYS = f"""
SELECT as_of_date, student_id, household_id, school_id, coalesce(township, '') AS township,
       CASE WHEN grade <= 6 THEN 'primary' WHEN grade <= 9 THEN 'junior' ELSE 'beyond' END AS stage,
       CAST(grade AS INTEGER) AS grade, coalesce(class_name, '') AS class_name,
       CASE WHEN coalesce(trim(name), '') = '' THEN '' ELSE trim(name)[1:{_SURNAME_CHARACTERS}] || '**' END
           AS masked_name,
       coalesce(right(trim(roll_number), 4), '') AS number_tail
FROM cohort CROSS JOIN as_of
"""

_DECIMALS = 9
"""Sums of halves and thirds differ in the last bits with the order of rows; nine decimals are the same in any
order, so that equal records give equal bytes. Adding 0 turns a negative zero into zero."""


@dataclass(frozen=True)
class StudentStageTask:
    """One bucket of the record store, on all as-of dates.

    Attributes
    ----------
    store
        Folder of the record store.
    bucket
        Which bucket, from 0.
    as_of
        The as-of dates, each with the region's rule that holds on it.
    out
        Folder for the result.
    corrected
        Take what was corrected since for what was said then (see `BucketReader`).
    left_out
        Whose records are not used.
    """

    store: Path
    bucket: int
    as_of: tuple[tuple[AsOf, RegionRule], ...]
    out: Path
    corrected: bool = False
    left_out: LeftOut = NOBODY

    @property
    def file(self) -> Path:
        """Where the bucket's rows are written."""
        return self.out / f"students-{self.bucket:05d}.parquet"


def student_stage(task: StudentStageTask) -> Path:
    """Compute the features of each student alone, for one bucket and all its as-of dates.

    Writes `students-<bucket>.parquet` (the keys, `term`, one column per feature, sorted by date and
    student) and beside it `leaving-<bucket>.parquet`, counts per school. A file made before from the same
    records, dates and declarations is kept.

    Returns
    -------
    Path of the first of the two.
    """
    store = RecordStore.open(task.store)
    inputs = _inputs_hash(store, task)
    if _was_made_from(task.file, inputs) and _was_made_from(_leaving_file(task.file), inputs):
        return task.file
    task.out.mkdir(parents=True, exist_ok=True)
    with BucketReader(store, task.bucket, corrected=task.corrected, left_out=task.left_out) as reader:
        students, leaving = [], []
        for as_of, rule in task.as_of:
            connection = reader.at(as_of.as_of_date, rule, as_of.term)
            students.append(_dated(_answer(connection, _students_sql()), as_of))
            leaving.append(_dated(_answer(connection, school.LEAVING, delay=rule.outcome_delay_days), as_of))
    _write(students, task.file, inputs)
    _write(leaving, _leaving_file(task.file), inputs)
    return task.file


def school_stage(paths: Sequence[Path], *, out: Path) -> tuple[Path, ...]:
    """Compare the students of each school-grade, and add what is known of the schools.

    Parameters
    ----------
    paths
        What `student_stage` returned for all buckets.
    out
        Folder for the result.

    Returns
    -------
    One file per as-of date and term, `matrix-<as_of_date>-<term>.parquet`, oldest first, sorted by student.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with duckdb.connect(config=duckdb_settings()) as connection:
        _read(connection, "all_students", paths)
        _read(connection, "all_leaving", [_leaving_file(path) for path in paths])
        dates = connection.execute(
            "SELECT DISTINCT as_of_date, term FROM all_students ORDER BY ALL"
        ).fetchall()
        for as_of_date, term in dates:
            chosen = {"as_of_date": as_of_date, "term": term}
            for name in ("students", "leaving"):
                connection.execute(
                    f"""CREATE OR REPLACE TABLE {name} AS SELECT * FROM all_{name}
                        WHERE as_of_date = $as_of_date AND term = $term""",
                    chosen,
                )
            written.append(_matrix_file(out, f"{as_of_date}-{term}"))
            _write([_answer(connection, _matrix_sql())], written[-1], "")
    return tuple(written)


def read_matrix(paths: Sequence[Path], *, learn_also: Sequence[str] = ()) -> FeatureMatrix:
    """Read files of `school_stage` as one matrix, sorted by as-of date and student.

    Parameters
    ----------
    learn_also
        Columns for auditing that a model may learn from all the same: a bureau's written decision.

    Raises
    ------
    NotEnoughData
        If there is no file: on none of the as-of dates a student was enrolled.
    """
    if not paths:
        raise NotEnoughData("cohort_empty")
    tables = sorted((pq.read_table(path) for path in paths), key=_date_of)
    dates = [_date_of(table) for table in tables]
    whole = pa.concat_tables(tables)
    del tables
    frame: pd.DataFrame = whole.to_pandas(self_destruct=True)
    frame["as_of_date"] = frame["as_of_date"].astype("datetime64[s]")
    if len(dates) > len(set(dates)):
        frame = frame.sort_values(["as_of_date", "student_id", "school_id"], ignore_index=True)
    features = tuple(
        replace(feature, role="model") if feature.name in learn_also else feature for feature in ALL_FEATURES
    )
    return FeatureMatrix(frame=frame, features=features)


def _date_of(table: pa.Table) -> date:
    on: date = table["as_of_date"][0].as_py()
    return on


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: int) -> pa.Table:
    """Return the rows of a query. Kept in a table first: a relation would be planned three times."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}", parameters or None)
    return connection.table("answer").to_arrow_table()


def _students_sql() -> str:
    """One query per date: each group's features, grouped by student, beside the cohort."""
    groups = ", ".join(
        f"{group.name}_rows AS ({group.relation}), "
        f"{group.name}_features AS (SELECT student_id, {_columns(group.features)} "
        f"FROM {group.name}_rows GROUP BY student_id)"
        for group in GROUPS
    )
    joins = " ".join(f"LEFT JOIN {group.name}_features USING (student_id)" for group in GROUPS)
    names = ", ".join(feature.name for group in GROUPS for feature in group.features)
    return f"WITH keys AS ({_KEYS}), {groups} SELECT keys.*, {names} FROM keys {joins} ORDER BY student_id"


def _matrix_sql() -> str:
    """One query per date. Windows sort whole rows, so they are given only the columns that they name."""
    first = [feature.name for group in GROUPS for feature in group.features]
    expressions = " ".join(feature.expression for feature in school.GROUP.features)
    read = ", ".join(name for name in first if re.search(rf"\b{name}\b", expressions))
    kept = ", ".join(f"students.{name}" for name in [*MATRIX_KEYS, *first])
    added = ", ".join(feature.name for feature in school.GROUP.features)
    return f"""
        WITH narrow AS (
            SELECT student_id, school_id, grade, school_rate, township_rate, {read}
            FROM ({school.GROUP.relation})
        ),
        compared AS (SELECT student_id, {_columns(school.GROUP.features)} FROM narrow)
        SELECT {kept}, {added} FROM students JOIN compared USING (student_id)
        ORDER BY students.as_of_date, students.student_id
    """


def _columns(features: Sequence[Feature]) -> str:
    return ", ".join(
        f"round(CAST({feature.expression} AS DOUBLE), {_DECIMALS}) + 0 AS {feature.name}"
        for feature in features
    )


def _dated(table: pa.Table, as_of: AsOf) -> pa.Table:
    """Write the asked date and term into each row: two terms can share a date."""
    rest = [name for name in table.column_names if name != "as_of_date"]
    rows = len(table)
    return pa.table(
        {
            "as_of_date": pa.array([as_of.as_of_date] * rows, pa.date32()),
            "term": pa.array([as_of.term] * rows, pa.string()),
            **{name: table[name] for name in rest},
        }
    )


def _read(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    connection.from_parquet([str(path) for path in paths]).create_view(name)


def _write(tables: Sequence[pa.Table], file: Path, inputs: str) -> None:
    """Write one row group per table under another name first: a file that is there is whole."""
    half = file.with_suffix(".writing")
    schema = tables[0].schema.with_metadata({"inputs": inputs})
    with pq.ParquetWriter(half, schema) as writer:
        for table in tables:
            writer.write_table(table.cast(schema))
    half.replace(file)


def _was_made_from(file: Path, inputs: str) -> bool:
    return file.exists() and (pq.read_schema(file).metadata or {}).get(b"inputs") == inputs.encode()


def _leaving_file(students: Path) -> Path:
    return students.with_name(students.name.replace("students-", "leaving-"))


def _matrix_file(out: Path, name: str) -> Path:
    return out / f"matrix-{name}.parquet"


def _inputs_hash(store: RecordStore, task: StudentStageTask) -> str:
    """Name what the result depends on: the records, the dates and rules, and the code that reads them."""
    asked: list[Any] = [[str(as_of.as_of_date), as_of.term, asdict(rule)] for as_of, rule in task.as_of]
    told = [store.content_hash, store.bucket_count, task.bucket, asked, task.corrected]
    digest = hashlib.sha256(json.dumps(told, default=str).encode())
    for package in ("riskmodel.features", "riskmodel.records"):
        for source in sorted(Path(str(resources.files(package))).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
