"""Two people approve a model, and one can go back: who decided what, and when, is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from riskmodel.errors import StoreError, Where, WorkspaceError
from riskmodel.evaluation.gates import Verdict, read_gates_found
from riskmodel.pipelines.gating import GATES, check_gates
from riskmodel.pipelines.in_use import model_in_use
from riskmodel.pipelines.outbox import track
from riskmodel.pipelines.reporting import check_cards
from riskmodel.pipelines.run import Run, model_version
from riskmodel.pipelines.term_folder import APPROVAL, keep_term
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import Store, open_store
from riskmodel.store.publishing import go_back
from riskmodel.store.reading import current_set
from riskmodel.tracking import Entry

READ = ("report.zh.html", GATES)
"""What must be there to be read before anybody approves."""
PEOPLE = 2


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


def promote_model(run: Run, names: Sequence[str]) -> Approval:
    """Note that two people approve the model that was trained, audited and reported on.

    It stands in the model's folder, and in that of the term.

    Raises
    ------
    WorkspaceError
        If there are not two different names, the model was not audited or not reported on, a gate refuses
        it, or its card is not what the run says.
    """
    people = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(people) != PEOPLE:
        raise WorkspaceError("approval_needs_two", count=len(people))
    store = RecordStore.open(run.workspace.records)
    folder = run.workspace.models / model_version(run, store)
    for name in READ:
        if not (folder / name).exists():
            raise WorkspaceError("approval_nothing_to_read", Where(file=str(folder / name)))
    check_gates(run, folder)
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
    beside = folder / f".{APPROVAL}"
    beside.write_text(json.dumps(asdict(approval), ensure_ascii=False, indent=1), encoding="utf-8")
    beside.rename(folder / APPROVAL)
    keep_term(run, folder.name)
    run.say("promoted", version=folder.name, names=" + ".join(people), decided=approval.decided)
    return approval


def check_approval(run: Run, published: Store, folder: Path) -> str:
    """Return who publishes: the people who approved the model; where nobody did, the command itself.

    Once a model that is in use was approved, one that was not does not take its place. An approval counts
    for the answers of the gates that were read.

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
    in_use = model_in_use(run, published)
    if in_use is not None and (run.workspace.models / in_use / APPROVAL).exists():
        raise StoreError("not_approved", Where(file=str(folder)))
    run.say("published_without_approval")
    return "riskmodel publish"


def roll_back(run: Run, *, by: str, set_id: str | None = None) -> str:
    """Put the set that was current before in its place again, or a given one; return its id.

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
