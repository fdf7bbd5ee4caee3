"""Entries of a case, as short as a test needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from riskmodel.ledger.cases import Entry, Home, Kept

DAY = date(2026, 3, 2)
USUAL: dict[str, dict[str, object]] = {
    "opened": {"kind": "suspected", "found_by": "school", "home": Home("school-0"), "why": "三天未到"},
    "visited": {"met": "guardian"},
    "noted": {"why": "记"},
    "assigned": {"duties": {"class_teacher": "李"}},
    "planned": {"plan": ()},
    "handed_over": {"home": Home("school-1"), "why": "转入"},
    "verified_out": {"reasons": ("distance",), "evidence": ("家访记录",), "left_on": DAY},
    "verified_not_out": {"why": "在校", "evidence": ("班级照片",)},
    "returned": {"placement": "former_school", "evidence": ("到校签字",)},
    "followed_up": {"week": 1, "in_school": True},
    "left_again": {"why": "又走了", "reasons": ("work",), "evidence": ("家访记录",), "left_on": DAY},
    "closing_proposed": {"code": "in_school", "evidence": ("学籍截图",)},
    "closing_refused": {"why": "证据不足"},
    "closing_confirmed": {},
    "reopened": {"why": "又未到"},
}


def an_entry(event: str, day: date = DAY, **changes: object) -> Entry:
    usual = Entry(event=event, day=day, by="王老师", **USUAL[event])  # type: ignore[arg-type]
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.fixture
def kept() -> Callable[..., list[Kept]]:
    """Give `kept(entry, …)`: entries with numbers from 1, written down on the day after they happened."""

    def make(*entries: Entry) -> list[Kept]:
        return [
            Kept(
                number=number,
                entry=one,
                recorded_at=datetime(one.day.year, one.day.month, one.day.day, tzinfo=UTC)
                + timedelta(days=1),
                key_id="key-0",
                role="school",
            )
            for number, one in enumerate(entries, start=1)
        ]

    return make


@pytest.fixture
def entry() -> Callable[..., Entry]:
    return an_entry
