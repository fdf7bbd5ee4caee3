"""A search for parameters is shown nothing of the dates on which its choice is judged."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.domain import AsOf
from riskmodel.pipelines import searching
from riskmodel.pipelines.run import Dates
from riskmodel.recipe import Recipe, Search


class AskedFor(Exception):  # noqa: N818
    """Raised in place of reading, once it is known what would be read."""


def as_of(day: str, term: str) -> AsOf:
    on = date.fromisoformat(day)
    return AsOf(on, on + timedelta(days=90), term)


EARLIER = (as_of("2024-10-01", "2024-2025-1"), as_of("2024-11-01", "2024-2025-1"))
TESTED = (as_of("2025-10-01", "2025-2026-1"), as_of("2025-11-01", "2025-2026-1"))
RUNNING = (as_of("2025-08-30", "2024-2025-2"),)
DATES = Dates(
    test=TESTED,
    training_for_test=EARLIER,
    current=as_of("2026-04-01", "2025-2026-2"),
    training=(*EARLIER, *TESTED),
    running_for_test=RUNNING,
    running=(as_of("2026-03-01", "2025-2026-2"),),
)


def searched(monkeypatch: pytest.MonkeyPatch, dates: Dates, recipe: Recipe) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def learnt_on(_run: Any, _store: Any, day: date, **told: Any) -> None:
        asked.update(told, day=day)
        raise AskedFor

    monkeypatch.setattr(searching, "learnt_on", learnt_on)
    run: Any = SimpleNamespace(recipe=recipe)
    with suppress(AskedFor):
        assert searching.searched(run, None, dates) == (recipe, None)  # type: ignore[arg-type]
    return asked


SEARCHED = Recipe(search=Search(trials=3, minutes=1))


def test_a_search_reads_what_was_known_before_the_first_test_date_and_no_test_date(monkeypatch) -> None:
    asked = searched(monkeypatch, DATES, SEARCHED)
    assert asked["day"] == date(2025, 10, 1)
    assert (asked["training"], asked["running"]) == (EARLIER, RUNNING)
    assert not {*asked["training"], *asked["running"]} & {*TESTED, *DATES.running}


def test_nothing_is_searched_where_no_date_is_judged_or_the_recipe_asks_for_none(monkeypatch) -> None:
    nobody = Dates(test=(), training_for_test=(), current=DATES.current, training=EARLIER)
    assert searched(monkeypatch, nobody, SEARCHED) == {}
    assert searched(monkeypatch, DATES, Recipe()) == {}
