"""What the fit step costs beside LightGBM itself: from a matrix to an uncalibrated model.

Counted as LightGBM's own are the construction of its Dataset (binning) and `lightgbm.train`. The rest is
ours, and may take a tenth at most: choosing the rows, copying them into one array, writing the model as text
and reading it back.

    python benchmarks/fit_cost.py --rows 500000
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from riskmodel.domain import FeatureMatrix, Labels, Outcome
from riskmodel.features import ALL_FEATURES
from riskmodel.models.learning import Grower, rows_to_learn
from riskmodel.recipe import PLAIN

LIMIT = 0.1
RATE = 0.01
"""Who leaves within a horizon."""


def made_up(rows: int, seed: int) -> tuple[FeatureMatrix, Labels]:
    """Draw a matrix as wide as ours, a tenth of it not known, and outcomes that depend on some of it."""
    rng = np.random.default_rng(seed)
    names = [feature.name for feature in ALL_FEATURES if feature.role == "model"]
    X = rng.exponential(size=(rows, len(names))).round(3)
    X[rng.random(X.shape) < 0.1] = np.nan
    margin = np.nan_to_num(X[:, :8]).sum(axis=1)
    left = rng.random(rows) < RATE * np.exp(0.3 * (margin - margin.mean()))
    numbers = np.char.zfill(np.arange(rows).astype(str), 8)
    keys = pd.DataFrame(
        {
            "as_of_date": pd.Series(np.full(rows, np.datetime64("2025-10-01"))).astype("datetime64[s]"),
            "student_id": np.char.add("s", numbers),
            "household_id": np.char.add("h", numbers),
            "school_id": np.char.add("school-", (np.arange(rows) % 600).astype(str)),
            "township": "",
            "stage": "junior",
            "grade": 7,
            "class_name": "",
            "masked_name": "",
            "number_tail": "",
        }
    )
    frame = pd.concat([keys, pd.DataFrame(X, columns=names)], axis=1)
    outcomes = keys[["as_of_date", "student_id"]].assign(
        outcome=np.where(left, Outcome.LEFT.value, Outcome.STAYED.value),
        left_on=pd.NaT,
        horizon_end=pd.Timestamp("2026-03-30"),
    )
    features = tuple(feature for feature in ALL_FEATURES if feature.role == "model")
    return FeatureMatrix(frame, features), Labels(outcomes, date(2026, 7, 1), "made up")


class Clock:
    """CPU and wall seconds spent within calls of one function."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def timed(*args: Any, **named: Any) -> Any:
            cpu, wall = time.process_time(), time.monotonic()
            try:
                return call(*args, **named)
            finally:
                self.cpu += time.process_time() - cpu
                self.wall += time.monotonic() - wall

        return timed


def main() -> None:
    """Print what each part took, and whether ours stays within the limit."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=500_000)
    given = asked.parse_args()
    matrix, labels = made_up(given.rows, seed=1)
    parts = {name: Clock() for name in ("rows_to_learn", "Grower.of", "Grower.fit", "Dataset", "train")}
    # LightGBM's own two, wherever our code calls them.
    lightgbm.Dataset.construct = parts["Dataset"].around(lightgbm.Dataset.construct)
    lightgbm.train = parts["train"].around(lightgbm.train)
    rows = parts["rows_to_learn"].around(rows_to_learn)(matrix, labels, None, recipe=PLAIN)
    grower = parts["Grower.of"].around(Grower.of)(rows, PLAIN)
    parts["Grower.fit"].around(grower.fit)(seed=1)
    whole = sum(parts[name].cpu for name in ("rows_to_learn", "Grower.of", "Grower.fit"))
    theirs = parts["Dataset"].cpu + parts["train"].cpu
    share = 1 - theirs / whole
    print(f"{given.rows:,} rows, {len(rows.names)} columns, {PLAIN.trees.rounds} rounds\n")
    print("| part | CPU s | wall s |\n|---|--:|--:|")
    for name, clock in parts.items():
        print(f"| {name} | {clock.cpu:.1f} | {clock.wall:.1f} |")
    print(f"\nbeside LightGBM: {share:.1%} of the fit step's {whole:.1f} CPU s (at most {LIMIT:.0%})")
    print(f"load {os.getloadavg()[0]:.1f}; the machine was shared")
    if share > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
