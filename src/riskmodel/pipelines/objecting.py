"""A guardian objects, or takes it back: written down with a name, and held from the next answer on."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run
from riskmodel.store import objections
from riskmodel.store.engine import open_store
from riskmodel.store.reading import student


def take_objection(run: Run, student_id: str, *, by: str, lift: bool = False) -> None:
    """Take an objection down, or lift it. The school's sheets and lists on the disk go with it.

    Raises
    ------
    StoreError
        If nobody is named, the child is in no published set, or there is nothing to lift.
    """
    store = open_store(run.workspace.store, create=True)
    known = None if lift else student(store, BUREAU, student_id)
    change = objections.lift if lift else objections.object_to
    change(store, student_id, by=by, at=datetime.now(UTC))
    if known is not None:
        # What was written for the school holds the child: it goes at once, and is written again without.
        for written in run.workspace.sheets.glob("*"):
            shutil.rmtree(written / known.school_id, ignore_errors=True)
        run.say("sheets_removed", school=known.school_id)
    run.say("objection_lifted" if lift else "objected", by=by.strip())
