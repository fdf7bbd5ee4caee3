"""A matrix left in its files answers as the one in memory; models that learn from either are the same."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskmodel.design import read_pieces, whole
from riskmodel.domain import MATRIX_KEYS, FeatureMatrix
from riskmodel.features import ALL_FEATURES, build
from riskmodel.features.build import read_matrix, stored_matrix
from riskmodel.features.stored import StoredMatrix
from riskmodel.models.gbm import BinnedRows
from riskmodel.models.logistic import fit_logistic
from riskmodel.recipe import TreeParameters

NAMES = [feature.name for feature in ALL_FEATURES]
SOME = tuple(feature.name for feature in ALL_FEATURES if feature.role == "model")[:6]
ROWS = (700, 1100)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two as-of dates, the later one first, in row groups of 256."""
    chance, folder = np.random.default_rng(5), tmp_path_factory.mktemp("matrices")
    written = []
    for day, rows in zip(("2025-03-01", "2024-11-01"), ROWS, strict=True):
        X = chance.normal(size=(rows, len(NAMES))).round(3)
        X[chance.random(X.shape) < 0.1] = np.nan
        keys = {name: [f"{name}-{row}" for row in range(rows)] for name in MATRIX_KEYS}
        keys |= {"as_of_date": [pd.Timestamp(day).date()] * rows, "grade": [7] * rows}
        table = pa.table(keys | {name: pa.array(X[:, n], from_pandas=True) for n, name in enumerate(NAMES)})
        written.append(folder / f"matrix-{day}-term.parquet")
        pq.write_table(table, written[-1], row_group_size=256)
    return written


@pytest.fixture(scope="module")
def both(files: list[Path]) -> tuple[StoredMatrix, FeatureMatrix]:
    stored = stored_matrix(files)
    assert isinstance(stored, StoredMatrix)
    return stored, read_matrix(files)


def test_columns_and_rows_are_those_of_the_matrix_in_memory(both):
    stored, read = both
    keys = ["as_of_date", "student_id", SOME[0]]
    pd.testing.assert_frame_equal(stored.read(keys), read.read(keys))
    assert stored.model_features == read.model_features
    assert stored.columns == read.columns
    theirs, ours = read.design(SOME), stored.design(SOME)
    assert (ours.rows, ours.width) == (theirs.rows, theirs.width) == (sum(ROWS), len(SOME))
    assert np.array_equal(whole(ours), whole(theirs), equal_nan=True)
    assert np.array_equal(ours.column(2), theirs.column(2), equal_nan=True)


def test_some_rows_are_read_as_if_there_were_no_others(both):
    stored, _ = both
    chosen = np.flatnonzero(np.random.default_rng(1).random(sum(ROWS)) < 0.3)
    chosen = chosen[(chosen < 256) | (chosen > 900)]  # of some row groups none is chosen
    once, twice = (each.design(SOME).at(chosen).at(np.arange(0, len(chosen), 2)) for each in both)
    assert np.array_equal(whole(once), whole(twice), equal_nan=True)
    assert np.array_equal(once.column(0), twice.column(0), equal_nan=True)
    rows = [rows for rows, _ in read_pieces(once)]
    assert rows[0].start == 0
    assert rows[-1].stop == once.rows
    assert all(one.stop == other.start for one, other in pairwise(rows))
    assert stored.design(SOME).at(chosen[:0]).pieces() == ()


def test_models_are_the_same_to_the_last_bit_of_the_trees_wherever_the_rows_lie(both):
    y = (np.random.default_rng(2).random(sum(ROWS)) < 0.3).astype(int)
    texts = []
    for X in (both[0].design(SOME), both[1].design(SOME), whole(both[1].design(SOME))):
        trees = BinnedRows.of(X, y, names=SOME).fit(seed=1, trees=TreeParameters())
        texts.append(trees.text)
    assert texts[0] == texts[1] == texts[2]
    first, second = (fit_logistic(each.design(SOME), y, names=SOME) for each in both)
    assert np.allclose(first.weight, second.weight, rtol=1e-9, atol=1e-12)


def test_two_terms_of_one_day_are_read_whole_for_their_rows_are_mixed(files, tmp_path):
    other = tmp_path / "matrix-2025-03-01-other.parquet"
    other.write_bytes(files[0].read_bytes())
    assert isinstance(stored_matrix([files[0], other]), FeatureMatrix)


def test_matrices_are_written_in_groups_that_a_piece_may_hold(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "PIECE_ROWS", 3)
    build._write([pa.table({"a": range(8)})], tmp_path / "rows.parquet", "inputs")
    told = pq.read_metadata(tmp_path / "rows.parquet")
    assert [told.row_group(number).num_rows for number in range(told.num_row_groups)] == [3, 3, 2]
