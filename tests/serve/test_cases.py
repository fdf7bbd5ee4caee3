"""A case from the third day away to its closing, over HTTP, by the people whose work it is."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import update
from starlette.testclient import TestClient

from riskmodel.store.keys import make_key
from riskmodel.store.tables import SCHOOLS

from .conftest import NOW

OPENING = {
    "student_id": "a1-2", "ledger": "suspected", "found_by": "school", "day": "2026-10-30",
    "done_by": "李老师", "why": "三天未到", "child": {"name": "=王甲子", "hardship": "low_income"},
}  # fmt: skip


def key(county: Any, who: str = "school a1") -> dict[str, str]:
    return {"Authorization": county.keys[who], "Idempotency-Key": token_hex(8)}


@pytest.fixture
def post(own_client: TestClient, own_county: Any) -> Any:
    """Give `post(path, who=…, **body)`, with a township's key beside those of the county."""
    own_county.keys["township"] = "Bearer " + make_key(
        own_county.store, role="district", label="镇", made_at=NOW, townships=("镇",)
    )

    def send(path: str, *, who: str = "school a1", **body: Any) -> Any:
        return own_client.post(path, json=body, headers=key(own_county, who))

    return send


def opened(post: Any, **changes: Any) -> str:
    answer = post("/v1/cases", **{**OPENING, **changes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case"]["case_id"])


def test_a_case_goes_from_the_third_day_away_to_its_closing_by_two_people(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    case_id = opened(post)
    due = own_client.get("/v1/due?until=2026-11-06", headers=key(own_county)).json()["cases"]
    assert [(one["case_id"], one["due"][0]["duty"], one["due"][0]["days_left"]) for one in due] == [
        (case_id, "first_visit", 4)
    ]
    told: tuple[dict[str, Any], ...] = (
        {"event": "visited", "day": "2026-10-31", "met": "guardian", "why": "孩子在外地亲戚家"},
        {"event": "assigned", "day": "2026-10-31", "duties": [{"post": "class_teacher", "person": "李"}]},
        {"event": "verified_not_out", "day": "2026-11-01", "why": "已在外县就读", "evidence": ["就读证明"]},
        {
            "event": "closing_proposed", "day": "2026-11-01", "close_code": "out_of_province_no_roll",
            "evidence": ["就读证明"], "to_school_id": "外县某校",
        },
    )  # fmt: skip
    for one in told:
        answer = post(f"/v1/cases/{case_id}/entries", done_by="李老师", **one)
        assert answer.status_code == 201, answer.text
    decision = {"confirmed": True, "day": "2026-11-02", "done_by": "赵主任"}
    assert post(f"/v1/cases/{case_id}/decisions", **decision).status_code == 403
    own_name = post(f"/v1/cases/{case_id}/decisions", who="township", **{**decision, "done_by": "李老师"})
    assert (own_name.status_code, own_name.json()["parameters"]) == (422, ["done_by", "ledger_second_person"])
    closed = post(f"/v1/cases/{case_id}/decisions", who="township", **decision).json()
    assert (closed["case"]["case_state"], closed["case"]["due"]) == ("closed", [])
    history = own_client.get(f"/v1/cases/{case_id}", headers=key(own_county)).json()["entries"]
    assert [one["event"] for one in history] == [
        "opened", "visited", "assigned", "verified_not_out", "closing_proposed", "closing_confirmed",
    ]  # fmt: skip
    assert [one["done_by"] for one in history][-2:] == ["李老师", "赵主任"]


def test_a_step_that_the_state_does_not_allow_is_refused_by_its_name(post: Any) -> None:
    case_id = opened(post)
    refused = post(f"/v1/cases/{case_id}/entries", event="reopened", day="2026-11-01", done_by="李", why="x")
    assert (refused.status_code, refused.json()["code"]) == (422, "entry_refused")
    assert refused.json()["parameters"] == ["event", "ledger_step"]


def test_a_foreign_child_an_unknown_one_and_a_foreign_case_are_the_same_answer(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    foreign = opened(post, student_id="b1-0", who="bureau")
    said = {
        post("/v1/cases", **{**OPENING, "student_id": one}).content for one in ("b1-0", "none", "household:p")
    }
    visit = {"event": "visited", "day": "2026-11-01", "done_by": "李", "met": "guardian"}
    for case_id in (foreign, "case-none"):
        said.add(own_client.get(f"/v1/cases/{case_id}", headers=key(own_county)).content)
        said.add(post(f"/v1/cases/{case_id}/entries", **visit).content)
    assert len(said) == 1
    assert own_client.get("/v1/cases", headers=key(own_county)).json()["cases"] == []


def test_a_correction_is_a_new_entry_and_both_are_told(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    case_id = opened(post)
    visit = {"event": "visited", "day": "2026-10-31", "done_by": "李", "met": "guardian"}
    first = post(f"/v1/cases/{case_id}/entries", **visit).json()["entries"][-1]["number"]
    right = {**visit, "met": "nobody", "why": "记错了", "corrects_number": first}
    entries = post(f"/v1/cases/{case_id}/entries", **right).json()["entries"]
    told = [(one["met"], one["is_in_force"]) for one in entries[1:]]
    assert told == [("guardian", False), ("nobody", True)]


def test_a_misspelt_name_is_corrected_in_the_opening(post: Any) -> None:
    case_id = opened(post)
    first = post(
        f"/v1/cases/{case_id}/entries", event="noted", day="2026-10-31", done_by="李", why="记"
    ).json()
    right = {"event": "opened", "day": "2026-10-30", "done_by": "李", "why": "名字写错",
             "corrects_number": first["entries"][0]["number"], "child": {"name": "王甲丑"}}  # fmt: skip
    answer = post(f"/v1/cases/{case_id}/entries", **right)
    assert answer.status_code == 201, answer.text
    case = answer.json()["case"]
    assert case["child"] == {**first["case"]["child"], "name": "王甲丑"}
    same = ("home", "ledger", "found_by", "duties", "opened_on")
    assert {name: case[name] for name in same} == {name: first["case"][name] for name in same}


def test_a_township_of_a_long_name_is_told_to_who_sees_the_case(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    known = own_county.store
    with known.writing() as connection:
        connection.execute(update(SCHOOLS).where(SCHOOLS.c.school_id == "a1").values(township="长" * 120))
    case_id = opened(post)
    listed = own_client.get("/v1/cases", headers=key(own_county))
    assert listed.status_code == 200
    [mine] = [one for one in listed.json()["cases"] if one["case_id"] == case_id]
    assert mine["home"]["township"] == "长" * 120


def test_pages_of_cases_join(post: Any, own_client: TestClient, own_county: Any) -> None:
    wanted = {opened(post, student_id=one) for one in ("a1-0", "a1-1", "a1-2")}
    found, path = [], "/v1/cases?limit=2&is_open=true&ledger=suspected"
    while path:
        page = own_client.get(path, headers=key(own_county)).json()
        found += [one["case_id"] for one in page["cases"]]
        path = page["next"]
    assert set(found) == wanted
    assert len(found) == 3


@pytest.mark.parametrize(("lang", "title"), [("zh", "疑似辍学学生台账"), ("en", "may have left")])
def test_the_ledgers_as_a_workbook_to_print(
    post: Any, own_client: TestClient, own_county: Any, lang: str, title: str
) -> None:
    case_id = opened(post)
    post(f"/v1/cases/{case_id}/entries", event="visited", day="2026-10-31", done_by="李", met="guardian")
    answer = own_client.get(f"/v1/cases.xlsx?lang={lang}", headers=key(own_county, "bureau"))
    assert answer.status_code == 200
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    rows = book.get_sheet_by_index(1).to_python()
    assert title in str(rows[0][0])
    [mine] = [row for row in rows if case_id in row]  # the county has a case of its own
    assert "=王甲子" in mine
    assert any(case_id in row for row in book.get_sheet_by_index(3).to_python())
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        sheet = packed.read("xl/worksheets/sheet2.xml").decode()
    assert "<f>" not in sheet
    assert 'paperSize="8"' in sheet
    assert 'orientation="landscape"' in sheet


def test_hardship_stays_with_who_may_read_a_counsellors_facts(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    case_id = opened(post, who="counsellor a1")
    seen = {
        who: own_client.get(f"/v1/cases/{case_id}", headers=key(own_county, who)).json()["case"]["child"]
        for who in ("counsellor a1", "school a1")
    }
    assert [seen[who]["hardship"] for who in seen] == ["low_income", ""]
    assert {one["name"] for one in seen.values()} == {"=王甲子"}


def test_what_is_due_today_is_due_in_the_morning_of_china(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    """At half past seven there it is still yesterday by UTC."""
    case_id = opened(post)
    app = own_client.app
    app.state.clock = lambda: datetime(2026, 11, 5, 23, 30, tzinfo=UTC)  # type: ignore[attr-defined]
    [due] = own_client.get("/v1/due", headers=key(own_county)).json()["cases"]
    assert (due["case_id"], due["due"][0]["days_left"]) == (case_id, 0)


def test_of_what_is_due_no_more_is_told_than_was_asked_for(
    post: Any, own_client: TestClient, own_county: Any
) -> None:
    first = opened(post)
    opened(post, student_id="a1-3", day="2026-10-31")
    asked = "/v1/due?until=2026-12-31"
    assert len(own_client.get(asked, headers=key(own_county)).json()["cases"]) == 2
    [one] = own_client.get(f"{asked}&limit=1", headers=key(own_county)).json()["cases"]
    assert one["case_id"] == first
