from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, get_args

import pytest

from riskmodel.domain import RegionRule
from riskmodel.ledger.codes import CloseCode
from riskmodel.official import IndicatorRule
from riskmodel.reconcile.registers import _AFTER, Compared, compare

AS_OF = date(2025, 11, 14)
RULE = RegionRule(version="t", valid_from=date(2020, 1, 1), source="test")
AGES = IndicatorRule(version="t", valid_from=date(2020, 1, 1), source="test")
TERM = {"term": "2025-2026-1", "start_date": "2025-09-01", "end_date": "2026-01-20"}


def school(school_id: str) -> dict[str, Any]:
    return {"school_id": school_id, "name": school_id, "county": "县", "township": "东镇", "stage": "primary"}


def pupil(number: int, name: str) -> dict[str, Any]:
    return {"student_id": f"s{number}", "name": name, "birth_date": "2016-03-04", "sex": "M"}


def spell(number: int, **more: Any) -> dict[str, Any]:
    usual = {"student_id": f"s{number}", "school_id": "a", "start_date": "2025-09-01", "grade": 3,
             "recorded_on": "2025-09-05"}  # fmt: skip
    return usual | more


def person(number: int, name: str, source: str = "household", **more: Any) -> dict[str, Any]:
    usual = {"source": source, "person_id": f"p{number}", "name": name, "birth_date": "2016-03-04",
             "sex": "M", "county": "县", "township": "东镇", "recorded_on": "2025-09-20"}  # fmt: skip
    return usual | more


@pytest.fixture
def compared(bureau: Callable[..., Any]) -> Callable[..., Compared]:
    def make(**tables: Any) -> Compared:
        told = {"schools": [school("a"), school("b")], "terms": [TERM], **tables}
        store = bureau(told, raw=True, force=True, complete_to=AS_OF)
        return compare(store, AS_OF, rule=RULE, ages=AGES, absent_school_days=3)

    return make


def test_who_is_of_age_and_on_no_roll_is_told_with_what_would_explain_it(
    compared: Callable[..., Compared],
) -> None:
    ended = {"end_date": "2025-09-30", "recorded_on": "2025-10-05"}
    found = compared(
        students=[pupil(1, "王甲子"), pupil(2, "李乙丑"), pupil(3, "张丙寅")],
        enrolments=[
            spell(1), spell(2, **ended, exit_reason="emigrated"),
            spell(3, **ended, exit_reason="dropped_out"),
        ],
        population=[
            person(1, "王甲子"), person(2, "李乙丑"), person(3, "张丙寅"), person(4, "赵丁卯"),
            person(5, "钱戊辰", birth_date="2022-01-01"), person(6, "张丙寅", "poverty_relief"),
        ],
    )  # fmt: skip
    told = {(one.what, one.subject): one.suggested_code for one in found.mismatches}
    assert told == {
        ("not_enrolled", "s2"): "emigrated",
        ("not_enrolled", "s3"): "",
        ("not_enrolled", "household:p4"): "",
        ("left_and_in_relief", "s3"): "",
    }


def test_a_pair_near_the_line_is_told_for_a_person_and_taken_for_nobody(
    compared: Callable[..., Compared],
) -> None:
    found = compared(
        students=[pupil(1, "王甲子")],
        enrolments=[spell(1)],
        population=[person(1, "王甲䶮", township="西镇")],
    )
    [one] = found.mismatches
    assert (one.what, one.subject, one.other) == ("near_pair", "household:p1", "s1")
    assert one.suggested_code == "number_or_name_wrong"


def test_a_name_on_the_roll_and_nobody_there(compared: Callable[..., Compared]) -> None:
    def away(number: int, first: str, last: str, days: int) -> dict[str, Any]:
        return {"student_id": f"s{number}", "start_date": first, "end_date": last, "days_absent": days,
                "days_unexcused": days, "recorded_on": last}  # fmt: skip

    found = compared(
        students=[pupil(number, f"王甲{number}") for number in (1, 2, 3, 4, 5)],
        enrolments=[spell(1), spell(2), spell(3), spell(4), spell(5)],
        attendance=[
            away(1, "2025-11-12", "2025-11-14", 3), away(2, "2025-11-13", "2025-11-14", 2),
            away(3, "2025-11-10", "2025-11-12", 3),
            # Counts of two weeks: one day of ten, and all ten.
            away(4, "2025-11-01", "2025-11-14", 1), away(5, "2025-11-01", "2025-11-14", 10),
        ],
        attendance_reports=[
            {"school_id": "a", "start_date": "2025-09-01", "end_date": "2025-11-14",
             "recorded_on": "2025-11-14"}
        ],
    )  # fmt: skip
    assert [(one.what, one.subject) for one in found.mismatches] == [
        ("not_present", "s1"), ("not_present", "s5"),
    ]  # fmt: skip
    assert [one.since for one in found.mismatches] == [date(2025, 11, 12), date(2025, 11, 3)]


