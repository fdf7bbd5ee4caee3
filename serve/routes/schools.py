"""The schools that a key may see, and the students of one of them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response

from riskmodel.store import reading
from serve.answers import school_list, student_page
from serve.deps import Visiting
from serve.problems import Problem
from serve.schemas import SchoolList, StudentPage, StudentQuery

router = APIRouter(prefix="/v1/schools", tags=["schools"])


@router.get("")
def list_schools(visit: Visiting) -> SchoolList:
    """Answer with the schools that the key may see."""
    published = reading.current_set(visit.store)
    schools = reading.schools(visit.store, visit.principal, set_id=published.set_id)
    visit.note(200, set_id=published.set_id)
    return school_list(schools, published, today=visit.at.date())


@router.get("/{school_id}/students")
def list_students(
    school_id: str, query: Annotated[StudentQuery, Query()], visit: Visiting, response: Response
) -> StudentPage:
    """Answer with a page of the school's students, by grade, class and id."""
    published = reading.current_set(visit.store)
    school = reading.school(visit.store, visit.principal, school_id, set_id=published.set_id)
    if school is None:
        visit.note(404, set_id=published.set_id)
        raise Problem("not_found")
    page = reading.students(
        visit.store,
        visit.principal,
        school_id,
        band=query.band,
        grade=query.grade,
        class_name=query.class_name,
        listed=query.listed,
        limit=query.limit,
        after=query.after,
        set_id=published.set_id,
    )
    next_page = None if page.after is None else _address(school_id, query, page.after)
    if next_page is not None:
        response.headers["Link"] = f'<{next_page}>; rel="next"'
    answer = student_page(
        page, school, published, role=visit.principal.role, next_page=next_page, today=visit.at.date()
    )
    visit.note(200, set_id=published.set_id, shown=[one.student_id for one in page.students])
    return answer


def _address(school_id: str, query: StudentQuery, after: str) -> str:
    asked = query.model_dump(mode="json", by_alias=True, exclude_none=True) | {"after": after}
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return f"/v1/schools/{quote(school_id, safe='')}/students?{urlencode(words)}"
