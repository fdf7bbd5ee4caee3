"""`ETag` on every good answer under `/v1`, and 304 where the client holds it already.

The tag is made from the answer itself, after the scope was asked and the look was written: it exists only for
what may be seen, so that no tag tells a foreign student from a missing one.
"""

from __future__ import annotations

import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_THE_BODY = (b"content-length", b"content-type", b"content-disposition")
_REVALIDATED = b"private, no-cache"


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
                    await send_tagged(start, b"".join(parts), scope, send)

        await self.app(scope, receive, tagged)


async def send_tagged(start: Message, body: bytes, scope: Scope, send: Send) -> None:
    """Send a good answer with its tag; what the client holds already, without its body."""
    said: list[tuple[bytes, bytes]] = start["headers"]
    media_type = next((value for name, value in said if name == b"content-type"), b"")
    tag = f'"{hashlib.sha256(media_type + b" " + body).hexdigest()[:32]}"'
    added = [(b"etag", tag.encode())]
    if media_type.startswith(b"application/json") and all(name != b"cache-control" for name, _ in said):
        added.append((b"cache-control", _REVALIDATED))
    held = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
    if held and _holds(held.decode("latin-1"), tag):
        start["status"] = 304
        said = [header for header in said if header[0] not in _OF_THE_BODY]
        body = b""
    start["headers"] = [*said, *added]
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _holds(said: str, tag: str) -> bool:
    """Tell whether the client holds the answer; a proxy that compresses makes tags weak."""
    tags = [one.strip().removeprefix("W/") for one in said.split(",")]
    return "*" in tags or tag in tags
