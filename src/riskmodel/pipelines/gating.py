"""Ask the gates of a model, keep what they said, and let nothing through that one of them refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from riskmodel.bundle import MANIFEST
from riskmodel.config import gates_file, read_gate_limits
from riskmodel.errors import Where, WorkspaceError
from riskmodel.evaluation.audit import Audit, read_audit
from riskmodel.evaluation.gates import (
    GateFound,
    Limits,
    Verdict,
    gates_json,
    judge_age,
    judge_gates,
    read_gates_found,
    refused,
)
from riskmodel.evaluation.gates_report import gate_name, gates_table
from riskmodel.evaluation.report import read_evaluation
from riskmodel.pipelines.bundles import USED, read_used
from riskmodel.pipelines.run import Run
from riskmodel.records.keeping.durable import whole_file
from riskmodel.wording import LANGUAGES

AUDIT, GATES = "audit.json", "gates.json"


def limits_of(run: Run) -> Limits:
    """Read the limits that stand beside the configuration.

    Raises
    ------
    ConfigurationError
        If there are none, or one is missing, unknown or out of range.
    """
    return Limits(**read_gate_limits(gates_file(run.file)).model_dump(exclude={"config_version"}))


def ask_gates(
    run: Run, folder: Path, audit: Audit, limits: Limits, *, current: date
) -> tuple[GateFound, ...]:
    """Ask every gate of an audited model, keep the answers beside it, and say them.

    Parameters
    ----------
    folder
        The model's: with the evaluation, and the bundle that is to be used.
    current
        The as-of date that is to be scored.
    """
    used = read_used(run, folder)
    newest = max(date.fromisoformat(day) for day in used.manifest["as_of_dates"])
    found = judge_gates(
        read_evaluation((folder / "evaluation.json").read_text(encoding="utf-8")),
        audit,
        limits,
        newest_learnt=newest,
        current=current,
    )
    with whole_file(folder / GATES) as beside:
        beside.write_text(gates_json(found), encoding="utf-8")
    for language in LANGUAGES:
        run.say("table", language=language, table=gates_table(found, language))
    verdicts = [each.verdict for each in found]
    counts = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    run.say("gates_refuse" if refused(found) else "gates_let_through", **counts)
    return found


def check_gates(run: Run, folder: Path, *, scored: date) -> None:
    """Stop a model that a gate refused, or would refuse by today's limits; say where no gate was asked.

    Limits that were made wider count from the next audit on: what was read told of the former ones.

    Parameters
    ----------
    folder
        The model's.
    scored
        The as-of date that is to be scored: a model grows old.

    Raises
    ------
    WorkspaceError
        If a gate refuses the model.
    ConfigurationError
        If the limits of today cannot be read.
    """
    file = folder / GATES
    if not file.exists():
        run.say("gates_not_asked")
        return
    kept = read_gates_found(file.read_text(encoding="utf-8"))
    refusing = (*refused(kept), *refused(_asked_today(run, folder, scored)))
    found = list({(each.gate, each.of): each for each in refusing}.values())
    _say_each(run, found)
    if found:
        raise WorkspaceError("model_refused", Where(file=str(file)), count=len(found))


def _asked_today(run: Run, folder: Path, scored: date) -> tuple[GateFound, ...]:
    """Ask the gates by today's limits; of its age alone a model whose figures cannot be read any more."""
    limits = limits_of(run)
    manifest = json.loads((folder / USED / MANIFEST).read_text(encoding="utf-8"))
    newest = max(date.fromisoformat(day) for day in manifest["as_of_dates"])
    try:
        evaluation = read_evaluation((folder / "evaluation.json").read_text(encoding="utf-8"))
        audit = read_audit((folder / AUDIT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):  # gone, or of another version of the program
        run.say("gates_of_today_not_asked")
        return (judge_age(limits, newest_learnt=newest, current=scored),)
    return judge_gates(evaluation, audit, limits, newest_learnt=newest, current=scored)


def _say_each(run: Run, found: Sequence[GateFound]) -> None:
    for each in found:
        for language in LANGUAGES:
            run.say("gate_refuses", language=language, gate=gate_name(each, language))
