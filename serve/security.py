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
    if credentials is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": _CHALLENGE})
    state = request.app.state
    known = recognise(state.store, credentials.credentials, at=state.clock())
    if known is None:
        raise Problem("key_refused", headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})
    request.scope["riskmodel.key_id"] = known.key_id
    return known
