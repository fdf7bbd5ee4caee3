"""What is due, by a region's dated rule. The thresholds differ from place to place: none is a constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from riskmodel.ledger.cases import Case

Duty = Literal["first_visit", "verify", "next_visit", "follow_up", "propose_closing", "decide_closing"]


@dataclass(frozen=True)
class LedgerRule:
    """By when something is to be done, from a day on.

    Attributes
    ----------
    version, valid_from, source
        Name of this dated rule; the first day on which a state may begin that it holds for; the regulation
        that it states.
    suspected_after_school_days
        Reported school days away in a row, all unexcused, after which a child may have left (3 in several
        schools' rules).
    first_visit_days, verify_days
        From opening to the first visit (a week) and to the verification (four weeks).
    visit_every_days
        While a child is asked back: from one visit to the next (a month).
    follow_up_weeks
        Weeks after a return in which the child is looked for in school.
    closing_days
        From knowing all to proposing the closing, and from the proposal to the decision.
    """

    version: str = "unset"
    valid_from: date = date(2000, 1, 1)
    source: str = "no rule of the region was kept yet"
    suspected_after_school_days: int = 3
    first_visit_days: int = 7
    verify_days: int = 28
    visit_every_days: int = 30
    follow_up_weeks: tuple[int, ...] = (1, 2, 4, 8)
    closing_days: int = 14


@dataclass(frozen=True)
class Due:
    """One thing to do, and the last day for it. `week`: which follow-up."""

    duty: Duty
    on: date
    week: int | None = None


def ledger_rule_on(rules: Sequence[LedgerRule], day: date) -> LedgerRule:
    """Return the latest rule that has begun by a day; the usual one where none has."""
    begun = [rule for rule in rules if rule.valid_from <= day]
    return max(begun, key=lambda rule: rule.valid_from, default=LedgerRule())


def due(case: Case, rules: Sequence[LedgerRule]) -> tuple[Due, ...]:
    """Return what is to be done next of a case, the earliest first; nothing of a closed one.

    The rule is the one that held when the present state began: a later rule never makes late what was in
    time.
    """
    return tuple(sorted(_due(case, ledger_rule_on(rules, case.since)), key=lambda one: one.on))


def missing_follow_ups(case: Case, rule: LedgerRule) -> tuple[int, ...]:
    """Return the set weeks after the return in which the child was not yet seen in school."""
    return tuple(week for week in rule.follow_up_weeks if week not in case.followed_up)


def _due(case: Case, rule: LedgerRule) -> Iterator[Due]:
    def after(day: date, days: int) -> date:
        return day + timedelta(days=days)

    match case.state:
        case "to_verify":
            if case.last_visit_on is None or case.last_visit_on < case.since:
                yield Due("first_visit", after(case.since, rule.first_visit_days))
            yield Due("verify", after(case.since, rule.verify_days))
        case "persuading":
            last = max(case.since, case.last_visit_on or case.since)
            yield Due("next_visit", after(last, rule.visit_every_days))
        case "returned" if case.returned_on is not None:
            missing = missing_follow_ups(case, rule)
            for week in missing[:1]:
                yield Due("follow_up", after(case.returned_on, 7 * week), week)
            if not missing:
                last_week = max(rule.follow_up_weeks, default=0)
                yield Due("propose_closing", after(case.returned_on, 7 * last_week + rule.closing_days))
        case "explained":
            yield Due("propose_closing", after(case.since, rule.closing_days))
        case "closing":
            yield Due("decide_closing", after(case.since, rule.closing_days))
