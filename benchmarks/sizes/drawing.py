"""Matrices and outcomes drawn by chance, written as the feature store writes them, a piece at a time.

As wide as ours, a tenth of it not known, rounded as features are; leaving depends on eight of the columns.
Sizes and speed carry over to real data, figures of quality do not.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.design import PIECE_COMPRESSION, PIECE_ROWS
from riskmodel.domain import Labels, Matrix, Outcome
from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import stored_matrix

FIRST = date(2021, 10, 1)
HORIZON = timedelta(days=180)
RATE = 0.01
"""Who leaves within a horizon."""
SCHOOL_STUDENTS = 400
LACK_TOGETHER = 9
"""Columns that are made from the same records are not known together."""
OUTCOMES = "outcomes.parquet"


def draw(folder: Path, *, rows: int, dates: int, seed: int = 1) -> None:
    """Write a matrix per as-of date, of about as many rows each, and what became of all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for number in range(dates):
        day = FIRST + timedelta(days=182 * number)
        count = rows * (number + 1) // dates - rows * number // dates
        outcomes.append(_draw_date(folder / f"matrix-{day}-t{number}.parquet", day, count, [seed, number]))
    pd.concat(outcomes, ignore_index=True).to_parquet(folder / OUTCOMES)


def drawn(folder: Path) -> tuple[Matrix, Labels]:
    """Return what was drawn; the rows stay in their files."""
    outcomes = pd.read_parquet(folder / OUTCOMES)
    outcomes["as_of_date"] = outcomes["as_of_date"].astype("datetime64[s]")
    return stored_matrix(sorted(folder.glob("matrix-*.parquet"))), Labels(outcomes, date(2030, 1, 1), "drawn")


def _draw_date(file: Path, day: date, rows: int, seed: list[int]) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    model = np.array([feature.role == "model" for feature in ALL_FEATURES])
    outcomes = []
    writer = None
    for start in range(0, rows, PIECE_ROWS):
        at = np.arange(start, min(start + PIECE_ROWS, rows))
        X = chance.exponential(size=(len(at), len(ALL_FEATURES))).round(3)
        gaps = chance.random((len(at), X.shape[1] // LACK_TOGETHER + 1)) < 0.1
        X[np.repeat(gaps, LACK_TOGETHER, axis=1)[:, : X.shape[1]]] = np.nan
        margin = np.nan_to_num(X[:, model][:, :8]).sum(axis=1)
        left = chance.random(len(at)) < RATE * np.exp(0.3 * (margin - 7.2))
        table = pa.table(_keys(day, at) | {
            feature.name: pa.array(X[:, number], from_pandas=True)
            for number, feature in enumerate(ALL_FEATURES)
        })  # fmt: skip
        writer = writer or pq.ParquetWriter(file, table.schema, compression=PIECE_COMPRESSION)
        writer.write_table(table, row_group_size=PIECE_ROWS)
        after = chance.integers(1, HORIZON.days, len(at)).astype("timedelta64[D]").astype("timedelta64[s]")
        outcomes.append(
            pd.DataFrame(
                {
                    "as_of_date": np.datetime64(day, "s"),
                    "student_id": table["student_id"].to_pandas(),
                    "outcome": np.where(left, Outcome.LEFT.value, Outcome.STAYED.value),
                    "left_on": np.where(left, np.datetime64(day, "s") + after, np.datetime64("NaT", "s")),
                    "horizon_end": np.datetime64(day + HORIZON, "s"),
                }
            )
        )
    if writer is not None:
        writer.close()
    return pd.concat(outcomes, ignore_index=True)


def _keys(day: date, at: np.ndarray) -> dict[str, object]:
    """Return whose rows these are: the same students on every date, two to a household, 400 to a school."""

    def named(kind: str, numbers: np.ndarray) -> np.ndarray:
        return np.char.add(kind, np.char.zfill(numbers.astype(str), 8))

    return {
        "as_of_date": pa.array([day] * len(at), pa.date32()),
        "student_id": named("s", at),
        "household_id": named("h", at // 2),
        "school_id": named("school-", at // SCHOOL_STUDENTS),
        "township": named("t", at // (20 * SCHOOL_STUDENTS)),
        "stage": ["junior"] * len(at),
        "grade": pa.array([8] * len(at), pa.int32()),
        "class_name": named("c", at // 40),
        "masked_name": ["王**"] * len(at),
        "number_tail": ["0000"] * len(at),
    }
