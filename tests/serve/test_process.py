"""The process itself: what it loads, what it tells others, how it starts and how it refuses to."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from riskmodel.store.engine import open_store
from riskmodel.store.tables import SCHEMA
from riskmodel.wording import text
from serve.run import listening_socket, main

HEAVY = (
    "pandas",
    "sklearn",
    "lightgbm",
    "mlflow",
    "shap",
    "duckdb",
    "numpy",
    "pyarrow",
    "alembic",
    "matplotlib",
)

ONE_REQUEST = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from serve.app import create_app
from serve.settings import Settings
app = create_app(Settings(workspace=Path(sys.argv[1])))
with TestClient(app) as client:
    answer = client.get("/v1/students/a1-2/risk", headers={"Authorization": sys.argv[2]})
    assert answer.status_code == 200, answer.text
    assert client.get("/docs").status_code == 200
print(",".join(name for name in sys.argv[3].split(",") if name in sys.modules))
"""

TELEMETRY = """
import os, sys
os.environ["FASTAPI_OTEL_AUTO_CONFIGURE"] = "true"
from pathlib import Path
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
usual = FastAPI()
usual.get("/x")(lambda: {})
TestClient(usual).get("/x")
rang = len(spans.get_finished_spans())
spans.clear()
from serve.app import create_app
from serve.settings import Settings
with TestClient(create_app(Settings(workspace=Path(sys.argv[1])))) as client:
    for path in ("/v1/students/a1-2/risk", "/v1/schools/a1/students?limit=x", "/nowhere"):
        client.get(path, headers={"Authorization": sys.argv[2]})
print(rang, len(spans.get_finished_spans()))
"""


def run(code: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_web_process_loads_nothing_heavy(county: Any) -> None:
    assert run(ONE_REQUEST, str(county.workspace), county.keys["bureau"], ",".join(HEAVY)) == ""


def test_nothing_is_told_to_telemetry_that_another_library_set_up(county: Any) -> None:
    rang, told = run(TELEMETRY, str(county.workspace), county.keys["bureau"]).split()
    assert int(rang) > 0, "the recorder hears nothing at all"
    assert told == "0"


def refusal(capsys: pytest.CaptureFixture[str], workspace: Path, port: int) -> str:
    assert main(["--workspace", str(workspace), "--port", str(port)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_a_port_in_use_is_said_in_both_languages(county: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refusal(capsys, county.workspace, port)
    assert f"端口 {port} 已被另一个程序占用" in said
    assert f"Another program is using port {port}" in said


def test_a_missing_store_is_said_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path / "nowhere", free_port())
    assert "make run" in said
    assert not (tmp_path / "nowhere").exists()


def test_a_workspace_and_a_store_of_another_version_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path / "store", create=True)
    (tmp_path / "FORMAT").write_text("99\n", encoding="utf-8")
    assert "99" in refusal(capsys, tmp_path, free_port())
    (tmp_path / "FORMAT").unlink()
    with store.writing() as connection:
        connection.execute(SCHEMA.update().values(version=98))
    store.close()
    assert "98" in refusal(capsys, tmp_path, free_port())


def test_a_store_into_which_a_backup_is_being_restored_is_not_opened(
    own_county: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be the former one, under a name that is no longer its own."""
    with (own_county.store.folder / "serving.lock").open("a") as restoring:
        fcntl.flock(restoring, fcntl.LOCK_EX)
        assert text("errors.workspace_in_use", "zh") in refusal(capsys, own_county.workspace, free_port())


def test_the_server_starts_answers_and_ends_when_asked(own_county: Any) -> None:
    port = free_port()
    command = [sys.executable, "-m", "serve", "--workspace", str(own_county.workspace), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "startup complete" in line:
                break
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/students/a1-2/risk",
            headers={"Authorization": own_county.keys["school a1"]},
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            assert answer.status == 200
            assert answer.headers["server"] is None
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/schools")
        assert refused.value.code == 401
        refused.value.close()
        server.send_signal(signal.SIGINT)
        logged = server.stderr.read()
        assert server.wait() == 0
    assert "/v1/students/{student_id}/risk" in logged
    assert "a1-2" not in logged


def test_the_listening_socket_names_its_protocol_so_that_answers_are_not_delayed() -> None:
    with listening_socket("127.0.0.1", free_port()) as listener:
        # asyncio sets TCP_NODELAY only where this is named; without it each answer waited some 40 ms.
        assert listener.proto == socket.IPPROTO_TCP
