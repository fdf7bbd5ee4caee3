"""The short way to one student's risk says what the long way says, to the byte, or leaves it to that."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set
from serve import daily

OF_THE_MOMENT = {"x-request-id", "ratelimit", "date"}
LOOKS = (
    "SELECT key_id, route, method, status, set_id, student_ref, shown, purpose FROM look "
    "ORDER BY number DESC LIMIT 1"
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which answers were made on the short way."""
    made: list[str] = []
    told = daily._told

    def noted(question: Any, *rest: Any) -> bool:
        made.append(question.student_id)
        return told(question, *rest)

    monkeypatch.setattr(daily, "_told", noted)
    return made


def get(client: TestClient, path: str, key: str | None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    answer = client.get(path, headers=headers | ({"Authorization": key} if key else {}))
    kept = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
    return answer.status_code, answer.content, kept


def both_ways(client: TestClient, county: Any, student_id: str, who: str) -> tuple[Any, Any]:
    """Ask in the plain way, and for the current set by its name, which goes the long way."""
    path, key = f"/v1/students/{student_id}/risk", county.keys[who]
    return get(client, path, key), get(client, f"{path}?set_id={current_set(county.store).set_id}", key)


def allowances(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note whose allowance is taken, each time."""
    taken: list[str] = []
    limits = client.app.state.limits  # type: ignore[attr-defined]
    take = limits.take
    monkeypatch.setattr(limits, "take", lambda key_id: (taken.append(key_id), take(key_id))[1])
    return taken


def together(app: Any, questions: Sequence[tuple[str, str]]) -> list[tuple[int, bytes]]:
    """Ask about students by these keys at one moment; return status and body of each answer."""

    async def asked(student_id: str, key: str) -> tuple[int, bytes]:
        path = f"/v1/students/{student_id}/risk"
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "http_version": "1.1", "scheme": "http", "server": ("x", 1), "client": ("x", 2),
            "headers": [(b"authorization", key.encode())],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])

    async def all_asked() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(asked(*question) for question in questions))

    return asyncio.run(all_asked())


def last_look(county: Any) -> tuple[Any, ...]:
    with closing(sqlite3.connect(county.workspace / "store" / "audit.db")) as file:
        return tuple(file.execute(LOOKS).fetchone())


def test_both_ways_answer_alike_to_the_byte_whoever_asks_about_whomever(
    client: TestClient, county: Any, short: list[str]
) -> None:
    seen = 0
    for who, schools in county.sees.items():
        for student_id in (
            "a1-0",
            "a1-1",
            "b1-2",
            "moved",
            "二号-Ünï'\"",
            "erased",
            "gone",
            "nobody",
            "a1-0%2F",
        ):
            one, other = both_ways(client, county, student_id, who)
            assert one == other, (who, student_id)
            seen += county.students.get(student_id) in schools
    assert len(short) == seen > 15


def test_both_ways_write_the_same_look_and_take_one_of_the_allowance(
    own_client: TestClient, own_county: Any, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, taken = [], allowances(own_client, monkeypatch)
    for question in ("", f"?set_id={current_set(own_county.store).set_id}"):
        answer = own_client.get(
            f"/v1/students/a1-2/risk{question}", headers={"Authorization": own_county.keys["school a1"]}
        )
        looks.append(last_look(own_county))
        assert "ratelimit" in answer.headers
    assert looks[0] == looks[1]
    assert looks[0][1:4] == (daily.PATH, "GET", 200)
    assert len(taken) == 2
    assert len(short) == 1


def test_another_purpose_and_a_body_go_the_long_way(
    client: TestClient, county: Any, short: list[str]
) -> None:
    key = county.keys["school a1"]
    assert get(client, "/v1/students/a1-2/risk", key, **{"X-Purpose": "nonsense"})[0] == 422
    assert client.request(
        "GET", "/v1/students/a1-2/risk", headers={"Authorization": key}, content="x"
    ).is_success
    assert client.head("/v1/students/a1-2/risk", headers={"Authorization": key}).status_code == 405
    assert short == []


def test_what_the_client_holds_already_is_not_sent_again(
    client: TestClient, county: Any, short: list[str]
) -> None:
    key = county.keys["school a1"]
    status, _, headers = get(client, "/v1/students/a1-2/risk", key)
    again = get(client, "/v1/students/a1-2/risk", key, **{"If-None-Match": headers["etag"]})
    assert (status, again[0], again[1], len(short)) == (200, 304, b"", 2)


def test_one_allowance_is_taken_whatever_the_answer(
    own_client: TestClient, own_county: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = allowances(own_client, monkeypatch)
    key = own_county.keys["school a1"]
    assert get(own_client, "/v1/students/b1-2/risk", key)[0] == 404
    assert len(taken) == 1
    refused = replace(own_client.app.state.limits.take("x"), wait_seconds=0.1)  # type: ignore[attr-defined]
    monkeypatch.setattr(own_client.app.state.limits, "take", lambda key_id: taken.append(key_id) or refused)  # type: ignore[attr-defined]
    taken.clear()
    asked: list[str] = []
    monkeypatch.setattr(daily, "student_content", lambda *told, **more: asked.append("a student"))
    assert get(own_client, "/v1/students/a1-2/risk", key)[0] == 429
    assert (len(taken), asked) == (1, [])


def test_nothing_is_shown_where_the_look_cannot_be_written(
    own_client: TestClient, own_county: Any, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = allowances(own_client, monkeypatch)
    with closing(sqlite3.connect(own_county.workspace / "store" / "audit.db")) as file, file:
        file.execute("CREATE TRIGGER full BEFORE INSERT ON look BEGIN SELECT RAISE(ABORT, 'full'); END")
    status, body, _ = get(own_client, "/v1/students/a1-2/risk", own_county.keys["school a1"])
    assert (status, len(short), len(taken)) == (503, 1, 1)
    assert b"risk" not in body.replace(b"riskmodel", b"")


@pytest.mark.parametrize("damaged", ["", "[]", "[{}]", '[{"student_id": "a1-2"}]', "[1, 2]", "nonsense"])
def test_a_damaged_row_is_told_as_one(
    own_client: TestClient, own_county: Any, short: list[str], damaged: str
) -> None:
    with closing(sqlite3.connect(own_county.workspace / "store" / "published.db")) as file, file:
        file.execute("UPDATE published_student SET content = ? WHERE student_id = 'a1-2'", (damaged,))
    one, other = both_ways(own_client, own_county, "a1-2", "school a1")
    assert one == other
    assert (one[0], len(short)) == (503, 1)


def test_a_short_way_that_looks_past_the_scope_would_be_noticed(
    client: TestClient, county: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = daily.student_content
    everywhere = Principal("bureau", "bureau")
    monkeypatch.setattr(
        daily, "student_content", lambda store, who, *rest, **more: read(store, everywhere, *rest, **more)
    )
    one, other = both_ways(client, county, "b1-2", "school a1")
    assert (one[0], other[0]) == (200, 404)


def test_questions_of_one_moment_are_answered_as_each_alone_and_wait_for_the_disk_together(
    client: TestClient, county: Any, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [
        (student_id, key)
        for student_id in ("a1-0", "a1-1", "b1-2", "moved", "nobody")
        for key in (*filter(None, county.keys.values()), "Bearer of-nobody")
    ]
    alone = [get(client, f"/v1/students/{student}/risk", key)[:2] for student, key in questions]
    audit: Any = client.app.state.audit  # type: ignore[attr-defined]
    written, recorded = [], audit.recorded

    async def noted(*looks: Any) -> None:
        written.append({look.request_id for look in looks})
        await recorded(*looks)

    monkeypatch.setattr(audit, "recorded", noted)
    short.clear()
    for one, other in zip(together(client.app, questions), alone, strict=True):
        assert one[0] == other[0]
        assert one[1] == other[1] or one[0] != 200  # a problem names its request
    of_the_short_way = [one for one in written if len(one) > 1]
    assert sum(map(len, of_the_short_way)) == len(short) > 10
    assert len(of_the_short_way) <= len(questions) // daily._MOST_TOGETHER + 1


def test_a_question_that_fails_fails_no_other(
    own_client: TestClient, own_county: Any, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = daily.student_content

    def failing(store: Any, who: Any, student_id: str, **more: Any) -> str | None:
        if student_id == "a1-1":
            raise UnicodeError
        return read(store, who, student_id, **more)

    monkeypatch.setattr(daily, "student_content", failing)
    key = own_county.keys["school a1"]
    told = together(own_client.app, [("a1-0", key), ("a1-1", key), ("a1-2", key)])
    assert [status for status, _ in told] == [200, 200, 200]
    assert short == ["a1-0", "a1-2"]
