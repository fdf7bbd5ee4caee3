"""The ledgers: cases of children to be verified, asked back, placed, followed up and closed by two people.

Nothing here reads a score: a case is opened by a person, or by the records held against each other, and no
function takes a published risk. Every entry is a row of a chain that only grows; a correction is a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Integer, Text, insert, literal, select, update

from riskmodel.domain import Action
from riskmodel.errors import StoreError, Where
from riskmodel.ledger.asked import ASKED, check_entry, check_home
from riskmodel.ledger.cases import Case, Entry, Home, Kept, StepRefused, fold
from riskmodel.ledger.deadlines import LedgerRule
from riskmodel.store.actions import ActionsRefused, record_actions, standings
from riskmodel.store.cases import LATEST_RULES, KeptCase, ledger_rules, one_case
from riskmodel.store.engine import Store
from riskmodel.store.ledger_rows import add_row, entry_text, rules_text, stands
from riskmodel.store.principals import Permission, Principal
from riskmodel.store.scope import keeps_student, sees_case
from riskmodel.store.sets import CURRENT
from riskmodel.store.tables import LEDGER_CASES, LEDGER_RULES, SCHOOLS, SETS, day_of, instant_text

_DECISIONS = ("closing_refused", "closing_confirmed")


class EntryRefused(StoreError):  # noqa: N818  the name is the sentence
    """An entry that cannot be kept, and the field that speaks against it; nothing was kept."""

    def __init__(self, field: str, code: str) -> None:
        self.field = field
        super().__init__(code, Where(key=field))


def keep_ledger_rules(
    store: Store, principal: Principal, rules: Sequence[LedgerRule], *, at: datetime
) -> None:
    """Keep the region's deadlines from now on; nothing is written where they are those kept last."""
    principal.must_see_everywhere()
    content = rules_text(tuple(rules))
    with store.writing() as connection:
        if connection.scalar(LATEST_RULES) != content:
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
        _check_told_home(entry)
        home = _home_of(connection, principal, student_id, entry.home)
        if home is None or not _sees_home(connection, principal, home):
            raise EntryRefused("student_id", "ledger_student_unknown")
        if known is not None:
            told = one_case(connection, principal, known.case_id)
            if told is None or not _told_before(told, entry):
                raise EntryRefused("student_id", "ledger_open_already")
            return told
        case_id = f"case-{secrets.token_hex(6)}"
        opened = replace(entry, home=home, entry_id=entry.entry_id or secrets.token_hex(8))
        _add(connection, store, principal, case_id, student_id, opened, kept=(), at=at)
        found = one_case(connection, principal, case_id)
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
        found = one_case(connection, principal, case_id)
        if found is None:
            return None
        _check_told_home(entry)
        if entry.entry_id and any(one.entry.entry_id == entry.entry_id for one in found.entries):
            if not _told_before(found, entry):
                raise EntryRefused("entry_id", "ledger_entry_id_taken")
            return found
        told = replace(entry, entry_id=entry.entry_id or secrets.token_hex(8))
        if told.home is not None:
            told = replace(told, home=_placed(connection, told.home))
        _add(connection, store, principal, case_id, found.student_id, told, kept=found.entries, at=at)
        # After a handing over it may be another's: who did it is told how it stands all the same.
        return one_case(connection, None, case_id)


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
        before, rules = fold(kept), ledger_rules(connection)
        check_entry(entry, before, kept, key_id=principal.key_id, rules=rules, today=day_of(at))
        case = fold((*kept, new))
    except StepRefused as refused:
        of_others = ("ledger_step", "ledger_day_before", "ledger_follow_up_early")
        of_itself = entry.event == "followed_up" and refused.code == "ledger_follow_up_early"
        breaks = entry.corrects is not None and refused.code in of_others and not of_itself
        field, code = ("corrects", "ledger_correction_breaks") if breaks else (refused.field, refused.code)
        raise EntryRefused(field, code) from None
    if case is None:
        raise EntryRefused("event", "ledger_step")
    if before is not None:
        _check_homes(connection, principal, entry, before, case)
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
    now = stands(case) | {"last_number": number}
    if kept:
        connection.execute(update(LEDGER_CASES).where(LEDGER_CASES.c.case_id == case_id).values(**now))
    else:
        connection.execute(insert(LEDGER_CASES).values(case_id=case_id, student_id=student_id, **now))
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


