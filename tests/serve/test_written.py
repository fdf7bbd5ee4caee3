"""What is told of one student is the same to the byte, written from parts or as one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.domain import PerHundred, PublishedSet, ScoredStudent, Statement, Unknown
from riskmodel.store.principals import RIGHTS, Role
from riskmodel.store.rows import student_text
from serve import answers
from serve.schemas import StudentRisk
from serve.written import written_risk

from .conftest import FACTS, NOW, make_student

PUBLISHED = PublishedSet("set-1", NOW, FACTS)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(-1e9, 1e9).map(lambda number: number or 0.0)  # -0.0 is said as what came first
filled = st.fixed_dictionaries({"now": st.none() | numbers, "before": st.none() | numbers})
statements = st.builds(
    Statement,
    code=st.just("api.example.reason"), contribution=numbers, values=filled, source=words,
) | st.builds(
    Statement, code=st.just("api.example.strength"), contribution=numbers, values=st.just({}), source=words
)  # fmt: skip
students = st.builds(
    ScoredStudent,
    student_id=words, school_id=words, class_name=words, masked_name=words, number_tail=words,
    grade=st.integers(1, 12), risk=st.none() | st.floats(0, 1),
    similar=st.none() | st.builds(PerHundred, *[st.integers(0, 100)] * 3),
    reasons=st.lists(statements, max_size=3).map(tuple),
    strengths=st.lists(statements, max_size=2).map(tuple),
    unknowns=st.lists(st.just(Unknown("api.example.unknown")), max_size=2).map(tuple),
)  # fmt: skip


@given(students, st.sampled_from(get_args(Role)), st.integers(-1, 1))
def test_parts_join_to_what_is_written_as_one(student: ScoredStudent, role: Role, past: int) -> None:
    today = FACTS.valid_until + timedelta(days=past)
    told = answers.student_risk(student, PUBLISHED, role=role, today=today)
    written = written_risk(student_text(student), PUBLISHED, role=role, today=today)
    assert written == told.model_dump_json().encode()


@pytest.mark.parametrize("role", RIGHTS)
def test_what_a_set_says_is_its_own(role: Role) -> None:
    student = make_student("a1-2", "a1", 2)
    other = replace(FACTS, region="乙", model_version="model-2", horizon_end=date(2027, 6, 1))
    for published in (PUBLISHED, PublishedSet("set-1", NOW, other), PublishedSet("set-2", NOW, FACTS)):
        told = StudentRisk.model_validate_json(
            written_risk(student_text(student), published, role=role, today=NOW.date())
        )
        assert told == answers.student_risk(student, published, role=role, today=NOW.date())


@pytest.mark.parametrize(
    ("name", "kept"),
    [("grade", "7"), ("grade", True), ("risk", "0.5"), ("masked_name", None), ("class_name", 3),
     ("student_id", ["a1-2"]), ("stage", 1), ("listed", "yes"), ("band", "much"), ("similar", [1, 2, 3])],
)  # fmt: skip
def test_what_was_stored_as_no_student_is_not_told(name: str, kept: Any) -> None:
    [row] = json.loads(student_text(make_student("a1-2", "a1", 2)))
    stored = json.dumps([row | {name: kept}])
    with pytest.raises((LookupError, TypeError, ValueError)):
        written_risk(stored, PUBLISHED, role="bureau", today=NOW.date())
