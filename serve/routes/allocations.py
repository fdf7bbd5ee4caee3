"""Who gets which aid: the runs of allocation, and what each student was answered of each programme."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from riskmodel.store import allocations
from riskmodel.store.reading import current_set
from serve.answers import allocation_list, allocation_page
from serve.deps import Visiting
from serve.problems import Problem
from serve.schemas import AllocationItemQuery, AllocationList, AllocationPage

router = APIRouter(prefix="/v1/allocations", tags=["allocations"])


@router.get("")
def list_allocations(visit: Visiting) -> AllocationList:
    """Answer with the runs that the key may see."""
    found = allocations.runs(visit.store, visit.principal)
    visit.note(200)
    return allocation_list(found)


@router.get("/{run_id}/items", response_model=AllocationPage)
def list_allocation_items(
    run_id: str, query: Annotated[AllocationItemQuery, Query()], visit: Visiting
) -> Response:
    """Answer with a page of a run's items, by programme and student."""
    published = current_set(visit.store)
    page = allocations.items(visit.store, visit.principal, run_id, **query.model_dump())
    if page is None:
        visit.note(404, set_id=published.set_id)
        raise Problem("not_found")
    next_page = None if page.after is None else _address(run_id, query, page.after)
    answer = allocation_page(
        page, published, role=visit.principal.role, next_page=next_page, today=visit.today
    )
    shown = sorted({item.student_id for item, _ in page.items})
    asked_for = [] if query.student_id is None or shown else [query.student_id]
    visit.note(200, set_id=published.set_id, shown=shown, missed=asked_for)
    return JSONResponse(
        answer.model_dump(mode="json"),
        headers={} if next_page is None else {"Link": f'<{next_page}>; rel="next"'},
    )


def _address(run_id: str, query: AllocationItemQuery, after: str) -> str:
    asked = query.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {"after": after}
    return f"/v1/allocations/{quote(run_id, safe='')}/items?{urlencode(asked)}"
