"""How often a key may ask, by one worker and by two that share the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from riskmodel.errors import StoreError
from serve.app import create_app
from serve.limits import BURST_SECONDS, Limits
from serve.settings import Settings


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def a_limit(folder: Path, clock: Clock, per_minute: int = 60) -> Limits:
    return Limits(folder, per_minute=per_minute, clock=clock)


def test_ten_seconds_worth_may_be_used_at_once_and_then_it_refills(tmp_path: Path) -> None:
    clock = Clock()
    limits = a_limit(tmp_path, clock)
    told = [limits.take("key") for _ in range(12)]
    assert [one.remaining for one in told] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert [one.wait_seconds is None for one in told] == [True] * 10 + [False] * 2
    assert told[10].headers == {
        "RateLimit-Policy": '"key";q=10;w=10', "RateLimit": '"key";r=0;t=10', "Retry-After": "1"
    }  # fmt: skip
    clock.now += 1
    assert limits.take("key").wait_seconds is None
    assert limits.take("key").wait_seconds is not None
    clock.now += 100
    assert limits.take("key").remaining == 9


def test_another_key_has_an_allowance_of_its_own(tmp_path: Path) -> None:
    limits = a_limit(tmp_path, Clock())
    for _ in range(11):
        limits.take("flood")
    assert limits.take("other").remaining == 9


def test_two_workers_count_together(tmp_path: Path) -> None:
    clock = Clock()
    workers = [a_limit(tmp_path, clock), a_limit(tmp_path, clock)]
    granted = [workers[number % 2].take("key").wait_seconds is None for number in range(20)]
    assert granted == [True] * 10 + [False] * 10


def test_a_clock_that_was_ahead_keeps_nobody_out_for_longer_than_the_window(tmp_path: Path) -> None:
    clock = Clock()
    limits = a_limit(tmp_path, clock)
    clock.now += 86_400
    for _ in range(10):
        limits.take("key")
    clock.now -= 86_400 - BURST_SECONDS
    assert limits.take("key").wait_seconds is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    pauses=st.lists(st.floats(0, 15), min_size=1, max_size=60), per_minute=st.sampled_from([6, 60, 600, 7777])
)
def test_no_pattern_gets_more_than_the_quota_and_the_refill(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float], per_minute: int
) -> None:
    clock = Clock()
    limits = a_limit(tmp_path_factory.mktemp("limits"), clock, per_minute)
    began, granted = clock.now, 0
    for pause in pauses:
        clock.now += pause
        granted += limits.take("key").wait_seconds is None
        quota = max(1, round(BURST_SECONDS * per_minute / 60))
        assert granted <= quota + (clock.now - began) * per_minute / 60 + 1
    limits.close()


def test_a_file_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        a_limit(tmp_path / "nowhere", Clock())
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
