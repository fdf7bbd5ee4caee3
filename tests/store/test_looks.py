from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from riskmodel.errors import StoreError
from riskmodel.store.audit import AuditLog, Look, open_audit
from riskmodel.store.engine import Store
from riskmodel.store.keys import make_key
from riskmodel.store.looks import looks_at, looks_by_key
from riskmodel.store.principals import Principal, Purpose

AUDITOR = Principal("a", "bureau")


@pytest.fixture
def audit(store: Store) -> Iterator[AuditLog]:
    opened = open_audit(store.folder, wait_seconds=0.2)
    yield opened
    opened.close()


def look(
    audit: AuditLog, key_id: str, at: datetime, shown: Sequence[str], *, missed: Sequence[str] = (),
    purpose: Purpose = "care",
) -> None:  # fmt: skip
    audit.record(
        Look(
            at=at, key_id=key_id, route="/r", method="GET", status=200, set_id="s",
            request_id=f"{key_id}{at}", purpose=purpose, shown=tuple(shown), missed=tuple(missed),
        )
    )  # fmt: skip


def test_the_report_counts_looks_students_and_purposes_of_each_key(
    store: Store, audit: AuditLog, now: datetime
) -> None:
    key_id = make_key(store, role="school", school_ids=["a"], label="软件", made_at=now).split("_")[1]
    look(audit, key_id, now - timedelta(days=9), ["early"])
    look(audit, key_id, now, ["a", "b"])
    look(audit, key_id, now + timedelta(hours=1), ["a"], missed=["c"], purpose="aid")
    look(audit, key_id, now + timedelta(days=9), ["late"])
    look(audit, "riskmodel", now, [])
    first, second = looks_by_key(
        store, audit, AUDITOR, since=now - timedelta(days=1), until=now + timedelta(days=1)
    )
    assert (first.key_id, first.role, first.label) == (key_id, "school", "软件")
    assert (first.requests, first.looks, first.students, first.missed) == (2, 3, 2, 1)
    assert first.by_purpose == {"aid": 1, "care": 2}
    assert (first.first, first.last) == (now, now + timedelta(hours=1))
    assert (second.key_id, second.role, second.looks) == ("riskmodel", None, 0)


def test_who_browses_three_times_the_usual_of_the_role_is_marked(
    store: Store, audit: AuditLog, now: datetime
) -> None:
    schools = [
        make_key(store, role="school", school_ids=["a"], label="x", made_at=now).split("_")[1]
        for _ in range(5)
    ]
    bureau = make_key(store, role="bureau", label="x", made_at=now).split("_")[1]
    for key_id, looks in zip([*schools, bureau], (10, 10, 12, 29, 35, 400), strict=True):
        look(audit, key_id, now, [f"student-{number}" for number in range(looks)])

    def marked() -> list[str]:
        told = looks_by_key(store, audit, AUDITOR, since=now, until=now + timedelta(days=1))
        return [one.key_id for one in told if one.much]

    assert marked() == []
    look(audit, schools[4], now, ["one more"])
    assert marked() == [schools[4]]


def test_one_childs_looks_are_found_and_no_others(store: Store, audit: AuditLog, now: datetime) -> None:
    look(audit, "k", now, ["a", "b"])
    look(audit, "m", now, ["b"], missed=["a"])
    told = looks_at(store, audit, AUDITOR, "a")
    assert [(one.key_id, one.shown, one.purpose) for one in told] == [
        ("k", True, "care"), ("m", False, "care"),
    ]  # fmt: skip
    assert looks_at(store, audit, AUDITOR, "z") == ()


@pytest.mark.parametrize("role", ["district", "school", "counsellor", "class_teacher"])
def test_who_may_not_read_the_log_is_refused(store: Store, audit: AuditLog, now: datetime, role: str) -> None:
    who = Principal("x", role, frozenset({"a"}))  # type: ignore[arg-type]
    for ask in (
        lambda: looks_by_key(store, audit, who, since=now, until=now),
        lambda: looks_at(store, audit, who, "a"),
    ):
        with pytest.raises(StoreError) as refused:
            ask()
        assert refused.value.code == "not_allowed"
