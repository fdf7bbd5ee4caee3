"""What the fit step costs beside LightGBM itself: from a matrix in its files to an uncalibrated model.

What is beside the construction of LightGBM's Dataset and `lightgbm.train` may take a tenth at most: choosing
the rows, writing the model as text and reading it back. While it is constructed, the Dataset asks for the
rows twice; what this reading takes is printed too. Beside it stands what one writes by hand: read all with
pandas, join, and hand one array over.

    python benchmarks/fit_cost.py --rows 500000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import lightgbm
from lightgbm import Dataset
from sizes.drawing import draw, drawn

from riskmodel.domain import Labels, Matrix, Outcome
from riskmodel.features.stored import StoredDesign
from riskmodel.models.gbm import parameters_of
from riskmodel.models.learning import KEYS, Grower, rows_to_learn
from riskmodel.recipe import PLAIN

LIMIT = 0.1


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
    """Draw rows, and stop with 1 where what is beside LightGBM is more than the limit."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=500_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), rows=given.rows, dates=4)
        share = cost(*drawn(Path(folder)))
        by_hand(*drawn(Path(folder)))
    print(f"load {os.getloadavg()[0]:.1f}; the machine was shared")
    if share > LIMIT:
        raise SystemExit(1)


def cost(matrix: Matrix, labels: Labels) -> float:
    """Print what each part of the fit step took; return which share of it is beside LightGBM."""
    names = ("rows_to_learn", "Grower.of", "Grower.fit", "Dataset", "train", "pieces")
    parts = {name: Clock() for name in names}
    # LightGBM's own two, wherever our code calls them.
    with (
        mock.patch.object(Dataset, "construct", parts["Dataset"].around(Dataset.construct)),
        mock.patch.object(lightgbm, "train", parts["train"].around(lightgbm.train)),
        mock.patch.object(StoredDesign, "piece", parts["pieces"].around(StoredDesign.piece)),
    ):
        rows = parts["rows_to_learn"].around(rows_to_learn)(matrix, labels, None, recipe=PLAIN)
        grower = parts["Grower.of"].around(Grower.of)(rows, PLAIN)
        parts["Grower.fit"].around(grower.fit)(seed=1)
    whole = sum(parts[name].cpu for name in ("rows_to_learn", "Grower.of", "Grower.fit"))
    theirs = parts["Dataset"].cpu + parts["train"].cpu
    share = 1 - theirs / whole
    print(f"{len(rows.y):,} rows, {len(rows.names)} columns, {PLAIN.trees.rounds} rounds\n")
    print("| part | CPU s | wall s |\n|---|--:|--:|")
    for name, clock in parts.items():
        print(f"| {name} | {clock.cpu:.1f} | {clock.wall:.1f} |")
    print(
        f"\nbeside Dataset and train: {share:.1%} of the fit step's {whole:.1f} CPU s (at most {LIMIT:.0%})"
    )
    print(f"with the reading of pieces for the Dataset: {share + parts['pieces'].cpu / whole:.1%}")
    return share


def by_hand(matrix: Matrix, labels: Labels) -> None:
    """Print what the same model takes whose rows are read as one array."""

    def fitted() -> None:
        frame = matrix.read([*KEYS, *matrix.model_features])
        joined = frame.merge(labels.frame[[*KEYS, "outcome"]], on=KEYS, how="left", validate="1:1")
        joined = joined[joined["outcome"].isin([Outcome.LEFT, Outcome.STAYED])]
        y = (joined["outcome"] == Outcome.LEFT).to_numpy()
        told = parameters_of(PLAIN.trees) | {"seed": 1}
        X = joined[list(matrix.model_features)].to_numpy()
        text = lightgbm.train(told, Dataset(X, y), num_boost_round=PLAIN.trees.rounds).model_to_string()
        lightgbm.Booster(model_str=text)

    clock = Clock()
    clock.around(fitted)()
    print(f"\nby hand, all rows as one array: {clock.cpu:.1f} CPU s, {clock.wall:.1f} s")


if __name__ == "__main__":
    main()
