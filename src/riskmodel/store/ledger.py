"""The ledgers: cases of children to be verified, asked back, placed, followed up and closed by two people.

Nothing here reads a score: a case is opened by a person, or by the records held against each other, and no
function takes a published risk. Every entry is a row of a chain that only grows; a correction is a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from riskmodel.domain import Action
from riskmodel.errors import StoreError
from riskmodel.ledger.asked import check_entry
from riskmodel.ledger.cases import Case, Entry, Home, Kept, StepRefused, fold, in_force
from riskmodel.ledger.codes import SENSITIVE_REASONS, Event, Kind
from riskmodel.ledger.deadlines import Due, LedgerRule, due
from riskmodel.store.actions import ActionsRefused, record_actions, standings
from riskmodel.store.chain import ChainCheck, check_chain
from riskmodel.store.engine import Store
from riskmodel.store.ledger_rows import (
    add_row,
    chain_rows,
    entry_text,
    kept_of,
    read_rules,
    rows_counted,
    rules_text,
)
from riskmodel.store.principals import RIGHTS, Permission, Principal
from riskmodel.store.scope import sees_case
from riskmodel.store.tables import LEDGER_CASES, LEDGER_ENTRIES, LEDGER_RULES, MOVES, SCHOOLS, instant_text

MOST_CASES = 500
_DECISIONS = ("closing_refused", "closing_confirmed")


class EntryRefused(StoreError):  # noqa: N818  the name is the sentence
    """An entry that cannot be kept, and the field that speaks against it; nothing was kept."""

    def __init__(self, field: str, code: str) -> None:
        self.field = field
        super().__init__(code)


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


def keep_ledger_rules(
    store: Store, principal: Principal, rules: Sequence[LedgerRule], *, at: datetime
) -> None:
    """Keep the region's deadlines from now on; nothing is written where they are those kept last."""
    principal.must_see_everywhere()
    content = rules_text(tuple(rules))
    with store.writing() as connection:
        if connection.scalar(_LATEST_RULES) != content:
            connection.execute(insert(LEDGER_RULES).values(kept_at=instant_text(at), content=content))


def open_case(store: Store, principal: Principal, student_id: str, entry: Entry, *, at: datetime) -> KeptCase:
    """Open a case of a child.

    Parameters
    ----------
    student_id
        The bureau's id; for a child whom no roll tells of, `SOURCE:PERSON_ID` of the register that does.
    entry
        With `event="opened"`. Its `home` is overruled by where the published set places the child; who does
        not see everywhere can only open a case of a child within the scope.

    Raises
    ------
    EntryRefused
        `ledger_student_unknown` if the child is none within the scope, `ledger_open_already` if the child
        has an open case, or whatever the entry lacks.
    StoreError
        `not_allowed` if the principal may not write cases.
    """
    principal.must("write_cases")
    with store.writing() as connection:
        known = connection.execute(
            select(LEDGER_CASES.c.case_id).where(
                LEDGER_CASES.c.student_id == student_id, LEDGER_CASES.c.state != "closed"
            )
        ).first()
        home = _home_of(connection, principal, student_id, entry.home)
        if home is None:
            raise EntryRefused("student_id", "ledger_student_unknown")
        if known is not None:
            told = _one(connection, principal, known.case_id)
            if told is None or not _told_before(told, entry):
                raise EntryRefused("student_id", "ledger_open_already")
            return told
        case_id = f"case-{secrets.token_hex(6)}"
        opened = replace(entry, home=home, entry_id=entry.entry_id or secrets.token_hex(8))
        _add(connection, store, principal, case_id, student_id, opened, kept=(), at=at)
        found = _one(connection, principal, case_id)
    assert found is not None  # noqa: S101  opened above, within the scope
    return found


def add_entry(
    store: Store, principal: Principal, case_id: str, entry: Entry, *, at: datetime
) -> KeptCase | None:
    """Keep what was done or found in a case; None where no such case is within the scope.

    An entry that is kept already, with the same `entry_id` and content, changes nothing. A visit and a
    return of a child who was ever published are actions too, kept with the set that was served.

    Raises
    ------
    EntryRefused
        If the table of steps does not allow it in the case's state, something it asks for is missing, or a
        closing is decided by who proposed it.
    StoreError
        `not_allowed` if the principal may not write cases, or, for a decision, not close them.
    """
    needed: Permission = "close_cases" if entry.event in _DECISIONS else "write_cases"
    principal.must(needed)
    with store.writing() as connection:
        found = _one(connection, principal, case_id)
        if found is None:
            return None
        if entry.entry_id and any(one.entry.entry_id == entry.entry_id for one in found.entries):
            if not _told_before(found, entry):
                raise EntryRefused("entry_id", "ledger_entry_id_taken")
            return found
        told = replace(entry, entry_id=entry.entry_id or secrets.token_hex(8))
        if told.event == "handed_over" and told.home is not None:
            told = replace(told, home=_handed_over_to(connection, principal, told.home))
        _add(connection, store, principal, case_id, found.student_id, told, kept=found.entries, at=at)
        # After a handing over it may be another's: who did it is told how it stands all the same.
        return _one(connection, None, case_id)


