"""Two real workers: what they share, what they refuse, and how they end."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn

from riskmodel.store.audit import open_audit
from riskmodel.store.keys import revoke
from serve import connection
from serve.connection import MOST_HEAD_BYTES
from serve.logs import FIELDS
from serve.surroundings import MOST_BODY_BYTES

PER_MINUTE = 120


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def ask(self, path: str, key: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Ask on a connection of its own, which any of the workers may take."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        asked.request("GET", path, headers={"Authorization": key} if key else {})
        answer = asked.getresponse()
        told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        asked.close()
        return told

    def send(self, sent: bytes, *, more: bytes = b"") -> bytes:
        """Send bytes as they are, and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as opened:
            try:
                opened.sendall(sent)
                for _ in range(64 if more else 0):
                    opened.sendall(more)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = b""
            try:
                while part := opened.recv(65_536):
                    answer += part
            except ConnectionResetError:
                pass
            return answer


@pytest.fixture
def two_workers(own_county: Any) -> Iterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "serve", "--workspace", str(own_county.workspace), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--workers", "2"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "RISKMODEL_REQUESTS_PER_MINUTE": str(PER_MINUTE)},
    )  # fmt: skip
    assert process.stderr is not None
    ready = 0
    while ready < 2:
        ready += "startup complete" in process.stderr.readline()
    yield Running(process, port)
    if process.poll() is None:
        process.kill()
        process.wait()
    process.stderr.close()


def test_two_workers_share_what_must_be_one_and_end_well(two_workers: Running, own_county: Any) -> None:
    _allowances_revocations_and_figures_are_shared(two_workers, own_county)
    _what_is_too_large_is_refused(two_workers)
    _what_runs_is_finished_and_what_is_new_refused(two_workers)
    log = two_workers.process.stderr.read()  # type: ignore[union-attr]
    assert two_workers.process.wait(timeout=30) == 0
    lines = [json.loads(line) for line in log.splitlines()]
    mine = {"time", "level", "logger", "message", *FIELDS}
    assert all(set(line) <= mine for line in lines)
    assert "/v1/students/{student_id}/risk" in log
    assert "a1-2" not in log
    audit = open_audit(own_county.workspace / "store")
    assert audit.verify().broken_at is None
    audit.close()


def _allowances_revocations_and_figures_are_shared(server: Running, county: Any) -> None:
    answers = [server.ask("/v1/students/a1-2/risk", county.keys["school a1"]) for _ in range(12)]
    assert {status for status, *_ in answers} == {200}
    assert {headers["ratelimit-policy"] for _, headers, _ in answers} == {'"key";q=20;w=10'}
    began = time.monotonic()
    other = [server.ask("/v1/schools", county.keys["school a2"])[0] for _ in range(32)]
    assert set(other) <= {200, 429}
    assert other.count(200) <= 20 + (time.monotonic() - began) * PER_MINUTE / 60 + 1
    status, headers, figures = server.ask("/metrics", county.keys["bureau"])
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    told = figures.decode()
    counted = (
        'riskmodel_requests_total{method="GET",route="/v1/students/{student_id}/risk",status="200"} 12.0'
    )
    assert counted in told
    assert "riskmodel_published 1.0" in told
    assert not any(forbidden in told for forbidden in ("a1", "set-", county.keys["bureau"].split("_")[1]))
    assert server.ask("/metrics", county.keys["school a1"])[0] == 403
    assert server.ask("/metrics")[0] == 401
    revoke(county.store, county.keys["school a1"].split("_")[1], at=datetime.now(UTC))
    again = [server.ask("/v1/students/a1-2/risk", county.keys["school a1"])[0] for _ in range(8)]
    assert set(again) == {401}


def _what_is_too_large_is_refused(server: Running) -> None:
    pieces = b"GET /v1/schools HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert MOST_BODY_BYTES < 64 * 0x4000
    _refused(server.send(pieces, more=piece), b"413", b"too_large")
    posted = b"POST /v1/students:batchGet HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    _refused(server.send(posted, more=piece), b"401", b"key_refused")  # nobody's two megabytes are kept
    announced = f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n".encode()
    _refused(server.send(announced), b"413", b"too_large")
    long = b"x" * (MOST_HEAD_BYTES + 1)
    _refused(server.send(b"GET / HTTP/1.1\r\nA: " + long + b"\r\n\r\n"), b"431", b"head_too_large")
    _refused(server.send(b"GET /" + long + b" HTTP/1.1\r\n\r\n"), b"431", b"head_too_large")
    _refused(server.send(b"GET / HTTP/1.1\r\nA: ", more=b"x" * 4096), b"431", b"head_too_large")
    small = b"GET /v1/schools HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    _refused(server.send(small + b"0\r\nA: ", more=b"x" * 4096), b"431", b"head_too_large")  # a trailer
    extended = b"1;" + b"x" * 4096 + b"\r\nx\r\n"  # what stands beside a chunk's length
    _refused(server.send(small, more=extended), b"431", b"head_too_large")
    trailing = b"0\r\nAuthorization: Bearer x\r\n\r\n"
    assert (
        server.send(small + trailing + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").count(b"HTTP/1.1 ")
        == 2
    )
    _refused(server.send(b"what is this\r\n\r\n"), b"400", b"malformed_request")


def _refused(answer: bytes, status: bytes, code: bytes) -> None:
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:80]
    assert b"application/problem+json" in answer
    assert code in answer
    assert b"xxxx" not in answer


def _what_runs_is_finished_and_what_is_new_refused(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as running:
        running.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("new connections are still taken")
        running.sendall(b"cd")
        assert running.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_client_that_never_ends_its_head_is_let_go(
    sent: bytes, own_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    config = uvicorn.Config(
        own_client.app, http=connection.Connection, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)

    async def wait_to_be_let_go() -> bytes:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            task = asyncio.create_task(server._serve([listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), timeout=20)
            writer.close()
            server.should_exit = True
            await task
            return answer

    assert asyncio.run(wait_to_be_let_go()) == b""
