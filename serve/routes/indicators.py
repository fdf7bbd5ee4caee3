"""The official figures of the places that a key may see, beside their targets."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from riskmodel.store import official
from serve.answers import figure_page
from serve.deps import Visiting
from serve.schemas import FigurePage, FigureQuery

router = APIRouter(prefix="/v1/indicators", tags=["indicators"])


@router.get("", response_model=FigurePage)
def list_figures(query: Annotated[FigureQuery, Query()], visit: Visiting) -> Response:
    """Answer with a page of the newest day's figures; small counts are withheld."""
    page = official.figures(visit.store, visit.principal, **query.model_dump())
    more = query.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    next_page = None
    if page is not None and page.after is not None:
        next_page = f"/v1/indicators?{urlencode(more | {'after': page.after})}"
    answer = figure_page(page, next_page=next_page)
    visit.note(200)
    return JSONResponse(
        answer.model_dump(mode="json"),
        headers={} if next_page is None else {"Link": f'<{next_page}>; rel="next"'},
    )
