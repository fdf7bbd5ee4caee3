"""How often a key may ask, by one worker and by two that share the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from riskmodel.errors import StoreError
from serve import limits
from serve.app import create_app
from serve.limits import BURST_SECONDS, Limits
from serve.settings import Settings

from .conftest import NOW


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


OneLimit = Callable[..., Limits]


@pytest.fixture
def a_limit(tmp_path: Path) -> Iterator[OneLimit]:
    with ExitStack() as opened:

        def make(clock: Clock, per_minute: int = 60, folder: Path = tmp_path) -> Limits:
            return opened.enter_context(closing(Limits(folder, per_minute=per_minute, clock=clock)))

        yield make


def test_ten_seconds_worth_may_be_used_at_once_and_then_it_refills(a_limit: OneLimit) -> None:
    clock = Clock()
    limit = a_limit(clock)
    told = [limit.take("key") for _ in range(12)]
    assert [one.remaining for one in told] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert [one.wait_seconds is None for one in told] == [True] * 10 + [False] * 2
    assert told[10].headers == {
        "RateLimit-Policy": '"key";q=10;w=10', "RateLimit": '"key";r=0;t=10', "Retry-After": "1"
    }  # fmt: skip
    clock.now += 1
    assert limit.take("key").wait_seconds is None
    assert limit.take("key").wait_seconds is not None
    clock.now += 100
    assert limit.take("key").remaining == 9


def test_another_key_has_an_allowance_of_its_own(a_limit: OneLimit) -> None:
    limit = a_limit(Clock())
    for _ in range(11):
        limit.take("flood")
    assert limit.take("other").remaining == 9


def test_two_workers_count_together(a_limit: OneLimit) -> None:
    clock = Clock()
    workers = [a_limit(clock), a_limit(clock)]
    granted = [workers[number % 2].take("key").wait_seconds is None for number in range(20)]
    assert granted == [True] * 10 + [False] * 10


def test_a_clock_that_was_ahead_keeps_nobody_out_for_longer_than_the_window(a_limit: OneLimit) -> None:
    clock = Clock()
    limit = a_limit(clock)
    clock.now += 86_400
    for _ in range(10):
        limit.take("key")
    clock.now -= 86_400 - BURST_SECONDS
    assert limit.take("key").wait_seconds is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    pauses=st.lists(st.floats(0, 15), min_size=1, max_size=60), per_minute=st.sampled_from([6, 60, 600, 7777])
)
def test_no_pattern_gets_more_than_the_quota_and_the_refill(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float], per_minute: int
) -> None:
    clock = Clock()
    limit = Limits(tmp_path_factory.mktemp("limits"), per_minute=per_minute, clock=clock)
    began, granted = clock.now, 0
    for pause in pauses:
        clock.now += pause
        granted += limit.take("key").wait_seconds is None
        quota = max(1, round(BURST_SECONDS * per_minute / 60))
        assert granted <= quota + (clock.now - began) * per_minute / 60 + 1
    limit.close()


def test_keys_that_fall_on_the_same_place_of_the_file_keep_their_own_allowance(
    a_limit: OneLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 4)
    clock = Clock()
    one, other = a_limit(clock), a_limit(clock)
    for key in ("a", "b", "c", "d"):
        for _ in range(4):
            one.take(key)
    assert [other.take(key).remaining for key in ("d", "c", "b", "a")] == [5, 5, 5, 5]
    assert other.take("e").remaining == 9  # no place was free: all began anew
    taken = [(one, other)[turn % 2].take("a").remaining for turn in range(4)]
    assert taken == [9, 8, 7, 6]


def test_a_file_of_anything_lets_keys_ask(a_limit: OneLimit, tmp_path: Path) -> None:
    (tmp_path / limits.FILE_NAME).write_bytes(b"\xff" * (limits.MOST_KEYS * 16))
    assert a_limit(Clock()).take("key").remaining == 9


def test_a_file_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        Limits(tmp_path / "nowhere", per_minute=60, clock=Clock())
    assert refused.value.code == "limits_unwritable"


def test_over_its_allowance_a_key_is_told_when_to_come_again_and_others_are_not_touched(
    own_county: Any,
) -> None:
    with TestClient(create_app(Settings(workspace=own_county.workspace, requests_per_minute=6))) as client:
        headers = {"Authorization": own_county.keys["school a1"]}
        granted, refused = (client.get("/v1/students/a1-2/risk", headers=headers) for _ in range(2))
        assert (granted.status_code, refused.status_code) == (200, 429)
        assert granted.headers["ratelimit"] == '"key";r=0;t=10'
        assert granted.headers["ratelimit-policy"] == '"key";q=1;w=10'
        assert refused.json()["code"] == "too_many_requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        other = client.get("/v1/schools", headers={"Authorization": own_county.keys["school b1"]})
        assert other.status_code == 200
        # What may not ask is told so before any allowance is looked at.
        assert "ratelimit" not in client.get("/v1/schools").headers


def test_what_costs_more_uses_more_and_nothing_where_it_is_not_left(a_limit: OneLimit) -> None:
    limit = a_limit(Clock())
    assert limit.take("key", cost=7).remaining == 3
    refused = limit.take("key", cost=4)
    assert (refused.remaining, refused.wait_seconds) == (3, pytest.approx(1))
    assert limit.take("key", cost=3).remaining == 0


def test_a_question_about_many_students_counts_as_many_requests(own_county: Any) -> None:
    asked = {"student_ids": [f"none-{number}" for number in range(1000)]}
    headers = {"Authorization": own_county.keys["school a1"]}
    app = create_app(Settings(workspace=own_county.workspace, requests_per_minute=600), clock=lambda: NOW)
    with TestClient(app) as client:
        app.state.limits._clock = Clock()
        told = [client.post("/v1/students:batchGet", json=asked, headers=headers) for _ in range(6)]
        one = client.post("/v1/students:batchGet", json={"student_ids": ["a1-1"]}, headers=headers)
    assert [answer.status_code for answer in told] == [200] * 5 + [429]
    assert told[0].headers["ratelimit"].startswith('"key";r=80;')
    assert one.status_code == 429, "five thousand students are a hundred requests"


def test_who_comes_again_when_told_with_a_question_about_many_students_is_answered(own_county: Any) -> None:
    asked = {"student_ids": [f"none-{number}" for number in range(1000)]}
    headers = {"Authorization": own_county.keys["school a1"]}
    app = create_app(Settings(workspace=own_county.workspace, requests_per_minute=600), clock=lambda: NOW)
    with TestClient(app) as client:
        app.state.limits._clock = clock = Clock()
        for _ in range(4):
            client.post("/v1/students:batchGet", json=asked, headers=headers)
        for _ in range(10):
            client.get("/v1/schools", headers=headers)
        refused = client.post("/v1/students:batchGet", json=asked, headers=headers)
        assert refused.status_code == 429
        clock.now += int(refused.headers["retry-after"])
        assert client.post("/v1/students:batchGet", json=asked, headers=headers).status_code == 200
