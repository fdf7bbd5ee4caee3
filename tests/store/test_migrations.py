from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from riskmodel.domain import ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store.engine import open_store
from riskmodel.store.keys import list_keys, make_key, recognise, revoke
from riskmodel.store.rows import facts_text
from riskmodel.store.tables import ALLOCATION_ITEMS, METADATA, SETS

SECRET = "s" * 43
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE published_set (
    set_id TEXT NOT NULL, published_at TEXT NOT NULL, published_by TEXT NOT NULL, state TEXT NOT NULL,
    student_count INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (set_id),
    CONSTRAINT state_is_known CHECK (state IN ('writing', 'complete', 'abandoned'))
);
CREATE TABLE pointer_move (
    number INTEGER NOT NULL, set_id TEXT NOT NULL, moved_at TEXT NOT NULL, moved_by TEXT NOT NULL,
    PRIMARY KEY (number), FOREIGN KEY(set_id) REFERENCES published_set (set_id)
);
CREATE TABLE published_school (
    set_id TEXT NOT NULL, school_id TEXT NOT NULL, name TEXT NOT NULL, township TEXT NOT NULL,
    PRIMARY KEY (set_id, school_id), FOREIGN KEY(set_id) REFERENCES published_set (set_id)
);
CREATE TABLE published_student (
    set_id TEXT NOT NULL, student_id TEXT NOT NULL, school_id TEXT NOT NULL, grade INTEGER NOT NULL,
    class_name TEXT NOT NULL, band TEXT NOT NULL, listed BOOLEAN NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (set_id, student_id),
    FOREIGN KEY(set_id, school_id) REFERENCES published_school (set_id, school_id)
);
CREATE INDEX students_of_a_school ON published_student (set_id, school_id, grade, class_name, student_id);
CREATE TABLE access_key (
    key_id TEXT NOT NULL, secret_sha256 TEXT NOT NULL, role TEXT NOT NULL, label TEXT NOT NULL,
    made_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT, PRIMARY KEY (key_id),
    CONSTRAINT role_is_known CHECK (role IN ('school', 'counsellor', 'bureau'))
);
CREATE TABLE access_key_school (
    key_id TEXT NOT NULL, school_id TEXT NOT NULL, PRIMARY KEY (key_id, school_id),
    FOREIGN KEY(key_id) REFERENCES access_key (key_id)
);
INSERT INTO schema_version VALUES (1);
INSERT INTO published_set VALUES ('set-1', '2026', 'x', 'complete', 0, '{facts}');
INSERT INTO access_key VALUES
    ('aaaaaaaaaaaa', '{secret}', 'counsellor', 'x', '2026-09-01T00:00:00.000000+00:00', NULL, NULL),
    ('bbbbbbbbbbbb', '{secret}', 'bureau', 'x', '2026-09-02T00:00:00.000000+00:00', NULL,
     '2026-09-03T00:00:00.000000+00:00');
INSERT INTO access_key_school VALUES ('aaaaaaaaaaaa', 'a'), ('aaaaaaaaaaaa', 'b');
"""
"""What version 1 wrote."""


@pytest.fixture
def folder(tmp_path: Path, term: Callable[..., ScoredTerm]) -> Path:
    file = sqlite3.connect(tmp_path / "published.db")
    script = VERSION_1.replace("{secret}", hashlib.sha256(SECRET.encode()).hexdigest())
    file.executescript(script.replace("{facts}", facts_text(term().facts)))
    file.close()
    return tmp_path


def test_an_older_store_is_refused_untouched_by_who_only_reads(folder: Path) -> None:
    before = (folder / "published.db").read_bytes()
    with pytest.raises(StoreError) as refused:
        open_store(folder)
    assert refused.value.code == "store_version"
    assert (folder / "published.db").read_bytes()[100:] == before[100:]


def test_an_older_store_is_brought_up_to_date_and_its_keys_stay_valid(folder: Path, now: datetime) -> None:
    store = open_store(folder, create=True)
    known = recognise(store, f"rm_aaaaaaaaaaaa_{SECRET}", at=now)
    assert known is not None
    assert (known.role, known.school_ids) == ("counsellor", frozenset({"a", "b"}))
    assert known.may("read_risk")
    assert recognise(store, f"rm_bbbbbbbbbbbb_{SECRET}", at=now) is None
    assert [one.label for one in list_keys(store)] == ["x", "x"]
    plain = make_key(store, role="district", townships=["东乡"], label="y", made_at=now)
    revoke(store, plain.split("_")[1], at=now)
    store.close()
    again = open_store(folder)
    with again.reading() as connection:
        made = inspect(connection)
        assert set(made.get_table_names()) == set(METADATA.tables)
        for name, table in METADATA.tables.items():
            assert {one["name"] for one in made.get_columns(name)} == set(table.columns.keys()), name
            indexes = {one["name"] for one in made.get_indexes(name)}
            assert {str(index.name) for index in table.indexes} <= indexes, name
        assert connection.scalar(select(SETS.c.term)) == "2026-2027-1"
    again.close()


def test_a_newer_store_is_never_changed(folder: Path) -> None:
    file = sqlite3.connect(folder / "published.db")
    file.execute("UPDATE schema_version SET version = 99")
    file.commit()
    file.close()
    with pytest.raises(StoreError) as refused:
        open_store(folder, create=True)
    assert refused.value.code == "store_version"


def test_aid_of_the_second_version_is_kept_and_lots_have_their_place(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, create=True)):
        pass
    with closing(sqlite3.connect(tmp_path / "published.db")) as file, file:
        file.execute("ALTER TABLE allocation_item DROP COLUMN lot_group")
        file.execute("ALTER TABLE allocation_item ADD COLUMN drawn BOOLEAN NOT NULL DEFAULT 0")
        file.execute("UPDATE schema_version SET version = 2")
    with closing(open_store(tmp_path, create=True)) as store:
        columns = {column["name"] for column in inspect(store.engine).get_columns("allocation_item")}
    assert columns == set(ALLOCATION_ITEMS.columns.keys())
