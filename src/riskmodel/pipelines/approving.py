"""Two people approve a model, and one can go back: who decided what, and when, is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from riskmodel.bundle import MANIFEST
from riskmodel.config import rule_on
from riskmodel.errors import StoreError, Where, WorkspaceError
from riskmodel.evaluation.gates import Verdict, read_gates_found
from riskmodel.features import PROTECTED
from riskmodel.pipelines.bundles import USED
from riskmodel.pipelines.gating import GATES, check_gates
from riskmodel.pipelines.in_use import model_in_use
from riskmodel.pipelines.inputs import learn_also
from riskmodel.pipelines.outbox import track
from riskmodel.pipelines.reporting import check_cards, check_report
from riskmodel.pipelines.run import Run, dates_of, model_version
from riskmodel.pipelines.term_folder import APPROVAL, keep_approval, keep_term
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import Store, open_store
from riskmodel.store.publishing import go_back, taken_back
from riskmodel.store.reading import current_set
from riskmodel.store.sets import published_sets, publishers
from riskmodel.store.tables import day_of
from riskmodel.tracking import Entry

REPORT = "report.zh.html"
READ = (REPORT, GATES)
"""What must be there to be read before anybody approves."""
PEOPLE = 2
BY_COMMAND = "riskmodel publish"
"""Who publishes a model that nobody approved."""


@dataclass(frozen=True)
class Approval:
    """Who approved a model, when, and by which answers of the gates.

    `decided` counts the gates that said "too few to say": what these people decided.
    """

    model_version: str
    names: tuple[str, ...]
    approved_at: str
    gates_sha256: str
    decided: int


def promote_model(run: Run, names: Sequence[str], *, version: str | None = None) -> Approval:
    """Note that two people approve the model that was trained, audited and reported on.

    It stands in the model's folder, and in that of the term.

    Parameters
    ----------
    version
        Which model; None: that of today's records and configuration or, where these have changed since, the
        one that was reported on last.

    Raises
    ------
    WorkspaceError
        If there are not two different names, the model was not audited or not reported on since, it was made
        under other decisions than today's, a gate refuses it, or its card is not what the run says.
    """
    people = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(people) != PEOPLE:
        raise WorkspaceError("approval_needs_two", count=len(people))
    folder = model_named(run, version) or model_of_today(run) or _reported_last(run)
    if folder is None:
        raise WorkspaceError("model_not_trained", Where(file=str(run.workspace.models)))
    for name in READ:
        if not (folder / name).exists():
            raise WorkspaceError("approval_nothing_to_read", Where(file=str(folder / name)))
    current = dates_of(run, RecordStore.open(run.workspace.records)).current
    check_fits(run, folder)
    check_report(folder)
    check_gates(run, folder, scored=current.as_of_date)
    check_cards(folder)
    gates = (folder / GATES).read_bytes()
    found = read_gates_found(gates.decode())
    approval = Approval(
        folder.name,
        people,
        datetime.now(UTC).isoformat(timespec="seconds"),
        hashlib.sha256(gates).hexdigest(),
        sum(each.verdict is Verdict.TOO_FEW for each in found),
    )
    with whole_file(folder / APPROVAL) as beside:
        beside.write_text(json.dumps(asdict(approval), ensure_ascii=False, indent=1), encoding="utf-8")
    if folder == model_of_today(run):
        keep_term(run, folder.name)
    else:
        # What stands there tells what the model was made from; today's files do not.
        keep_approval(run, folder.name)
    run.say("promoted", version=folder.name, names=" + ".join(people), decided=approval.decided)
    return approval


def model_named(run: Run, version: str | None) -> Path | None:
    """Return the folder of a model that somebody names.

    Raises
    ------
    WorkspaceError
        If there is no model of that name.
    """
    if version is None:
        return None
    folder = run.workspace.models / version
    # A name, and not a way out of the folder.
    if folder.parent != run.workspace.models or not (folder / USED).exists():
        raise WorkspaceError("model_unknown", Where(file=str(run.workspace.models), key=version))
    return folder


def model_of_today(run: Run) -> Path | None:
    """Return the folder of the model of today's records, configuration and code; None: it is not trained."""
    folder = run.workspace.models / model_version(run, RecordStore.open(run.workspace.records))
    return folder if (folder / USED).exists() else None


