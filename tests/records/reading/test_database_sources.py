"""A database as a source: the same rows as from files, read only, streamed."""

from __future__ import annotations

import sqlite3
import zipfile
from datetime import UTC, date, datetime

import pytest

from riskmodel.domain import CHINA_TIME
from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.reading.databases import _text
from riskmodel.records.store import RecordStore

TABLES = {
    "students": ("student_id,name,birth_date", [("s1", "张三", "2011-05-01"), ("s2", "李四", "2011-06-01")]),
    "schools": ("school_id,name,county,stage", [("A", "甲校", "甲县", "junior")]),
    "terms": ("term,start_date,end_date", [("2024-2025-1", "2024-09-02", "2025-01-17")]),
    "enrolments": (
        "student_id,school_id,start_date,grade,end_date",
        [("s1", "A", "2024-09-02", 7, None), ("s2", "A", "2024-09-02", 7, "2024-11-01")],
    ),
}
ROWS = "SELECT * FROM students JOIN enrolments USING (student_id)"


def write_csv(folder):
    folder.mkdir(parents=True)
    for name, (header, rows) in TABLES.items():
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        (folder / f"{name}.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return folder


def write_sqlite(path, renamed=""):
    with sqlite3.connect(path) as connection:
        for name, (header, rows) in TABLES.items():
            connection.execute(f"CREATE TABLE {renamed}{name} ({header})")
            marks = ", ".join("?" for _ in header.split(","))
            connection.executemany(f"INSERT INTO {renamed}{name} VALUES ({marks})", rows)
    connection.close()
    return f"sqlite:///{path}"


def test_an_instant_of_a_database_falls_on_the_day_of_where_schools_are():
    midnight = datetime(2016, 3, 4, tzinfo=CHINA_TIME)
    assert _text(midnight.astimezone(UTC)) == _text(midnight.replace(tzinfo=None)) == "2016-03-04"


def test_a_database_gives_the_same_rows_as_files(tmp_path, ask):
    files = SourceFiles("b", write_csv(tmp_path / "in"))
    take_in([files], store=tmp_path / "one", delivered_on=date(2025, 9, 1))
    url = write_sqlite(tmp_path / "records.db")
    database = SourceFiles("b", url=url)
    for _ in range(2):
        report = take_in([database], store=tmp_path / "two", delivered_on=date(2025, 9, 1))
    assert not report.changed
    one, two = (RecordStore.open(tmp_path / name) for name in ("one", "two"))
    assert ask(one, ROWS, "2025-09-01") == ask(two, ROWS, "2025-09-01")
    assert len(ask(two, ROWS, "2025-09-01")) == 2
    assert [path.name for path in (tmp_path / "two").iterdir() if "partial" in path.name] == []


def test_a_mapping_names_tables_or_queries_of_the_database(tmp_path, ask):
    url = write_sqlite(tmp_path / "records.db", renamed="xs_")
    (tmp_path / "mapping.yaml").write_text(
        """
config_version: 1
tables:
  schools: {file: xs_schools}
  terms: {file: xs_terms}
  students: {file: xs_students, columns: {ethnicity: student_id, student_id: name}}
  enrolments:
    query: |
      SELECT name AS student_id, school_id, start_date, grade, ':x' AS class_name
      FROM xs_enrolments JOIN xs_students USING (student_id) WHERE end_date IS NULL
""",
        encoding="utf-8",
    )
    source = SourceFiles("b", mapping=tmp_path / "mapping.yaml", url=url)
    take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
    store = RecordStore.open(tmp_path / "store")
    sql = "SELECT student_id, class_name FROM enrolments"
    assert ask(store, sql, "2025-09-01") == [("张三", ":x")]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///{}/none.db", "database_url_wrong"),
        ("no url at all", "database_url_wrong"),
        ("postgresql+psycopg://secret:secret@localhost:1/none", "database_failed"),
    ],
)
def test_a_database_that_cannot_be_reached_is_refused_and_its_password_not_told(tmp_path, url, code):
    source = SourceFiles("b", url=url.format(tmp_path))
    with pytest.raises(RecordsRefused) as refusal:
        take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
    assert [f.code for f in refusal.value.findings] == [code]
    assert "secret" not in str(refusal.value)
    assert not (tmp_path / "store").exists()


def test_a_zip_of_files_is_read_as_the_files_in_it_whatever_coded_their_names(tmp_path, ask):
    folder = write_csv(tmp_path / "files")
    sent = tmp_path / "in"
    sent.mkdir()
    with zipfile.ZipFile(sent / "全部.zip", "w") as package:
        for path in folder.iterdir():
            package.write(path, path.name)
        package.writestr("__MACOSX/._students.csv", b"\0")
    take_in([SourceFiles("b", sent)], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
    store = RecordStore.open(tmp_path / "store")
    assert len(ask(store, ROWS, "2025-09-01")) == 2
    assert {receipt.file for d in store.manifest.deliveries for receipt in d.files} == {
        f"全部.zip/{name}.csv" for name in TABLES
    }
