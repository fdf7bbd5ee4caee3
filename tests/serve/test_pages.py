"""Health, the API's document and its page, and the headers of every answer."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

from riskmodel.store.engine import open_store
from serve import case_schemas, schemas
from serve.app import create_app
from serve.problems import MEDIA_TYPE, STATUS
from serve.schemas import ProblemOut
from serve.settings import Settings


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    made: dict[str, Any] = client.get("/openapi.json").json()
    return made


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, told) for path, methods in document["paths"].items() for told in methods.values()]


def both_languages(words: str) -> bool:
    return bool(re.search(r"[一-鿿]", words) and re.search(r"[A-Za-z]{3}", words))


def test_alive_and_ready_are_told_without_a_key(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    told = ready.json()
    assert (told["status"], told["age_days"], told["expired"]) == ("ready", 0, False)


def test_an_expired_set_is_served_and_says_that_its_time_is_over(county: Any, app: FastAPI) -> None:
    later = create_app(
        Settings(workspace=county.workspace), clock=lambda: app.state.clock() + timedelta(days=100)
    )
    with TestClient(later) as client:
        assert (client.get("/readyz").json()["expired"], client.get("/readyz").json()["age_days"]) == (
            True,
            100,
        )
        told = client.get("/v1/students/a1-2/risk", headers={"Authorization": county.keys["bureau"]}).json()
        assert told["set"]["expired"] is True


def test_with_nothing_published_it_lives_but_is_not_ready(tmp_path: Any) -> None:
    open_store(tmp_path / "store", create=True).close()
    with TestClient(create_app(Settings(workspace=tmp_path))) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json()["code"] == "nothing_published"
        assert client.get("/readyz").status_code == 503


def test_the_document_is_openapi_31_with_a_key_scheme(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    secured = {path for path, told in operations(document) if told.get("security") == [{"key": []}]}
    assert secured == {path for path in document["paths"] if path.startswith(("/v1", "/metrics"))}


def test_everything_in_the_document_is_said_in_both_languages(document: dict[str, Any]) -> None:
    said = [document["info"]["title"], document["info"]["description"]]
    for _, told in operations(document):
        said += [
            told["summary"],
            told["description"],
            *(one["description"] for one in told.get("parameters", ())),
        ]
        said += [response["description"] for response in told["responses"].values()]
    for schema in document["components"]["schemas"].values():
        said += [field["description"] for field in schema.get("properties", {}).values()]
    assert len(said) > 80
    assert [words for words in said if not both_languages(words)] == []


def test_every_operation_has_examples_that_are_true_to_its_schema(document: dict[str, Any]) -> None:
    for path, told in operations(document):
        [good] = [response for status, response in told["responses"].items() if status.startswith("2")]
        assert all(content["examples"] for content in good["content"].values()), path
        content = good["content"].get("application/json")
        if content is None:
            continue  # a file
        name = content["schema"]["$ref"].rsplit("/", 1)[-1]
        shape: type[BaseModel] = getattr(case_schemas if hasattr(case_schemas, name) else schemas, name)
        for example in content["examples"].values():
            assert shape.model_validate(example["value"]).model_dump(mode="json") == example["value"]


def test_every_problem_of_an_operation_has_an_example_in_its_form(document: dict[str, Any]) -> None:
    told_somewhere = set()
    for _, told in operations(document):
        for status, response in told["responses"].items():
            if status in ("200", "201", "304"):
                continue
            for code, example in response["content"][MEDIA_TYPE]["examples"].items():
                assert STATUS[code] == int(status)
                assert ProblemOut.model_validate(example["value"]).code == code
                told_somewhere.add(code)
    told_somewhere |= {"idempotency_key_reused"}  # of every operation that writes (test_habits)
    assert told_somewhere == set(STATUS) - {"route_unknown", "method_not_allowed"}


def test_no_reference_in_the_document_leads_nowhere(document: dict[str, Any]) -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert named <= set(document["components"]["schemas"])


def test_the_page_works_offline_without_a_script_under_a_strict_policy(
    client: TestClient, document: dict[str, Any]
) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert "<script" not in page.text
    assert " style=" not in page.text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert "/static/api.css" in addresses
    assert [one for one in addresses if not one.startswith(("/", "#"))] == []
    assert client.get("/static/api.css").headers["content-type"].startswith("text/css")
    assert "url(" not in client.get("/static/api.css").text
    for path, told in operations(document):
        assert path in page.text
        assert f'id="{told["operationId"]}"' in page.text
    for code in STATUS:
        assert f'id="problem-{code}"' in page.text


def test_the_command_of_each_operation_has_what_the_operation_asks_for(client: TestClient) -> None:
    page = unescape(client.get("/docs").text)
    assert 'curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8000/v1/students/$student_id/risk<' in page
    assert '"http://127.0.0.1:8000/v1/schools/$school_id/booklet?grade=$grade&class=$class"<' in page
    [writes] = re.findall(r"curl -X POST[^<]*/v1/actions<", page)
    assert '"Idempotency-Key: $(uuidgen)"' in writes
    assert '"Content-Type: application/json" -d @body.json' in writes


def test_the_first_address_leads_to_the_page(client: TestClient) -> None:
    answer = client.get("/", follow_redirects=False)
    assert answer.headers["location"] == "/docs"


@pytest.mark.parametrize("path", ["/v1/schools", "/v1/students/none/risk", "/nowhere", "/healthz", "/docs"])
def test_every_answer_is_guarded_by_its_headers(client: TestClient, county: Any, path: str) -> None:
    headers = client.get(
        path, headers={"Authorization": county.keys["bureau"], "Origin": "http://evil"}
    ).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"])
    assert not [name for name in headers if name.startswith("access-control")]
    assert headers["cache-control"] in ("no-store, private", "private, no-cache", "no-cache")
    assert path in ("/docs", "/v1/schools") or headers["cache-control"] == "no-store, private"
