"""Records as of a day become a FeatureMatrix: the student stage on buckets, the school stage after it.

Both are mapped. The first deals what it makes of a bucket's students into parts by their schools, so that
a task of the second (`school_part`) reads one part, in which every school is whole, of all buckets. How many
parts there are follows from the number of students alone: the number of buckets changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.design import PIECE_COMPRESSION, PIECE_ROWS
from riskmodel.domain import (
    MATRIX_KEYS,
    NOBODY,
    AsOf,
    FeatureInfo,
    FeatureMatrix,
    LeftOut,
    Matrix,
    RegionRule,
)
from riskmodel.errors import NotEnoughData
from riskmodel.features import ALL_FEATURES, GROUPS, school
from riskmodel.features.declaration import Feature
from riskmodel.features.peers import beside_peers
from riskmodel.features.stored import StoredMatrix
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.keeping.rows import bucket_of
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.runners import Runner

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
       coalesce(right(trim(roll_number), 4), '') AS number_tail, spell_running
FROM cohort CROSS JOIN as_of
"""

_LEAVING = "leaving.parquet"
_DECIMALS = 9
"""Sums of halves and thirds differ in the last bits with the order of rows; nine decimals are the same in any
order, so that equal records give equal bytes. Adding 0 turns a negative zero into zero."""


STUDENTS_OF_A_PART = 50_000
"""So many students' features of one day, 50 MB, are compared in one process."""


