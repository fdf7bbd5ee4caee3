"""What a route is given: the store, who asks, and the means to write the look down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, TypeVar, get_args

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from riskmodel.store.audit import AuditLog, Look
from riskmodel.store.engine import Store
from riskmodel.store.idempotency import answer_once
from riskmodel.store.principals import Principal, Purpose
from riskmodel.store.tables import day_of
from serve.problems import Problem
from serve.security import principal

Shape = TypeVar("Shape", bound=BaseModel)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True)
class Visit:
    """One request of a known key."""

    store: Store
    audit: AuditLog
    principal: Principal
    at: datetime
    route: str
    method: str
    request_id: str
    purpose: Purpose

    @property
    def today(self) -> date:
        """The day on which the school asks."""
        return day_of(self.at)

    def note(
        self,
        status: int,
        *,
        set_id: str | None = None,
        shown: Sequence[str] = (),
        missed: Sequence[str] = (),
    ) -> None:
        """Write the look down, before anything is shown: a row for each student.

        Parameters
        ----------
        shown
            Ids of the students of the answer.
        missed
            Ids of students who were asked about and are not shown.

        Raises
        ------
        StoreError
            If it cannot be written: then the answer is a problem and nothing is shown.
        """
        self.audit.record(self._look(status, set_id, shown, missed))

    async def noted(
        self,
        status: int,
        *,
        set_id: str | None = None,
        shown: Sequence[str] = (),
        missed: Sequence[str] = (),
    ) -> None:
        """Do as `note`, and let other requests go on meanwhile: for routes that need no thread."""
        await self.audit.recorded(self._look(status, set_id, shown, missed))

    def _look(self, status: int, set_id: str | None, shown: Sequence[str], missed: Sequence[str]) -> Look:
        return Look(
            at=self.at,
            key_id=self.principal.key_id,
            route=self.route,
            method=self.method,
            status=status,
            set_id=set_id,
            request_id=self.request_id,
            purpose=self.purpose,
            shown=tuple(shown),
            missed=tuple(missed),
        )


PURPOSE_KEY = "X-Purpose"


async def visit(request: Request) -> Visit:
    """Gather what a route needs for an answer and for writing down who looked.

    It reads the two headers itself, and `serve.openapi` tells of them: as dependencies of their own they cost
    a third of the whole answer.

    Raises
    ------
    Problem
        As `principal` does; `invalid_request` for a purpose that is none.
    """
    state = request.app.state
    who = await principal(request)
    purpose = request.headers.get(PURPOSE_KEY)
    if purpose is not None and purpose not in PURPOSES:
        raise Problem("invalid_request", parameters=(PURPOSE_KEY,))
    made = Visit(
        store=state.store,
        audit=state.audit,
        principal=who,
        at=state.clock(),
        route=request.scope["route"].path,
        method=request.method,
        request_id=request.scope["riskmodel.request_id"],
        purpose=purpose or who.rights.purpose,
    )
    request.scope["riskmodel.visit"] = made
    return made


Visiting = Annotated[Visit, Depends(visit)]

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"


class Once:
    """How a route writes: the same request under the same `Idempotency-Key` is done once.

    A route that writes takes `once: Writing`, and answers with `once.answer(content, Shape, write)`.
    """

    def __init__(
        self,
        request: Request,
        response: Response,
        visit: Visiting,
        key: Annotated[
            str, Header(alias=IDEMPOTENCY_KEY, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._~:-]+$")
        ],
    ) -> None:
        self.visit = visit
        self._address = f"{request.method} {request.url.path}?{request.url.query}"
        self._response = response
        self._key = key

    def answer(self, content: BaseModel, shape: type[Shape], write: Callable[[], Shape]) -> Shape:
        """Do the write, or tell again what it was answered.

        Parameters
        ----------
        content
            The body as it was read.
        shape
            What `write` returns.
        write
            Writes by functions of the store, and returns the answer; all of it is one transaction.

        Raises
        ------
        StoreError
            `idempotency_key_reused`, or whatever the write raises: then nothing is kept.
        """
        sent = f"{self._address}\n{content.model_dump_json()}"
        done = answer_once(
            self.visit.store,
            self.visit.principal,
            self._key,
            fingerprint=hashlib.sha256(sent.encode()).hexdigest(),
            at=self.visit.at,
            write=lambda: write().model_dump_json(),
        )
        if done.again:
            self._response.headers[REPLAYED] = "true"
        return shape.model_validate_json(done.answer)


Writing = Annotated[Once, Depends()]
