from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from riskmodel.domain import AidAnswer, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store import allocations
from riskmodel.store.allocations import AllocationItem, AllocationRun
from riskmodel.store.engine import Store
from riskmodel.store.objections import object_to
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
BUREAU = Principal("bureau", "bureau")
COUNSELLOR = Principal("c", "counsellor", school_ids=frozenset({"school-0"}))
SOFTWARE = Principal("s", "school", school_ids=frozenset({"school-0"}))


def item(number: int, school: str = "school-0", answer: AidAnswer = AidAnswer.TAKEN) -> AllocationItem:
    waits = answer == AidAnswer.PLACES_USED_UP
    return AllocationItem(
        programme="counselling", student_id=f"{school}-student-{number:05}", school_id=school, answer=answer,
        place=number + 1, waiting=number if waits else None, waiting_at="bureau" if waits else None,
        waiting_since=date(2026, 10, 31) if waits else None, yuan=None, hours=6.0, yuan_left=0.0,
        by_floor=False, lot_group=None, stable=True,
    )  # fmt: skip


@pytest.fixture
def drafted(store: Store, term: Callable[..., ScoredTerm]) -> AllocationRun:
    set_id = publish(store, term(), published_at=NOW, published_by="test")
    run = AllocationRun(
        run_id="alloc-1", set_id=set_id, as_of_date=date(2026, 10, 31), made_at=NOW, made_by="李",
        state="draft", content={"method": "greedy"},
    )  # fmt: skip
    items = [item(0), item(1, answer=AidAnswer.PLACES_USED_UP), item(0, "school-1")]
    assert allocations.save_run(store, BUREAU, run, items)
    return run


def test_a_run_is_drafted_frozen_and_approved_by_two_people(store: Store, drafted: AllocationRun) -> None:
    with pytest.raises(StoreError, match="frozen"):
        allocations.approve(store, BUREAU, "alloc-1", by="王", at=NOW)
    allocations.freeze(store, BUREAU, "alloc-1", by="李", at=NOW)
    with pytest.raises(StoreError, match="another person"):
        allocations.approve(store, BUREAU, "alloc-1", by=" 李", at=NOW)
    allocations.approve(store, BUREAU, "alloc-1", by="王", at=NOW)
    found = allocations.runs(store, BUREAU)[0]
    assert (found.state, found.frozen_by, found.approved_by) == ("approved", "李", "王")


def test_the_same_run_is_kept_once_and_never_changed(store: Store, drafted: AllocationRun) -> None:
    assert not allocations.save_run(store, BUREAU, replace(drafted, made_by="others"), [])
    page = allocations.items(store, BUREAU, "alloc-1")
    assert page is not None
    assert len(page.items) == 3


def test_a_saving_that_was_killed_is_seen_by_nobody_and_done_again(
    store: Store, drafted: AllocationRun
) -> None:
    def broken():
        yield item(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        allocations.save_run(store, BUREAU, replace(drafted, run_id="alloc-2"), broken())
    assert [run.run_id for run in allocations.runs(store, BUREAU)] == ["alloc-1"]
    assert allocations.save_run(store, BUREAU, replace(drafted, run_id="alloc-2"), [item(0)])


def test_schools_read_approved_runs_and_their_own_students_only(store: Store, drafted: AllocationRun) -> None:
    assert allocations.runs(store, COUNSELLOR) == ()
    assert allocations.items(store, COUNSELLOR, "alloc-1") is None
    allocations.freeze(store, BUREAU, "alloc-1", by="李", at=NOW)
    allocations.approve(store, BUREAU, "alloc-1", by="王", at=NOW)
    page = allocations.items(store, COUNSELLOR, "alloc-1")
    assert page is not None
    assert {student.school_id for _, student in page.items} == {"school-0"}
    elsewhere = allocations.items(store, COUNSELLOR, "alloc-1", school_id="school-1")
    assert elsewhere is not None
    assert elsewhere.items == ()


def test_who_may_not_read_a_counsellors_facts_reads_no_items(store: Store, drafted: AllocationRun) -> None:
    with pytest.raises(StoreError):
        allocations.items(store, SOFTWARE, "alloc-1")


def test_only_the_bureau_may_allocate(store: Store, drafted: AllocationRun) -> None:
    with pytest.raises(StoreError):
        allocations.save_run(store, COUNSELLOR, drafted, [])
    with pytest.raises(StoreError):
        allocations.freeze(store, COUNSELLOR, "alloc-1", by="李", at=NOW)


def test_pages_follow_one_another_without_loss(store: Store, drafted: AllocationRun) -> None:
    seen, after = [], None
    while True:
        page = allocations.items(store, BUREAU, "alloc-1", limit=1, after=after)
        assert page is not None
        seen += [one.student_id for one, _ in page.items]
        if page.after is None:
            break
        after = page.after
    assert len(seen) == len(set(seen)) == 3


def test_who_waits_is_carried_over_from_the_approved_run(store: Store, drafted: AllocationRun) -> None:
    assert allocations.waiting_since(store, BUREAU) == {}
    allocations.freeze(store, BUREAU, "alloc-1", by="李", at=NOW)
    allocations.approve(store, BUREAU, "alloc-1", by="王", at=NOW)
    assert allocations.waiting_since(store, BUREAU) == {
        ("counselling", "school-0-student-00001"): date(2026, 10, 31)
    }


def test_a_run_that_holds_nobody_of_theirs_is_none_for_a_school(store: Store, drafted: AllocationRun) -> None:
    elsewhere = replace(COUNSELLOR, school_ids=frozenset({"school-2"}))
    allocations.freeze(store, BUREAU, "alloc-1", by="李", at=NOW)
    allocations.approve(store, BUREAU, "alloc-1", by="王", at=NOW)
    assert [run.run_id for run in allocations.runs(store, COUNSELLOR)] == ["alloc-1"]
    assert allocations.runs(store, elsewhere) == ()
    assert allocations.items(store, elsewhere, "alloc-1") is None


def test_who_has_left_and_whose_guardian_objects_is_in_no_answer(
    store: Store, drafted: AllocationRun, term: Callable[..., ScoredTerm]
) -> None:
    object_to(store, "school-0-student-00000", by="李", at=NOW)
    page = allocations.items(store, BUREAU, "alloc-1")
    assert page is not None
    assert "school-0-student-00000" not in {one.student_id for one, _ in page.items}
    fewer = term()
    publish(store, replace(fewer, students=fewer.students[:1]), published_at=NOW, published_by="test")
    page = allocations.items(store, BUREAU, "alloc-1")
    assert page is not None
    assert page.items == ()


@pytest.mark.parametrize("cursor", ["x", "W10=", "WyJhbGxvYy0yIiwgInAiLCAicyJd", "WyJhbGxvYy0xIiwgMSwgMl0="])
def test_a_cursor_that_is_none_of_this_run_is_refused(
    store: Store, drafted: AllocationRun, cursor: str
) -> None:
    with pytest.raises(StoreError, match="page mark"):
        allocations.items(store, BUREAU, "alloc-1", after=cursor)
