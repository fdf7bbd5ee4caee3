from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from riskmodel.ledger.cases import Entry, Home
from riskmodel.store.engine import Store
from riskmodel.store.ledger import add_entry, open_case
from riskmodel.store.ledger_totals import ledger_totals
from riskmodel.store.principals import Principal

DAY = date(2026, 11, 2)
OPENED = Entry(
    event="opened",
    day=DAY,
    by="李",
    kind="suspected",
    found_by="school",
    why="三天未到",
    home=Home("s1", "东乡"),
)
OUT = Entry(event="verified_out", day=DAY, by="李", reasons=("work",), evidence=("家访记录",), left_on=DAY)


def test_cases_are_counted_as_they_were_written_down_by_the_day(
    store: Store, bureau: Principal, now: datetime
) -> None:
    case = open_case(store, bureau, "c1", OPENED, at=now)
    at_home = replace(OPENED, kind="school_age", home=Home(township="西乡"))
    open_case(store, bureau, "household:p1", at_home, at=now)
    add_entry(store, bureau, case.case_id, OUT, at=now + timedelta(days=9))
    assert ledger_totals(store, bureau, until=DAY - timedelta(days=1)) == {}
    assert ledger_totals(store, bureau, until=DAY + timedelta(days=8)) == {
        ("s1", "", "suspected", "to_verify"): 1, ("", "西乡", "school_age", "to_verify"): 1,
    }  # fmt: skip
    assert ledger_totals(store, bureau, until=DAY + timedelta(days=9)) == {
        ("s1", "", "dropped_out", "persuading"): 1, ("", "西乡", "school_age", "to_verify"): 1,
    }  # fmt: skip
