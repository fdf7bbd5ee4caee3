"""Who asks: bearer keys. A missing, wrong, revoked and expired key are the same refusal."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from riskmodel.store.keys import recognise
from riskmodel.store.principals import Principal
from serve.problems import Problem

BEARER = HTTPBearer(auto_error=False, scheme_name="key", bearerFormat="rm_<id>_<secret>")
_CHALLENGE = 'Bearer realm="riskmodel"'


def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Principal:
    """Recognise the key of this request; it is looked up anew each time, so that revoking works at once.

    Raises
    ------
    Problem
        `key_refused` with a challenge.
    """
    return _known(request, None if credentials is None else credentials.credentials)


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
    return known
