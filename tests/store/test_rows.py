from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.domain import FeatureInfo, PerHundred, ScoredStudent, Statement, TermFacts, Unknown
from riskmodel.errors import StoreError
from riskmodel.store.rows import facts_text, read_facts, read_student, student_text

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.dictionaries(words, st.none() | numbers, max_size=4)
statements = st.builds(Statement, code=words, contribution=numbers, values=values, source=words)
students = st.builds(
    ScoredStudent,
    student_id=words, school_id=words, class_name=words, masked_name=words, number_tail=words,
    grade=st.integers(1, 12), risk=st.none() | st.floats(0, 1),
    similar=st.none() | st.builds(PerHundred, *[st.integers(0, 100)] * 3),
    reasons=st.lists(statements, max_size=3).map(tuple),
    strengths=st.lists(statements, max_size=2).map(tuple),
    unknowns=st.lists(st.builds(Unknown, code=words, values=values), max_size=2).map(tuple),
    attendance_history=st.lists(st.none() | st.floats(0, 28), max_size=6).map(tuple),
)  # fmt: skip
any_number = st.floats(allow_nan=False)
features = st.builds(
    FeatureInfo,
    name=words, source=words, reason=st.none() | words, strength=st.none() | words,
    reason_range=st.tuples(any_number, any_number), strength_range=st.tuples(any_number, any_number),
    freshness=st.none() | words,
)  # fmt: skip
facts = st.builds(TermFacts, features=st.lists(features, max_size=4).map(tuple))


@given(students)
def test_a_student_comes_back_as_it_was_stored(student: ScoredStudent) -> None:
    assert read_student(student_text(student)) == student


@given(facts)
def test_the_facts_of_a_term_come_back_with_their_dictionary(one: TermFacts) -> None:
    assert read_facts(facts_text(one)) == one


@given(students, st.sampled_from([float("nan"), float("inf"), float("-inf")]))
def test_a_number_that_is_not_finite_is_refused_without_naming_anybody(
    student: ScoredStudent, number: float
) -> None:
    wrong = replace(student, student_id="CANARY-ID", masked_name="CANARY-NAME", risk=number)
    with pytest.raises(StoreError) as refused:
        student_text(wrong)
    assert refused.value.code == "student_cannot_be_stored"
    assert "CANARY" not in str(refused.value)


@given(students, st.data())
def test_an_unknown_a_missing_and_a_mistyped_field_are_refused(
    student: ScoredStudent, data: st.DataObject
) -> None:
    [content] = json.loads(student_text(student))
    required = ["student_id", "school_id", "grade", "class_name", "masked_name", "risk", "band", "listed"]
    field = data.draw(st.sampled_from(required))
    missing = {name: value for name, value in content.items() if name != field}
    for wrong in ({**content, "note": 1}, missing, {**content, field: [1]}, {**content, "grade": "8"}):
        with pytest.raises(StoreError) as refused:
            read_student(json.dumps([wrong]))
        assert refused.value.code == "row_cannot_be_read"
