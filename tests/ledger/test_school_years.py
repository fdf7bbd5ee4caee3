"""Three fictional school years: ledgers, events, what is due and what flows out equal a clerk's count.

In short a small county; `make ledger-years` (RISKMODEL_LEDGER=full) lives fifty larger ones and prints what
happened in them. Bugs are planted first, and each is noticed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import true

from riskmodel.ledger import asked
from riskmodel.ledger import cases as folding
from riskmodel.ledger.transitions import TRANSITIONS
from riskmodel.store import cases, ledger

from .clerk import in_words
from .school_years import World

pytestmark = pytest.mark.slow

FULL = os.environ.get("RISKMODEL_LEDGER") == "full"
SEEDS = range(1, 51) if FULL else range(1, 2)
SIZE, LEAVING = (80, 0.0011) if FULL else (9, 0.002)
Bug = AbstractContextManager[None]


@contextmanager
def _correction_not_folded() -> Iterator[None]:
    def as_first_told(kept: Any) -> list[Any]:
        return [one for one in kept if one.entry.corrects is None]

    with (
        mock.patch.object(folding, "in_force", as_first_told),
        mock.patch.object(cases, "in_force", as_first_told),
    ):
        yield


@contextmanager
def _event_lost() -> Iterator[None]:
    """Acknowledge every second visit, and keep nothing."""
    real, count = ledger.add_entry, Counter[str]()

    def forgetful(store: Any, who: Any, case_id: str, entry: Any, *, at: Any) -> Any:
        count[entry.event] += 1
        if entry.event == "visited" and entry.corrects is None and count["visited"] % 2 == 0:
            return cases.case_of(store, who, case_id)
        return real(store, who, case_id, entry, at=at)

    with mock.patch.object(ledger, "add_entry", forgetful):
        yield


@contextmanager
def _step_outside_the_table() -> Iterator[None]:
    let_through = {"explained": "returned", "closing": "returned", "closed": "returned"}
    with mock.patch.dict(TRANSITIONS["returned"], let_through):  # type: ignore[arg-type]
        yield


@contextmanager
def _due_a_day_late() -> Iterator[None]:
    real = cases.due

    def late(*told: Any) -> Any:
        shifted = (replace(one, on=one.on + timedelta(days=one.duty == "verify")) for one in real(*told))
        return tuple(shifted)

    with mock.patch.object(cases, "due", late):
        yield


@contextmanager
def _closed_by_who_proposed() -> Iterator[None]:
    with mock.patch.object(asked, "_check_second_person", return_value=None):
        yield


@contextmanager
def _known_when_it_happened() -> Iterator[None]:
    """Tell the records of an entry written down late as if it had been known on its day: a leak."""
    real = cases.ledger_events

    def early(*told: Any) -> list[dict[str, str]]:
        return [row | {"recorded_on": row["event_date"]} for row in real(*told)]

    with mock.patch.object(cases, "ledger_events", early):
        yield


@contextmanager
def _all_is_everybodys() -> Iterator[None]:
    with mock.patch.object(cases, "sees_case", return_value=true()):
        yield


PLANTED: dict[str, Callable[[], Bug]] = {
    "a correction is not folded": _correction_not_folded,
    "an event is lost": _event_lost,
    "a step outside the table is let through": _step_outside_the_table,
    "a due day is off by one": _due_a_day_late,
    "a closing is confirmed by who proposed it": _closed_by_who_proposed,
    "what is written down late is known on its day": _known_when_it_happened,
    "everybody sees every case": _all_is_everybodys,
}


@pytest.mark.parametrize("bug", PLANTED)
def test_the_clerk_notices_a_planted_bug(bug: str, tmp_path: Path) -> None:
    with PLANTED[bug]():
        world = World(7, tmp_path, years=1, size=12, leaving=0.01, disturbed=0.8, stop_at_first=True).live()
    assert world.differences, bug
    day, what, *_ = world.differences[0]
    print(f"planted: {bug}: noticed on {day}, in {what}")  # noqa: T201


@pytest.fixture(scope="module")
def lived() -> Iterator[Counter[str]]:
    """What happened in all worlds together; printed at the end."""
    happened: Counter[str] = Counter()
    yield happened
    for what, count in sorted(happened.items()):
        print(f"  {what}: {count:,}")  # noqa: T201


@pytest.mark.parametrize("seed", SEEDS)
def test_ledgers_of_three_school_years_equal_a_clerks_count(
    seed: int, tmp_path: Path, lived: Counter[str]
) -> None:
    world = World(seed, tmp_path, size=SIZE, leaving=LEAVING).live()
    lived.update(world.told)
    lived.update({"worlds": 1, "cases": len(world.clerk.cards), "rows of the chain": world.clerk.rows})
    lived.update({"comparisons": world.compared, "differences": len(world.differences)})
    assert world.differences == [], in_words(world.differences[:5])


def test_the_worlds_held_all_that_schools_do(lived: Counter[str]) -> None:
    common = (
        "written down late", "correct", "returned kept", "closing_confirmed kept", "reopened kept",
        "handed_over kept", "visited nobody's", "schools merged", "townships divided",
    )  # fmt: skip
    rare = (
        "withdraw", "left_again kept", "closing_refused kept", "decided by who proposed",
        "closing_confirmed not allowed", "erased", "again", "incomplete", "foreign school opens",
    )  # fmt: skip
    for what in (*common, *(rare if FULL else ())):
        assert lived[what] >= (20 if FULL else 1), what
