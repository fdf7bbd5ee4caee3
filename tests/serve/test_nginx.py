"""The nginx example, as it stands in configs/: Debian's nginx with a certificate of its own."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at port {port}")


@pytest.fixture
def proxied(own_county: Any, tmp_path: Path) -> Iterator[tuple[int, ssl.SSLContext]]:
    service, port = free_port(), free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key",
         "-out", "server.crt", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    told = (ROOT / "configs" / "nginx.conf").read_text(encoding="utf-8")
    told = told.replace("127.0.0.1:8000", f"127.0.0.1:{service}").replace("listen 443", f"listen {port}")
    (tmp_path / "nginx.conf").write_text(told, encoding="utf-8")
    (tmp_path / "logs").mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "serve", "--workspace", str(own_county.workspace), "--port", str(service)],
        stderr=subprocess.DEVNULL,
    )
    own_county.server = server
    with (tmp_path / "logs" / "said").open("wb") as said:
        proxy = subprocess.Popen(
            [str(NGINX), "-p", str(tmp_path), "-c", "nginx.conf", "-e", "logs/error.log",
             "-g", "daemon off; pid nginx.pid;"],
            stderr=said,
        )  # fmt: skip
    try:
        wait_for(service)
        wait_for(port)
        yield port, ssl.create_default_context(cafile=str(tmp_path / "server.crt"))
    finally:
        for one in (proxy, server):
            one.terminate()
            one.wait(timeout=60)


def test_the_example_may_open_a_file_for_each_connection_that_it_takes() -> None:
    told = (ROOT / "configs" / "nginx.conf").read_text(encoding="utf-8")
    files, taken = (
        int(re.search(rf"\b{name} (\d+);", told)[1])  # type: ignore[index]
        for name in ("worker_rlimit_nofile", "worker_connections")
    )
    assert files > taken


def ask(
    port: int, context: ssl.SSLContext, path: str, *, key: str | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=60)
    headers = {"Authorization": key} if key else {}
    connection.request("POST" if body else "GET", path, body=body, headers=headers)
    answer = connection.getresponse()
    told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return told


def test_the_example_speaks_tls_and_hands_on_what_the_service_says(
    proxied: tuple[int, ssl.SSLContext], own_county: Any
) -> None:
    port, context = proxied
    status, headers, body = ask(port, context, "/v1/students/a1-2/risk", key=own_county.keys["school a1"])
    assert (status, b'"student_id":"a1-2"' in body) == (200, True)
    assert headers["ratelimit"].startswith('"key";r=')
    assert headers["etag"]
    assert headers["x-request-id"]
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "version" not in headers["server"]
    assert headers["server"] == "nginx"
    status, headers, body = ask(port, context, "/v1/schools")
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert ask(port, context, "/metrics", key=own_county.keys["bureau"])[0] == 404
    large = ask(port, context, "/v1/students:batchGet", key=own_county.keys["bureau"], body=b"x" * 3_000_000)
    assert large[0] == 413
    assert large[1]["content-type"] == "application/problem+json"
    assert json.loads(large[2])["code"] == "too_large"
    refused = {
        "/v1/schools HTTP/1.1\r\nX-Long: " + "x" * 9000 + "\r\nX: ": (431, "head_too_large"),
        "/v1/schools?" + "x" * 9000: (431, "head_too_large"),
        "/v1/\x01": (400, "malformed_request"),
    }
    for wrong, (status, code) in refused.items():
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
        ) as asked:
            asked.sendall(f"GET {wrong} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            told = b"".join(iter(lambda: asked.recv(65_536), b""))
        assert told.startswith(f"HTTP/1.1 {status} ".encode())
        assert f'"code": "{code}"'.encode() in told
        assert b"xxxx" not in told
    with pytest.raises(ssl.SSLError):
        ask(port, ssl.create_default_context(), "/healthz")


def test_where_the_service_is_away_nobody_is_named_in_any_file_of_nginx(
    proxied: tuple[int, ssl.SSLContext], own_county: Any, tmp_path: Path
) -> None:
    port, context = proxied
    own_county.server.terminate()
    own_county.server.wait(timeout=60)
    status, headers, body = ask(port, context, "/v1/students/a1-2/risk", key=own_county.keys["school a1"])
    assert (status, headers["retry-after"]) == (503, "10")
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "store_unavailable"
    told = [*(tmp_path / "logs").iterdir(), *(tmp_path / "proxy_temp").rglob("*")]
    assert {file.name for file in told} >= {"error.log", "said"}
    assert not any(b"a1-2" in file.read_bytes() for file in told if file.is_file())
