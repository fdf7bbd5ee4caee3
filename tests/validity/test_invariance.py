"""What must not matter does not: order of rows, names of students, number of buckets, number of threads.

Features are the same to the last bit. Scores of one model are too, for they are made row by row; between
trainings with other thread counts risks agree within `TOLERANCE`, which is what the sums of another machine
are forgiven as well (`bundle.GOLDEN_TOLERANCE`). Trees draw rows by their position, so that a training on
renamed students, whose rows stand in another order, is another draw: that is not claimed to be the same.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from riskmodel.bundle import GOLDEN_TOLERANCE, ModelBundle
from riskmodel.domain import FeatureMatrix, Labels
from riskmodel.features import ALL_FEATURES
from riskmodel.models import gbm
from riskmodel.models.training import train
from riskmodel.records.asking import asof
from riskmodel.scoring import score

from .seeing import RULE
from .worlds import Author, World

pytestmark = pytest.mark.slow

FULL = os.environ.get("RISKMODEL_VALIDITY") == "full"
WORLDS = 20 if FULL else 1
TOLERANCE = GOLDEN_TOLERANCE
NAMES = [feature.name for feature in ALL_FEATURES]


def features_of(seen) -> pd.DataFrame:
    return seen.matrix.frame.set_index("student_id")


def assert_same(one: pd.DataFrame, other: pd.DataFrame, bundle: ModelBundle) -> None:
    """Every feature to the last bit, and every score of one model."""
    assert one.index.equals(other.index)
    assert [
        name for name in NAMES if one[name].to_numpy().tobytes() != other[name].to_numpy().tobytes()
    ] == []
    risks = [score(FeatureMatrix(frame.reset_index(), ALL_FEATURES), bundle) for frame in (one, other)]
    assert risks[0].margin.tobytes() == risks[1].margin.tobytes()
    assert risks[0].risk.tobytes() == risks[1].risk.tobytes()


def shuffled(world: World) -> World:
    chance = np.random.default_rng(world.seed)
    tables = {name: [rows[place] for place in chance.permutation(len(rows))]
              for name, rows in world.tables.items()}  # fmt: skip
    return replace(world, tables=tables)


def renamed(world: World, names: dict[str, str]) -> World:
    tables = {name: [row | {"student_id": names[row["student_id"]]} if "student_id" in row else row
                     for row in rows] for name, rows in world.tables.items()}  # fmt: skip
    return replace(world, tables=tables)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_order_names_buckets_and_threads_do_not_matter(seed, bureau_of, bundle, count, monkeypatch):
    world = Author(seed).world()
    bureau = bureau_of(1)
    usual = features_of(bureau.see(bureau.store(world.tables), world.as_of))

    assert_same(usual, features_of(bureau.see(bureau.store(shuffled(world).tables), world.as_of)), bundle)

    students = sorted({row["student_id"] for row in world.tables["students"]})
    places = np.random.default_rng(seed).permutation(len(students))
    names = {student: f"x{place:03}" for student, place in zip(students, places, strict=True)}
    other = features_of(bureau.see(bureau.store(renamed(world, names).tables), world.as_of))
    back = {new: old for old, new in names.items()}
    assert_same(usual, other.rename(index=back).sort_index(), bundle)

    real = asof.duckdb_settings
    with monkeypatch.context() as patched:
        patched.setattr(asof, "duckdb_settings", lambda **told: real(**(told | {"threads": 4})))
        threaded = features_of(bureau.see(bureau.store(world.tables), world.as_of))
    assert_same(usual, threaded, bundle)

    buckets = bureau_of(3)
    dealt = features_of(buckets.see(buckets.store(world.tables), world.as_of, buckets=3))
    assert_same(usual, dealt, bundle)
    bureau.forget()
    buckets.forget()
    count("invariance", worlds=1, **{"ways in which every bit stayed": 4})


def test_another_thread_count_trains_and_scores_the_same(drawn, count, monkeypatch):
    matrix, outcomes = drawn
    labels = Labels(outcomes, RULE.valid_from, "drawn")
    risks = []
    for threads in (1, 3):
        monkeypatch.setattr(gbm, "THREADS", threads)
        if hasattr(gbm, "PARAMETERS"):
            monkeypatch.setattr(gbm, "PARAMETERS", {**gbm.PARAMETERS, "num_threads": threads})
        trained = train(matrix, labels, seed=1, bag=0)
        risks.append(trained.out_of_fold["risk"].to_numpy())
    assert np.abs(risks[0] - risks[1]).max() <= TOLERANCE
    count("invariance", **{"rows with the same risk when trained on 3 threads (within 1e-9)": len(risks[0])})
