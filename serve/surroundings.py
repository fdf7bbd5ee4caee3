"""What surrounds every request: its id, the headers of the answer, one line in the log, and no traceback.

The log line is made of fields named here. It holds the template of the route and never the path, so that no
id of a student comes into a log; of an unexpected error it holds the kind and the place, never its message.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.logs import error_fields, log_request
from serve.metrics import Metrics
from serve.problems import Problem, problem_response
from serve.security import CHALLENGE, is_stranger

MOST_BODY_BYTES = 8_192
"""What reads by GET looks at no body. (FastAPI's own `max_body_size` answers in plain text.)"""
MOST_POSTED_BYTES = 2_097_152
"""500 actions with the longest note each, all of it written as escapes."""

BODY_SECONDS = 10.0
"""From the end of the headers to the end of the body."""

_HEADERS = [
    (b"content-security-policy",
     b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store, private"),
]  # fmt: skip
"""For every answer; a page that needs more says so itself."""


class Surroundings:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and finish the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["riskmodel.request_id"] = request_id = secrets.token_hex(8)
        began = time.perf_counter()
        metrics: Metrics = scope["app"].state.metrics
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = message["headers"]
                has = {name for name, _ in said}
                more = scope.get("riskmodel.headers", {}) | {"x-request-id": request_id}
                message["headers"] = [
                    *said,
                    *(header for header in _HEADERS if header[0] not in has),
                    *((name.lower().encode(), value.encode()) for name, value in more.items()),
                ]
            await send(message)

        problem: Exception | None = None
        try:
            whole = await _whole_body(scope, receive)
            if isinstance(whole, Problem):
                await problem_response(whole, scope)(scope, receive, finish)
            else:
                await self.app(scope, whole, finish)
        except Exception as unexpected:
            problem = unexpected
            if not status:
                await problem_response(Problem("internal_error"), scope)(scope, receive, finish)
        seconds = time.perf_counter() - began
        metrics.count(_route(scope), scope["method"], status, seconds)
        _log(scope, status, seconds, problem)


async def _whole_body(scope: Scope, receive: Receive) -> Receive | Problem:
    """Read a body to its end before anything looks at it, within its limits of size and of time.

    What is sent in pieces of unknown number is counted as it comes. Of who has no key no more is kept than of
    a reader.
    """
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if length == b"0" and b"transfer-encoding" not in headers:
        return receive
    most, refused = MOST_BODY_BYTES, Problem("too_large", headers={"Connection": "close"})
    if scope["method"] == "POST" and is_stranger(scope):
        refused = Problem("key_refused", headers={"WWW-Authenticate": CHALLENGE, "Connection": "close"})
    elif scope["method"] == "POST":
        most = MOST_POSTED_BYTES
    if not length.isdigit() or int(length) > most:
        return refused
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while (message := await receive())["type"] == "http.request":
                body += message.get("body", b"")
                if len(body) > most:
                    return refused
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        return Problem("too_slow", headers={"Connection": "close"})
    waiting = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _route(scope: Scope) -> str | None:
    path: str | None = getattr(scope.get("route"), "path", None)
    return path


def _log(scope: Scope, status: int, seconds: float, problem: Exception | None) -> None:
    line: dict[str, object] = {
        "request_id": scope["riskmodel.request_id"],
        "method": scope["method"] if scope["method"].isalpha() else "?",
        "route": _route(scope),
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "key_id": scope.get("riskmodel.key_id"),
    }
    if problem is not None:
        line |= error_fields(problem)
    log_request(logging.INFO if problem is None else logging.ERROR, line)
