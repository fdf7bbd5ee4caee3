from __future__ import annotations

import csv
from datetime import date

import pytest

from riskmodel.domain import RegionRule
from riskmodel.errors import NotEnoughData
from riskmodel.records.asking.tracing import UNTOLD, trace

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
SPELL = {"student_id": "s1", "school_id": "A", "start_date": "2024-09-02", "grade": 7}
ABSENT = {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}


def rows_of(store, name, on, student="s1"):
    rows = trace(store, student, as_of_date=date.fromisoformat(on), rule=RULE)
    return [row for row in rows if row.table == name]


def cells(folder, row):
    with (folder / row.file).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return dict(zip(header, lines[row.row - 2], strict=True))


def test_a_row_is_told_with_its_source_its_delivery_its_file_and_the_day_it_was_known(bureau, tmp_path):
    others = [ABSENT | {"student_id": "s2"}, ABSENT | {"days_absent": 0.5, "recorded_on": "2024-10-20"}]
    store = bureau({"attendance": others}, name="gate")

    (row,) = rows_of(store, "attendance", "2024-10-20")

    assert (row.source, row.delivery, row.file, row.row) == ("gate", 1, "attendance.csv", 3)
    assert row.known_from == date(2024, 10, 20)
    assert not row.implied
    assert row.values["days_absent"] == 0.5
    assert cells(tmp_path / "delivery-1", row)["days_absent"] == "0.5"


def test_a_row_that_was_known_later_is_not_told(bureau):
    store = bureau({"attendance": [ABSENT | {"recorded_on": "2024-10-20"}]})
    assert rows_of(store, "attendance", "2024-10-19") == []
    assert len(rows_of(store, "attendance", "2024-10-20")) == 1


def test_of_one_key_only_the_statement_that_held_is_told(bureau):
    first = ABSENT | {"recorded_on": "2024-10-09"}
    store = bureau({"attendance": [first, ABSENT | {"days_absent": 0.5, "recorded_on": "2024-11-01"}]})
    assert [row.row for row in rows_of(store, "attendance", "2024-10-31")] == [2]
    assert [row.row for row in rows_of(store, "attendance", "2024-11-01")] == [3]


def test_a_longer_row_that_daily_rows_take_the_place_of_is_no_source(bureau):
    month = ABSENT | {"start_date": "2024-10-01", "end_date": "2024-10-31", "days_absent": 3}
    store = bureau({"attendance": [month, ABSENT]})
    assert [row.values["end_date"] for row in rows_of(store, "attendance", "2024-11-01")] == [
        date(2024, 10, 8)
    ]


def test_a_row_that_a_later_delivery_withdrew_is_told_until_then(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder, delivered_on=date(2024, 11, 1))
    again = ABSENT | {"days_absent": 0.5}
    store = bureau({"attendance": [again]}, store=folder, delivered_on=date(2024, 12, 1))

    (then,) = rows_of(store, "attendance", "2024-11-30")
    (now,) = rows_of(store, "attendance", "2024-12-01")

    assert (then.delivery, then.values["days_absent"]) == (1, 1.0)
    assert (now.delivery, now.values["days_absent"]) == (2, 0.5)


def test_of_a_spell_that_was_closed_later_only_the_opening_is_told_and_marked(bureau):
    closed = SPELL | {"end_date": "2024-12-20", "exit_reason": "dropped_out", "recorded_on": "2025-01-15"}
    store = bureau({"enrolments": [closed]})

    (row,) = rows_of(store, "enrolments", "2025-01-14")

    assert row.implied
    assert row.values["end_date"] is row.values["exit_reason"] is None
    assert "dropped_out" not in row.values.values()


def test_of_the_tables_about_schools_the_rows_of_the_own_schools_are_told(bureau):
    report = {"start_date": "2024-10-07", "end_date": "2024-10-11"}
    store = bureau({
        "enrolments": [SPELL, SPELL | {"student_id": "s2", "school_id": "B"}],
        "students": [{"student_id": "s1"}, {"student_id": "s2"}],
        "attendance": [ABSENT],
        "attendance_reports": [report | {"school_id": school} for school in "AB"],
        "calendar": [
            {"date": "2024-10-01", "school_id": "", "is_school_day": False},
            {"date": "2024-10-12", "school_id": "B", "is_school_day": True},
        ],
    })  # fmt: skip
    told = trace(store, "s1", as_of_date=date(2024, 11, 1), rule=RULE)

    assert [row.table for row in told] == [
        "schools", "terms", "terms", "calendar", "students", "enrolments", "attendance", "attendance_reports",
    ]  # fmt: skip
    assert {row.values.get("school_id") or "" for row in told} == {"A", ""}
    assert told[0].known_from is None


def test_no_name_and_no_roll_number_is_told(bureau):
    person = {"student_id": "s1", "name": "张小明", "roll_number": "G990101201203070028", "sex": "F"}
    store = bureau({"students": [person]})

    (row,) = rows_of(store, "students", "2024-11-01")

    assert row.values["sex"] == "F"
    assert not UNTOLD & row.values.keys()
    assert "张小明" not in repr(row)


@pytest.mark.parametrize(
    ("student", "on", "code"),
    [
        ("s-nobody", "2024-11-01", "student_not_recorded"),
        ("s1", "2024-09-01", "student_outside_cohort"),
        ("s2", "2025-01-15", "student_outside_cohort"),
    ],
)
def test_of_nobody_and_of_one_outside_the_cohort_nothing_is_told_and_no_id_repeated(
    bureau, student, on, code
):
    left = SPELL | {
        "student_id": "s2", "end_date": "2024-12-20", "exit_reason": "dropped_out",
        "recorded_on": "2025-01-15",
    }  # fmt: skip
    store = bureau({"students": [{"student_id": "s1"}, {"student_id": "s2"}], "enrolments": [SPELL, left]})

    with pytest.raises(NotEnoughData) as refused:
        trace(store, student, as_of_date=date.fromisoformat(on), rule=RULE)

    assert refused.value.code == code
    for language in ("zh", "en"):
        assert student not in refused.value.text(language)
