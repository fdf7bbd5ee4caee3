"""A small published county, the principals who ask about it, and the service in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from riskmodel.domain import (
    AidAnswer,
    Band,
    FeatureInfo,
    PerHundred,
    School,
    ScoredStudent,
    ScoredTerm,
    Stage,
    Statement,
    TermFacts,
    Unknown,
)
from riskmodel.ledger.cases import Entry, Home
from riskmodel.official import Place
from riskmodel.store import allocations, official
from riskmodel.store.allocations import AllocationItem, AllocationRun
from riskmodel.store.engine import Store, open_store
from riskmodel.store.keys import make_key, revoke
from riskmodel.store.ledger import add_entry, open_case
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish
from riskmodel.store.roll_numbers import lookup_key, roll_ref
from riskmodel.store.sets import Document
from serve.app import create_app
from serve.settings import Settings

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
FACTS = TermFacts(
    region="demo",
    term="2026-2027-1",
    as_of_date=date(2026, 10, 31),
    horizon_end=date(2027, 4, 29),
    valid_until=date(2027, 1, 29),
    model_version="model-1",
    rule_version="rule-1",
    wording_version="words-1",
    records_hash="00ff",
    data_complete_to=date(2026, 10, 30),
    probabilities=True,
    features=(
        FeatureInfo(name="now", unit="days", family="attendance", source="attendance"),
        FeatureInfo(name="before", unit="days", family="attendance", source="attendance"),
    ),
)
SCHOOLS = ("a1", "a2", "a3", "b1", "b2", "b3")
"""Two districts of three schools."""
CLOSED = "c1"
"""A school that stands in the former set only."""


CARD = "<!doctype html><style>p { margin: 0 }</style><p>模型卡</p>"


def roll_number(student_id: str) -> str:
    """Return the roll number of a student: a temporary one, which holds no birthday."""
    return f"L{int.from_bytes(student_id.encode()[:7]) % 10**18:018}"


def make_student(student_id: str, school_id: str, number: int = 0) -> ScoredStudent:
    seen = Statement(
        "attendance", "api.example.reason", "can_act", "class_teacher", 0.9, 3,
        {"now": 9.0, "before": 2.0}, "attendance", date(2026, 10, 30),
    )  # fmt: skip
    hidden = replace(seen, family="home", audience="counsellor", contribution=0.4, dots=1)
    return ScoredStudent(
        student_id=student_id,
        school_id=school_id,
        stage=Stage.JUNIOR,
        grade=7 + number % 3,
        class_name=str(1 + number % 2),
        masked_name="王**",
        number_tail="9876",
        risk=0.137 if number % 4 else None,
        band=list(Band)[number % 4],
        listed=number % 2 == 0,
        similar=PerHundred(14, 8, 22) if number % 4 else None,
        reasons=(seen, hidden) if number % 2 == 0 else (seen,),
        strengths=(replace(seen, code="api.example.strength", values={}, contribution=-0.5),),
        unknowns=(Unknown("api.example.unknown"),),
        attendance_history=(1.0, None, 3.0),
    )


def make_term(
    students: list[ScoredStudent], schools: tuple[str, ...] = SCHOOLS, facts: TermFacts = FACTS
) -> ScoredTerm:
    named = tuple(School(one, f"学校{one}", "镇") for one in schools)
    return ScoredTerm(facts, named, tuple(students))


APPROVED, DRAFT = "alloc-20261031-aaaa", "alloc-20261031-bbbb"
"""Two runs of allocation: every student of the current set has an answer of two programmes."""


def keep_allocations(store: Store, students: dict[str, str]) -> None:
    """Keep an approved run and a draft."""
    bureau = Principal("bureau", "bureau")
    names = {"counselling": ("discretionary", "辅导"), "living_cost": ("entitlement", "补助")}
    for run_id in (APPROVED, DRAFT):
        run = AllocationRun(
            run_id=run_id, set_id="set", as_of_date=FACTS.as_of_date, made_at=NOW, made_by="李",
            state="draft",
            content={
                "method": "greedy",
                "lottery": {"enabled": False},
                "programmes": [
                    {"id": one, "kind": kind, "name": {"zh": name, "en": one}}
                    for one, (kind, name) in names.items()
                ],
            },
        )  # fmt: skip
        items = [
            AllocationItem(
                programme=programme, student_id=student_id, school_id=school,
                answer=AidAnswer.TAKEN if number % 2 else AidAnswer.PLACES_USED_UP, place=number + 1,
                waiting=None if number % 2 else 1 + number // 2,
                waiting_at=None if number % 2 else "bureau",
                waiting_since=None if number % 2 else date(2026, 4, 30), yuan=None, hours=6.0,
                yuan_left=0.0, by_floor=False, lot_group=None, stable=True,
            )
            for programme in names
            for number, (student_id, school) in enumerate(students.items())
        ]  # fmt: skip
        assert allocations.save_run(store, bureau, run, items)
    allocations.freeze(store, bureau, APPROVED, by="李", at=NOW)
    allocations.approve(store, bureau, APPROVED, by="王", at=NOW)


REPORT = "rep-20261031-aaaa"


def keep_report(store: Store) -> None:
    """Keep a figure and a report of the school a1."""
    bureau, place = Principal("bureau", "bureau"), Place("school", "c", "north", "a1")
    page = {"language": "zh", "title": "甲校月报", "below": "", "sections": [],
            "figures": {"kind": "table", "head": [], "rows": [], "prose": False}}  # fmt: skip
    official.save_report(
        store, bureau, report_id=REPORT, kind="school", place=place, as_of_date=FACTS.as_of_date, made_at=NOW,
        content={"zh": page, "en": page},
    )  # fmt: skip
    figure = {
        "formula": "dropout_rate", "version": "v1", "span": "2025-2026", "span_kind": "year",
        "first_day": FACTS.as_of_date, "last_day": FACTS.as_of_date, "complete": False, "level": "school",
        "county": "c", "township": "north", "school_id": "a1", "by": "all", "stage": "", "value": "",
        "numerator": 6, "denominator": 100, "rate": 0.06, "low": 0.03, "high": 0.12, "unaccounted": 0,
        "already_gone": 0, "hidden": False, "targets": [],
    }  # fmt: skip
    content = {"rules": ["test"], "targets": [], "faults": []}
    official.save_figures(store, bureau, FACTS.as_of_date, [figure], counted_at=NOW, content=content)


def open_cases(store: Store) -> list[str]:
    """Open cases of two students of whom no other test asks; of one a closing is proposed."""
    bureau = Principal("bureau", "bureau")
    opening = Entry(
        event="opened", day=NOW.date(), by="李", kind="suspected", found_by="school", why="三天未到",
        home=Home("b3"),
    )  # fmt: skip
    found = [open_case(store, bureau, one, opening, at=NOW).case_id for one in ("b3-3", "b3-2")]
    proven = {"day": NOW.date(), "by": "李", "evidence": ("照片",)}
    for entry in (
        Entry(event="verified_not_out", why="在校", **proven),  # type: ignore[arg-type]
        Entry(event="closing_proposed", code="in_school", **proven),  # type: ignore[arg-type]
    ):
        add_entry(store, bureau, found[1], entry, at=NOW)
    return found


@dataclass
class County:
    """What is published, and what only was."""

    workspace: Path
    store: Store
    keys: dict[str, str | None] = field(default_factory=dict)
    """Authorization by principal: 14 of them."""
    sees: dict[str, frozenset[str]] = field(default_factory=dict)
    """Schools by principal; nothing for who is refused."""
    students: dict[str, str] = field(default_factory=dict)
    """School by student of the current set."""
    cases: list[str] = field(default_factory=list)
    former: list[str] = field(default_factory=list)
    """Students of the former set only."""


def publish_county(workspace: Path) -> County:
    county = County(workspace, open_store(workspace / "store", create=True, wait_seconds=WAIT_SECONDS))
    county.students = {f"{school}-{number}": school for school in SCHOOLS for number in range(4)}
    county.students |= {"moved": "b1", "二号-Ünï'\"": "a1"}
    former = make_term(
        [make_student("erased", "a1"), make_student("gone", CLOSED), make_student("moved", "a1")],
        (*SCHOOLS, CLOSED),
    )
    county.former = ["erased", "gone"]
    publish(county.store, former, published_at=NOW - timedelta(days=30), published_by="test")
    key = lookup_key(workspace / "lookup.key", create=True)
    assert key is not None
    students = [
        make_student(student_id, school, number)
        for number, (student_id, school) in enumerate(county.students.items())
    ]
    publish(
        county.store, make_term(students), published_at=NOW, published_by="test",
        roll_refs={one: roll_ref(roll_number(one), key) for one in county.students},
        documents=[Document("card", "zh", CARD), Document("card", "en", CARD)],
    )  # fmt: skip

    keep_allocations(county.store, county.students)
    keep_report(county.store)
    county.cases = open_cases(county.store)

    def add(name: str, role: str, schools: tuple[str, ...] = (), **changes: datetime) -> str:
        plain = make_key(
            county.store, role=role, school_ids=schools, label=name, made_at=NOW, **changes  # type: ignore[arg-type]
        )  # fmt: skip
        county.keys[name] = f"Bearer {plain}"
        county.sees[name] = frozenset(SCHOOLS) if role == "bureau" else frozenset(schools)
        return plain

    for school in SCHOOLS:
        add(f"school {school}", "school", (school,))
    add("counsellor a1", "counsellor", ("a1",))
    add("two schools", "school", ("a1", "b1", CLOSED))
    good = add("bureau", "bureau")
    revoked = add("revoked", "bureau")
    revoke(county.store, revoked.split("_")[1], at=NOW)
    add("expired", "bureau", expires_at=NOW)
    county.keys |= {
        "nobody": None,
        "malformed": "Basic cm06cm0=",
        "wrong secret": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}",
    }
    county.sees |= dict.fromkeys(("nobody", "malformed", "wrong secret", "revoked", "expired"), frozenset())
    return county


WAIT_SECONDS = 2.0
"""How long an answer waits for a lock: a busy machine needs more than a fraction of it to write one look."""


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    """A county that tests only read."""
    made = publish_county(tmp_path_factory.mktemp("county"))
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def app(county: County) -> Iterator[FastAPI]:
    made = create_app(Settings(workspace=county.workspace, wait_seconds=WAIT_SECONDS), clock=lambda: NOW)
    yield made
    made.state.close()


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def own_county(tmp_path: Path) -> Iterator[County]:
    """A county that a test may change."""
    made = publish_county(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def own_client(own_county: County) -> Iterator[TestClient]:
    app = create_app(Settings(workspace=own_county.workspace, wait_seconds=WAIT_SECONDS), clock=lambda: NOW)
    with TestClient(app) as opened:
        yield opened
