"""A day is China's in every command: in the evening of UTC, schools live in tomorrow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel import pipelines
from riskmodel.pipelines import looking, run
from riskmodel.store.audit import Look, open_audit
from riskmodel.store.engine import open_store

CONFIG = Path(__file__).parents[1] / "configs" / "demo.yaml"


class Evening(datetime):
    """18:30 UTC, which is half past two in the night of the next day in China."""

    @classmethod
    def now(cls, tz: Any = None) -> Evening:
        return cls(2026, 11, 28, 18, 30, tzinfo=tz or UTC)


def test_a_run_in_the_evening_of_utc_is_of_the_day_that_schools_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "datetime", Evening)
    assert pipelines.Run.of(CONFIG, say=lambda *_, **__: None).today == date(2026, 11, 29)


def test_who_looked_on_a_day_is_asked_of_the_day_that_schools_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(tmp_path, create=True).close()
    audit = open_audit(tmp_path)
    for at, key_id in (((28, 15, 59), "of-the-28th"), ((28, 16, 1), "of-the-29th")):
        audit.record(
            Look(
                at=datetime(2026, 11, *at, tzinfo=UTC), key_id=key_id, route="/r", method="GET", status=200,
                set_id="s", request_id=key_id, purpose="care", shown=("s-1",), missed=(),
            )
        )  # fmt: skip
    audit.close()
    said: list[tuple[str, dict[str, Any]]] = []
    job: Any = SimpleNamespace(
        workspace=SimpleNamespace(store=tmp_path), say=lambda code, **told: said.append((code, told))
    )

    def keys() -> list[str]:
        found = [told["key_id"] for code, told in said if code == "looks_line"]
        said.clear()
        return found

    pipelines.show_looks(job, since=date(2026, 11, 29), until=date(2026, 11, 29))
    assert keys() == ["of-the-29th"]
    pipelines.show_looks(job, since=date(2026, 11, 28), until=date(2026, 11, 28))
    assert keys() == ["of-the-28th"]
    monkeypatch.setattr(looking, "datetime", Evening)
    pipelines.show_looks(job)
    assert sorted(keys()) == ["of-the-28th", "of-the-29th"], "today is the 29th already"
    pipelines.show_looks(job, student_id="s-1")
    assert [told["at"] for code, told in said if code == "look_at_student"] == [
        "2026-11-28 23:59", "2026-11-29 00:01",
    ]  # fmt: skip
