"""Who gets which aid, as school software asks for it."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from starlette.testclient import TestClient

from .conftest import APPROVED, DRAFT, County

ITEMS = f"/v1/allocations/{APPROVED}/items"


def ask(client: TestClient, county: County, path: str, who: str = "counsellor a1") -> Any:
    return client.get(path, headers={"Authorization": county.keys[who]})


def test_schools_see_what_was_approved_and_the_bureau_sees_drafts_too(
    client: TestClient, county: County
) -> None:
    for who, seen in (
        ("bureau", {APPROVED, DRAFT}),
        ("counsellor a1", {APPROVED}),
        ("school a1", {APPROVED}),
    ):
        told = ask(client, county, "/v1/allocations", who).json()
        assert {one["run_id"] for one in told["allocations"]} == seen
    [run] = told["allocations"]
    assert (run["state"], run["approved_by"], run["lottery"]) == ("approved", "王", False)
    assert "made_by" not in run


def test_every_student_of_the_scope_has_one_answer_for_each_programme(
    client: TestClient, county: County
) -> None:
    told = ask(client, county, ITEMS).json()
    own = {one for one, school in county.students.items() if school == "a1"}
    got = [(one["programme"], one["student_id"]) for one in told["items"]]
    assert sorted(got) == sorted(
        (programme, one) for programme in ("counselling", "living_cost") for one in own
    )
    assert told["next"] is None
    assert told["items"][0]["masked_name"] == "王**"
    assert told["items"][0]["answer_label"]["en"]
    assert "risk" not in told["items"][0]


def test_pages_follow_the_link_and_keep_the_filters(client: TestClient, county: County) -> None:
    path, seen = f"{ITEMS}?programme=counselling&limit=2", []
    while path:
        answer = ask(client, county, path)
        page = answer.json()
        assert ("Link" in answer.headers) == (page["next"] is not None)
        seen += [one["student_id"] for one in page["items"]]
        path = page["next"]
    assert len(seen) == len(set(seen)) == sum(school == "a1" for school in county.students.values())


def test_items_are_filtered_by_answer_school_and_student(client: TestClient, county: County) -> None:
    waiting = ask(client, county, f"{ITEMS}?answer=places_used_up").json()["items"]
    assert waiting
    assert {(one["answer"], one["waiting_since"]) for one in waiting} == {("places_used_up", "2026-04-30")}
    of_school = ask(client, county, f"{ITEMS}?school_id=b2&limit=500", "bureau").json()["items"]
    assert {one["school_id"] for one in of_school} == {"b2"}
    one = ask(client, county, f"{ITEMS}?student_id=a1-0").json()["items"]
    assert [each["programme"] for each in one] == ["counselling", "living_cost"]
    assert ask(client, county, f"{ITEMS}?student_id=b1-0").json()["items"] == []
    assert ask(client, county, f"{ITEMS}?answer=perhaps").status_code == 422


def test_a_cursor_of_another_run_is_refused(client: TestClient, county: County) -> None:
    page = ask(client, county, f"/v1/allocations/{DRAFT}/items?limit=1", "bureau").json()
    answer = ask(client, county, page["next"].replace(DRAFT, APPROVED), "bureau")
    assert (answer.status_code, answer.json()["parameters"]) == (422, ["after"])


def test_a_draft_is_answered_like_a_run_that_does_not_exist(client: TestClient, county: County) -> None:
    draft = ask(client, county, f"/v1/allocations/{DRAFT}/items")
    none = ask(client, county, "/v1/allocations/alloc-none/items")
    assert draft.status_code == none.status_code == 404
    assert draft.content == none.content


@pytest.mark.parametrize("who", ["school a1", "two schools"])
def test_a_key_that_reads_no_counsellors_facts_reads_no_items(
    client: TestClient, county: County, who: str
) -> None:
    assert ask(client, county, ITEMS, who).json()["code"] == "not_allowed"


def test_who_was_shown_is_written_down(own_client: TestClient, own_county: County) -> None:
    answer = ask(own_client, own_county, f"{ITEMS}?programme=counselling")
    ask(own_client, own_county, f"{ITEMS}?student_id=b1-0")
    with sqlite3.connect(own_county.store.folder / "audit.db") as file:
        rows = file.execute(
            "SELECT route, shown, student_ref FROM look WHERE student_ref IS NOT NULL"
        ).fetchall()
    file.close()
    assert {row[0] for row in rows} == {"/v1/allocations/{run_id}/items"}
    assert sum(row[1] for row in rows) == len(answer.json()["items"])
    assert sum(not row[1] for row in rows) == 1
