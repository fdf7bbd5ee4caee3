"""The question that schools ask all day, answered before the long way: one student's risk of the current set.

FastAPI's routing, parameters and layers cost more than all that is asked for one student. Where the question
is the plain one, and its answer is that the student is there, the same functions as in
`routes.students.read_student_risk` answer it here. Whatever else it is (a parameter, a purpose of its own, no
key or a wrong one, no allowance left, no such student, no set, trouble with the store) goes the long way,
which then does and says all of it, but for the allowance: that is taken once, here.
"""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

from starlette.types import ASGIApp, Receive, Scope, Send

from riskmodel.domain import PublishedSet
from riskmodel.errors import RiskmodelError
from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set, student_content
from riskmodel.store.tables import day_of
from serve.deps import Visit
from serve.limits import Allowance
from serve.security import bearer
from serve.tags import send_tagged
from serve.written import written_risk

PATH = "/v1/students/{student_id}/risk"
_BEFORE, _AFTER = PATH.split("{student_id}")
_LONG_WAY = frozenset((b"x-purpose", b"content-length", b"transfer-encoding"))
"""Headers of a question that is not the plain one."""
_ROUTE = SimpleNamespace(path=PATH)
"""What the log and the figures call it."""


class Daily:
    """ASGI middleware, inside of what surrounds every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the plain question, and pass on every other."""
        student_id = _asked(scope)
        body = None if student_id is None else await self._answer(student_id, scope)
        if body is None:
            await self.app(scope, receive, send)
            return
        length = str(len(body)).encode()
        headers = [(b"content-length", length), (b"content-type", b"application/json")]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await send_tagged(start, body, scope, send)

    async def _answer(self, student_id: str, scope: Scope) -> bytes | None:
        """Return the answer once the look is written down; None: let the long way say what is the matter."""
        state = scope["app"].state
        at, key = state.clock(), _key(scope)
        if not key:
            return None
        try:
            seen = state.store.seen()
            who = recognise(state.store, key, at=at, seen=seen)
            if who is None or not who.may("read_risk"):
                return None
            allowance: Allowance = state.limits.take(who.key_id)
            scope["riskmodel.allowance"] = allowance
            if allowance.wait_seconds is not None:
                return None
            published = current_set(state.store, seen=seen)
            content = student_content(state.store, who, student_id, set_id=published.set_id)
            if content is None:
                return None
            body = _told(content, published, who, day_of(at))
            if body is None:
                return None
            visit = Visit(
                store=state.store, audit=state.audit, principal=who, at=at, route=PATH, method="GET",
                request_id=scope["riskmodel.request_id"], purpose=who.rights.purpose,
            )  # fmt: skip
            await visit.noted(200, set_id=published.set_id, shown=[student_id])
        except RiskmodelError:
            return None
        scope["riskmodel.key_id"] = who.key_id
        scope["riskmodel.headers"] = allowance.headers
        scope["route"] = _ROUTE
        return body


def _asked(scope: Scope) -> str | None:
    """Return about whom the plain question is asked; None: it is another, or not so plain."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"] or scope["root_path"]:
        return None
    path: str = scope["path"]
    student_id = path[len(_BEFORE) : -len(_AFTER)]
    if not student_id or "/" in student_id or path != f"{_BEFORE}{student_id}{_AFTER}":
        return None
    return None if any(name in _LONG_WAY for name, _ in scope["headers"]) else student_id


def _key(scope: Scope) -> str:
    told = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return bearer(told.decode("latin-1"))


def _told(content: str, published: PublishedSet, who: Principal, today: date) -> bytes | None:
    try:
        return written_risk(content, published, role=who.role, today=today)
    except (LookupError, TypeError, ValueError):  # the row was damaged: the long way says how
        return None
