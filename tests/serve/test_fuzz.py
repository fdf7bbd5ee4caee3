"""Questions that schemathesis makes from the OpenAPI document, most of them with real ids.

200 cases here, 50,000 by `make fuzz`. A fuzzer that only invents ids meets nothing but 404 and proves
nothing: so each operation must answer at least 30 % of its cases well, where it has 40 or more. Every route
is in it by itself.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from riskmodel.store import reading
from serve.app import create_app
from serve.settings import Settings

from .conftest import APPROVED, DRAFT, NOW, REPORT

CASES = int(os.environ.get("RISKMODEL_FUZZ_CASES", "200"))
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
GOOD_SHARE = 0.3
ENOUGH = 40
"""Cases of an operation from which a share can be told."""
ONCE = ("POST /v1/cases", "POST /v1/cases/{case_id}/decisions", "POST /v1/cases/{case_id}/entries")
"""What fits a child or a case once, or only with codes that belong together."""
MADE_REAL = 0.95
"""Share of ids that are made real."""


@dataclass
class Fuzzed:
    asked: Counter[str] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)


class Real:
    """Real ids, and a real key nearly always."""

    def __init__(self, county: Any, number: int) -> None:
        self.chance = random.Random(number)  # noqa: S311
        self.key = county.keys["bureau"]
        self.students = sorted(one for one in county.students if one.isascii() and one != "moved")
        self.known = {
            "student_id": self.students,
            "school_id": ["a1", "b1"],
            "set_id": [None, reading.current_set(county.store).set_id],
            "run_id": [APPROVED, DRAFT],
            "report_id": [REPORT],
            "programme": [None],
            "case_id": county.cases,
            "event": ["noted"],
            "why": ["写明"],
            "day": [NOW.date().isoformat()],
            "corrects_number": [None],
            "after": [None],
            "term": [None],
        }

    def put_into(self, told: Any) -> Any:
        """Go through what was invented."""
        if isinstance(told, list):
            return [self.put_into(one) for one in told]
        if not isinstance(told, dict):
            return told
        made = {name: self._one(name, value) for name, value in told.items()}
        return {name: value for name, value in made.items() if value is not None or told[name] is None}

    def put_into_path(self, told: Any) -> Any:
        """Do as `put_into`; a part of a path cannot be left out."""
        made = self.put_into(told)
        return {name: made.get(name) or self.known[name][-1] for name in told} if told else told

    def _one(self, name: str, value: Any) -> Any:
        if self.chance.random() > MADE_REAL:
            return value
        if name == "student_ids" and isinstance(value, list):
            return self.chance.sample(self.students, min(len(self.students), max(1, len(value))))
        known = self.known.get(name)
        return self.chance.choice(known) if known else self.put_into(value)

    def headers(self) -> dict[str, str]:
        return {"Authorization": self.key} if self.chance.random() < MADE_REAL else {}


def fuzz(app: FastAPI, county: Any, cases: int) -> Fuzzed:
    """Ask every operation of the document as often as every other."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    found = Fuzzed()
    for number, operation in enumerate(operations):
        each = math.ceil(cases / len(operations))
        for mode, share in ((GenerationMode.POSITIVE, 0.8), (GenerationMode.NEGATIVE, 0.2)):
            _fuzz_one(operation, mode, math.ceil(each * share), Real(county, number), found)
    return found


def _fuzz_one(operation: Any, mode: GenerationMode, cases: int, real: Real, found: Fuzzed) -> None:
    name = f"{operation.method.upper()} {operation.path}"

    @seed(1)
    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(mode))
    def ask(case: Any) -> None:
        case.path_parameters = real.put_into_path(case.path_parameters)
        case.query = real.put_into(case.query)
        case.body = real.put_into(case.body)
        case.headers = {**(case.headers or {}), **real.headers()}
        answer = case.call()
        found.asked[name] += 1
        found.good[name] += 200 <= answer.status_code < 300
        found.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as wrong:
            found.wrong.update(f"{name} {answer.status_code}: {one.title}" for one in wrong.exceptions)

    with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
        ask()


@pytest.fixture
def app(own_county: Any) -> FastAPI:
    return create_app(Settings(workspace=own_county.workspace))


def test_no_question_is_answered_by_a_failure_or_by_what_is_not_documented(
    app: FastAPI, own_county: Any
) -> None:
    found = fuzz(app, own_county, CASES)
    shares = {name: found.good[name] / count for name, count in found.asked.items()}
    told = (
        f"{sum(found.asked.values())} cases, {len(found.asked)} operations; statuses {dict(found.statuses)}; "
    )
    told += "; ".join(f"{name} {share:.0%} good" for name, share in shares.items())
    print(told)  # noqa: T201
    assert found.wrong == {}, told
    assert max(found.statuses) < 500, told
    poor = {
        name for name, share in shares.items()
        if found.asked[name] >= ENOUGH and share < GOOD_SHARE and name not in ONCE
    }  # fmt: skip
    assert poor == set(), told
    never = {name for name in ONCE if found.asked[name] >= ENOUGH and not found.good[name]}
    assert never == set(), told


def test_a_planted_division_by_zero_is_found(
    app: FastAPI, own_county: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reading.student

    def planted(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        assert found is None or 1 / (found.grade - 7)
        return found

    monkeypatch.setattr(reading, "student", planted)
    found = fuzz(app, own_county, 100)
    assert any("500" in one for one in found.wrong)
