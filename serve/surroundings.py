"""What surrounds every request: its id, the headers of the answer, one line in the log, and no traceback.

The log line is made of fields named here. It holds the template of the route and never the path, so that no
id of a student comes into a log; of an unexpected error it holds the kind and the place, never its message.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
import traceback
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.problems import Problem, problem_response

LOG = logging.getLogger("serve.requests")

MOST_BODY_BYTES = 8_192
"""What reads by GET looks at no body. (FastAPI's own `max_body_size` answers in plain text.)"""
MOST_POSTED_BYTES = 2_097_152
"""500 actions with the longest note each, all of it written as escapes."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store, private",
}
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
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
            await send(message)

        problem: Exception | None = None
        try:
            if _body_too_large(scope):
                await problem_response(Problem("too_large"), scope)(scope, receive, finish)
            else:
                await self.app(scope, receive, finish)
        except Exception as unexpected:
            problem = unexpected
            if not status:
                await problem_response(Problem("internal_error"), scope)(scope, receive, finish)
        _log(scope, status, time.perf_counter() - began, problem)


def _body_too_large(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    most = MOST_POSTED_BYTES if scope["method"] == "POST" else MOST_BODY_BYTES
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > most


def _log(scope: Scope, status: int, seconds: float, problem: Exception | None) -> None:
    line: dict[str, object] = {
        "request_id": scope["riskmodel.request_id"],
        "method": scope["method"] if scope["method"].isalpha() else "?",
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "key_id": scope.get("riskmodel.key_id"),
    }
    if problem is not None:
        place = traceback.extract_tb(problem.__traceback__)[-1]
        line |= {"error": type(problem).__name__, "place": f"{Path(place.filename).name}:{place.lineno}"}
    LOG.log(logging.ERROR if problem is not None else logging.INFO, json.dumps(line))
