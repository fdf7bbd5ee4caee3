"""Entries of a case, and the case as the store would keep them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from riskmodel.ledger.cases import Entry, Kept

from .entries import an_entry


@pytest.fixture
def kept() -> Callable[..., list[Kept]]:
    """Give `kept(entry, …)`: entries with numbers from 1, written down on the day after they happened."""

    def make(*entries: Entry) -> list[Kept]:
        return [
            Kept(
                number=number,
                entry=one,
                recorded_at=datetime(one.day.year, one.day.month, one.day.day, tzinfo=UTC)
                + timedelta(days=1),
                key_id="key-0",
                role="school",
            )
            for number, one in enumerate(entries, start=1)
        ]

    return make


@pytest.fixture
def entry() -> Callable[..., Entry]:
    return an_entry
