"""Who asks: bearer keys. A missing, wrong, revoked and expired key are the same refusal."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from serve.problems import Problem

BEARER = HTTPBearer(auto_error=False, scheme_name="key", bearerFormat="rm_<id>_<secret>")
HELD_SECONDS = 0.5
_CHALLENGE = 'Bearer realm="riskmodel"'


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Principal:
    """Recognise the key of this request, and use one request of its allowance.

    The key is looked up anew whenever anything was committed since, so that revoking works at once.

    Raises
    ------
    Problem
        `key_refused` with a challenge; `too_many_requests`, told only after a moment, so that a client that
        asks again at once keeps nobody else waiting.
    """
    try:
        return _known(request, None if credentials is None else credentials.credentials)
    except Problem as refused:
        if refused.code == "too_many_requests":
            await asyncio.sleep(HELD_SECONDS)
        raise


def check_key(request: Request) -> None:
    """Refuse a request without a good key whose body could not be read.

    FastAPI reads a body as JSON before it asks for the key; whoever has none shall not learn even that.

    Raises
    ------
    Problem
        `key_refused` with a challenge.
    """
    scheme, _, plain = request.headers.get("authorization", "").partition(" ")
    _known(request, plain.strip() if scheme.lower() == "bearer" else None)


def _known(request: Request, plain: str | None) -> Principal:
    if plain is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": _CHALLENGE})
    state = request.app.state
    known = recognise(state.store, plain, at=state.clock())
    if known is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})
    request.scope["riskmodel.key_id"] = known.key_id
    allowance = state.limits.take(known.key_id)
    request.scope["riskmodel.headers"] = allowance.headers
    if allowance.wait_seconds is not None:
        raise Problem("too_many_requests")
    return known
