"""What was done for students: told by people, and read again."""

from __future__ import annotations

from fastapi import APIRouter

from riskmodel.domain import Action
from riskmodel.store import actions as store_actions
from riskmodel.store.reading import current_set
from serve.answers import action_list
from serve.deps import Visiting, Writing
from serve.problems import Problem
from serve.schemas import ActionList, ActionsIn

router = APIRouter(prefix="/v1", tags=["actions"])


@router.post("/actions")
def record_actions(told: ActionsIn, visit: Visiting, once: Writing) -> ActionList:
    """Keep what was done, all of it or nothing; what was told before under its id is answered again."""
    actions = [Action(**action.model_dump()) for action in told.actions]

    def write() -> ActionList:
        return action_list(store_actions.record_actions(visit.store, visit.principal, actions, at=visit.at))

    try:
        kept = once.answer(told, ActionList, write)
    except store_actions.ActionsRefused as refused:
        unseen = {one.position for one in refused.refusals if one.code == "action_student_unknown"}
        visit.note(422, missed=sorted({actions[position].student_id for position in unseen}))
        raise
    visit.note(200, shown=sorted({action.student_id for action in kept.actions}))
    return kept


@router.get("/students/{student_id}/actions")
def list_actions(student_id: str, visit: Visiting) -> ActionList:
    """Answer with what was done for a student, oldest first."""
    published = current_set(visit.store)
    found = store_actions.actions_of(visit.store, visit.principal, student_id)
    if found is None:
        visit.note(404, set_id=published.set_id, missed=[student_id])
        raise Problem("not_found")
    visit.note(200, set_id=published.set_id, shown=[student_id])
    return action_list(found)
