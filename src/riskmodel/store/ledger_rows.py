"""Entries of the ledger as rows of a chain, and back: what is hashed, and what an erasure may empty."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Connection, insert, select, text, update

from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Case, Entry, Kept, StepRefused
from riskmodel.ledger.deadlines import LedgerRule
from riskmodel.store.chain import FIRST, Row, link
from riskmodel.store.principals import Principal
from riskmodel.store.tables import LEDGER_ENTRIES, instant, instant_text

_ENTRY: TypeAdapter[tuple[Entry]] = TypeAdapter(tuple[Entry], config=ConfigDict(extra="forbid", strict=True))
_RULES: TypeAdapter[tuple[LedgerRule, ...]] = TypeAdapter(
    tuple[LedgerRule, ...], config=ConfigDict(extra="forbid", strict=True)
)
_USUAL = {one.name: one.default for one in fields(Entry)}
ERASED = "erased"
"""The event of a row that tells which rows were emptied; no case has it."""


def entry_text(entry: Entry) -> str:
    """Write an entry, without what was not told."""
    told: dict[str, Any] = _ENTRY.dump_python((entry,), mode="json")[0]
    kept = {name: value for name, value in told.items() if value not in (None, "", [], {}, False)}
    if entry.in_school is not None:
        kept["in_school"] = entry.in_school
    return json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_entry(content: str) -> Entry:
    """Read an entry.

    Raises
    ------
    StoreError
        If it is none: an unknown field, a code that is none of ours.
    """
    try:
        return _ENTRY.validate_json(f"[{content}]")[0]
    except ValidationError:
        raise StoreError("row_cannot_be_read", field="ledger_entry") from None


def told_entry(told: Mapping[str, Any]) -> Entry:
    """Read an entry from what a person told, as JSON has it: days and lists as text and lists.

    Raises
    ------
    StepRefused
        At the first field that no entry has, or whose value none can have.
    """
    try:
        return _ENTRY.validate_json(json.dumps([told]))[0]
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
    field = ".".join(part for part in first["loc"] if isinstance(part, str) and part != "[key]")
    code = _REFUSED_AS.get(first["type"], "ledger_code")
    raise StepRefused(field, code)


_REFUSED_AS: Mapping[str, str] = {
    "unexpected_keyword_argument": "ledger_field_unknown", "dataclass_type": "ledger_field_unknown",
    "date_parsing": "ledger_no_day", "date_from_datetime_parsing": "ledger_no_day",
    "date_from_datetime_inexact": "ledger_no_day",
}  # fmt: skip


def rules_text(rules: tuple[LedgerRule, ...]) -> str:
    """Write a region's rules."""
    return _RULES.dump_json(rules).decode()


def read_rules(content: str) -> tuple[LedgerRule, ...]:
    """Read a region's rules."""
    return _RULES.validate_json(content)


def add_row(
    connection: Connection,
    principal: Principal,
    *,
    case_id: str,
    entry_id: str,
    event: str,
    student_id: str,
    content: str,
    at: datetime,
) -> int:
    """Append a row to the chain within the caller's transaction; return its number."""
    latest = select(LEDGER_ENTRIES.c.number, LEDGER_ENTRIES.c.hash)
    last = connection.execute(latest.order_by(LEDGER_ENTRIES.c.number.desc()).limit(1)).one_or_none()
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
    salt = secrets.token_hex(16)
    row: dict[str, Any] = {
        "number": number,
        "case_id": case_id,
        "entry_id": entry_id,
        "event": event,
        "recorded_at": instant_text(at),
        "key_id": principal.key_id,
        "role": principal.role,
        "student_id": student_id,
        "content": content,
        "salt": salt,
        "digest": _digest(salt, student_id, entry_id, content),
        "previous": previous,
    }
    row["hash"] = link(previous, _hashed(row))
    connection.execute(insert(LEDGER_ENTRIES).values(**row))
    return int(number)


def stands(case: Case) -> dict[str, Any]:
    """Return how a case stands as the columns by which it is found."""
    return {
        "kind": case.kind,
        "state": case.state,
        "opened_on": case.opened_on.isoformat(),
        **asdict(case.home),
    }


def kept_of(row: Mapping[str, Any]) -> Kept:
    """Return a row as an entry."""
    return Kept(
        number=row["number"],
        entry=read_entry(row["content"]),
        recorded_at=instant(row["recorded_at"]),
        key_id=row["key_id"],
        role=row["role"],
    )


def empty_rows(connection: Connection, principal: Principal, student_id: str, *, at: datetime) -> int:
    """Empty every row about a child, and write down which were; return how many."""
    of_child = LEDGER_ENTRIES.c.student_id == student_id
    numbers = connection.scalars(
        select(LEDGER_ENTRIES.c.number).where(of_child).order_by(LEDGER_ENTRIES.c.number)
    ).all()
    if not numbers:
        return 0
    emptied = {"student_id": "", "entry_id": None, "content": None, "salt": None}
    connection.execute(update(LEDGER_ENTRIES).where(of_child).values(**emptied))
    add_row(
        connection,
        principal,
        case_id="",
        entry_id=f"{ERASED}-{numbers[0]}",
        event=ERASED,
        student_id="",
        content=json.dumps({"numbers": list(numbers)}),
        at=at,
    )
    return len(numbers)


def chain_rows(connection: Connection) -> Iterator[Row]:
    """Give every row as the check of a chain takes it; one whose content does not fit its digest breaks it.

    An emptied row fits where a later row of the chain says that it was emptied.
    """
    erased = {
        number
        for content in connection.scalars(
            select(LEDGER_ENTRIES.c.content).where(LEDGER_ENTRIES.c.event == ERASED)
        )
        for number in _numbers(content)
    }
    asked = select(LEDGER_ENTRIES).order_by(LEDGER_ENTRIES.c.number)
    for row in map(dict, connection.execute(asked).mappings()):
        if row["content"] is None:
            emptied = row["salt"] is None and row["entry_id"] is None and row["student_id"] == ""
            sound = row["number"] in erased and emptied
        else:
            told = row["salt"], row["student_id"], row["entry_id"], row["content"]
            sound = row["digest"] == _digest(*told)
        yield row["number"], _hashed(row) if sound else (), row["previous"], row["hash"]


def rows_counted(connection: Connection) -> int:
    """Return how many rows the file says there ever were."""
    asked = text("SELECT seq FROM sqlite_sequence WHERE name = 'ledger_entry'")
    return connection.scalar(asked) or 0


def _hashed(row: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("number", "case_id", "event", "recorded_at", "key_id", "role", "digest")
    return tuple(row[name] for name in names)


def _digest(*told: object) -> str:
    return hashlib.sha256(json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _numbers(content: str | None) -> list[int]:
    try:
        told = json.loads(content or "{}")
        return list(told["numbers"])
    except (ValueError, KeyError, TypeError):
        return []
