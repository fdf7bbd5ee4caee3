"""A guardian objects, or takes it back: written down with a name, and held from the next answer on."""

from __future__ import annotations

from datetime import UTC, datetime

from riskmodel.pipelines.run import Run
from riskmodel.store import objections
from riskmodel.store.engine import open_store


def take_objection(run: Run, student_id: str, *, by: str, lift: bool = False) -> None:
    """Take an objection down, or lift it.

    Raises
    ------
    StoreError
        If nobody is named, the child is in no published set, or there is nothing to lift.
    """
    store = open_store(run.workspace.store, create=True)
    change = objections.lift if lift else objections.object_to
    change(store, student_id, by=by, at=datetime.now(UTC))
    run.say("objection_lifted" if lift else "objected", by=by.strip())
