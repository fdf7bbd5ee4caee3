"""Reports on the log of looks: how much each key looked, and who looked at one child."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from riskmodel.store.audit import AuditLog
from riskmodel.store.engine import Store
from riskmodel.store.keys import KeyRecord, list_keys
from riskmodel.store.principals import Principal, Role
from riskmodel.store.tables import instant, instant_text

MUCH = 3.0
"""Looking at this many times what is usual for the role is worth a question (an insider who browses)."""


@dataclass(frozen=True)
class LooksOfKey:
    """How much a key looked within the time asked for.

    Attributes
    ----------
    role, label
        None: a key that is not in the store, as the data team's own commands.
    requests
        Answers that were written down, those that showed nobody included.
    looks
        Looks at a student: one for each student of each answer.
    students
        Different students among them.
    missed
        Students asked about and not shown: foreign or absent ones.
    much
        At least `MUCH` times the median of the looks of its role; false where the role has fewer than three.
    """

    key_id: str
    role: Role | None
    label: str | None
    requests: int
    looks: int
    students: int
    missed: int
    by_purpose: dict[str, int]
    first: datetime
    last: datetime
    much: bool = False


@dataclass(frozen=True)
class LookAtStudent:
    """One look at one child."""

    at: datetime
    key_id: str
    role: Role | None
    label: str | None
    route: str
    purpose: str | None
    shown: bool


_SUMS = """
SELECT key_id, count(DISTINCT request_id), count(DISTINCT CASE WHEN shown THEN student_ref END),
    count(CASE WHEN shown THEN student_ref END), count(CASE WHEN NOT shown THEN student_ref END),
    min(at), max(at)
FROM look WHERE at >= ? AND at < ? GROUP BY key_id
"""
_PURPOSES = """
SELECT key_id, coalesce(purpose, 'unsaid'), count(*) FROM look
WHERE at >= ? AND at < ? AND shown AND student_ref IS NOT NULL GROUP BY 1, 2
"""


@dataclass
class _Sum:
    requests: int
    students: int
    looks: int
    missed: int
    first: str
    last: str
    purposes: dict[str, int] = field(default_factory=dict)


def looks_by_key(
    store: Store, audit: AuditLog, principal: Principal, *, since: datetime, until: datetime
) -> tuple[LooksOfKey, ...]:
    """Tell how much each key looked from an instant up to another, the busiest first.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read the log; if it cannot be read.
    """
    principal.must("read_audit")
    asked = (instant_text(since), instant_text(until))
    # Counted by SQLite: a year's rows in Python's hands would keep the answers to schools waiting.
    with audit.reading() as connection:
        sums = {key_id: _Sum(*told) for key_id, *told in connection.execute(_SUMS, asked)}
        for key_id, purpose, looks in connection.execute(_PURPOSES, asked):
            sums[key_id].purposes[purpose] = looks
    keys = {one.key_id: one for one in list_keys(store)}
    usual = _usual(sums, keys)
    lines = [_line(key_id, told, keys.get(key_id), usual) for key_id, told in sums.items()]
    return tuple(sorted(lines, key=lambda one: (-one.looks, -one.requests, one.key_id)))


def looks_at(
    store: Store, audit: AuditLog, principal: Principal, student_id: str
) -> tuple[LookAtStudent, ...]:
    """Tell who looked at one child, or asked about it and was not shown it, oldest first.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read the log; if it cannot be read.
    """
    principal.must("read_audit")
    with audit.reading() as connection:
        rows = connection.execute(
            "SELECT at, key_id, route, purpose, shown FROM look WHERE student_ref = ? ORDER BY number",
            (audit.student_ref(student_id),),
        ).fetchall()
    keys = {one.key_id: one for one in list_keys(store)}
    return tuple(
        LookAtStudent(
            instant(at),
            key_id,
            _role(keys.get(key_id)),
            _label(keys.get(key_id)),
            route,
            purpose,
            bool(shown),
        )
        for at, key_id, route, purpose, shown in rows
    )


def _usual(sums: dict[str, _Sum], keys: dict[str, KeyRecord]) -> dict[Role, float]:
    by_role: defaultdict[Role, list[int]] = defaultdict(list)
    for key_id, told in sums.items():
        if key_id in keys:
            by_role[keys[key_id].role].append(told.looks)
    return {role: median(looks) for role, looks in by_role.items() if len(looks) >= 3}


def _line(key_id: str, told: _Sum, key: KeyRecord | None, usual: dict[Role, float]) -> LooksOfKey:
    return LooksOfKey(
        key_id=key_id,
        role=_role(key),
        label=_label(key),
        requests=told.requests,
        looks=told.looks,
        students=told.students,
        missed=told.missed,
        by_purpose=dict(sorted(told.purposes.items())),
        first=instant(told.first),
        last=instant(told.last),
        much=key is not None
        and key.role in usual
        and told.looks > 0
        and told.looks >= MUCH * usual[key.role],
    )


def _role(key: KeyRecord | None) -> Role | None:
    return None if key is None else key.role


def _label(key: KeyRecord | None) -> str | None:
    return None if key is None else key.label
