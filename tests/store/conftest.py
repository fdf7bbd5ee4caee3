"""Builders of small scored terms, and a store to put them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from riskmodel.domain import (
    Band,
    FeatureInfo,
    School,
    ScoredStudent,
    ScoredTerm,
    Stage,
    TermFacts,
)
from riskmodel.store.engine import Store, open_store
from riskmodel.store.principals import Principal

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
    features=(FeatureInfo(name="absence_days_28d", unit="days", family="attendance", source="attendance"),),
)


def make_student(number: int, school_id: str, **changes: object) -> ScoredStudent:
    student = ScoredStudent(
        student_id=f"{school_id}-student-{number:05}",
        school_id=school_id,
        stage=Stage.JUNIOR,
        grade=7 + number % 3,
        class_name=str(1 + number % 2),
        masked_name="王**",
        number_tail="0000",
        risk=0.1,
        band=list(Band)[number % 4],
        listed=number % 2 == 0,
    )
    return replace(student, **changes)  # type: ignore[arg-type]


def make_term(schools: int = 2, each: int = 5, **facts: object) -> ScoredTerm:
    ids = [f"school-{number}" for number in range(schools)]
    return ScoredTerm(
        facts=replace(FACTS, **facts),  # type: ignore[arg-type]
        schools=tuple(School(school_id, f"学校{school_id}", "镇") for school_id in ids),
        students=tuple(make_student(number, school_id) for school_id in ids for number in range(each)),
    )


@pytest.fixture
def term() -> Callable[..., ScoredTerm]:
    return make_term


@pytest.fixture
def student() -> Callable[..., ScoredStudent]:
    return make_student


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store", create=True, wait_seconds=0.2)
    yield opened
    opened.close()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.fixture
def of_school_0() -> Principal:
    return Principal("key-0", "school", frozenset({"school-0"}))


@pytest.fixture
def bureau() -> Principal:
    return Principal("key-b", "bureau")