def approved_last(run: Run, published: Store) -> Path | None:
    """Return the folder of the model that was approved last; None where none was.

    A review takes days, in which records arrive: what was read and approved is published with them. A model
    from which somebody has gone back to another one is left out.
    """
    left = taken_back(published)
    versions = {each.facts.model_version for each in published_sets(published) if each.set_id in left}
    versions.discard(model_in_use(run, published) or "")
    files = [file for file in run.workspace.models.glob(f"*/{APPROVAL}") if file.parent.name not in versions]
    at = {file.parent: json.loads(file.read_text(encoding="utf-8"))["approved_at"] for file in files}
    return _told_of(run, max(at, key=at.__getitem__, default=None))


def _reported_last(run: Run) -> Path | None:
    files = list(run.workspace.models.glob(f"*/{REPORT}"))
    last = max(files, key=lambda file: file.stat().st_mtime_ns, default=None)
    return _told_of(run, last and last.parent)


def _told_of(run: Run, folder: Path | None) -> Path | None:
    """Say that a model is not that of today's records."""
    if folder is not None:
        run.say("model_of_earlier_records", version=folder.name)
    return folder


def check_fits(run: Run, folder: Path) -> None:
    """Hold a model against the decisions that hold today: one of earlier records is published under these.

    Raises
    ------
    WorkspaceError
        If it looks ahead another time, learnt by another rule of what leaving is, or from a protected trait
        that nobody decided on any more.
    """
    manifest = json.loads((folder / USED / MANIFEST).read_text(encoding="utf-8"))
    columns = json.loads((folder / USED / "features.json").read_text(encoding="utf-8"))["model_columns"]
    learnt_by = set(manifest["rule_version"].split("+"))
    rules = {rule_on(run.rules, date.fromisoformat(day)).version for day in manifest["as_of_dates"]}
    undecided = set(PROTECTED) & set(columns) - set(learn_also(run))
    horizon = manifest.get("horizon")
    for key, fits, told, asked in (
        ("horizon", horizon == run.horizon, horizon or "–", run.horizon),
        ("rules", rules <= learnt_by, manifest["rule_version"], "+".join(sorted(rules))),
        ("protected_features", not undecided, ", ".join(sorted(undecided)), "–"),
    ):
        if not fits:
            where = Where(file=str(run.file), key=key)
            raise WorkspaceError("model_of_other_decisions", where, told=told, asked=asked)


def check_approval(run: Run, published: Store, folder: Path) -> str:
    """Return who publishes: the people who approved the model; where nobody did, the command itself.

    Once any model was approved, or a set was published by people, none without an approval is published,
    wherever the file of the approval went. An approval counts for the answers of the gates that were read.

    Raises
    ------
    StoreError
        If the model needs an approval and has none, or the gates have answered otherwise since.
    """
    file = folder / APPROVAL
    if file.exists():
        told = json.loads(file.read_text(encoding="utf-8"))
        if hashlib.sha256((folder / GATES).read_bytes()).hexdigest() != told["gates_sha256"]:
            raise StoreError("approval_of_other_gates", Where(file=str(file)))
        return " + ".join(told["names"])
    approved = any(run.workspace.models.glob(f"*/{APPROVAL}"))
    if approved or publishers(published) - {BY_COMMAND}:
        raise StoreError("not_approved", Where(file=str(folder)))
    run.say("published_without_approval")
    return BY_COMMAND


def roll_back(run: Run, *, by: str, set_id: str | None = None) -> str:
    """Put the set that was published before in its place again, or a given one; return its id.

    Nothing is scored anew: schools get the answers that were published then, to the bit.

    Raises
    ------
    StoreError
        If nobody is named, there is nothing to go back to, or there is no such set.
    """
    if not by.strip():
        raise StoreError("rollback_needs_a_name")
    published = open_store(run.workspace.store)
    left = current_set(published)
    now = go_back(published, to=set_id, by=by.strip(), at=datetime.now(UTC))
    stands = current_set(published)
    run.say("rolled_back", set_id=now, left=left.set_id, version=stands.facts.model_version, by=by.strip())
    told = Entry(kind="published", region=run.configuration.region, model_version=stands.facts.model_version)
    track(run, told)
    return now


def list_sets(run: Run) -> None:
    """Say what was published, the last to become current first: what `roll_back` can be asked for."""
    published = open_store(run.workspace.store)
    left = taken_back(published)
    current = current_set(published).set_id
    for each in published_sets(published):
        run.say(
            "set_line",
            mark="→" if each.set_id == current else "×" if each.set_id in left else " ",
            set_id=each.set_id,
            as_of_date=each.facts.as_of_date,
            version=each.facts.model_version,
            published_at=day_of(each.published_at),
        )
