"""Names and numbers that stand nowhere else, sent through every route and every fault: no sink holds one.

Sinks: every log record of every logger at its finest level (SQLAlchemy's at INFO: its DEBUG prints rows on
purpose), stdout and stderr, exceptions that leave the application, problems that are answered, figures for
Prometheus. `make isolation` sends 1,000.
"""

from __future__ import annotations

import io
import json
import logging
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from riskmodel.store import reading
from riskmodel.store.publishing import publish
from serve.app import create_app
from serve.settings import Settings

from .asking import Answer, Asker, Request, forms
from .cells import Cell, Matrix
from .world import FACTS, NOW, SCHOOLS, Place, World, make_world, term

FULL = os.environ.get("RISKMODEL_ISOLATION") == "full"
CANARIES, WITH_FAULTS = (1_000, 100) if FULL else (8, 4)
SEED = 20261102


def canary(number: int) -> tuple[str, str, str]:
    """An id, a masked name and a roll number that stand nowhere else."""
    return f"st-canary{number:04}-x", f"{chr(0x20000 + number)}**", f"G9{7_700_000_000_000_000 + number}1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("canaries"))
    children = {canary(number)[0]: Place(SCHOOLS[0], 7, "1") for number in range(CANARIES)}
    made.marks |= {canary(number)[0]: canary(number)[1][0] for number in range(CANARIES)}
    made.now |= children
    later = replace(FACTS, model_version="model-2")
    made.set_id = publish(made.store, term(made, made.now, later), published_at=NOW, published_by="test")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[FastAPI]:
    made = create_app(Settings(workspace=world.workspace, wait_seconds=0.05), clock=lambda: NOW)
    with TestClient(made, raise_server_exceptions=False):
        yield made


@contextmanager
def every_log() -> Iterator[io.StringIO]:
    """Hear every record of every logger, tracebacks and arguments included."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setLevel(logging.DEBUG)
    names = ["", *logging.root.manager.loggerDict]
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in names}
    for name in names:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO if name.startswith("sqlalchemy") else logging.DEBUG)
        logger.addHandler(handler)
    try:
        yield heard
    finally:
        for name, (level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def requests_about(matrix: Matrix, number: int, chance: random.Random) -> Iterator[Request]:
    """Every route, once about the canary and once with it where it does not belong."""
    child, name, roll = canary(number)
    who = chance.choice([one for one in matrix.world.principals if one.alive and one.only is None])
    for operation in matrix.operations:
        usual = matrix.usual(who, operation)
        about = {key: child if key == "path.student_id" else value for key, value in usual.items()}
        if operation.body is not None:
            about["body"] = json.dumps(matrix._filled(operation.body, child, SCHOOLS[0]))
        method = operation.method.upper()
        yield matrix.request(Cell(who, operation, method, tuple(about.items())))
        elsewhere = (("Accept-Language", roll),)
        misplaced = matrix.request(Cell(who, operation, method, tuple(about.items()), elsewhere))
        wrong = (("after", f"{name}{roll}"), ("name", name), (roll, child))
        body = json.dumps({"name": name, "roll_number": roll, "student_id": [child]}).encode()
        yield replace(misplaced, query=wrong, body=body if operation.body is not None else b"")
    key = who.header or ""
    yield Request("GET", f"/v1/{child}", headers=(("Authorization", key),))
    yield Request("GET", "/v1/schools", headers=(("Authorization", f"Bearer rm_{roll}_{child}"),))
    yield Request(f"GET{child}"[:12], "/v1/schools", headers=(("X-Request-ID", roll), ("Cookie", child)))


def heard_of(text: str, number: int) -> list[str]:
    child, name, roll = canary(number)
    return [one for value in (child, name[0], roll) for one in forms(value) if one in text]


@contextmanager
def _locked(file: str, app: FastAPI) -> Iterator[None]:
    holder = sqlite3.connect(str(app.state.store.folder / file), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.close()


@contextmanager
def _failing(app: FastAPI, error: Callable[[object], Exception]) -> Iterator[None]:
    """Every reading of the store fails, and the failure's message holds what was asked for."""

    def fail(*told: object, **more: object) -> None:
        raise error((told, more))

    with pytest.MonkeyPatch.context() as patched:
        for name in ("student", "students", "school", "schools", "students_by_id", "student_history"):
            if hasattr(reading, name):
                patched.setattr(reading, name, fail)
        yield


FAULTS: dict[str, Callable[[FastAPI], Any]] = {
    "none": lambda app: ExitStack(),
    "the log of looks is locked": lambda app: _locked("audit.db", app),
    "the store is locked for writing": lambda app: _locked("published.db", app),
    "an error that tells what it was about": lambda app: _failing(app, lambda told: RuntimeError(str(told))),
    "a database's error that holds the row": lambda app: _failing(
        app, lambda told: sqlite3.OperationalError(f"near {told}")
    ),
}


EXPECTED = {
    "none": {401, 404, 405, 422},
    "the store is locked for writing": {404},
    "an error that tells what it was about": {500},
    "a database's error that holds the row": {500},
}
"""Answers that show that a fault was one; 503 where nothing is said."""


@pytest.mark.parametrize("fault", FAULTS)
def test_no_canary_comes_into_a_log_an_exception_or_a_problem(
    world: World, app: FastAPI, fault: str, capfd: pytest.CaptureFixture[str], counted: Callable[[str], None]
) -> None:
    chance = random.Random(SEED)  # noqa: S311
    matrix, asker = Matrix(world, app.openapi()), Asker(app)
    numbers = range(CANARIES if fault == "none" else WITH_FAULTS)
    asked, found, kinds = 0, [], set()
    for number in numbers:
        with every_log() as heard, FAULTS[fault](app):
            requests = list(requests_about(matrix, number, chance))
            answers: list[Answer] = asker.ask_all(requests)
        told = heard.getvalue()
        assert told.count("request_id") >= len(requests) // 2, "the log was not heard"
        found += [("log", one) for one in heard_of(told, number)]
        for answer in answers:
            asked += 1
            kinds.add(answer.status)
            if answer.status >= 400:
                found += [("problem", one) for one in heard_of(answer.text(), number)]
    printed = "".join(capfd.readouterr())
    found += [("printed", one) for number in numbers for one in heard_of(printed, number)]
    if "/metrics" in {getattr(route, "path", None) for route in app.routes}:
        figures = asker.ask(Request("GET", "/metrics")).text()
        found += [("figures", one) for number in numbers for one in heard_of(figures, number)]
    counted(f"{len(numbers)} canaries, {asked} requests, {sorted(kinds)}, found: {len(found)}")
    assert found == []
    assert 200 in kinds
    assert kinds >= EXPECTED.get(fault, {503})


def test_a_canary_in_a_log_would_be_heard() -> None:
    child, name, roll = canary(3)
    with every_log() as heard:
        logging.getLogger("serve.requests").debug("student %s", child)
        logging.getLogger("sqlalchemy.engine").info({"number": roll})
        try:
            raise RuntimeError(name)
        except RuntimeError:
            logging.getLogger("any").exception("x")
    assert set(heard_of(heard.getvalue(), 3)) >= {child, name[0], roll}
