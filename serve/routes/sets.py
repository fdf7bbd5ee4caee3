"""The published sets: which there are, which is current."""

from __future__ import annotations

from fastapi import APIRouter

from riskmodel.store import reading, sets
from serve.answers import set_answer
from serve.deps import Visiting
from serve.problems import Problem
from serve.schemas import SetAnswer, SetList

MOST_SETS = 100
"""Sets of an answer: weekly scoring makes so many in a year or two."""

router = APIRouter(prefix="/v1/sets", tags=["sets"])


@router.get("")
def list_sets(visit: Visiting) -> SetList:
    """Answer with the sets that were ever current: the last to become so first, a hundred at most."""
    visit.principal.must("read_list")
    current = reading.current_set(visit.store).set_id
    found = sets.published_sets(visit.store, most=MOST_SETS)
    visit.note(200, set_id=current)
    today = visit.today
    return SetList(sets=tuple(set_answer(one, current=one.set_id == current, today=today) for one in found))


@router.get("/current")
def read_current_set(visit: Visiting) -> SetAnswer:
    """Answer with the set that every other answer comes from now."""
    visit.principal.must("read_list")
    published = reading.current_set(visit.store)
    visit.note(200, set_id=published.set_id)
    return set_answer(published, current=True, today=visit.today)


@router.get("/{set_id}")
def read_set(set_id: str, visit: Visiting) -> SetAnswer:
    """Answer with one set."""
    visit.principal.must("read_list")
    current = reading.current_set(visit.store).set_id
    published = sets.published_set(visit.store, set_id)
    if published is None:
        visit.note(404, set_id=current)
        raise Problem("not_found")
    visit.note(200, set_id=published.set_id)
    return set_answer(published, current=published.set_id == current, today=visit.today)
