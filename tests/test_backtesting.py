"""Which terms a backtest judges, and what each may learn from."""

from datetime import date, timedelta
from pathlib import Path

from riskmodel.config import RunConfiguration
from riskmodel.domain import RegionRule
from riskmodel.pipelines.backtesting import _terms
from riskmodel.pipelines.run import Run, silent

TERMS = [
    {"term": f"{year}-{year + 1}-{half}", "start_date": start, "end_date": end}
    for year in (2022, 2023)
    for half, start, end in (
        (1, f"{year}-09-05", f"{year + 1}-01-13"),
        (2, f"{year + 1}-02-13", f"{year + 1}-07-07"),
    )
]


def terms_of(bureau, *, complete_to: date, delay: int = 30, since: dict[date, int] | None = None):
    """Return what is judged under one delay, or under rules that begin on some days, each with its own."""
    store = bureau({"terms": TERMS}, complete_to=complete_to)
    configuration = RunConfiguration.model_validate(
        {
            "config_version": 1,
            "region": "r",
            "workspace": "w",
            "sources": [{"name": "bureau", "path": "p"}],
            "as_of": {"weeks": [6, 12], "current": {"term": "2022-2023-1", "week": 6}},
            "horizon": {"days": 60},
            "bands": {"reach_out": 0.2, "check_in": 0.1},
            "capacity": {"share": 0.1},
        }
    )
    rules = tuple(
        RegionRule(f"v {begins}", begins, "an example", outcome_delay_days=days)
        for begins, days in (since or {date(2022, 1, 1): delay}).items()
    )
    return _terms(Run(configuration, Path("c.yaml"), rules, date(2024, 8, 1), silent), store)


def test_every_term_with_known_outcomes_is_judged_and_oldest_first(bureau):
    asked = terms_of(bureau, complete_to=date(2024, 1, 31))
    assert [one.term for one in asked] == ["2022-2023-1", "2022-2023-2", "2023-2024-1"]
    # Week 12 ends on 28 November; the 60 days and the delay of 30 end after January.
    assert [len(one.test) for one in asked] == [2, 2, 1]


def test_one_more_day_of_records_can_make_one_more_date_known(bureau):
    known_on = date(2023, 9, 5) + timedelta(days=84 + 60 + 30)
    assert len(terms_of(bureau, complete_to=known_on)[-1].test) == 2
    assert len(terms_of(bureau, complete_to=known_on - timedelta(days=1))[-1].test) == 1


def test_a_term_learns_only_from_outcomes_known_before_its_first_date(bureau):
    asked = terms_of(bureau, complete_to=date(2024, 7, 31))
    assert asked[0].training == ()
    for one in asked:
        first = one.test[0].as_of_date
        assert all(as_of.horizon_end + timedelta(days=30) <= first for as_of in one.training)
    assert [len(one.training) for one in asked] == [0, 2, 4, 6]


def test_a_longer_delay_takes_dates_from_the_training(bureau):
    asked = terms_of(bureau, complete_to=date(2024, 7, 31), delay=70)
    assert [len(one.training) for one in asked] == [0, 1, 4]


def test_a_delay_that_the_rule_has_changed_holds_for_the_dates_since_and_not_before(bureau):
    """Labels are made by the rule of each date: by another delay they would all be unknown."""
    ends = date(2023, 9, 5) + timedelta(days=84 + 60)  # of the last date of autumn 2023
    changed = {date(2022, 1, 1): 90, date(2024, 1, 1): 10}
    asked = terms_of(bureau, complete_to=ends + timedelta(days=89), since=changed)
    autumn = next(one for one in asked if one.term == "2023-2024-1")
    assert len(autumn.test) == 1
    assert autumn.outcomes_on == autumn.test[0].horizon_end + timedelta(days=90)
    asked = terms_of(bureau, complete_to=date(2024, 7, 31), since=changed)
    assert [one.outcomes_on - one.test[-1].horizon_end for one in asked] == [
        timedelta(days=days) for days in (90, 90, 90, 10)
    ]
    for one in asked:
        assert all(as_of.horizon_end + timedelta(days=90) <= one.test[0].as_of_date for as_of in one.training)


def test_outcomes_are_told_as_known_on_the_first_day_on_which_all_of_them_were(bureau):
    one, *_ = terms_of(bureau, complete_to=date(2024, 7, 31))
    assert one.outcomes_on == one.test[-1].horizon_end + timedelta(days=30)
