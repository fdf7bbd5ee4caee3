"""Who asks: bearer keys. A missing, wrong, revoked and expired key are the same refusal."""

from __future__ import annotations

import asyncio

from fastapi import Request

from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from serve.problems import Problem

SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "rm_<id>_<secret>"}
"""As the OpenAPI document tells it."""
HELD_SECONDS = 0.5
_CHALLENGE = 'Bearer realm="riskmodel"'


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
        raise Problem("key_refused", headers={"WWW-Authenticate": _CHALLENGE})
    state = request.app.state
    found = recognise(state.store, plain, at=state.clock())
    if found is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})
    request.scope["riskmodel.key_id"] = found.key_id
    # The short way (serve/daily.py) may have taken it already.
    allowance = request.scope.get("riskmodel.allowance") or state.limits.take(found.key_id)
    request.scope["riskmodel.headers"] = allowance.headers
    if allowance.wait_seconds is not None:
        raise Problem("too_many_requests")
    return found


def bearer(header: str) -> str:
    """Return the key of an `Authorization` header; empty where there is none."""
    scheme, _, plain = header.partition(" ")
    return plain.strip() if scheme.lower() == "bearer" else ""
