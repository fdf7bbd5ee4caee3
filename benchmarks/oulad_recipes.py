"""Our recipes on the Open University data, strict (train 2013B, test 2014B), each as `make oulad` runs it.

`python benchmarks/oulad_recipes.py DATA`; one workspace for all, removed at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RECIPES = ("horizon", "hazard", "average", "hazard_average", "searched")
COLUMNS = ("auc", "average_precision", "brier", "calibration_slope")


@dataclass(frozen=True)
class Row:
    """One recipe on the test term: its figures, those of what stands beside it, and the time of training."""

    recipe: str
    evaluation: Mapping[str, Any]
    seconds: float


def run_recipe(recipe: str, data: Path, folder: Path) -> Row:
    """Run the commands up to training; what recipes share is made once."""
    told = yaml.safe_load((ROOT / "configs" / "oulad.yaml").read_text(encoding="utf-8"))
    workspace = folder / "workspace"
    told |= {"recipe": recipe, "workspace": str(workspace)}
    told["sources"][0]["path"] = str(data)
    config = folder / f"{recipe}.yaml"
    config.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    for step in ("intake", "features"):
        _command(step, config)
    begun = time.monotonic()
    _command("train", config)
    seconds = time.monotonic() - begun
    (judged,) = (workspace / "models").glob("*/evaluation.json")
    evaluation = json.loads(judged.read_text(encoding="utf-8"))
    shutil.rmtree(workspace / "models")
    return Row(recipe, evaluation, seconds)


def _command(step: str, config: Path) -> None:
    command = [str(Path(sys.executable).with_name("riskmodel")), step, "--config", str(config)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stdout + said.stderr)
    searched = [line for line in said.stdout.splitlines() if line.lstrip().startswith("search:")]
    print(f"{config.stem}: {step} done", *searched, sep="\n", file=sys.stderr, flush=True)


def report(rows: Sequence[Row]) -> str:
    """Tell all recipes as one Markdown table."""
    return "\n".join(_table(rows))


def _table(rows: Sequence[Row]) -> Iterator[str]:
    first = rows[0].evaluation
    yield f"{first['rows']:,} students still registered on day 56 of 2014B, {first['events']:,} of whom left."
    yield ""
    yield "| model | AUC | AP | Brier | slope | AUC less logistic | AUC less fixed LightGBM | training s |"
    yield "|---|---|---|---|---|---|---|---:|"
    for row in rows:
        model, differences = row.evaluation["models"][0], row.evaluation["paired_auc_difference"]
        less = (differences.get(name) for name in ("logistic", "lightgbm_fixed"))
        yield f"| {row.recipe} | {_figures(model)} | {' | '.join(map(_interval, less))} | {row.seconds:.0f} |"
    beside = {model["name"]: model for model in rows[-1].evaluation["models"][1:]}
    for name in ("logistic", "absence_rule", "school_rate"):
        yield f"| {name} (beside) | {_figures(beside[name])} | – | – | – |"


def _figures(model: Mapping[str, Any]) -> str:
    return " | ".join(_interval(model[column]) for column in COLUMNS)


def _interval(figure: Mapping[str, float] | None) -> str:
    return "–" if figure is None else f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def main() -> None:
    """Run every recipe, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("data", type=Path)
    data = asked.parse_args().data.resolve()
    with tempfile.TemporaryDirectory(prefix="oulad-recipes-") as name:
        folder = Path(name)
        for beside in ("regions", "recipes"):
            shutil.copytree(ROOT / "configs" / beside, folder / beside)
        print(report([run_recipe(recipe, data, folder) for recipe in RECIPES]))


if __name__ == "__main__":
    main()
