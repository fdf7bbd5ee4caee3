"""What a school says of a student's sheet, and what became of it."""

from __future__ import annotations

from fastapi import APIRouter

from riskmodel.errors import StoreError
from riskmodel.store import reading
from riskmodel.store.feedback import Said, feedback_of, record_feedback
from riskmodel.store.tickets import tickets
from serve.answers import feedback_list, feedback_out
from serve.deps import Visiting, Writing
from serve.problems import Problem
from serve.schemas import FeedbackIn, FeedbackList, FeedbackOut

router = APIRouter(prefix="/v1/students", tags=["students"])


@router.post("/{student_id}/feedback", status_code=201)
def give_feedback(student_id: str, told: FeedbackIn, once: Writing) -> FeedbackOut:
    """Keep what is said of the student's current sheet; the same said twice on a day is kept once."""
    visit = once.visit
    visit.principal.must("write_feedback")
    published = reading.current_set(visit.store)
    said = Said(
        student_id=student_id,
        code=told.code,
        family=told.family,
        set_id=published.set_id,
        noted_on=visit.today,
    )

    def write() -> FeedbackOut:
        [kept] = record_feedback(visit.store, visit.principal, [said], at=visit.at)
        return feedback_out(kept, None)

    try:
        answer = once.answer(told, FeedbackOut, write)
    except StoreError as refused:
        if refused.code == "feedback_student_unknown":
            visit.note(404, set_id=published.set_id, missed=[student_id])
        elif refused.code == "feedback_family_wrong":  # tells that there is such a child
            visit.note(422, set_id=published.set_id, shown=[student_id])
        raise
    visit.note(201, set_id=published.set_id, shown=[student_id])
    return answer


@router.get("/{student_id}/feedback")
def read_feedback(student_id: str, visit: Visiting) -> FeedbackList:
    """Answer with everything that was said of the student's sheets, and the intake's answers."""
    published = reading.current_set(visit.store)
    _check_student(student_id, visit, published.set_id)
    said = feedback_of(visit.store, visit.principal, student_id)
    answered = tickets(visit.store, visit.principal, student_ids=[student_id])
    visit.note(200, set_id=published.set_id, shown=[student_id])
    return feedback_list(student_id, said, answered, published, today=visit.today)


def _check_student(student_id: str, visit: Visiting, set_id: str) -> None:
    if reading.student(visit.store, visit.principal, student_id, set_id=set_id) is None:
        visit.note(404, set_id=set_id, missed=[student_id])
        raise Problem("not_found")
