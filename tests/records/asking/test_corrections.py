"""What is corrected later: told apart from what came later, and put in the place of what was wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from riskmodel.domain import RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.asking.corrections import corrected_since
from riskmodel.records.keeping.rows import bucket_of

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
DAY, LATER = date(2024, 10, 20), date(2024, 10, 23)


def absent(student: str, day: str, days: float, recorded_on: str) -> dict[str, object]:
    when = {"start_date": day, "end_date": day, "recorded_on": recorded_on}
    return {"student_id": student, "days_absent": days, **when}


def days_absent(store, *, corrected: bool, on: date = DAY) -> list[tuple[str, float]]:
    found = []
    for student in ("s1", "s2", "s3", "s4"):
        bucket = bucket_of(student, store.bucket_count)
        with BucketReader(store, bucket, corrected=corrected) as reader:
            rows = reader.at(on, RULE).execute("SELECT student_id, days_absent FROM attendance").fetchall()
        found += [row for row in rows if row[0] == student]
    return found


def test_corrections_and_what_comes_late_are_told_apart_from_news(bureau, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    wrong, withdrawn = (
        absent("s1", "2024-10-08", 1, "2024-10-09"),
        absent("s2", "2024-10-08", 1, "2024-10-09"),
    )
    kept = absent("s3", "2024-10-08", 0.5, "2024-10-09")
    bureau({"attendance": [wrong, withdrawn, kept]}, store=folder, delivered_on=DAY)
    right = wrong | {"days_absent": 0.5}
    happened_later = absent("s3", "2024-10-21", 1, "2024-10-21")
    recorded_later = absent("s3", "2024-10-09", 1, "2024-10-22")
    late = absent("s4", "2024-10-08", 1, "2024-10-09")
    report = {
        "school_id": "A",
        "start_date": "2024-09-02",
        "end_date": "2024-10-18",
        "recorded_on": "2024-10-19",
    }
    store = bureau(
        {
            "attendance": [right, kept, happened_later, recorded_later, late],
            "attendance_reports": [report],
        },
        store=folder,
        delivered_on=LATER,
        force=True,
    )

    as_known = [("s1", 1.0), ("s2", 1.0), ("s3", 0.5), ("s4", 1.0)]
    assert days_absent(store, corrected=False) == as_known
    assert days_absent(store, corrected=True) == [("s1", 0.5), ("s3", 0.5), ("s4", 1.0)]
    # From the day of the correction on, both say the same.
    known_by_then = sorted(days_absent(store, corrected=False, on=LATER))
    assert known_by_then == sorted(days_absent(store, corrected=True, on=LATER))
    told = corrected_since(store, as_of_date=DAY, since_delivery=1)
    assert {"s1", "s2"} <= told.student_ids
    assert told.school_ids == {"A"}
    # s4 came with the second delivery: who was scored from that one knew of it.
    assert "s4" in told.student_ids
    assert corrected_since(store, as_of_date=DAY, since_delivery=2).student_ids == {"s1", "s2"}
