"""Asking the application without a network, and everything that an answer shows, unpacked."""

from __future__ import annotations

import asyncio
import base64
import binascii
import html
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

from pypdf import PdfReader

AT_ONCE = 8
_TOKEN = re.compile(r"[A-Za-z0-9_-]{24,}={0,2}")


@dataclass(frozen=True)
class Request:
    """One request, to the byte."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def request_id(self) -> str:
        """The id by which the log of looks knows the request."""
        return dict(self.headers).get("x-request-id", "")

    def same_for(self, hidden: Iterable[str]) -> tuple[object, ...]:
        """What must not depend on which hidden child was asked about: all but ids and clocks."""
        changing = ("x-request-id", "date", "ratelimit", "ratelimit-policy", "retry-after", "content-length")
        headers = sorted((name, value) for name, value in self.headers if name not in changing)
        text = f"{headers}{self.body.decode('utf-8', 'backslashreplace')}"
        for one in hidden:
            for form in forms(one):
                text = text.replace(form, "?")
        return self.status, text

    def text(self) -> str:
        """Everything that a person or a program could read out of it, packed parts included."""
        parts = [f"{name}: {value}" for name, value in self.headers] + [unpacked(self.body)]
        text = "\n".join(parts)
        return text + "".join(_decoded(token) for token in set(_TOKEN.findall(text)))


def forms(value: str) -> set[str]:
    """How an id may be written: as it is, in an address, in JSON, in HTML."""
    return {
        value, quote(value, safe=""), quote(value), json.dumps(value)[1:-1], html.escape(value),
        json.dumps(value, ensure_ascii=False)[1:-1],
    }  # fmt: skip


def unpacked(body: bytes) -> str:
    """Return text of a body; of a workbook or a PDF, the text of its parts."""
    if body[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            return "\n".join(unpacked(packed.read(name)) for name in packed.namelist())
    if body[:5] == b"%PDF-":
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)
    return body.decode("utf-8", "backslashreplace")


def _decoded(token: str) -> str:
    try:
        return "\n" + base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


class Asker:
    """Asks an ASGI application, some requests at a time."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def ask(self, request: Request) -> Answer:
        """Ask one."""
        return self.ask_all([request])[0]

    def ask_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Ask all, in order of the answers."""
        return asyncio.run(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(requests), AT_ONCE):
            some = requests[start : start + AT_ONCE]
            for request, answer in zip(some, await asyncio.gather(*map(self._one, some)), strict=True):
                # Of files, four wait at once; the others are asked for again, as Retry-After says.
                answers.append(await self._one(request) if answer.status == 503 else answer)
        return answers

    async def _one(self, request: Request) -> Answer:
        sent: list[dict[str, Any]] = []
        headers = [(name.lower().encode(), value.encode("utf-8")) for name, value in request.headers]
        if request.body:
            headers += [
                (b"content-type", b"application/json"), (b"content-length", str(len(request.body)).encode()),
            ]  # fmt: skip
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method,
            "scheme": "http", "path": unquote(request.path), "raw_path": request.path.encode(),
            "query_string": urlencode(request.query).encode(), "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        body = iter([{"type": "http.request", "body": request.body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            for message in body:
                return message
            await asyncio.sleep(3600)
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start = next(message for message in sent if message["type"] == "http.response.start")
        parts = [message.get("body", b"") for message in sent if message["type"] == "http.response.body"]
        told = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"])
        return Answer(start["status"], told, b"".join(parts))
