from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from riskmodel.errors import StoreError
from riskmodel.store import turns
from riskmodel.store.audit import AuditLog, Look, open_audit


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    opened = open_audit(tmp_path, wait_seconds=0.2)
    yield opened
    opened.close()


def a_look(now: datetime, number: int = 0) -> Look:
    return Look(
        at=now,
        key_id=f"key-{number}",
        route="/v1/students/{student_id}/risk",
        method="GET",
        status=200,
        set_id="set-1",
        shown=(f"CANARY-{number}",),
        purpose="care",
        request_id=f"request-{number}",
    )


def unguarded(folder: Path) -> sqlite3.Connection:
    """Open the file as somebody with root would, without the triggers."""
    connection = sqlite3.connect(folder / "audit.db", isolation_level=None)
    for table in ("look", "salt"):
        for verb in ("UPDATE", "DELETE"):
            connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
    return connection


def test_looks_form_a_chain_that_holds(audit: AuditLog, now: datetime) -> None:
    empty = audit.verify()
    assert (empty.rows, empty.broken_at) == (0, None)
    for number in range(20):
        audit.record(a_look(now, number))
    checked = audit.verify(known_head=empty.head)
    assert (checked.rows, checked.broken_at) == (20, None)
    assert checked.head != empty.head


def test_a_row_names_the_student_by_a_pseudonym_that_differs_between_stores(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    audit.record(a_look(now))
    audit.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"CANARY" not in content
    assert audit.student_ref("CANARY-0").encode() in content
    (tmp_path / "other").mkdir()
    other = open_audit(tmp_path / "other")
    assert other.student_ref("CANARY-0") != audit.student_ref("CANARY-0")
    other.close()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE look SET status = 404", "DELETE FROM look", "UPDATE salt SET value = ''", "DELETE FROM salt"],
)
def test_the_file_only_grows(audit: AuditLog, now: datetime, tmp_path: Path, statement: str) -> None:
    audit.record(a_look(now))
    other = sqlite3.connect(tmp_path / "audit.db")
    with pytest.raises(sqlite3.IntegrityError, match="append only"):
        other.execute(statement)
    other.close()
    assert audit.verify().rows == 1


def test_any_changed_character_of_any_row_is_found(audit: AuditLog, now: datetime, tmp_path: Path) -> None:
    for number in range(30):
        audit.record(a_look(now, number))
    tamper = unguarded(tmp_path)
    columns = [row[1] for row in tamper.execute("PRAGMA table_info(look)")]
    chance = random.Random(7)  # noqa: S311
    for _ in range(300):
        column, number = chance.choice(columns), chance.randint(1, 30)
        [value] = tamper.execute(f"SELECT {column} FROM look WHERE number = ?", (number,)).fetchone()
        if isinstance(value, int):
            changed: object = value + 1000
        else:
            place = chance.randrange(len(value))
            changed = value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
        tamper.execute("BEGIN")
        tamper.execute(f"UPDATE look SET {column} = ? WHERE number = ?", (changed, number))
        tamper.execute("COMMIT")
        assert audit.verify().broken_at is not None, column
        back = 1000 + number if column == "number" else number
        tamper.execute(f"UPDATE look SET {column} = ? WHERE number = ?", (value, back))
    tamper.close()
    assert audit.verify().broken_at is None


@pytest.mark.parametrize("number", [1, 5, 9, 10])
def test_a_removed_row_is_found_wherever_it_stood(
    audit: AuditLog, now: datetime, tmp_path: Path, number: int
) -> None:
    for one in range(10):
        audit.record(a_look(now, one))
    tamper = unguarded(tmp_path)
    tamper.execute("DELETE FROM look WHERE number = ?", (number,))
    tamper.close()
    assert audit.verify().broken_at == number


