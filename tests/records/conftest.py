"""Ask a store what was known on a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from riskmodel.domain import RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.deliveries import generation
from riskmodel.records.store import RecordStore

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")


def ask_store(store: RecordStore, sql: str, on: str, term: str | None = None) -> list[tuple[Any, ...]]:
    """Run SQL on every bucket as known on a day; all rows, sorted."""
    rows: list[tuple[Any, ...]] = []
    for bucket in range(store.bucket_count):
        if store.file("students", bucket) is None:
            continue
        with BucketReader(store, bucket) as reader:
            rows += reader.at(date.fromisoformat(on), RULE, term).execute(sql).fetchall()
    return sorted(rows, key=repr)


@pytest.fixture
def ask() -> Callable[..., list[tuple[Any, ...]]]:
    return ask_store


@pytest.fixture(autouse=True)
def in_two_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deal out even a few students, so that questions are asked of several buckets."""
    monkeypatch.setattr(generation, "bucket_count_for", lambda students: 2)
