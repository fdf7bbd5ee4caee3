from __future__ import annotations

import json
from datetime import date

import pytest

from riskmodel.domain import Term
from riskmodel.errors import WorkspaceError
from riskmodel.records.deliveries import generation
from riskmodel.records.keeping.manifest import MANIFEST
from riskmodel.records.keeping.rows import bucket_count_for, bucket_of
from riskmodel.records.store import RecordStore

ABSENT = {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}


@pytest.mark.parametrize(
    ("student", "of_four", "of_hundred"),
    [("s1", 0, 72), ("s2", 0, 76), ("张三-7", 2, 58), ("", 1, 93), ("AAA-2013J-11391", 3, 11)],
)
def test_the_bucket_of_a_student_never_changes(student, of_four, of_hundred):
    assert (bucket_of(student, 4), bucket_of(student, 100)) == (of_four, of_hundred)


def test_the_rows_of_a_student_lie_in_the_bucket_that_any_engine_finds(bureau):
    students = [f"s{number}" for number in range(40)]
    store = bureau({"students": [{"student_id": student} for student in students]})
    import duckdb

    for bucket in range(store.bucket_count):
        found = duckdb.sql(
            f"SELECT student_id FROM read_parquet('{store.file('students', bucket)}')"
        ).fetchall()
        assert [student for (student,) in found] == sorted(
            s for s in students if bucket_of(s, store.bucket_count) == bucket
        )


def test_the_number_of_buckets_grows_with_the_students_and_is_fixed_by_the_first_delivery(bureau):
    students = (1, 5_000, 5_001, 25_000, 25_001, 1_000_000)
    assert [bucket_count_for(number) for number in students] == [1, 1, 2, 2, 3, 80]


def test_what_a_store_says_of_itself(bureau):
    store = bureau({"attendance": [ABSENT], "family": [{"student_id": "s1", "recorded_on": "2024-11-01"}]})
    assert store.tables == ("attendance", "enrolments", "family", "schools", "students", "terms")
    assert store.terms()[0] == Term("2024-2025-1", date(2024, 9, 2), date(2025, 1, 17))
    assert [(s.school_id, s.name, s.township) for s in store.schools()] == [("A", "学校A", "东乡")]
    assert store.student_count == 1
    assert store.complete_to("bureau") == store.complete_to("attendance") == date(2024, 11, 1)
    assert store.complete_to("grades") is None


def test_the_last_complete_date_is_the_earliest_among_the_sources_of_the_tables(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({}, store=folder, complete_to=date(2025, 6, 30))
    store = bureau(
        {"attendance": [ABSENT]}, raw=True, store=folder, name="gate", complete_to=date(2025, 5, 1)
    )
    assert store.last_complete_date(["enrolments"]) == date(2025, 6, 30)
    assert store.last_complete_date(["enrolments", "attendance", "ledger_events"]) == date(2025, 5, 1)
    assert store.last_complete_date(["ledger_events"]) is None


def test_a_planned_end_does_not_make_a_source_complete_past_its_delivery(bureau):
    grant = {"student_id": "s1", "programme": "living_cost", "start_date": "2024-09-01", "amount_yuan": 500,
             "end_date": "2030-01-01"}  # fmt: skip
    store = bureau({"subsidies": [grant]}, delivered_on=date(2025, 3, 1))
    assert store.complete_to("bureau") == date(2025, 3, 1)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "record_store_missing"),
        ('{"format": 99}', "record_store_of_other_version"),
        ("[]", "record_store_of_other_version"),
        ('{"format": 2}', "record_store_unreadable"),
        ('{"format": 1}', "record_store_of_other_version"),
        ("{", "record_store_unreadable"),
    ],
)
def test_a_folder_without_a_sound_store_of_this_version_is_refused(tmp_path, content, code):
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(WorkspaceError) as refusal:
        RecordStore.open(tmp_path)
    assert refusal.value.code == code


def test_who_is_killed_between_two_files_leaves_the_old_store_whole(bureau, ask, tmp_path, monkeypatch):
    folder = tmp_path / "store"
    first = bureau({"attendance": [ABSENT]}, store=folder)
    before = (folder / MANIFEST).read_bytes()
    changed = {
        "attendance": [ABSENT | {"days_absent": 0.5}],
        "family": [{"student_id": "s1", "recorded_on": "2024-11-01"}],
    }
    written = []
    real = generation._write

    def killed_at_the_second_file(*args):
        written.append(args)
        if len(written) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(generation, "_write", killed_at_the_second_file)
    with pytest.raises(KeyboardInterrupt):
        bureau(changed, store=folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert ask(RecordStore.open(folder), "SELECT days_absent FROM attendance", "2026-02-01") == [(1.0,)]
    monkeypatch.undo()
    again = bureau(changed, store=folder)
    assert ask(again, "SELECT days_absent FROM attendance", "2026-02-01") == [(0.5,)]
    assert again.manifest.generation == first.manifest.generation + 1


def test_a_half_written_generation_that_nobody_cleared_away_does_no_harm(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder)
    rest = folder / "generation-00002" / "attendance"
    rest.mkdir(parents=True)
    (rest / "bucket-000.parquet").write_bytes(b"half")
    store = bureau({"attendance": [ABSENT, ABSENT | {"start_date": "2024-10-09", "end_date": "2024-10-09"}]},
                   store=folder)  # fmt: skip
    assert len(ask(store, "FROM attendance", "2026-02-01")) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["generation-00002", MANIFEST]


def test_the_manifest_traces_each_delivery_and_holds_no_value_of_a_row(bureau):
    store = bureau({"students": [{"student_id": "kept-out-id", "name": "无名氏"}]})
    content = (store.folder / MANIFEST).read_text(encoding="utf-8")
    assert "kept-out-id" not in content
    assert "无名氏" not in content
    told = json.loads(content)["deliveries"][0]
    assert told["source"] == "bureau"
    assert {file["file"]: file["rows"] for file in told["files"]}["terms.csv"] == 2
