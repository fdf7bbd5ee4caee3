"""Cases of the ledgers as they are read: how each stands by its entries, what is due, and who reads what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection, Select, select

from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Case, Kept, StepRefused, fold, in_force
from riskmodel.ledger.codes import SENSITIVE_CODES, SENSITIVE_PLACEMENTS, SENSITIVE_REASONS, Event, Kind
from riskmodel.ledger.deadlines import Due, LedgerRule, due
from riskmodel.store.engine import Store
from riskmodel.store.ledger_rows import kept_of, read_rules
from riskmodel.store.principals import RIGHTS, Principal
from riskmodel.store.scope import sees_case
from riskmodel.store.tables import LEDGER_CASES, LEDGER_ENTRIES, LEDGER_RULES, day_of

LATEST_RULES = select(LEDGER_RULES.c.content).order_by(LEDGER_RULES.c.number.desc()).limit(1)


@dataclass(frozen=True)
class KeptCase:
    """A case as it stands, what is due, and everything that was ever told of it, oldest first."""

    case_id: str
    student_id: str
    case: Case
    entries: tuple[Kept, ...]
    due: tuple[Due, ...]

    @property
    def entries_in_force(self) -> list[Kept]:
        """The entries that stand after all corrections."""
        return in_force(self.entries)


def case_of(store: Store, principal: Principal, case_id: str) -> KeptCase | None:
    """Return a case with its history; None where no such case is within the scope.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read cases.
    """
    principal.must("read_cases")
    with store.reading() as connection:
        found = one_case(connection, principal, case_id)
    return None if found is None else as_read_by(principal, found)


def cases(
    store: Store,
    principal: Principal,
    *,
    kind: Kind | None = None,
    is_open: bool | None = None,
    student_id: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> tuple[KeptCase, ...]:
    """Return the cases within the scope by their ids, as this principal reads them.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read cases.
    """
    principal.must("read_cases")
    query = select(LEDGER_CASES.c.case_id).where(sees_case(principal)).order_by(LEDGER_CASES.c.case_id)
    if kind is not None:
        query = query.where(LEDGER_CASES.c.kind == kind)
    if is_open is not None:
        closed = LEDGER_CASES.c.state == "closed"
        query = query.where(~closed if is_open else closed)
    if student_id is not None:
        query = query.where(LEDGER_CASES.c.student_id == student_id)
    if after is not None:
        query = query.where(LEDGER_CASES.c.case_id > after)
    with store.reading() as connection:
        found = _several(connection, query.limit(limit) if limit else query)
    return tuple(as_read_by(principal, one) for one in found)


def last_closed_on(store: Store, principal: Principal, student_id: str) -> date | None:
    """Return the day on which a case of a child was closed last; None where none within the scope was.

    What a register or a file says of before that day was looked into: two people decided about it.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read cases.
    """
    closed = (one.case.closed_on for one in cases(store, principal, student_id=student_id, is_open=False))
    return max((day for day in closed if day is not None), default=None)


def due_cases(
    store: Store, principal: Principal, *, until: date, most: int | None = None
) -> tuple[KeptCase, ...]:
    """Return the open cases within the scope of which something is due by a day, the longest due first.

    At most `most`: who has more to do begins with these.
    """
    found = [one for one in cases(store, principal, is_open=True) if one.due and one.due[0].on <= until]
    return tuple(sorted(found, key=lambda one: (one.due[0].on, one.case_id))[:most])


_TOLD_AS: Mapping[Event, str] = {
    "opened": "suspected", "visited": "visited", "verified_out": "verified_dropout",
    "verified_not_out": "verified_not_dropout", "returned": "returned", "left_again": "verified_dropout",
    "closing_confirmed": "closed", "reopened": "suspected",
}  # fmt: skip
"""Events of a case by the names of the record contract's `ledger_events`."""


def ledger_events(store: Store, principal: Principal) -> list[dict[str, str]]:
    """Return what the ledgers know of students of the rolls, as rows of the contract's `ledger_events`.

    Entries that stand after all corrections, each with the day on which it was written down: a label may use
    it from then on. A correction is known from its own day. What was told twice for one day is known from the
    first time. Children whom no roll tells of are in no cohort, and are left out; nobody is named as having
    said it.
    """
    principal.must_see_everywhere()
    with store.reading() as connection:
        found = _several(connection, select(LEDGER_CASES.c.case_id))
    told = [
        (kept, one.student_id) for one in found if ":" not in one.student_id for kept in one.entries_in_force
    ]
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for kept, student_id in sorted(told, key=lambda each: each[0].number):
        event = _TOLD_AS.get(kept.entry.event)
        if event is None:
            continue
        away = kept.entry.left_on or kept.entry.day
        row = {
            "student_id": student_id,
            "event_date": kept.entry.day.isoformat(),
            "event": event,
            "left_on": away.isoformat() if event == "verified_dropout" else "",
            "reason": kept.entry.reasons[0] if kept.entry.reasons else "",
            "recorded_on": day_of(kept.recorded_at).isoformat(),
        }
        rows.setdefault((student_id, row["event_date"], event), row)
    return [rows[key] for key in sorted(rows)]