def test_rows_cut_off_with_their_count_are_found_by_a_head_noted_before(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    for one in range(10):
        audit.record(a_look(now, one))
    noted = audit.verify().head
    tamper = unguarded(tmp_path)
    tamper.execute("DELETE FROM look WHERE number > 8")
    tamper.execute("UPDATE sqlite_sequence SET seq = 8")
    tamper.close()
    assert audit.verify().broken_at is None
    assert audit.verify(known_head=noted).broken_at == 9


def test_looks_of_many_threads_and_two_processes_never_break_the_chain(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    second = open_audit(tmp_path)

    def look(log: AuditLog, start: int) -> None:
        for number in range(start, start + 25):
            log.record(a_look(now, number))

    threads = [
        threading.Thread(target=look, args=(log, 100 * start))
        for start in range(4)
        for log in (audit, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checked = audit.verify()
    assert (checked.rows, checked.broken_at) == (200, None)
    second.close()


def test_who_wrote_last_need_not_be_who_writes_next(audit: AuditLog, now: datetime, tmp_path: Path) -> None:
    other = open_audit(tmp_path)
    for number, log in enumerate((audit, audit, other, audit, other, other)):
        log.record(a_look(now, number))
    with audit.reading() as connection:
        asked = [key for (key,) in connection.execute("SELECT key_id FROM look ORDER BY number")]
    assert asked == [f"key-{number}" for number in range(6)]
    assert (audit.verify().rows, audit.verify().broken_at) == (6, None)
    other.close()


def test_a_look_that_cannot_be_written_is_an_error(audit: AuditLog, now: datetime, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for attempt in (lambda: audit.record(a_look(now)), audit.check):
        with pytest.raises(StoreError) as refused:
            attempt()
        assert refused.value.code == "audit_unwritable"
    holder.close()
    audit.record(a_look(now))
    assert audit.verify().rows == 1


def test_a_look_for_which_no_turn_can_be_had_is_an_error_at_once(
    audit: AuditLog, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(turns, "_flock", lambda *_: -1)
        patched.setattr(turns.fcntl, "flock", no_lock)
        refused = audit.submit(a_look(now)).exception(timeout=5)
        assert isinstance(refused, StoreError)
    audit.record(a_look(now))
    assert audit.verify().rows == 1


def test_opening_again_goes_on_with_the_chain(audit: AuditLog, now: datetime, tmp_path: Path) -> None:
    audit.record(a_look(now))
    again = open_audit(tmp_path)
    again.record(a_look(now, 1))
    assert (again.verify().rows, again.verify().broken_at) == (2, None)
    assert again.student_ref("x") == audit.student_ref("x")
    again.close()


def test_a_file_that_is_no_log_of_looks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.db").write_bytes(b"not a database at all" * 300)
    with pytest.raises(StoreError) as refused:
        open_audit(tmp_path)
    assert refused.value.code == "audit_damaged"


def test_another_database_is_no_log_of_looks(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "audit.db")
    other.execute("CREATE TABLE something (a)")
    other.close()
    with pytest.raises(StoreError) as refused:
        open_audit(tmp_path)
    assert refused.value.code == "audit_damaged"


def test_a_folder_that_is_not_there_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        open_audit(tmp_path / "nowhere")
    assert refused.value.code == "audit_unwritable"


def test_looks_that_come_together_go_to_the_disk_together(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    watching = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    watching.execute("BEGIN IMMEDIATE")  # the disk is busy
    written = [audit.submit(a_look(now, number)) for number in range(50)]
    assert not any(one.done() for one in written)
    watching.execute("COMMIT")
    before = watching.execute("PRAGMA data_version").fetchone()[0]
    transactions = 0
    for one in written:
        one.result(timeout=5)
        counted = watching.execute("PRAGMA data_version").fetchone()[0]
        transactions, before = transactions + (counted != before), counted
        # What was said to be written is written: another connection sees it.
        assert watching.execute("SELECT count(*) FROM look").fetchone()[0] >= written.index(one) + 1
    assert transactions <= 3
    assert (audit.verify().rows, audit.verify().broken_at) == (50, None)
    watching.close()


def test_where_the_disk_refuses_every_look_of_the_batch_is_an_error(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    holder = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    written = [audit.submit(a_look(now, number)) for number in range(5)]
    assert all(isinstance(one.exception(timeout=5), StoreError) for one in written)
    holder.close()
    assert audit.verify().rows == 0


def test_who_asked_and_went_away_ends_no_writing_and_is_not_in_the_log(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    held = unguarded(tmp_path)
    held.execute("BEGIN IMMEDIATE")
    first = audit.submit(a_look(now, 1))
    assert audit.submit(a_look(now, 2)).cancel()
    with pytest.raises(StoreError):
        first.result(timeout=5)
    held.execute("ROLLBACK")
    held.close()
    audit.record(a_look(now, 3))
    assert audit.verify().rows == 1


def test_looks_of_one_turn_of_the_loop_are_handed_over_together(
    audit: AuditLog, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    submit = audit._submit

    def counted(rows: Any) -> Any:
        handed.append(len(rows))
        return submit(rows)

    monkeypatch.setattr(audit, "_submit", counted)

    async def three_and_one() -> None:
        await asyncio.gather(*(audit.recorded(a_look(now, number)) for number in range(3)))
        assert audit.verify().rows == 3  # what was said to be written is written
        await audit.recorded(a_look(now, 4))

    asyncio.run(three_and_one())
    assert handed == [3, 1]
    assert (audit.verify().rows, audit.verify().broken_at) == (4, None)


def test_looks_that_come_while_a_batch_is_written_are_the_next_batch(
    audit: AuditLog, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    submit = audit._submit
    monkeypatch.setattr(audit, "_submit", lambda rows: (handed.append(len(rows)), submit(rows))[1])
    busy = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")

    async def one_and_four_more() -> None:
        looks = [asyncio.ensure_future(audit.recorded(a_look(now, 0)))]
        await asyncio.sleep(0.01)
        for number in range(1, 5):
            looks.append(asyncio.ensure_future(audit.recorded(a_look(now, number))))
            await asyncio.sleep(0)
        assert not any(one.done() for one in looks)
        busy.execute("COMMIT")
        await asyncio.gather(*looks)

    asyncio.run(one_and_four_more())
    busy.close()
    assert handed == [1, 4]
    assert (audit.verify().rows, audit.verify().broken_at) == (5, None)


def test_a_loop_that_was_left_in_the_midst_of_a_batch_holds_up_no_other(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    async def leave() -> None:
        left = asyncio.ensure_future(audit.recorded(a_look(now, 0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # handed over
        assert not left.done()

    asyncio.run(leave())
    asyncio.run(audit.recorded(a_look(now, 1)))
    assert audit.verify().rows >= 1


def test_who_went_away_before_the_handing_over_is_not_in_the_log_and_ends_nothing(
    audit: AuditLog, now: datetime
) -> None:
    async def two_of_whom_one_goes() -> None:
        gone, stays = (asyncio.ensure_future(audit.recorded(a_look(now, number))) for number in range(2))
        await asyncio.sleep(0)  # both are gathered, neither handed over
        gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(two_of_whom_one_goes())
    assert audit.verify().rows == 1
    audit.record(a_look(now, 3))


def test_what_the_disk_refuses_is_an_error_for_each_who_waits_in_the_loop(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    holder = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    async def ask() -> list[BaseException | None]:
        looks = (audit.recorded(a_look(now, number)) for number in range(3))
        return await asyncio.gather(*looks, return_exceptions=True)

    assert [type(one) for one in asyncio.run(ask())] == [StoreError] * 3
    holder.close()
    assert audit.verify().rows == 0


def test_what_was_answered_as_unwritable_is_not_written_later(tmp_path: Path, now: datetime) -> None:
    log = open_audit(tmp_path, wait_seconds=0.1)
    with (tmp_path / "audit.lock").open("a") as turns:
        fcntl.flock(turns, fcntl.LOCK_EX)
        with pytest.raises(StoreError) as refused:
            log.record(a_look(now, 0))  # the writer waits with this one
        assert refused.value.code == "audit_unwritable"
        with pytest.raises(StoreError):
            log.check()  # and does not wait for as long as the writer does

        async def ask() -> list[BaseException | None]:
            looks = (log.recorded(a_look(now, number)) for number in range(1, 4))
            return await asyncio.gather(*looks, return_exceptions=True)

        assert [type(one) for one in asyncio.run(ask())] == [StoreError] * 3
    log.close()
    log = open_audit(tmp_path)
    assert log.verify().rows == 0
    log.close()


def test_closing_writes_what_waits_and_then_takes_nothing_more(tmp_path: Path, now: datetime) -> None:
    log = open_audit(tmp_path)
    written = [log.submit(a_look(now, number)) for number in range(30)]
    log.close()
    assert all(one.done() and one.exception() is None for one in written)
    with pytest.raises(StoreError):
        log.record(a_look(now))


def test_a_list_is_a_row_for_each_student_and_an_answer_about_nobody_is_one(
    audit: AuditLog, now: datetime
) -> None:
    audit.record(replace(a_look(now), shown=("a", "b"), missed=("d",)))
    audit.record(replace(a_look(now), shown=()))
    with audit.reading() as connection:
        rows = connection.execute("SELECT student_ref, shown, purpose FROM look ORDER BY number").fetchall()
    assert rows == [
        (audit.student_ref("a"), 1, "care"), (audit.student_ref("b"), 1, "care"),
        (audit.student_ref("d"), 0, "care"), (None, 0, "care"),
    ]  # fmt: skip
    assert (audit.verify().rows, audit.verify().broken_at) == (4, None)


def test_a_list_of_many_students_is_written_whole_or_not_at_all(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    many = tuple(f"student-{number}" for number in range(1_201))
    audit.record(replace(a_look(now), shown=many))
    assert (audit.verify().rows, audit.verify().broken_at) == (1_201, None)
    file = unguarded(tmp_path)
    file.execute("CREATE TRIGGER full BEFORE INSERT ON look WHEN NEW.student_ref = "
                 f"'{audit.student_ref('student-1150')}' BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
    with pytest.raises(StoreError):
        audit.record(replace(a_look(now), shown=many))
    audit.record(a_look(now))
    assert (audit.verify().rows, audit.verify().broken_at) == (1_202, None)
    file.close()


INDEX_OF_BEFORE = "CREATE INDEX look_by_student ON look (student_ref) WHERE student_ref IS NOT NULL"


def test_a_log_of_the_second_version_lets_its_index_by_student_go(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    audit.record(a_look(now))
    audit.close()
    with closing(sqlite3.connect(tmp_path / "audit.db")) as file:
        file.execute(INDEX_OF_BEFORE)
        file.execute("PRAGMA user_version = 2")
    again = open_audit(tmp_path)
    again.record(a_look(now, 1))
    assert (again.verify().rows, again.verify().broken_at) == (2, None)
    again.close()
    with closing(sqlite3.connect(tmp_path / "audit.db")) as file:
        left = file.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'look_by_student'").fetchone()
        assert left == (0,)


def as_the_first_version_wrote_it(folder: Path) -> None:
    """Take the purposes away, and chain the rows as version 1 did."""
    names = ("at", "key_id", "route", "method", "status", "set_id", "student_ref", "shown", "request_id")
    file = unguarded(folder)
    file.execute("ALTER TABLE look DROP COLUMN purpose")
    previous = "0" * 64
    rows = file.execute(f"SELECT number, {', '.join(names)} FROM look ORDER BY number").fetchall()
    for number, *told in rows:
        digest = hashlib.sha256(json.dumps([previous, *told], separators=(",", ":")).encode()).hexdigest()
        file.execute("UPDATE look SET previous = ?, hash = ? WHERE number = ?", (previous, digest, number))
        previous = digest
    file.execute(INDEX_OF_BEFORE)
    file.execute("PRAGMA user_version = 1")
    file.close()


def test_rows_of_the_first_version_keep_their_place_in_the_chain_and_cannot_be_given_a_purpose(
    audit: AuditLog, now: datetime, tmp_path: Path
) -> None:
    audit.record(a_look(now))
    audit.record(a_look(now, 1))
    audit.close()
    as_the_first_version_wrote_it(tmp_path)
    again = open_audit(tmp_path)
    again.record(a_look(now, 2))
    assert (again.verify().rows, again.verify().broken_at) == (3, None)
    tamper = unguarded(tmp_path)
    for number, was, changed in ((1, None, "aid"), (3, "care", None)):
        tamper.execute("UPDATE look SET purpose = ? WHERE number = ?", (changed, number))
        assert again.verify().broken_at == number
        tamper.execute("UPDATE look SET purpose = ? WHERE number = ?", (was, number))
    tamper.close()
    assert again.verify().broken_at is None
    again.close()
