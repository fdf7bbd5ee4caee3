"""`ETag` on every good answer under `/v1`, and 304 where the client holds it already.

The tag is made from the answer itself, after the scope was asked and the look was written: it exists only for
what may be seen, so that no tag tells a foreign student from a missing one.
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_THE_BODY = ("content-length", "content-type", "content-disposition")
_REVALIDATED = "private, no-cache"


class Tags:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a good answer back until its tag is known."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
            elif start is None:
                await send(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_tagged(start, b"".join(parts), scope, send)

        await self.app(scope, receive, tagged)


async def _send_tagged(start: Message, body: bytes, scope: Scope, send: Send) -> None:
    headers = MutableHeaders(scope=start)
    media_type = headers.get("content-type", "")
    tag = f'"{hashlib.sha256(media_type.encode() + b" " + body).hexdigest()[:32]}"'
    headers["ETag"] = tag
    if media_type.startswith("application/json"):
        headers.setdefault("Cache-Control", _REVALIDATED)
    if _holds(Headers(scope=scope).get("if-none-match", ""), tag):
        start["status"] = 304
        for name in _OF_THE_BODY:
            if name in headers:
                del headers[name]
        body = b""
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _holds(said: str, tag: str) -> bool:
    """Tell whether the client holds the answer; a proxy that compresses makes tags weak."""
    tags = [one.strip().removeprefix("W/") for one in said.split(",")]
    return "*" in tags or tag in tags
