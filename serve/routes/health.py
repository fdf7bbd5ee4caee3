"""Whether the process lives, and whether it can answer. Neither needs a key; neither tells of a student."""

from __future__ import annotations

from fastapi import APIRouter, Request

from riskmodel.store.reading import current_set
from riskmodel.store.tables import day_of
from serve.schemas import Alive, Ready

router = APIRouter(tags=["health"])


@router.get("/healthz")
def health() -> Alive:
    """Answer that the process lives."""
    return Alive()


@router.get("/readyz")
def readiness(request: Request) -> Ready:
    """Answer that the store can be read, looks can be written down, and a set is current."""
    state = request.app.state
    published = current_set(state.store)
    state.audit.check()
    now = state.clock()
    return Ready(
        set_id=published.set_id,
        published_at=published.published_at,
        age_days=(now - published.published_at).days,
        valid_until=published.facts.valid_until,
        expired=published.facts.valid_until < day_of(now),
    )
