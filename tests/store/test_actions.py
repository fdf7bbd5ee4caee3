from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from riskmodel.domain import Action, Band, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store.actions import ActionsRefused, actions_in_force, actions_of, record_actions
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal, SchoolClass
from riskmodel.store.publishing import publish

OWN = "school-0-student-00001"
FOREIGN = "school-1-student-00001"


def talk(student_id: str = OWN, **changes: object) -> Action:
    usual = Action(student_id=student_id, kind="contacted", day=date(2026, 11, 1), done_by="李老师")
    return replace(usual, **changes)  # type: ignore[arg-type]


def codes(refused: pytest.ExceptionInfo[ActionsRefused]) -> list[tuple[int, str, str]]:
    return [(one.position, one.field, one.code) for one in refused.value.refusals]


@pytest.fixture
def full(store: Store, term: Callable[..., ScoredTerm], now: datetime) -> ScoredTerm:
    published = term(schools=2, each=4)
    publish(store, published, published_at=now, published_by="test")
    return published


def test_an_action_is_kept_with_the_set_and_the_score_that_were_served(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    [kept] = record_actions(
        store, of_school_0, [talk(action_id="a-1", result="reached", note="在家")], at=now
    )
    assert (kept.action_id, kept.school_id, kept.risk, kept.band) == ("a-1", "school-0", 0.1, Band.CHECK_IN)
    assert (kept.listed, kept.recorded_at, kept.key_id, kept.is_in_force) == (False, now, "key-0", True)
    assert kept.set_id.startswith("set-20261031-")
    assert actions_of(store, of_school_0, OWN) == (kept,)


def test_a_later_set_changes_nothing_of_what_was_kept(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime, term: Callable[..., ScoredTerm]
) -> None:
    [kept] = record_actions(store, of_school_0, [talk()], at=now)
    risen = replace(full, students=tuple(replace(one, risk=0.9) for one in full.students))
    later = publish(store, risen, published_at=now, published_by="test")
    assert actions_of(store, of_school_0, OWN) == (kept,)
    [second] = record_actions(store, of_school_0, [talk(kind="visited")], at=now)
    assert (second.set_id, second.risk) == (later, 0.9)
    [seen_before] = record_actions(store, of_school_0, [talk(set_id=kept.set_id, hours=1)], at=now)
    assert (seen_before.set_id, seen_before.risk) == (kept.set_id, 0.1)


def test_a_foreign_student_and_an_unknown_one_are_the_same_refusal(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    said = []
    for student_id in (FOREIGN, "none"):
        with pytest.raises(ActionsRefused) as refused:
            record_actions(store, of_school_0, [talk(), talk(student_id)], at=now)
        assert codes(refused) == [(1, "student_id", "action_student_unknown")]
        said.append(str(refused.value))
        assert actions_of(store, of_school_0, student_id) is None
    assert said[0] == said[1]
    assert actions_of(store, of_school_0, OWN) == (), "all or nothing"


def test_what_another_school_told_of_a_child_is_not_reached_by_its_id(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    record_actions(store, bureau, [talk(FOREIGN, action_id="1")], at=now)
    [own] = record_actions(store, of_school_0, [talk(action_id="1")], at=now)
    assert own.action.student_id == OWN
    with pytest.raises(ActionsRefused) as refused:
        record_actions(store, of_school_0, [talk(FOREIGN, corrects="1")], at=now)
    assert codes(refused) == [(0, "student_id", "action_student_unknown")]


def test_a_child_who_left_the_cohort_is_still_the_last_schools(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    without = replace(full, students=tuple(one for one in full.students if one.student_id != OWN))
    publish(store, without, published_at=now + timedelta(days=7), published_by="test")
    [kept] = record_actions(store, of_school_0, [talk(kind="result", result="returned")], at=now)
    assert kept.risk == 0.1
    assert actions_of(store, of_school_0, OWN) == (kept,)


def test_a_child_who_changed_school_is_the_new_ones(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    [kept] = record_actions(store, of_school_0, [talk()], at=now)
    moved = tuple(
        replace(one, school_id="school-1") if one.student_id == OWN else one for one in full.students
    )
    publish(store, replace(full, students=moved), published_at=now, published_by="test")
    assert actions_of(store, of_school_0, OWN) is None
    assert actions_in_force(store, of_school_0) == ()
    for set_id in (None, kept.set_id):
        with pytest.raises(ActionsRefused):
            record_actions(store, of_school_0, [talk(set_id=set_id)], at=now)
    assert actions_of(store, Principal("key-1", "school", frozenset({"school-1"})), OWN) == (kept,)


def test_telling_an_action_twice_is_harmless_and_other_content_under_its_id_is_refused(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    first = record_actions(store, of_school_0, [talk(action_id="a"), talk(action_id="b")], at=now)
    publish(store, full, published_at=now, published_by="test")
    later = now + timedelta(hours=1)
    assert record_actions(store, of_school_0, [talk(action_id="a"), talk(action_id="b")], at=later) == first
    with pytest.raises(ActionsRefused) as refused:
        record_actions(store, of_school_0, [talk(action_id="a", kind="visited")], at=later)
    assert codes(refused) == [(0, "action_id", "action_id_taken")]
    twice = record_actions(store, of_school_0, [talk(action_id="c"), talk(action_id="c")], at=later)
    assert twice[0] == twice[1]
    assert len(actions_of(store, of_school_0, OWN) or ()) == 3


def test_a_correction_is_a_new_row_and_only_what_stands_is_in_force(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    told = [talk(action_id="a"), talk(action_id="b", corrects="a", kind="visited")]
    record_actions(store, of_school_0, told, at=now)
    record_actions(store, of_school_0, [talk(action_id="x"), talk(corrects="x", withdrawn=True)], at=now)
    all_of = actions_of(store, of_school_0, OWN) or ()
    assert [one.is_in_force for one in all_of] == [False, True, False, False]
    assert [one.action_id for one in actions_in_force(store, bureau)] == ["b"]
    for wrong, code in (("a", "action_corrected_before"), ("none", "action_corrects_unknown")):
        with pytest.raises(ActionsRefused) as refused:
            record_actions(store, of_school_0, [talk(corrects=wrong)], at=now)
        assert codes(refused) == [(0, "corrects", code)]


def test_every_value_that_cannot_be_is_told_at_once(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    wrong = [
        talk(kind="visted"),
        talk(day=date(2062, 11, 1)),
        talk(day=date(2025, 9, 1)),
        talk(kind="aid_given"),
        talk(kind="counselling_hours"),
        talk(kind="result"),
        talk(done_by=" "),
        talk(note="a\nb"),
        talk(hours=0),
        talk(amount_yuan=float("nan")),
        talk(withdrawn=True),
    ]
    with pytest.raises(ActionsRefused) as refused:
        record_actions(store, of_school_0, wrong, at=now)
    assert codes(refused) == [
        (0, "kind", "action_code"),
        (1, "day", "action_day"),
        (2, "day", "action_day"),
        (3, "programme", "action_incomplete"),
        (4, "hours", "action_incomplete"),
        (5, "result", "action_incomplete"),
        (6, "done_by", "action_text"),
        (7, "note", "action_text"),
        (8, "hours", "action_number"),
        (9, "amount_yuan", "action_number"),
        (10, "corrects", "action_incomplete"),
    ]
    with pytest.raises(ActionsRefused):
        record_actions(store, of_school_0, [talk()] * 501, at=now)
    assert actions_of(store, of_school_0, OWN) == ()


def test_a_school_does_not_read_the_notes_of_a_counsellor(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    counsellor = Principal("key-c", "counsellor", frozenset({"school-0"}))
    record_actions(store, counsellor, [talk(note="家里的事")], at=now)
    record_actions(store, of_school_0, [talk(note="已约好时间")], at=now)
    assert [one.action.note for one in actions_of(store, of_school_0, OWN) or ()] == [None, "已约好时间"]
    assert [one.action.note for one in actions_of(store, counsellor, OWN) or ()] == ["家里的事", "已约好时间"]


def test_a_class_teacher_writes_for_the_own_class_and_reads_no_risk(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    teacher = Principal("key-t", "class_teacher", classes=frozenset({SchoolClass("school-0", 8, "2")}))
    record_actions(store, teacher, [talk()], at=now)
    [kept] = actions_of(store, teacher, OWN) or ()
    assert (kept.band, kept.risk) == (Band.CHECK_IN, None)
    assert [one.risk for one in actions_in_force(store, Principal("key-b", "bureau"))] == [0.1]
    with pytest.raises(ActionsRefused):
        record_actions(store, teacher, [talk("school-0-student-00002")], at=now)
    assert actions_of(store, teacher, "school-0-student-00002") is None


def test_who_may_not_write_or_read_is_told_so_whatever_is_asked(
    store: Store, full: ScoredTerm, now: datetime
) -> None:
    with pytest.raises(StoreError) as refused:
        record_actions(store, Principal("key-d", "data_team"), [talk()], at=now)
    assert refused.value.code == "not_allowed"
    blind = Principal("key-x", "bureau", permissions=frozenset({"write_actions"}))
    for ask in (lambda: actions_of(store, blind, OWN), lambda: actions_in_force(store, blind)):
        with pytest.raises(StoreError) as refused:
            ask()
        assert refused.value.code == "not_allowed"


def test_the_database_itself_refuses_to_change_a_row(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    record_actions(store, of_school_0, [talk()], at=now)
    with pytest.raises(IntegrityError, match="append only"), store.writing() as connection:
        connection.execute(text("UPDATE action SET kind = 'visited'"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=60,
)
@given(data=st.data())
def test_no_set_of_actions_reaches_a_child_outside_the_scope(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime, data: st.DataObject
) -> None:
    ids = [one.student_id for one in full.students] + ["none", "' OR 1=1"]
    told = data.draw(
        st.lists(
            st.builds(
                talk,
                st.sampled_from(ids),
                action_id=st.sampled_from([None, "1", "2"]),
                corrects=st.sampled_from([None, None, "1"]),
                set_id=st.sampled_from([None, None, "set-none"]),
            ),
            max_size=6,
        )
    )
    before = actions_in_force(store, Principal("key-b", "bureau"))
    try:
        kept = record_actions(store, of_school_0, told, at=now)
    except ActionsRefused:
        assert actions_in_force(store, Principal("key-b", "bureau")) == before
    else:
        assert all(one.school_id == "school-0" for one in kept)
    after = actions_in_force(store, Principal("key-b", "bureau"))
    assert all(one.school_id == "school-0" for one in after)
