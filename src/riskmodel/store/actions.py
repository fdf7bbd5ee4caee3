"""What was done for whom: written by people, kept with the score that was served, and never overwritten.

A correction is a new row that names the one it takes the place of. Whoever sees the child in the current set,
or, where the child has left the cohort, in the last set that holds the child, may write and read: one who has
left can still be visited. A foreign child and an unknown one are the same refusal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, func, insert, not_, select

from riskmodel.domain import Action, ActionKind, ActionResult, ActionTaken, Band
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.principals import RIGHTS, Principal
from riskmodel.store.rows import read_student
from riskmodel.store.scope import objects, sees_student
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import ACTIONS, SETS, STUDENTS, day_of, instant, instant_text

MOST_AT_ONCE = 500
HELP = frozenset({"contacted", "visited", "aid_given", "counselling_hours"})
"""Kinds of action by which something was done for the student; a suggestion, or a result, is none yet."""
OLDEST_DAYS = 400
"""A school year and its summer: what was done before belongs to no score that was served."""
MOST_YUAN = 1_000_000
MOST_HOURS = 1_000
LONGEST = {"action_id": 64, "corrects": 64, "done_by": 50, "programme": 64, "note": 500, "set_id": 64}
"""Characters of a text."""
_ASKED_OF: Mapping[str, str] = {"aid_given": "programme", "counselling_hours": "hours", "result": "result"}
_TEXTS = tuple(LONGEST)


@dataclass(frozen=True)
class Refusal:
    """Why one of several actions cannot be kept: its position from 0, the field, and `errors.<code>`."""

    position: int
    field: str
    code: str


class ActionsRefused(StoreError):  # noqa: N818  the name is the sentence
    """Some of the actions cannot be kept; none was. `refusals` names all of them, and no value."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("actions_refused", count=len(refusals))


def record_actions(
    store: Store, principal: Principal, actions: Sequence[Action], *, at: datetime
) -> tuple[ActionTaken, ...]:
    """Keep what was done: all of it, or nothing.

    An action that is kept already, with the same `action_id` for the same student and the same content, is
    returned as it was kept: telling it twice is harmless.

    Parameters
    ----------
    actions
        At most 500. A correction may name one that stands before it.
    at
        Now; with time zone. A day may lie one day ahead of it in UTC, and 400 days back.

    Returns
    -------
    tuple of ActionTaken
        In the order given.

    Raises
    ------
    ActionsRefused
        With every refusal: the student is none within the scope, an id is taken by another content, what is
        corrected is not there or was corrected before, a value is missing or beyond its bounds.
    StoreError
        `not_allowed` if the principal may not write actions.
    """
    principal.must("write_actions")
    refusals = list(_misfits(actions, today=day_of(at)))
    with store.writing() as connection:
        served = _Served(connection, principal, actions)
        keeping = _Keeping(connection, principal, instant_text(at), {a.student_id for a in actions})
        for position, action in enumerate(actions):
            stood = served.of(action)
            if stood is None:
                refusals.append(Refusal(position, "student_id", "action_student_unknown"))
            else:
                refusals += [Refusal(position, *why) for why in keeping.add(action, stood)]
        if refusals:
            raise ActionsRefused(sorted(refusals, key=lambda each: each.position))
        if keeping.new:
            connection.execute(insert(ACTIONS), keeping.new)
        kept = {
            (taken.action.student_id, taken.action_id): taken for taken in _taken(connection, keeping.query)
        }
    return tuple(kept[key] for key in keeping.keys)


