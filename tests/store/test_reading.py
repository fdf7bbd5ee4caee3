from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskmodel.domain import Band, ScoredStudent, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store import reading
from riskmodel.store.engine import Store, open_store
from riskmodel.store.principals import Principal, SchoolClass
from riskmodel.store.publishing import publish
from riskmodel.store.roll_numbers import roll_ref

Terms = Callable[..., ScoredTerm]
slow_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def full(store: Store, term: Terms, now: datetime) -> ScoredTerm:
    scored = term(schools=4, each=25)
    publish(store, scored, published_at=now, published_by="x")
    return scored


def test_a_foreign_and_a_missing_student_are_the_same_answer(
    store: Store, full: ScoredTerm, of_school_0: Principal
) -> None:
    assert reading.student(store, of_school_0, "school-0-student-00001") is not None
    assert reading.student(store, of_school_0, "school-1-student-00001") is None
    assert reading.student(store, of_school_0, "nobody") is None
    assert reading.school(store, of_school_0, "school-1") is None
    assert reading.students(store, of_school_0, "school-1").students == ()


def test_a_principal_without_schools_sees_nothing(store: Store, full: ScoredTerm) -> None:
    nobody = Principal("key", "counsellor", frozenset())
    assert reading.schools(store, nobody) == ()
    assert all(reading.student(store, nobody, one.student_id) is None for one in full.students)


@slow_fixtures
@given(
    schools=st.frozensets(st.sampled_from([f"school-{n}" for n in range(5)])),
    asked=st.sampled_from([f"school-{n}" for n in range(5)] + ["", "'", "school-0' OR 1=1 --", "%"]),
    role=st.sampled_from(["school", "counsellor"]),
    band=st.none() | st.sampled_from(Band),
    listed=st.none() | st.booleans(),
    limit=st.integers(-5, 600),
    cursor_school=st.integers(0, 3),
)
def test_a_key_never_sees_a_student_of_another_school(
    store: Store, full: ScoredTerm, schools: frozenset[str], asked: str, role: str, band: Band | None,
    listed: bool | None, limit: int, cursor_school: int,
) -> None:  # fmt: skip
    principal = Principal("key", role, schools)  # type: ignore[arg-type]
    set_id = reading.current_set(store).set_id
    foreign = base64.urlsafe_b64encode(
        json.dumps(
            [set_id, "grade,class,student_id", [7, "1", f"school-{cursor_school}-student-00000"]]
        ).encode()
    ).decode()
    for after in (None, foreign):
        page = reading.students(store, principal, asked, band=band, listed=listed, limit=limit, after=after)
        assert {one.school_id for one in page.students} <= schools & {asked}
    for one in full.students[::10]:
        found = reading.student(store, principal, one.student_id)
        assert (found is not None) == (one.school_id in schools)
    assert {school.school_id for school in reading.schools(store, principal)} <= schools


@pytest.mark.parametrize("limit", [1, 7, 25, 500])
def test_pages_hold_every_student_once_in_order(
    store: Store, full: ScoredTerm, of_school_0: Principal, limit: int
) -> None:
    seen, after = [], None
    while True:
        page = reading.students(store, of_school_0, "school-0", limit=limit, after=after)
        seen += page.students
        after = page.after
        if after is None:
            break
    own = [one for one in full.students if one.school_id == "school-0"]
    assert seen == sorted(own, key=lambda one: (one.grade, one.class_name, one.student_id))


@pytest.mark.parametrize(
    "wanted",
    [
        {"band": Band.REACH_OUT}, {"grade": 8}, {"class_name": "2"}, {"listed": True}, {"listed": False},
        {"band": Band.CHECK_IN, "grade": 8, "class_name": "2", "listed": False}, {"grade": 12},
    ],
)  # fmt: skip
def test_filters_keep_exactly_what_they_say(
    store: Store, full: ScoredTerm, of_school_0: Principal, wanted: dict[str, object]
) -> None:
    page = reading.students(store, of_school_0, "school-0", **wanted)  # type: ignore[arg-type]
    expected = {
        one.student_id
        for one in full.students
        if one.school_id == "school-0" and all(getattr(one, name) == value for name, value in wanted.items())
    }
    assert {one.student_id for one in page.students} == expected


def test_a_page_has_five_hundred_students_at_most(
    store: Store, term: Terms, now: datetime, bureau: Principal
) -> None:
    publish(store, term(schools=1, each=520), published_at=now, published_by="x")
    assert len(reading.students(store, bureau, "school-0", limit=10_000).students) == 500


def test_pages_of_two_sets_never_mix(
    store: Store, full: ScoredTerm, term: Terms, now: datetime, of_school_0: Principal
) -> None:
    first = reading.students(store, of_school_0, "school-0", limit=5)
    publish(store, term(), published_at=now, published_by="x")
    with pytest.raises(StoreError) as refused:
        reading.students(store, of_school_0, "school-0", limit=5, after=first.after)
    assert refused.value.code == "cursor_of_former_set"


