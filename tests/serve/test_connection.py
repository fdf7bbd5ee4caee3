"""What is written in one turn of the loop goes out in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

from serve.connection import _MOST_HELD_BYTES, _Together


class Sent:
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def writelines(self, parts: list[bytes]) -> None:
        self.pieces.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def together(write: Any) -> Sent:
    sent = Sent()

    async def one_turn() -> None:
        write(_Together(sent, asyncio.get_running_loop()), sent)  # type: ignore[arg-type]
        await asyncio.sleep(0)

    asyncio.run(one_turn())
    return sent


def test_head_and_body_are_sent_together_after_the_turn() -> None:
    def write(transport: _Together, sent: Sent) -> None:
        transport.write(b"head")
        transport.write(b"body")
        assert sent.pieces == []

    assert together(write).pieces == [b"headbody"]


def test_what_is_long_is_sent_as_it_comes() -> None:
    def write(transport: _Together, sent: Sent) -> None:
        transport.write(b"head")
        transport.write(b"x" * _MOST_HELD_BYTES)
        assert len(sent.pieces) == 1
        transport.write(b"end")

    assert together(write).pieces[1:] == [b"end"]


def test_closing_sends_what_is_held_first() -> None:
    def write(transport: _Together, sent: Sent) -> None:
        transport.write(b"head")
        transport.close()
        assert (sent.pieces, transport.is_closing()) == ([b"head"], True)

    assert together(write).pieces == [b"head"]
