"""Whatever goes wrong, said as RFC 9457 writes it, in the language that was asked for.

A problem never repeats what was sent. It holds no request id either, which stands in a header: a foreign and
a missing student shall be the same answer to the byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from riskmodel.domain import Language
from riskmodel.errors import RiskmodelError
from riskmodel.store.actions import ActionsRefused
from riskmodel.store.ledger import EntryRefused
from riskmodel.wording import text
from serve.schemas import ProblemOut

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[str, int] = {
    "malformed_request": 400,
    "key_refused": 401,
    "not_allowed": 403,
    "not_found": 404,
    "route_unknown": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "too_slow": 408,
    "set_changed": 409,
    "no_sheet": 409,
    "too_large": 413,
    "invalid_request": 422,
    "idempotency_key_reused": 422,
    "actions_refused": 422,
    "entry_refused": 422,
    "too_many_requests": 429,
    "head_too_large": 431,
    "internal_error": 500,
    "nothing_published": 503,
    "store_unavailable": 503,
    "audit_unavailable": 503,
    "lookup_unavailable": 503,
    "not_made_now": 503,
}
"""Every problem that this service tells, and its status. Title and detail stand under `problems.<code>`."""

RETRY_SECONDS = 10
"""After so long it is worth while to ask again what could not be answered (503)."""

_OF_STATUS = {404: "route_unknown", 405: "method_not_allowed", 413: "too_large"}
_OF_STORE = {
    "nothing_published": "nothing_published",
    "not_allowed": "not_allowed",
    "cursor_unreadable": "invalid_request",
    "order_unreadable": "invalid_request",
    "idempotency_key_reused": "idempotency_key_reused",
    "cursor_of_former_set": "set_changed",
    "feedback_student_unknown": "not_found",
    "feedback_family_wrong": "invalid_request",
    "audit_unwritable": "audit_unavailable",
}
_NAMED = {
    "cursor_unreadable": ("after",),
    "feedback_family_wrong": ("family",),
    "order_unreadable": ("sort",),
}


_AS_ASKED = {"by": "done_by", "reasons": "case_reasons", "code": "close_code", "corrects": "corrects_number",
             "kind": "ledger"}  # fmt: skip
"""Fields of an entry by the names that the API asks for."""


class Problem(Exception):  # noqa: N818  the name of RFC 9457
    """A problem to tell. Raised by routes and what they depend on."""

    def __init__(
        self, code: str, *, headers: Mapping[str, str] | None = None, parameters: Iterable[str] = ()
    ) -> None:
        self.code = code
        self.headers = dict(headers or {})
        self.parameters = tuple(parameters)
        super().__init__(code)


def problem_response(problem: Problem, scope: Scope, *, status: int | None = None) -> Response:
    """Write a problem in the language of the request."""
    language = asked_language(scope)
    body = ProblemOut(
        type=f"/docs#problem-{problem.code}",
        title=text(f"problems.{problem.code}.title", language),
        status=status or STATUS[problem.code],
        detail=text(f"problems.{problem.code}.detail", language),
        code=problem.code,
        parameters=problem.parameters or None,
    )
    again = {"Retry-After": str(RETRY_SECONDS)} if body.status == 503 else {}
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=body.status,
        media_type=MEDIA_TYPE,
        headers={**again, **problem.headers, "Content-Language": language, "Vary": "Accept-Language"},
    )


def asked_language(scope: Scope) -> Language:
    """Tell the language of `Accept-Language`: English where it is preferred to Chinese, else Chinese."""
    wanted = {"zh": 0.0, "en": 0.0}
    header = next((value for name, value in scope.get("headers", ()) if name == b"accept-language"), b"")
    for part in header.decode("latin-1").lower().split(","):
        tag, _, weight = part.strip().partition(";q=")
        name = tag[:2]
        if name in wanted and tag[2:3] in ("", "-"):
            try:
                wanted[name] = max(wanted[name], float(weight or 1))
            except ValueError:
                continue
    return "en" if wanted["en"] > wanted["zh"] else "zh"


_Tell = Callable[[Request, Exception], Response]


def handle_problems(app: FastAPI, *, check_key: Callable[[Request], object]) -> None:
    """Let the application tell every problem in this one way.

    Parameters
    ----------
    check_key
        Raises the problem of a request without a good key: FastAPI reads a body before it asks for the key,
        and who has none shall not learn what is wrong with it.
    """

    # What only answers needs no thread: all of them are taken where many wait for a file.
    def key_first(tell: _Tell) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def told(request: Request, problem: Exception) -> Response:
            is_of_the_body = getattr(problem, "status_code", 400) == 400
            if is_of_the_body and request.method != "GET" and "riskmodel.key_id" not in request.scope:
                try:
                    check_key(request)
                except Problem as refused:
                    return problem_response(refused, request.scope)
            return tell(request, problem)

        return told

    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, key_first(_http))
    app.add_exception_handler(RequestValidationError, key_first(_invalid))
    app.add_exception_handler(RiskmodelError, _riskmodel)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101  by registration
    return problem_response(problem, request.scope)


async def _unexpected(request: Request, _problem: Exception) -> Response:
    return problem_response(Problem("internal_error"), request.scope)


def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101
    usual = "internal_error" if problem.status_code >= 500 else "malformed_request"
    told = Problem(_OF_STATUS.get(problem.status_code, usual), headers=problem.headers)
    return problem_response(told, request.scope, status=problem.status_code)


def _invalid(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)  # noqa: S101
    # The place of an unknown parameter is what the client wrote: only our own names are told.
    told = [error["loc"] for error in problem.errors() if error["type"] != "extra_forbidden"]
    ours = _our_names(request.app.openapi())
    places = [_named(place[1:], ours) for place in told]
    known = dict.fromkeys(place for place in places if place)
    return problem_response(Problem("invalid_request", parameters=known), request.scope)


def _named(place: Iterable[str | int], ours: Container[str | int]) -> str:
    """Write the place of a value as far as its names are ours: `actions.3.kind`."""
    told: list[str] = []
    for part in place:
        if part not in ours and not (told and isinstance(part, int)):
            break
        told.append(str(part))
    return ".".join(told)


def _our_names(document: dict[str, Any]) -> set[str | int]:
    """Return the names of all parameters and fields that this service knows."""
    operations = [told for path in document["paths"].values() for told in path.values()]
    parameters = {one["name"] for told in operations for one in told.get("parameters", ())}
    schemas = document["components"]["schemas"].values()
    return parameters.union(*(schema.get("properties", ()) for schema in schemas))


def _riskmodel(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RiskmodelError)  # noqa: S101
    code = _OF_STORE.get(problem.code, "store_unavailable")
    if code == "not_allowed":
        try:
            request.scope["riskmodel.visit"].note(STATUS[code])
        except RiskmodelError as unwritable:
            return _riskmodel(request, unwritable)
    parameters: tuple[str, ...] = _NAMED.get(problem.code, ())
    if isinstance(problem, ActionsRefused):
        named = [f"actions.{refusal.position}.{refusal.field}" for refusal in problem.refusals]
        code, parameters = "actions_refused", tuple(dict.fromkeys(named))
    if isinstance(problem, EntryRefused):
        code, parameters = "entry_refused", (_AS_ASKED.get(problem.field, problem.field), problem.code)
    return problem_response(Problem(code, parameters=parameters), request.scope)
