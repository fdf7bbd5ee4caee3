from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from riskmodel.domain import Action, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store import reading
from riskmodel.store.actions import ActionsRefused, actions_in_force, actions_of, record_actions
from riskmodel.store.engine import Store, open_store
from riskmodel.store.feedback import Said, feedback_of, record_feedback
from riskmodel.store.idempotency import answer_once
from riskmodel.store.objections import lift, object_to, objecting, objections_of
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish
from riskmodel.store.tables import ANSWERS

CHILD = "school-0-student-00002"
EVERYBODY = (
    Principal("key-0", "school", frozenset({"school-0"})),
    Principal("key-c", "counsellor", frozenset({"school-0"})),
    Principal("key-d", "district", townships=frozenset({"镇"})),
    Principal("key-b", "bureau"),
    Principal("key-t", "data_team"),
)


@pytest.fixture
def full(store: Store, term: Callable[..., ScoredTerm], now: datetime) -> ScoredTerm:
    published = term(schools=2, each=4)
    publish(store, published, published_at=now, published_by="test")
    return published


def seen_by(store: Store, who: Principal) -> bool:
    page = {one.student_id for one in reading.students(store, who, "school-0").students}
    once = reading.student(store, who, CHILD) is not None
    assert (CHILD in page) == once
    assert (actions_of(store, who, CHILD) is not None) == once
    return once


def test_from_the_objection_on_nobody_sees_the_child_and_lifted_everybody_does(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    assert all(seen_by(store, who) for who in EVERYBODY)
    object_to(store, CHILD, by="王主任", at=now)
    assert not any(seen_by(store, who) for who in EVERYBODY)
    assert [
        len(reading.students(store, EVERYBODY[3], school).students) for school in ("school-0", "school-1")
    ] == [
        3,
        4,
    ]
    assert objecting(store) == {CHILD}
    lift(store, CHILD, by="李主任", at=now)
    assert all(seen_by(store, who) for who in EVERYBODY)
    assert objecting(store) == frozenset()
    assert [(one.lifted, one.by) for one in objections_of(store, CHILD)] == [
        (False, "王主任"),
        (True, "李主任"),
    ]


def test_it_holds_through_every_later_publishing_and_for_former_sets(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    former = reading.current_set(store).set_id
    object_to(store, CHILD, by="x", at=now)
    publish(store, replace(full), published_at=now, published_by="test")
    assert not any(seen_by(store, who) for who in EVERYBODY)
    assert reading.student(store, EVERYBODY[3], CHILD, set_id=former) is None
    again = open_store(store.folder)
    assert reading.student(again, EVERYBODY[3], CHILD) is None
    again.close()


def test_nothing_is_told_or_read_of_what_was_done_for_the_child(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    done = Action(student_id=CHILD, kind="visited", day=date(2026, 11, 1), done_by="x")
    record_actions(store, EVERYBODY[0], [done], at=now)
    object_to(store, CHILD, by="x", at=now)
    assert actions_in_force(store, EVERYBODY[3]) == ()
    with pytest.raises(ActionsRefused):
        record_actions(store, EVERYBODY[3], [done], at=now)


def test_what_cannot_be_is_refused_and_a_second_objection_changes_nothing(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    for ask, code in (
        (lambda: object_to(store, CHILD, by=" ", at=now), "objection_needs_a_name"),
        (lambda: object_to(store, "none", by="x", at=now), "objection_student_unknown"),
        (lambda: lift(store, CHILD, by="x", at=now), "objection_absent"),
    ):
        with pytest.raises(StoreError) as refused:
            ask()
        assert refused.value.code == code
    object_to(store, CHILD, by="x", at=now)
    object_to(store, CHILD, by="y", at=now)
    assert [one.by for one in objections_of(store, CHILD)] == ["x"]
    with pytest.raises(IntegrityError, match="append only"), store.writing() as connection:
        connection.execute(text("UPDATE objection SET lifted = 1"))


def test_nobody_can_speak_of_the_child_or_ask_which_reasons_it_has(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    object_to(store, CHILD, by="x", at=now)
    bureau = EVERYBODY[3]
    for said in (Said(student_id=CHILD, code="F3", noted_on=now.date()),
                 Said(student_id=CHILD, code="F4", family="home", noted_on=now.date())):  # fmt: skip
        with pytest.raises(StoreError) as refused:
            record_feedback(store, bureau, [said], at=now)
        assert refused.value.code == "feedback_student_unknown"
    assert feedback_of(store, bureau, CHILD) == ()


def test_what_a_write_about_the_child_was_answered_is_not_told_again(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    who = EVERYBODY[0]
    for key, student in (("k1", CHILD), ("k2", f"{CHILD}0")):
        answer_once(
            store, who, key, fingerprint="a", at=now, write=lambda named=student: f'{{"id": "{named}"}}'
        )
    object_to(store, CHILD, by="x", at=now)
    with store.reading() as connection:
        assert connection.scalars(select(ANSWERS.c.idempotency_key)).all() == ["k2"]