def parts_for(students: int) -> int:
    """Return into how many parts the schools are dealt."""
    return max(1, -(-students // STUDENTS_OF_A_PART))


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
    parts
        Into how many parts the schools are dealt.
    """

    store: Path
    bucket: int
    as_of: tuple[tuple[AsOf, RegionRule], ...]
    out: Path
    corrected: bool = False
    # Not told where a task is named, in a log of a cluster.
    left_out: LeftOut = field(default=NOBODY, repr=False)
    parts: int = 1

    @property
    def folder(self) -> Path:
        """Where the bucket's files are written."""
        return self.out / f"students-{self.bucket:05d}"


def student_stage(task: StudentStageTask) -> Path:
    """Compute the features of each student alone, for one bucket and all its as-of dates.

    Writes `part-<number>.parquet` for each part of the schools (the keys, `term`, one column per feature,
    sorted by date and student) and then `leaving.parquet`, counts per school. What was made before from the
    same records, dates and declarations is kept.

    Returns
    -------
    The bucket's folder.
    """
    store = RecordStore.open(task.store)
    inputs = _inputs_hash(store, task)
    files = [_part_file(task.folder, part) for part in range(task.parts)]
    if all(_was_made_from(file, inputs) for file in (*files, task.folder / _LEAVING)):
        return task.folder
    students: list[list[pa.Table]] = [[] for _ in files]
    leaving = []
    with BucketReader(store, task.bucket, corrected=task.corrected, left_out=task.left_out) as reader:
        for as_of, rule in task.as_of:
            connection = reader.at(as_of.as_of_date, rule, as_of.term)
            dated = _dated(_answer(connection, _students_sql()), as_of)
            for part, rows in enumerate(_by_part(dated, task.parts)):
                students[part].append(rows)
            leaving.append(_dated(_answer(connection, school.LEAVING, delay=rule.outcome_delay_days), as_of))
    for file, tables in zip(files, students, strict=True):
        _write(tables, file, inputs)
    _write(leaving, task.folder / _LEAVING, inputs)
    return task.folder


@dataclass(frozen=True)
class SchoolStageTask:
    """One part of the schools, on all as-of dates.

    Attributes
    ----------
    buckets
        What `student_stage` returned for all buckets.
    part
        Which part, from 0.
    leaving
        The file in which the counts of all buckets are added up.
    out
        Folder for the result.
    """

    buckets: tuple[Path, ...]
    part: int
    leaving: Path
    out: Path

    @property
    def folder(self) -> Path:
        """Where the part's files are written."""
        return self.out / f"part-{self.part:05d}"


def school_part(task: SchoolStageTask) -> Path:
    """Compare the students of each school-grade of a part, and add what is known of the schools.

    Writes `matrix-<as_of_date>-<term>.parquet`, sorted by student, for each date on which the part has
    students, and at the end what they were made from: a part that was made before from the same is kept.

    Returns
    -------
    The part's folder.
    """
    files = [_part_file(bucket, task.part) for bucket in task.buckets]
    inputs = hashlib.sha256(b"".join(map(_made_from, [*files, task.leaving]))).hexdigest()
    done = task.folder / "MADE_FROM"
    if done.exists() and done.read_text(encoding="utf-8") == inputs:
        return task.folder
    written: list[Path] = []
    with duckdb.connect(config=duckdb_settings()) as connection:
        for as_of_date, term in _dates_in(files):
            students = _on(as_of_date, term, files).sort_by("student_id")
            matrix = _beside_others(connection, students, _on(as_of_date, term, [task.leaving]))
            # What it was made from stands beside: records that change nothing here leave the same bytes.
            written.append(task.folder / f"matrix-{as_of_date}-{term}.parquet")
            _write([matrix], written[-1], "")
    for stale in set(task.folder.glob("matrix-*.parquet")) - set(written):
        stale.unlink(missing_ok=True)
    with whole_file(done) as beside:
        beside.write_text(inputs, encoding="utf-8")
    return task.folder


def school_stage(
    buckets: Sequence[Path], *, out: Path, parts: int = 1, runner: Runner | None = None
) -> tuple[Path, ...]:
    """Compare the students of each school-grade, part by part of the schools.

    Parameters
    ----------
    buckets
        What `student_stage` returned for all buckets.
    out
        Folder for the result.
    parts
        Into how many parts the schools were dealt.
    runner
        Where the parts are worked at; None: here, one after the other.

    Returns
    -------
    One file per as-of date and term and part, oldest first: see `school_part`.
    """
    leaving = out / _LEAVING
    _add_up([bucket / _LEAVING for bucket in buckets], leaving)
    tasks = [SchoolStageTask(tuple(buckets), part, leaving, out) for part in range(parts)]
    folders = runner.map(school_part, tasks) if runner else [school_part(task) for task in tasks]
    return matrix_files_of(folders)


def matrix_files_of(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the matrices in the folders of the parts, by date and term and part."""
    files = [file for folder in folders for file in folder.glob("matrix-*.parquet")]
    return tuple(sorted(files, key=lambda file: (file.name, file.parent.name)))


def read_matrix(paths: Sequence[Path], *, learn_also: Sequence[str] = ()) -> FeatureMatrix:
    """Read files of `school_stage` as one matrix: by as-of date, part of the schools, and student.

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
    in_order = sorted(paths, key=lambda path: path.parent.name)
    tables = sorted((pq.read_table(path) for path in in_order), key=_date_of)
    dates = {_date_of(table) for table in tables}
    whole = pa.concat_tables(tables)
    del tables
    frame: pd.DataFrame = whole.to_pandas(self_destruct=True)
    frame["as_of_date"] = frame["as_of_date"].astype("datetime64[s]")
    if len({path.name for path in paths}) > len(dates):
        # Two terms share a date.
        frame = frame.sort_values(["as_of_date", "student_id", "school_id"], ignore_index=True)
    return FeatureMatrix(frame=frame, features=_features(learn_also))


def stored_matrix(paths: Sequence[Path], *, learn_also: Sequence[str] = ()) -> Matrix:
    """Return what `read_matrix` does, with the rows left in their files, in the order of the files.

    Where two terms share an as-of date, whose rows have to be mixed, they are read.
    """
    names = {path.name for path in paths}
    days = {name.removeprefix("matrix-")[: len("2026-03-01")] for name in names}
    if len(days) < len(names) or not paths:
        return read_matrix(paths, learn_also=learn_also)
    ordered = sorted(paths, key=lambda path: (path.name, path.parent.name))
    return StoredMatrix(tuple(ordered), _features(learn_also))


def _features(learn_also: Sequence[str]) -> tuple[FeatureInfo, ...]:
    return tuple(
        replace(feature, role="model") if feature.name in learn_also else feature for feature in ALL_FEATURES
    )


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
        f"{group.name}_features AS ({group.query(_columns(group.features))})" for group in GROUPS
    )
    joins = " ".join(f"LEFT JOIN {group.name}_features USING (student_id)" for group in GROUPS)
    names = ", ".join(feature.name for group in GROUPS for feature in group.features)
    return f"WITH keys AS ({_KEYS}), {groups} SELECT keys.*, {names} FROM keys {joins} ORDER BY student_id"


def _dates_in(files: Sequence[Path]) -> list[tuple[date, str]]:
    told = pq.read_table(files, columns=["as_of_date", "term"], use_threads=False)
    found = told.group_by(told.column_names, use_threads=False).aggregate([]).to_pydict()
    return sorted(zip(*found.values(), strict=True))


def _on(as_of_date: date, term: str, files: Sequence[Path]) -> pa.Table:
    """Read the rows of a date from files whose row groups hold one date each."""
    return pq.read_table(
        files, filters=[("as_of_date", "=", as_of_date), ("term", "=", term)], use_threads=False
    )


def _beside_others(connection: duckdb.DuckDBPyConnection, students: pa.Table, leaving: pa.Table) -> pa.Table:
    """Add the features of the second stage to the students of a day, sorted by `student_id`.

    The query is given only the columns that it names: the others would be carried through its joins.
    """
    first = [feature.name for group in GROUPS for feature in group.features]
    expressions = [feature.expression for feature in school.GROUP.features]
    named = {*re.findall(r"\w+", " ".join([school.RELATION, *expressions]))}
    read = [name for name in students.column_names if name in named]
    told = {name: students[name] for name in ["student_id", *read]}
    connection.register("students", pa.table(told | beside_peers(students, expressions)))
    connection.register("leaving", leaving)
    added = _answer(
        connection,
        f"SELECT {_columns(school.GROUP.features)} FROM ({school.GROUP.relation}) ORDER BY student_id",
    )
    kept = students.select([*MATRIX_KEYS, *first])
    return pa.table([*kept.columns, *added.columns], [*kept.column_names, *added.column_names])


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
            "as_of_date": pa.repeat(pa.scalar(as_of.as_of_date, pa.date32()), rows),
            "term": pa.repeat(as_of.term, rows),
            **{name: table[name] for name in rest},
        }
    )


