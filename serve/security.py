"""Who asks: bearer keys. A missing, wrong, revoked and expired key are the same refusal."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fastapi import Request
from starlette.types import Scope

from riskmodel.errors import StoreError
from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from serve.limits import Limits
from serve.problems import Problem

SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "rm_<id>_<secret>"}
"""As the OpenAPI document tells it."""
HELD_SECONDS = 0.5
STUDENTS_A_REQUEST = 50
"""In a question about many: a thousand take some four tenths of a second of the processor."""
CHALLENGE = 'Bearer realm="riskmodel"'


async def principal(request: Request) -> Principal:
    """Recognise the key of this request, and use one request of its allowance.

    The key is looked up anew whenever anything was committed since, so that revoking works at once.

    Raises
    ------
    Problem
        `key_refused` with a challenge; `too_many_requests`, told only after a moment, so that a client that
        asks again at once keeps nobody else waiting.
    """
    try:
        return known(request)
    except Problem as refused:
        if refused.code == "too_many_requests":
            await asyncio.sleep(HELD_SECONDS)
        raise


def known(request: Request) -> Principal:
    """Do as `principal`, and refuse at once.

    FastAPI reads a body as JSON before it asks for the key; whoever has none shall not learn even that.

    Raises
    ------
    Problem
        `key_refused` with a challenge; `too_many_requests`.
    """
    plain = bearer(request.headers.get("authorization", ""))
    if not plain:
        raise Problem("key_refused", headers={"WWW-Authenticate": CHALLENGE})
    state = request.app.state
    found = recognise(state.store, plain, at=state.clock())
    if found is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})
    request.scope["riskmodel.key_id"] = found.key_id
    # The short way (serve/daily.py) may have taken it already.
    allowance = request.scope.get("riskmodel.allowance") or state.limits.take(found.key_id)
    request.scope["riskmodel.headers"] = allowance.headers
    if allowance.wait_seconds is not None:
        raise Problem("too_many_requests")
    return found


def pay_for(request: Request, who: Principal, *, students: int) -> None:
    """Use more of the allowance for a question about many students than the one request that it is.

    Raises
    ------
    Problem
        `too_many_requests`.
    """
    limits: Limits = request.app.state.limits
    cost = min(students // STUDENTS_A_REQUEST, limits.quota) - 1
    if cost > 0:
        allowance = limits.take(who.key_id, cost=cost)
        if allowance.wait_seconds is not None:
            # Asked again, it is one request before it is many.
            allowance = replace(allowance, wait_seconds=allowance.wait_seconds + limits.seconds_each)
            request.scope["riskmodel.headers"] = allowance.headers
            raise Problem("too_many_requests")
        request.scope["riskmodel.headers"] = allowance.headers


def is_stranger(scope: Scope) -> bool:
    """Tell whether a request has no good key, without using anything of an allowance."""
    state = scope["app"].state
    told = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    try:
        return recognise(state.store, bearer(told), at=state.clock()) is None
    except StoreError:
        return False  # the long way says what is wrong with the store


def bearer(header: str) -> str:
    """Return the key of an `Authorization` header; empty where there is none."""
    scheme, _, plain = header.partition(" ")
    return plain.strip() if scheme.lower() == "bearer" else ""
