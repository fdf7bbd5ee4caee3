from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from riskmodel.domain import ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Entry, Home, PlanStep
from riskmodel.ledger.codes import Event
from riskmodel.ledger.deadlines import LedgerRule
from riskmodel.store.actions import actions_of
from riskmodel.store.cases import KeptCase, as_read_by, case_of, cases, due_cases, ledger_events
from riskmodel.store.children import erase_student, rows_about
from riskmodel.store.engine import Store
from riskmodel.store.ledger import EntryRefused, add_entry, keep_ledger_rules, open_case
from riskmodel.store.ledger_check import check_ledger
from riskmodel.store.objections import object_to
from riskmodel.store.principals import RIGHTS, Principal, SchoolClass
from riskmodel.store.publishing import publish

from ..ledger.clerk import MAY
from ..ledger.entries import an_entry

DAY = date(2026, 10, 20)
OWN = "school-0-student-00001"
FOREIGN = "school-1-student-00001"
RULE = LedgerRule(version="test", valid_from=date(2020, 1, 1), follow_up_weeks=(1,))
TOWNSHIP = Principal("key-t", "district", townships=frozenset({"镇"}))


def told(event: Event, days: int = 0, **changes: object) -> Entry:
    """Return an entry of some days after DAY; a closing is decided by another person."""
    left = {"left_on": DAY} if event in ("verified_out", "left_again") else {}
    who = {"by": "赵"} if event in ("closing_refused", "closing_confirmed") else {}
    return an_entry(event, DAY + timedelta(days=days), **{**left, **who, **changes})


@pytest.fixture
def full(store: Store, term: Callable[..., ScoredTerm], now: datetime, bureau: Principal) -> ScoredTerm:
    published = term(schools=2, each=4)
    publish(store, published, published_at=now, published_by="test")
    keep_ledger_rules(store, bureau, [RULE], at=now)
    return published


@pytest.fixture
def walk(store: Store, full: ScoredTerm, bureau: Principal, now: datetime) -> Callable[..., KeptCase]:
    """Give `walk(event or entry, …)`: a new case of a child, and how it stands after these."""
    ids = itertools.count()

    def make(*events: Event | Entry, student_id: str | None = None) -> KeptCase:
        case = open_case(store, bureau, student_id or f"child-{next(ids)}", told("opened"), at=now)
        for one in events:
            entry = one if isinstance(one, Entry) else told(one)
            by_other = replace(bureau, key_id="key-2") if "closing_" in entry.event else bureau
            by_other = bureau if entry.event == "closing_proposed" else by_other
            after = add_entry(store, by_other, case.case_id, entry, at=now)
            assert after is not None
            case = after
        return case

    return make


CLOSED = ("verified_not_out", "closing_proposed", "closing_confirmed")
PATHS: dict[str, tuple[Event, ...]] = {
    "to_verify": (),
    "explained": ("verified_not_out",),
    "persuading": ("verified_out",),
    "returned": ("returned",),
    "closing": ("verified_not_out", "closing_proposed"),
    "closed": CLOSED,  # type: ignore[dict-item]
}
TOO_EARLY = told("closing_proposed", code="returned_stable")
WHERE_TO = told("closing_proposed", code="transferred")
CODES = {"persuading": "past_age", "returned": "returned_stable"}


@pytest.mark.parametrize("state", PATHS)
def test_every_step_outside_the_table_is_refused_and_changes_nothing(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime, state: str
) -> None:
    second = replace(bureau, key_id="key-2")
    seen = [told("followed_up", 1)] if state == "returned" else []
    path: list[Event | Entry] = [*PATHS[state], *seen]
    taken, case = set(), walk(*path)
    for event in get_args(Event):
        assert case.case.state == state
        entry = told(event, 1)
        if event == "closing_proposed" and state in CODES:
            entry = replace(entry, code=CODES[state])  # type: ignore[arg-type]
        if event in MAY[state].split():
            add_entry(store, second, case.case_id, entry, at=now)
            taken.add(event)
            case = walk(*path)
            continue
        with pytest.raises(EntryRefused) as refused:
            add_entry(store, second, case.case_id, entry, at=now)
        assert (refused.value.field, refused.value.code) == ("event", "ledger_step")
        assert case_of(store, bureau, case.case_id) == case
    assert taken == set(MAY[state].split())
    assert check_ledger(store, bureau).sound


