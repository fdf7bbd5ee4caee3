from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from riskmodel.domain import Band, ScoredTerm, Statement
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.feedback import Agreement, Said, agreement, feedback_of, record_feedback
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish
from riskmodel.store.sheet_codes import plain_code, sheet_code, students_of_codes
from riskmodel.store.tickets import close_ticket, tickets

DAY = date(2026, 11, 9)
SEEN = Statement("attendance", "x", "can_act", "class_teacher", 0.9, 3, {}, "attendance", None)
HIDDEN = replace(SEEN, family="home", audience="counsellor", contribution=0.4)
STUDENT = "school-0-student-00000"


@pytest.fixture
def published(store: Store, term: Callable[..., ScoredTerm], now: datetime) -> str:
    scored = term(schools=2, each=12)
    students = tuple(replace(one, reasons=(SEEN, HIDDEN)) for one in scored.students)
    return publish(store, replace(scored, students=students), published_at=now, published_by="x")


def say(code: Any, student_id: str = STUDENT, **changes: Any) -> Said:
    return Said(student_id=student_id, code=code, noted_on=DAY, **changes)


def refusal(store: Store, who: Principal, *said: Said, at: datetime) -> str:
    with pytest.raises(StoreError) as refused:
        record_feedback(store, who, said, at=at)
    return refused.value.code


def test_what_is_said_is_kept_with_who_entered_it_and_read_back(
    store: Store, published: str, of_school_0: Principal, now: datetime
) -> None:
    [kept] = record_feedback(store, of_school_0, [say("F3")], at=now)
    assert (kept.set_id, kept.code, kept.family, kept.ticket_id) == (published, "F3", None, None)
    assert (kept.entered_by, kept.entered_at, kept.noted_on) == ("key-0", now, DAY)
    assert feedback_of(store, of_school_0, STUDENT) == (kept,)


def test_what_was_said_before_is_not_kept_twice(
    store: Store, published: str, of_school_0: Principal, now: datetime
) -> None:
    first = record_feedback(store, of_school_0, [say("F1", family="attendance")], at=now)
    again = record_feedback(store, of_school_0, [say("F1", family="attendance")], at=now + timedelta(hours=1))
    assert first == again
    assert len(tickets(store, of_school_0)) == 1