def actions_of(store: Store, principal: Principal, student_id: str) -> tuple[ActionTaken, ...] | None:
    """Return what was done for a student, oldest first, corrected ones included; None: none in the scope.

    Who may not read a counsellor's facts does not see the notes that a counsellor or the bureau wrote, and
    who may not read the risk as a number finds none.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    with store.reading() as connection:
        if not standings(connection, principal, {student_id}):
            return None
        rows = list(_taken(connection, _all().where(ACTIONS.c.student_id == student_id), reader=principal))
    return tuple(rows)


def actions_in_force(
    store: Store, principal: Principal, *, since: date | None = None, until: date | None = None
) -> tuple[ActionTaken, ...]:
    """Return what was done for any student within the scope, as it stands after all corrections.

    What the data team's evaluation reads, and what lists count. Both days are included. Where a guardian
    objects, the child is not among them.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    query = _all().where(not_(objects(ACTIONS.c.student_id)))
    if since is not None:
        query = query.where(ACTIONS.c.day >= since.isoformat())
    if until is not None:
        query = query.where(ACTIONS.c.day <= until.isoformat())
    with store.reading() as connection:
        found = [taken for taken in _taken(connection, query, reader=principal) if taken.is_in_force]
        if not principal.rights.everywhere:
            own = standings(connection, principal, {taken.action.student_id for taken in found})
            found = [taken for taken in found if taken.action.student_id in own]
    return tuple(found)


def _misfits(actions: Sequence[Action], *, today: date) -> Iterator[Refusal]:
    """Tell every value that cannot be, whoever asks."""
    if len(actions) > MOST_AT_ONCE:
        yield Refusal(MOST_AT_ONCE, "actions", "action_too_many")
    for position, action in enumerate(actions):
        for field, code in _misfits_of(action, today):
            yield Refusal(position, field, code)


def _misfits_of(action: Action, today: date) -> Iterator[tuple[str, str]]:
    for name in _TEXTS:
        said = getattr(action, name)
        if said is not None and not (said.strip() and len(said) <= LONGEST[name] and said.isprintable()):
            yield name, "action_text"
    if action.kind not in get_args(ActionKind):
        yield "kind", "action_code"
    if action.result is not None and action.result not in get_args(ActionResult):
        yield "result", "action_code"
    for name, most in (("amount_yuan", MOST_YUAN), ("hours", MOST_HOURS)):
        value = getattr(action, name)
        if value is not None and not 0 < value <= most:
            yield name, "action_number"
    if not today - timedelta(days=OLDEST_DAYS) <= action.day <= today + timedelta(days=1):
        yield "day", "action_day"
    asked = _ASKED_OF.get(action.kind)
    if asked and getattr(action, asked) is None:
        yield asked, "action_incomplete"
    if action.withdrawn and action.corrects is None:
        yield "corrects", "action_incomplete"


@dataclass(frozen=True)
class Standing:
    """How a student stood in a set that was served."""

    set_id: str
    school_id: str
    grade: int
    class_name: str
    risk: float | None
    band: Band
    listed: bool


class _Served:
    """Who is within the scope, and how each stood in the latest set and in those that actions name."""

    def __init__(self, connection: Connection, principal: Principal, actions: Sequence[Action]) -> None:
        self._latest = standings(connection, principal, {action.student_id for action in actions})
        self._named: dict[tuple[str, str], Standing] = {}
        for set_id in {action.set_id for action in actions if action.set_id is not None}:
            asked = {a.student_id for a in actions if a.set_id == set_id} & self._latest.keys()
            found = standings(connection, principal, asked, set_id=set_id)
            self._named |= {(set_id, student): stood for student, stood in found.items()}

    def of(self, action: Action) -> Standing | None:
        """Return how the student stood; None where it is none that this principal was ever shown so."""
        if action.set_id is None:
            return self._latest.get(action.student_id)
        return self._named.get((action.set_id, action.student_id))


