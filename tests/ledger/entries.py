"""Entries of a case, as short as a test needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from riskmodel.ledger.cases import Entry, Home, PlanStep

DAY = date(2026, 3, 2)
USUAL: Mapping[str, Mapping[str, object]] = {
    "opened": {"kind": "suspected", "found_by": "school", "home": Home("school-0"), "why": "三天未到"},
    "visited": {"met": "guardian"},
    "noted": {"why": "记"},
    "assigned": {"duties": {"class_teacher": "李"}},
    "planned": {"plan": (PlanStep("补课", "李", DAY),)},
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
"""What each event asks for."""


def an_entry(event: str, day: date = DAY, **changes: object) -> Entry:
    """Return an entry as its event asks for it, with changes."""
    usual = Entry(event=event, day=day, by="王老师", **USUAL[event])  # type: ignore[arg-type]
    return replace(usual, **changes)  # type: ignore[arg-type]
