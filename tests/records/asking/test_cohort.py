from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import duckdb
import pytest

from riskmodel.domain import RegionRule
from riskmodel.records.asking.cohort import create_cohort
from riskmodel.records.contract import TABLES
from riskmodel.records.keeping.rows import column_types

RULE = RegionRule("test", date(2020, 1, 1), "test")
AUTUMN, SPRING = ("2024-2025-1", "2024-09-02", "2025-01-17"), ("2024-2025-2", "2025-02-17", "2025-07-04")
NEXT_AUTUMN = ("2025-2026-1", "2025-09-01", "2026-01-16")
IN_TERM = date(2025, 5, 12)
IN_BREAK = date(2025, 7, 21)


def spell(student: str = "a", school: str = "J", start: str = "2025-02-17", end: str | None = None,
          exit_reason: str | None = None, *, grade: int = 7, to: str | None = None, class_name: str = "1",
          ) -> dict[str, object]:  # fmt: skip
    return {
        "student_id": student, "school_id": school, "start_date": start, "end_date": end, "grade": grade,
        "exit_reason": exit_reason, "to_school_id": to, "class_name": class_name, "boards": True,
    }  # fmt: skip


def said(event: str, on: str, student: str = "a", recorded_on: str | None = None) -> dict[str, object]:
    return {"student_id": student, "event": event, "event_date": on, "recorded_on": recorded_on or on}


@cache
def connection():
    """Hold empty tables of the contract: what is in them is told anew for each cohort."""
    made = duckdb.connect()
    for each in TABLES:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in column_types(each).items())
        made.execute(f"CREATE TABLE {each.name} ({columns})")
    return made


def tell(table: str, rows) -> None:
    connection().execute(f"DELETE FROM {table}")
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection().execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def cohort(
    as_of_date, *spells, ledger=(), students=(), rule=RULE, term=None, terms=(AUTUMN, SPRING, NEXT_AUTUMN)
):
    """Give the cohort as dicts, of rows taken as known on the day."""
    tell("schools", [{"school_id": school, "township": f"town of {school}"} for school in ("P", "J", "N")])
    tell("terms", [dict(zip(("term", "start_date", "end_date"), each, strict=True)) for each in terms])
    tell("enrolments", spells)
    tell("ledger_events", ledger)
    tell("students", students)
    started = {name: date.fromisoformat(start) for name, start, _ in terms}.get(term)
    connection().execute("CREATE OR REPLACE TABLE as_of AS SELECT CAST(? AS DATE) AS term_start", [started])
    create_cohort(connection(), as_of_date=as_of_date, rule=rule, term=term)
    found = connection().execute("SELECT * FROM cohort")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def ids(*args, **kwargs):
    return [row["student_id"] for row in cohort(*args, **kwargs)]


def test_a_row_says_who_where_and_which_spell():
    students = [{"student_id": "a", "household_id": "h1", "name": "甲", "roll_number": "G990101201203070028"}]
    assert cohort(IN_TERM, spell(class_name="2", grade=8), students=students) == [
        {
            "student_id": "a", "household_id": "h1", "school_id": "J", "township": "town of J",
            "stage": "junior", "grade": 8, "class_name": "2", "boards": True,
            "start_date": date(2025, 2, 17), "spell_running": True, "ended_on": None, "name": "甲",
            "roll_number": "G990101201203070028",
        }
    ]  # fmt: skip


def test_a_student_without_a_household_or_a_row_of_its_own_is_its_own_household():
    found = cohort(IN_TERM, spell("a"), spell("b", school="X"), students=[{"student_id": "a"}])
    assert [(row["household_id"], row["township"]) for row in found] == [("a", "town of J"), ("b", None)]


@pytest.mark.parametrize(
    ("grade", "stage"), [(1, "primary"), (6, "primary"), (7, "junior"), (9, "junior"), (10, "beyond")]
)
def test_the_stage_is_told_by_the_grade_and_none_is_left_out(grade, stage):
    assert [row["stage"] for row in cohort(IN_TERM, spell(grade=grade))] == [stage]


