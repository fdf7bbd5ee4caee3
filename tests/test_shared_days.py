"""Terms that share an as-of date: one cohort is learnt from once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.config import HorizonDays
from riskmodel.domain import RegionRule, Term
from riskmodel.pipelines.run import candidates_of

RULE = RegionRule("2020", date(2020, 1, 1), "an example")
TERMS = (
    Term("2025-2026-1 primary", date(2025, 9, 1), date(2026, 1, 16)),
    Term("2025-2026-1 senior", date(2025, 9, 1), date(2026, 1, 23)),
    Term("2025-2026-2", date(2026, 2, 23), date(2026, 7, 3)),
)


@pytest.mark.parametrize(
    ("of_the_term", "terms"),
    [
        (False, ["2025-2026-1 senior", "2025-2026-2"]),
        (True, ["2025-2026-1 primary", "2025-2026-1 senior", "2025-2026-2"]),
    ],
)
def test_calendars_of_several_stages_that_begin_together_have_each_day_once(
    of_the_term: bool, terms: list[str]
) -> None:
    as_of = SimpleNamespace(weeks=(4,), dates=())
    run: Any = SimpleNamespace(
        configuration=SimpleNamespace(horizon=HorizonDays(days=180), as_of=as_of),
        rule=lambda _as_of: replace(RULE, spells_begun_in_term=of_the_term),
    )
    assert [one.term for one in candidates_of(run, TERMS)] == terms
