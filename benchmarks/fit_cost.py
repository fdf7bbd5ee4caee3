"""What the fit step costs beside LightGBM itself: from a matrix to an uncalibrated model.

Counted as LightGBM's own are the construction of its Dataset (binning) and `lightgbm.train`. The rest is
ours, and may take a tenth at most: choosing the rows, reading them from their files when the Dataset asks for
them, writing the model as text and reading it back.

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

import lightgbm
from sizes.drawing import draw, drawn

from riskmodel.domain import Labels, Matrix
from riskmodel.features.stored import StoredDesign
from riskmodel.models.learning import Grower, rows_to_learn
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
    """Draw rows, and stop with 1 where ours is more than the limit."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=500_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), rows=given.rows, dates=4)
        share = cost(*drawn(Path(folder)))
    if share > LIMIT:
        raise SystemExit(1)


def cost(matrix: Matrix, labels: Labels) -> float:
    """Print what each part of the fit step took; return which share of it is ours."""
    names = ("rows_to_learn", "Grower.of", "Grower.fit", "Dataset", "train", "pieces")
    parts = {name: Clock() for name in names}
    # LightGBM's own two, wherever our code calls them.
    lightgbm.Dataset.construct = parts["Dataset"].around(lightgbm.Dataset.construct)
    lightgbm.train = parts["train"].around(lightgbm.train)
    StoredDesign.piece = parts["pieces"].around(StoredDesign.piece)  # type: ignore[method-assign]
    rows = parts["rows_to_learn"].around(rows_to_learn)(matrix, labels, None, recipe=PLAIN)
    grower = parts["Grower.of"].around(Grower.of)(rows, PLAIN)
    parts["Grower.fit"].around(grower.fit)(seed=1)
    whole = sum(parts[name].cpu for name in ("rows_to_learn", "Grower.of", "Grower.fit"))
    theirs = parts["Dataset"].cpu - parts["pieces"].cpu + parts["train"].cpu
    share = 1 - theirs / whole
    print(f"{len(rows.y):,} rows, {len(rows.names)} columns, {PLAIN.trees.rounds} rounds\n")
    print("| part | CPU s | wall s |\n|---|--:|--:|")
    for name, clock in parts.items():
        print(f"| {name} | {clock.cpu:.1f} | {clock.wall:.1f} |")
    print(f"\nbeside LightGBM: {share:.1%} of the fit step's {whole:.1f} CPU s (at most {LIMIT:.0%})")
    print(f"load {os.getloadavg()[0]:.1f}; the machine was shared")
    return share


if __name__ == "__main__":
    main()
