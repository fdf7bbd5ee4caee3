from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store, open_store
from riskmodel.store.tables import SCHEMA, SETS

A_SET = {
    "set_id": "set-x", "published_at": "2026", "published_by": "x", "state": "complete", "student_count": 0,
    "term": "t", "facts": "{}",
}  # fmt: skip


def test_every_connection_is_wal_synchronous_full_with_foreign_keys(store: Store) -> None:
    with store.reading() as one, store.reading() as two, store.writing() as three:
        for connection in (one, two, three):
            said = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
            assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_an_absent_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(tmp_path / "nowhere")
    assert refused.value.code == "store_absent"
    assert not (tmp_path / "nowhere").exists()


def test_a_store_of_another_version_is_refused_and_untouched(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(update(SCHEMA).values(version=99))
    for create in (False, True):
        with pytest.raises(StoreError) as refused:
            open_store(store.folder, create=create)
        assert refused.value.code == "store_version"
        assert "99" in refused.value.text("zh")
        assert "99" in refused.value.text("en")
    with store.reading() as connection:
        assert connection.scalar(select(SCHEMA.c.version)) == 99


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "published.db").write_bytes(b"student list of class 2" * 100)
    with pytest.raises(StoreError) as refused:
        open_store(tmp_path)
    assert refused.value.code == "store_damaged"


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "published.db") as other:
        other.execute("CREATE TABLE something (a)")
    other.close()
    with pytest.raises(StoreError) as refused:
        open_store(tmp_path, create=True)
    assert refused.value.code == "store_version"


def test_a_folder_that_cannot_be_made_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as refused:
        open_store(tmp_path / "file" / "store", create=True)
    assert refused.value.code == "store_not_writable"


def test_a_second_writer_is_told_that_the_store_is_locked(store: Store) -> None:
    other = open_store(store.folder, wait_seconds=0.2)
    with store.writing(), pytest.raises(StoreError) as refused, other.writing():
        pass
    assert refused.value.code == "store_locked"
    other.close()


def test_a_store_that_somebody_holds_wholly_cannot_be_opened_and_says_so(store: Store) -> None:
    folder = store.folder
    store.close()
    holder = sqlite3.connect(folder / "published.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError) as refused:
        open_store(folder, wait_seconds=0.1)
    assert refused.value.code == "store_locked"
    holder.close()


def test_a_writer_does_not_keep_readers_out(store: Store) -> None:
    with store.writing() as writer:
        writer.execute(insert(SETS).values(**A_SET))
        with store.reading() as reader:
            assert reader.execute(select(SETS.c.set_id)).all() == []


def test_a_reader_sees_one_state_although_another_commits_between_its_questions(store: Store) -> None:
    with store.reading() as reader:
        assert reader.execute(select(SETS.c.set_id)).all() == []
        with store.writing() as writer:
            writer.execute(insert(SETS).values(**A_SET))
        assert reader.execute(select(SETS.c.set_id)).all() == []
    with store.reading() as reader:
        assert reader.execute(select(SETS.c.set_id)).all() == [("set-x",)]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.writing() as writer:
            writer.execute(insert(SETS).values(**A_SET))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.reading() as reader:
        assert reader.execute(select(SETS.c.set_id)).all() == []


def test_a_writing_within_a_writing_is_kept_with_it_or_not_at_all(store: Store) -> None:
    def write(set_id: str) -> None:
        with store.writing() as connection:
            connection.execute(insert(SETS).values(**{**A_SET, "set_id": set_id}))

    def write_and_fail() -> None:
        with store.writing() as outer:
            write("set-a")
            assert outer.execute(select(SETS.c.set_id)).scalars().all() == ["set-a"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.writing():
        write("set-b")
        write("set-c")
    write("set-d")
    with store.reading() as reader:
        assert reader.execute(select(SETS.c.set_id)).scalars().all() == ["set-b", "set-c", "set-d"]
