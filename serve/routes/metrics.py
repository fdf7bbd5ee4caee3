"""Figures for Prometheus, for keys that may see how much was looked at.

Not "from this machine only": behind a proxy every request comes from this machine. Prometheus sends a key
from a file (`authorization: {credentials_file: …}`). Nothing is about a student, so no look is written down.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from riskmodel.errors import StoreError
from riskmodel.store.reading import current_set
from serve.deps import Visiting
from serve.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def read_metrics(request: Request, visit: Visiting) -> Response:
    """Answer with the figures of all workers."""
    visit.principal.must("read_audit")
    try:
        published = current_set(visit.store)
    except StoreError:
        published = None
    told = request.app.state.metrics.text(published, now=visit.at)
    return Response(told, headers={"Content-Type": MEDIA_TYPE})