def _read(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    connection.from_parquet([str(path) for path in paths]).create_view(name)


def _by_part(students: pa.Table, parts: int) -> list[pa.Table]:
    """Deal students by their schools: the hash is that of the buckets, which any engine finds the same."""
    if parts == 1:
        return [students]
    schools = students["school_id"].combine_chunks().dictionary_encode()
    part_of = np.array([bucket_of(one, parts) for one in schools.dictionary.to_pylist()], dtype=np.intp)
    part = part_of[schools.indices.to_numpy()]
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part, minlength=parts))
    dealt = students.take(order)
    return [dealt.slice(start, end - start) for start, end in pairwise([0, *ends.tolist()])]


def _add_up(files: Sequence[Path], out: Path) -> None:
    """Add the counts of earlier leavers of all buckets, school by school."""
    inputs = hashlib.sha256(b"".join(map(_made_from, files))).hexdigest()
    with duckdb.connect(config=duckdb_settings()) as connection:
        _read(connection, "leaving", files)
        added = _answer(
            connection,
            """SELECT as_of_date, term, school_id, township, stage, CAST(sum(students) AS BIGINT) AS students,
                      CAST(sum(leavers) AS BIGINT) AS leavers, bool_or(reaches_back) AS reaches_back
               FROM leaving GROUP BY ALL ORDER BY ALL""",
        )
    _write([added], out, inputs)


def _write(tables: Sequence[pa.Table], file: Path, inputs: str) -> None:
    """Write rows in groups; a file that is there is whole."""
    schema = tables[0].schema.with_metadata({"inputs": inputs})
    with (
        whole_file(file) as beside,
        pq.ParquetWriter(beside, schema, compression=PIECE_COMPRESSION) as writer,
    ):
        for table in tables:
            writer.write_table(table.cast(schema), row_group_size=PIECE_ROWS)


def _made_from(file: Path) -> bytes:
    inputs: bytes = (pq.read_schema(file).metadata or {}).get(b"inputs", b"")
    return inputs


def _was_made_from(file: Path, inputs: str) -> bool:
    return file.exists() and _made_from(file) == inputs.encode()


def _part_file(bucket: Path, part: int) -> Path:
    return bucket / f"part-{part:05d}.parquet"


def _inputs_hash(store: RecordStore, task: StudentStageTask) -> str:
    """Name what the result depends on: the records, the dates and rules, and the code that reads them."""
    asked: list[Any] = [[str(as_of.as_of_date), as_of.term, asdict(rule)] for as_of, rule in task.as_of]
    told = [
        store.content_hash, store.bucket_count, task.bucket, asked, task.corrected, asdict(task.left_out),
        task.parts,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(told, default=str).encode())
    for package in ("riskmodel.features", "riskmodel.records"):
        for source in sorted(Path(str(resources.files(package))).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
