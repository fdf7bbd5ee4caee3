"""How many cases stood where on a day: counts of the ledgers by place, and nobody's name."""

from __future__ import annotations

from collections import Counter
from datetime import date

from riskmodel.ledger.cases import fold
from riskmodel.ledger.codes import Kind, State
from riskmodel.store.cases import cases
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.tables import day_of

TotalKey = tuple[str, str, Kind, State]
"""School, township, ledger and state; of a child whom no school has, the school is empty."""


def ledger_totals(store: Store, principal: Principal, *, until: date) -> Counter[TotalKey]:
    """Count the cases within the scope as they stood by what was written down up to a day, included.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read cases.
    """
    found: Counter[TotalKey] = Counter()
    for one in cases(store, principal):
        case = fold(kept for kept in one.entries if day_of(kept.recorded_at) <= until)
        if case is not None:
            found[case.home.school_id, case.home.township, case.kind, case.state] += 1
    return found
