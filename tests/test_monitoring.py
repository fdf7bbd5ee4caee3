"""Which days a set in use is held against."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from riskmodel.config import HorizonDays
from riskmodel.domain import AsOf, Term
from riskmodel.pipelines import monitoring
from riskmodel.pipelines.monitoring import watched_dates

AUTUMN, SPRING = (
    Term("2024-1", date(2024, 9, 2), date(2025, 1, 17)),
    Term("2024-2", date(2025, 2, 17), date(2025, 6, 20)),
)
NEXT = Term("2025-1", date(2025, 9, 1), date(2026, 1, 16))
RUN: Any = SimpleNamespace(
    configuration=SimpleNamespace(horizon=HorizonDays(days=180)), rule=lambda as_of: None
)
STORE: Any = SimpleNamespace(terms=lambda: (AUTUMN, SPRING, NEXT))


def watched(week: int) -> tuple[str, ...]:
    served: Any = SimpleNamespace(
        facts=SimpleNamespace(term=NEXT.term, as_of_date=NEXT.start_date + timedelta(weeks=week))
    )
    return tuple(each.term for each in watched_dates(RUN, STORE, served)[1])


def test_the_same_week_of_earlier_terms_is_looked_at_the_latest_first() -> None:
    assert watched(12) == ("2024-2", "2024-1")


def test_a_term_that_was_over_by_that_week_is_left_out() -> None:
    assert watched(18) == ("2024-1",)


def test_served_rows_rank_by_the_cut_offs_that_their_model_was_published_with(monkeypatch, tmp_path) -> None:
    day = AsOf(date(2025, 9, 29), date(2026, 3, 28), NEXT.term)
    on = pd.Timestamp(day.as_of_date).as_unit("s")
    rows = pd.DataFrame({"as_of_date": on, "student_id": ["boy", "girl", "unseen"], "risk": [0.3, 0.2, 0.1]})
    matrix = SimpleNamespace(
        frame=pd.DataFrame({"as_of_date": on, "student_id": ["girl", "boy"], "sex_female": [1.0, 0.0]})
    )
    told: Any = {"by": "sex", "cutoffs": {"male": 0.3, "female": 0.1, "not_known": 0.2}}
    bundle = SimpleNamespace(manifest={"cutoffs": told})
    monkeypatch.setattr(monitoring, "matrix_of", lambda run, store, dates: matrix)
    monkeypatch.setattr(monitoring, "read_in_use", lambda run, folder: bundle)
    assert monitoring._rank(RUN, STORE, rows, [day], tmp_path).tolist() == pytest.approx([1.0, 2.0, 0.5])
    bundle.manifest["cutoffs"] = None
    assert monitoring._rank(RUN, STORE, rows, [day], tmp_path).tolist() == [0.3, 0.2, 0.1]
