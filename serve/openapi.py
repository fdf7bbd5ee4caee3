"""The OpenAPI document: what FastAPI finds, with words in both languages, examples and every problem."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from riskmodel.wording import has, text
from serve.examples import answer_examples, problem_example
from serve.problems import MEDIA_TYPE, STATUS
from serve.schemas import ProblemOut

PROBLEMS_OF: dict[str, tuple[str, ...]] = {
    "read_student_risk": (
        "key_refused", "not_allowed", "not_found", "too_large", "invalid_request", "internal_error",
        "nothing_published", "store_unavailable", "audit_unavailable",
    ),
    "list_students": (
        "key_refused", "not_allowed", "not_found", "set_changed", "too_large", "invalid_request",
        "internal_error", "nothing_published", "store_unavailable", "audit_unavailable",
    ),
    "list_schools": (
        "key_refused", "not_allowed", "too_large", "invalid_request", "internal_error",
        "nothing_published", "store_unavailable", "audit_unavailable",
    ),
    "read_looks": (
        "key_refused", "not_allowed", "too_large", "invalid_request", "internal_error", "store_unavailable",
        "audit_unavailable",
    ),
    "health": ("too_large", "internal_error"),
    "readiness": (
        "too_large", "internal_error", "nothing_published", "store_unavailable", "audit_unavailable",
    ),
}  # fmt: skip
"""The problems that each operation may answer with."""


def describe(app: FastAPI) -> None:
    """Let the application publish this document as `/openapi.json`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI's manual names


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=_both("api.title", " · "),
        version=version("riskmodel"),
        description=_both("api.description"),
        routes=app.routes,
        tags=[
            {"name": tag, "description": _both(f"api.tags.{tag}")}
            for tag in ("students", "schools", "audit", "health")
        ],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
    )
    examples = answer_examples()
    for path in made["paths"].values():
        for operation in path.values():
            _describe_operation(operation, examples[operation["operationId"]])
    schemas = made["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = ProblemOut.model_json_schema()
    schemas[ProblemOut.__name__] = problem
    for schema in schemas.values():
        _describe_fields(schema)
    made["components"]["securitySchemes"]["key"]["description"] = _both("api.key")
    return made


def _describe_operation(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    name = operation["operationId"]
    operation["summary"] = _both(f"api.operations.{name}.summary", " · ")
    operation["description"] = _both(f"api.operations.{name}.description")
    for parameter in operation.get("parameters", ()):
        parameter["description"] = _both(f"api.parameters.{parameter['name']}")
    responses = operation["responses"]
    responses.pop("422", None)
    good = responses["200"]
    good["description"] = _both("api.good", " · ")
    good["headers"] = {"X-Request-ID": _header("request_id")}
    if name == "list_students":
        good["headers"]["Link"] = _header("link")
    good["content"]["application/json"]["examples"] = {
        key: {"summary": _both(f"api.example.names.{key}", " · "), "value": example.model_dump(mode="json")}
        for key, example in examples.items()
    }
    for code in PROBLEMS_OF[name]:
        told = responses.setdefault(str(STATUS[code]), _problem_response(STATUS[code]))
        told["content"][MEDIA_TYPE]["examples"][code] = {
            "summary": _both(f"problems.{code}.title", " · "),
            "value": problem_example(code),
        }


def _problem_response(status: int) -> dict[str, Any]:
    headers = {"X-Request-ID": _header("request_id")}
    if status == STATUS["key_refused"]:
        headers["WWW-Authenticate"] = _header("challenge")
    return {
        "description": _both("api.problem", " · "),
        "headers": headers,
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}, "examples": {}}
        },
    }


def _header(name: str) -> dict[str, Any]:
    return {"description": _both(f"api.headers.{name}"), "schema": {"type": "string"}}


def _describe_fields(schema: dict[str, Any]) -> None:
    for name, field in schema.get("properties", {}).items():
        if has(f"api.fields.{name}"):
            field["description"] = _both(f"api.fields.{name}")
            field.pop("title", None)


def _both(code: str, separator: str = "\n\n") -> str:
    return f"{text(code, 'zh')}{separator}{text(code, 'en')}"
