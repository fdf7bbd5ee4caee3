"""A guardian objects, or takes it back: written down with a name, and held from the next answer on."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from riskmodel.pipelines.child_marks import ChildMarks
from riskmodel.pipelines.run import Run
from riskmodel.pipelines.term_folder import LISTS
from riskmodel.records.keeping.durable import whole_file
from riskmodel.store import objections
from riskmodel.store.engine import Store, open_store


def take_objection(run: Run, student_id: str, *, by: str, lift: bool = False) -> None:
    """Take an objection down, or lift it.

    The sheets and lists on the disk go with it: those of each school and set that the child was published
    in, former ones included, and its line in the lists of models and terms. One that holds already is not
    taken down twice, and what was written since goes.

    Raises
    ------
    StoreError
        If nobody is named, the child is in no published set, or there is nothing to lift.
    """
    store = open_store(run.workspace.store, create=True)
    change = objections.lift if lift else objections.object_to
    change(store, student_id, by=by, at=datetime.now(UTC))
    if not lift:
        _remove_written(run, store, student_id)
    run.say("objection_lifted" if lift else "objected", by=by.strip())


def _remove_written(run: Run, store: Store, student_id: str) -> None:
    for set_id, school_id in objections.published_places(store, student_id):
        # What was written for the school holds the child: it goes at once, and is written again without.
        written = run.workspace.sheets_of(set_id, school_id)
        if written.exists():
            shutil.rmtree(written)
            run.say("sheets_removed", school=school_id, set_id=set_id)
        for lists in run.workspace.aid_lists_of(school_id):
            shutil.rmtree(lists)
            run.say("aid_lists_removed", school=school_id, run_id=lists.parent.name)
    marks, workspace = ChildMarks([student_id]), run.workspace
    for listed in sorted((*workspace.models.glob(f"*/{LISTS}"), *workspace.terms.glob(f"*/*/{LISTS}"))):
        if marks.stand_in(listed):
            with whole_file(listed) as beside:
                beside.write_bytes(marks.without(listed))
            run.say("list_line_removed", file=listed)