def test_a_transfer_is_asked_of_both_sides(compared: Callable[..., Compared]) -> None:
    gone = {"end_date": "2025-09-08", "exit_reason": "transferred", "recorded_on": "2025-09-10"}
    found = compared(
        students=[pupil(1, "王甲子"), pupil(2, "李乙丑")],
        enrolments=[
            spell(1, **gone, to_school_id="b"), spell(1, school_id="b", start_date="2025-09-09"),
            spell(2, **gone, to_school_id="b"),
        ],
    )  # fmt: skip
    assert [(one.what, one.subject) for one in found.mismatches] == [("not_arrived", "s2")]
    assert found.mismatches[0].since == date(2025, 9, 8)


def test_who_is_back_who_went_beyond_the_records_and_who_went_years_ago_is_missed_nowhere(
    compared: Callable[..., Compared],
) -> None:
    gone = {"end_date": "2025-09-08", "exit_reason": "transferred", "recorded_on": "2025-09-10"}
    long_ago = {"start_date": "2022-09-01", "end_date": "2023-02-10", "recorded_on": "2023-02-20"}
    unconfirmed = {**gone, "exit_reason": "transfer_unconfirmed"}
    found = compared(
        students=[pupil(number, f"王甲{number}") for number in range(1, 6)],
        enrolments=[
            spell(1, **unconfirmed), spell(1, start_date="2025-10-08", recorded_on="2025-10-09"),
            spell(2, **gone, to_school_id="z-9"), spell(3, **gone),
            spell(4, **long_ago, exit_reason="transfer_unconfirmed"),
            spell(5, **unconfirmed, to_school_id="z-9"),
        ],
    )  # fmt: skip
    assert [(one.what, one.subject) for one in found.mismatches] == [("not_arrived", "s5")]
    [of_school] = found.schools
    assert (of_school.transfers, of_school.unconfirmed) == (4, 1), (
        "all but who went years ago; one arrived nowhere"
    )


@pytest.mark.parametrize(
    ("begins", "events", "told"),
    [
        ("2024-09-02", ["verified_dropout"], ["left_and_in_relief"]),
        ("2025-09-01", ["verified_dropout"], []),
        ("2024-09-02", ["verified_dropout", "returned"], []),
    ],
    ids=["has left", "a later spell", "returned on the same day"],
)
def test_who_is_back_after_a_verified_leaving_is_not_told_as_having_left(
    compared: Callable[..., Compared], begins: str, events: list[str], told: list[str]
) -> None:
    found = compared(
        students=[pupil(1, "王甲子")],
        enrolments=[spell(1, start_date=begins)],
        ledger_events=[
            {"student_id": "s1", "event_date": "2025-03-01", "event": event, "recorded_on": "2025-03-05"}
            for event in events
        ],
        population=[person(1, "王甲子"), person(6, "王甲子", "poverty_relief")],
    )
    assert [one.what for one in found.mismatches] == told


def test_who_was_on_another_roll_when_the_former_one_was_closed_as_left_has_not_left(
    compared: Callable[..., Compared],
) -> None:
    late = {"end_date": "2025-10-31", "exit_reason": "dropped_out", "recorded_on": "2025-11-05"}
    found = compared(
        students=[pupil(1, "王甲子")],
        enrolments=[spell(1, **late), spell(1, school_id="b", start_date="2025-10-08")],
        population=[person(1, "王甲子"), person(6, "王甲子", "poverty_relief")],
    )
    assert found.mismatches == ()


def test_rolls_without_names_are_linked_by_number(compared: Callable[..., Compared]) -> None:
    digits = "52210120160304001"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    check = "10X98765432"[sum(int(one) * weight for one, weight in zip(digits, weights, strict=True)) % 11]
    number = f"G{digits}{check}"
    found = compared(
        students=[
            {"student_id": "s1", "roll_number": number},
            {"student_id": "s2", "birth_date": "2016-03-04", "sex": "M"},
        ],
        enrolments=[spell(1), spell(2)],
        population=[person(1, "王甲子", roll_number=number), person(2, "李乙丑")],
    )
    assert [(one.what, one.subject) for one in found.mismatches] == [("not_enrolled", "household:p2")]


def test_what_is_suggested_is_a_close_code() -> None:
    assert set(_AFTER.values()) <= set(get_args(CloseCode))
