"""A term's work of the data team, up to where people decide."""

from __future__ import annotations

from pathlib import Path

from riskmodel.config import WeekOfTerm
from riskmodel.errors import ConfigurationError, Where
from riskmodel.evaluation.gates import read_gates_found, refused
from riskmodel.pipelines.auditing import BOOTSTRAPS, audit_model
from riskmodel.pipelines.backtesting import backtest
from riskmodel.pipelines.bundles import read_used
from riskmodel.pipelines.checking import check_records
from riskmodel.pipelines.gating import GATES
from riskmodel.pipelines.lists import write_list
from riskmodel.pipelines.publishing import scored_on
from riskmodel.pipelines.records import build_features, make_county, take_in_records
from riskmodel.pipelines.reporting import write_report
from riskmodel.pipelines.run import Run, dates_of
from riskmodel.pipelines.term_folder import LISTS, keep_term
from riskmodel.pipelines.training import train_model
from riskmodel.records.store import RecordStore


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
    audit = audit_model(run, bootstraps=bootstraps)
    if write_report(run) is None:
        return None
    write_lists(run, version)
    folder = keep_term(run, version)
    run.say(_end(run.workspace.models / version, judged=audit is not None), folder=folder)
    return folder


def _end(model: Path, *, judged: bool) -> str:
    """Tell what people have to do: nobody is asked to approve what a gate refused."""
    if not judged:
        return "term_not_judged"
    found = read_gates_found((model / GATES).read_text(encoding="utf-8"))
    return "term_refused" if refused(found) else "term_waits"


def write_lists(run: Run, version: str) -> None:
    """Write who would be listed if the model were published now, school by school; no names."""
    store = RecordStore.open(run.workspace.records)
    current = dates_of(run, store).current
    model = run.workspace.models / version
    bundle = read_used(run, model)
    term = scored_on(run, store, current, bundle, model)
    names = {school.school_id: school.name for school in term.schools}
    rows = sorted(
        (one.school_id, names[one.school_id], str(one.grade), one.class_name or "", one.student_id, one.band)
        for one in term.students
        if one.listed
    )
    columns = ("school_id", "school", "grade", "class_name", "student_id", "band")
    write_list(run.workspace.models / version / LISTS, columns, rows)
