"""Who sees what, where a look at the whole matrix (tests/isolation) would not tell why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from starlette.testclient import TestClient

from riskmodel.store.keys import revoke

REFUSED = ("nobody", "malformed", "wrong secret", "revoked", "expired")


def shown(node: Any, field: str) -> frozenset[str]:
    """Return every value of a field, however deep."""
    if isinstance(node, dict):
        here = {node[field]} if isinstance(node.get(field), str) else set()
        return frozenset(here).union(*(shown(child, field) for child in node.values()))
    if isinstance(node, list):
        return frozenset().union(*(shown(child, field) for child in node))
    return frozenset()


def test_foreign_missing_and_former_are_the_same_answer_to_the_byte(client: TestClient, county: Any) -> None:
    headers = {"Authorization": county.keys["school a1"]}
    paths = [f"/v1/students/{one}/risk" for one in ("b1-0", "a2-3", "none", "erased", "gone", "x" * 300)]
    paths += [f"/v1/schools/{one}/students" for one in ("b1", "none", "c1")]
    answers = [client.get(path, headers=headers) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    told = [dict(answer.headers) for answer in answers]
    ids = {one.pop("x-request-id") for one in told}
    assert len(ids) == len(paths)
    assert all(one == told[0] for one in told)


def test_foreign_and_missing_take_the_same_statements(own_client: TestClient, own_county: Any) -> None:
    said: list[str] = []
    store = own_client.app.state.store  # type: ignore[attr-defined]
    event.listen(store.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    headers = {"Authorization": own_county.keys["school a1"]}
    # What is remembered of key and set is asked once; from then on every request takes the same.
    assert own_client.get("/v1/students/a1-0/risk", headers=headers).status_code == 200
    store._glance._connection.set_trace_callback(said.append)
    kinds = []
    for student in ("b1-0", "none"):
        said.clear()
        assert own_client.get(f"/v1/students/{student}/risk", headers=headers).status_code == 404
        kinds.append([one.replace(student, "?") for one in said])
    assert kinds[0] == kinds[1]
    # The short way asks (serve/daily.py), finds nobody, and leaves all else to the long way.
    assert sum("published_student" in one for one in kinds[0]) == 2


def test_a_revoked_key_is_refused_on_the_next_request(own_client: TestClient, own_county: Any) -> None:
    key = own_county.keys["school a1"]
    headers = {"Authorization": key}
    assert own_client.get("/v1/students/a1-0/risk", headers=headers).status_code == 200
    revoke(own_county.store, key.split("_")[1], at=datetime(2026, 11, 2, tzinfo=UTC))
    assert own_client.get("/v1/students/a1-0/risk", headers=headers).status_code == 401


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data())
def test_no_filter_and_no_cursor_shows_a_student_of_another_school(
    client: TestClient, county: Any, data: st.DataObject
) -> None:
    who = data.draw(
        st.sampled_from([name for name in county.keys if name not in REFUSED and name != "bureau"])
    )
    headers = {"Authorization": county.keys[who]}
    foreign_cursors = []
    for school in ("a1", "b1"):
        page = client.get(
            f"/v1/schools/{school}/students?limit=1", headers={"Authorization": county.keys["bureau"]}
        )
        foreign_cursors.append(page.json()["next"].split("after=")[1])
    query = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "band": st.sampled_from(["reach_out", "check_in", "none"]),
                "grade": st.integers(-1, 25),
                "class": st.sampled_from(["1", "2", "", "%", "' OR '1'='1"]),
                "listed": st.sampled_from(["true", "false", "1", "maybe"]),
                "limit": st.integers(-1, 600),
                "after": st.sampled_from(foreign_cursors) | st.text(max_size=20),
                "school_id": st.just("b1"),
            },
        )
    )
    asked = data.draw(st.sampled_from(["a1", "a2", "b1", "b2", "c1"]))
    answer = client.get(f"/v1/schools/{asked}/students", params=query, headers=headers)
    assert answer.status_code in (200, 404, 409, 422)
    own = {one for one, school in county.students.items() if school in county.sees[who]}
    assert shown(answer.json(), "student_id") <= own