def case_of(store: Store, principal: Principal, case_id: str) -> KeptCase | None:
    """Return a case with its history; None where no such case is within the scope.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read cases.
    """
    principal.must("read_cases")
    with store.reading() as connection:
        found = _one(connection, principal, case_id)
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


def due_cases(store: Store, principal: Principal, *, until: date) -> tuple[KeptCase, ...]:
    """Return the open cases within the scope of which something is due by a day, the longest due first."""
    found = [one for one in cases(store, principal, is_open=True) if one.due and one.due[0].on <= until]
    return tuple(sorted(found, key=lambda one: (one.due[0].on, one.case_id)))


_TOLD_AS: Mapping[Event, str] = {
    "opened": "suspected", "visited": "visited", "verified_out": "verified_dropout",
    "verified_not_out": "verified_not_dropout", "returned": "returned", "left_again": "verified_dropout",
    "closing_confirmed": "closed", "reopened": "suspected",
}  # fmt: skip
"""Events of a case by the names of the record contract's `ledger_events`."""


def ledger_events(store: Store, principal: Principal) -> list[dict[str, str]]:
    """Return what the ledgers know of students of the rolls, as rows of the contract's `ledger_events`.

    Entries that stand after all corrections, each with the day on which it was written down: a label may use
    it from then on. A correction is known from its own day. Children whom no roll tells of are in no cohort,
    and are left out; nobody is named as having said it.
    """
    principal.must_see_everywhere()
    with store.reading() as connection:
        found = _several(connection, select(LEDGER_CASES.c.case_id))
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for one in found:
        if ":" in one.student_id or one.case.kind == "school_age":
            continue
        for kept in one.entries_in_force:
            event = _TOLD_AS.get(kept.entry.event)
            if event is None:
                continue
            away = kept.entry.left_on or (kept.entry.day if kept.entry.event == "left_again" else None)
            row = {
                "student_id": one.student_id,
                "event_date": kept.entry.day.isoformat(),
                "event": event,
                "left_on": away.isoformat() if away and event == "verified_dropout" else "",
                "reason": kept.entry.reasons[0] if kept.entry.reasons else "",
                "recorded_on": kept.recorded_at.date().isoformat(),
            }
            rows[row["student_id"], row["event_date"], row["event"]] = row
    return [rows[key] for key in sorted(rows)]


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


def as_read_by(principal: Principal, found: KeptCase) -> KeptCase:
    """Leave out what this principal may not read: names, sensitive reasons, notes of a counsellor."""
    rights = principal.rights
    if rights.audience == "counsellor" and rights.names:
        return found

    def own(kept: Kept) -> bool:
        return kept.key_id == principal.key_id

    def read(kept: Kept) -> Kept:
        entry = kept.entry
        if not own(kept):
            reasons = tuple(one for one in entry.reasons if one not in SENSITIVE_REASONS)
            entry = replace(entry, reasons=reasons)
            if RIGHTS[kept.role].audience == "counsellor":  # type: ignore[index]
                entry = replace(entry, why="")
        child = {name: said for name, said in entry.child.items() if name != "hardship" or own(kept)}
        return replace(kept, entry=replace(entry, child=child))

    entries = tuple(read(one) for one in found.entries)
    told_by_self = {reason for one in found.entries if own(one) for reason in one.entry.reasons}
    reasons = tuple(one for one in found.case.reasons if one in told_by_self or one not in SENSITIVE_REASONS)
    child = {name: said for name, said in found.case.child.items() if name != "hardship"}
    return replace(found, entries=entries, case=replace(found.case, reasons=reasons, child=child))


_LATEST_RULES = select(LEDGER_RULES.c.content).order_by(LEDGER_RULES.c.number.desc()).limit(1)


def _rules(connection: Connection) -> tuple[LedgerRule, ...]:
    content = connection.scalar(_LATEST_RULES)
    return () if content is None else read_rules(content)


