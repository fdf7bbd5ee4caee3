"""A published county, in which every child and school can be told from its bytes, and who asks about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

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
from riskmodel.official import Place as OfficialPlace
from riskmodel.store import allocations, official
from riskmodel.store.allocations import AllocationItem, AllocationRun
from riskmodel.store.children import erase_student
from riskmodel.store.engine import Store, open_store
from riskmodel.store.keys import make_key, revoke, rotate
from riskmodel.store.ledger import add_entry, open_case
from riskmodel.store.objections import object_to
from riskmodel.store.principals import Principal, SchoolClass
from riskmodel.store.publishing import publish
from riskmodel.store.roll_numbers import lookup_key, roll_ref
from riskmodel.store.sets import Document

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
TOWNSHIPS = {"a": "东乡㚁", "b": "西乡㚂"}
SCHOOLS = tuple(f"sc-{district}{number}-x" for district in TOWNSHIPS for number in (1, 2, 3))
"""Two districts of three schools."""
CLOSED = "sc-c1-x"
"""A school that stands in the former set only."""
ABSENT_SCHOOL, ABSENT = "sc-z9-x", "st-z9-9-x"
ABSENT_RUN = "al-zz-x"
ERASED = "st-er-1-x"
"""A child that stood in both sets and in every run, and was erased: nobody's, as if there had been none."""
OBJECTING = "st-ob-1-x"
"""A child that stands in both sets and in every run, whose guardian objects: nobody's as well."""
NOBODYS = (ERASED, OBJECTING)
ABSENT_REPORT = "re-z9-x"
ABSENT_CASE = "case-zzzzzzzzzzzz"
COUNSELLORS_FACT = 77123
"""A value that stands in counsellors' facts only."""
MARGIN = 55.321987
RISK = 0.137

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
_FORMER = replace(FACTS, term="2025-2026-2", as_of_date=date(2026, 4, 30))


@dataclass(frozen=True)
class Place:
    """Where a child is in a set."""

    school_id: str
    grade: int
    class_name: str


@dataclass(frozen=True)
class Who:
    """Who asks, as the promise knows them: nothing here is of the code's own types."""

    name: str
    role: str
    schools: frozenset[str] = frozenset()
    townships: frozenset[str] = frozenset()
    classes: frozenset[tuple[str, int, str]] = frozenset()
    only: frozenset[str] | None = None
    alive: bool = True
    header: str | None = None


@dataclass
class World:
    """What is published, what only was, and who asks."""

    workspace: Path
    store: Store
    now: dict[str, Place]
    before: dict[str, Place]
    marks: dict[str, str]
    """The one character by which each child's masked name is known, and each school's name."""
    set_id: str = ""
    former_set_id: str = ""
    principals: list[Who] = field(default_factory=list)
    runs: dict[str, tuple[frozenset[str], bool]] = field(default_factory=dict)
    """Runs of allocation: whom each answers, and whether it was approved."""
    reports: dict[str, str] = field(default_factory=dict)
    """Periodic reports: the school each is about, empty for the whole region."""
    cases: dict[str, tuple[str, Place]] = field(default_factory=dict)
    """Cases of the ledgers: whose each is, and the place that keeps it."""
    closing: set[str] = field(default_factory=set)
    """Those of them whose closing is proposed, and waits for a second person."""
    townships: dict[str, str] = field(default_factory=dict)
    """Where schools are, if not where their id says."""

    @property
    def children(self) -> list[str]:
        """Everybody who was ever published."""
        return list(dict.fromkeys([*self.now, *self.before]))

    def township(self, school_id: str) -> str:
        """The township of a school."""
        return self.townships.get(school_id) or TOWNSHIPS.get(school_id[3], "南乡㚃")


def child(student_id: str, place: Place, mark: str, number: int) -> ScoredStudent:
    """A listed child with a fact for everybody and one for the counsellor."""
    seen = Statement(
        "attendance", "api.example.reason", "can_act", "class_teacher", 0.9, 3,
        {"now": 9.0, "before": 2.0}, "attendance", date(2026, 10, 30),
    )  # fmt: skip
    hidden = replace(
        seen, family="home", audience="counsellor", contribution=0.4, dots=1,
        values={"now": float(COUNSELLORS_FACT), "before": 1.0},
    )  # fmt: skip
    return ScoredStudent(
        student_id=student_id,
        school_id=place.school_id,
        stage=Stage.JUNIOR,
        grade=place.grade,
        class_name=place.class_name,
        masked_name=f"{mark}**",
        number_tail=f"{4000 + number}",
        risk=RISK,
        band=list(Band)[number % 4],
        listed=True,
        similar=PerHundred(14, 8, 22),
        reasons=(seen, hidden),
        strengths=(replace(seen, code="api.example.strength", values={}, contribution=-0.5),),
        unknowns=(Unknown("api.example.unknown"),),
        attendance_history=(1.0, None, 3.0),
    )


