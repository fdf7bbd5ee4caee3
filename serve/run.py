"""Starting the web process: the port is taken first, so that what is wrong is said before anything runs.

Asked to stop (SIGTERM, SIGINT), it takes no new connection, finishes what runs, and ends with 0. Several
workers are processes that share the port, the store, the log of looks, and the allowances of keys.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from riskmodel.errors import ConfigurationError, RiskmodelError, StoreError, Where
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set, student_content
from serve.answers import words
from serve.app import create_app
from serve.connection import Connection
from serve.logs import write_lines
from serve.settings import Settings

STOP_SECONDS = 30
"""What still runs so long after the wish to stop is broken off."""

_SWITCH_SECONDS = 0.0005
"""After so long a busy thread lets another one on; Python's own is ten times as long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until asked to stop. What is not given comes from the environment (`RISKMODEL_*`).

    Returns
    -------
    int
        0 after a wished end; 1 where it could not start: then one sentence in each language says why.
    """
    os.umask(0o027)  # what is written here is about children: its owner's group reads it at most
    parser = argparse.ArgumentParser(prog="python -m serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        return serve(Settings(**given))
    except RiskmodelError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def serve(settings: Settings) -> int:
    """Serve until asked to stop.

    Raises
    ------
    ConfigurationError
        If the port is in use or not allowed.
    StoreError
        If there is nothing to serve.
    """
    with listening_socket(settings.host, settings.port) as listener:
        if settings.workers > 1:
            return _serve_by_workers(settings, listener)
        server = uvicorn.Server(_config(ready(create_app(settings))))
        write_lines()
        # uvicorn stops gracefully and then raises the signal again: that is the wished end.
        signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            return 0
        return 0 if server.started else 1


def worker_app() -> FastAPI:
    """Make the application of one worker, which is told its settings by the environment."""
    write_lines()
    return ready(create_app(Settings()))


def ready(app: FastAPI) -> FastAPI:
    """Do before the first question what it would wait for: read the words, compose the query of one student.

    What lives from here on to the end is taken out of Python's collection of garbage, which held every
    question up for 0.15 s now and then.
    """
    words("api.notice")
    app.openapi()  # a refusal of a parameter asks it which names are ours
    with suppress(StoreError):  # nothing may be published yet, and a request says so better
        current_set(app.state.store)
        for one in (Principal("", "bureau"), Principal("", "school", school_ids=frozenset({""}))):
            student_content(app.state.store, one, "")
    gc.collect()
    gc.freeze()
    # The thread that writes looks needs Python's lock twice a batch: all who wait for the batch wait with it.
    sys.setswitchinterval(_SWITCH_SECONDS)
    return app


class _Workers(Multiprocess):
    """uvicorn's processes; at the end nobody is left waiting at a port that no process answers any more."""

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def _serve_by_workers(settings: Settings, listener: socket.socket) -> int:
    create_app(settings).state.close()  # what is wrong is said here, once, and not by each worker again
    write_lines()
    os.environ |= {f"RISKMODEL_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    with tempfile.TemporaryDirectory(prefix="riskmodel-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _Workers(_config("serve.run:worker_app", workers=settings.workers), sockets=[listener]).run()
    return 0


def _config(app: FastAPI | str, *, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        http=Connection,
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who a proxy says is behind it
        log_config=None,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=STOP_SECONDS,
        # At 5 s, uvicorn's own, a busy machine killed each worker before it had started.
        timeout_worker_healthcheck=60,
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises
    ------
    ConfigurationError
        If another program has it, or it may not be taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay (40 ms an answer) off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as problem:
        listener.close()
        code = "port_in_use" if problem.errno == errno.EADDRINUSE else "port_not_to_be_had"
        raise ConfigurationError(code, Where(key="port"), port=port) from None
    return listener
