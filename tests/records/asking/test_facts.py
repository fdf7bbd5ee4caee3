from __future__ import annotations

from datetime import date
from typing import Any

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.facts import facts_of_day

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
SPELL = {"school_id": "A", "start_date": "2024-09-02", "grade": 7, "class_name": "1"}


def facts(store: Any, on: str = "2025-04-01") -> Any:
    day = date.fromisoformat(on)
    found = facts_of_day(store, AsOf(day, date(2025, 9, 28), "2024-2025-2"), RULE)
    return found.set_index("student_id")


def test_the_last_known_word_of_each_column_holds_whatever_was_left_empty_since(bureau) -> None:
    told = facts(
        bureau(
            {
                "family": [
                    {"student_id": "s1", "recorded_on": "2024-09-10", "hardship": "orphan", "carer": "other"},
                    {"student_id": "s1", "recorded_on": "2025-03-01", "carer": "grandparents"},
                    {"student_id": "s1", "recorded_on": "2025-05-01", "hardship": "none"},
                ],
                "students": [{"student_id": "s1"}, {"student_id": "s2"}],
            }
        )
    )
    assert (told.hardship["s1"], told.carer["s1"]) == ("orphan", "grandparents")
    assert told.loc["s2", ["hardship", "carer"]].isna().all()


def test_a_grant_is_received_while_it_runs_and_only_what_was_delivered_can_be_a_no(bureau) -> None:
    grants = [
        {
            "student_id": "s1",
            "programme": "nutrition",
            "start_date": "2024-09-02",
            "end_date": "2025-01-31",
            "amount_yuan": 500,
        },
        {"student_id": "s1", "programme": "living_cost", "start_date": "2025-02-17", "amount_yuan": 625},
    ]
    students = [{"student_id": "s1"}, {"student_id": "s2"}]
    told = facts(bureau({"students": students, "subsidies": grants}))
    assert [list(each) for each in told.receiving] == [["living_cost"], []]
    assert facts(bureau({"students": students})).receiving.isna().all()


def test_only_the_cohort_of_the_day_has_facts(bureau) -> None:
    spells = [SPELL | {"student_id": "s1"}, SPELL | {"student_id": "s2", "end_date": "2025-01-10"}]
    told = facts(bureau({"enrolments": spells}))
    assert list(told.index) == ["s1"]
    assert (told.grade["s1"], told.school_id["s1"], told.stage["s1"]) == (7, "A", "junior")
