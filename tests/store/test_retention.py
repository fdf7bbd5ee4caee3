from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from riskmodel.domain import Action, AidAnswer, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store import allocations, reading
from riskmodel.store.actions import actions_of, record_actions
from riskmodel.store.allocations import AllocationItem, AllocationRun
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import go_back, publish
from riskmodel.store.retention import (
    allocation_runs,
    complete_sets,
    outdated_actions,
    outdated_allocations,
    outdated_sets,
    remove_actions,
    remove_allocation,
    remove_sets,
)

BUREAU = Principal("key-b", "bureau")
OWN = "school-0-student-00001"


@pytest.fixture
def four(store: Store, term: Callable[..., ScoredTerm], now: datetime) -> list[str]:
    """Give four sets, a hundred days apart."""
    days = (now - timedelta(days=400), now - timedelta(days=300), now - timedelta(days=200), now)
    return [publish(store, term(schools=1, each=3), published_at=day, published_by="x") for day in days]


def test_old_sets_go_and_the_current_and_the_previous_never_do(
    store: Store, four: list[str], now: datetime
) -> None:
    later = now + timedelta(days=5000)
    assert set(outdated_sets(store, before=later)) == set(four[:2])
    assert outdated_sets(store, before=now - timedelta(days=350)) == (four[0],)
    assert remove_sets(store, four, before=later) == 2
    assert [one.set_id for one in complete_sets(store)] == four[2:]
    with store.reading() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT set_id FROM published_student").scalars().all()
    assert set(left) == set(four[2:])
    assert reading.student(store, BUREAU, OWN) is not None
    assert go_back(store, to=None, by="x", at=now) == four[2]


def test_after_a_rollback_the_two_that_matter_are_other_ones(
    store: Store, four: list[str], now: datetime
) -> None:
    go_back(store, to=four[0], by="x", at=now)
    assert set(outdated_sets(store, before=now + timedelta(days=1))) == set(four[1:3])


def test_what_became_current_meanwhile_stays(store: Store, four: list[str], now: datetime) -> None:
    shown = outdated_sets(store, before=now)
    go_back(store, to=four[0], by="x", at=now)
    remove_sets(store, shown, before=now)
    assert reading.current_set(store).set_id == four[0]


def test_a_removed_set_cannot_be_gone_back_to_and_its_actions_keep_their_score(
    store: Store, four: list[str], now: datetime
) -> None:
    done = Action(student_id=OWN, kind="visited", day=now.date(), done_by="x", set_id=four[0])
    record_actions(store, BUREAU, [done], at=now)
    remove_sets(store, four[:1], before=now)
    with pytest.raises(StoreError):
        go_back(store, to=four[0], by="x", at=now)
    [kept] = actions_of(store, BUREAU, OWN) or ()
    assert (kept.set_id, kept.risk) == (four[0], 0.1)


def test_old_actions_go_and_others_stay(store: Store, four: list[str], now: datetime) -> None:
    days = [now.date() - timedelta(days=ago) for ago in (300, 0)]
    record_actions(
        store, BUREAU, [Action(student_id=OWN, kind="visited", day=day, done_by="x") for day in days], at=now
    )
    before = now.date() - timedelta(days=100)
    assert outdated_actions(store, before=before) == remove_actions(store, before=before) == 1
    assert [one.action.day for one in actions_of(store, BUREAU, OWN) or ()] == [days[1]]
    assert outdated_actions(store, before=date(1999, 1, 1)) == 0


def test_an_action_and_its_corrections_go_together_and_what_was_wrong_never_holds_again(
    store: Store, four: list[str], now: datetime
) -> None:
    today, before = now.date(), now.date() - timedelta(days=10)

    def tell(name: str, days_ago: int, corrects: str | None = None, *, withdrawn: bool = False) -> None:
        day = today - timedelta(days=days_ago)
        told = Action(student_id=OWN, kind="visited", day=day, done_by="x", action_id=name,
                      corrects=corrects, withdrawn=withdrawn)  # fmt: skip
        record_actions(store, BUREAU, [told], at=now)

    tell("late", 2)
    tell("later-still", 3, "late")
    tell("in truth early", 20, "later-still")
    tell("early", 20)
    tell("in truth late", 2, "early")
    tell("never done", 2)
    tell("withdrawn", 20, "never done", withdrawn=True)
    tell("not now, either", 20)
    tell("withdrawn, too", 2, "not now, either", withdrawn=True)
    assert outdated_actions(store, before=before) == remove_actions(store, before=before) == 5
    told = {one.action_id: one.is_in_force for one in actions_of(store, BUREAU, OWN) or ()}
    assert told == {
        "early": False, "in truth late": True, "not now, either": False, "withdrawn, too": False,
    }  # fmt: skip


@pytest.fixture
def runs_of_aid(store: Store, now: datetime) -> list[str]:
    """Give three runs, a hundred days apart; the first two are approved, the last is a draft."""
    made = []
    for number, days in enumerate((300, 200, 100), start=1):
        at = now - timedelta(days=days)
        run = AllocationRun(
            run_id=f"alloc-{number}", set_id="gone", as_of_date=at.date(), made_at=at, made_by="x",
            state="draft", content={},
        )  # fmt: skip
        item = AllocationItem(
            programme="p", student_id=OWN, school_id="school-0", answer=AidAnswer.TAKEN, place=1,
            waiting=None, waiting_at=None, waiting_since=None, yuan=None, hours=None, yuan_left=None,
            by_floor=False, lot_group=None, stable=True,
        )  # fmt: skip
        allocations.save_run(store, BUREAU, run, [item])
        made.append(run.run_id)
    for run_id in made[:2]:
        allocations.freeze(store, BUREAU, run_id, by="x", at=now)
        allocations.approve(store, BUREAU, run_id, by="y", at=now)
    return made


def test_old_runs_of_aid_go_with_their_items_and_the_newest_approved_one_never_does(
    store: Store, runs_of_aid: list[str], now: datetime
) -> None:
    assert outdated_allocations(store, before=now - timedelta(days=250)) == ("alloc-1",)
    assert outdated_allocations(store, before=now) == ("alloc-1", "alloc-3")
    gone = [remove_allocation(store, each, before=now - timedelta(days=250)) for each in runs_of_aid]
    assert gone == [1, 0, 0]
    assert allocation_runs(store) == {"alloc-2", "alloc-3"}
    with store.reading() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT run_id FROM allocation_item").scalars().all()
    assert set(left) == {"alloc-2", "alloc-3"}
