"""Random lives, judged twice: by the SQL, and student by student in slow plain Python, from the contract."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from riskmodel.domain import AsOf, RegionRule, UnexcusedAbsenceRule

pytestmark = pytest.mark.slow

Row = dict[str, Any]
Life = dict[str, list[Row]]

FIRST_DAY = date(2024, 8, 26)
LAST = date(9999, 12, 31)
RULE = RegionRule(
    "oracle",
    date(2020, 1, 1),
    "test",
    suspension_overrun_days=4,
    unexcused_absence=UnexcusedAbsenceRule(3),
    break_days=5,
    outcome_delay_days=10,
)
WITHOUT_ABSENCE = replace(RULE, version="without", unexcused_absence=None, suspension_overrun_days=None)
COURSE = replace(RULE, version="course", spells_begun_in_term=True, verified_by_ledger=False)
SCHOOLS = ("P", "J", "N")
TERMS = {
    "t1": (date(2024, 9, 2), date(2024, 10, 11)),
    "t2": (date(2024, 10, 28), date(2024, 12, 6)),
    "t3": (date(2024, 12, 23), date(2025, 1, 31)),
}
NO_SCHOOL, MAKE_UP, NO_SCHOOL_AT_J = date(2024, 9, 17), date(2024, 9, 21), date(2024, 11, 6)
REPORTS = [
    ("P", date(2024, 9, 2), date(2024, 10, 11)),
    ("J", date(2024, 9, 2), date(2025, 1, 10)),
    ("N", date(2024, 9, 16), date(2024, 11, 15)),
    ("N", date(2024, 11, 20), date(2025, 1, 31)),
]


EXAMPLES = 15
EVERY_OUTCOME = {
    "not in the cohort",
    "stayed",
    "unknown",
    "left dropped_out_exit",
    "left verified_by_ledger",
    "left unexcused_absence, back",
    "already_gone dropped_out_exit",
    "already_gone verified_by_ledger",
    "unaccounted not_back",
    "unaccounted unexplained",
}
"""What random lives must have met at least once, so that the comparison compares."""


def one_day(days: int) -> timedelta:
    return timedelta(days=days)


# --- the oracle


def said_by(rows: list[Row], day: date, *key: str) -> list[Row]:
    """Of the statements known on a day about one fact, the latest."""
    latest: dict[tuple[Any, ...], Row] = {}
    for row in sorted((row for row in rows if row["recorded_on"] <= day), key=lambda row: row["recorded_on"]):
        latest[tuple(row[part] for part in key)] = row
    return list(latest.values())


class Known:
    """What was known of one student on a day."""

    def __init__(self, life: Life, day: date) -> None:
        self.day = day
        self.spells = said_by(life["enrolments"], day, "school_id", "start_date")
        self.ledger = said_by(life["ledger_events"], day, "event_date", "event")
        absences = said_by(life["attendance"], day, "start_date", "end_date")
        absences = [row for row in absences if row["end_date"] <= day]
        daily = [row["start_date"] for row in absences if row["start_date"] == row["end_date"]]
        self.absences = [
            row
            for row in absences
            if row["start_date"] == row["end_date"]
            or not any(row["start_date"] <= on <= row["end_date"] for on in daily)
        ]

    def last_day(self, spell: Row) -> date:
        return spell["end_date"] or LAST

    def next_after(self, spell: Row) -> date | None:
        """First day of the first other spell that goes on beyond the end of this one."""
        starts = [other["start_date"] for other in self.spells if self.last_day(other) > spell["end_date"]]
        return min(starts, default=None)

    def away_and_reported(self) -> list[tuple[date, bool]]:
        """Each reported school day of the student, and whether all of it was unexcused absence."""
        own = [
            (day, spell["school_id"])
            for number in range(300)
            for spell in self.spells
            if spell["start_date"] <= (day := FIRST_DAY + one_day(number)) <= self.last_day(spell)
            and is_school_day(spell["school_id"], day)
        ]
        all_days = {day for day, _ in own}

        def away(day: date) -> bool:
            for row in self.absences:
                if row["start_date"] <= day <= row["end_date"] and row["days_unexcused"] is not None:
                    covered = [d for d in all_days if row["start_date"] <= d <= row["end_date"]]
                    if row["days_unexcused"] >= len(covered):
                        return True
            return False

        reported = {day for day, school in own if day <= self.day and is_reported(school, day, self.day)}
        return [(day, away(day)) for day in sorted(reported)]


def is_school_day(school: str, day: date) -> bool:
    if school == "J" and day == NO_SCHOOL_AT_J:
        return False
    if day in (NO_SCHOOL, MAKE_UP):
        return day == MAKE_UP
    return day.weekday() < 5 and any(a <= day <= b for a, b in TERMS.values())


def is_reported(school: str, day: date, known_on: date) -> bool:
    return any(s == school and a <= day <= b and b <= known_on for s, a, b in REPORTS)


def due_after(spell: Row, rule: RegionRule) -> date | None:
    starts = [start for start, _ in TERMS.values() if start > spell["end_date"]]
    return min(starts) + one_day(rule.break_days) if starts else None


def in_cohort(known: Known, as_of: AsOf, rule: RegionRule) -> bool | None:
    """None: not in the cohort; else whether a spell runs."""
    day = as_of.as_of_date
    begun = [spell for spell in known.spells if spell["start_date"] <= day]
    running = [spell for spell in begun if known.last_day(spell) >= day]
    term_start, term_end = TERMS[as_of.term]
    if rule.spells_begun_in_term:
        chosen = [spell for spell in running if spell["start_date"] >= term_start]
    else:
        chosen = running
    if chosen:
        spell, runs = max(chosen, key=lambda s: s["start_date"]), True
    elif running or not begun or rule.spells_begun_in_term:
        return None
    else:
        spell = max(begun, key=lambda s: (s["end_date"], s["start_date"], s["school_id"]))
        runs = False
        in_break = not term_start <= day <= term_end or day <= term_start + one_day(rule.break_days)
        due = due_after(spell, rule)
        if not in_break or not is_expected(spell, rule, within=True) or (due is not None and day > due):
            return None
    words = [
        (event["event_date"], event["event"] != "verified_dropout")
        for event in known.ledger
        if event["event"] in ("verified_dropout", "verified_not_dropout", "returned")
        and event["event_date"] <= day
    ]
    if words and not max(words)[1] and spell["start_date"] <= max(words)[0]:
        return None
    return runs


def is_expected(spell: Row, rule: RegionRule, *, within: bool) -> bool:
    reason = spell["exit_reason"]
    return (
        reason == "continued"
        or (reason == "graduated" and spell["grade"] < rule.last_compulsory_grade)
        or (within and reason == "transferred" and spell["to_school_id"] in SCHOOLS)
    )


def leavings(known: Known, rule: RegionRule) -> list[tuple[date, int, str, date | None]]:
    """Each leaving: day, order of causes, cause, day of return."""
    refuted = [event["event_date"] for event in known.ledger if event["event"] == "verified_not_dropout"]
    found: list[tuple[date, int, str, date | None]] = []
    for spell in known.spells:
        if spell["exit_reason"] == "dropped_out":
            elsewhere = known.next_after(spell)
            if elsewhere is None or elsewhere > spell["end_date"]:
                found.append((spell["end_date"] + one_day(1), 1, "dropped_out_exit", None))
        overrun = rule.suspension_overrun_days
        if spell["exit_reason"] == "suspended" and spell["expected_return"] and overrun is not None:
            over = spell["expected_return"] + one_day(overrun)
            next_start = known.next_after(spell)
            if next_start is None or next_start > over:
                found.append((over, 3, "suspension_overrun", None))
    for event in known.ledger:
        holds = not any(on >= event["event_date"] for on in refuted)
        if event["event"] == "verified_dropout" and holds and rule.verified_by_ledger:
            found.append((event["left_on"] or event["event_date"], 2, "verified_by_ledger", None))
    if rule.unexcused_absence:
        stretch, days = 0, known.away_and_reported()
        for number, (day, away) in enumerate(days):
            stretch = stretch + 1 if away else 0
            if stretch == rule.unexcused_absence.consecutive_school_days and not any(
                on >= day for on in refuted
            ):
                present = [later for later, gone in days[number + 1 :] if not gone]
                found.append((day, 4, "unexcused_absence", min(present, default=None)))
    returns = [spell["start_date"] for spell in known.spells]
    returns += [event["event_date"] for event in known.ledger if event["event"] == "returned"]
    return [
        (left, order, cause, min([d for d in [*returns, present or LAST] if d >= left], default=LAST))
        for left, order, cause, present in sorted(found, key=lambda f: f[:3])
        if left <= known.day
    ]


def judge(life: Life, as_of: AsOf, rule: RegionRule, *, label_date: date, complete_to: date) -> str | None:
    then, later = Known(life, as_of.as_of_date), Known(life, label_date)
    runs = in_cohort(then, as_of, rule)
    if runs is None:
        return None
    known_to = min(label_date, complete_to)
    is_known = as_of.horizon_end + one_day(rule.outcome_delay_days) <= known_to
    known_then = {(left, cause) for left, order, cause, _ in leavings(then, rule) if order != 4}
    outcome = "stayed"
    for left, _, cause, back in leavings(later, rule):
        if left <= as_of.as_of_date < back and (left, cause) not in known_then:
            return f"{'already_gone' if is_known else 'unknown'} {left} {cause}"
    for left, _, cause, back in leavings(later, rule):
        if as_of.as_of_date < left <= as_of.horizon_end:
            returned = f", back {back}" if back <= as_of.horizon_end else ""
            return f"{'left' if is_known else 'unknown'} {left} {cause}{returned}"
    if not is_known:
        return "unknown"
    open_ends = []
    for spell in later.spells:
        ended = spell["end_date"] is not None and spell["end_date"] < as_of.horizon_end
        unconfirmed = spell["exit_reason"] == "transfer_unconfirmed"
        if ended and (not spell["exit_reason"] or unconfirmed or is_expected(spell, rule, within=not runs)):
            due, arrived = due_after(spell, rule), later.next_after(spell)
            if arrived is None or (due is not None and arrived > due and arrived > as_of.as_of_date):
                cause = "unexplained" if not spell["exit_reason"] else "not_back"
                cause = "transfer_unconfirmed" if unconfirmed else cause
                is_due = cause != "not_back" or (due is not None and due <= known_to)
                open_ends.append((not is_due, spell["end_date"], cause, arrived))
    if open_ends:
        not_yet_due, _, cause, arrived = min(open_ends, key=lambda end: end[:3])
        outcome = (
            "unknown" if not_yet_due else f"unaccounted {cause}" + (f", arrived {arrived}" if arrived else "")
        )
    return outcome


# --- random lives

DAYS = st.integers(0, 170).map(lambda number: FIRST_DAY + one_day(number))
EXITS = (
    None,
    "continued",
    "transferred",
    "transfer_unconfirmed",
    "graduated",
    "suspended",
    "suspended",
    "died",
    "dropped_out",
)


@st.composite
def spells_of_a_life(draw) -> list[Row]:
    rows, start = [], FIRST_DAY + one_day(draw(st.sampled_from([0, 7, 7, 7, 20, 63])))
    for _ in range(draw(st.integers(1, 3))):
        school = draw(st.sampled_from(SCHOOLS))
        delay = draw(st.sampled_from([0, 0, 3, 12]))
        spell = {
            "school_id": school, "start_date": start, "grade": draw(st.sampled_from([5, 6, 9])),
            "end_date": None, "exit_reason": None, "to_school_id": None, "expected_return": None,
            "recorded_on": start + one_day(delay),
        }  # fmt: skip
        rows.append(spell)
        end, recorded = start, spell["recorded_on"]
        for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
            end = start + one_day(draw(st.integers(0, 70)))
            recorded += one_day(draw(st.integers(1, 60)))
            back = draw(st.one_of(st.none(), st.integers(1, 25)))
            closing = {
                "end_date": end, "exit_reason": draw(st.sampled_from(EXITS)), "recorded_on": recorded,
                "to_school_id": draw(st.sampled_from([None, "N", "X"])),
                "expected_return": end + one_day(back) if back else None,
            }  # fmt: skip
            rows.append(spell | closing)
        start = max(start + one_day(1), end + one_day(draw(st.integers(-10, 40))))
    return rows


@st.composite
def ledger_of_a_life(draw) -> list[Row]:
    events = ("verified_dropout", "verified_dropout", "verified_not_dropout", "returned", "visited")
    rows: dict[Any, Row] = {}
    delays = st.sampled_from([0, 0, 5, 30])
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        on, event = draw(DAYS), draw(st.sampled_from(events))
        before = draw(st.one_of(st.none(), st.integers(0, 25)))
        rows[on, event] = {
            "event_date": on, "event": event, "recorded_on": on + one_day(draw(delays)),
            "left_on": on - one_day(before) if before is not None and event == "verified_dropout" else None,
        }  # fmt: skip
    return list(rows.values())


@st.composite
def absences_of_a_life(draw) -> list[Row]:
    rows: dict[Any, Row] = {}
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        first, delay = draw(DAYS), draw(st.sampled_from([0, 0, 9]))
        if draw(st.sampled_from([True, True, False])):
            odd_day, odd = draw(st.integers(0, 20)), draw(st.sampled_from([0.5, 0, None]))
            for number in range(draw(st.integers(2, 12))):
                day = first + one_day(number)
                rows[day, day] = {"start_date": day, "end_date": day, "recorded_on": day + one_day(delay)}
                rows[day, day] |= {"days_absent": 1, "days_unexcused": odd if number == odd_day else 1}
        else:
            last = first + one_day(draw(st.integers(2, 12)))
            rows[first, last] = {"start_date": first, "end_date": last, "recorded_on": last + one_day(delay)}
            rows[first, last] |= {"days_absent": 5, "days_unexcused": draw(st.integers(2, 11))}
    return list(rows.values())


LIVES = st.fixed_dictionaries(
    {
        "enrolments": spells_of_a_life(),
        "ledger_events": ledger_of_a_life(),
        "attendance": absences_of_a_life(),
    }
)


@st.composite
def as_of_dates(draw) -> AsOf:
    day = FIRST_DAY + one_day(draw(st.integers(10, 130)))
    begun = [name for name, (start, _) in TERMS.items() if start <= day]
    horizon = draw(st.integers(5, 60))
    return AsOf(day, day + one_day(horizon), begun[-1] if begun else "t1")


def tables_of(lives: list[Life]) -> dict[str, list[Row]]:
    county: dict[str, list[Row]] = {
        "schools": [{"school_id": s, "name": s, "county": "C", "stage": "nine_year"} for s in SCHOOLS],
        "terms": [{"term": name, "start_date": a, "end_date": b} for name, (a, b) in TERMS.items()],
        "calendar": [
            {"date": NO_SCHOOL, "school_id": None, "is_school_day": False},
            {"date": MAKE_UP, "school_id": None, "is_school_day": True},
            {"date": NO_SCHOOL_AT_J, "school_id": "J", "is_school_day": False},
        ],
        "attendance_reports": [
            {"school_id": s, "start_date": a, "end_date": b, "recorded_on": b} for s, a, b in REPORTS
        ],
        "students": [{"student_id": f"c{number:02d}"} for number in range(len(lives))],
    }
    for name in ("enrolments", "ledger_events", "attendance"):
        county[name] = [
            row | {"student_id": f"c{number:02d}"} for number, life in enumerate(lives) for row in life[name]
        ]
    return county


def kind(said: str) -> str:
    """Leave out the days: `left dropped_out_exit, back`."""
    return re.sub(r" [-0-9]{10}", "", said)


def test_the_sql_says_what_a_slow_reading_of_the_contract_says(became):
    seen = Counter[str]()

    @given(
        lives=st.lists(LIVES, min_size=20, max_size=30),
        dates=st.lists(as_of_dates(), min_size=3, max_size=3, unique_by=lambda as_of: as_of.as_of_date),
        rules=st.lists(st.sampled_from([RULE, RULE, WITHOUT_ABSENCE, COURSE]), min_size=3, max_size=3),
        label_date=st.integers(130, 240).map(lambda number: FIRST_DAY + one_day(number)),
        complete=st.integers(-20, 20),
    )
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def compare(lives, dates, rules, label_date, complete):
        complete_to = label_date + one_day(complete)
        asked = list(zip(dates, rules, strict=True))
        found = became(tables_of(lives), asked, label_date=label_date, complete_to=complete_to)
        for as_of, rule in asked:
            for number, life in enumerate(lives):
                said = judge(life, as_of, rule, label_date=label_date, complete_to=complete_to)
                assert found.pop((as_of.as_of_date, f"c{number:02d}"), None) == said, (life, as_of, rule)
                seen[kind(said or "not in the cohort")] += 1
        assert not found

    compare()
    assert set(seen) >= EVERY_OUTCOME
