"""One connection: how long and how much a client may take before a request is whole.

uvicorn itself waits for the head of a request for ever, and httptools takes one of any size. Bodies are held
to their limits in `serve.surroundings`. The proxy in front holds the same limits; these stand for themselves.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.problems import Problem, problem_response

MOST_HEAD_BYTES = 16_384
"""Address and headers of a request together."""
HEAD_SECONDS = 10.0
"""From the first byte, or from the connection, to the end of the headers."""
MOST_CONNECTIONS = 500
"""Of one worker, at once; a proxy needs far fewer. Below the usual limit of 1,024 open files."""


_MOST_HELD_BYTES = 65_536


class _Together:
    """A transport that sends what is written in one turn of the loop at once: head and body in one piece.

    uvicorn writes them one after the other, and each writing wakes whoever waits at the other end.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Hold it until the end of the turn; more than a few packets are sent as they come."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes > _MOST_HELD_BYTES:
            self._send()

    def close(self) -> None:
        """Send what is held, and close."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing more can be sent."""
        return self._transport.is_closing()

    def _send(self) -> None:
        if self._held:
            self._transport.writelines(self._held)
            self._held, self._bytes = [], 0


class Connection(HttpToolsProtocol):
    """HTTP/1.1 with limits."""

    _expects_head = True
    _unfinished = 0
    _of_body = 0
    _patience: asyncio.TimerHandle | None = None
    _refused = "malformed_request"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.transport = _Together(transport, self.loop)  # type: ignore[assignment]
        self._wait_for_head()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that comes behind the body (a trailer) says nothing here."""
        if self._expects_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body: it is held to its own limit (`serve.surroundings`)."""
        self._of_body += len(body)
        super().on_body(body)

    def on_message_begin(self) -> None:
        """Expect the rest of the head; mostly it has come already."""
        super().on_message_begin()
        self._expects_head = True

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is whole. One so large has come in one piece, or it was refused before."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD_BYTES:
            self._refused = "head_too_large"
            raise ValueError  # httptools gives up on the request
        self._stop_waiting()
        self._expects_head, self._unfinished = False, 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes; where the head is still not whole, all of them belong to it."""
        self._of_body = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._expects_head:
            if self._patience is None:
                self._wait_for_head()
            self._unfinished += len(data)
        elif self.cycle is not None and self.cycle.more_body:
            # Trailers and extensions of chunks are nobody's body; a chunk of one byte has five around it.
            self._unfinished = max(0, self._unfinished + len(data) - 6 * self._of_body)
        if self._unfinished > MOST_HEAD_BYTES:
            self._refused = "head_too_large"
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words are not ours
        """Tell a problem as everywhere else; where an answer has begun, end the connection."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        answer = problem_response(Problem(self._refused), {"headers": self.headers or []})
        head = [STATUS_LINE[answer.status_code]]
        for name, value in (*answer.raw_headers, (b"connection", b"close")):
            head += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*head, b"\r\n", bytes(answer.body)]))
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
