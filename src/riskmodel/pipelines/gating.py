"""Ask the gates of a model, keep what they said, and let nothing through that one of them refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from riskmodel.config import gates_file, read_gate_limits
from riskmodel.errors import Where, WorkspaceError
from riskmodel.evaluation.audit import Audit, read_audit
from riskmodel.evaluation.gates import (
    GateFound,
    Limits,
    Verdict,
    gates_json,
    judge_gates,
    read_gates_found,
    refused,
)
from riskmodel.evaluation.gates_report import gate_name, gates_table
from riskmodel.evaluation.report import read_evaluation
from riskmodel.pipelines.bundles import read_used
from riskmodel.pipelines.run import Run
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
    (folder / GATES).write_text(gates_json(found), encoding="utf-8")
    for language in LANGUAGES:
        run.say("table", language=language, table=gates_table(found, language))
    verdicts = [each.verdict for each in found]
    counts = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    run.say("gates_refuse" if refused(found) else "gates_let_through", **counts)
    return found


def check_gates(run: Run, folder: Path) -> None:
    """Stop a model that a gate refused, or would refuse by today's limits; say where no gate was asked.

    Limits that were made wider count from the next audit on: what was read told of the former ones.

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
    found = tuple(dict.fromkeys((*refused(kept), *refused(_by_limits_of_today(run, folder, kept)))))
    _say_each(run, found)
    if found:
        raise WorkspaceError("model_refused", Where(file=str(file)), count=len(found))


def _by_limits_of_today(run: Run, folder: Path, kept: Sequence[GateFound]) -> tuple[GateFound, ...]:
    audit, evaluation = folder / AUDIT, folder / "evaluation.json"
    age = next((each.value.value for each in kept if each.gate == "not_stale" and each.value), None)
    if age is None or not audit.exists():
        return ()
    return judge_gates(
        read_evaluation(evaluation.read_text(encoding="utf-8")),
        read_audit(audit.read_text(encoding="utf-8")),
        limits_of(run),
        # As far apart as they were when the gates were asked: a model is not staler for being published late.
        newest_learnt=date.max - timedelta(days=age),
        current=date.max,
    )


def _say_each(run: Run, found: Sequence[GateFound]) -> None:
    for each in found:
        for language in LANGUAGES:
            run.say("gate_refuses", language=language, gate=gate_name(each, language))
