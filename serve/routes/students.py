"""Students: what was found about one, now and before, about many at once, and whose a roll number is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from riskmodel.domain import PublishedSet, ScoredStudent
from riskmodel.sheets.render import printed_sheet, to_html
from riskmodel.store import reading, sets
from riskmodel.store.roll_numbers import lookup_key, roll_ref
from serve.answers import lookup_answer, risk_history, student_batch, student_risk
from serve.deps import Visit, Visiting
from serve.explaining import as_read_by, explanation, sheets_of
from serve.negotiation import wanted_type
from serve.pages import HTML, JSON, PDF, file_answer, html_answer
from serve.problems import Problem
from serve.schemas import (
    BatchAsked,
    Explanation,
    ExplanationQuery,
    LookupAnswer,
    LookupAsked,
    RiskHistory,
    RiskQuery,
    StudentBatch,
    StudentRisk,
)
from serve.security import pay_for

router = APIRouter(prefix="/v1/students", tags=["students"])


@router.get("/{student_id}/risk", response_model=StudentRisk)
async def read_student_risk(
    student_id: str, query: Annotated[RiskQuery, Query()], visit: Visiting
) -> Response:
    """Answer with the student's risk, band, reasons, strengths and what is not known."""
    published = await chosen_set(query, visit)
    student = await seen_student(student_id, published, visit)
    answer = student_risk(student, published, role=visit.principal.role, today=visit.today)
    await visit.noted(200, set_id=published.set_id, shown=[student_id])
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get("/{student_id}/risks")
def list_student_risks(student_id: str, visit: Visiting) -> RiskHistory:
    """Answer with what each published set told of the student."""
    current = reading.current_set(visit.store).set_id
    told = reading.student_history(visit.store, visit.principal, student_id)
    if not told:
        visit.note(404, set_id=current, missed=[student_id])
        raise Problem("not_found")
    answer = risk_history(student_id, told, role=visit.principal.role, today=visit.today)
    visit.note(200, set_id=current, shown=[student_id])
    return answer


@router.get(
    "/{student_id}/explanation",
    response_model=Explanation,
    responses={200: {"content": {HTML: {}, PDF: {}}}},
)
async def explain_student(
    student_id: str, query: Annotated[ExplanationQuery, Query()], visit: Visiting, request: Request
) -> Response:
    """Answer with the student's sheet: as data, as a page, or as a PDF of one A4 page."""
    wanted = wanted_type(request, (JSON, HTML, PDF))
    published = await chosen_set(query, visit)
    student = await seen_student(student_id, published, visit)
    school = reading.school(visit.store, visit.principal, student.school_id, set_id=published.set_id)
    if school is None:
        raise Problem("not_found")
    role = visit.principal.role
    named = as_read_by(student, role)
    [sheet] = sheets_of([named], published, school, visit, audience=visit.principal.rights.audience)
    if sheet is None and wanted != JSON:
        await visit.noted(409, set_id=published.set_id, shown=[student_id])
        raise Problem("no_sheet")
    answer: Response
    if sheet is None or wanted == JSON:
        told = explanation(student, sheet, published, role=role, today=visit.today)
        answer = Response(told.model_dump_json(), media_type=JSON, headers={"Vary": "Accept"})
    elif wanted == HTML:
        answer = html_answer(to_html(sheet, query.lang))
    else:
        printed = asdict(printed_sheet(sheet, query.lang))
        made = await run_in_threadpool(request.app.state.maker.make, "pdf", printed=printed)
        answer = file_answer(made, PDF, f"sheet.{query.lang}.pdf")
    await visit.noted(200, set_id=published.set_id, shown=[student_id])
    return answer


@router.post(":batchGet", response_model=StudentBatch)
def batch_get_students(asked: BatchAsked, visit: Visiting, request: Request) -> Response:
    """Answer for each of up to a thousand ids, in their order."""
    pay_for(request, visit.principal, students=len(asked.student_ids))
    published = reading.current_set(visit.store)
    found = reading.students_by_id(visit.store, visit.principal, asked.student_ids, set_id=published.set_id)
    answer = student_batch(
        map(found.get, asked.student_ids),
        published,
        role=visit.principal.role,
        today=visit.today,
    )
    missed = [one for one in dict.fromkeys(asked.student_ids) if one not in found]
    visit.note(200, set_id=published.set_id, shown=list(found), missed=missed)
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post(":lookup")
def look_up_students(asked: LookupAsked, visit: Visiting, request: Request) -> LookupAnswer:
    """Answer whom each of up to a thousand roll numbers belongs to, in their order."""
    pay_for(request, visit.principal, students=len(asked.roll_numbers))
    key = lookup_key(request.app.state.lookup_key_file)
    if key is None:
        raise Problem("lookup_unavailable")
    published = reading.current_set(visit.store)
    refs = [roll_ref(number, key) for number in asked.roll_numbers]
    found = reading.students_by_roll_ref(visit.store, visit.principal, refs, set_id=published.set_id)
    answer = lookup_answer(map(found.get, refs), published, role=visit.principal.role, today=visit.today)
    shown = [one.student_id for one in found.values()]
    # Who was not found has no id: what stands for the number stands for the look, too.
    missed = [ref for ref in dict.fromkeys(refs) if ref not in found]
    visit.note(200, set_id=published.set_id, shown=shown, missed=missed)
    return answer


async def chosen_set(query: RiskQuery, visit: Visit) -> PublishedSet:
    """Return the set that was asked for: the current one, one by its id, or the last of a term.

    Raises
    ------
    Problem
        `invalid_request` if both are given, `not_found` if there is no such set.
    """
    visit.principal.must("read_risk")
    if query.set_id is not None and query.term is not None:
        raise Problem("invalid_request", parameters=("set_id", "term"))
    if query.set_id is not None:
        chosen = sets.published_set(visit.store, query.set_id)
    elif query.term is not None:
        chosen = sets.set_of_term(visit.store, query.term)
    else:
        chosen = reading.current_set(visit.store)
    if chosen is None:
        await visit.noted(404)
        raise Problem("not_found")
    return chosen


async def seen_student(student_id: str, published: PublishedSet, visit: Visit) -> ScoredStudent:
    """Return the student, if within the scope.

    Raises
    ------
    Problem
        `not_found`; the miss is written down.
    """
    student = reading.student(visit.store, visit.principal, student_id, set_id=published.set_id)
    if student is None:
        await visit.noted(404, set_id=published.set_id, missed=[student_id])
        raise Problem("not_found")
    return student
