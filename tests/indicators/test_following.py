"""What became of students between two counts: a class of whom each goes another way."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from riskmodel.domain import Term
from riskmodel.indicators.spans import spans_of
from riskmodel.official import OfficialFigure

from .counties import RULE, official, taken_in, write_tables

START = "2024-09-02"
SPELLS: dict[str, dict[str, Any]] = {
    "stays": {},
    "continues": {"end_date": "2025-07-04", "exit_reason": "continued"},
    "leaves": {"end_date": "2024-11-01", "exit_reason": "dropped_out"},
    "dies": {"end_date": "2024-11-01", "exit_reason": "died"},
    "emigrates": {"end_date": "2024-11-01", "exit_reason": "emigrated"},
    "at_home": {"end_date": "2024-11-01", "exit_reason": "home_teaching"},
    "ill": {"end_date": "2024-11-01", "exit_reason": "suspended", "expected_return": "2025-11-01"},
    "overdue": {"end_date": "2024-11-01", "exit_reason": "suspended", "expected_return": "2025-02-17"},
    "somewhere": {"end_date": "2024-11-01", "exit_reason": "transfer_unconfirmed"},
    "away": {"end_date": "2024-11-01", "exit_reason": "transferred", "to_school_id": "far"},
    "moves": {"end_date": "2024-11-01", "exit_reason": "transferred", "to_school_id": "B"},
    "vanishes": {"end_date": "2025-01-17", "exit_reason": "continued"},
    "closed": {"end_date": "2024-11-01"},
    "verified": {},
    "told_late": {},
    "taken_back": {},
    "told_after_the_term": {},
    "gone_before": {"end_date": "2024-09-20", "exit_reason": "dropped_out", "recorded_on": "2024-12-01"},
}


DAY = date(2025, 7, 4)


def tables() -> dict[str, Any]:
    """Return the records of the class: from school A, one of whom goes to B, and one comes."""
    usual = {"school_id": "A", "start_date": START, "grade": 8, "recorded_on": START}
    spells: list[dict[str, Any]] = [{"student_id": name, **usual} for name in SPELLS]
    spells += [
        {"student_id": name, **usual, "recorded_on": spell["end_date"], **spell}
        for name, spell in SPELLS.items() if "end_date" in spell
    ]  # fmt: skip
    spells.append({"student_id": "moves", **usual, "school_id": "B", "start_date": "2024-11-04"})
    spells.append({"student_id": "comes", **usual, "start_date": "2024-12-02"})
    ledger = [{"student_id": "verified", "event_date": "2025-03-03", "event": "verified_dropout",
               "reason": "家庭经济困难", "recorded_on": "2025-03-05"},
              {"student_id": "told_late", "event_date": "2024-12-01", "event": "verified_dropout",
               "left_on": "2024-09-21", "recorded_on": "2024-12-01"},
              {"student_id": "taken_back", "event_date": "2024-12-01", "event": "verified_dropout",
               "left_on": "2024-09-21", "recorded_on": "2024-12-01"},
              {"student_id": "taken_back", "event_date": "2025-01-10", "event": "verified_not_dropout",
               "recorded_on": "2025-01-10"},
              {"student_id": "told_after_the_term", "event_date": "2025-03-25", "event": "verified_dropout",
               "left_on": "2025-03-10", "reason": "学习困难", "recorded_on": "2025-03-25"}]  # fmt: skip
    schools = [
        {"school_id": "A", "name": "甲校", "county": "甲县", "township": "东乡", "stage": "junior"},
        {"school_id": "B", "name": "乙校", "county": "甲县", "township": "西乡", "stage": "junior"},
    ]
    students = [{"student_id": name} for name in (*SPELLS, "comes")]
    terms = [
        {"term": "2024-2025-1", "start_date": START, "end_date": "2025-01-17"},
        {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
    ]
    return {"schools": schools, "enrolments": spells, "ledger_events": ledger, "students": students,
            "terms": terms}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[OfficialFigure]:
    folder = tmp_path_factory.mktemp("class")
    store = taken_in(write_tables(folder / "files", tables()), folder / "store", date(2025, 8, 1))
    return official(store, DAY, folder / "rows")


def one(found: list[OfficialFigure], formula: str, level: str, *, by: str = "all", value: str = "") -> Any:
    return next(
        f for f in found
        if (f.formula, f.place.level, f.by, f.value) == (formula, level, by, value)
        and f.span.kind != "term" and f.place.school_id in ("", "A")
    )  # fmt: skip


def test_each_is_counted_once_and_as_what_became_of_them(found: list[OfficialFigure]) -> None:
    leaving = one(found, "dropout_rate", "school")
    # leaves, overdue, verified, told_after_the_term; ill; somewhere
    assert (leaving.numerator, leaving.denominator) == (6, 16)
    assert leaving.unaccounted == 3  # somewhere, vanishes, closed
    assert leaving.already_gone == 2  # left before the count, as roll and ledger told after it


def test_net_and_gross_differ_by_death_moves_and_arrivals(found: list[OfficialFigure]) -> None:
    # ill, overdue, leaves, verified, told_after_the_term, dies, away, moves, emigrates, somewhere, vanishes,
    # closed; one came
    assert one(found, "dropout_rate_net", "school").numerator == 12 - 1
    # In the county the one who moved from school to school is a decrease and an increase.
    assert one(found, "dropout_rate_net", "county").numerator == 11 - 1


def test_retention_counts_who_stayed_who_came_and_who_is_taught_at_home(found: list[OfficialFigure]) -> None:
    raw = one(found, "yearly_retention", "school")
    assert (raw.numerator, raw.denominator) == (5, 16)  # stays, continues, at_home, taken_back; comes
    corrected = one(found, "yearly_retention_corrected", "school")
    # below: 16 + 1 came - 3 went (away, moves, emigrates) - 1 died
    assert (corrected.numerator, corrected.denominator) == (5, 13)
    assert one(found, "yearly_retention", "county").numerator == 6


def test_reasons_are_told_and_where_none_was_given_that_is_told(found: list[OfficialFigure]) -> None:
    reasons = {
        name: {
            f.value: f.numerator for f in found
            if f.by == "reason" and f.place.level == "county" and f.span.kind == kind and f.span.name == name
        }
        for kind, name in (("year", "2024-2025"), ("term", "2024-2025-1"))
    }  # fmt: skip
    year = {"家庭经济困难": 1, "学习困难": 1, "": 2, "suspended": 1, "transfer_unconfirmed": 1}
    assert reasons["2024-2025"] == year
    # The word came after the term in which the child had left.
    assert reasons["2024-2025-1"]["学习困难"] == 1


def test_a_year_runs_from_count_to_count_and_what_has_not_ended_says_so() -> None:
    terms = [
        Term("2024-2025-1", date(2024, 8, 30), date(2025, 1, 17)),
        Term("2024-2025-2", date(2025, 2, 17), date(2025, 7, 4)),
        Term("2025-2026-1", date(2025, 9, 1), date(2026, 1, 16)),
    ]
    told = {(s.name, s.kind): s for s in spans_of(terms, date(2025, 11, 1), lambda _: RULE)}
    year = told["2024-2025", "year"]
    assert (year.first_day, year.last_day, year.complete) == (date(2024, 9, 29), date(2025, 10, 1), True)
    assert told["2024-2025", "within_year"].last_day == date(2025, 7, 4)
    assert told["2024-2025-1", "term"].last_day == date(2025, 3, 19)
    assert not told["2025-2026", "year"].complete
    assert told["2025-2026", "year"].last_day == date(2025, 11, 1)
    assert not told["2025-2026", "within_year"].complete