@pytest.mark.parametrize("order", ["-grade", "band,-class", "-class,grade,-student_id", "student_id"])
def test_a_list_comes_in_the_order_that_was_asked_for_page_after_page(
    store: Store, full: ScoredTerm, of_school_0: Principal, order: str
) -> None:
    seen, after = [], None
    while True:
        page = reading.students(store, of_school_0, "school-0", order=order, limit=4, after=after)
        seen += page.students
        after = page.after
        if after is None:
            break
    places = [Band.REACH_OUT, Band.CHECK_IN, Band.NOT_ENOUGH_INFORMATION, Band.USUAL_CARE]
    values = {
        "grade": lambda one: one.grade, "class": lambda one: one.class_name,
        "band": lambda one: places.index(one.band), "student_id": lambda one: one.student_id,
    }  # fmt: skip
    expected = sorted((one for one in full.students if one.school_id == "school-0"),
                      key=lambda one: one.student_id)  # fmt: skip
    for name in reversed(order.split(",")):
        expected.sort(key=values[name.removeprefix("-")], reverse=name.startswith("-"))
    assert seen == expected


@pytest.mark.parametrize("order", ["", "risk", "grade,grade", "grade,-grade", "grade;class", "--grade"])
def test_an_order_that_is_none_of_ours_is_refused(
    store: Store, full: ScoredTerm, of_school_0: Principal, order: str
) -> None:
    with pytest.raises(StoreError) as refused:
        reading.students(store, of_school_0, "school-0", order=order)
    assert refused.value.code == "order_unreadable"


def test_a_cursor_of_another_order_is_refused(store: Store, full: ScoredTerm, of_school_0: Principal) -> None:
    after = reading.students(store, of_school_0, "school-0", limit=3).after
    with pytest.raises(StoreError) as refused:
        reading.students(store, of_school_0, "school-0", order="-grade", limit=3, after=after)
    assert refused.value.code == "cursor_unreadable"


def test_a_former_set_tells_only_of_those_whom_the_school_has_today(
    store: Store, term: Terms, student: Callable[..., ScoredStudent], now: datetime, bureau: Principal
) -> None:
    of_0, of_1 = (Principal("k", "school", frozenset({f"school-{n}"})) for n in range(2))
    stays, moves, left = "school-0-student-00000", "school-0-student-00001", "school-0-student-00002"
    first = publish(store, term(each=3), published_at=now, published_by="x")
    moved = [student(0, "school-0"), student(1, "school-1", student_id=moves)]
    publish(store, replace(term(each=0), students=tuple(moved)), published_at=now, published_by="x")
    for one, principal, told in [
        (stays, of_0, True), (stays, of_1, False), (moves, of_0, False), (moves, of_1, False),
        (moves, bureau, True), (left, of_0, False), (left, of_1, False),
    ]:  # fmt: skip
        assert (reading.student(store, principal, one, set_id=first) is not None) == told
        assert (one in reading.students_by_id(store, principal, [one], set_id=first)) == told
    assert [len(reading.student_history(store, of_1, one)) for one in (stays, moves, left)] == [0, 1, 0]
    history = reading.student_history(store, bureau, moves)
    assert [told.school_id for _, told in history] == ["school-1", "school-0"]
    assert [published.set_id for published, _ in history][1] == first


def test_classes_are_counted_within_the_scope(store: Store, full: ScoredTerm, of_school_0: Principal) -> None:
    own = [one for one in full.students if one.school_id == "school-0"]
    told = reading.classes(store, of_school_0, "school-0")
    assert sum(one.students for one in told) == len(own)
    assert sum(one.listed for one in told) == sum(one.listed for one in own)
    assert [(one.grade, one.class_name) for one in told] == sorted(
        {(one.grade, one.class_name) for one in own}
    )
    assert reading.classes(store, of_school_0, "school-1") == ()


def test_a_student_is_found_by_what_stands_for_the_roll_number_within_the_scope_only(
    store: Store, term: Terms, now: datetime, of_school_0: Principal
) -> None:
    key = bytes(32)
    numbers = {one.student_id: f"G1101012000{number:08}" for number, one in enumerate(term().students)}
    refs = {one: roll_ref(number, key) for one, number in numbers.items()}
    publish(store, term(), published_at=now, published_by="x", roll_refs=refs)
    found = reading.students_by_roll_ref(store, of_school_0, list(refs.values()))
    assert {ref: one.student_id for ref, one in found.items()} == {
        ref: one for one, ref in refs.items() if one.startswith("school-0")
    }
    content = b"".join(file.read_bytes() for file in store.folder.iterdir())
    assert not [number for number in numbers.values() if number.encode() in content]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
)
cursors = st.text() | anything.map(
    lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
)


@slow_fixtures
@given(cursors)
def test_a_cursor_that_is_none_of_ours_is_refused(
    store: Store, full: ScoredTerm, of_school_0: Principal, cursor: str
) -> None:
    with pytest.raises(StoreError) as refused:
        reading.students(store, of_school_0, "school-0", after=cursor)
    assert refused.value.code in ("cursor_unreadable", "cursor_of_former_set")


