"""The document that was accepted for `/v1` still holds. `RISKMODEL_ACCEPT=1` accepts additions."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from .compatibility import breaking_changes

ACCEPTED = Path(__file__).parent / "openapi-v1.json"
_SAID = ("description", "summary", "title", "example", "examples")


def bare(node: Any, *, named: bool = False) -> Any:
    """Leave out words and examples, which may change; `named`: the keys are names of fields."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if named or key not in _SAID}
        return {key: bare(value, named=key == "properties" and not named) for key, value in kept.items()}
    return [bare(one) for one in node] if isinstance(node, list) else node


@pytest.fixture(scope="module")
def present(app: FastAPI) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return told


def test_nothing_that_was_accepted_is_broken(present: dict[str, Any]) -> None:
    accepted = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    assert breaking_changes(accepted, present) == []
    if os.environ.get("RISKMODEL_ACCEPT"):
        kept = {name: bare(present[name]) for name in ("openapi", "paths", "components")}
        ACCEPTED.write_text(json.dumps(kept, ensure_ascii=False, sort_keys=True, indent=1) + "\n", "utf-8")


def _without(*path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for name in path[:-1]:
            document = document[name]
        document.remove(path[-1]) if isinstance(document, list) else document.pop(path[-1])

    return change


def _put(value: Any, *path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for name in path[:-1]:
            document = document[int(name) if isinstance(document, list) else name]
        document.append(value) if path[-1] == "+" else document.__setitem__(path[-1], value)

    return change


RISK = ("paths", "/v1/students/{student_id}/risk")
SHAPES = ("components", "schemas")
REQUIRED = {"in": "query", "name": "why", "required": True, "schema": {"type": "string"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without(*RISK), "GET /v1/students/{student_id}/risk: removed"),
        (_without(*SHAPES, "StudentRisk", "properties", "band"), "band: removed"),
        (_without(*SHAPES, "StudentRisk", "required", "band"), "band: no longer always told"),
        (_put(REQUIRED, *RISK, "get", "parameters", "+"), "query why: new and required"),
        (_put(["reach_out"], *SHAPES, "Band", "enum"), "told"),
        (_put("string", *SHAPES, "StudentRisk", "properties", "grade", "type"), "grade: told ['integer']"),
        (_put(["student_ids", "why"], *SHAPES, "BatchAsked", "required"), "why: now required"),
        (_put(10, *SHAPES, "BatchAsked", "properties", "student_ids", "maxItems"), "maxItems shrank"),
        (_without(*RISK, "get", "responses", "404"), "404: removed"),
        (_without("paths", "/v1/model-card", "get", "responses", "200", "content", "text/html"), "text/html"),
        (_without("paths", "/v1/students:batchGet", "post"), "POST /v1/students:batchGet: removed"),
    ],
)  # fmt: skip
def test_a_planted_breaking_change_is_found(
    present: dict[str, Any], change: Callable[[Any], None], said: str
) -> None:
    broken = copy.deepcopy(present)
    change(broken)
    found = breaking_changes(present, broken)
    assert found
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    "change",
    [
        _put({"get": {"operationId": "x", "responses": {}}}, "paths", "/v1/new"),
        _put({"type": "string"}, *SHAPES, "StudentRisk", "properties", "new"),
        _put({**REQUIRED, "required": False}, *RISK, "get", "parameters", "+"),
        _put("other words", *RISK, "get", "description"),
    ],
)
def test_what_is_only_added_breaks_nothing(present: dict[str, Any], change: Callable[[Any], None]) -> None:
    added = copy.deepcopy(present)
    change(added)
    assert breaking_changes(present, added) == []
