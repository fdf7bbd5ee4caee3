"""The schools that a key may see, and the students of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from riskmodel.domain import PublishedSet, School, ScoredStudent
from riskmodel.errors import StoreError
from riskmodel.sheets.booklet import printed_booklet
from riskmodel.store import reading
from serve.answers import school_answer, school_list, student_page
from serve.deps import Visit, Visiting
from serve.explaining import as_read_by, sheets_of
from serve.exports import csv_file, list_rows, workbook_task
from serve.pages import CSV, PDF, XLSX, file_answer
from serve.problems import Problem
from serve.schemas import (
    BookletQuery,
    ExportQuery,
    ListedStudent,
    ListQuery,
    SchoolAnswer,
    SchoolList,
    StudentPage,
    StudentQuery,
)

router = APIRouter(prefix="/v1/schools", tags=["schools"])


@router.get("")
def list_schools(visit: Visiting) -> SchoolList:
    """Answer with the schools that the key may see."""
    published = reading.current_set(visit.store)
    schools = reading.schools(visit.store, visit.principal, set_id=published.set_id)
    visit.note(200, set_id=published.set_id)
    return school_list(schools, published, today=visit.today)


@router.get("/{school_id}")
def read_school(school_id: str, visit: Visiting) -> SchoolAnswer:
    """Answer with a school and its classes."""
    published = reading.current_set(visit.store)
    school = seen_school(school_id, published, visit)
    classes = reading.classes(visit.store, visit.principal, school_id, set_id=published.set_id)
    visit.note(200, set_id=published.set_id)
    return school_answer(school, classes, published, today=visit.today)


@router.get("/{school_id}/students", response_model=StudentPage)
def list_students(school_id: str, query: Annotated[StudentQuery, Query()], visit: Visiting) -> Response:
    """Answer with a page of the school's students, by grade, class and id."""
    published = reading.current_set(visit.store)
    school = seen_school(school_id, published, visit)
    page = _page(school_id, query, published, visit, limit=query.limit, after=query.after)
    next_page = None if page.after is None else _address(school_id, query, page.after)
    answer = student_page(
        page, school, published, role=visit.principal.role, next_page=next_page, today=visit.today
    )
    visit.note(200, set_id=published.set_id, shown=[one.student_id for one in page.students])
    return JSONResponse(
        answer.model_dump(mode="json", exclude=_left_out(query.fields)),
        headers={} if next_page is None else {"Link": f'<{next_page}>; rel="next"'},
    )


@router.get("/{school_id}/students.csv", response_class=Response, responses={200: {"content": {CSV: {}}}})
def export_students_csv(school_id: str, query: Annotated[ExportQuery, Query()], visit: Visiting) -> Response:
    """Answer with the whole list as CSV that a spreadsheet reads."""
    published, school, students = _whole_list(school_id, query, visit)
    rows = list_rows(students, school, published, role=visit.principal.role, language=query.lang)
    answer = file_answer(csv_file(rows, query.lang), CSV, "students.csv")
    visit.note(200, set_id=published.set_id, shown=[one.student_id for one in students])
    return answer


@router.get("/{school_id}/students.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
def export_students_workbook(
    school_id: str, query: Annotated[ExportQuery, Query()], visit: Visiting, request: Request
) -> Response:
    """Answer with the whole list as a workbook, a dictionary of its columns beside it."""
    published, school, students = _whole_list(school_id, query, visit)
    rows = list_rows(students, school, published, role=visit.principal.role, language=query.lang)
    task = workbook_task(rows, published, language=query.lang)
    answer = file_answer(request.app.state.maker.make("workbook", **task), XLSX, "students.xlsx")
    visit.note(200, set_id=published.set_id, shown=[one.student_id for one in students])
    return answer


@router.get("/{school_id}/booklet", response_class=Response, responses={200: {"content": {PDF: {}}}})
def read_booklet(
    school_id: str, query: Annotated[BookletQuery, Query()], visit: Visiting, request: Request
) -> Response:
    """Answer with the listed sheets of a class as a booklet to print on both sides."""
    visit.principal.must("read_risk")
    if query.audience not in ("class_teacher", visit.principal.rights.audience):
        raise StoreError("not_allowed")
    wanted = ListQuery.model_validate({"grade": query.grade, "class": query.class_name, "listed": True})
    published, school, students = _whole_list(school_id, wanted, visit)
    named = [as_read_by(one, visit.principal.role) for one in students]
    composed = sheets_of(named, published, school, visit, audience=query.audience)
    sheets = [sheet for sheet in composed if sheet is not None]
    if not sheets:
        visit.note(409, set_id=published.set_id)
        raise Problem("no_sheet")
    printed = asdict(printed_booklet(sheets, query.lang))
    answer = file_answer(
        request.app.state.maker.make("pdf", printed=printed), PDF, f"booklet.{query.lang}.pdf"
    )
    shown = [one.student_id for one, sheet in zip(named, composed, strict=True) if sheet is not None]
    visit.note(200, set_id=published.set_id, shown=shown)
    return answer


def _whole_list(
    school_id: str, query: ListQuery, visit: Visit
) -> tuple[PublishedSet, School, list[ScoredStudent]]:
    """Read page after page of one set."""
    published = reading.current_set(visit.store)
    school = seen_school(school_id, published, visit)
    found: list[ScoredStudent] = []
    after: str | None = None
    while True:
        page = _page(school_id, query, published, visit, limit=reading.MOST_PER_PAGE, after=after)
        found += page.students
        after = page.after
        if after is None:
            return published, school, found


def _page(
    school_id: str, query: ListQuery, published: PublishedSet, visit: Visit, *, limit: int, after: str | None
) -> reading.Page:
    return reading.students(
        visit.store,
        visit.principal,
        school_id,
        band=query.band,
        grade=query.grade,
        class_name=query.class_name,
        listed=query.listed,
        order=query.sort,
        limit=limit,
        after=after,
        set_id=published.set_id,
    )


def seen_school(school_id: str, published: PublishedSet, visit: Visit) -> School:
    """Return the school, if within the scope.

    Raises
    ------
    Problem
        `not_found`; the miss is written down.
    """
    school = reading.school(visit.store, visit.principal, school_id, set_id=published.set_id)
    if school is None:
        visit.note(404, set_id=published.set_id)
        raise Problem("not_found")
    return school


def _left_out(fields: str | None) -> Mapping[str, Any]:
    """Return what of each student was not asked for; the id is always told."""
    if fields is None:
        return {}
    wanted = {"student_id", *fields.split(",")}
    return {"students": {"__all__": {name for name in ListedStudent.model_fields if name not in wanted}}}


def _address(school_id: str, query: StudentQuery, after: str) -> str:
    asked = query.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True) | {
        "after": after
    }
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return f"/v1/schools/{quote(school_id, safe='')}/students?{urlencode(words)}"