class _Keeping:
    """The rows to write, each held against what is kept of the same students."""

    def __init__(self, connection: Connection, principal: Principal, at: str, students: set[str]) -> None:
        self.query = _all().where(ACTIONS.c.student_id.in_(sorted(students)))
        self.new: list[dict[str, Any]] = []
        self.keys: list[tuple[str, str]] = []
        self._by = {"recorded_at": at, "key_id": principal.key_id, "role": principal.role}
        kept = list(_taken(connection, self.query))
        self._known = {(t.action.student_id, t.action_id): t.action for t in kept}
        self._corrected = {(t.action.student_id, t.action.corrects) for t in kept if t.action.corrects}

    def add(self, action: Action, stood: Standing) -> Iterator[tuple[str, str]]:
        """Add a row where it is new; yield field and code of what speaks against it."""
        told = replace(action, action_id=action.action_id or secrets.token_hex(8), set_id=stood.set_id)
        key = (told.student_id, str(told.action_id))
        self.keys.append(key)
        if key in self._known:
            # What was before the teller's eyes may be a later set at the second telling.
            same = replace(self._known[key], set_id=stood.set_id) == told
            if not same:
                yield "action_id", "action_id_taken"
            return
        if told.corrects is not None:
            named = (told.student_id, told.corrects)
            if named not in self._known:
                yield "corrects", "action_corrects_unknown"
                return
            if named in self._corrected:
                yield "corrects", "action_corrected_before"
                return
            self._corrected.add(named)
        self._known[key] = told
        row = {name: getattr(told, name) for name in _COLUMNS}
        self.new.append(
            {**row, "day": told.day.isoformat(), **self._by, "school_id": stood.school_id}
            | {"risk": stood.risk, "band": stood.band.value, "listed": stood.listed}
        )


_COLUMNS = (
    "student_id", "action_id", "kind", "day", "done_by", "programme", "amount_yuan", "hours", "result",
    "note", "corrects", "withdrawn", "set_id",
)  # fmt: skip


def standings(
    connection: Connection, principal: Principal, students: Iterable[str], *, set_id: str | None = None,
    sees: Callable[[Principal, FromClause], ColumnElement[bool]] = sees_student,
) -> dict[str, Standing]:  # fmt: skip
    """Return, for students within the scope, how each stands in the current set; else in the latest one.

    With `set_id` only that set counts. The scope (`sees`) is asked of the very row that is returned: a child
    that has gone to another school is that one's.
    """
    asked = sorted(set(students))
    if not asked:
        return {}
    is_current = SETS.c.set_id == current_set_id(connection)
    latest_first = (is_current.desc(), SETS.c.published_at.desc(), SETS.c.set_id)
    rank = func.row_number().over(partition_by=STUDENTS.c.student_id, order_by=latest_first)
    query = (
        select(STUDENTS, rank.label("rank"))
        .join(SETS, SETS.c.set_id == STUDENTS.c.set_id)
        .where(SETS.c.state == "complete", STUDENTS.c.student_id.in_(asked))
    )
    if set_id is not None:
        query = query.where(SETS.c.set_id == set_id)
    latest = query.subquery()
    rows = connection.execute(select(latest).where(latest.c.rank == 1, sees(principal, latest)))
    found = {}
    for row in rows:
        student = read_student(row.content)
        found[row.student_id] = Standing(
            row.set_id,
            row.school_id,
            row.grade,
            row.class_name,
            student.risk,
            student.band,
            student.listed,
        )
    return found


def _all() -> Select[Any]:
    later = ACTIONS.alias("later")
    corrected = (
        select(later.c.number)
        .where(later.c.student_id == ACTIONS.c.student_id, later.c.corrects == ACTIONS.c.action_id)
        .exists()
    )
    return select(ACTIONS, corrected.label("is_corrected")).order_by(ACTIONS.c.number)


def _taken(
    connection: Connection, query: Select[Any], *, reader: Principal | None = None
) -> Iterator[ActionTaken]:
    for row in connection.execute(query):
        yield _read(row, reader)


def _read(row: Row[Any], reader: Principal | None) -> ActionTaken:
    told = row._mapping
    action = Action(
        **{name: told[name] for name in _COLUMNS if name != "day"}, day=date.fromisoformat(row.day)
    )
    if reader is not None and reader.rights.audience != RIGHTS[row.role].audience == "counsellor":
        action = replace(action, note=None)
    return ActionTaken(
        action=action,
        action_id=row.action_id,
        set_id=row.set_id,
        school_id=row.school_id,
        risk=row.risk if reader is None or reader.rights.risk else None,
        band=Band(row.band),
        listed=row.listed,
        recorded_at=instant(row.recorded_at),
        key_id=row.key_id,
        is_in_force=not (row.is_corrected or row.withdrawn),
    )