def term(
    world: World, places: dict[str, Place], facts: TermFacts, *, schools: Iterable[str] = SCHOOLS
) -> ScoredTerm:
    """The scored term of children at places."""
    named = sorted({place.school_id for place in places.values()} | set(schools))
    return ScoredTerm(
        facts,
        tuple(School(one, f"学校{world.marks[one]}", world.township(one)) for one in named),
        tuple(
            child(student_id, place, world.marks[student_id], number)
            for number, (student_id, place) in enumerate(places.items())
        ),
    )


def make_world(workspace: Path) -> World:
    """Publish a former and a current set, and make everybody's keys."""
    now = {
        f"st-{school[3:5]}-{number}-x": Place(school, 7 + number % 2, str(1 + number // 2))
        for school in SCHOOLS
        for number in range(4)
    }
    before = dict(now)
    now |= {"st-mv-1-x": Place(SCHOOLS[3], 7, "1"), "st-二号 'Ü\"-x": Place(SCHOOLS[0], 7, "1")}
    before |= {
        "st-mv-1-x": Place(SCHOOLS[0], 7, "1"),
        "st-go-1-x": Place(SCHOOLS[0], 7, "1"),
        "st-cl-1-x": Place(CLOSED, 7, "1"),
    }
    named = [*now, *(set(before) - set(now)), *NOBODYS, *SCHOOLS, CLOSED]
    marks = {one: chr(0x3440 + number) for number, one in enumerate(sorted(named))}
    world = World(workspace, open_store(workspace / "store", create=True), now, before, marks)
    key = lookup_key(world.workspace / "lookup.key", create=True)
    assert key is not None
    nobodys = dict.fromkeys(NOBODYS, Place(SCHOOLS[0], 7, "1"))
    for places, facts, at in (
        (before | nobodys, _FORMER, NOW - timedelta(days=180)), (now | nobodys, FACTS, NOW),
    ):  # fmt: skip
        world.former_set_id = world.set_id
        world.set_id = publish(
            world.store,
            term(world, places, facts),
            published_at=at,
            published_by="test",
            roll_refs={one: roll_ref(roll_number(one), key) for one in places},
            documents=[Document("card", "zh", "<p>卡</p>"), Document("card", "en", "<p>card</p>")],
        )
    _allocate(world)
    _open_cases(world)
    assert erase_student(world.store, Principal("bureau", "bureau"), ERASED, at=NOW) >= 4
    object_to(world.store, OBJECTING, by="监护人", at=NOW)
    _report(world)
    _make_principals(world)
    return world


def _allocate(world: World) -> None:
    """Keep a run about everybody, one about the second district, and a draft."""
    bureau = Principal("bureau", "bureau")
    second = [one for one in world.children if one.startswith("st-b")]
    everybody = [*world.children, *NOBODYS]
    first = Place(SCHOOLS[0], 7, "1")
    for run_id, students, approved in (
        ("al-ok-x", everybody, True), ("al-bb-x", second, True), ("al-dr-x", everybody, False),
    ):  # fmt: skip
        run = AllocationRun(
            run_id=run_id, set_id=world.former_set_id, as_of_date=_FORMER.as_of_date,
            made_at=NOW - timedelta(days=170), made_by="李", state="draft",
            content={"method": "greedy", "lottery": {"enabled": False}, "programmes": []},
        )  # fmt: skip
        items = [
            AllocationItem(
                programme="counselling", student_id=one,
                school_id=(world.before.get(one) or world.now.get(one) or first).school_id,
                answer=AidAnswer.TAKEN, place=number, waiting=None, waiting_at=None, waiting_since=None,
                yuan=None, hours=6.0, yuan_left=0.0,
                by_floor=False, lot_group=None, stable=True,
            )
            for number, one in enumerate(students, start=1)
        ]  # fmt: skip
        assert allocations.save_run(world.store, bureau, run, items)
        if approved:
            allocations.freeze(world.store, bureau, run_id, by="李", at=NOW)
            allocations.approve(world.store, bureau, run_id, by="王", at=NOW)
        world.runs[run_id] = (frozenset(students) - set(NOBODYS), approved)


def _open_cases(world: World) -> None:
    """Open a case of a child of each school, of one who left, of one who moved, and of the erased one.

    Of another child of each school a closing is proposed: there is something to decide for everybody.
    """
    bureau = Principal("bureau", "bureau")
    first = Place(SCHOOLS[0], 7, "1")
    proposed = [f"st-{school[3:5]}-2-x" for school in SCHOOLS]
    for child in (
        *(f"st-{school[3:5]}-1-x" for school in SCHOOLS), *proposed, "st-go-1-x", "st-mv-1-x", ERASED,
    ):  # fmt: skip
        opening = Entry(
            event="opened", day=NOW.date() - timedelta(days=40), by="李", kind="suspected", why="三天未到",
            found_by="school", home=Home(SCHOOLS[0]),
            child={"name": f"{world.marks[child]}**", "hardship": str(COUNSELLORS_FACT)},
        )  # fmt: skip
        case = open_case(world.store, bureau, child, opening, at=NOW)
        if child != ERASED:
            world.cases[case.case_id] = (child, world.now.get(child, first))
        if child in proposed:
            world.closing.add(case.case_id)
            day = opening.day
            for entry in (
                Entry(event="verified_not_out", day=day, by="李", why="在校", evidence=("照片",)),
                Entry(event="closing_proposed", day=day, by="李", code="in_school", evidence=("照片",)),
            ):
                add_entry(world.store, bureau, case.case_id, entry, at=NOW)


def _report(world: World) -> None:
    """Keep a figure and a report of every school, and of the region."""
    bureau, figures = Principal("bureau", "bureau"), []
    for school in (*SCHOOLS, ""):
        level = "school" if school else "region"
        place = OfficialPlace(level, "c", f"t-{school}" if school else "", school)
        report_id = f"re-{school[3:] or 'all-x'}"
        world.reports[report_id] = school
        page = {"language": "zh", "title": f"报告 {school}", "below": "", "sections": [],
                "figures": {"kind": "table", "head": [], "rows": [], "prose": False}}  # fmt: skip
        official.save_report(
            world.store, bureau, report_id=report_id, kind="school" if school else "province", place=place,
            as_of_date=NOW.date(), made_at=NOW, content={"zh": page, "en": page},
        )  # fmt: skip
        figures.append({
            "formula": "dropout_rate", "version": "v1", "span": "2025-2026", "span_kind": "year",
            "first_day": NOW.date(), "last_day": NOW.date(), "complete": False, "level": level, "county": "c",
            "township": place.township, "school_id": school, "by": "all", "stage": "", "value": "",
            "numerator": 6, "denominator": 100, "rate": 0.06, "low": 0.03, "high": 0.12, "unaccounted": 0,
            "already_gone": 0, "hidden": False, "targets": [],
        })  # fmt: skip
    official.save_figures(
        world.store,
        bureau,
        NOW.date(),
        figures,
        counted_at=NOW,
        content={"rules": [], "targets": [], "faults": []},
    )


def roll_number(child: str) -> str:
    """Return the roll number of a child, in which its id cannot be read."""
    return f"L{int.from_bytes(child.encode()) % 10**18:018}"


def _make_principals(world: World) -> None:
    first, fourth = SCHOOLS[0], SCHOOLS[3]

    def add(name: str, role: str, **told: Any) -> str:
        only, alive = told.pop("only", None), told.pop("alive", True)
        expires_at = told.pop("expires_at", None)
        who = Who(
            name, role, only=only, alive=alive, **{key: frozenset(value) for key, value in told.items()}
        )
        key = make_key(
            world.store, role=role, label=f"label {len(world.principals)}",
            made_at=NOW - timedelta(days=40), school_ids=who.schools,
            townships=who.townships, classes=[SchoolClass(*one) for one in who.classes], permissions=only,
            expires_at=expires_at,
        )  # type: ignore[arg-type]  # fmt: skip
        world.principals.append(replace(who, header=f"Bearer {key}"))
        return key

    add("data team", "data_team")
    bureau = add("bureau", "bureau")
    add("bureau, log only", "bureau", only=frozenset({"read_audit"}))
    add("district east", "district", townships=[TOWNSHIPS["a"]])
    add("district west and a school", "district", townships=[TOWNSHIPS["b"]], schools=[first])
    for school in SCHOOLS:
        add(f"school {school}", "school", schools=[school])
    add("two schools", "school", schools=[first, fourth, CLOSED])
    add("closed school", "school", schools=[CLOSED])
    add("counsellor", "counsellor", schools=[first])
    add("class teacher", "class_teacher", classes=[(first, 7, "1")])
    add("teacher of two classes", "class_teacher", classes=[(first, 8, "2"), (fourth, 7, "1")])
    add("expired", "bureau", alive=False, expires_at=NOW)
    revoke(world.store, add("revoked", "bureau", alive=False).split("_")[1], at=NOW)
    replaced = add("replaced", "bureau", alive=False).split("_")[1]
    heir = rotate(world.store, replaced, at=NOW - timedelta(days=14), overlap=timedelta(days=14))
    world.principals += [
        Who("heir", "bureau", header=f"Bearer {heir}"),
        Who("nobody", "bureau", alive=False),
        Who("malformed", "bureau", alive=False, header="Basic cm06cm0="),
        Who(
            "wrong secret", "bureau", alive=False,
            header=f"Bearer {bureau[:-1]}{'A' if bureau[-1] != 'A' else 'B'}",
        ),
    ]  # fmt: skip
