"""Domain types as JSON text and back: the one place that knows what stands in a row's content.

Strict both ways: an unknown field, a missing one or a value of another type is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from riskmodel.domain import Family, ScoredStudent, Step, TermFacts
from riskmodel.errors import StoreError

# A stdlib dataclass takes no configuration of its own from outside, its container does: hence tuples of one.
_STUDENT: TypeAdapter[tuple[ScoredStudent]] = TypeAdapter(
    tuple[ScoredStudent],
    config=ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants", allow_inf_nan=False),
)
_STUDENTS: TypeAdapter[tuple[ScoredStudent, ...]] = TypeAdapter(
    tuple[ScoredStudent, ...],
    config=ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants", allow_inf_nan=False),
)
# Ranges of features reach to infinity on purpose.
_FACTS: TypeAdapter[tuple[TermFacts]] = TypeAdapter(
    tuple[TermFacts],
    config=ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants"),
)

_STEPS: TypeAdapter[dict[Family, tuple[Step, ...]]] = TypeAdapter(
    dict[Family, tuple[Step, ...]], config=ConfigDict(strict=True)
)


def student_text(student: ScoredStudent) -> str:
    """Write a scored student.

    Raises
    ------
    StoreError
        If reading it back would not give the same student: a number that is not finite, a code that is
        none of ours. Neither the student nor the value is named.
    """
    content = _STUDENT.dump_json((student,), warnings=False).decode()
    try:
        same = _STUDENT.validate_json(content) == (student,)
    except ValidationError as problem:
        raise StoreError("student_cannot_be_stored", field=_field(problem)) from None
    if not same:
        raise StoreError("student_cannot_be_stored", field="?")
    return content


def read_student(content: str) -> ScoredStudent:
    """Read a scored student."""
    student: ScoredStudent = _read(_STUDENT, content)[0]
    return student


def students_text(students: Sequence[ScoredStudent]) -> bytes:
    """Write many scored students at once, to be read again by `read_students` only."""
    return _STUDENTS.dump_json(tuple(students))


def read_students(content: bytes) -> tuple[ScoredStudent, ...]:
    """Read what `students_text` wrote."""
    students: tuple[ScoredStudent, ...] = _read(_STUDENTS, content)
    return students


def facts_text(facts: TermFacts) -> str:
    """Write what is true of a whole scored term, the feature dictionary included."""
    return _FACTS.dump_json((facts,)).decode()


def read_facts(content: str) -> TermFacts:
    """Read what is true of a whole scored term."""
    facts: TermFacts = _read(_FACTS, content)[0]
    return facts


def steps_text(steps: Mapping[Family, tuple[Step, ...]]) -> str:
    """Write the first steps of each family."""
    return _STEPS.dump_json(dict(steps)).decode()


def read_steps(content: str) -> dict[Family, tuple[Step, ...]]:
    """Read the first steps of each family."""
    steps: dict[Family, tuple[Step, ...]] = _read(_STEPS, content)
    return steps


def _read(adapter: TypeAdapter[Any], content: str | bytes) -> Any:
    try:
        return adapter.validate_json(content)
    except ValidationError as problem:
        raise StoreError("row_cannot_be_read", field=_field(problem)) from None


def _field(problem: ValidationError) -> str:
    place = problem.errors(include_input=False, include_context=False)[0]["loc"]
    return ".".join(part for part in place if isinstance(part, str)) or "?"
