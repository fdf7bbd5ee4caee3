"""Whatever is held out or tested reaches nothing that was learnt: scrambled, every artefact stays the same.

Of a fold of schools one row is left as it was, and all others of the fold are scrambled, values and outcomes.
What that row gets from models that had not seen its school must be the same to the last bit: had anything
been fitted on the fold (bins, medians, scales, trees), it would move. And of dates that are tested, neither
features nor outcomes may touch any part of a trained model.
"""

from __future__ import annotations

import os
from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.bundle import bundle_files
from riskmodel.domain import FeatureMatrix, Labels, Outcome
from riskmodel.features import ALL_FEATURES
from riskmodel.models import training
from riskmodel.signing import SigningKey
from riskmodel.splits import school_folds

FEATURES = tuple(feature for feature in ALL_FEATURES if feature.role == "model")[:12]
NAMES = [feature.name for feature in FEATURES]
LEARNT, TESTED = pd.Timestamp("2024-11-01"), pd.Timestamp("2025-11-01")
STUDENTS, FOLDS = 700, 5
SCRAMBLED = FOLDS if os.environ.get("RISKMODEL_VALIDITY") == "full" else 1


def draw() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw a matrix of two dates, and its labels; leaving goes along with every column."""
    chance = np.random.default_rng(11)
    rows = 2 * STUDENTS
    values = chance.normal(0, 1, (rows, len(NAMES))) * np.arange(1, len(NAMES) + 1)
    margin = (values / np.arange(1, len(NAMES) + 1)).sum(axis=1) / 2 - 1
    values[chance.random(values.shape) < 0.1] = np.nan
    keys = {
        "as_of_date": np.repeat(pd.DatetimeIndex([LEARNT, TESTED]).astype("datetime64[s]"), STUDENTS),
        "student_id": [f"c{n % STUDENTS:04}" for n in range(rows)],
        "household_id": [f"h{(n % STUDENTS) // 2:04}" for n in range(rows)],
        "school_id": [f"s{(n % STUDENTS) // 2 % 15:02}" for n in range(rows)],
        "township": "t", "stage": "junior", "grade": 8, "class_name": "1", "masked_name": "王**",
        "number_tail": "0000",
    }  # fmt: skip
    frame = pd.DataFrame(keys | dict(zip(NAMES, values.T, strict=True)))
    left = chance.random(rows) < 1 / (1 + np.exp(-margin))
    outcome = np.where(left, Outcome.LEFT.value, Outcome.STAYED.value)
    labels = frame[["as_of_date", "student_id"]].assign(
        outcome=outcome,
        horizon_end=frame["as_of_date"] + pd.Timedelta(days=180),
        left_on=(frame["as_of_date"] + pd.Timedelta(days=60)).where(left),
    )
    return frame, labels


def scramble(
    frame: pd.DataFrame, labels: pd.DataFrame, rows: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give rows values of another size, and the other outcome."""
    chance = np.random.default_rng(12)
    frame, labels = frame.copy(), labels.copy()
    frame.loc[rows, NAMES] = chance.normal(50, 90, (len(rows), len(NAMES)))
    turned = np.where(labels.loc[rows, "outcome"] == Outcome.LEFT.value, "stayed", "left")
    labels.loc[rows, "outcome"] = turned
    days = labels.loc[rows, "as_of_date"] + pd.Timedelta(days=9)
    labels.loc[rows, "left_on"] = days.where(turned == "left")
    return frame, labels


def learn(frame: pd.DataFrame, labels: pd.DataFrame, bag: int = 0) -> training.TrainedModel:
    matrix = FeatureMatrix(frame[frame["as_of_date"] == LEARNT].reset_index(drop=True), FEATURES)
    return training.train(matrix, Labels(labels, date(2025, 10, 1), "drawn"), seed=3, bag=bag, folds=FOLDS)


def margins(frame: pd.DataFrame, labels: pd.DataFrame) -> np.ndarray:
    """Margins of each row by models that had not seen its school: the trees', and the straight line's."""
    told = learn(frame, labels).out_of_fold
    return told[["margin", "logistic_margin"]].to_numpy(dtype=np.float64)


def folds_of(frame: pd.DataFrame) -> list[np.ndarray]:
    ids = (frame.loc[frame["as_of_date"] == LEARNT, name].to_numpy(dtype=str)
           for name in ("school_id", "household_id", "student_id"))  # fmt: skip
    return [held for _, held in school_folds(*ids, folds=FOLDS)]


def moved(frame: pd.DataFrame, labels: pd.DataFrame) -> int:
    """Count the folds of which something reaches a row's out-of-fold margins."""
    found, as_they_were = 0, margins(frame, labels)
    for held in folds_of(frame)[:SCRAMBLED]:
        row, others = held[0], held[1:]
        scrambled = scramble(frame, labels, others)
        found += margins(*scrambled)[row].tobytes() != as_they_were[row].tobytes()
    return found


def test_nothing_of_a_held_out_fold_reaches_the_models_that_score_it(count):
    frame, labels = draw()
    assert moved(frame, labels) == 0
    count("fit inside the fold", folds_scrambled=SCRAMBLED, folds_that_moved_a_model=0)


def test_nothing_of_the_tested_dates_reaches_any_part_of_the_trained_model(count):
    frame, labels = draw()
    tested = np.flatnonzero(frame["as_of_date"] == TESTED)
    key = SigningKey.make()
    files = [
        bundle_files(learn(*told, bag=1), model_version="m", data_hash="d", key=key)
        for told in ((frame, labels), scramble(frame, labels, tested))
    ]
    assert len(files[0]) >= 6
    assert files[0] == files[1]
    count(
        "fit inside the fold", **{"artefacts byte-identical with the tested dates scrambled": len(files[0])}
    )


def fit_on_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant: medians and scales of the held-out rows enter what is fitted, as when one imputes first."""
    real = training.train

    def leaky(matrix: FeatureMatrix, labels: Labels, **options: object) -> training.TrainedModel:
        values = matrix.frame[NAMES]
        filled = (values.fillna(values.median()) - values.mean()) / values.std()
        return real(FeatureMatrix(matrix.frame.assign(**filled), matrix.features), labels, **options)

    monkeypatch.setattr(training, "train", leaky)


def test_fitting_on_all_rows_is_caught(monkeypatch, count):
    fit_on_all_rows(monkeypatch)
    caught = moved(*draw())
    assert caught == SCRAMBLED
    count("planted leak caught: fitting on all rows", folds=caught, **{"of folds": SCRAMBLED})
