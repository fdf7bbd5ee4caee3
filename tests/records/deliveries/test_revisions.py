from __future__ import annotations

from datetime import date

import pytest

from riskmodel.errors import RecordsRefused
from riskmodel.records.keeping.manifest import MANIFEST

pytestmark = pytest.mark.slow

ABSENT = {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}
SPELL = {"student_id": "s1", "school_id": "A", "start_date": "2024-09-02", "grade": 7}
DAYS = "SELECT days_absent FROM attendance"


def test_the_same_files_again_change_nothing(bureau, tmp_path):
    folder = tmp_path / "store"
    first = bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2025, 1, 1))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    second = bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2025, 2, 1))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert second.content_hash == first.content_hash


def test_a_changed_row_is_known_from_the_delivery_and_what_was_known_before_stays_answerable(
    bureau, ask, tmp_path
):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2025, 1, 1))
    store = bureau(
        {"attendance": [ABSENT | {"days_absent": 0.5}]}, store=folder, delivered_on=date(2025, 2, 1)
    )
    assert ask(store, DAYS, "2024-12-01") == [(1.0,)]
    assert ask(store, DAYS, "2025-01-31") == [(1.0,)]
    assert ask(store, DAYS, "2025-02-01") == [(0.5,)]


def test_a_row_that_vanished_is_withdrawn_on_the_day_of_the_delivery_and_may_come_back(bureau, ask, tmp_path):
    folder, other = tmp_path / "store", ABSENT | {"student_id": "s2"}
    for day, rows in (
        ((2025, 1, 1), [ABSENT, other]),
        ((2025, 2, 1), [other]),
        ((2025, 3, 1), [ABSENT, other]),
    ):
        students = [{"student_id": "s1"}, {"student_id": "s2"}]
        told = {"students": students, "attendance": rows}
        # The third is the first file again: a person says that it is right.
        store = bureau(told, store=folder, delivered_on=date(*day), force=day == (2025, 3, 1))
    sql = DAYS + " WHERE student_id = 's1'"
    answers = [len(ask(store, sql, day)) for day in ("2025-01-31", "2025-02-01", "2025-02-28", "2025-03-01")]
    assert answers == [1, 0, 0, 1]


def test_new_rows_of_a_growing_file_are_known_by_the_normal_rule(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    later = ABSENT | {"start_date": "2024-10-09", "end_date": "2024-10-09"}
    bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2025, 1, 1))
    store = bureau({"attendance": [later, ABSENT]}, store=folder, delivered_on=date(2025, 2, 1))
    assert len(ask(store, DAYS, "2024-10-09")) == 2


def test_files_and_sources_that_are_not_sent_again_keep_their_rows(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    bureau({"grades": []}, store=folder)
    bureau({"attendance": [ABSENT]}, raw=True, store=folder, name="gate")
    store = bureau({"family": [{"student_id": "s1", "recorded_on": "2025-01-05"}]}, raw=True, store=folder)
    assert len(ask(store, DAYS, "2026-01-01")) == 1
    assert len(ask(store, "FROM students", "2026-01-01")) == 1
    assert "family" in store.tables


def test_a_spell_that_is_closed_in_place_was_open_until_its_end_was_known(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    closed = SPELL | {"end_date": "2025-01-10", "exit_reason": "dropped_out"}
    bureau({"enrolments": [SPELL]}, store=folder, delivered_on=date(2025, 1, 1))
    store = bureau({"enrolments": [closed]}, store=folder, delivered_on=date(2025, 2, 1))
    sql = "SELECT end_date FROM enrolments"
    assert ask(store, sql, "2025-01-09") == [(None,)]
    assert ask(store, sql, "2025-02-01") == [(date(2025, 1, 10),)]
    corrected = closed | {"end_date": "2025-01-03"}
    store = bureau({"enrolments": [corrected]}, store=folder, delivered_on=date(2025, 3, 1))
    assert ask(store, sql, "2025-02-28") == [(date(2025, 1, 10),)]
    assert ask(store, sql, "2025-03-01") == [(date(2025, 1, 3),)]


def test_an_opening_that_was_sent_once_is_not_implied_anew_from_its_start(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    closed = SPELL | {"end_date": "2025-01-10", "recorded_on": "2025-01-15"}
    bureau(
        {"enrolments": [SPELL | {"recorded_on": "2024-09-20"}]}, store=folder, delivered_on=date(2025, 1, 1)
    )
    store = bureau({"enrolments": [closed]}, store=folder, delivered_on=date(2025, 2, 1))
    assert ask(store, "FROM enrolments", "2024-09-19") == []
    assert len(ask(store, "FROM enrolments", "2024-09-20")) == 1


def test_a_withdrawn_closing_takes_its_implied_opening_along(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    other = SPELL | {"start_date": "2025-02-17"}
    closed = SPELL | {"end_date": "2025-01-10"}
    bureau({"enrolments": [closed, other]}, store=folder, delivered_on=date(2025, 3, 1))
    store = bureau({"enrolments": [other]}, store=folder, delivered_on=date(2025, 4, 1))
    sql = "SELECT start_date FROM enrolments"
    assert ask(store, sql, "2024-10-01") == [(date(2024, 9, 2),)]
    assert ask(store, sql, "2025-04-01") == [(date(2025, 2, 17),)]


def test_a_student_s_changed_name_is_known_from_the_delivery(bureau, ask, tmp_path):
    folder = tmp_path / "store"
    bureau({"students": [{"student_id": "s1", "name": "旧"}]}, store=folder, delivered_on=date(2025, 1, 1))
    changed = [{"student_id": "s1", "name": "新"}, {"student_id": "s2", "name": "来"}]
    store = bureau({"students": changed}, store=folder, delivered_on=date(2025, 2, 1))
    assert ask(store, "SELECT name FROM students", "2025-01-31") == [("旧",), ("来",)]
    assert ask(store, "SELECT name FROM students", "2025-02-01") == [("新",), ("来",)]
    assert store.student_count == 2


def test_a_contradiction_with_a_row_of_an_earlier_file_names_both_and_leaves_the_store(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder)
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(RecordsRefused) as refusal:
        bureau({"attendance": [ABSENT | {"days_absent": 0}]}, raw=True, store=folder, name="gate")
    assert [finding.code for finding in refusal.value.findings] == ["rows_contradict"]
    assert (folder / MANIFEST).read_bytes() == before


def test_a_delivery_dated_before_the_last_one_is_refused(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({}, store=folder, delivered_on=date(2025, 2, 1))
    with pytest.raises(RecordsRefused) as refusal:
        bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2025, 1, 31))
    assert [finding.code for finding in refusal.value.findings] == ["delivered_before_last"]


def test_another_complete_to_is_taken_over_without_reading_a_row_anew(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder, complete_to=date(2025, 1, 31))
    store = bureau({"attendance": [ABSENT]}, store=folder, complete_to=date(2025, 2, 28))
    assert store.complete_to("attendance") == date(2025, 2, 28)
    assert "attendance" in store.tables
