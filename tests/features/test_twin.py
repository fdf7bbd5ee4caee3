"""Every feature is what a data analyst makes of the same records in pandas, from what the columns say."""

from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.domain import AsOf, RegionRule
from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

from .random_county import SCENES, County

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")
RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")
KEPT = os.environ.get("RISKMODEL_TWIN_KEPT")
"""Folder in which `make mutants` keeps counties and what pandas makes of them; else each run makes them."""


@pytest.fixture(scope="module")
def twin():
    """`benchmarks/pandas_features`, a package beside the scripts."""
    sys.path.insert(0, BENCHMARKS)
    try:
        import pandas_features

        yield pandas_features
    finally:
        sys.path.remove(BENCHMARKS)


@pytest.fixture(scope="module")
def drawn(make_world, twin, tmp_path_factory):
    """Return a function: the store of a scene, its as-of date, and what pandas makes of it."""

    def draw(number: int) -> tuple[Path, AsOf, pd.DataFrame]:
        folder = (Path(KEPT) if KEPT else tmp_path_factory.mktemp("counties")) / str(number)
        world = make_world()
        world.tables.clear()
        county = County(number, SCENES[number], world.add)
        as_of = AsOf(county.day, county.day + timedelta(days=180), county.term)
        if not (folder / "twin.parquet").exists():
            for name in ("students", "enrolments", "attendance"):
                world.tables[name] = []
            county.draw()
            world.store(folder)
            of_pandas(twin, folder, as_of).to_parquet(folder / "twin.parquet")
        return folder, as_of, pd.read_parquet(folder / "twin.parquet")

    return draw


def of_pandas(twin, store: Path, as_of: AsOf) -> pd.DataFrame:
    opened = RecordStore.open(store)
    with BucketReader(opened, 0) as reader:
        connection = reader.at(as_of.as_of_date, RULE, as_of.term)
        known = twin.read_known(
            connection, delivered=tuple(opened.tables), outcome_delay_days=RULE.outcome_delay_days
        )
    return twin.features(known)


def of_sql(store: Path, as_of: AsOf, work: Path) -> pd.DataFrame:
    task = StudentStageTask(store, 0, ((as_of, RULE),), work)
    return read_matrix(school_stage([student_stage(task)], out=work)).frame.set_index("student_id")


@pytest.mark.parametrize("number", range(len(SCENES)))
def test_every_feature_is_as_pandas_reckons_it(drawn, tmp_path, number) -> None:
    store, as_of, expected = drawn(number)

    made = of_sql(store, as_of, tmp_path)

    names = [feature.name for feature in ALL_FEATURES]
    assert set(expected) == set(names)
    assert made.index.equals(expected.index)
    same = np.isclose(made[names], expected[names], rtol=1e-12, atol=1.1e-9, equal_nan=True)
    differing = {
        name: list(zip(made.index[~ok], made[name][~ok], expected[name][~ok], strict=True))[:3]
        for name, ok in zip(names, same.T, strict=True)
        if not ok.all()
    }
    assert not differing
