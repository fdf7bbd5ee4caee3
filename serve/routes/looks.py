"""Who looked at how much: for keys that may read the log."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from riskmodel.domain import CHINA_TIME
from riskmodel.store.looks import looks_by_key
from serve.answers import look_report
from serve.deps import Visiting
from serve.schemas import LookQuery, LookReport

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("")
def read_looks(query: Annotated[LookQuery, Query()], visit: Visiting) -> LookReport:
    """Answer with how much each key looked, from a day to another, both included."""
    last = query.until or visit.today
    first = query.since or last - timedelta(days=30)
    lines = looks_by_key(
        visit.store,
        visit.audit,
        visit.principal,
        since=datetime.combine(first, time(), CHINA_TIME),
        until=datetime.combine(last, time(), CHINA_TIME) + timedelta(days=1),
    )
    visit.note(200)
    return look_report(lines, since=first, until=last)
