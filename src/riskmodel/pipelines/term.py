"""A term's work of the data team, up to where people decide; and one folder that tells what was done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from riskmodel.config import WeekOfTerm, gates_file, recipe_file, region_rules_file
from riskmodel.errors import ConfigurationError, Where
from riskmodel.pipelines.auditing import AUDIT, BOOTSTRAPS, audit_model
from riskmodel.pipelines.backtesting import backtest
from riskmodel.pipelines.checking import check_records
from riskmodel.pipelines.gating import GATES
from riskmodel.pipelines.records import build_features, make_county, take_in_records
from riskmodel.pipelines.reporting import CARDS, COMPARISON, FACTS, write_report
from riskmodel.pipelines.run import Run
from riskmodel.pipelines.training import train_model

APPROVAL = "approval.json"
"""In a model's folder: who approved it (`pipelines.approving`)."""
KEPT = ("evaluation.json", AUDIT, GATES, COMPARISON, FACTS, "report.*.html", *CARDS, APPROVAL)
"""Of a model's folder; what it does not have is left out. The manifest of its data is the bundle's."""


def prepare_term(run: Run, *, term: str, bootstraps: int = BOOTSTRAPS) -> Path | None:
    """Do everything of a term that a machine can do, keep it in one folder, and stop for an approval.

    Intake, check, features, backtest, training, audit, gates and report; nothing is published. Returned is
    the folder `terms/<term>/<model version>`; None where there is no model to approve.

    Raises
    ------
    ConfigurationError
        If the configuration scores another term.
    """
    current = run.configuration.as_of.current
    if not isinstance(current, WeekOfTerm) or current.term != term:
        told = current.term if isinstance(current, WeekOfTerm) else str(current)
        where = Where(file=str(run.file), key="as_of.current")
        raise ConfigurationError("term_is_another", where, asked=term, found=told)
    make_county(run)
    take_in_records(run)
    check_records(run)
    build_features(run)
    backtest(run)
    version = train_model(run)
    audit_model(run, bootstraps=bootstraps)
    if write_report(run) is None:
        return None
    folder = keep_term(run, version)
    run.say("term_waits", folder=folder)
    return folder


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


def _files(run: Run, version: str) -> Iterator[tuple[Path, str]]:
    """Name each file that is kept, and what it is called there."""
    model = run.workspace.models / version
    yield run.file, "configuration.yaml"
    yield region_rules_file(run.file, run.configuration.region), "region.yaml"
    yield gates_file(run.file), "gates.yaml"
    if run.configuration.recipe:
        yield recipe_file(run.file, run.configuration.recipe), "recipe.yaml"
    yield model / "bundle" / "manifest.json", "manifest.json"
    for pattern in KEPT:
        for file in sorted(model.glob(pattern)):
            yield file, file.name
    for file in sorted(run.workspace.backtest.glob("report.*.md")):
        yield file, f"backtest-{file.name}"
