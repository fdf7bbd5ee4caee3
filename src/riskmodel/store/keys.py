"""Keys by which school software, counsellors and the bureau are known. Only hashes are kept.

A key is `rm_<key id>_<secret>`: the id is public and finds the row, the secret has 256 bits of randomness, so
that one SHA-256 protects it (a slow hash is for passwords that people think of).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, insert, select, update

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.glance import OneRow
from riskmodel.store.principals import RIGHTS, Permission, Principal, Reach, Role, SchoolClass
from riskmodel.store.tables import KEY_PLACES, KEYS, instant, instant_text

DEMO_LABEL = "demo"
_PLACE = ("township", "school_id", "grade", "class_name")
_NO_SECRET = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class KeyRecord:
    """What is kept of a key, and may be shown. The secret is not among it.

    `replaces` is the key in whose place it was made; `permissions` None: all that its role may do.
    """

    key_id: str
    role: Role
    reach: Reach
    permissions: frozenset[Permission] | None
    label: str
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None


@dataclass(frozen=True)
class DemoKeys:
    """Fresh keys for trying out: one by school, and the bureau's."""

    schools: tuple[tuple[str, str], ...]
    bureau: str


def make_key(
    store: Store,
    *,
    role: Role,
    label: str,
    made_at: datetime,
    school_ids: Iterable[str] = (),
    townships: Iterable[str] = (),
    classes: Iterable[SchoolClass] = (),
    permissions: Iterable[Permission] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make a key and return it whole: the only time that anybody can see it.

    Raises
    ------
    StoreError
        If the key names no place and its role does not see everywhere; if it names what its role has not:
        a district has townships or schools, a class teacher has classes, a school and a counsellor have
        schools; or if its role may not do what it is to be allowed.
    """
    reach = Reach(frozenset(school_ids), frozenset(townships), frozenset(classes))
    _check_reach(role, reach)
    given = None if permissions is None else frozenset(permissions)
    if given is not None and not given <= RIGHTS[role].permissions:
        raise StoreError("key_permission_unknown", role=role, permissions=_told(RIGHTS[role].permissions))
    with store.writing() as connection:
        return _make(
            connection, role, reach, permissions=given, label=label, made_at=made_at, expires_at=expires_at
        )


def rotate(store: Store, key_id: str, *, at: datetime, overlap: timedelta) -> str:
    """Make a key of the same rights and return it whole; the old one lives on for the overlap, no longer.

    A key that was to expire hands its length of life on.

    Raises
    ------
    StoreError
        If there is no such key, or it is revoked or expired: what is dead gets no heir.
    """
    with store.writing() as connection:
        old = _row(connection, key_id)
        if not _lives(old.expires_at, old.revoked_at, at):
            raise StoreError("key_not_alive")
        life = _life(connection, old)
        expires_at = None if life is None else at + life
        last = instant_text(at + overlap)
        connection.execute(
            update(KEYS).where(KEYS.c.key_id == key_id).values(expires_at=min(last, old.expires_at or last))
        )
        return _make(
            connection,
            old.role,
            _reaches(connection, [key_id])[key_id],
            permissions=_permissions(old.permissions),
            label=old.label,
            made_at=at,
            expires_at=expires_at,
            replaces=key_id,
        )


def _life(connection: Connection, key: Row[Any]) -> timedelta | None:
    """Return for how long a key was made; None: for ever.

    The overlap of a rotation cuts a key short: what it was made for is told by its heir, or that one's.
    """
    heirs = select(KEYS).order_by(KEYS.c.made_at).limit(1)
    while heir := connection.execute(heirs.where(KEYS.c.replaces == key.key_id)).first():
        key = heir
    return None if key.expires_at is None else instant(key.expires_at) - instant(key.made_at)


def revoke(store: Store, key_id: str, *, at: datetime) -> None:
    """Revoke a key; the next request with it is refused. A key revoked before keeps its first date.

    Raises
    ------
    StoreError
        If there is no such key.
    """
    with store.writing() as connection:
        _row(connection, key_id)
        connection.execute(
            update(KEYS)
            .where(KEYS.c.key_id == key_id, KEYS.c.revoked_at.is_(None))
            .values(revoked_at=instant_text(at))
        )


def recognise(store: Store, plain: str, *, at: datetime, seen: int | None = None) -> Principal | None:
    """Tell whose key this is; None if it is unknown, revoked or expired at that instant.

    A key is remembered only until anything in the store changes, so that one revoked by any process is
    refused from then on. An unknown id takes the same comparison as a wrong secret, so that the time tells
    nothing.
    """
    known = store.remember(("key", _hash(plain)), lambda: _find(store, plain, at), seen=seen)
    if known is None or (known.expires_at is not None and known.expires_at <= instant_text(at)):
        return None
    return known.principal


@dataclass(frozen=True)
class _Known:
    principal: Principal
    expires_at: str | None


def _find(store: Store, plain: str, at: datetime) -> _Known | None:
    key_id, secret = _split(plain)
    found = store.row(_key_query(), key_id=key_id)
    secret_sha256, role, permissions, expires_at, revoked_at, places = found or (_NO_SECRET, *[None] * 5)
    right = hmac.compare_digest(_hash(secret), secret_sha256)
    if found is None or not right or not _lives(expires_at, revoked_at, at):
        return None
    reach = _reach(json.loads(places))
    return _Known(
        Principal(key_id, role, reach.school_ids, reach.townships, reach.classes, _permissions(permissions)),
        expires_at,
    )


@cache
def _key_query() -> OneRow:
    """Compose what a request asks of its key: SQLAlchemy takes 2 ms for it, SQLite a hundredth."""
    asked: BindParameter[str] = bindparam("key_id", "")
    place = func.json_array(*(KEY_PLACES.c[name] for name in _PLACE))
    places = select(func.json_group_array(place)).where(KEY_PLACES.c.key_id == asked).scalar_subquery()
    columns = (KEYS.c.secret_sha256, KEYS.c.role, KEYS.c.permissions, KEYS.c.expires_at, KEYS.c.revoked_at)
    return OneRow.of(select(*columns, places).where(KEYS.c.key_id == asked))


def list_keys(store: Store) -> tuple[KeyRecord, ...]:
    """Return all keys ever made, oldest first, without their secrets."""
    with store.reading() as connection:
        rows = connection.execute(select(KEYS).order_by(KEYS.c.made_at, KEYS.c.key_id)).all()
        reaches = _reaches(connection, [row.key_id for row in rows])
    return tuple(
        KeyRecord(
            key_id=row.key_id,
            role=row.role,
            reach=reaches[row.key_id],
            permissions=_permissions(row.permissions),
            label=row.label,
            made_at=instant(row.made_at),
            expires_at=instant(row.expires_at) if row.expires_at else None,
            revoked_at=instant(row.revoked_at) if row.revoked_at else None,
            replaces=row.replaces,
        )
        for row in rows
    )


def replace_demo_keys(store: Store, *, school_ids: Sequence[str], at: datetime) -> DemoKeys:
    """Revoke all former demo keys and make new ones: one for each school, one for the bureau."""
    with store.writing() as connection:
        connection.execute(
            update(KEYS)
            .where(KEYS.c.label == DEMO_LABEL, KEYS.c.revoked_at.is_(None))
            .values(revoked_at=instant_text(at))
        )
        return DemoKeys(
            schools=tuple(
                (one, _make(connection, "school", Reach(frozenset({one})), label=DEMO_LABEL, made_at=at))
                for one in school_ids
            ),
            bureau=_make(connection, "bureau", Reach(), label=DEMO_LABEL, made_at=at),
        )


def _check_reach(role: Role, reach: Reach) -> None:
    if not RIGHTS[role].everywhere and reach == Reach():
        raise StoreError("key_without_place")
    fitting = {
        "district": Reach(reach.school_ids, reach.townships),
        "school": Reach(reach.school_ids),
        "counsellor": Reach(reach.school_ids),
        "class_teacher": Reach(classes=reach.classes),
    }
    if fitting.get(role, Reach()) != reach:
        raise StoreError("key_place_not_of_role", role=role)


def _make(
    connection: Connection,
    role: Role,
    reach: Reach,
    *,
    label: str,
    made_at: datetime,
    permissions: frozenset[Permission] | None = None,
    expires_at: datetime | None = None,
    replaces: str | None = None,
) -> str:
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(
        insert(KEYS).values(
            key_id=key_id,
            secret_sha256=_hash(secret),
            role=role,
            permissions=None if permissions is None else _told(permissions),
            label=label,
            made_at=instant_text(made_at),
            expires_at=instant_text(expires_at) if expires_at else None,
            replaces=replaces,
        )
    )
    places: list[dict[str, object]] = [{"township": one} for one in sorted(reach.townships)]
    places += [{"school_id": one} for one in sorted(reach.school_ids)]
    places += [one._asdict() for one in sorted(reach.classes)]
    for place in places:
        connection.execute(insert(KEY_PLACES).values(key_id=key_id, **place))
    return f"rm_{key_id}_{secret}"


def _row(connection: Connection, key_id: str) -> Row[tuple[object, ...]]:
    row = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).one_or_none()
    if row is None:
        raise StoreError("key_unknown")
    return row


def _lives(expires_at: str | None, revoked_at: str | None, at: datetime) -> bool:
    return revoked_at is None and (expires_at is None or expires_at > instant_text(at))


def _reaches(connection: Connection, key_ids: Collection[str]) -> dict[str, Reach]:
    places: dict[str, list[Sequence[Any]]] = {key_id: [] for key_id in key_ids}
    query = select(KEY_PLACES.c.key_id, *(KEY_PLACES.c[name] for name in _PLACE))
    if len(key_ids) == 1:
        query = query.where(KEY_PLACES.c.key_id.in_(key_ids))
    for key_id, *place in connection.execute(query):
        places[key_id].append(place)
    return {key_id: _reach(found) for key_id, found in places.items()}


def _reach(places: Iterable[Sequence[Any]]) -> Reach:
    schools, townships, classes = set(), set(), set()
    for township, school_id, grade, class_name in places:
        if township is not None:
            townships.add(township)
        elif grade is None:
            schools.add(school_id)
        else:
            classes.add(SchoolClass(school_id, grade, class_name))
    return Reach(frozenset(schools), frozenset(townships), frozenset(classes))


def _permissions(stored: str | None) -> frozenset[Permission] | None:
    if stored is None:
        return None
    return frozenset(stored.split())  # type: ignore[arg-type]  # only ours were ever written


def _told(permissions: Iterable[str]) -> str:
    return " ".join(sorted(permissions))


def _split(plain: str) -> tuple[str, str]:
    parts = plain.split("_", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "rm" else ("", "")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
