"""Who sees what: every principal on every route with every object, against an independent oracle.

`make isolation` sets RISKMODEL_ISOLATION=full and asks every cell; without it a sample is asked. Each planted
hole must be found: a matrix that finds none of them proves nothing.
"""

from __future__ import annotations

import base64
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import true
from starlette.testclient import TestClient

from riskmodel.errors import StoreError
from riskmodel.store import allocations, cases, feedback, keys, official, reading
from riskmodel.store.principals import Principal, Rights
from riskmodel.store.tables import STUDENTS
from serve import deps
from serve.app import create_app
from serve.settings import Settings

from .asking import Asker
from .cells import Matrix
from .judging import Judge, not_written_down
from .world import NOW, SCHOOLS, World, make_world

pytestmark = pytest.mark.slow

FULL = os.environ.get("RISKMODEL_ISOLATION") == "full"
SAMPLE = 800
SEED = 20261102


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("world"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[FastAPI]:
    made = create_app(Settings(workspace=world.workspace), clock=lambda: NOW)
    with TestClient(made):
        yield made


@pytest.fixture(scope="module")
def judge(world: World, app: FastAPI) -> Judge:
    asker, matrix = Asker(app), Matrix(world, app.openapi())
    matrix.steal(asker)
    return Judge(matrix, asker)


def sampled(matrix: Matrix, count: int) -> Iterator[Any]:
    """Some cells, in an order of chance; of each operation alike many, and what the bureau usually asks."""
    chance = random.Random(SEED)  # noqa: S311
    by_operation: dict[str, list[Any]] = {}
    for cell in matrix.cells(pairs=False, chance=chance):
        by_operation.setdefault(cell.operation.name, []).append(cell)
    each = max(20, count // len(by_operation))
    chosen = [cell for cells in by_operation.values() for cell in chance.sample(cells, min(each, len(cells)))]
    chosen += [next(one for one in cells if one.who.name == "bureau") for cells in by_operation.values()]
    chance.shuffle(chosen)
    return iter(chosen)


def test_every_principal_sees_what_the_oracle_says_and_nothing_else(
    judge: Judge, world: World, app: FastAPI, counted: Callable[[str], None]
) -> None:
    matrix = judge.matrix
    assert len(world.principals) >= 14
    chance = random.Random(SEED)  # noqa: S311
    cells = matrix.cells(pairs=True, chance=chance) if FULL else sampled(matrix, SAMPLE)
    judged = judge.judge(cells)
    counted(
        f"{judged.cells} cells, {len(world.principals)} principals, {len(matrix.operations)} operations; "
        f"wrong: {len(judged.wrong)}; {judged.by_verdict}"
    )
    assert judged.wrong == []
    assert set(judged.by_operation) == {one.name for one in matrix.operations}
    assert [name for name, count in judged.done.items() if not count] == [], "never done by anybody"
    assert {"refused", "forbidden", "hidden", "shown"} <= set(judged.by_verdict)
    assert judged.cells >= (50_000 if FULL else 500)
    audit = app.state.audit
    unwritten = not_written_down(world, judged, str(world.store.folder / "audit.db"), audit.student_ref)
    assert unwritten == []
    assert sum(bool(seen) for seen in judged.looks.values()) > 50


def test_a_parameter_that_the_matrix_does_not_know_fails(judge: Judge) -> None:
    with pytest.raises(AssertionError, match="does not know"):
        judge.matrix.values({"name": "mystery", "in": "query", "schema": {"type": "string"}})


def test_the_fixture_holds_every_kind_of_child_and_school(world: World) -> None:
    assert len({place.school_id for place in world.now.values()}) == 6
    assert set(world.before) - set(world.now) == {"st-go-1-x", "st-cl-1-x"}
    assert world.before["st-mv-1-x"].school_id != world.now["st-mv-1-x"].school_id


def _no_scope(*_: object, **__: object) -> Any:
    return true()


def _trusting_cursors(students: Callable[..., Any]) -> Callable[..., Any]:
    """A cursor that is trusted: the list goes on where the cursor stands, whoever asks."""

    def reading_it(store: Any, principal: Principal, school_id: str, **told: Any) -> Any:
        try:
            said = base64.urlsafe_b64decode(told.get("after") or "").decode()
        except ValueError:
            said = ""
        for school in SCHOOLS:
            if f"st-{school[3:5]}-" in said:
                return students(store, Principal("x", "bureau"), school, **told)
        return students(store, principal, school_id, **told)

    return reading_it


def _only_its_school(principal: Principal, student: Any = STUDENTS) -> Any:
    schools = principal.school_ids | {one.school_id for one in principal.classes}
    return true() if principal.rights.everywhere else student.c.school_id.in_(sorted(schools))


def _noting_the_first_only(note: Callable[..., None]) -> Callable[..., None]:
    def noting(visit: Any, status: int, *, shown: Any = (), **told: Any) -> None:
        note(visit, status, shown=list(shown)[:1], **told)

    return noting


def _telling_of_foreign_children(student: Callable[..., Any]) -> Callable[..., Any]:
    def reading_it(store: Any, principal: Principal, student_id: str, **told: Any) -> Any:
        found = student(store, principal, student_id, **told)
        anybody = student(store, Principal("x", "bureau"), student_id, **told)
        if found is None and anybody is not None:
            raise StoreError("not_allowed")
        return found

    return reading_it


def _short_by_one(students: Callable[..., Any]) -> Callable[..., Any]:
    def reading_it(*told: Any, **more: Any) -> Any:
        page = students(*told, **more)
        return replace(page, students=page.students[:-1])

    return reading_it


def _as_the_bureau(query: Callable[..., Any]) -> Callable[..., Any]:
    def composing(_principal: Principal, *, of_former: bool) -> Any:
        return query(Principal(key_id="planted", role="bureau"), of_former=of_former)

    return composing


def _unless_everywhere(limited: Any) -> Any:
    """Plant what stood there once: no condition at all for the bureau."""

    def opened(principal: Principal, student_id: Any, *, current_set_id: Any) -> Any:
        if principal.rights.everywhere:
            return true()
        return limited(principal, student_id, current_set_id=current_set_id)

    return opened


HOLES: dict[str, tuple[Any, str, Any]] = {
    "the scope dropped in the query about one student": (
        reading, "_question", _as_the_bureau(reading._question.__wrapped__),
    ),
    "the scope dropped in the queries about several students": (reading, "_sees", lambda *_: ()),
    "the scope dropped in the query about schools": (reading, "sees_school", _no_scope),
    "the check of what a key may do inverted": (Principal, "must", lambda self, permission: None),
    "a cursor that crosses schools": (reading, "students", _trusting_cursors(reading.students)),
    "a class teacher who sees the whole school": (reading, "sees_student", _only_its_school),
    "a revoked key that still works": (keys, "_lives", lambda *_: True),
    "an expired key that still works": (keys, "instant_text", lambda _at: ""),
    "a child whose guardian objects told to who sees everywhere": (
        feedback, "is_theirs_now", _unless_everywhere(feedback.is_theirs_now),
    ),
    "another answer for a foreign child than for none": (
        reading, "student", _telling_of_foreign_children(reading.student),
    ),
    "a list that leaves out its last child": (reading, "students", _short_by_one(reading.students)),
    "the scope dropped in the query about allocations": (allocations, "sees_student", _no_scope),
    "the scope dropped in the query about figures and reports": (official, "sees_place", _no_scope),
    "the scope dropped in the query about cases": (cases, "sees_case", _no_scope),
    "a counsellor's facts of a case for everybody": (cases, "as_read_by", lambda principal, found: found),
    "a draft shown to everybody": (allocations, "_readable", _no_scope),
    "counsellors' facts for everybody": (Rights, "reads", lambda rights, audience: True),
}  # fmt: skip


@pytest.mark.parametrize("hole", HOLES)
def test_the_matrix_finds_each_planted_hole(judge: Judge, hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, opened = HOLES[hole]
    monkeypatch.setattr(place, name, opened)
    own = Judge(judge.matrix, judge.asker)
    judged = own.judge(sampled(judge.matrix, 100_000), stop_at_first=True)
    assert judged.wrong != [], f"{judged.cells} cells and nothing found"
    broken = [(cell, why) for cell, why in judged.wrong if re.search(r"\b500\b", why)]  # ids hold digits, too
    assert broken == [], "what is found is the hole, and no breakdown"


def test_the_matrix_finds_an_entity_tag_that_tells_of_foreign_children(
    judge: Judge, world: World, app: FastAPI
) -> None:
    async def leaking(scope_: Any, receive: Any, send: Any) -> None:
        async def tagged(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 404:
                known = any(f"/{one}/" in scope_["path"] for one in world.now)
                tag = b'"known"' if known else b'"none"'
                message = message | {"headers": [*message["headers"], (b"etag", tag)]}
            await send(message)

        await app(scope_, receive, tagged)

    judged = Judge(judge.matrix, Asker(leaking)).judge(sampled(judge.matrix, 100_000), stop_at_first=True)
    assert judged.wrong != []


def test_the_matrix_finds_a_look_that_is_not_written_down(
    judge: Judge, world: World, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deps.Visit, "note", _noting_the_first_only(deps.Visit.note))
    judged = Judge(judge.matrix, judge.asker).judge(sampled(judge.matrix, 600))
    file = str(world.store.folder / "audit.db")
    assert not_written_down(world, judged, file, app.state.audit.student_ref) != []
