"""The schools that a key may see, and the students of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from riskmodel.domain import PublishedSet, School
from riskmodel.store import reading
from serve.answers import school_answer, school_list, student_page
from serve.deps import Visit, Visiting
from serve.problems import Problem
from serve.schemas import ListedStudent, SchoolAnswer, SchoolList, StudentPage, StudentQuery

router = APIRouter(prefix="/v1/schools", tags=["schools"])


@router.get("")
def list_schools(visit: Visiting) -> SchoolList:
    """Answer with the schools that the key may see."""
    published = reading.current_set(visit.store)
    schools = reading.schools(visit.store, visit.principal, set_id=published.set_id)
    visit.note(200, set_id=published.set_id)
    return school_list(schools, published, today=visit.at.date())


@router.get("/{school_id}")
def read_school(school_id: str, visit: Visiting) -> SchoolAnswer:
    """Answer with a school and its classes."""
    published = reading.current_set(visit.store)
    school = seen_school(school_id, published, visit)
    classes = reading.classes(visit.store, visit.principal, school_id, set_id=published.set_id)
    visit.note(200, set_id=published.set_id)
    return school_answer(school, classes, published, today=visit.at.date())


@router.get("/{school_id}/students", response_model=StudentPage)
def list_students(school_id: str, query: Annotated[StudentQuery, Query()], visit: Visiting) -> Response:
    """Answer with a page of the school's students, by grade, class and id."""
    published = reading.current_set(visit.store)
    school = seen_school(school_id, published, visit)
    page = reading.students(
        visit.store,
        visit.principal,
        school_id,
        band=query.band,
        grade=query.grade,
        class_name=query.class_name,
        listed=query.listed,
        order=query.sort,
        limit=query.limit,
        after=query.after,
        set_id=published.set_id,
    )
    next_page = None if page.after is None else _address(school_id, query, page.after)
    answer = student_page(
        page, school, published, role=visit.principal.role, next_page=next_page, today=visit.at.date()
    )
    visit.note(200, set_id=published.set_id, shown=[one.student_id for one in page.students])
    return JSONResponse(
        answer.model_dump(mode="json", exclude=_left_out(query.fields)),
        headers={} if next_page is None else {"Link": f'<{next_page}>; rel="next"'},
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
