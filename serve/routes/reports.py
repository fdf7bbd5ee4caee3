"""The periodic reports of the places that a key may see: listed, and read as page, PDF or workbook."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from riskmodel.reports.render import to_html
from riskmodel.store import official
from serve.answers import report_list
from serve.deps import Visiting
from serve.negotiation import wanted_type
from serve.pages import HTML, PDF, XLSX, file_answer, html_answer
from serve.problems import Problem
from serve.schemas import ReportList, ReportQuery

router = APIRouter(prefix="/v1/reports", tags=["reports"])


@router.get("")
def list_reports(visit: Visiting) -> ReportList:
    """Answer with the reports that the key may see, the newest first."""
    found = official.reports(visit.store, visit.principal)
    visit.note(200)
    return report_list(found)


@router.get(
    "/{report_id}",
    response_class=Response,
    responses={200: {"content": {HTML: {}, PDF: {}, XLSX: {}}}},
)
def read_report(
    report_id: str, query: Annotated[ReportQuery, Query()], visit: Visiting, request: Request
) -> Response:
    """Answer with a report as a page, a PDF or a workbook, by `Accept`."""
    wanted = wanted_type(request, (HTML, PDF, XLSX))
    found = official.report(visit.store, visit.principal, report_id)
    if found is None:
        visit.note(404)
        raise Problem("not_found")
    page = found.content[query.lang]
    if wanted == HTML:
        answer = html_answer(to_html(page))
    else:
        kind, suffix = ("report_pdf", "pdf") if wanted == PDF else ("report_workbook", "xlsx")
        made = request.app.state.maker.make(kind, page=page, made_at=found.made_at.isoformat())
        answer = file_answer(made, wanted, f"report.{query.lang}.{suffix}")
    visit.note(200)
    return answer