@pytest.mark.parametrize(
    ("path", "entry", "field", "code"),
    [
        ((), told("visited", met=None), "met", "ledger_incomplete"),
        ((), told("visited", by=" "), "by", "ledger_incomplete"),
        ((), told("visited", by="李" * 51), "by", "ledger_text"),
        ((), told("visited", met="somebody"), "met", "ledger_code"),
        ((), told("visited", child={"name": "王"}), "child", "ledger_not_asked"),
        ((), told("handed_over", home=Home("school-1", class_name="一" * 101)), "home", "ledger_text"),
        ((), told("handed_over", home=Home("school-1", class_name="a\x07b")), "home", "ledger_text"),
        ((), told("handed_over", home=Home("school-1", grade=17)), "home", "ledger_code"),
        ((), told("planned", plan=(PlanStep("补课", "李" * 51, DAY),)), "plan", "ledger_text"),
        ((), told("visited", 15), "day", "ledger_day"),
        ((), told("visited", -1200), "day", "ledger_day"),
        ((), told("noted", why="a\x07b"), "why", "ledger_text"),
        ((), told("verified_out", reasons=()), "reasons", "ledger_incomplete"),
        ((), told("verified_out", reasons=("other", "other")), "reasons", "ledger_code"),
        ((), told("verified_out", evidence=()), "evidence", "ledger_incomplete"),
        ((), told("verified_out", left_on=None), "left_on", "ledger_incomplete"),
        ((), told("verified_out", left_on=DAY + timedelta(days=1)), "left_on", "ledger_day"),
        ((), told("verified_out", -1, left_on=DAY - timedelta(days=9)), "day", "ledger_day_before"),
        ((), told("verified_not_out", evidence=(" ",)), "evidence", "ledger_text"),
        ((), told("returned", placement="other_school"), "to_school_id", "ledger_incomplete"),
        ((), told("assigned", duties={"friend": "李"}), "duties", "ledger_code"),
        (("returned",), told("followed_up", 9, week=3), "week", "ledger_code"),
        (("returned",), told("followed_up"), "day", "ledger_follow_up_early"),
        (("returned",), told("left_again", evidence=()), "evidence", "ledger_incomplete"),
        (("returned",), told("left_again", reasons=()), "reasons", "ledger_incomplete"),
        (("returned",), told("left_again", left_on=None), "left_on", "ledger_incomplete"),
        (("returned",), TOO_EARLY, "code", "ledger_follow_ups_missing"),
        (("returned",), told("closing_proposed"), "code", "ledger_code_of_other_state"),
        (("verified_not_out",), WHERE_TO, "to_school_id", "ledger_incomplete"),
        (("verified_not_out",), told("closing_proposed", evidence=()), "evidence", "ledger_incomplete"),
        (("visited",), told("visited", corrects=999, why="错"), "corrects", "ledger_corrects_unknown"),
    ],
)  # fmt: skip
def test_what_an_entry_lacks_is_said_by_its_field(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime,
    path: tuple[Event, ...], entry: Entry, field: str, code: str,
) -> None:  # fmt: skip
    case = walk(*path)
    with pytest.raises(EntryRefused) as refused:
        add_entry(store, bureau, case.case_id, entry, at=now)
    assert (refused.value.field, refused.value.code) == (field, code)
    assert case_of(store, bureau, case.case_id) == case


