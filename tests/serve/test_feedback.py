"""Saying that a sheet is wrong, over HTTP."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from starlette.testclient import TestClient

from riskmodel.store.looks import looks_at
from riskmodel.store.principals import Principal
from riskmodel.store.tickets import close_ticket


def post(client: TestClient, county: Any, student: str, body: Any, who: str = "school a1") -> Any:
    headers = {"Authorization": county.keys[who], "Idempotency-Key": secrets.token_hex(8)}
    return client.post(f"/v1/students/{student}/feedback", headers=headers, json=body)


def test_wrong_data_open_a_ticket_whose_answer_is_read_later(own_client: TestClient, own_county: Any) -> None:
    given = post(own_client, own_county, "a1-2", {"code": "F1", "family": "attendance"})
    assert given.status_code == 201
    told = given.json()
    assert (told["code"], told["family"], told["answer"]) == ("F1", "attendance", None)
    assert told["code_label"]["zh"] == "数据有误"
    now = own_client.app.state.clock()  # type: ignore[attr-defined]
    close_ticket(own_county.store, Principal("b", "bureau"), told["ticket_id"], answer="corrected", at=now)
    headers = {"Authorization": own_county.keys["school a1"]}
    [kept] = own_client.get("/v1/students/a1-2/feedback", headers=headers).json()["feedback"]
    assert (kept["answer"], kept["answered_on"]) == ("corrected", now.date().isoformat())


def test_the_same_said_twice_is_one_thing(own_client: TestClient, own_county: Any) -> None:
    first, second = (post(own_client, own_county, "a1-2", {"code": "F3"}).json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"code": "F9"}, ["code"]), ({}, ["code"]), ({"code": "F4"}, ["family"]),
        ({"code": "F4", "family": "home"}, ["family"]), ({"code": "F1", "family": "<script>"}, ["family"]),
        ({"code": "F1", "note": "a long story"}, None), ([], None), ("x", None),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_and_not_repeated(
    own_client: TestClient, own_county: Any, body: Any, named: list[str] | None
) -> None:
    answer = post(own_client, own_county, "a1-2", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json().get("parameters") == named
    assert "story" not in answer.text


def test_a_foreign_student_cannot_be_spoken_of(own_client: TestClient, own_county: Any) -> None:
    answers = [post(own_client, own_county, one, {"code": "F1"}) for one in ("b1-0", "none")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_who_looked_is_written_down_with_the_child_whatever_came_of_it(
    own_client: TestClient, own_county: Any
) -> None:
    post(own_client, own_county, "a1-2", {"code": "F3"})
    post(own_client, own_county, "a1-1", {"code": "F4", "family": "home"})
    own_client.get("/v1/students/a1-3/actions", headers={"Authorization": own_county.keys["school a1"]})
    audit, data_team = own_client.app.state.audit, Principal("d", "data_team")  # type: ignore[attr-defined]
    for student, route in (("a1-2", "feedback"), ("a1-1", "feedback"), ("a1-3", "actions")):
        [look] = looks_at(own_county.store, audit, data_team, student)
        assert look.shown
        assert look.route.endswith(route)
