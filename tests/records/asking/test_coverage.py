"""Counts of what the records hold on a day."""

from __future__ import annotations

from datetime import date

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.coverage import Reported, coverage

AS_OF = AsOf(date(2024, 9, 13), date(2025, 1, 17), "2024-2025-1")
RULE = RegionRule(version="test", valid_from=date(2024, 1, 1), source="an example")
STUDENTS = [{"student_id": f"s{number}"} for number in range(9)]


def test_school_days_count_as_reported_only_within_reported_periods_up_to_the_day(bureau):
    week = {
        "school_id": "A",
        "start_date": "2024-09-02",
        "end_date": "2024-09-06",
        "recorded_on": "2024-09-07",
    }
    later = week | {"start_date": "2024-09-09", "end_date": "2024-09-20", "recorded_on": "2024-09-21"}
    store = bureau({"students": STUDENTS, "attendance": [], "attendance_reports": [week, later]})

    assert coverage(store, AS_OF, RULE).reported == (Reported("2024-2025-1", "A", 10, 5),)


def test_where_no_attendance_was_delivered_no_day_is_reported(bureau):
    found = coverage(bureau({"students": STUDENTS}), AS_OF, RULE)

    assert found.reported == (Reported("2024-2025-1", "A", 10, 0),)
    assert {"attendance", "grades", "family"} <= set(found.missing_tables)
    assert "students" not in found.missing_tables
    assert found.rows["students"] == 9


def test_students_without_marks_or_a_family_statement_are_counted_over_all_buckets(bureau):
    mark = {"exam": "monthly", "subject": "english", "score": 60, "full_score": 100, "status": "sat"}
    known = {"exam_date": "2024-09-10", "recorded_on": "2024-09-12"}
    statement = {"student_id": "s2", "recorded_on": "2024-09-05"}
    store = bureau(
        {
            "students": STUDENTS,
            "grades": [
                {"student_id": "s0", **mark, **known},
                {"student_id": "s1", **mark, **known, "recorded_on": "2024-09-14"},
            ],
            "family": [statement],
        }
    )

    found = coverage(store, AS_OF, RULE)

    assert store.bucket_count > 1
    assert (found.students, found.without_marks, found.without_family_statement) == (9, 8, 8)
