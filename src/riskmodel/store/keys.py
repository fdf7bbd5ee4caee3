"""Keys by which school software, counsellors and the bureau are known. Only hashes are kept.

A key is `rm_<key id>_<secret>`: the id is public and finds the row, the secret has 256 bits of randomness, so
that one SHA-256 protects it (a slow hash is for passwords that people think of).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.tables import KEY_SCHOOLS, KEYS, instant, instant_text

Role = Literal["school", "counsellor", "bureau"]
"""`school`: a school's software, which shows what class teachers may read. `counsellor`: reads the
counsellor's facts too. `bureau`: all schools."""

DEMO_LABEL = "demo"
_NO_SECRET = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Principal:
    """Who asks. `school_ids` are the schools whose students may be seen; the bureau sees all."""

    key_id: str
    role: Role
    school_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KeyRecord:
    """What is kept of a key, and may be shown. The secret is not among it."""

    key_id: str
    role: Role
    school_ids: frozenset[str]
    label: str
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class DemoKeys:
    """Fresh keys for trying out: one by school, and the bureau's."""

    schools: tuple[tuple[str, str], ...]
    bureau: str


def make_key(
    store: Store,
    *,
    role: Role,
    school_ids: Iterable[str] = (),
    label: str,
    made_at: datetime,
    expires_at: datetime | None = None,
) -> str:
    """Make a key and return it whole: the only time that anybody can see it.

    Raises
    ------
    StoreError
        If a school's or a counsellor's key names no school.
    """
    with store.writing() as connection:
        return _make(
            connection, role, frozenset(school_ids), label=label, made_at=made_at, expires_at=expires_at
        )


def revoke(store: Store, key_id: str, *, at: datetime) -> None:
    """Revoke a key; the next request with it is refused. A key revoked before keeps its first date.

    Raises
    ------
    StoreError
        If there is no such key.
    """
    with store.writing() as connection:
        known = connection.scalar(select(KEYS.c.key_id).where(KEYS.c.key_id == key_id))
        if known is None:
            raise StoreError("key_unknown")
        connection.execute(
            update(KEYS)
            .where(KEYS.c.key_id == key_id, KEYS.c.revoked_at.is_(None))
            .values(revoked_at=instant_text(at))
        )


def recognise(store: Store, plain: str, *, at: datetime) -> Principal | None:
    """Tell whose key this is; None if it is unknown, revoked or expired at that instant.

    An unknown id takes the same comparison as a wrong secret, so that the time tells nothing.
    """
    key_id, secret = _split(plain)
    with store.reading() as connection:
        row = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).one_or_none()
        scope = select(KEY_SCHOOLS.c.school_id).where(KEY_SCHOOLS.c.key_id == key_id)
        schools = connection.scalars(scope).all()
    right = hmac.compare_digest(_hash(secret), _NO_SECRET if row is None else row.secret_sha256)
    if row is None or not right or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= instant_text(at):
        return None
    return Principal(key_id, row.role, frozenset(schools))


def list_keys(store: Store) -> tuple[KeyRecord, ...]:
    """Return all keys ever made, oldest first, without their secrets."""
    with store.reading() as connection:
        rows = connection.execute(select(KEYS).order_by(KEYS.c.made_at, KEYS.c.key_id)).all()
        scopes: dict[str, set[str]] = {row.key_id: set() for row in rows}
        for key_id, school_id in connection.execute(select(KEY_SCHOOLS.c.key_id, KEY_SCHOOLS.c.school_id)):
            scopes[key_id].add(school_id)
    return tuple(
        KeyRecord(
            key_id=row.key_id,
            role=row.role,
            school_ids=frozenset(scopes[row.key_id]),
            label=row.label,
            made_at=instant(row.made_at),
            expires_at=instant(row.expires_at) if row.expires_at else None,
            revoked_at=instant(row.revoked_at) if row.revoked_at else None,
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
                (one, _make(connection, "school", frozenset({one}), label=DEMO_LABEL, made_at=at))
                for one in school_ids
            ),
            bureau=_make(connection, "bureau", frozenset(), label=DEMO_LABEL, made_at=at),
        )


def _make(
    connection: Connection,
    role: Role,
    school_ids: frozenset[str],
    *,
    label: str,
    made_at: datetime,
    expires_at: datetime | None = None,
) -> str:
    if role != "bureau" and not school_ids:
        raise StoreError("key_without_school")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(
        insert(KEYS).values(
            key_id=key_id,
            secret_sha256=_hash(secret),
            role=role,
            label=label,
            made_at=instant_text(made_at),
            expires_at=instant_text(expires_at) if expires_at else None,
        )
    )
    for school_id in sorted(school_ids):
        connection.execute(insert(KEY_SCHOOLS).values(key_id=key_id, school_id=school_id))
    return f"rm_{key_id}_{secret}"


def _split(plain: str) -> tuple[str, str]:
    parts = plain.split("_", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "rm" else ("", "")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
