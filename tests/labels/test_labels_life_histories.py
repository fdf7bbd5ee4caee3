"""Hand-written life histories, each with what became of the student. Read it as a table.

The county: terms of `TERMS`, a holiday on New Year's Day. School P (primary), J (junior) and N (nine years);
X is a school outside the data. All report every school day, but N nothing from 2 to 13 December 2024.
Rule: ten consecutive unexcused days; a suspension is over 30 days past its end; back within 30 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from riskmodel.domain import AsOf, Outcome, RegionRule, UnexcusedAbsenceRule
from riskmodel.labels import count_outcomes

Rows = list[tuple[str, dict[str, Any]]]

AUTUMN = AsOf(date(2024, 10, 28), date(2025, 4, 26), "2024-2025-1")
SPRING = AsOf(date(2025, 5, 12), date(2025, 11, 8), "2024-2025-2")
SUMMER = AsOf(date(2025, 7, 21), date(2026, 1, 17), "2024-2025-2")
LATE = AsOf(date(2026, 5, 11), date(2026, 11, 7), "2025-2026-2")
LABEL_DATE = date(2026, 6, 30)
RULE = RegionRule("test", date(2020, 1, 1), "test", unexcused_absence=UnexcusedAbsenceRule(10))

TERMS = [
    ("2023-2024-2", "2024-02-19", "2024-07-05"),
    ("2024-2025-1", "2024-09-02", "2025-01-17"),
    ("2024-2025-2", "2025-02-17", "2025-07-04"),
    ("2025-2026-1", "2025-09-01", "2026-01-16"),
    ("2025-2026-2", "2026-02-16", "2026-07-03"),
]


def day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def spell(school: str = "J", start: str = "2024-09-02", end: str | None = None,
          exit_reason: str | None = None, *, grade: int = 7, to: str | None = None,
          until: str | None = None, recorded: str | None = None) -> Rows:  # fmt: skip
    """Give a spell: its opening, and its closing as recorded (a week after the last day if not said)."""
    opening = {"school_id": school, "start_date": day(start), "grade": grade, "recorded_on": day(start)}
    if end is None:
        return [("enrolments", opening)]
    last = date.fromisoformat(end)
    closing = opening | {
        "end_date": last, "exit_reason": exit_reason, "to_school_id": to, "expected_return": day(until),
        "recorded_on": day(recorded) or last + timedelta(days=7),
    }  # fmt: skip
    return [("enrolments", opening), ("enrolments", closing)]


def ends(
    end: str, exit_reason: str | None, *, school: str = "J", start: str = "2024-09-02", **told: Any
) -> Rows:
    """Give a spell that ends."""
    return spell(school, start, end, exit_reason, **told)


def ledger(event: str, on: str, *, left: str | None = None, recorded: str | None = None) -> Rows:
    row = {"event": event, "event_date": day(on), "left_on": day(left), "recorded_on": day(recorded or on)}
    return [("ledger_events", row)]


def away(first: str, count: int, *, unexcused: float | None = 1, days: float = 1, holiday: str = "") -> Rows:
    """Give daily rows for so many days, Monday to Friday, recorded on the day."""
    rows: Rows = []
    on = date.fromisoformat(first)
    while len(rows) < count:
        if on.weekday() < 5 and on != day(holiday):
            row = {"start_date": on, "end_date": on, "days_absent": days, "days_unexcused": unexcused}
            rows.append(("attendance", row | {"recorded_on": on}))
        on += timedelta(days=1)
    return rows


def withdrawn(rows: Rows) -> Rows:
    """Give the same rows, withdrawn by a later delivery."""
    return [(name, row | {"known_until": day("2024-12-01")}) for name, row in rows]


def month(first: str, last: str, *, unexcused: float) -> Rows:
    row = {"start_date": day(first), "end_date": day(last), "days_absent": unexcused}
    return [("attendance", row | {"days_unexcused": unexcused, "recorded_on": day(last)})]


@dataclass(frozen=True)
class Life:
    name: str
    as_of: AsOf
    rows: Rows
    expected: str


STAYED, NOT_IN_COHORT = "stayed", "not in the cohort"
J = spell()

LIVES = [
    # --- leaving by the spell
    Life("stays", AUTUMN, J, STAYED),
    Life("drops out", AUTUMN, ends("2024-12-05", "dropped_out"),
         "left 2024-12-06 dropped_out_exit"),
    Life("drops out after the as-of date's own day", AUTUMN, ends("2024-10-28", "dropped_out"),
         "left 2024-10-29 dropped_out_exit"),
    Life("left on the as-of date, recorded later", AUTUMN, ends("2024-10-27", "dropped_out"),
         "already_gone 2024-10-28 dropped_out_exit"),
    Life("left before, recorded on the as-of date", AUTUMN,
         ends("2024-10-21", "dropped_out", recorded="2024-10-28"), NOT_IN_COHORT),
    Life("left before, recorded the day after the as-of date", AUTUMN,
         ends("2024-10-21", "dropped_out", recorded="2024-10-29"),
         "already_gone 2024-10-22 dropped_out_exit"),
    Life("leaves on the last day of the horizon", AUTUMN, ends("2025-04-25", "dropped_out"),
         "left 2025-04-26 dropped_out_exit"),
    Life("leaves the day after the horizon", AUTUMN, ends("2025-04-26", "dropped_out"), STAYED),
    Life("never came, recorded late", AUTUMN,
         ends("2024-09-02", "dropped_out", recorded="2024-11-15"),
         "already_gone 2024-09-03 dropped_out_exit"),
    Life("recorded after the label date", AUTUMN,
         ends("2024-12-05", "dropped_out", recorded="2026-07-01"), STAYED),
    Life("recorded on the label date", AUTUMN,
         ends("2024-12-05", "dropped_out", recorded="2026-06-30"),
         "left 2024-12-06 dropped_out_exit"),
    Life("end announced in advance", AUTUMN,
         ends("2024-11-15", "dropped_out", recorded="2024-10-21"),
         "left 2024-11-16 dropped_out_exit"),
    Life("said to have dropped out, corrected to a transfer", AUTUMN,
         ends("2024-12-05", "dropped_out")
         + ends("2024-12-05", "transferred", to="X", recorded="2025-03-01"), STAYED),
    Life("said to have transferred, corrected to dropped out", AUTUMN,
         ends("2024-12-05", "transferred", to="X")
         + ends("2024-12-05", "dropped_out", recorded="2025-03-01"),
         "left 2024-12-06 dropped_out_exit"),
    Life("last day corrected to one before the as-of date", AUTUMN,
         ends("2024-12-05", "dropped_out")
         + ends("2024-10-10", "dropped_out", recorded="2025-03-01"),
         "already_gone 2024-10-11 dropped_out_exit"),
    Life("already gone, whatever comes after", AUTUMN,
         ends("2024-10-10", "dropped_out", recorded="2024-11-15")
         + spell(start="2025-02-17", end="2025-03-14", exit_reason="died"),
         "already_gone 2024-10-11 dropped_out_exit"),
    # --- coming back
    Life("comes back within the horizon", AUTUMN,
         ends("2024-12-05", "dropped_out") + spell("N", "2025-02-17"),
         "left 2024-12-06 dropped_out_exit, back 2025-02-17"),
    Life("is back on the very day", AUTUMN,
         ends("2024-12-05", "dropped_out") + spell("N", "2024-12-06"),
         "left 2024-12-06 dropped_out_exit, back 2024-12-06"),
    Life("comes back on the last day of the horizon", AUTUMN,
         ends("2024-12-05", "dropped_out") + spell("N", "2025-04-26"),
         "left 2024-12-06 dropped_out_exit, back 2025-04-26"),
    Life("comes back after the horizon", AUTUMN,
         ends("2024-12-05", "dropped_out") + spell("N", "2025-04-27"),
         "left 2024-12-06 dropped_out_exit"),
    Life("comes back, says the ledger", AUTUMN,
         ends("2024-12-05", "dropped_out") + ledger("returned", "2025-03-03"),
         "left 2024-12-06 dropped_out_exit, back 2025-03-03"),
    Life("leaves, comes back, leaves again", AUTUMN,
         ends("2024-12-05", "dropped_out")
         + spell("N", "2025-02-17", "2025-03-14", "dropped_out"),
         "left 2024-12-06 dropped_out_exit, back 2025-02-17"),
    Life("had left and come back before the as-of date, all recorded after it", AUTUMN,
         spell(start="2024-02-19")
         + ends(start="2024-02-19", end="2024-05-10", exit_reason="dropped_out", recorded="2024-11-15")
         + spell("N"), STAYED),
    Life("had left and is back on the as-of date, all recorded after it", AUTUMN,
         spell(start="2024-02-19")
         + ends(start="2024-02-19", end="2024-05-10", exit_reason="dropped_out", recorded="2024-11-15")
         + spell("N", "2024-10-28"), STAYED),
    Life("had left one of two schools on the as-of date, known", AUTUMN,
         spell() + spell("N", "2024-09-02", "2024-10-27", "dropped_out", recorded="2024-10-28"), STAYED),
    Life("had left one of two schools before, known", AUTUMN,
         spell() + spell("N", "2024-09-02", "2024-09-27", "dropped_out"), STAYED),
    # --- the ledger
    Life("verified, with the day", AUTUMN, J + ledger("verified_dropout", "2024-12-20", left="2024-12-02"),
         "left 2024-12-02 verified_by_ledger"),
    Life("verified, without the day", AUTUMN, J + ledger("verified_dropout", "2024-12-20"),
         "left 2024-12-20 verified_by_ledger"),
    Life("verified to have left before the as-of date", AUTUMN,
         J + ledger("verified_dropout", "2024-12-20", left="2024-10-28"),
         "already_gone 2024-10-28 verified_by_ledger"),
    Life("verified before the as-of date", AUTUMN,
         J + ledger("verified_dropout", "2024-10-21"), NOT_IN_COHORT),
    Life("verified before the as-of date, recorded after it", AUTUMN,
         J + ledger("verified_dropout", "2024-10-21", recorded="2024-10-29"),
         "already_gone 2024-10-21 verified_by_ledger"),
    Life("verified, then not so", AUTUMN,
         J + ledger("verified_dropout", "2024-12-20") + ledger("verified_not_dropout", "2025-01-10"), STAYED),
    Life("verified, and not so, on one day", AUTUMN,
         J + ledger("verified_dropout", "2024-12-20") + ledger("verified_not_dropout", "2024-12-20"), STAYED),
    Life("not so, then verified", AUTUMN,
         J + ledger("verified_not_dropout", "2024-12-02") + ledger("verified_dropout", "2025-01-10"),
         "left 2025-01-10 verified_by_ledger"),
    Life("the ledger cannot cancel an exit", AUTUMN,
         ends("2024-12-05", "dropped_out") + ledger("verified_not_dropout", "2025-01-10"),
         "left 2024-12-06 dropped_out_exit"),
    Life("suspected, visited, closed", AUTUMN,
         J + ledger("suspected", "2024-12-02") + ledger("visited", "2024-12-03")
         + ledger("closed", "2024-12-20"), STAYED),
    Life("verified and returned before the as-of date", AUTUMN,
         J + ledger("verified_dropout", "2024-09-20") + ledger("returned", "2024-10-08"), STAYED),
    Life("verified before, a new spell since", AUTUMN,
         ends(start="2024-02-19", end="2024-05-10", exit_reason="dropped_out")
         + ledger("verified_dropout", "2024-05-20") + spell("N"), STAYED),
    Life("already gone by two causes: the earlier day holds", AUTUMN,
         ends("2024-10-20", "dropped_out", recorded="2024-11-15")
         + ledger("verified_dropout", "2024-11-20", left="2024-10-10"),
         "already_gone 2024-10-10 verified_by_ledger"),
    Life("already gone by two causes on one day", AUTUMN,
         ends("2024-10-20", "dropped_out", recorded="2024-11-15")
         + ledger("verified_dropout", "2024-11-20", left="2024-10-21"),
         "already_gone 2024-10-21 dropped_out_exit"),
    Life("exit and ledger on one day", AUTUMN,
         ends("2024-12-05", "dropped_out") + ledger("verified_dropout", "2024-12-20", left="2024-12-06"),
         "left 2024-12-06 dropped_out_exit"),
    Life("ledger and suspension on one day", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-02-17") + ledger("verified_dropout", "2025-03-19"),
         "left 2025-03-19 verified_by_ledger"),
    Life("exit and ledger: the earlier day holds", AUTUMN,
         ends("2024-12-05", "dropped_out")
         + ledger("verified_dropout", "2024-12-20", left="2024-12-02"), "left 2024-12-02 verified_by_ledger"),
    # --- suspension
    Life("suspended to beyond the horizon", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-11-15"), STAYED),
    Life("suspended and back in time", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-02-17") + spell("J", "2025-02-17"), STAYED),
    Life("suspended and back on the last day", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-02-17") + spell("J", "2025-03-19"), STAYED),
    Life("suspension overrun", AUTUMN, ends("2024-11-15", "suspended", until="2025-02-17"),
         "left 2025-03-19 suspension_overrun"),
    Life("suspension overrun, then back", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-02-17") + spell("J", "2025-03-20"),
         "left 2025-03-19 suspension_overrun, back 2025-03-20"),
    Life("suspension extended", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-02-17")
         + ends("2024-11-15", "suspended", until="2025-09-01", recorded="2025-02-20"), STAYED),
    Life("suspension without an end", AUTUMN, ends("2024-11-15", "suspended"), STAYED),
    Life("overrun the day after the horizon", AUTUMN,
         ends("2024-11-15", "suspended", until="2025-03-28"), STAYED),
    Life("overrun before the as-of date, recorded after it", AUTUMN,
         ends("2024-09-13", "suspended", until="2024-09-20", recorded="2024-11-01"),
         "already_gone 2024-10-20 suspension_overrun"),
    # --- unexcused absence
    Life("ten days away", AUTUMN, J + away("2024-11-04", 10),
         "left 2024-11-15 unexcused_absence, back 2024-11-18"),
    Life("nine days away", AUTUMN, J + away("2024-11-04", 9), STAYED),
    Life("away to the end of what was reported", AUTUMN, J + away("2025-03-03", 90),
         "left 2025-03-14 unexcused_absence"),
    Life("a day present in between", AUTUMN, J + away("2024-11-04", 9) + away("2024-11-18", 9), STAYED),
    Life("over New Year's Day", AUTUMN, J + away("2024-12-23", 10, holiday="2025-01-01"),
         "left 2025-01-06 unexcused_absence, back 2025-01-07"),
    Life("away in the last days of one term and the first of the next", AUTUMN,
         J + away("2025-01-13", 5) + away("2025-02-17", 5),
         "left 2025-02-21 unexcused_absence, back 2025-02-24"),
    Life("half days", AUTUMN, J + away("2024-11-04", 20, unexcused=0.5, days=0.5), STAYED),
    Life("excused", AUTUMN, J + away("2024-11-04", 20, unexcused=0), STAYED),
    Life("not known whether excused", AUTUMN, J + away("2024-11-04", 20, unexcused=None), STAYED),
    Life("days that nobody reported do not interrupt", AUTUMN,
         spell("N") + away("2024-11-25", 5) + away("2024-12-16", 5),
         "left 2024-12-20 unexcused_absence, back 2024-12-23"),
    Life("days that nobody reported do not count", AUTUMN, spell("N") + away("2024-12-02", 10), STAYED),
    Life("a month away, told as a count", AUTUMN, J + month("2024-12-02", "2024-12-29", unexcused=20),
         "left 2024-12-13 unexcused_absence, back 2024-12-30"),
    Life("a month away but for one day", AUTUMN, J + month("2024-12-02", "2024-12-29", unexcused=19), STAYED),
    Life("daily rows hold within the month", AUTUMN,
         J + month("2024-12-02", "2024-12-29", unexcused=20) + away("2024-12-02", 3), STAYED),
    Life("away, then verified not to have left", AUTUMN,
         J + away("2024-11-04", 10) + ledger("verified_not_dropout", "2024-11-20"), STAYED),
    Life("verified not to have left on the tenth day", AUTUMN,
         J + away("2024-11-04", 10) + ledger("verified_not_dropout", "2024-11-15"), STAYED),
    Life("verified not to have left, then away", AUTUMN,
         J + ledger("verified_not_dropout", "2024-11-04") + away("2024-11-04", 10),
         "left 2024-11-15 unexcused_absence, back 2024-11-18"),
    Life("away since before the as-of date", AUTUMN, J + away("2024-10-21", 10),
         "left 2024-11-01 unexcused_absence, back 2024-11-04"),
    Life("had reached ten days by the as-of date", AUTUMN, J + away("2024-10-15", 12),
         "already_gone 2024-10-28 unexcused_absence"),
    Life("had reached ten days by the as-of date, known then", AUTUMN, J + away("2024-10-07", 20),
         "already_gone 2024-10-18 unexcused_absence"),
    Life("had reached ten days, but was present again", AUTUMN, J + away("2024-10-09", 11), STAYED),
    Life("corrected to no absence", AUTUMN,
         J + away("2024-11-04", 10)
         + [("attendance", {"start_date": day("2024-11-06"), "end_date": day("2024-11-06"), "days_absent": 0,
                            "days_unexcused": 0, "recorded_on": day("2024-12-01")})], STAYED),
    # --- not leaving
    Life("transfer confirmed, outside the data", AUTUMN,
         ends("2024-12-05", "transferred", to="X"), STAYED),
    Life("transfer confirmed, within the data", AUTUMN,
         ends("2024-12-05", "transferred", to="N") + spell("N", "2024-12-09"), STAYED),
    Life("graduates from grade 9", SPRING,
         ends("2025-07-04", "graduated", grade=9), STAYED),
    Life("dies", AUTUMN, ends("2024-12-05", "died"), STAYED),
    Life("emigrates", AUTUMN, ends("2024-12-05", "emigrated"), STAYED),
    Life("is taught at home", AUTUMN, ends("2024-12-05", "home_teaching"), STAYED),
    Life("transfer confirmed, the new school sends no spell", AUTUMN,
         ends("2024-12-05", "transferred", to="N"), STAYED),
    Life("was back late from the summer, but before the as-of date", AUTUMN,
         ends("2024-07-05", "continued", start="2024-02-19") + spell(start="2024-10-14"), STAYED),
    Life("was back late from the summer, on the as-of date", AUTUMN,
         ends("2024-07-05", "continued", start="2024-02-19") + spell(start="2024-10-28"), STAYED),
    Life("changes class", AUTUMN,
         ends("2024-12-05", "continued") + spell("J", "2024-12-06"), STAYED),
    # --- unaccounted
    Life("transfer nobody confirmed", AUTUMN, ends("2024-12-05", "transfer_unconfirmed"),
         "unaccounted transfer_unconfirmed"),
    Life("transfer confirmed by a later statement", AUTUMN,
         ends("2024-12-05", "transfer_unconfirmed")
         + ends("2024-12-05", "transferred", to="X", recorded="2025-09-01"), STAYED),
    Life("transfer settled by a spell elsewhere", AUTUMN,
         ends("2024-12-05", "transfer_unconfirmed") + spell("N", "2024-12-09"), STAYED),
    Life("unconfirmed, turns up after the due day", AUTUMN,
         ends("2024-12-05", "transfer_unconfirmed") + spell("N", "2025-03-20"),
         "unaccounted transfer_unconfirmed, arrived 2025-03-20"),
    Life("unconfirmed after the horizon", AUTUMN,
         ends("2025-04-26", "transfer_unconfirmed"), STAYED),
    Life("unconfirmed before the as-of date, recorded after it", AUTUMN,
         ends("2024-10-10", "transfer_unconfirmed", recorded="2024-11-15"),
         "unaccounted transfer_unconfirmed"),
    Life("unconfirmed, then verified to have left", AUTUMN,
         ends("2024-12-05", "transfer_unconfirmed") + ledger("verified_dropout", "2025-03-03"),
         "left 2025-03-03 verified_by_ledger"),
    Life("closed late as dropped out, and long at another school", AUTUMN,
         ends("2024-11-15", "dropped_out") + spell("N", "2024-11-04"), STAYED),
    Life("closed as dropped out, and at another school from the next day on", AUTUMN,
         ends("2024-11-15", "dropped_out") + spell("N", "2024-11-16"),
         "left 2024-11-16 dropped_out_exit, back 2024-11-16"),
    Life("ended, and nobody says why", AUTUMN, ends("2024-11-22", None), "unaccounted unexplained"),
    Life("ended before the as-of date, recorded after it, and nobody says why", AUTUMN,
         ends("2024-10-20", None, recorded="2024-11-29"), "unaccounted unexplained"),
    Life("ended, nobody says why, and is on another roll in time", AUTUMN,
         ends("2024-11-22", None) + spell("N", "2024-11-25"), STAYED),
    Life("ended, and the reason is told later", AUTUMN,
         ends("2024-11-22", None) + ends("2024-11-22", "dropped_out", recorded="2025-01-10"),
         "left 2024-11-23 dropped_out_exit"),
    Life("ended in the summer, and nobody says why", SPRING, ends("2025-07-04", None),
         "unaccounted unexplained"),
    Life("grade 6 to 7", SPRING,
         ends("2025-07-04", "graduated", school="P", grade=6) + spell("J", "2025-09-01"), STAYED),
    Life("grade 6 to 7 on the due day", SPRING,
         ends("2025-07-04", "graduated", school="P", grade=6) + spell("J", "2025-10-01"), STAYED),
    Life("grade 6 to 7 a day later", SPRING,
         ends("2025-07-04", "graduated", school="P", grade=6) + spell("J", "2025-10-02"),
         "unaccounted not_back, arrived 2025-10-02"),
    Life("grade 6 and no next spell", SPRING,
         ends("2025-07-04", "graduated", school="P", grade=6), "unaccounted not_back"),
    Life("grade 6, enrolled for grade 7, never came", SPRING,
         ends("2025-07-04", "graduated", school="P", grade=6)
         + spell("J", "2025-09-01", "2025-09-01", "dropped_out"), "left 2025-09-02 dropped_out_exit"),
    Life("next grade", SPRING, ends("2025-07-04", "continued") + spell("J", "2025-09-01", grade=8),
         STAYED),
    Life("repeats the grade", SPRING, ends("2025-07-04", "continued") + spell("J", "2025-09-01"),
         STAYED),
    Life("is not back after the summer", SPRING, ends("2025-07-04", "continued"),
         "unaccounted not_back"),
    # --- in a break
    Life("expected and back", SUMMER,
         ends("2025-07-04", "continued") + spell("J", "2025-09-01", grade=8), STAYED),
    Life("expected and not back", SUMMER, ends("2025-07-04", "continued"),
         "unaccounted not_back"),
    Life("back, and then leaves", SUMMER,
         ends("2025-07-04", "continued") + spell("J", "2025-09-01", "2025-11-28", "dropped_out"),
         "left 2025-11-29 dropped_out_exit"),
    Life("left over the summer, known later", SUMMER,
         ends("2025-07-04", "continued")
         + ends("2025-07-04", "dropped_out", recorded="2025-09-20"),
         "already_gone 2025-07-05 dropped_out_exit"),
    Life("transferred within the data, never there", SUMMER,
         ends("2025-07-04", "transferred", to="N"), "unaccounted not_back"),
    Life("transferred within the data, corrected to outside", SUMMER,
         ends("2025-07-04", "transferred", to="N")
         + ends("2025-07-04", "transferred", to="X", recorded="2025-09-15"), STAYED),
    Life("transferred outside", SUMMER, ends("2025-07-04", "transferred", to="X"), NOT_IN_COHORT),
    Life("has completed compulsory education", SUMMER,
         ends("2025-07-04", "graduated", grade=9), NOT_IN_COHORT),
    Life("suspended over the summer", SUMMER,
         ends("2025-05-16", "suspended", until="2025-09-01"), NOT_IN_COHORT),
    Life("was expected a year ago", SUMMER,
         ends(start="2024-02-19", end="2024-07-05", exit_reason="continued"), NOT_IN_COHORT),
    # --- not known yet
    Life("too early to say", LATE, J, "unknown"),
    Life("too early to say, but known to have left", LATE, ends("2026-05-22", "dropped_out"),
         "unknown 2026-05-23 dropped_out_exit"),
    Life("too early to say, transfer open", LATE, ends("2026-05-22", "transfer_unconfirmed"),
         "unknown"),
    # --- one child
    Life("two roll numbers, one child", AUTUMN,
         [*J, ("students", {"roll_number": "G1", "known_from": day("2024-09-02")}),
          ("students", {"roll_number": "L1", "known_from": day("2024-11-02")})], STAYED),
    Life("a spell that was withdrawn", AUTUMN,
         withdrawn(J),
         "unaccounted record_withdrawn"),
    Life("a spell that was withdrawn, another begun on the last day of the horizon", AUTUMN,
         withdrawn(J) + spell("N", "2025-04-26"), STAYED),
    Life("a spell that was withdrawn, another begun a day later", AUTUMN,
         withdrawn(J) + spell("N", "2025-04-27"), "unaccounted record_withdrawn"),
    Life("a spell that was withdrawn, its leaving verified", AUTUMN,
         withdrawn(J) + ledger("verified_dropout", "2024-12-20"), "left 2024-12-20 verified_by_ledger"),
]  # fmt: skip


def tables() -> dict[str, list[dict[str, Any]]]:
    reports = [("P", "2024-02-19", "2026-01-16"), ("J", "2024-02-19", "2024-10-25"),
               ("J", "2024-10-26", "2026-01-16"),
               ("N", "2024-02-19", "2024-12-01"), ("N", "2024-12-14", "2026-01-16")]  # fmt: skip
    told: dict[str, list[dict[str, Any]]] = {
        "schools": [
            {"school_id": school, "name": school, "county": "C", "stage": stage}
            for school, stage in (("P", "primary"), ("J", "junior"), ("N", "nine_year"))
        ],
        "terms": [{"term": term, "start_date": day(a), "end_date": day(b)} for term, a, b in TERMS],
        "calendar": [{"date": date(2025, 1, 1), "is_school_day": False, "school_id": None}],
        "attendance_reports": [
            {"school_id": school, "start_date": day(a), "end_date": day(b), "recorded_on": day(b)}
            for school, a, b in reports
        ],
        "students": [], "enrolments": [], "ledger_events": [], "attendance": [],
    }  # fmt: skip
    for number, life in enumerate(LIVES):
        for name, row in life.rows:
            told[name].append(row | {"student_id": student(number)})
    known = {row["student_id"] for row in told["students"]}
    told["students"] += [{"student_id": s} for n in range(len(LIVES)) if (s := student(n)) not in known]
    return told


def student(number: int) -> str:
    return f"c{number:03d}"


@pytest.fixture(scope="module")
def labels(label):
    asked = [(as_of, RULE) for as_of in (AUTUMN, SPRING, SUMMER, LATE)]
    return label(tables(), asked, label_date=LABEL_DATE, complete_to=LABEL_DATE)


@pytest.fixture(scope="module")
def outcomes(became):
    asked = [(as_of, RULE) for as_of in (AUTUMN, SPRING, SUMMER, LATE)]
    return became(tables(), asked, label_date=LABEL_DATE, complete_to=LABEL_DATE)


@pytest.mark.parametrize(
    ("number", "life"), [pytest.param(number, life, id=life.name) for number, life in enumerate(LIVES)]
)
def test_what_became_of_one_who(number, life, outcomes):
    assert outcomes.get((life.as_of.as_of_date, student(number)), NOT_IN_COHORT) == life.expected


def test_there_are_more_than_sixty_life_histories_with_names_of_their_own():
    assert len({life.name for life in LIVES}) == len(LIVES) > 60


def test_a_leaver_is_counted_once_however_many_dates_hold_the_student(labels):
    counts = count_outcomes(labels)
    left = labels.frame[labels.frame["outcome"] == "left"]
    assert counts.rows[Outcome.LEFT] == len(left)
    assert counts.leavers == len(set(left["student_id"]))
    assert counts.returned == len(set(left.dropna(subset="returned_on")["student_id"]))
    assert sum(counts.rows.values()) == len(labels.frame)
    assert counts.students[Outcome.UNKNOWN] == counts.rows[Outcome.UNKNOWN]
