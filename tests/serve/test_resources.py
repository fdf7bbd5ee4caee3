"""Sets, schools, students by id and by roll number, wording and the model card."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from riskmodel.store import reading, sets
from riskmodel.store.publishing import go_back
from riskmodel.wording import codes

from .conftest import CARD, roll_number


def key(county: Any, who: str = "school a1") -> dict[str, str]:
    return {"Authorization": county.keys[who]}


def ask(client: TestClient, county: Any, path: str, who: str = "school a1") -> Any:
    answer = client.get(path, headers=key(county, who))
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(client: TestClient, county: Any, path: str, body: Any, who: str = "school a1") -> Any:
    answer = client.post(path, headers=key(county, who), json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_sets_are_told_the_current_one_first(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/sets")["sets"]
    assert [one["current"] for one in told] == [True, False]
    current, former = (one["set"]["set_id"] for one in told)
    assert ask(client, county, "/v1/sets/current") == told[0]
    assert ask(client, county, f"/v1/sets/{former}") == told[1]
    assert current == reading.current_set(county.store).set_id


def test_a_school_is_told_with_its_classes(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/schools/a1")
    assert told["school"]["name"] == "学校a1"
    own = sum(school == "a1" for school in county.students.values())
    assert sum(one["student_count"] for one in told["classes"]) == own
    assert client.get("/v1/schools/b1", headers=key(county)).status_code == 404


@pytest.mark.parametrize(
    ("sort", "of"),
    [
        ("-grade", "grade"), ("band,-student_id", "band"), ("student_id", "student_id"),
        ("class,-grade", "class_name"),
    ],
)  # fmt: skip
def test_a_list_is_sorted_as_asked_and_its_pages_keep_the_order(
    client: TestClient, county: Any, sort: str, of: str
) -> None:
    whole = ask(client, county, f"/v1/schools/a1/students?sort={sort}")["students"]
    path, seen = f"/v1/schools/a1/students?sort={sort}&limit=2", []
    while path:
        page = ask(client, county, path)
        seen += page["students"]
        path = page["next"]
    assert seen == whole
    places = ["reach_out", "check_in", "not_enough_information", "usual_care"]
    values = [places.index(one[of]) if of == "band" else one[of] for one in whole]
    assert values == sorted(values, reverse=sort.startswith("-"))


def test_a_list_is_never_sorted_by_risk(client: TestClient, county: Any) -> None:
    answer = client.get("/v1/schools/a1/students?sort=risk", headers=key(county))
    assert (answer.status_code, answer.json()["parameters"]) == (422, ["sort"])


def test_only_the_fields_that_were_asked_for_are_told_and_the_id(client: TestClient, county: Any) -> None:
    page = ask(client, county, "/v1/schools/a1/students?fields=band,grade&limit=2")
    assert {tuple(one) for one in page["students"]} == {("student_id", "grade", "band")}
    assert "fields=band%2Cgrade" in page["next"]
    refused = client.get("/v1/schools/a1/students?fields=risk", headers=key(county))
    assert (refused.status_code, refused.json()["parameters"]) == (422, ["fields"])


def test_a_former_risk_is_asked_for_by_set_or_by_term(client: TestClient, county: Any) -> None:
    current, former = (one["set"]["set_id"] for one in ask(client, county, "/v1/sets")["sets"])
    of_term = ask(client, county, "/v1/students/moved/risk?term=2026-2027-1", "two schools")
    assert of_term["set"]["set_id"] == current
    before = ask(client, county, f"/v1/students/moved/risk?set_id={former}", "two schools")
    assert (before["school_id"], of_term["school_id"]) == ("a1", "b1")
    for who, path in [
        ("school a1", f"moved/risk?set_id={former}"), ("school b1", f"moved/risk?set_id={former}"),
        ("school a1", f"erased/risk?set_id={former}"), ("school a1", "a1-0/risk?set_id=none"),
        ("school a1", "a1-0/risk?term=none"),
    ]:  # fmt: skip
        assert client.get(f"/v1/students/{path}", headers=key(county, who)).status_code == 404
    both = client.get("/v1/students/a1-0/risk?set_id=x&term=y", headers=key(county))
    assert (both.status_code, both.json()["parameters"]) == (422, ["set_id", "term"])


def test_what_was_told_before_is_told_set_by_set(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/students/moved/risks", "two schools")["risks"]
    assert [one["school_id"] for one in told] == ["b1", "a1"]
    now = ask(client, county, "/v1/students/moved/risks", "school b1")["risks"]
    assert [one["school_id"] for one in now] == ["b1"]
    assert client.get("/v1/students/moved/risks", headers=key(county)).status_code == 404


def test_many_students_are_answered_one_by_one_in_their_order(client: TestClient, county: Any) -> None:
    asked = ["a1-2", "b1-0", "none", "a1-0", "a1-2"]
    told = send(client, county, "/v1/students:batchGet", {"student_ids": asked})["answers"]
    assert [one["found"] for one in told] == [True, False, False, True, True]
    assert [one["student"] and one["student"]["student_id"] for one in told] == [
        "a1-2", None, None, "a1-0", "a1-2",
    ]  # fmt: skip
    assert told[0]["student"] == ask(client, county, "/v1/students/a1-2/risk")
    assert told[1] == told[2]
    assert "b1-0" not in json.dumps(told)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("batchGet", {"student_ids": []}), ("batchGet", {"student_ids": ["x"] * 1001}),
        ("batchGet", {"student_ids": ["x" * 65]}), ("batchGet", {"student_ids": "CANARY"}),
        ("batchGet", {"student_ids": ["x"], "CANARY": 1}), ("lookup", {"roll_numbers": [{"CANARY": 1}]}),
        ("lookup", {"roll_numbers": []}), ("lookup", []), ("lookup", None),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused_and_not_repeated(
    client: TestClient, county: Any, path: str, body: Any
) -> None:
    answer = client.post(f"/v1/students:{path}", headers=key(county), json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "CANARY" not in answer.text


def test_a_thousand_students_are_answered_at_once(client: TestClient, county: Any) -> None:
    body = {"student_ids": ["a1-0", *(f"none-{number:032}" for number in range(999))]}
    told = send(client, county, "/v1/students:batchGet", body)["answers"]
    assert len(told) == 1000
    assert sum(one["found"] for one in told) == 1


def test_a_roll_number_leads_to_the_own_student_only_and_is_never_told(
    client: TestClient, county: Any
) -> None:
    numbers = [
        roll_number("a1-0"),
        roll_number("b1-0"),
        "L000000000000000000",
        f" {roll_number('a1-1')}".lower(),
    ]
    told = send(client, county, "/v1/students:lookup", {"roll_numbers": numbers})
    assert [one["student"] and one["student"]["student_id"] for one in told["answers"]] == [
        "a1-0", None, None, "a1-1",
    ]  # fmt: skip
    assert told["answers"][1] == told["answers"][2]
    assert not [number for number in numbers if number.strip().upper() in json.dumps(told).upper()]
    stored = b"".join(file.read_bytes() for file in (county.workspace / "store").iterdir())
    assert not [number for number in numbers if number.strip().upper().encode() in stored]


def test_without_a_key_for_look_ups_that_is_said(own_client: TestClient, own_county: Any) -> None:
    (own_county.workspace / "lookup.key").unlink()
    body = {"roll_numbers": ["L000000000000000000"]}
    answer = own_client.post("/v1/students:lookup", headers=key(own_county), json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "lookup_unavailable")
    assert answer.headers["retry-after"] == "10"


def test_the_vocabulary_holds_every_code_that_an_answer_can_hold(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/reasons")
    assert [one["code"] for one in told["bands"]] == [
        "reach_out", "check_in", "usual_care", "not_enough_information",
    ]  # fmt: skip
    assert [one["code"] for one in told["feedback_codes"]] == [f"feedback.F{number}" for number in range(6)]
    unknown = {one["code"]: one for one in told["sentences"] if one["use"] == "unknown"}
    new = unknown["unknowns.new_student"]
    assert "{months_at_school}" in new["text"]["zh"]
    assert [slot["name"] for slot in new["slots"]] == ["months_at_school"]


def test_the_model_card_is_the_one_that_was_published(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/model-card")
    assert told["pages"]["zh"] == "/v1/model-card?lang=zh"
    page = client.get(told["pages"]["en"], headers={**key(county), "Accept": "text/html"})
    assert page.text == CARD
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert page.headers["vary"] == "Accept"
    wrong = client.get("/v1/model-card", headers={**key(county), "Accept": "image/png"})
    assert (wrong.status_code, wrong.json()["code"]) == (406, "not_acceptable")


def test_where_no_card_was_published_the_page_is_missing(own_client: TestClient, own_county: Any) -> None:
    former = sets.published_sets(own_county.store)[1].set_id
    go_back(own_county.store, to=former, by="test", at=own_client.app.state.clock())  # type: ignore[attr-defined]
    assert ask(own_client, own_county, "/v1/model-card")["pages"] == {}
    page = own_client.get("/v1/model-card", headers={**key(own_county), "Accept": "text/html"})
    assert (page.status_code, page.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize("asked", ["until=9999-12-31", "until=0001-01-20", "since=0001-01-01"])
def test_the_log_is_not_asked_for_days_of_no_calendar_of_ours(
    client: TestClient, county: Any, asked: str
) -> None:
    answer = client.get(f"/v1/audit?{asked}", headers=key(county, "bureau"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert client.get("/v1/audit?until=2026-11-02", headers=key(county, "bureau")).status_code == 200


def test_the_page_tells_each_reason_why_an_entry_is_not_kept(client: TestClient) -> None:
    page = client.get("/docs").text
    assert all(f"<code>{code.removeprefix('errors.')}</code>" in page for code in codes("errors.ledger_"))
