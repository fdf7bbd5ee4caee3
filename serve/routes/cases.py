"""Cases of the ledgers: what is due today, a case with its history, and what was done in it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from riskmodel.ledger.cases import Entry
from riskmodel.sheets.ledger_file import ledger_task
from riskmodel.store import cases as kept_cases
from riskmodel.store import ledger
from serve.case_answers import case_answer, case_list, decision_of, entry_of, opening_of
from serve.case_schemas import (
    CaseAnswer,
    CaseExportQuery,
    CaseIn,
    CaseList,
    CaseQuery,
    DecisionIn,
    DueQuery,
    EntryIn,
)
from serve.deps import Once, Visiting, Writing
from serve.pages import XLSX, file_answer
from serve.problems import Problem

router = APIRouter(prefix="/v1", tags=["cases"])


@router.get("/due")
def list_due(query: Annotated[DueQuery, Query()], visit: Visiting) -> CaseList:
    """Answer with the open cases of which something is due, the longest due first."""
    today = visit.today
    found = kept_cases.due_cases(visit.store, visit.principal, until=query.until or today, most=query.limit)
    visit.note(200, shown=[one.student_id for one in found])
    return case_list(found, next_page=None, today=today)


@router.get("/cases", response_model=CaseList)
def list_cases(query: Annotated[CaseQuery, Query()], visit: Visiting) -> Response:
    """Answer with a page of the cases that the key may see."""
    found = kept_cases.cases(
        visit.store,
        visit.principal,
        kind=query.ledger,
        is_open=query.is_open,
        after=query.after,
        limit=query.limit,
    )
    next_page = None
    if len(found) == query.limit:
        asked = query.model_dump(mode="json", exclude_none=True) | {"after": found[-1].case_id}
        said = {name: str(one).lower() if isinstance(one, bool) else one for name, one in asked.items()}
        next_page = f"/v1/cases?{urlencode(said)}"
    answer = case_list(found, next_page=next_page, today=visit.today)
    visit.note(200, shown=[one.student_id for one in found])
    return JSONResponse(
        answer.model_dump(mode="json"),
        headers={} if next_page is None else {"Link": f'<{next_page}>; rel="next"'},
    )


@router.get("/cases.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
def export_cases_workbook(
    query: Annotated[CaseExportQuery, Query()], visit: Visiting, request: Request
) -> Response:
    """Answer with the ledgers as the workbook that bureaus keep."""
    found = kept_cases.cases(visit.store, visit.principal, is_open=query.is_open)
    task = ledger_task(found, language=query.lang, on=visit.today)
    answer = file_answer(request.app.state.maker.make("ledger_workbook", **task), XLSX, "ledgers.xlsx")
    visit.note(200, shown=[one.student_id for one in found])
    return answer


@router.post("/cases", status_code=201)
def open_case(told: CaseIn, once: Writing) -> CaseAnswer:
    """Open a case of a child."""
    visit = once.visit

    def write() -> CaseAnswer:
        found = ledger.open_case(visit.store, visit.principal, told.student_id, opening_of(told), at=visit.at)
        return case_answer(kept_cases.as_read_by(visit.principal, found), today=visit.today)

    try:
        answer = once.answer(told, CaseAnswer, write)
    except ledger.EntryRefused as refused:
        if refused.code == "ledger_student_unknown":
            visit.note(404, missed=[told.student_id])
            raise Problem("not_found") from None
        visit.note(422)
        raise
    visit.note(201, shown=[told.student_id])
    return answer


@router.get("/cases/{case_id}")
def read_case(case_id: str, visit: Visiting) -> CaseAnswer:
    """Answer with a case and its history."""
    found = kept_cases.case_of(visit.store, visit.principal, case_id)
    if found is None:
        visit.note(404)
        raise Problem("not_found")
    visit.note(200, shown=[found.student_id])
    return case_answer(found, today=visit.today)


@router.post("/cases/{case_id}/entries", status_code=201)
def add_case_entry(case_id: str, told: EntryIn, once: Writing) -> CaseAnswer:
    """Keep what was done or found: a visit, a verification, a return, a follow-up, a proposal to close."""
    return _added(case_id, entry_of(told), told, once)


@router.post("/cases/{case_id}/decisions", status_code=201)
def decide_closing(case_id: str, told: DecisionIn, once: Writing) -> CaseAnswer:
    """Confirm a closing that somebody else proposed, or send it back."""
    once.visit.principal.must("close_cases")
    return _added(case_id, decision_of(told), told, once)


def _added(case_id: str, entry: Entry, told: EntryIn | DecisionIn, once: Once) -> CaseAnswer:
    visit = once.visit

    def write() -> CaseAnswer:
        found = ledger.add_entry(visit.store, visit.principal, case_id, entry, at=visit.at)
        if found is None:
            raise Problem("not_found")
        return case_answer(kept_cases.as_read_by(visit.principal, found), today=visit.today)

    try:
        answer = once.answer(told, CaseAnswer, write)
    except Problem:
        visit.note(404)
        raise
    except ledger.EntryRefused:
        visit.note(422)
        raise
    visit.note(201, shown=[answer.case.student_id])
    return answer
