"""What was done for the listed, counted by school."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from riskmodel.domain import Action, ActionKind, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store.actions import record_actions
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish
from riskmodel.store.work import WorkOfSchool, work_by_school

TODAY = date(2026, 11, 20)


def done(kind: ActionKind, number: int, day: date, *, school: str = "school-0", **more: object) -> Action:
    usual = Action(student_id=f"{school}-student-{number:05}", kind=kind, day=day, done_by="李老师")
    return replace(usual, **more)  # type: ignore[arg-type]


@pytest.fixture
def worked(
    store: Store, term: Callable[..., ScoredTerm], now: datetime, bureau: Principal
) -> dict[str, WorkOfSchool]:
    publish(store, term(schools=2, each=6), published_at=now, published_by="test")  # 0, 2 and 4 are listed
    after, before = now.date() + timedelta(days=3), now.date() - timedelta(days=30)
    actions = [
        done("contacted", 0, after), done("visited", 0, after),      # one student, contacted once
        done("suggested", 2, after), done("result", 2, after, result="in_school"),  # neither is contact
        done("visited", 4, before),                                  # before the list was published
        done("visited", 1, after),                                   # a visit, of one who is not listed
        done("aid_given", 2, after, school="school-1", programme="meals"),
        done("counselling_hours", 2, after, school="school-1", hours=1.5),
    ]  # fmt: skip
    later = now + timedelta(days=10)
    kept = record_actions(store, bureau, actions, at=later)
    withdrawn = record_actions(store, bureau, [done("visited", 4, after)], at=later)[0]
    taken_back = replace(done("visited", 4, after), corrects=withdrawn.action_id, withdrawn=True)
    record_actions(store, bureau, [taken_back], at=later)
    assert len(kept) == len(actions)
    return work_by_school(store, bureau, since=before, until=TODAY)


def test_contact_is_of_the_listed_and_since_the_list_was_published(worked: dict[str, WorkOfSchool]) -> None:
    assert worked["school-0"] == WorkOfSchool(listed=3, contacted=1, aided=0, visits=3, aid=0, hours=0)
    assert worked["school-1"] == WorkOfSchool(listed=3, contacted=1, aided=1, visits=0, aid=1, hours=1.5)


def test_what_was_done_before_the_reports_months_is_in_no_count_of_work(
    store: Store, worked: dict[str, WorkOfSchool], bureau: Principal, now: datetime
) -> None:
    found = work_by_school(store, bureau, since=now.date() + timedelta(days=1), until=TODAY)
    assert (found["school-0"].visits, found["school-0"].contacted) == (2, 1)


def test_a_school_counts_its_own_and_nothing_is_counted_where_nothing_was_published(
    store: Store, worked: dict[str, WorkOfSchool], of_school_0: Principal
) -> None:
    found = work_by_school(store, of_school_0, since=date(2026, 9, 1), until=TODAY)
    assert set(found) == {"school-0"}


def test_before_the_first_publishing_there_is_no_list(store: Store, bureau: Principal) -> None:
    with pytest.raises(StoreError) as refused:
        work_by_school(store, bureau, since=date(2026, 9, 1), until=TODAY)
    assert refused.value.code == "nothing_published"
