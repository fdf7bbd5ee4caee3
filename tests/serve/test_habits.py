"""Tags and writes that are done once: the habits that every route has without asking for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.testclient import TestClient

from riskmodel.store.keys import make_key
from riskmodel.store.tables import KEYS
from serve.app import create_app
from serve.deps import REPLAYED, Writing
from serve.settings import Settings

from .conftest import NOW


class Asked(BaseModel):
    label: str


class Counted(BaseModel):
    keys: int


def key(county: Any, who: str = "school a1") -> dict[str, str]:
    return {"Authorization": county.keys[who]}


@pytest.mark.parametrize("path", ["/v1/schools", "/v1/schools/a1/students", "/v1/students/a1-2/risk"])
def test_an_answer_that_the_client_holds_is_not_sent_again(
    client: TestClient, county: Any, path: str
) -> None:
    first = client.get(path, headers=key(county))
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for said in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={**key(county), "If-None-Match": said})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert "content-type" not in again.headers
    assert client.get(path, headers={**key(county), "If-None-Match": '"other"'}).json() == first.json()


def test_the_tag_follows_what_is_told_and_not_who_holds_it(client: TestClient, county: Any) -> None:
    path = "/v1/students/a1-2/risk"
    school, counsellor = (
        client.get(path, headers=key(county, who)) for who in ("school a1", "counsellor a1")
    )
    assert school.headers["etag"] != counsellor.headers["etag"]
    held = {"If-None-Match": counsellor.headers["etag"]}
    assert client.get(path, headers={**key(county), **held}).status_code == 200
    assert client.get("/v1/students/b1-0/risk", headers={**key(county), **held}).status_code == 404


def test_no_tag_tells_a_foreign_student_from_a_missing_one(client: TestClient, county: Any) -> None:
    bureau = client.get("/v1/students/b1-1/risk", headers=key(county, "bureau")).headers["etag"]
    for said in (bureau, "*", '"x"'):
        answers = [
            client.get(f"/v1/students/{student}/risk", headers={**key(county), "If-None-Match": said})
            for student in ("b1-1", "none")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        assert "etag" not in answers[0].headers


@pytest.fixture
def writing(own_county: Any) -> Iterator[TestClient]:
    """The service with one more route, which writes: it makes a key and answers how many there are."""
    app: FastAPI = create_app(
        Settings(workspace=own_county.workspace, wait_seconds=0.2),
        clock=lambda: NOW,
    )

    @app.post("/v1/written/{place}")
    def write_something(place: str, content: Asked, once: Writing) -> Counted:
        def write() -> Counted:
            make_key(once.visit.store, role="bureau", label=content.label, made_at=NOW)
            if content.label == "fails":
                raise RuntimeError
            with once.visit.store.reading() as connection:
                rows = connection.scalar(select(func.count()).select_from(KEYS))
            return Counted(keys=rows or 0)

        return once.answer(content, Counted, write)

    app.openapi = dict  # type: ignore[method-assign]  # this route has no words
    with TestClient(app) as opened:
        yield opened


def count(county: Any) -> int:
    with county.store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(KEYS)) or 0


def test_a_write_sent_twice_is_done_once(writing: TestClient, own_county: Any) -> None:
    before = count(own_county)
    headers = {**key(own_county), "Idempotency-Key": "k-1"}
    first, again = (writing.post("/v1/written/x", headers=headers, json={"label": "l"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert count(own_county) == before + 1


def test_another_body_address_or_school_under_the_same_key(writing: TestClient, own_county: Any) -> None:
    headers = {**key(own_county), "Idempotency-Key": "k-1"}
    assert writing.post("/v1/written/x", headers=headers, json={"label": "l"}).status_code == 200
    for path, label in (("/v1/written/x", "other"), ("/v1/written/y", "l")):
        refused = writing.post(path, headers=headers, json={"label": label})
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"
    other = {**key(own_county, "school b1"), "Idempotency-Key": "k-1"}
    assert REPLAYED not in writing.post("/v1/written/x", headers=other, json={"label": "l"}).headers


def test_a_write_that_fails_is_not_remembered(writing: TestClient, own_county: Any) -> None:
    before = count(own_county)
    headers = {**key(own_county), "Idempotency-Key": "k-1"}
    assert writing.post("/v1/written/x", headers=headers, json={"label": "fails"}).status_code == 500
    assert count(own_county) == before
    assert writing.post("/v1/written/x", headers=headers, json={"label": "l"}).status_code == 200


def test_every_operation_that_writes_takes_an_idempotency_key(client: TestClient) -> None:
    reads = {"batch_get_students", "look_up_students"}
    for path in client.get("/openapi.json").json()["paths"].values():
        for method, told in path.items():
            if method != "get" and told["operationId"] not in reads:
                names = [one["name"] for one in told["parameters"] if one["required"]]
                assert "Idempotency-Key" in names, told["operationId"]
