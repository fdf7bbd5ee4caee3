"""Edits of the stored ledger by somebody with the file in hand: each is found by `check_ledger`.

A few in the tests; RISKMODEL_LEDGER=full (make ledger-proof) tries 1,000.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Entry, Home
from riskmodel.store.engine import FILE_NAME, Store, open_store
from riskmodel.store.ledger import add_entry, open_case
from riskmodel.store.ledger_check import check_ledger
from riskmodel.store.principals import Principal

EDITS = 1_000 if os.environ.get("RISKMODEL_LEDGER") == "full" else 60
BUREAU = Principal("key-b", "bureau")
CASES = 6
Edit = Callable[[sqlite3.Connection, random.Random], None]


@pytest.fixture
def sound(store: Store, now: datetime) -> tuple[bytes, str]:
    """The bytes of a ledger of some cases, and the head that was noted of it."""
    for number in range(CASES):
        opening = Entry(
            event="opened", day=date(2026, 10, 20), by="李", kind="suspected", found_by="school",
            why="三天未到", home=Home(f"school-{number}", "镇"), child={"name": f"王{number}"},
        )  # fmt: skip
        case = open_case(store, BUREAU, f"child-{number}", opening, at=now)
        for day in range(21, 24):
            visit = Entry(event="visited", day=date(2026, 10, day), by="李", met="guardian", why="在家")
            add_entry(store, BUREAU, case.case_id, visit, at=now)
    head = check_ledger(store, BUREAU).chain.head
    store.close()
    with closing(sqlite3.connect(store.folder / FILE_NAME)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (store.folder / FILE_NAME).read_bytes(), head


def _character(file: sqlite3.Connection, chance: random.Random) -> None:
    table = chance.choice(["ledger_entry", "ledger_entry", "ledger_case"])
    columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
    column = chance.choice(columns)
    rows = file.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    rowid, value = chance.choice(rows)
    if isinstance(value, int) or value is None:
        changed: object = (value or 0) + 1_000
    elif value:
        place = chance.randrange(len(value))
        changed = value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
    else:
        changed = "x"
    file.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, rowid))


def _number(chance: random.Random) -> int:
    return chance.randint(1, CASES * 4)


def _removed(file: sqlite3.Connection, chance: random.Random) -> None:
    file.execute("DELETE FROM ledger_entry WHERE number = ?", (_number(chance),))


def _case_removed(file: sqlite3.Connection, chance: random.Random) -> None:
    [(case,)] = file.execute("SELECT case_id FROM ledger_case LIMIT 1 OFFSET ?", (chance.randrange(CASES),))
    file.execute("DELETE FROM ledger_case WHERE case_id = ?", (case,))


def _emptied(file: sqlite3.Connection, chance: random.Random) -> None:
    file.execute(
        "UPDATE ledger_entry SET student_id = '', entry_id = NULL, content = NULL, salt = NULL"
        " WHERE number = ?",
        (_number(chance),),
    )


def _cut_off(file: sqlite3.Connection, chance: random.Random) -> None:
    keep = chance.randint(0, CASES * 4 - 1)
    file.execute("DELETE FROM ledger_entry WHERE number > ?", (keep,))
    file.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'ledger_entry'", (keep,))


def _swapped(file: sqlite3.Connection, chance: random.Random) -> None:
    one, two = chance.sample(range(1, CASES * 4 + 1), 2)
    file.execute("UPDATE ledger_entry SET number = -1 WHERE number = ?", (one,))
    file.execute("UPDATE ledger_entry SET number = ? WHERE number = ?", (one, two))
    file.execute("UPDATE ledger_entry SET number = ? WHERE number = -1", (two,))


def _put_in(file: sqlite3.Connection, chance: random.Random) -> None:
    columns = [row[1] for row in file.execute("PRAGMA table_info(ledger_entry)") if row[1] != "number"]
    taken = ", ".join("'made-up'" if name == "entry_id" else name for name in columns)
    file.execute(
        f"INSERT INTO ledger_entry ({', '.join(columns)}) SELECT {taken} FROM ledger_entry WHERE number = ?",
        (_number(chance),),
    )


EDITS_OF: tuple[Edit, ...] = (
    _character, _character, _character, _removed, _case_removed, _emptied, _cut_off, _swapped, _put_in,
)  # fmt: skip


def _byte(content: bytes, chance: random.Random) -> bytes:
    """Change one bit of the file where an entry's own words stand."""
    places = [at for at in range(len(content)) if content.startswith("在家".encode(), at)]
    at = chance.choice(places) + chance.randrange(6)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def found(folder: Path, head: str) -> bool:
    """Tell whether the check finds anything wrong."""
    try:
        with closing(open_store(folder)) as store:
            return not check_ledger(store, BUREAU, known_head=head).sound
    except (StoreError, UnicodeDecodeError):
        return True


def test_every_edit_of_the_stored_ledger_is_found(store: Store, sound: tuple[bytes, str]) -> None:
    content, head = sound
    chance = random.Random(20261127)  # noqa: S311
    file, missed = store.folder / FILE_NAME, []
    for number in range(EDITS):
        for more in ("-wal", "-shm"):
            (store.folder / f"{FILE_NAME}{more}").unlink(missing_ok=True)
        if number % 10 == 9:
            file.write_bytes(_byte(content, chance))
            name = "_byte"
        else:
            file.write_bytes(content)
            edit = EDITS_OF[number % len(EDITS_OF)]
            name = edit.__name__
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                for guard in ("only_grows", "never_shrinks"):
                    connection.execute(f"DROP TRIGGER ledger_entry_{guard}")
                connection.execute("PRAGMA foreign_keys = OFF")
                edit(connection, chance)
        if not found(store.folder, head):
            missed.append((number, name))
    print(f"{EDITS} edits of the stored ledger; missed: {len(missed)}")  # noqa: T201
    assert missed == []


def test_what_nobody_edited_is_sound(store: Store, sound: tuple[bytes, str]) -> None:
    assert not found(store.folder, sound[1])
