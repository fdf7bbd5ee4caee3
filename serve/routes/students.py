"""One student."""

from __future__ import annotations

from fastapi import APIRouter

from riskmodel.store import reading
from serve.answers import student_risk
from serve.deps import Visiting
from serve.problems import Problem
from serve.schemas import StudentRisk

router = APIRouter(prefix="/v1/students", tags=["students"])


@router.get("/{student_id}/risk")
def read_student_risk(student_id: str, visit: Visiting) -> StudentRisk:
    """Answer with the student's risk, band, reasons, strengths and what is not known."""
    published = reading.current_set(visit.store)
    student = reading.student(visit.store, visit.principal, student_id, set_id=published.set_id)
    if student is None:
        visit.note(404, set_id=published.set_id, missed=[student_id])
        raise Problem("not_found")
    answer = student_risk(student, published, role=visit.principal.role, today=visit.at.date())
    visit.note(200, set_id=published.set_id, shown=[student_id])
    return answer
