"""What an answer holds, and what it does not."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from riskmodel.store.publishing import publish

from .conftest import NOW, make_student, make_term

STUDENT_FIELDS = {
    "student_id", "school_id", "stage", "grade", "class_name", "masked_name", "risk", "band", "band_label",
    "band_meaning", "listed", "near_line", "similar_per_100", "reasons", "strengths", "withheld", "unknowns",
    "model", "set", "notice",
}  # fmt: skip
LIST_FIELDS = {
    "student_id", "stage", "grade", "class_name", "masked_name", "band", "band_label", "listed", "near_line",
}  # fmt: skip


def ask(client: TestClient, county: Any, path: str, who: str = "school a1") -> Any:
    answer = client.get(path, headers={"Authorization": county.keys[who]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_student_is_told_with_risk_band_words_reasons_strengths_and_dates(
    client: TestClient, county: Any
) -> None:
    told = ask(client, county, "/v1/students/a1-2/risk")
    assert set(told) == STUDENT_FIELDS
    assert told["risk"] == 0.137
    assert (told["band"], told["band_label"]["zh"]) == ("usual_care", "常规关怀")
    similar = told["similar_per_100"]
    assert {name: similar[name] for name in ("point", "low", "high")} == {"point": 14, "low": 8, "high": 22}
    assert similar["text"]["zh"].startswith("与该生情况相近的学生")
    assert "14" in similar["text"]["en"]
    [reason] = told["reasons"]
    assert "9" in reason["text"]["zh"]
    assert reason["dots"] == 3
    assert "contribution" not in reason
    assert [one["code"] for one in told["strengths"]] == ["api.example.strength"]
    assert [one["text"]["en"] for one in told["unknowns"]] == ["Records of home visits and talks"]
    assert told["set"]["as_of_date"] == "2026-10-31"
    assert told["set"]["expired"] is False
    assert told["model"]["version"] == "model-1"
    assert "转学劝退" in told["notice"]["zh"]


def test_a_student_without_a_risk_is_an_answer_and_no_error(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/students/a1-0/risk")
    assert told["risk"] is None
    assert told["similar_per_100"] is None


@pytest.mark.parametrize(("who", "reads"), [("school a1", 1), ("counsellor a1", 2), ("bureau", 2)])
def test_what_counsellors_may_read_is_withheld_from_a_school_key(
    client: TestClient, county: Any, who: str, reads: int
) -> None:
    told = ask(client, county, "/v1/students/a1-2/risk", who)
    assert len(told["reasons"]) == reads
    assert (told["withheld"] is not None) == (reads == 1)
    if reads == 1:
        assert "home" not in json.dumps(told["reasons"])
        assert told["withheld"]["zh"] == "另有一项背景信息，请与心理辅导教师沟通。"


def test_nothing_withheld_is_not_announced(client: TestClient, county: Any) -> None:
    assert ask(client, county, "/v1/students/a1-1/risk")["withheld"] is None


def test_a_list_shows_masked_names_and_no_probability(client: TestClient, county: Any) -> None:
    page = ask(client, county, "/v1/schools/a1/students")
    assert set(page) == {"school", "students", "next", "set", "notice"}
    assert {tuple(sorted(one)) for one in page["students"]} == {tuple(sorted(LIST_FIELDS))}
    assert "9876" not in json.dumps(page)
    assert {one["masked_name"] for one in page["students"]} == {"王**"}


def test_pages_are_linked_and_hold_everybody_once(client: TestClient, county: Any) -> None:
    headers = {"Authorization": county.keys["school a1"]}
    path: str | None = "/v1/schools/a1/students?limit=2"
    seen: list[str] = []
    pages = 0
    while path:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200
        seen += [one["student_id"] for one in answer.json()["students"]]
        path = answer.json()["next"]
        assert answer.headers.get("link") == (f'<{path}>; rel="next"' if path else None)
        pages += 1
    assert pages == 3
    assert sorted(seen) == sorted(one for one, school in county.students.items() if school == "a1")


def test_the_next_page_keeps_the_filters(client: TestClient, county: Any) -> None:
    page = ask(client, county, "/v1/schools/a1/students?limit=1&class=1&listed=true")
    assert page["next"] is not None
    assert "class=1" in page["next"]
    assert "listed=true" in page["next"]
    everybody = ask(client, county, "/v1/schools/a1/students?class=1&listed=true")["students"]
    rest = ask(client, county, page["next"].replace("limit=1", "limit=100"))["students"]
    assert page["students"] + rest == everybody
    assert {one["class_name"] for one in everybody} == {"1"}


def test_children_of_whom_no_class_is_recorded_can_be_asked_for(
    own_client: TestClient, own_county: Any
) -> None:
    students = [
        replace(make_student(f"a1-{number}", "a1", number * 6), class_name=name)
        for number, name in enumerate(("", "", "1"))
    ]
    publish(own_county.store, make_term(students), published_at=NOW, published_by="x")
    page = ask(own_client, own_county, "/v1/schools/a1/students?class=&limit=1")
    assert "class=&" in page["next"]
    rest = ask(own_client, own_county, page["next"])["students"]
    assert [one["class_name"] for one in page["students"] + rest] == ["", ""]
    headers = {"Authorization": own_county.keys["school a1"]}
    booklet = own_client.get("/v1/schools/a1/booklet?grade=7&class=", headers=headers)
    assert booklet.headers["content-type"] == "application/pdf"
    nobody = own_client.get("/v1/schools/a2/booklet?grade=7&class=", headers=headers)
    assert nobody.status_code == 404


def test_a_new_set_between_two_pages_is_said_and_never_mixed_in(
    own_client: TestClient, own_county: Any
) -> None:
    headers = {"Authorization": own_county.keys["school a1"]}
    first = own_client.get("/v1/schools/a1/students?limit=1", headers=headers).json()
    from_domain = own_client.app.state  # type: ignore[attr-defined]
    publish(own_county.store, _again(own_county, "2"), published_at=from_domain.clock(), published_by="x")
    second = own_client.get(first["next"], headers=headers)
    assert second.status_code == 409
    assert second.json()["code"] == "set_changed"


def test_answers_during_a_publishing_come_from_one_set(own_client: TestClient, own_county: Any) -> None:
    headers = {"Authorization": own_county.keys["school a1"]}
    now = own_client.app.state.clock()  # type: ignore[attr-defined]
    by_set: dict[str, set[str]] = {}
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            page = own_client.get("/v1/schools/a1/students", headers=headers).json()
            classes = by_set.setdefault(page["set"]["set_id"], set())
            classes.add(",".join(sorted({one["class_name"] for one in page["students"]})))
            one = own_client.get("/v1/students/a1-1/risk", headers=headers).json()
            by_set.setdefault(one["set"]["set_id"], set()).add(one["class_name"])

    published = {publish(own_county.store, _again(own_county, "0"), published_at=now, published_by="x"): "0"}
    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 7):
        term = _again(own_county, str(number))
        published[publish(own_county.store, term, published_at=now, published_by="x")] = str(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert by_set
    assert all(classes == {published[set_id]} for set_id, classes in by_set.items())


def _again(county: Any, class_name: str) -> Any:
    """Publish the same students again, all in one class, by which answers tell their set."""
    from dataclasses import replace

    from riskmodel.domain import ScoredTerm
    from riskmodel.store import reading
    from riskmodel.store.principals import Principal

    bureau = Principal("test", "bureau")
    found = [reading.student(county.store, bureau, one) for one in county.students]
    students = tuple(replace(one, class_name=class_name) for one in found if one is not None)
    facts = reading.current_set(county.store).facts
    return ScoredTerm(facts, reading.schools(county.store, bureau), students)
