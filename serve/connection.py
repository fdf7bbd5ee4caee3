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


class Connection(HttpToolsProtocol):
    """HTTP/1.1 with limits."""

    _head_bytes = 0
    _unfinished = 0
    _patience: asyncio.TimerHandle | None = None
    _refused = "malformed_request"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._patience is None:
            self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        """Count the address."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is whole."""
        self._stop_waiting()
        self._unfinished = 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes; where the head is still not whole, all of them belong to it."""
        super().data_received(data)
        if self._patience is not None and not self.transport.is_closing():
            self._unfinished += len(data)
            if self._unfinished > MOST_HEAD_BYTES:
                self._refused = "head_too_large"
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words are not ours
        """Tell a problem as everywhere else."""
        answer = problem_response(Problem(self._refused), {"headers": self.headers or []})
        head = [STATUS_LINE[answer.status_code]]
        for name, value in (*answer.raw_headers, (b"connection", b"close")):
            head += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*head, b"\r\n", bytes(answer.body)]))
        self.transport.close()

    def _count(self, part: bytes) -> None:
        self._head_bytes += len(part)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refused = "head_too_large"
            raise ValueError  # httptools gives up on the request

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
