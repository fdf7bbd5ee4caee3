"""The application: rooms joined, nothing more. `uvicorn --factory serve.app:create_app` starts it, too."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from riskmodel.errors import Where, WorkspaceError
from riskmodel.store.audit import open_audit
from riskmodel.store.engine import open_store
from riskmodel.workspace import FORMAT, Workspace
from serve.daily import Daily
from serve.limits import Limits
from serve.making import Maker
from serve.metrics import Metrics
from serve.openapi import describe
from serve.problems import handle_problems
from serve.routes import (
    actions,
    allocations,
    cases,
    docs,
    feedback,
    health,
    indicators,
    looks,
    metrics,
    reports,
    schools,
    sets,
    students,
    words,
)
from serve.security import known
from serve.settings import Settings
from serve.surroundings import Surroundings
from serve.tags import Tags

# FastAPI's own would hand validation failures and tracebacks to any provider in the process.
_NO_TELEMETRY: TelemetryConfig = {
    "logs": False, "tracing": False, "metrics": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip


class Service(FastAPI):
    """FastAPI within what surrounds every request, so that the plain question meets none of its layers."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put our layers around FastAPI's."""
        return Surroundings(Daily(Tags(super().build_middleware_stack())))


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> FastAPI:
    """Make the application on the published store of a workspace.

    Raises
    ------
    WorkspaceError
        If the workspace is of another version, or a backup is being restored into it.
    StoreError
        If there is no store, it is of another version, locked or damaged, or the log of looks cannot be
        written.
    """
    told = settings or Settings()
    _check_format(told.workspace)
    folder = Workspace(told.workspace).store
    with ExitStack() as begun:
        if folder.is_dir():
            begun.callback(_hold(folder).close)
        store = open_store(folder, wait_seconds=told.wait_seconds)
        begun.callback(store.close)
        limits = Limits(store.folder, per_minute=told.requests_per_minute, clock=time.time)
        begun.callback(limits.close)
        audit = open_audit(store.folder, wait_seconds=told.wait_seconds)
        begun.callback(audit.close)
        maker = Maker()
        begun.callback(maker.close)
        opened = begun.pop_all()  # closes the last first, and each once

    @asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        with opened:
            yield

    app = Service(
        title="riskmodel",
        lifespan=closing,
        telemetry=_NO_TELEMETRY,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.maker = maker
    app.state.lookup_key_file = Workspace(told.workspace).lookup_key
    app.state.store, app.state.audit, app.state.clock = store, audit, clock
    app.state.limits, app.state.metrics, app.state.close = limits, Metrics(), opened.close
    handle_problems(app, check_key=known)
    for room in (
        students, schools, sets, actions, cases, allocations, indicators, reports, feedback, words, looks,
        health, metrics, docs,
    ):  # fmt: skip
        app.include_router(room.router)
    app.mount("/static", docs.static_files(), name="static")
    describe(app)
    _no_paths_in_logs()
    return app


def _hold(store: Path) -> IO[str]:
    """Take the lock that keeps a restore away; it is taken before anything is opened that a restore moves."""
    lock = (store / "serving.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise WorkspaceError("workspace_in_use", Where(file=str(store))) from None
    return lock


def _check_format(workspace: Path) -> None:
    said = workspace / "FORMAT"
    found = said.read_text(encoding="utf-8").strip() if said.is_file() else FORMAT
    if found != FORMAT:
        raise WorkspaceError(
            "workspace_of_another_version", Where(file=str(said)), found=found, wanted=FORMAT
        )


def _operation_id(route: APIRoute) -> str:
    return route.name


def _no_paths_in_logs() -> None:
    """Silence uvicorn's access log, which writes whole paths; `serve.requests` has a line of its own."""
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