@pytest.mark.parametrize(
    ("start", "end", "runs"),
    [
        ("2025-05-12", None, True),
        ("2025-05-13", None, False),
        ("2025-02-17", "2025-05-12", True),
        ("2025-02-17", "2025-05-11", False),
        ("2025-02-17", "2025-06-30", True),
        ("2025-05-12", "2025-05-12", True),
    ],
)
def test_a_spell_runs_from_its_start_to_its_last_day_both_included(start, end, runs):
    assert ids(IN_TERM, spell(start=start, end=end, exit_reason=end and "dropped_out")) == ["a"] * runs


def test_of_several_running_spells_the_one_that_began_last_counts():
    found = cohort(IN_TERM, spell(school="J", start="2025-02-17"), spell(school="N", start="2025-03-03"))
    assert [row["school_id"] for row in found] == ["N"]


def test_of_spells_begun_on_one_day_the_open_one_counts_then_the_greater_school():
    announced = spell(school="P", end="2025-06-30", exit_reason="transferred")
    found = cohort(IN_TERM, announced, spell(school="J"))
    assert [row["school_id"] for row in found] == ["J"]
    found = cohort(IN_TERM, spell(school="P"), spell(school="J"))
    assert [row["school_id"] for row in found] == ["P"]


def test_a_running_spell_counts_even_if_one_that_began_later_has_ended():
    tried = spell(school="N", start="2025-03-03", end="2025-03-14", exit_reason="dropped_out")
    assert [row["school_id"] for row in cohort(IN_TERM, spell(), tried)] == ["J"]


# --- in a break


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"exit_reason": "continued"}, True),
        ({"exit_reason": "continued", "grade": 11}, True),
        ({"exit_reason": "graduated", "grade": 6}, True),
        ({"exit_reason": "graduated", "grade": 8}, True),
        ({"exit_reason": "graduated", "grade": 9}, False),
        ({"exit_reason": "transferred", "to": "N"}, True),
        ({"exit_reason": "transferred", "to": "X"}, False),
        ({"exit_reason": "transferred", "to": None}, False),
        *(
            ({"exit_reason": reason}, False)
            for reason in (
                "transfer_unconfirmed", "suspended", "home_teaching", "died", "emigrated", "dropped_out",
            )
        ),
    ],
)  # fmt: skip
def test_in_a_break_those_who_are_expected_back_belong_to_the_cohort(told, expected):
    assert ids(IN_BREAK, spell(end="2025-07-04", **told)) == ["a"] * expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 7, 4), True),  # the last day attended
        (date(2025, 7, 5), True),
        (date(2025, 8, 31), True),
        (date(2025, 10, 1), True),  # 30 days after the start of the next term
        (date(2025, 10, 2), False),
    ],
)
def test_they_belong_until_the_set_days_after_the_next_terms_start(day, expected):
    assert ids(day, spell(end="2025-07-04", exit_reason="continued")) == ["a"] * expected


def test_the_set_days_are_those_of_the_rule():
    told = spell(end="2025-07-04", exit_reason="continued")
    assert ids(date(2025, 9, 11), told, rule=replace(RULE, break_days=10)) == ["a"]
    assert ids(date(2025, 9, 12), told, rule=replace(RULE, break_days=10)) == []


def test_a_gap_in_the_middle_of_a_term_is_no_break():
    assert ids(IN_TERM, spell(end="2025-05-09", exit_reason="continued")) == []


def test_who_was_expected_after_an_earlier_break_is_not_expected_again():
    assert ids(IN_BREAK, spell(start="2024-09-02", end="2025-01-17", exit_reason="continued")) == []


def test_a_break_that_no_known_term_ends_is_one_too():
    told = spell(end="2025-07-04", exit_reason="continued")
    assert ids(IN_BREAK, told, terms=(AUTUMN, SPRING)) == ["a"]


def test_in_a_break_the_row_tells_the_last_spell_by_its_last_day():
    found = cohort(
        IN_BREAK,
        spell(school="P", start="2024-09-02", end="2025-07-04", exit_reason="graduated", grade=6),
        spell(school="N", start="2025-03-03", end="2025-03-14", exit_reason="dropped_out"),
    )
    assert [(row["school_id"], row["grade"], row["spell_running"]) for row in found] == [("P", 6, False)]


