"""Schools merge, children move, keys end: after every step each sees what the model says, and nothing else.

The model is a few dictionaries and the oracle of the matrix. `make isolation` runs 200 lives of 30 steps, 20
reads after each and all of them at the end; without it a few. Two planted bugs must be found.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import bindparam, exists, select
from starlette.testclient import TestClient

from riskmodel.domain import Action
from riskmodel.errors import RiskmodelError
from riskmodel.store import reading
from riskmodel.store.actions import record_actions
from riskmodel.store.engine import open_store
from riskmodel.store.glance import OneRow
from riskmodel.store.keys import make_key, recognise, revoke, rotate
from riskmodel.store.principals import SchoolClass
from riskmodel.store.publishing import publish
from riskmodel.store.scope import sees_student
from riskmodel.store.tables import STUDENTS
from serve import security
from serve.app import create_app
from serve.settings import Settings

from .asking import Asker, Request, forms
from .oracle import holds, holds_school
from .world import FACTS, NOW, TOWNSHIPS, Place, Who, World, term

FULL = os.environ.get("RISKMODEL_ISOLATION") == "full"
RUNS, STEPS, READS, AT_THE_END = (200, 30, 20, 10**6) if FULL else (3, 12, 6, 40)
pick = st.integers(0, 10**6)


@dataclass
class Service:
    """The application, its clock, and what all runs counted."""

    app: FastAPI
    world: World
    now: datetime = NOW
    runs: int = 0
    steps: int = 0
    reads: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass
class Key:
    """A key as the model knows it."""

    who: Who
    plain: str
    ends: datetime | None = None
    revoked: bool = False

    @property
    def key_id(self) -> str:
        return self.plain.split("_")[1]


class Lives(RuleBasedStateMachine):
    """A county over time. What the records say changes at once, what is seen changes by publishing."""

    service: ClassVar[Service]

    @initialize(seed=pick)
    def begin(self, seed: int) -> None:
        self.service.runs += 1
        self.chance = random.Random(seed)  # noqa: S311
        run = self.service.runs
        self.schools = [f"sc-{district}{number}-{run}x" for district in TOWNSHIPS for number in (1, 2)]
        self.townships = {one: TOWNSHIPS[one[3]] for one in self.schools}
        self.draft = {
            f"st-{school[3:5]}-{number}-{run}x": Place(school, 7, str(1 + number % 2))
            for school in self.schools
            for number in range(2)
        }
        self.children = list(self.draft)
        marks = [*self.children, *self.schools]
        self.world = replace(
            self.service.world, now={}, before={}, marks={one: chr(0x3440 + i) for i, one in enumerate(marks)}
        )
        self.keys: list[Key] = []
        first, third = self.schools[0], self.schools[2]
        for role, reach in (
            ("bureau", {}), ("school", {"schools": {first}}), ("school", {"schools": {first, third}}),
            ("counsellor", {"schools": {third}}), ("district", {"townships": {TOWNSHIPS["a"]}}),
            ("class_teacher", {"classes": {(first, 7, "1")}}),
        ):  # fmt: skip
            self._make(role, **reach)
        self.publish_it()

    def _make(self, role: str, **reach: set[Any]) -> None:
        who = Who(f"{role} {len(self.keys)}", role, **{name: frozenset(told) for name, told in reach.items()})
        plain = make_key(
            self.world.store, role=role, label="x", made_at=self.service.now, school_ids=who.schools,  # type: ignore[arg-type]
            townships=who.townships, classes=[SchoolClass(*one) for one in who.classes],
        )  # fmt: skip
        self.keys.append(Key(who, plain))

    @rule(child=pick, school=pick)
    def transfer(self, child: int, school: int) -> None:
        """To another school; who has left comes back so."""
        self.draft[self._child(child)] = Place(self._school(school), 7, "1")

    @rule(child=pick, number=pick)
    def change_class(self, child: int, number: int) -> None:
        one = self._child(child)
        if one in self.draft:
            self.draft[one] = replace(self.draft[one], class_name=str(1 + number % 2), grade=7 + number % 2)

    @rule(one=pick, other=pick)
    def merge(self, one: int, other: int) -> None:
        gone, stays = self._school(one), self._school(other)
        for child, place in self.draft.items():
            if place.school_id == gone:
                self.draft[child] = replace(place, school_id=stays)

    @rule(school=pick)
    def close(self, school: int) -> None:
        closed = self._school(school)
        self.draft = {child: place for child, place in self.draft.items() if place.school_id != closed}

    @rule(school=pick, township=st.sampled_from(sorted(TOWNSHIPS)))
    def move(self, school: int, township: str) -> None:
        self.townships[self._school(school)] = TOWNSHIPS[township]

    @rule()
    def publish_it(self) -> None:
        if not self.draft:
            return
        self.world.townships = dict(self.townships)
        self.world.before |= self.world.now
        self.world.now = dict(self.draft)
        schools = {place.school_id for place in self.draft.values()}
        scored = term(self.world, self.draft, FACTS, schools=schools)
        publish(self.world.store, scored, published_at=self._later(1), published_by="test")
        self._read_some()

    @rule(role=st.sampled_from(["school", "counsellor", "district", "class_teacher"]), school=pick)
    def give_a_key(self, role: str, school: int) -> None:
        one = self._school(school)
        reach: dict[str, set[Any]] = {
            "district": {"townships": {self.townships[one]}},
            "class_teacher": {"classes": {(one, 7, "1"), (one, 8, "2")}},
        }.get(role, {"schools": {one}})
        self._make(role, **reach)
        self._read_some()

    @rule(key=pick)
    def revoke_it(self, key: int) -> None:
        one = self._key(key)
        revoke(self.world.store, one.key_id, at=self.service.now)
        one.revoked = True
        self._read_some(of=one)

    @rule(key=pick, days=st.sampled_from([0, 14]))
    def rotate_it(self, key: int, days: int) -> None:
        one = self._key(key)
        if self._lives(one):
            heir = rotate(self.world.store, one.key_id, at=self.service.now, overlap=timedelta(days=days))
            end = self.service.now + timedelta(days=days)
            one.ends = min(end, one.ends or end)
            self.keys.append(Key(one.who, heir))
            self._read_some(of=one)

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        self._later(86_400 * days)
        self._read_some()

    @rule(key=pick, child=pick)
    def act(self, key: int, child: int) -> None:
        """Whoever sees the child, or saw it last, may write down what was done for it; nobody else."""
        one, student = self._key(key), self._child(child)
        who = recognise(self.world.store, one.plain, at=self.service.now)
        action = Action(student_id=student, kind="contacted", day=self.service.now.date(), done_by="老师")
        try:
            wrote = who is not None and bool(
                record_actions(self.world.store, who, [action], at=self.service.now)
            )
        except RiskmodelError:
            wrote = False
        self._same(f"act {one.who.name} {student}", self._acts(one, student), wrote)

    @rule(key=pick, child=pick)
    def say(self, key: int, child: int) -> None:
        """Feedback, where the application has a route for it."""
        path = "/v1/students/{student_id}/feedback"
        told = self.service.app.openapi()["paths"].get(path, {}).get("post")
        if told is None:
            return
        one, student = self._key(key), self._child(child)
        body = next(iter(told["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
        headers = (("Authorization", f"Bearer {one.plain}"), ("Idempotency-Key", f"k-{self.chance.random()}"))
        address = path.replace("{student_id}", quote(student, safe=""))
        answer = Asker(self.service.app).ask(
            Request("POST", address, headers=headers, body=json.dumps(body).encode())
        )
        sees = self._lives(one) and holds(self.world, one.who, self.world.now.get(student))
        may = sees and one.who.role != "district"
        self._same(f"say {one.who.name} {student} {answer.status}", may, answer.status in (200, 201))

    def teardown(self) -> None:
        """Read everything at the end."""
        if hasattr(self, "world"):
            reads = self._all_reads()
            self._check(self.chance.sample(reads, min(AT_THE_END, len(reads))))

    # --- reading

    def _read_some(self, of: Key | None = None) -> None:
        self.service.steps += 1
        reads = [read for read in self._all_reads() if of is None or read[0] is of]
        self._check(self.chance.sample(reads, min(READS, len(reads))))

    def _all_reads(self) -> list[tuple[Key, str, str]]:
        return [
            (key, route, asked)
            for key in self.keys
            for route, ids in (
                ("/v1/students/{}/risk", self.children), ("/v1/students/{}/actions", self.children),
                ("/v1/schools/{}/students", self.schools), ("/v1/schools{}", [""]),
            )
            for asked in ids
            if not route.endswith("actions") or "/v1/students/{student_id}/actions" in self._paths()
        ]  # fmt: skip

    def _paths(self) -> Any:
        return self.service.app.openapi()["paths"]

    def _check(self, reads: list[tuple[Key, str, str]]) -> None:
        requests = [
            Request("GET", route.format(quote(asked)), headers=(("Authorization", f"Bearer {key.plain}"),))
            for key, route, asked in reads
        ]
        for (key, route, asked), answer in zip(reads, Asker(self.service.app).ask_all(requests), strict=True):
            text = answer.text()
            seen = {
                one for one in (*self.children, *self.schools) if any(form in text for form in forms(one))
            }
            expected = self._expected(key, route, asked)
            if route.endswith("risk"):
                seen -= set(self.schools)
            if route.endswith("actions"):
                seen, expected = set(), (expected[0], set())
            self._same(f"{key.who.name} {route} {asked}", expected, (answer.status, seen))
            self.service.reads += 1

    def _expected(self, key: Key, route: str, asked: str) -> tuple[int, set[str]]:
        if not self._lives(key):
            return 401, set()
        if route.endswith("actions"):
            return (200 if self._acts(key, asked) else 404), set()
        if "students/" in route:
            sees = holds(self.world, key.who, self.world.now.get(asked))
            return (200, {asked}) if sees else (404, set())
        own = {one for one in self.schools if holds_school(self.world, key.who, one)}
        if asked == "":
            return 200, own
        children = {
            child for child, place in self.world.now.items()
            if place.school_id == asked and holds(self.world, key.who, place)
        }  # fmt: skip
        return (200, children | {asked}) if asked in own else (404, set())

    def _acts(self, key: Key, child: str) -> bool:
        place = self.world.now.get(child) or self.world.before.get(child)
        return self._lives(key) and holds(self.world, key.who, place)

    def _same(self, what: str, expected: object, found: object) -> None:
        if expected != found:
            self.service.differences.append(f"{what}: expected {expected}, found {found}")
            raise AssertionError(self.service.differences[-1])

    def _lives(self, key: Key) -> bool:
        return not key.revoked and (key.ends is None or key.ends > self.service.now)

    def _later(self, seconds: int) -> datetime:
        self.service.now += timedelta(seconds=seconds)
        return self.service.now

    def _child(self, number: int) -> str:
        return self.children[number % len(self.children)]

    def _school(self, number: int) -> str:
        return self.schools[number % len(self.schools)]

    def _key(self, number: int) -> Key:
        return self.keys[number % len(self.keys)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = open_store(tmp_path / "store", create=True)
    world = World(tmp_path, store, {}, {}, {})
    told: list[Service] = []
    app = create_app(Settings(workspace=tmp_path), clock=lambda: told[0].now if told else NOW)
    told.append(Service(app, world))
    with TestClient(app):
        yield told[0]
    store.close()


def live(service: Service, *, runs: int, steps: int) -> None:
    Lives.service = service
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=runs, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), report_multiple_bugs=False, phases=[Phase.generate],
        ),
    )  # fmt: skip


def test_after_every_step_each_sees_what_is_theirs_and_nothing_else(
    service: Service, counted: Callable[[str], None]
) -> None:
    live(service, runs=RUNS, steps=STEPS)
    counted(
        f"{service.runs} runs of up to {STEPS} steps, {service.steps} times read after a step, "
        f"{service.reads} reads, {len(service.differences)} differences"
    )
    assert service.reads > RUNS * 50


def _remembering(known: Callable[..., Any]) -> Callable[..., Any]:
    """Keys are looked up once, and then remembered: fast, and blind to revoking."""
    seen: dict[str, Any] = {}

    def remembering(store: Any, plain: str, *, at: datetime) -> Any:
        if plain not in seen:
            seen[plain] = known(store, plain, at=at)
        return seen[plain]

    return remembering


def _reach_of_any_set(principal: Any, *, of_former: bool) -> OneRow:
    """Whoever was ever in the school is in it."""
    ever = STUDENTS.alias("ever")
    return OneRow.of(
        select(STUDENTS.c.content).where(
            STUDENTS.c.set_id == bindparam("set_id", ""),
            STUDENTS.c.student_id == bindparam("student_id", ""),
            exists(select(ever.c.student_id).where(ever.c.student_id == STUDENTS.c.student_id)
                   .where(sees_student(principal, ever))),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("place", "name", "planted"),
    [
        (security, "recognise", _remembering(recognise)),
        (reading, "_question", _reach_of_any_set),
    ],
    ids=["keys that are remembered", "once a school's, always a school's"],
)
def test_the_machine_finds_a_planted_bug(
    service: Service, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, planted: Any
) -> None:
    monkeypatch.setattr(place, name, planted)
    with pytest.raises(AssertionError, match="expected"):
        live(service, runs=30, steps=20)
