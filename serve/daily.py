"""The question that schools ask all day, answered before the long way: one student's risk of the current set.

FastAPI's routing, parameters and layers cost more than all that is asked for one student. Where the question
is the plain one, and its answer is that the student is there, the same functions as in
`routes.students.read_student_risk` answer it here. Whatever else it is (a parameter, a purpose of its own, no
key or a wrong one, no allowance left, no such student, no set, trouble with the store) goes the long way,
which then does and says all of it, but for the allowance: that is taken once, here.

Questions that come while the looks of others are being written are answered together, step by step: the
second time a step takes a fraction of the first, and the disk is waited for once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from riskmodel.domain import PublishedSet
from riskmodel.errors import RiskmodelError
from riskmodel.store.audit import Look
from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set, student_content
from riskmodel.store.tables import day_of
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
_MOST_TOGETHER = 64
"""So many are answered in some ten milliseconds, in which nothing else is done."""


class _Question:
    """A plain question, and what is found out for its answer, step by step."""

    who: Principal
    content: str
    body: bytes

    def __init__(self, student_id: str, scope: Scope, answer: asyncio.Future[bytes | None]) -> None:
        self.student_id = student_id
        self.scope = scope
        self.answer = answer

    def end(self, body: bytes | None) -> None:
        """Tell the answer, unless who asked is gone; None: the long way is to say what is the matter."""
        if not self.answer.done():
            self.answer.set_result(body)


class Daily:
    """ASGI middleware, inside of what surrounds every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._waiting: list[_Question] = []
        self._answering: asyncio.Task[None] | None = None

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
        loop = asyncio.get_running_loop()
        question = _Question(student_id, scope, loop.create_future())
        self._waiting.append(question)
        if self._answering is None or self._answering.done():
            self._answering = loop.create_task(self._answer_all(scope["app"].state))
        return await question.answer

    async def _answer_all(self, state: Any) -> None:
        while self._waiting:
            together = self._waiting[:_MOST_TOGETHER]
            del self._waiting[:_MOST_TOGETHER]
            try:
                await _answer_together(together, state)
            except RiskmodelError:  # of the store or of the log of looks: the long way meets it, too
                pass
            finally:
                for question in together:
                    question.end(None)


async def _answer_together(questions: Sequence[_Question], state: Any) -> None:
    """Answer those that can be answered here; their looks are on the disk before any is told."""
    at, seen = state.clock(), state.store.seen()
    known = _passing(questions, lambda one: _recognised(one, state, at=at, seen=seen))
    if not known:
        return
    published = current_set(state.store, seen=seen)
    found = _passing(known, lambda one: _found(one, state, published))
    told = _passing(found, lambda one: _told(one, published, day_of(at)))
    if not told:
        return
    await state.audit.recorded(*(_look(one, at, published) for one in told))
    for one in told:
        headers = one.scope["riskmodel.allowance"].headers
        one.scope.update({"riskmodel.key_id": one.who.key_id, "riskmodel.headers": headers, "route": _ROUTE})
        one.end(one.body)


def _passing(questions: Sequence[_Question], step: Callable[[_Question], bool]) -> list[_Question]:
    passing = []
    for question in questions:
        try:
            passes = step(question)
        except Exception:  # nobody's question fails another's: the long way meets it, too, and says so
            passes = False
        if passes:
            passing.append(question)
    return passing


def _recognised(one: _Question, state: Any, *, at: datetime, seen: int) -> bool:
    key = _key(one.scope)
    who = recognise(state.store, key, at=at, seen=seen) if key else None
    if who is None or not who.may("read_risk"):
        return False
    allowance: Allowance = state.limits.take(who.key_id)
    one.scope["riskmodel.allowance"] = allowance
    one.who = who
    return allowance.wait_seconds is None


def _found(one: _Question, state: Any, published: PublishedSet) -> bool:
    content = student_content(state.store, one.who, one.student_id, current_set_id=published.set_id)
    if content is None:
        return False
    one.content = content
    return True


def _told(one: _Question, published: PublishedSet, today: date) -> bool:
    one.body = written_risk(one.content, published, role=one.who.role, today=today)
    return True


def _look(one: _Question, at: datetime, published: PublishedSet) -> Look:
    return Look(
        at=at, key_id=one.who.key_id, route=PATH, method="GET", status=200, set_id=published.set_id,
        request_id=one.scope["riskmodel.request_id"], purpose=one.who.rights.purpose, shown=(one.student_id,),
    )  # fmt: skip


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