def _add(
    connection: Connection,
    store: Store,
    principal: Principal,
    case_id: str,
    student_id: str,
    entry: Entry,
    *,
    kept: tuple[Kept, ...],
    at: datetime,
) -> None:
    """Check an entry, append it, and let the case stand as its entries say."""
    number = 1 + max((one.number for one in kept), default=0)
    new = Kept(number=number, entry=entry, recorded_at=at, key_id=principal.key_id, role=principal.role)
    try:
        before = fold(kept)
        check_entry(entry, before, kept, key_id=principal.key_id, rules=_rules(connection), today=at.date())
        case = fold((*kept, new))
    except StepRefused as refused:
        breaks = entry.corrects is not None and refused.code in ("ledger_step", "ledger_day_before")
        field, code = ("corrects", "ledger_correction_breaks") if breaks else (refused.field, refused.code)
        raise EntryRefused(field, code) from None
    if case is None:
        raise EntryRefused("event", "ledger_step")
    number = add_row(
        connection,
        principal,
        case_id=case_id,
        entry_id=entry.entry_id,
        event=entry.event,
        student_id=student_id,
        content=entry_text(entry),
        at=at,
    )
    stands = _stands(case) | {"last_number": number}
    if kept:
        connection.execute(update(LEDGER_CASES).where(LEDGER_CASES.c.case_id == case_id).values(**stands))
    else:
        connection.execute(insert(LEDGER_CASES).values(case_id=case_id, student_id=student_id, **stands))
    _as_action(store, principal, student_id, entry, number, at)


def _as_action(
    store: Store, principal: Principal, student_id: str, entry: Entry, number: int, at: datetime
) -> None:
    """Keep a visit and a return as an action, too, where the child was ever published within the scope."""
    if entry.event not in ("visited", "returned") or not principal.may("write_actions"):
        return
    corrects = None if entry.corrects is None else f"ledger-{entry.corrects}"
    action = Action(
        student_id=student_id,
        kind="visited" if entry.event == "visited" else "result",
        day=entry.day,
        done_by=entry.by,
        action_id=f"ledger-{number}",
        result="returned" if entry.event == "returned" else None,
        corrects=corrects,
        withdrawn=entry.withdrawn,
    )
    try:
        record_actions(store, principal, [action], at=at)
    except ActionsRefused:
        return  # published nowhere, at another school by now, or of before the scores: the ledger has it
    except StoreError as problem:
        if problem.code != "nothing_published":
            raise


def _stands(case: Case) -> dict[str, Any]:
    return {
        "kind": case.kind,
        "state": case.state,
        "opened_on": case.opened_on.isoformat(),
        **asdict(case.home),
    }


def _home_of(connection: Connection, principal: Principal, student_id: str, told: Home | None) -> Home | None:
    """Return whose the child is: by the published sets, else, for who sees the place, as told."""
    if connection.scalar(select(MOVES.c.number).limit(1)) is not None:
        stood = standings(connection, principal, {student_id}).get(student_id)
        if stood is not None:
            township = connection.scalar(
                select(SCHOOLS.c.township).where(
                    SCHOOLS.c.set_id == stood.set_id, SCHOOLS.c.school_id == stood.school_id
                )
            )
            return Home(stood.school_id, township or "", stood.grade, stood.class_name)
        # Published, and not theirs: the same answer as for nobody.
        if not principal.rights.everywhere and _is_published(connection, student_id):
            return None
    if told is None or not (told.school_id or told.township):
        return None
    told = replace(told, township=told.township or _township_of(connection, told.school_id))
    allowed = principal.rights.everywhere or (
        ":" in student_id and not told.school_id and told.township in principal.townships
    )
    return told if allowed else None


def _is_published(connection: Connection, student_id: str) -> bool:
    return student_id in standings(connection, Principal("ledger", "bureau"), {student_id})


def _township_of(connection: Connection, school_id: str) -> str:
    latest = (
        select(SCHOOLS.c.township)
        .where(SCHOOLS.c.school_id == school_id)
        .order_by(SCHOOLS.c.set_id.desc())
        .limit(1)
    )
    return connection.scalar(latest) or ""


def _handed_over_to(connection: Connection, principal: Principal, home: Home) -> Home:
    """Return the new home with its township. Only who sees both places hands a case from one to the other."""
    full = replace(home, township=home.township or _township_of(connection, home.school_id))
    sees_both = (
        principal.rights.everywhere
        or (full.school_id and full.school_id in principal.school_ids)
        or (full.township and full.township in principal.townships)
    )
    if not sees_both:
        raise EntryRefused("home", "ledger_student_unknown")
    return full


def _one(connection: Connection, principal: Principal | None, case_id: str) -> KeptCase | None:
    query = select(LEDGER_CASES.c.case_id).where(LEDGER_CASES.c.case_id == case_id)
    if principal is not None:
        query = query.where(sees_case(principal))
    return next(iter(_several(connection, query)), None)


def _several(connection: Connection, ids: Select[tuple[str]]) -> list[KeptCase]:
    rules, chosen = _rules(connection), ids.subquery()
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


def _told_before(found: KeptCase, entry: Entry) -> bool:
    same = next((one.entry for one in found.entries if one.entry.entry_id == entry.entry_id), None)
    return same is not None and replace(same, home=entry.home) == entry


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
        stands = {} if case is None else _stands(case) | {"last_number": of_case[-1]["number"]}
        if (
            case is None
            or students != {row["student_id"]}
            or any(row[name] != value for name, value in stands.items())
        ):
            yield case_id