def as_read_by(principal: Principal, found: KeptCase) -> KeptCase:
    """Leave out what this principal may not read: sensitive reasons, hardship, and words of a counsellor.

    With the reasons go the close codes and the places of learning that tell as much. Words are `why` and
    `evidence`: what proves a thing often says it. What was written with the same key is read whole. A plan
    stays: it is for all who carry it out, and who writes it writes it for them. Names stay too: every role
    that may read cases reads names, and a child is looked for by name.
    """
    if principal.rights.audience == "counsellor":
        return found

    def own(kept: Kept) -> bool:
        return kept.key_id == principal.key_id

    def read(kept: Kept) -> Kept:
        entry = kept.entry
        if not own(kept):
            reasons = tuple(one for one in entry.reasons if one not in SENSITIVE_REASONS)
            entry = replace(entry, reasons=reasons)
            if entry.code in SENSITIVE_CODES:
                entry = replace(entry, code=None)
            if entry.placement in SENSITIVE_PLACEMENTS:
                entry = replace(entry, placement=None, to_school_id="")
            if RIGHTS[kept.role].audience == "counsellor":  # type: ignore[index]
                entry = replace(entry, why="", evidence=())
        child = {name: said for name, said in entry.child.items() if name != "hardship" or own(kept)}
        return replace(kept, entry=replace(entry, child=child))

    entries = tuple(read(one) for one in found.entries)
    told_by_self = {reason for one in found.entries if own(one) for reason in one.entry.reasons}
    reasons = tuple(one for one in found.case.reasons if one in told_by_self or one not in SENSITIVE_REASONS)
    teller = next((one for one in reversed(found.entries) if "hardship" in one.entry.child), None)
    told_hardship = teller is not None and own(teller)
    child = {name: said for name, said in found.case.child.items() if name != "hardship" or told_hardship}
    case, told = replace(found.case, reasons=reasons, child=child), [one.entry for one in entries]
    if case.code in SENSITIVE_CODES and case.code not in {one.code for one in told}:
        case = replace(case, code=None)
    if case.placement in SENSITIVE_PLACEMENTS and case.placement not in {one.placement for one in told}:
        case = replace(case, placement=None, placed_at="")
    return replace(found, entries=entries, case=case)


def ledger_rules(connection: Connection) -> tuple[LedgerRule, ...]:
    """Return the region's deadlines as they were kept last; none where none were."""
    content = connection.scalar(LATEST_RULES)
    return () if content is None else read_rules(content)


def one_case(connection: Connection, principal: Principal | None, case_id: str) -> KeptCase | None:
    """Return a case within the scope, unfiltered; without a principal, whosever it is."""
    query = select(LEDGER_CASES.c.case_id).where(LEDGER_CASES.c.case_id == case_id)
    if principal is not None:
        query = query.where(sees_case(principal))
    return next(iter(_several(connection, query)), None)


def _several(connection: Connection, ids: Select[tuple[str]]) -> list[KeptCase]:
    rules, chosen = ledger_rules(connection), ids.subquery()
    rows = connection.execute(
        select(LEDGER_ENTRIES)
        .join(chosen, chosen.c.case_id == LEDGER_ENTRIES.c.case_id)
        .order_by(LEDGER_ENTRIES.c.case_id, LEDGER_ENTRIES.c.number)
    ).mappings()
    entries: dict[tuple[str, str], list[Kept]] = {}
    for row in rows:
        entries.setdefault((row["case_id"], row["student_id"]), []).append(kept_of(dict(row)))
    found = []
    for (case_id, student_id), kept in entries.items():
        case = _folded(kept)
        if case is not None:
            found.append(KeptCase(case_id, student_id, case, tuple(kept), due(case, rules)))
    return found


def _folded(kept: Iterable[Kept]) -> Case | None:
    try:
        return fold(kept)
    except StepRefused:
        raise StoreError("ledger_damaged") from None