def test_a_row_that_was_changed_by_hand_is_refused(
    store: Store, full: ScoredTerm, of_school_0: Principal
) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE published_student SET content = replace(content, '0.1', '\"x\"')")
    with pytest.raises(StoreError) as refused:
        reading.student(store, of_school_0, "school-0-student-00001")
    assert refused.value.code == "row_cannot_be_read"


def test_every_statement_about_students_and_schools_holds_the_scope() -> None:
    source = Path(reading.__file__).read_text(encoding="utf-8")
    parts = [part.lstrip() for part in source.split("select(")[1:]]
    selects = [part for part in parts if part.startswith(("STUDENTS", "SCHOOLS"))]
    assert len(selects) == 7
    scopes = ("_sees(principal", "sees_school(principal", "sees_student(principal")
    assert all(any(scope in part for scope in scopes) for part in selects)


@pytest.fixture
def two_sets(store: Store, term: Terms, now: datetime) -> str:
    """School 0 in the east, school 1 in the west; of school 0's, student 0 moved on and student 1 came."""
    places = ("东乡", "西乡")
    former = term(schools=2, each=4)
    schools, swapped = (
        tuple(replace(one, township=place) for one, place in zip(former.schools, order, strict=True))
        for order in (places, places[::-1])
    )
    moved = [replace(one, school_id="school-1") if one.student_id.startswith("school-0-student-00000")
             else one for one in former.students]  # fmt: skip
    first = publish(store, replace(former, schools=schools), published_at=now, published_by="x")
    later = replace(former, schools=swapped, students=tuple(moved[:3] + moved[4:]))
    publish(store, later, published_at=now, published_by="x")
    return first


def ids(students: Iterable[ScoredStudent]) -> set[str]:
    return {one.student_id for one in students}


def test_a_district_sees_the_schools_of_its_townships_as_the_set_places_them(
    store: Store, two_sets: str
) -> None:
    east = Principal("key", "district", townships=frozenset({"东乡"}))
    both = Principal("key", "district", frozenset({"school-0"}), frozenset({"东乡"}))
    assert [one.school_id for one in reading.schools(store, east)] == ["school-1"]
    assert [one.school_id for one in reading.schools(store, both)] == ["school-0", "school-1"]
    assert ids(reading.students(store, east, "school-1").students) == {
        "school-0-student-00000", *(f"school-1-student-{number:05}" for number in range(4))
    }  # fmt: skip
    assert reading.students(store, east, "school-0").students == ()
    assert reading.student(store, east, "school-0-student-00001") is None


def test_a_class_teacher_sees_the_own_class_and_no_other(store: Store, two_sets: str) -> None:
    teacher = Principal("key", "class_teacher", classes=frozenset({SchoolClass("school-0", 8, "2")}))
    assert [one.school_id for one in reading.schools(store, teacher)] == ["school-0"]
    assert ids(reading.students(store, teacher, "school-0").students) == {"school-0-student-00001"}
    assert reading.student(store, teacher, "school-0-student-00001") is not None
    assert reading.student(store, teacher, "school-0-student-00002") is None
    assert reading.student(store, teacher, "school-1-student-00001") is None


def test_what_was_said_at_a_former_school_is_told_to_neither_school_but_to_who_has_both(
    store: Store, two_sets: str, bureau: Principal
) -> None:
    moved, stayed, gone = (f"school-0-student-{number:05}" for number in (0, 1, 3))
    former, present, both = (
        Principal("key", "school", frozenset(schools))
        for schools in ({"school-0"}, {"school-1"}, {"school-0", "school-1"})
    )
    seen = {
        name: ids(
            one for student in (moved, stayed, gone)
            if (one := reading.student(store, who, student, set_id=two_sets)) is not None
        )
        for name, who in {"former": former, "present": present, "both": both, "bureau": bureau}.items()
    }  # fmt: skip
    assert seen == {
        "former": {stayed}, "present": set(), "both": {moved, stayed}, "bureau": {moved, stayed, gone},
    }  # fmt: skip
    assert ids(reading.students(store, former, "school-0", set_id=two_sets).students) == {
        stayed, "school-0-student-00002"
    }  # fmt: skip


@pytest.mark.parametrize("ask", [
    lambda store, who: reading.student(store, who, "school-0-student-00001"),
    lambda store, who: reading.students(store, who, "school-0"),
    lambda store, who: reading.school(store, who, "school-0"),
    reading.schools,
])  # fmt: skip
def test_what_a_key_may_not_do_is_refused_whoever_is_asked_about(
    store: Store, full: ScoredTerm, ask: Callable[..., object]
) -> None:
    with pytest.raises(StoreError) as refused:
        ask(store, Principal("key", "bureau", permissions=frozenset({"read_audit"})))
    assert refused.value.code == "not_allowed"


def test_a_store_opens_again_with_what_was_published(
    store: Store, full: ScoredTerm, bureau: Principal
) -> None:
    again = open_store(store.folder)
    assert reading.student(again, bureau, full.students[0].student_id) == full.students[0]
    again.close()
