"""The OpenAPI document: what FastAPI finds, with words in both languages, examples and every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from riskmodel.wording import has, text
from serve.deps import IDEMPOTENCY_KEY, PURPOSE_KEY, PURPOSES, REPLAYED
from serve.examples import answer_examples, asked_examples, page_examples, problem_example
from serve.pages import PDF, XLSX
from serve.problems import MEDIA_TYPE, STATUS
from serve.schemas import ProblemOut
from serve.security import SCHEME

JSON = "application/json"
_ALWAYS = ("malformed_request", "too_slow", "too_large", "head_too_large", "internal_error")
_WITH_A_KEY = (
    "key_refused", "not_allowed", "too_many_requests",
    "nothing_published", "store_unavailable", "audit_unavailable",
)  # fmt: skip
_MORE: dict[str, tuple[str, ...]] = {
    "list_students": ("set_changed",),
    "record_actions": ("actions_refused",),
    "open_case": ("entry_refused", "not_found"),
    "add_case_entry": ("entry_refused",),
    "decide_closing": ("entry_refused",),
    "export_cases_workbook": ("not_made_now",),
    "look_up_students": ("lookup_unavailable",),
    "explain_student": ("no_sheet", "not_acceptable", "not_made_now"),
    "export_students_csv": ("set_changed",),
    "export_students_workbook": ("set_changed", "not_made_now"),
    "read_booklet": ("no_sheet", "set_changed", "not_made_now"),
    "read_model_card": ("not_acceptable",),
    "read_report": ("not_acceptable", "not_made_now"),
    "readiness": ("nothing_published", "store_unavailable", "audit_unavailable"),
}
"""Problems of single operations, beside those that follow from what an operation takes."""


def problems_of(operation: dict[str, Any], path: str) -> set[str]:
    """Return the problems that an operation may answer with."""
    codes = {*_ALWAYS, *_MORE.get(operation["operationId"], ())}
    takes = {parameter["in"] for parameter in operation.get("parameters", ())}
    if operation.get("security"):
        codes |= {*_WITH_A_KEY}
    if "{" in path:
        codes |= {"not_found"}
    if "requestBody" in operation:
        codes |= {"malformed_request"}
    if takes - {"path"} or "requestBody" in operation:
        codes |= {"invalid_request"}
    if any(parameter["name"] == IDEMPOTENCY_KEY for parameter in operation.get("parameters", ())):
        codes |= {"idempotency_key_reused"}
    return codes


_OPEN = ("/healthz", "/readyz")
_PURPOSE = {
    "name": PURPOSE_KEY,
    "in": "header",
    "required": False,
    "schema": {"anyOf": [{"enum": list(PURPOSES), "type": "string"}, {"type": "null"}], "title": PURPOSE_KEY},
}
_PAGED = ("list_students", "list_allocation_items", "list_figures", "list_cases")
_ALLOWANCE = {"RateLimit-Policy": "rate_limit_policy", "RateLimit": "rate_limit"}
TAGS = (
    "students",
    "schools",
    "actions",
    "cases",
    "allocations",
    "indicators",
    "reports",
    "sets",
    "words",
    "audit",
    "health",
)


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
        tags=[{"name": tag, "description": _both(f"api.tags.{tag}")} for tag in TAGS],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
    )
    answers, asked, pages = answer_examples(), asked_examples(), page_examples()
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            if path not in _OPEN:  # all else is visited with a key (`serve.deps.visit`)
                operation["security"] = [{"key": []}]
                operation.setdefault("parameters", []).append(dict(_PURPOSE))
            examples = pages.get(name, {}) | ({JSON: answers[name]} if name in answers else {})
            _describe_operation(operation, examples, problems_of(operation, path))
            if "requestBody" in operation:
                operation["requestBody"]["content"][JSON]["examples"] = _examples(asked[name])
            if method == "get" and path.startswith("/v1/"):
                _describe_tags(operation["responses"])
    schemas = made["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = ProblemOut.model_json_schema()
    schemas[ProblemOut.__name__] = problem
    for schema in schemas.values():
        _describe_fields(schema)
    made["components"]["securitySchemes"] = {"key": {**SCHEME, "description": _both("api.key")}}
    return made


def _describe_operation(
    operation: dict[str, Any], examples: Mapping[str, Mapping[str, Any]], problems: Iterable[str]
) -> None:
    name = operation["operationId"]
    operation["summary"] = _both(f"api.operations.{name}.summary", " · ")
    operation["description"] = _both(f"api.operations.{name}.description")
    for parameter in operation.get("parameters", ()):
        parameter["description"] = _both(f"api.parameters.{parameter['name']}")
    responses = operation["responses"]
    responses.pop("422", None)
    good = next(response for status, response in responses.items() if status.startswith("2"))
    good["description"] = _both("api.good", " · ")
    good["headers"] = {"X-Request-ID": _header("request_id")}
    if operation.get("security"):
        good["headers"] |= {name: _header(code) for name, code in _ALLOWANCE.items()}
    if name in _PAGED:
        good["headers"]["Link"] = _header("link")
    if "idempotency_key_reused" in problems:
        good["headers"][REPLAYED] = _header("replayed")
    for media_type, content in good["content"].items():
        content["examples"] = _examples(examples[media_type])
        if media_type in (PDF, XLSX):
            content["schema"] = {"type": "string", "format": "binary"}
    for code in sorted(problems, key=list(STATUS).index):
        told = responses.setdefault(str(STATUS[code]), _problem_response(STATUS[code]))
        told["content"][MEDIA_TYPE]["examples"][code] = {
            "summary": _both(f"problems.{code}.title", " · "),
            "value": problem_example(code),
        }


def _describe_tags(responses: dict[str, Any]) -> None:
    responses["200"]["headers"]["ETag"] = _header("etag")
    headers = {"X-Request-ID": _header("request_id"), "ETag": _header("etag")}
    responses["304"] = {"description": _both("api.not_modified", " · "), "headers": headers}


def _examples(named: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {"summary": _both(f"api.example.names.{key}", " · "), "value": _plain(value)}
        for key, value in named.items()
    }


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _problem_response(status: int) -> dict[str, Any]:
    headers = {"X-Request-ID": _header("request_id")}
    if status == STATUS["key_refused"]:
        headers["WWW-Authenticate"] = _header("challenge")
    if status == STATUS["too_many_requests"]:
        headers |= {name: _header(code) for name, code in _ALLOWANCE.items()}
    if status in (STATUS["too_many_requests"], STATUS["store_unavailable"]):
        headers["Retry-After"] = _header("retry_after")
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