def test_a_student_of_another_school_cannot_be_spoken_of_nor_read_of(
    store: Store, published: str, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    for foreign in ("school-1-student-00000", "nobody"):
        assert refusal(store, of_school_0, say("F1", foreign), at=now) == "feedback_student_unknown"
    record_feedback(store, bureau, [say("F1", "school-1-student-00000")], at=now)
    assert feedback_of(store, of_school_0, "school-1-student-00000") == ()
    assert tickets(store, of_school_0) == ()
    assert len(tickets(store, bureau)) == 1


def test_all_is_kept_or_nothing_and_the_one_that_is_wrong_is_named(
    store: Store, published: str, of_school_0: Principal, now: datetime
) -> None:
    with pytest.raises(StoreError) as refused:
        record_feedback(store, of_school_0, [say("F1"), say("F4")], at=now)
    assert refused.value.code == "feedback_family_wrong"
    assert refused.value.slots["number"] == "2"
    assert feedback_of(store, of_school_0, STUDENT) == ()
    assert tickets(store, of_school_0) == ()


def test_only_a_reason_that_can_be_read_can_be_called_unfit(
    store: Store, published: str, of_school_0: Principal, now: datetime
) -> None:
    """Else a class teacher could find out, by trying, what only the counsellor may read."""
    counsellor = replace(of_school_0, key_id="c", role="counsellor")
    record_feedback(store, of_school_0, [say("F4", family="attendance")], at=now)
    told = refusal(store, of_school_0, say("F4", family="home"), at=now)
    assert told == refusal(store, of_school_0, say("F4", family="money"), at=now) == "feedback_family_wrong"
    record_feedback(store, counsellor, [say("F4", family="home")], at=now)


@pytest.mark.parametrize("code", ["F0", "F3", "F5"])
def test_codes_that_are_about_the_whole_sheet_name_no_family(
    store: Store, published: str, of_school_0: Principal, now: datetime, code: str
) -> None:
    record_feedback(store, of_school_0, [say(code)], at=now)
    told = refusal(store, of_school_0, say(code, family="attendance"), at=now)
    assert told == "feedback_family_wrong"


def test_wrong_data_open_one_ticket_until_it_is_answered(
    store: Store, published: str, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    def call_wrong(days: int) -> int | None:
        later = Said(student_id=STUDENT, code="F1", family="attendance", noted_on=DAY + timedelta(days=days))
        return record_feedback(store, of_school_0, [later], at=now + timedelta(days=days))[0].ticket_id

    first = call_wrong(0)
    assert call_wrong(1) == first
    closed = close_ticket(store, bureau, first or 0, answer="corrected", at=now + timedelta(days=2))
    assert (closed.answer, closed.closed_by) == ("corrected", "key-b")
    assert tickets(store, bureau, open_only=True) == ()
    assert call_wrong(3) != first


def test_a_ticket_is_closed_by_the_bureau_once_and_with_an_answer(
    store: Store, published: str, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    [kept] = record_feedback(store, of_school_0, [say("F1")], at=now)
    ticket = kept.ticket_id or 0
    for who, answer, code in (
        (bureau, "perhaps", "ticket_answer_unknown"),
        (of_school_0, "stands", "not_allowed"),
    ):
        with pytest.raises(StoreError) as refused:
            close_ticket(store, who, ticket, answer=answer, at=now)
        assert refused.value.code == code
    close_ticket(store, bureau, ticket, answer="stands", at=now)
    with pytest.raises(StoreError) as refused:
        close_ticket(store, bureau, ticket, answer="stands", at=now)
    assert refused.value.code == "ticket_not_open"


def test_a_reason_fits_where_a_sheet_came_back_and_nobody_called_it_wrong(
    store: Store, published: str, bureau: Principal, now: datetime
) -> None:
    def student(number: int) -> str:
        return f"school-0-student-{number:05}"

    said = [say("F0", student(0)), say("F3", student(1)), say("F4", student(2), family="attendance")]
    said += [say("F1", student(3), family="home"), say("F4", student(3), family="attendance")]
    record_feedback(store, bureau, said, at=now)
    told = {one.family: (one.came_back, one.agreed) for one in agreement(store, bureau)}
    assert told["attendance"] == (4, 2)
    assert told["home"] == (4, 3)
    assert told["money"] == (0, 0)


def test_the_interval_is_wilsons() -> None:
    share = Agreement("study", 20, 18).share
    assert (share.value, share.low, share.high) == pytest.approx((0.9, 0.6990, 0.9721), abs=1e-3)
    everybody = Agreement("study", 10, 10).share
    assert (everybody.low, everybody.high) == pytest.approx((0.7225, 1.0), abs=1e-3)


def test_a_sheet_finds_its_student_back_and_tells_nothing_by_itself(store: Store, published: str) -> None:
    code = sheet_code(published, STUDENT)
    assert students_of_codes(store, Principal("b", "bureau"), [code, "00000-00000"]) == {
        code: (published, STUDENT)
    }
    assert STUDENT not in code
    assert sheet_code("another set", STUDENT) != code


def test_whoever_has_a_sheet_can_be_spoken_of_by_its_code_listed_or_not(
    store: Store, term: Callable[..., ScoredTerm], now: datetime, bureau: Principal
) -> None:
    scored = term(schools=1, each=3)
    bands = (Band.CHECK_IN, Band.NOT_ENOUGH_INFORMATION, Band.USUAL_CARE)
    students = tuple(
        replace(one, band=band, listed=band is Band.CHECK_IN, risk=None if "enough" in band else one.risk)
        for one, band in zip(scored.students, bands, strict=True)
    )
    set_id = publish(store, replace(scored, students=students), published_at=now, published_by="x")
    codes = [sheet_code(set_id, one.student_id) for one in students]
    found = students_of_codes(store, bureau, codes)
    assert list(found) == codes[:2]
    said = [say("F1", student_id, set_id=of_set) for of_set, student_id in found.values()]
    assert record_feedback(store, bureau, said, at=now)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("7kq4m-2x9tp", "7KQ4M-2X9TP"), ("7KQ4M2X9TP", "7KQ4M-2X9TP"),
        (" ７ＫＱ４Ｍ－２Ｘ９ＴＰ ", "7KQ4M-2X9TP"),
        ("OKQ4M-2X9IL", "0KQ4M-2X911"), ("7KQ4M", ""), ("", ""), ("=7KQ4M2X9TPP", ""),
    ],
)  # fmt: skip
def test_a_code_is_read_as_people_write_it(written: str, read: str) -> None:
    assert plain_code(written) == read


def test_what_a_counsellor_said_of_a_withheld_reason_is_not_told_to_others(
    store: Store, published: str, of_school_0: Principal, now: datetime
) -> None:
    counsellor = Principal("key-c", "counsellor", of_school_0.school_ids)
    record_feedback(store, counsellor, [say("F4", family="home"), say("F2", family="attendance")], at=now)
    assert {one.family for one in feedback_of(store, counsellor, STUDENT)} == {"home", "attendance"}
    assert {one.family for one in feedback_of(store, of_school_0, STUDENT)} == {None, "attendance"}
    record_feedback(store, of_school_0, [say("F1", family="home")], at=now)
    [own] = [one for one in feedback_of(store, of_school_0, STUDENT) if one.code == "F1"]
    assert own.family == "home", "who said it knows it"