@pytest.mark.parametrize(
    ("key", "by", "taken"),
    [("key-2", "赵", True), ("key-b", "赵", False), ("key-2", "王老师", False), ("key-2", " 王老师 ", False)],
)
def test_a_closing_takes_another_person_with_another_key(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime, key: str, by: str,
    taken: bool,
) -> None:  # fmt: skip
    case = walk("verified_not_out", "closing_proposed")
    deciding = replace(bureau, key_id=key)
    if taken:
        after = add_entry(store, deciding, case.case_id, told("closing_confirmed", by=by), at=now)
        assert after is not None
        assert (after.case.state, after.case.code, after.due) == ("closed", "in_school", ())
    else:
        with pytest.raises(EntryRefused, match="另一个人"):
            add_entry(store, deciding, case.case_id, told("closing_confirmed", by=by), at=now)


def test_a_school_proposes_a_closing_and_does_not_decide_it(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    case = open_case(store, of_school_0, OWN, told("opened"), at=now)
    for event in ("verified_not_out", "closing_proposed"):
        add_entry(store, of_school_0, case.case_id, told(event), at=now)
    with pytest.raises(StoreError, match="may not"):
        add_entry(store, of_school_0, case.case_id, told("closing_confirmed"), at=now)
    decided = add_entry(store, TOWNSHIP, case.case_id, told("closing_confirmed"), at=now)
    assert decided is not None
    assert decided.case.state == "closed"


def test_a_child_has_one_open_case_and_opening_it_twice_with_the_same_id_is_harmless(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    opening = told("opened", entry_id="mine-1")
    case = open_case(store, of_school_0, OWN, opening, at=now)
    assert open_case(store, of_school_0, OWN, opening, at=now) == case
    with pytest.raises(EntryRefused) as refused:
        open_case(store, of_school_0, OWN, told("opened"), at=now)
    assert refused.value.code == "ledger_open_already"
    again = add_entry(store, of_school_0, case.case_id, told("visited", entry_id="v-1"), at=now)
    assert add_entry(store, of_school_0, case.case_id, told("visited", entry_id="v-1"), at=now) == again
    with pytest.raises(EntryRefused) as refused:
        add_entry(store, of_school_0, case.case_id, told("visited", 1, entry_id="v-1"), at=now)
    assert refused.value.code == "ledger_entry_id_taken"


def test_an_id_that_stands_for_a_handing_over_elsewhere_is_taken(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime
) -> None:
    handing = told("handed_over", home=Home("school-1", "谁说的"), entry_id="h-1")
    case = walk(handing)
    assert add_entry(store, bureau, case.case_id, handing, at=now) == case, "who tells it again is answered"
    for home in (Home("school-0"), Home("school-1", grade=7), Home(township="镇")):
        with pytest.raises(EntryRefused) as refused:
            add_entry(store, bureau, case.case_id, replace(handing, home=home), at=now)
        assert refused.value.code == "ledger_entry_id_taken"
    assert case_of(store, bureau, case.case_id) == case


def test_a_correction_of_the_opening_tells_what_was_wrong_and_leaves_the_rest(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    child = {"name": "王甲于", "phone": "13800000000", "hardship": "low_income"}
    opening = told("opened", child=child, duties={"class_teacher": "李"}, reasons=("work",))
    case = open_case(store, bureau, OWN, opening, at=now)
    right = Entry(
        event="opened", day=DAY, by="李", why="名字写错", corrects=case.entries[0].number, entry_id="c-1",
        child={"name": "王甲子", "phone": ""},
    )  # fmt: skip
    after = add_entry(store, of_school_0, case.case_id, right, at=now)
    assert add_entry(store, of_school_0, case.case_id, right, at=now) == after
    assert after is not None
    assert after.case == replace(case.case, child={**child, "name": "王甲子", "phone": ""})
    assert "hardship" not in as_read_by(of_school_0, after).case.child, "who corrects a name reads no more"
    assert check_ledger(store, bureau).sound


def test_a_foreign_child_an_unknown_one_and_a_foreign_case_are_the_same_refusal(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    foreign = open_case(store, bureau, FOREIGN, told("opened"), at=now)
    said = []
    for student_id in (FOREIGN, "none", "household:p1"):
        with pytest.raises(EntryRefused) as refused:
            open_case(store, of_school_0, student_id, told("opened"), at=now)
        said.append(str(refused.value))
    assert len(set(said)) == 1
    for case_id in (foreign.case_id, "none"):
        assert case_of(store, of_school_0, case_id) is None
        assert add_entry(store, of_school_0, case_id, told("visited"), at=now) is None
    assert cases(store, of_school_0) == due_cases(store, of_school_0, until=date(2099, 1, 1)) == ()


def test_an_objection_to_being_scored_hinders_no_opening_by_who_keeps_the_child(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    child = next(one for one in full.students if one.student_id == OWN)
    object_to(store, OWN, by="母", at=now)
    other = Principal("key-o", "school", frozenset({"school-1"}))
    with pytest.raises(EntryRefused) as refused:
        open_case(store, other, OWN, told("opened"), at=now)
    assert (refused.value.field, refused.value.code) == ("student_id", "ledger_student_unknown")
    home = open_case(store, of_school_0, OWN, told("opened"), at=now).case.home
    assert (home.school_id, home.grade, home.class_name) == ("school-0", child.grade, child.class_name)
    assert actions_of(store, bureau, OWN) is None, "of scores and actions nothing is told"


def test_a_township_opens_a_case_of_a_child_whom_no_school_has_and_only_of_its_own(
    store: Store, full: ScoredTerm, bureau: Principal, now: datetime
) -> None:
    opening = told("opened", kind="school_age", home=Home(township="镇"), child={"name": "王甲子"})
    case = open_case(store, TOWNSHIP, "household:p1", opening, at=now)
    assert (case.case.home, case.case.child) == (Home(township="镇"), {"name": "王甲子"})
    for home in (Home(township="他镇"), Home("school-0")):
        with pytest.raises(EntryRefused):
            open_case(store, TOWNSHIP, "household:p2", replace(opening, home=home), at=now)
    assert [one.case_id for one in cases(store, TOWNSHIP)] == [case.case_id]


def test_who_sees_a_case_follows_its_home_until_it_is_handed_over(
    store: Store, full: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    of_class = Principal("c", "class_teacher", classes=frozenset({SchoolClass("school-0", 8, "2")}))
    other_class = Principal("d", "class_teacher", classes=frozenset({SchoolClass("school-0", 8, "1")}))
    of_school_1 = Principal("key-1", "school", frozenset({"school-1"}))

    def sees(principal: Principal) -> bool:
        return case_of(store, principal, case.case_id) is not None

    case = open_case(store, of_school_0, OWN, told("opened"), at=now)
    assert [sees(one) for one in (of_school_0, of_class, TOWNSHIP, bureau)] == [True] * 4
    assert [sees(one) for one in (other_class, of_school_1)] == [False] * 2
    with pytest.raises(EntryRefused) as refused:
        add_entry(store, of_school_0, case.case_id, told("handed_over"), at=now)
    assert refused.value.field == "home"
    handed = add_entry(store, TOWNSHIP, case.case_id, told("handed_over"), at=now)
    assert handed is not None
    assert handed.case.home == Home("school-1", "镇")
    assert [sees(one) for one in (of_school_1, of_school_0, of_class)] == [True, False, False]


NEAR = Principal("key-n", "district", townships=frozenset({"近镇"}))
"""The district of school-0 in `apart`; school-1 lies in another township, 远镇."""


@pytest.fixture
def apart(store: Store, term: Callable[..., ScoredTerm], now: datetime) -> ScoredTerm:
    """Two schools in two townships."""
    whole = term(schools=2, each=4)
    placed = zip(whole.schools, ("近镇", "远镇"), strict=True)
    published = replace(whole, schools=tuple(replace(one, township=where) for one, where in placed))
    publish(store, published, published_at=now, published_by="test")
    return published


def refused_home(store: Store, principal: Principal, case_id: str, entry: Entry, now: datetime) -> None:
    with pytest.raises(EntryRefused) as refused:
        add_entry(store, principal, case_id, entry, at=now)
    assert (refused.value.field, refused.value.code) == ("home", "ledger_student_unknown")


def test_no_township_takes_a_case_to_a_school_of_another_by_calling_it_its_own(
    store: Store, apart: ScoredTerm, bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, OWN, told("opened"), at=now)
    refused_home(store, NEAR, case.case_id, told("handed_over", home=Home("school-1", "近镇")), now)
    handed = add_entry(
        store, bureau, case.case_id, told("handed_over", home=Home("school-1", "近镇")), at=now
    )
    assert handed is not None
    assert handed.case.home == Home("school-1", "远镇"), "where a school lies is told by the published set"


def test_who_received_a_case_cannot_send_it_back_to_a_school_it_does_not_see(
    store: Store, apart: ScoredTerm, bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, OWN, told("opened"), at=now)
    handed = add_entry(store, bureau, case.case_id, told("handed_over"), at=now)
    assert handed is not None
    back = told("handed_over", corrects=handed.entries[-1].number, withdrawn=True, why="错")
    of_school_1 = Principal("key-1", "school", frozenset({"school-1"}))
    refused_home(store, of_school_1, case.case_id, back, now)
    undone = add_entry(store, bureau, case.case_id, back, at=now)
    assert undone is not None
    assert undone.case.home.school_id == "school-0"


def test_a_correction_of_the_opening_names_a_place_as_a_handing_over_does(
    store: Store, apart: ScoredTerm, of_school_0: Principal, bureau: Principal, now: datetime
) -> None:
    case = open_case(store, of_school_0, OWN, told("opened"), at=now)
    first = case.entries[0].number
    far = told("opened", home=Home("school-1", "近镇"), corrects=first, why="学校写错")
    refused_home(store, of_school_0, case.case_id, far, now)
    refused_home(store, NEAR, case.case_id, far, now)
    right = told("opened", home=Home("school-0"), corrects=first, why="名字写错")
    stays = add_entry(store, of_school_0, case.case_id, right, at=now)
    assert stays is not None
    assert stays.case.home == Home("school-0", "近镇"), "the township is not lost"
    assert case_of(store, NEAR, case.case_id) == stays


def test_a_case_is_seen_by_the_township_in_which_its_school_lies_now(
    store: Store, term: Callable[..., ScoredTerm], bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, "child", told("opened", home=Home("school-0", "近镇")), at=now)
    far = Principal("key-f", "district", townships=frozenset({"远镇"}))

    def seen_by() -> list[bool]:
        return [case_of(store, one, case.case_id) is not None for one in (NEAR, far)]

    assert seen_by() == [False, False], "nothing is published: nobody knows where the school lies"
    for day, (township, sees) in enumerate({"近镇": [True, False], "远镇": [False, True]}.items()):
        whole = term(schools=1, each=2, as_of_date=DAY + timedelta(days=day))
        published = replace(whole, schools=(replace(whole.schools[0], township=township),))
        publish(store, published, published_at=now + timedelta(days=day), published_by="test")
        assert seen_by() == sees
    assert check_ledger(store, bureau).sound


def test_after_a_summer_a_case_is_with_the_teacher_who_has_the_child_now(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    child = next(one for one in full.students if one.student_id == OWN)
    gone = next(one for one in full.students if one.school_id == child.school_id and one.student_id != OWN)
    for student in (child, gone):
        open_case(store, of_school_0, student.student_id, told("opened"), at=now)
    moved_up = tuple(
        replace(one, grade=one.grade + 1) for one in full.students if one.student_id != gone.student_id
    )
    publish(store, replace(full, students=moved_up), published_at=now + timedelta(days=1), published_by="t")

    def seen_in(grade: int, class_name: str) -> list[str]:
        of_class = SchoolClass(child.school_id, grade, class_name)
        teacher = Principal("key-c", "class_teacher", classes=frozenset({of_class}))
        seen = [case.student_id for case in cases(store, teacher)]
        assert seen == [due.student_id for due in due_cases(store, teacher, until=date(2028, 1, 1))]
        return seen

    assert OWN in seen_in(child.grade + 1, child.class_name)
    assert OWN not in seen_in(child.grade, child.class_name)
    assert gone.student_id in seen_in(gone.grade, gone.class_name), "whom no set has, by the opening"
    summer = datetime(2027, 8, 31, 15, tzinfo=UTC)
    for days, seen in ((0, True), (1, False), (200, False)):
        publish(
            store,
            replace(full, students=moved_up),
            published_at=summer + timedelta(days=days),
            published_by="t",
        )
        assert (gone.student_id in seen_in(gone.grade, gone.class_name)) == seen, days


def test_a_case_of_a_school_that_is_no_more_stays_with_its_township(
    store: Store, apart: ScoredTerm, term: Callable[..., ScoredTerm], bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, FOREIGN, told("opened"), at=now)
    later = now + timedelta(days=1)
    publish(store, term(schools=1, each=2, as_of_date=DAY), published_at=later, published_by="test")
    far = Principal("key-f", "district", townships=frozenset({"远镇"}))
    found = case_of(store, far, case.case_id)
    assert found is not None
    assert found.case.home == Home("school-1", "远镇", 8, "2")
    assert case_of(store, NEAR, case.case_id) is None


def test_the_data_team_reads_no_case(store: Store, full: ScoredTerm) -> None:
    with pytest.raises(StoreError, match="may not"):
        cases(store, Principal("d", "data_team"))


def test_sensitive_reasons_and_a_counsellors_notes_are_for_who_may_read_a_counsellors_facts(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    counsellor = Principal("key-c", "counsellor", frozenset({"school-0"}))
    child = {"name": "王甲子", "hardship": "low_income"}
    case = open_case(store, counsellor, OWN, told("opened", child=child, why="家里的事"), at=now)
    out = told("verified_out", reasons=("illness", "distance"))
    after = add_entry(store, counsellor, case.case_id, out, at=now)
    assert after is not None
    seen = as_read_by(of_school_0, after)
    assert (seen.case.reasons, seen.case.child) == (("distance",), {"name": "王甲子"})
    assert [(one.entry.reasons, one.entry.why) for one in seen.entries] == [((), ""), (("distance",), "")]
    assert [one.entry.evidence for one in seen.entries] == [(), ()], "what proves it says it"
    assert all("hardship" not in one.entry.child for one in seen.entries)
    assert as_read_by(counsellor, after) == after


@pytest.mark.parametrize(
    "telling",
    [
        *(told("closing_proposed", code=code) for code in ("medical_exemption", "home_teaching")),
        *(
            told("returned", placement=place, to_school_id="far")
            for place in ("special_school", "regular_class", "special_class", "home_teaching", "institution")
        ),
    ],
    ids=lambda entry: f"{entry.code or entry.placement}",
)
def test_a_code_and_a_placement_that_tell_of_a_disability_are_for_who_may_read_the_reason(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime, telling: Entry
) -> None:
    counsellor = Principal("key-c", "counsellor", frozenset({"school-0"}))
    case = open_case(store, counsellor, OWN, told("opened"), at=now)
    add_entry(store, counsellor, case.case_id, told("verified_out", reasons=("disability",)), at=now)
    after = add_entry(store, counsellor, case.case_id, telling, at=now)
    assert after is not None
    assert (after.case.code, after.case.placement) == (telling.code, telling.placement)
    seen = as_read_by(of_school_0, after)
    assert (seen.case.code, seen.case.placement, seen.case.placed_at) == (None, None, "")
    assert {(one.entry.code, one.entry.placement, one.entry.to_school_id) for one in seen.entries} == {
        (None, None, "")
    }
    assert seen.case.state == after.case.state
    assert as_read_by(counsellor, after) == after


def test_who_wrote_it_reads_the_hardship_and_a_plan_is_read_by_who_carries_it_out(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    child = {"name": "王甲子", "hardship": "low_income"}
    case = open_case(store, of_school_0, OWN, told("opened", child=child), at=now)
    counsellor = Principal("key-c", "counsellor", frozenset({"school-0"}))
    planned = add_entry(store, counsellor, case.case_id, told("planned"), at=now)
    assert planned is not None
    own, other = (as_read_by(one, planned) for one in (of_school_0, replace(of_school_0, key_id="key-9")))
    assert (own.case.child, other.case.child) == (child, {"name": "王甲子"})
    assert own.case.plan == other.case.plan == planned.case.plan != ()


def test_every_role_that_may_read_cases_reads_names() -> None:
    assert all(rights.names for rights in RIGHTS.values() if "read_cases" in rights.permissions)


def test_what_is_due_comes_in_the_order_of_its_days(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal
) -> None:
    new, visited, back = walk(), walk("visited"), walk("returned")
    found = due_cases(store, bureau, until=DAY + timedelta(days=7))
    assert {one.case_id for one in found} == {new.case_id, back.case_id}
    found = due_cases(store, bureau, until=DAY + timedelta(days=28))
    assert [one.due[0].duty for one in found][-1] == "verify"
    assert found[-1].case_id == visited.case_id


def test_a_visit_and_a_return_are_actions_too_with_what_was_served(
    store: Store, full: ScoredTerm, of_school_0: Principal, now: datetime
) -> None:
    case = open_case(store, of_school_0, OWN, told("opened"), at=now)
    for entry in (told("visited"), told("returned")):
        add_entry(store, of_school_0, case.case_id, entry, at=now)
    taken = actions_of(store, of_school_0, OWN)
    assert taken is not None
    assert [(one.action.kind, one.action.result, one.risk) for one in taken] == [
        ("visited", None, 0.1), ("result", "returned", 0.1),
    ]  # fmt: skip
    visit = case_of(store, of_school_0, case.case_id).entries[1]  # type: ignore[union-attr]
    put_right = told("visited", 1, corrects=visit.number, why="日期")
    add_entry(store, of_school_0, case.case_id, put_right, at=now)
    taken = actions_of(store, of_school_0, OWN)
    assert taken is not None
    assert [one.action.day.day for one in taken if one.is_in_force] == [20, 21]


def test_a_correction_of_a_follow_up_names_a_set_week_that_had_begun(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime
) -> None:
    case = walk("returned", told("followed_up", 5))
    back, seen = (one.number for one in case.entries[-2:])
    wrong = (
        (told("followed_up", 9, week=9, corrects=seen, why="错"), "week", "ledger_code"),
        (told("followed_up", 0, corrects=seen, why="错"), "day", "ledger_follow_up_early"),
        (told("returned", 5, corrects=back, why="错"), "corrects", "ledger_correction_breaks"),
    )
    for entry, field, code in wrong:
        with pytest.raises(EntryRefused) as refused:
            add_entry(store, bureau, case.case_id, entry, at=now)
        assert (refused.value.field, refused.value.code) == (field, code)
    right = told("followed_up", 6, corrects=seen, why="错")
    assert add_entry(store, bureau, case.case_id, right, at=now) is not None


def test_what_two_people_decide_on_is_withdrawn_by_none_of_them_alone(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime
) -> None:
    proposal = told("closing_proposed", 6, code="returned_stable")
    case = walk("returned", told("followed_up", 5), proposal, told("noted", 6))
    seen, _, note = (one.number for one in case.entries[-3:])
    away = told("followed_up", 5, corrects=seen, withdrawn=True, why="没去看")

    def refused(entry: Entry) -> bool:
        with pytest.raises(EntryRefused) as told_so:
            add_entry(store, bureau, case.case_id, entry, at=now)
        return told_so.value.code == "ledger_not_corrected_so"

    assert refused(away), "the second person decides on what was told"
    assert add_entry(store, bureau, case.case_id, told("noted", 6, corrects=note, why="字"), at=now)
    second = replace(bureau, key_id="key-2")
    add_entry(store, second, case.case_id, told("closing_confirmed", 7), at=now)
    assert refused(away)
    assert refused(told("noted", 6, corrects=note + 1, why="又一字"))
    add_entry(store, bureau, case.case_id, told("reopened", 8), at=now)
    assert add_entry(store, bureau, case.case_id, away, at=now) is not None
    assert check_ledger(store, bureau).sound


def test_what_the_records_learn_is_of_who_is_on_a_roll_whatever_the_ledger(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime
) -> None:
    opening = told("opened", kind="school_age", home=Home("school-0", "镇"))
    for student_id in ("child", "household:p1"):
        case = open_case(store, bureau, student_id, opening, at=now)
        add_entry(store, bureau, case.case_id, told("verified_out"), at=now)
    known = [(one["student_id"], one["event"]) for one in ledger_events(store, bureau)]
    assert known == [("child", "suspected"), ("child", "verified_dropout")]


def test_what_two_cases_tell_of_one_day_is_known_from_the_first_time(
    store: Store, bureau: Principal, now: datetime
) -> None:
    for number in range(12):  # ids of cases are of chance
        student_id = f"child-{number}"
        for days in range(2):
            at = now + timedelta(days=days)
            case = open_case(store, bureau, student_id, told("opened"), at=at)
            for event in CLOSED:
                who = replace(bureau, key_id="key-2") if event == "closing_confirmed" else bureau
                add_entry(store, who, case.case_id, told(event), at=at)  # type: ignore[arg-type]
    first = now.date().isoformat()
    assert {one["recorded_on"] for one in ledger_events(store, bureau)} == {first}


def test_the_ledger_works_before_anything_was_published(
    store: Store, bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, OWN, told("opened"), at=now)
    assert add_entry(store, bureau, case.case_id, told("visited"), at=now) is not None
    assert check_ledger(store, bureau).sound


def test_an_erased_child_leaves_rows_that_hold_the_chain_and_name_nobody(
    store: Store, walk: Callable[..., KeptCase], bureau: Principal, now: datetime
) -> None:
    child = {"name": "王甲子", "phone": "13800000000"}
    case = open_case(store, bureau, "gone", told("opened", child=child, entry_id="gone-opened"), at=now)
    add_entry(store, bureau, case.case_id, told("visited", entry_id="gone-1"), at=now)
    stays = walk("visited")
    assert len(rows_about(store, bureau, "gone")["ledger_entry"]) == 2
    head = check_ledger(store, bureau).chain.head
    erase_student(store, bureau, "gone", at=now)
    checked = check_ledger(store, bureau, known_head=head)
    assert (checked.sound, checked.chain.rows, checked.cases) == (True, 5, 1)
    assert rows_about(store, bureau, "gone")["ledger_entry"] == []
    file = (store.folder / "published.db").read_bytes()
    assert b"13800000000" not in file
    assert b"gone" not in file.replace(b"gone_", b"")
    assert case_of(store, bureau, stays.case_id) == stays
    open_case(store, bureau, "gone", told("opened"), at=now)


@pytest.fixture
def opened(store: Store, walk: Callable[..., KeptCase]) -> KeptCase:
    return walk("visited")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET event = 'noted'",
        "UPDATE ledger_entry SET content = NULL",
        "UPDATE ledger_entry SET student_id = '', entry_id = NULL, content = NULL, salt = NULL, key_id = 'x'",
        "UPDATE ledger_entry SET entry_id = NULL",
        "DELETE FROM ledger_entry",
    ],
)
def test_the_table_of_entries_only_grows(store: Store, opened: KeptCase, statement: str) -> None:
    with pytest.raises(IntegrityError, match="append only"), store.writing() as connection:
        connection.execute(text(statement))
