"""What each feature costs: seconds and bytes on one as-of date of a workspace, and where people type it.

`python benchmarks/feature_cost.py CONFIG`, after `riskmodel intake`; on the current as-of date of CONFIG.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.domain import AsOf
from riskmodel.features import GROUPS
from riskmodel.features.build import _columns
from riskmodel.features.declaration import Feature, Group
from riskmodel.pipelines.run import Run, dates_of, silent
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

REPEATS = 3


def costs(run: Run) -> Iterator[tuple[str, str, int, float, float]]:
    """Yield group, feature ('' for the rows that a group shares), students, milliseconds, bytes a student.

    A feature's time is that of its group's query with it alone, less that of the query with none; the best
    of some repeats, over all buckets.
    """
    store = RecordStore.open(run.workspace.records)
    as_of = dates_of(run, store).current
    for group in GROUPS:
        rows = _measured(run, store, as_of, _query(group, None))
        yield group.name, "", rows[0], rows[1], 0.0
        for feature in group.features:
            students, alone, size = _measured(run, store, as_of, _query(group, feature))
            yield group.name, feature.name, students, max(0.0, alone - rows[1]), size


def _query(group: Group, feature: Feature | None) -> str:
    return group.query(_columns([feature]) if feature else "NULL AS nothing")


def _measured(run: Run, store: RecordStore, as_of: AsOf, query: str) -> tuple[int, float, float]:
    spent, students, size = 0.0, 0, 0
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket) as reader:
            connection = reader.at(as_of.as_of_date, run.rule(as_of), as_of.term)
            seconds, table = _best(lambda at=connection: at.sql(query).to_arrow_table())
        spent, students = spent + seconds, students + len(table)
        size += _packed(table)
    return students, spent * 1000, size / max(students, 1)


def _best(work: Callable[[], pa.Table]) -> tuple[float, pa.Table]:
    found = []
    for _ in range(REPEATS):
        begun = time.process_time()
        table = work()
        found.append(time.process_time() - begun)
    return min(found), table


def _packed(table: pa.Table) -> int:
    """Return the bytes of the last column as the matrix's files hold it; 0 where there are only ids."""
    if table.num_columns == 1:
        return 0
    sink = pa.BufferOutputStream()
    pq.write_table(table.select([table.num_columns - 1]), sink)
    groups = pq.ParquetFile(pa.BufferReader(sink.getvalue())).metadata
    return sum(groups.row_group(n).column(0).total_compressed_size for n in range(groups.num_row_groups))


def main() -> None:
    """Print a Markdown table, the dearest feature of each group first."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("config", type=Path)
    told = sorted(
        costs(Run.of(asked.parse_args().config, say=silent)), key=lambda row: (row[0], row[1] != "", -row[3])
    )
    print(f"DuckDB {duckdb.__version__}, {told[0][2]:,} students, milliseconds of processor time\n")
    print("| group | feature | ms | bytes a student |\n|---|---|---:|---:|")
    for group, feature, _, spent, size in told:
        print(f"| {group} | {feature or 'its rows'} | {spent:.0f} | {size:.1f} |")


if __name__ == "__main__":
    main()
