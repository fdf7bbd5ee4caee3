"""What is said when something goes wrong: always in one form, never with what was sent."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from riskmodel.store import reading
from riskmodel.wording import codes, text
from serve.problems import STATUS, asked_language

CANARY = "CANARY-110101200001011234"


def key(county: Any, who: str = "school a1") -> dict[str, str]:
    return {"Authorization": county.keys[who]}


def problem(answer: Any, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["code"] == code
    assert told["status"] == answer.status_code == STATUS[code]
    assert told["type"] == f"/docs#problem-{code}"
    assert set(told) <= {"type", "title", "status", "detail", "code", "parameters"}
    assert CANARY not in answer.text
    assert (answer.headers.get("retry-after") is not None) == (answer.status_code == 503)
    return told


def test_every_problem_has_its_words_in_both_languages() -> None:
    for language in ("zh", "en"):
        said = {code.split(".")[1] for code in codes("problems.", language)}  # type: ignore[arg-type]
        assert said == set(STATUS)


def test_a_refused_key_is_challenged_and_all_refusals_read_alike(client: TestClient, county: Any) -> None:
    answers = {
        who: client.get(
            "/v1/schools", headers={"Authorization": county.keys[who]} if county.keys[who] else {}
        )
        for who in ("nobody", "malformed", "wrong secret", "revoked", "expired")
    }
    for answer in answers.values():
        problem(answer, "key_refused")
        assert answer.headers["www-authenticate"].startswith('Bearer realm="riskmodel"')
    assert len({answer.content for answer in answers.values()}) == 1
    tried = [answers[who].headers["www-authenticate"] for who in ("wrong secret", "revoked", "expired")]
    assert set(tried) == {'Bearer realm="riskmodel", error="invalid_token"'}


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=0", ["limit"]), ("limit=501", ["limit"]), (f"limit={CANARY}", ["limit"]),
        (f"band={CANARY}", ["band"]), ("grade=x&listed=maybe", ["grade", "listed"]),
        (f"class={51 * 'x'}", ["class"]),
        (f"{CANARY}=1", None), ("class_name=1", None), (f"after={CANARY}", ["after"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_and_its_value_is_not_repeated(
    client: TestClient, county: Any, query: str, parameters: list[str] | None
) -> None:
    told = problem(client.get(f"/v1/schools/a1/students?{query}", headers=key(county)), "invalid_request")
    assert told.get("parameters") == parameters


def test_unknown_addresses_methods_and_bodies_are_problems_too(client: TestClient, county: Any) -> None:
    problem(client.get(f"/v1/{CANARY}"), "route_unknown")
    problem(client.get(f"/static/{CANARY}"), "route_unknown")
    problem(client.get("/static/../app.py"), "route_unknown")
    answer = client.post("/v1/schools", headers=key(county), json={"name": CANARY})
    problem(answer, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    problem(client.post("/v1/schools", headers=key(county), content=CANARY * 100_000), "too_large")
    problem(
        client.request("GET", "/v1/schools", headers=key(county), content=iter([b"x" * 5000] * 2)),
        "too_large",
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"), ("", "zh"), ("en", "en"), ("en-GB,en;q=0.9", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5,zh;q=0.4", "en"), ("fr,de;q=0.7", "zh"), ("en;q=x", "zh"), ("eng", "zh"), ("*", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_asked_for_and_chinese_by_default(
    client: TestClient, header: str | None, language: str
) -> None:
    answer = client.get("/nowhere", headers={"Accept-Language": header} if header is not None else {})
    assert answer.headers["content-language"] == language
    assert answer.json()["title"] == text("problems.route_unknown.title", language)  # type: ignore[arg-type]


@given(st.binary(max_size=40))
def test_no_accept_language_header_breaks_the_answer(header: bytes) -> None:
    assert asked_language({"headers": [(b"accept-language", header)]}) in ("zh", "en")


def test_an_unexpected_error_shows_and_logs_no_message(
    own_client: TestClient, own_county: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"row of {CANARY}")

    monkeypatch.setattr(reading, "student", fail)
    with caplog.at_level(logging.DEBUG, logger="serve"):
        answer = own_client.get(f"/v1/students/{CANARY}/risk", headers=key(own_county))
    problem(answer, "internal_error")
    [record] = [one for one in caplog.records if one.name == "serve.requests"]
    assert record.levelno == logging.ERROR
    assert "RuntimeError" in record.getMessage()
    assert answer.headers["x-request-id"] in record.getMessage()
    assert CANARY not in record.getMessage()
    assert record.exc_info is None


def test_no_id_name_key_or_risk_comes_into_a_log(
    client: TestClient, county: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for who in county.keys:
            headers = {"Authorization": county.keys[who]} if county.keys[who] else {}
            for path in ("/v1/students/a1-2/risk", f"/v1/students/{CANARY}/risk", "/v1/schools/a1/students"):
                client.get(path, headers=headers)
    # The test's own client logs its addresses; everything else counts.
    said = "\n".join(
        one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))
    )
    assert said.count("/v1/students/{student_id}/risk") == 28
    secrets = [
        value.split("_", 2)[2] for value in county.keys.values() if value and value.startswith("Bearer rm_")
    ]
    for forbidden in (CANARY, "a1-2", "王", "0.137", "9876", *secrets):
        assert forbidden not in said


def test_where_a_look_cannot_be_written_nothing_is_shown(own_client: TestClient, own_county: Any) -> None:
    holder = sqlite3.connect(own_county.workspace / "store" / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for path in (
        "/v1/students/a1-2/risk",
        "/v1/students/none/risk",
        "/v1/schools/a1/students",
        "/v1/schools",
    ):
        problem(own_client.get(path, headers=key(own_county)), "audit_unavailable")
    problem(own_client.get("/readyz"), "audit_unavailable")
    assert own_client.get("/healthz").status_code == 200
    holder.close()
    assert own_client.get("/v1/students/a1-2/risk", headers=key(own_county)).status_code == 200


def test_a_writer_of_the_store_does_not_keep_answers_back(own_client: TestClient, own_county: Any) -> None:
    with own_county.store.writing():
        assert own_client.get("/v1/students/a1-2/risk", headers=key(own_county)).status_code == 200


def test_a_store_that_cannot_be_read_is_a_problem_and_not_ready(
    own_client: TestClient, own_county: Any
) -> None:
    with own_county.store.writing() as connection:
        connection.exec_driver_sql("UPDATE published_set SET facts = 'x'")
    problem(own_client.get("/v1/students/a1-2/risk", headers=key(own_county)), "store_unavailable")
    problem(own_client.get("/readyz"), "store_unavailable")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30),
    prefix=st.sampled_from(["/", "/v1/students/", "/v1/schools/a1/students?", "/v1/schools/", "/static/"]),
    who=st.sampled_from(["school a1", "bureau", "nobody"]),
)
def test_no_request_makes_the_server_fail(
    client: TestClient, county: Any, method: str, path: str, prefix: str, who: str
) -> None:
    headers = {"Authorization": county.keys[who]} if county.keys[who] else {}
    from urllib.parse import quote

    answer = client.request(
        method, prefix + quote(path, safe="=&/%"), headers=headers, follow_redirects=False
    )
    assert answer.status_code < 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
