"""What a route is given: the store, who asks, and the means to write the look down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request

from riskmodel.store.audit import AuditLog, Look
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal, Purpose
from serve.security import principal


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
        self.audit.record(
            Look(
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
        )


def visit(
    request: Request,
    who: Annotated[Principal, Depends(principal)],
    purpose: Annotated[Purpose | None, Header(alias="X-Purpose")] = None,
) -> Visit:
    """Gather what a route needs for an answer and for writing down who looked."""
    state = request.app.state
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
