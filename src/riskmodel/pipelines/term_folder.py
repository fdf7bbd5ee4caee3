"""One folder per term and model that tells what was done, to be read without any program."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from riskmodel.config import WeekOfTerm, gates_file, recipe_file, region_rules_file
from riskmodel.pipelines.challenging import CHOICE
from riskmodel.pipelines.gating import AUDIT, GATES
from riskmodel.pipelines.reporting import CARDS, COMPARISON, FACTS
from riskmodel.pipelines.run import Run
from riskmodel.pipelines.training import DATA_MANIFEST
from riskmodel.records.keeping.durable import whole_file

APPROVAL = "approval.json"
"""In a model's folder: who approved it (`pipelines.approving`)."""
LISTS = "lists.csv"
"""In a model's folder: who would be listed if it were published now."""
KEPT = (
    "evaluation.json", DATA_MANIFEST, CHOICE, LISTS, AUDIT, GATES, COMPARISON, FACTS, "report.*.html", *CARDS,
    APPROVAL,
)  # fmt: skip
"""Of a model's folder; what it does not have is left out. The manifest of its data is the bundle's."""


def keep_term(run: Run, version: str) -> Path:
    """Copy what tells of a term into its folder; the one that stood there goes only when all is copied."""
    current = run.configuration.as_of.current
    term = current.term if isinstance(current, WeekOfTerm) else str(current)
    folder = run.workspace.terms / term / version
    beside, former = folder.with_name(f".{version}"), folder.with_name(f".{version}.former")
    for left_over in (beside, former):
        shutil.rmtree(left_over, ignore_errors=True)
    beside.mkdir(parents=True)
    for file, name in _files(run, version):
        shutil.copy(file, beside / name)
    if folder.exists():
        folder.rename(former)
    beside.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
    return folder


def keep_approval(run: Run, version: str) -> None:
    """Copy the approval of a model into the folder of each term that it was prepared for."""
    for folder in run.workspace.terms.glob(f"*/{version}"):
        with whole_file(folder / APPROVAL) as beside:
            shutil.copy(run.workspace.models / version / APPROVAL, beside)


def _files(run: Run, version: str) -> Iterator[tuple[Path, str]]:
    """Name each file that is kept, and what it is called there."""
    model = run.workspace.models / version
    yield run.file, "configuration.yaml"
    yield region_rules_file(run.file, run.configuration.region), "region.yaml"
    yield gates_file(run.file), "gates.yaml"
    if run.configuration.recipe:
        yield recipe_file(run.file, run.configuration.recipe), "recipe.yaml"
    for name in run.configuration.challengers:
        yield recipe_file(run.file, name), f"challenger-{name}.yaml"
    yield model / "bundle" / "manifest.json", "manifest.json"
    for pattern in KEPT:
        for file in sorted(model.glob(pattern)):
            yield file, file.name
    for file in sorted(run.workspace.backtest.glob("report.*.md")):
        yield file, f"backtest-{file.name}"
