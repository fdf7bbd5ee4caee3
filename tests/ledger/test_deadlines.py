from collections.abc import Callable
from datetime import date, timedelta

import pytest

from riskmodel.ledger.cases import Case, Entry, Kept, fold
from riskmodel.ledger.deadlines import LedgerRule, due, ledger_rule_on

DAY = date(2026, 3, 2)
RULE = LedgerRule(version="a", valid_from=date(2025, 1, 1), follow_up_weeks=(1, 4))
STRICT = LedgerRule(version="b", valid_from=date(2026, 3, 10), first_visit_days=1, verify_days=2)


def later(days: int) -> date:
    return DAY + timedelta(days=days)


@pytest.fixture
def told(
    entry: Callable[..., Entry], kept: Callable[..., list[Kept]]
) -> Callable[..., list[tuple[str, int]]]:
    """Give `told(("visited", 3), …)`: what is due after these, and how many days after the opening."""

    def make(*events: tuple[str, int] | tuple[str, int, dict[str, object]]) -> list[tuple[str, int]]:
        entries = [
            entry(name, later(day), **(more[0] if more else {}))  # type: ignore[arg-type]
            for name, day, *more in (("opened", 0), *events)
        ]
        case = fold(kept(*entries))
        assert isinstance(case, Case)
        return [(one.duty, (one.on - DAY).days) for one in due(case, [RULE, STRICT])]

    return make


def test_a_new_case_is_visited_within_a_week_and_verified_within_four(
    told: Callable[..., list[tuple[str, int]]],
) -> None:
    assert told() == [("first_visit", 7), ("verify", 28)]
    assert told(("visited", 3)) == [("verify", 28)]


def test_who_is_asked_back_is_visited_each_month(told: Callable[..., list[tuple[str, int]]]) -> None:
    assert told(("visited", 2), ("verified_out", 5)) == [("next_visit", 35)]
    assert told(("verified_out", 5), ("visited", 20)) == [("next_visit", 50)]


def test_a_return_is_followed_up_in_the_set_weeks_and_then_closed(
    told: Callable[..., list[tuple[str, int]]],
) -> None:
    seen = ("followed_up", 11, {"week": 1})
    away = ("followed_up", 33, {"week": 4, "in_school": False})
    assert told(("returned", 4)) == [("follow_up", 11)]
    assert told(("returned", 4), seen) == [("follow_up", 32)]
    assert told(("returned", 4), seen, away) == [("follow_up", 32)], "not seen: still to be looked for"
    assert told(("returned", 4), seen, ("followed_up", 33, {"week": 4})) == [("propose_closing", 46)]


def test_a_closing_waits_for_its_decision_and_a_closed_case_for_nothing(
    told: Callable[..., list[tuple[str, int]]],
) -> None:
    proposed = (("verified_not_out", 3), ("closing_proposed", 6))
    assert told(proposed[0]) == [("propose_closing", 17)]
    assert told(*proposed) == [("decide_closing", 20)]
    assert told(*proposed, ("closing_confirmed", 7)) == []


def test_the_rule_is_that_of_the_day_on_which_the_state_began(
    told: Callable[..., list[tuple[str, int]]],
) -> None:
    assert ledger_rule_on([RULE, STRICT], date(2026, 3, 9)) is RULE
    assert ledger_rule_on([RULE, STRICT], date(2026, 3, 10)) is STRICT
    assert ledger_rule_on([], DAY).version == "unset"
    closed = (("verified_not_out", 3), ("closing_proposed", 6), ("closing_confirmed", 7))
    assert told(*closed, ("reopened", 20)) == [("first_visit", 21), ("verify", 22)]
