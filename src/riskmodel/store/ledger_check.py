"""Whether the ledger stands as it was written: the chain of its rows, and every case by its entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from riskmodel.errors import StoreError
from riskmodel.ledger.cases import StepRefused, fold
from riskmodel.store.chain import ChainCheck, check_chain
from riskmodel.store.engine import Store
from riskmodel.store.ledger_rows import chain_rows, kept_of, rows_counted, stands
from riskmodel.store.principals import Principal
from riskmodel.store.tables import LEDGER_CASES, LEDGER_ENTRIES


@dataclass(frozen=True)
class LedgerCheck:
    """What checking found: the chain, and cases that do not stand as their entries say."""

    chain: ChainCheck
    cases: int
    other_than_told: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was changed."""
        return self.chain.broken_at is None and not self.other_than_told


def check_ledger(store: Store, principal: Principal, *, known_head: str | None = None) -> LedgerCheck:
    """Check that no row was changed, removed or put in between, and that every case stands as its rows say.

    Parameters
    ----------
    known_head
        A head noted earlier: it must still be the hash of some row.
    """
    principal.must_see_everywhere()
    with store.reading() as connection:
        chain = check_chain(chain_rows(connection), counted=rows_counted(connection), known_head=known_head)
        told = {row.case_id: row for row in connection.execute(select(LEDGER_CASES))}
        wrong = sorted(_other_than_told(connection, told))
    return LedgerCheck(chain, len(told), tuple(wrong))


def _other_than_told(connection: Connection, told: dict[str, Any]) -> Iterable[str]:
    """Give the ids of cases that do not stand as their entries say, or of which there are no entries."""
    rows = connection.execute(
        select(LEDGER_ENTRIES)
        .where(LEDGER_ENTRIES.c.content.is_not(None), LEDGER_ENTRIES.c.case_id != "")
        .order_by(LEDGER_ENTRIES.c.number)
    ).mappings()
    entries: dict[str, list[Any]] = {}
    for row in rows:
        entries.setdefault(row["case_id"], []).append(row)
    yield from told.keys() ^ entries.keys()
    for case_id in told.keys() & entries.keys():
        row, of_case = told[case_id]._mapping, entries[case_id]
        try:
            case = fold(kept_of(one) for one in of_case)
        except (StepRefused, StoreError, ValueError):
            case = None
        students = {one["student_id"] for one in of_case}
        now = {} if case is None else stands(case) | {"last_number": of_case[-1]["number"]}
        if (
            case is None
            or students != {row["student_id"]}
            or any(row[name] != value for name, value in now.items())
        ):
            yield case_id
