"""Telling what was done for a student, and reading it again, over HTTP."""

from __future__ import annotations

import json
import sqlite3
from secrets import token_hex
from typing import Any

import pytest
from starlette.testclient import TestClient

CANARY = "CANARY-110101200001011234"
TALK = {"student_id": "a1-2", "kind": "contacted", "day": "2026-11-01", "done_by": "李老师"}


def key(county: Any, who: str = "school a1") -> dict[str, str]:
    return {"Authorization": county.keys[who]}


def tell(client: TestClient, county: Any, *actions: dict[str, Any], who: str = "school a1") -> Any:
    content = json.dumps({"actions": actions})
    headers = key(county, who) | {"Content-Type": "application/json", "Idempotency-Key": token_hex(8)}
    return client.post("/v1/actions", content=content, headers=headers)


def told_of(client: TestClient, county: Any, student: str, who: str = "school a1") -> Any:
    return client.get(f"/v1/students/{student}/actions", headers=key(county, who))


def test_what_was_told_is_read_again_with_what_had_been_served(
    own_client: TestClient, own_county: Any
) -> None:
    aid = {**TALK, "kind": "aid_given", "programme": "living_cost", "amount_yuan": 625, "action_id": "x"}
    answer = tell(own_client, own_county, TALK, aid)
    assert answer.status_code == 200
    [first, second] = answer.json()["actions"]
    risk = own_client.get("/v1/students/a1-2/risk", headers=key(own_county)).json()
    assert (first["band"], first["set_id"]) == (risk["band"], risk["set"]["set_id"])
    assert (second["action_id"], second["amount_yuan"], second["is_in_force"]) == ("x", 625, True)
    assert "risk" not in first
    assert told_of(own_client, own_county, "a1-2").json()["actions"] == [first, second]
    assert told_of(own_client, own_county, "a1-2", "bureau").json()["actions"] == [first, second]
    assert tell(own_client, own_county, aid).json()["actions"] == [second], "twice is harmless"


def test_a_foreign_student_an_unknown_and_a_former_one_are_refused_alike(
    own_client: TestClient, own_county: Any
) -> None:
    said = set()
    for student in ("b1-0", "none", "gone", "moved"):
        answer = tell(own_client, own_county, TALK, {**TALK, "student_id": student})
        assert answer.status_code == 422
        assert answer.json()["code"] == "actions_refused"
        assert answer.json()["parameters"] == ["actions.1.student_id"]
        said.add(answer.content)
        assert told_of(own_client, own_county, student).status_code == 404
    assert len(said) == 1
    assert told_of(own_client, own_county, "a1-2").json() == {"actions": []}, "all or nothing"


def test_a_note_of_a_counsellor_is_not_shown_to_a_school(own_client: TestClient, own_county: Any) -> None:
    tell(own_client, own_county, {**TALK, "note": "家里的事"}, who="counsellor a1")
    assert told_of(own_client, own_county, "a1-2").json()["actions"][0]["note"] is None
    seen = told_of(own_client, own_county, "a1-2", "counsellor a1").json()["actions"][0]
    assert seen["note"] == "家里的事"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kind": CANARY}, ["actions.0.kind"]),
        ({"done_by": ""}, ["actions.0.done_by"]),
        ({CANARY: 1}, []),
        ({"hours": -1}, ["actions.0.hours"]),
        ({"student_id": "\ud800"}, ["actions.0.student_id"]),
        ({"note": "x" * 501}, ["actions.0.note"]),
    ],
)
def test_a_wrong_value_is_named_by_its_place_and_never_repeated(
    client: TestClient, county: Any, wrong: dict[str, Any], named: list[str]
) -> None:
    answer = tell(client, county, {**TALK, **wrong})
    assert answer.status_code == 422
    assert answer.json().get("parameters", []) == named
    assert CANARY not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b"\xff"])
def test_a_body_that_is_none_is_refused(client: TestClient, county: Any, body: bytes) -> None:
    headers = {**key(county), "Content-Type": "application/json", "Idempotency-Key": "1"}
    assert client.post("/v1/actions", content=body, headers=headers).status_code in (400, 422)


def test_the_most_at_once_fits_and_one_more_does_not(own_client: TestClient, own_county: Any) -> None:
    many = [{**TALK, "action_id": f"{number}", "note": "家" * 500} for number in range(500)]
    assert len(tell(own_client, own_county, *many).json()["actions"]) == 500
    assert tell(own_client, own_county, *many, TALK).status_code == 422
    headers = {**key(own_county), "Content-Type": "application/json", "Idempotency-Key": "1"}
    assert own_client.post("/v1/actions", content=b" " * 2_097_153, headers=headers).status_code == 413


def test_every_telling_and_every_reading_is_written_down(own_client: TestClient, own_county: Any) -> None:
    tell(own_client, own_county, TALK)
    tell(own_client, own_county, {**TALK, "student_id": "none"})
    told_of(own_client, own_county, "a1-2")
    with sqlite3.connect(own_county.workspace / "store" / "audit.db") as audit:
        rows = audit.execute("SELECT route, method, status FROM look ORDER BY number").fetchall()
    audit.close()
    assert rows == [
        ("/v1/actions", "POST", 200),
        ("/v1/actions", "POST", 422),
        ("/v1/students/{student_id}/actions", "GET", 200),
    ]