def test_a_spell_already_known_for_the_next_term_does_not_hide_the_last_one():
    found = cohort(
        IN_BREAK,
        spell(school="P", end="2025-07-04", exit_reason="graduated", grade=6),
        spell(school="J", start="2025-09-01"),
    )
    assert [(row["school_id"], row["spell_running"]) for row in found] == [("P", False)]
    assert found[0]["ended_on"] == date(2025, 7, 4)


# --- the ledger


@pytest.mark.parametrize(
    ("events", "belongs"),
    [
        ([("verified_dropout", "2025-04-01")], False),
        ([("verified_dropout", "2025-04-01"), ("verified_not_dropout", "2025-04-10")], True),
        ([("verified_dropout", "2025-04-01"), ("returned", "2025-04-10")], True),
        ([("returned", "2025-03-10"), ("verified_dropout", "2025-04-01")], False),
        ([("verified_dropout", "2025-04-01"), ("returned", "2025-04-01")], True),
        ([("verified_dropout", "2025-04-01"), ("visited", "2025-04-10"), ("closed", "2025-04-20")], False),
        ([("suspected", "2025-04-01")], True),
    ],
)
def test_the_latest_word_of_the_ledger_decides(events, belongs):
    assert ids(IN_TERM, spell(), ledger=[said(*event) for event in events]) == ["a"] * belongs


def test_an_event_of_the_ledger_that_lies_ahead_does_not_decide_yet():
    ahead = said("verified_dropout", "2025-05-13", recorded_on="2025-05-01")
    assert ids(IN_TERM, spell(), ledger=[ahead]) == ["a"]


def test_those_verified_to_have_left_are_not_expected_back_in_a_break():
    told = spell(end="2025-07-04", exit_reason="continued")
    assert ids(IN_BREAK, told, ledger=[said("verified_dropout", "2025-07-10")]) == []


def test_a_spell_begun_after_the_verification_is_a_return():
    ledger = [said("verified_dropout", "2025-02-16")]
    assert ids(IN_TERM, spell(), ledger=ledger) == ["a"]
    assert ids(IN_TERM, spell(), ledger=[said("verified_dropout", "2025-02-17")]) == []


def test_one_student_of_the_ledger_does_not_speak_for_another():
    assert ids(IN_TERM, spell("a"), spell("b"), ledger=[said("verified_dropout", "2025-04-01", "b")]) == ["a"]


# --- courses that run for one term


def test_a_rule_may_limit_the_cohort_to_spells_begun_in_the_term():
    one_term = replace(RULE, spells_begun_in_term=True)
    spells = [spell("a", start="2025-02-17"), spell("b", start="2025-02-16"), spell("c", start="2025-05-12")]
    assert ids(IN_TERM, *spells, rule=one_term, term="2024-2025-2") == ["a", "c"]
    assert ids(IN_TERM, *spells, rule=RULE, term="2024-2025-2") == ["a", "b", "c"]


def test_where_terms_overlap_the_one_asked_for_says_which_spells_began_in_it():
    long_course, short_course = ("long", "2025-01-06", "2025-06-30"), ("short", "2025-03-03", "2025-06-30")
    spells = [spell("a", start="2025-01-06"), spell("b", start="2025-03-03")]
    one_term = replace(RULE, spells_begun_in_term=True)
    terms = (long_course, short_course)
    assert ids(IN_TERM, *spells, rule=one_term, term="short", terms=terms) == ["b"]


def test_nobody_is_expected_back_into_a_course_of_one_term():
    one_term = replace(RULE, spells_begun_in_term=True)
    told = spell(end="2025-07-04", exit_reason="continued")
    assert ids(IN_BREAK, told, rule=one_term, term="2024-2025-2") == []


# --- the whole


def test_each_student_stands_once_and_in_order():
    assert ids(IN_TERM, spell("b"), spell("a"), spell("b", school="N"), spell("c")) == ["a", "b", "c"]
