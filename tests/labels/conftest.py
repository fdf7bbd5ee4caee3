"""Lay down records, and tell what became of the students in one line each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskmodel.domain import AsOf, Labels, RegionRule
from riskmodel.labels import LabelTask, label_bucket, read_labels
from riskmodel.records.contract import table
from riskmodel.records.keeping.manifest import Delivery, Manifest, commit, generation_folder, table_file
from riskmodel.records.keeping.rows import BEGINNING, STORED, column_types
from riskmodel.records.store import RecordStore

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
ARROW = {
    "VARCHAR": pa.string(), "DATE": pa.date32(), "BIGINT": pa.int64(), "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
}  # fmt: skip


def lay_down(folder: Path, tables: Tables, *, complete_to: date) -> RecordStore:
    """Write records as intake stores them: known from `recorded_on`, or as `known_from` says."""
    for name, rows in tables.items():
        of = table(name)
        schema = pa.schema([(n, ARROW[kind]) for n, kind in (column_types(of) | STORED).items()])
        stored = []
        for number, row in enumerate(rows):
            known_from = row.get("known_from") or row.get("recorded_on") or BEGINNING
            told = {"known_from": known_from, "statement_on": known_from, "implied": False}
            origin = {"source": "bureau", "delivery": 1, "file": f"{name}.csv", "row": number + 2}
            stored.append(told | origin | row)
        file = generation_folder(folder, 1) / table_file(of, 0)
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(stored, schema=schema), file)
    delivery = Delivery(
        number=1,
        source="bureau",
        delivered_on=complete_to,
        files=(),
        tables=tuple(tables),
        complete_to=complete_to,
    )
    manifest = Manifest(
        bucket_count=1, generation=1, student_count=len(tables["students"]), deliveries=(delivery,)
    )
    commit(folder, manifest)
    return RecordStore(folder, manifest)


def in_one_line(row: Any) -> str:
    """`left 2024-12-06 dropped_out_exit, back 2025-02-17`."""

    def day(value: Any, before: str) -> str:
        return "" if value is None or value != value else f"{before}{value:%Y-%m-%d}"

    cause = f" {row.cause}" if isinstance(row.cause, str) else ""
    back, arrived = day(row.returned_on, ", back "), day(row.arrived_on, ", arrived ")
    return f"{row.outcome}{day(row.left_on, ' ')}{cause}{back}{arrived}"


@pytest.fixture(scope="session")
def label(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Labels]:
    """Return a function that lays down records and labels them."""
    folder, number = tmp_path_factory.mktemp("labels"), itertools.count()

    def label_them(
        tables: Tables, asked: Sequence[tuple[AsOf, RegionRule]], *, label_date: date, complete_to: date
    ) -> Labels:
        store = lay_down(folder / str(next(number)), tables, complete_to=complete_to)
        dates, rules = zip(*asked, strict=True)
        out = store.folder / "labels" / "bucket-000.parquet"
        path = label_bucket(LabelTask(store.folder, 0, dates, rules, label_date, out))
        return read_labels([path], label_date=label_date, rule_version="test")

    return label_them


@pytest.fixture(scope="session")
def became(label: Callable[..., Labels]) -> Callable[..., dict[tuple[date, str], str]]:
    """Return a function that says, by as-of date and student, in one line what became of the student."""

    def tell(*args: Any, **kwargs: Any) -> dict[tuple[date, str], str]:
        rows = label(*args, **kwargs).frame.itertuples()
        return {(row.as_of_date.date(), row.student_id): in_one_line(row) for row in rows}

    return tell