def _home_of(connection: Connection, principal: Principal, student_id: str, told: Home | None) -> Home | None:
    """Return whose a new case is: by the published sets, else, for who may say so, as told.

    Who objects to being scored is followed up all the same: of the sets the place alone is asked.
    """
    if connection.scalar(CURRENT) is not None:
        stood = standings(connection, principal, {student_id}, sees=keeps_student).get(student_id)
        if stood is not None:
            return _placed(connection, Home(stood.school_id, "", stood.grade, stood.class_name))
        # Published, and not theirs: the same answer as for nobody.
        if not principal.rights.everywhere and _is_published(connection, student_id):
            return None
    if told is None or not (told.school_id or told.township):
        return None
    allowed = principal.rights.everywhere or (":" in student_id and not told.school_id)
    return _placed(connection, told) if allowed else None


def _is_published(connection: Connection, student_id: str) -> bool:
    bureau = Principal("ledger", "bureau")
    return student_id in standings(connection, bureau, {student_id}, sees=keeps_student)


def _check_told_home(entry: Entry) -> None:
    if entry.home is not None:
        try:
            check_home(entry.home)
        except StepRefused as refused:
            raise EntryRefused(refused.field, refused.code) from None


def _placed(connection: Connection, home: Home) -> Home:
    """Return a home with the township of its school: by the current set, else the last that names the school.

    Nobody tells it: a township can be told only where there is no school.
    """
    if not home.school_id:
        return home
    is_current = SCHOOLS.c.set_id == CURRENT.scalar_subquery()
    township = connection.scalar(
        select(SCHOOLS.c.township)
        .join(SETS, SETS.c.set_id == SCHOOLS.c.set_id)
        .where(SCHOOLS.c.school_id == home.school_id, SETS.c.state == "complete")
        .order_by(is_current.desc(), SETS.c.published_at.desc(), SETS.c.set_id)
        .limit(1)
    )
    return replace(home, township=township or "")


def _check_homes(
    connection: Connection, principal: Principal, entry: Entry, before: Case, case: Case
) -> None:
    """Refuse an entry that names a place, or takes the case to one, which its teller does not see.

    The one check of every event: of a handing over, and of corrections and withdrawals as well.
    """
    homes = {case.home} - {before.home}
    if "home" in ASKED[entry.event] and entry.home is not None and not entry.withdrawn:
        homes.add(entry.home)
    if not all(_sees_home(connection, principal, home) for home in homes):
        raise EntryRefused("home", "ledger_student_unknown")


def _sees_home(connection: Connection, principal: Principal, home: Home) -> bool:
    """Tell whether a case of this home would be the principal's."""
    place = select(
        literal("", Text).label("student_id"),  # the home itself decides, and no published class
        literal(home.school_id, Text).label("school_id"),
        literal(home.township, Text).label("township"),
        literal(home.grade, Integer).label("grade"),
        literal(home.class_name, Text).label("class_name"),
        literal("9999-12-31", Text).label("opened_on"),  # a home of now
    ).subquery()
    return connection.execute(select(place).where(sees_case(principal, place))).first() is not None


def _told_before(found: KeptCase, entry: Entry) -> bool:
    """Tell whether an entry of this id is kept with this content.

    The home of an opening is overruled by the published set, and the township of a school is told by nobody:
    neither is part of what was told.
    """
    same = next((one.entry for one in found.entries if one.entry.entry_id == entry.entry_id), None)
    return same is not None and _as_told(same) == _as_told(entry)


def _as_told(entry: Entry) -> Entry:
    if entry.home is None or (entry.event == "opened" and entry.corrects is None):
        return replace(entry, home=None)
    return replace(entry, home=replace(entry.home, township="")) if entry.home.school_id else entry
