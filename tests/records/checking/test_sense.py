"""What looks like a mistake keeps a delivery out, unless a person forces it in, and that is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from riskmodel.domain import AsOf, RegionRule
from riskmodel.errors import RecordsRefused
from riskmodel.labels import LabelTask, label_bucket, read_labels
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.keeping.manifest import MANIFEST
from riskmodel.records.store import RecordStore

pytestmark = pytest.mark.slow

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test", outcome_delay_days=0)
END = date(2025, 6, 1)
STUDENTS = [f"s{number}" for number in range(24)]
Deliver = Callable[..., RecordStore]


def absences(days: range, students: list[str] = STUDENTS) -> list[dict[str, Any]]:
    begun = date(2024, 9, 2)
    return [
        {"student_id": student, "start_date": begun + timedelta(n), "end_date": begun + timedelta(n),
         "days_absent": 1, "days_unexcused": 1}
        for n in days for student in students
    ]  # fmt: skip


def marks(
    day: str, *, of: list[str] = STUDENTS, score: Callable[[int], int] = lambda n: 40 + n
) -> list[dict[str, Any]]:
    return [
        {"student_id": student, "subject": "chinese", "exam_date": day, "exam": "final",
         "score": score(n), "full_score": 100, "status": "sat"}
        for n, student in enumerate(of)
    ]  # fmt: skip


def spells(students: list[str], school: str = "A", **more: Any) -> list[dict[str, Any]]:
    return [
        {"student_id": s, "school_id": school, "start_date": "2024-09-02", "grade": 7, **more}
        for s in students
    ]


@pytest.fixture
def deliver(bureau: Any, tmp_path: Path) -> Deliver:
    """Deliver into one store; the day is that of the month, in 2025."""

    def send(tables: dict[str, Any], *, month: int = 1, force: bool = False, **options: Any) -> RecordStore:
        told = {"students": [{"student_id": s} for s in STUDENTS]} | tables
        day = date(2025, month, 1)
        return bureau(told, store=tmp_path / "store", delivered_on=day, force=force, **options)

    return send


def refused(send: Callable[[], Any]) -> list[str]:
    with pytest.raises(RecordsRefused) as refusal:
        send()
    return [finding.code for finding in refusal.value.findings]


def test_the_old_version_of_a_file_is_refused_unless_forced_and_that_is_recorded(deliver, ask, tmp_path):
    first, second = {"attendance": absences(range(2))}, {"attendance": absences(range(3))}
    deliver(first)
    deliver(second, month=2)
    before = (tmp_path / "store" / MANIFEST).read_bytes()
    assert refused(lambda: deliver(first, month=3)) == ["file_sent_before"]
    assert (tmp_path / "store" / MANIFEST).read_bytes() == before
    store = deliver(first, month=3, force=True)
    assert store.manifest.deliveries[-1].forced == ("file_sent_before",)
    assert RecordStore.open(tmp_path / "store").manifest.deliveries[-1].forced == ("file_sent_before",)
    count = "SELECT count(*) FROM attendance"
    assert sum(n for (n,) in ask(store, count, "2025-02-28")) == 3 * len(STUDENTS)
    assert sum(n for (n,) in ask(store, count, "2025-03-01")) == 2 * len(STUDENTS)


def test_an_older_export_that_was_never_sent_is_known_by_what_it_lacks(deliver):
    deliver({"attendance": absences(range(30))})
    assert refused(lambda: deliver({"attendance": absences(range(15))}, month=2)) == ["delivery_older"]


def test_the_correction_of_a_file_is_no_older_version(deliver):
    deliver({"attendance": absences(range(30))})
    store = deliver({"attendance": absences(range(25)) + absences(range(29, 30), ["s1"])}, month=2)
    assert store.manifest.generation == 2


def test_a_day_before_the_last_delivery_is_taken_as_that_day_when_forced(deliver, ask):
    deliver({"attendance": absences(range(3))}, month=3)
    other = {"attendance": absences(range(2))}
    assert refused(lambda: deliver(other, month=2)) == ["delivered_before_last"]
    store = deliver(other, month=2, force=True)
    assert store.manifest.deliveries[-1].delivered_on == date(2025, 3, 1)


def test_half_of_a_school_gone_is_refused_and_the_counts_are_told(deliver, tmp_path):
    deliver({"enrolments": spells(STUDENTS[:12]) + spells(STUDENTS[12:], "B")})
    shrunk = {"enrolments": spells(STUDENTS[:6]) + spells(STUDENTS[12:], "B")}
    with pytest.raises(RecordsRefused) as refusal:
        deliver(shrunk, month=2)
    (finding,) = refusal.value.findings
    assert (finding.code, finding.where.key) == ("school_shrunk", "school_id=A")
    assert dict(finding.slots) == {"before": "12", "now": "6"}
    assert refused(lambda: deliver({"enrolments": spells(STUDENTS[12:], "B")}, month=2)) == [
        "school_vanished"
    ]


def test_a_school_whose_spells_were_closed_did_not_shrink(deliver):
    deliver({"enrolments": spells(STUDENTS)})
    closed = spells(STUDENTS[:20], end_date="2025-01-17", exit_reason="graduated")
    assert deliver({"enrolments": closed + spells(STUDENTS[20:])}, month=2).manifest.generation == 2


def test_less_than_half_of_a_school_may_vanish_and_nobody_of_them_becomes_one_who_left(deliver, tmp_path):
    deliver({"enrolments": spells(STUDENTS)}, complete_to=END)
    store = deliver({"enrolments": spells(STUDENTS[11:])}, month=2, complete_to=END)
    assert outcomes(store, tmp_path) == {"stayed": 13, "unaccounted": 11}


def test_students_of_a_school_that_was_forced_in_by_half_never_become_students_who_left(deliver, tmp_path):
    deliver({"enrolments": spells(STUDENTS)}, complete_to=END)
    store = deliver({"enrolments": spells(STUDENTS[20:])}, month=2, complete_to=END, force=True)
    assert store.manifest.deliveries[-1].forced == ("school_shrunk",)
    assert outcomes(store, tmp_path) == {"stayed": 4, "unaccounted": 20}


def outcomes(store: RecordStore, folder: Path) -> dict[str, int]:
    as_of = AsOf(date(2025, 1, 10), date(2025, 4, 1), "2024-2025-1")
    files = [
        label_bucket(LabelTask(store.folder, bucket, (as_of,), (RULE,), END, folder / f"labels-{bucket}"))
        for bucket in range(store.bucket_count)
    ]
    frame = read_labels(files, label_date=END, rule_version="test").frame
    return {str(outcome): int(count) for outcome, count in frame["outcome"].value_counts().items()}


def test_a_file_whose_column_has_no_value_any_more_is_refused(deliver):
    rows = absences(range(2))
    deliver({"attendance": rows})
    without = [{name: value for name, value in row.items() if name != "days_unexcused"} for row in rows]
    assert refused(lambda: deliver({"attendance": without}, month=2)) == ["column_emptied"]
    emptied = [row | {"days_unexcused": None} for row in rows]
    assert refused(lambda: deliver({"attendance": emptied}, month=2)) == ["column_emptied"]


def reviewed_of(tmp_path: Path) -> list[str]:
    """Take the files of the first delivery into another store; return what is listed for review."""
    files = [SourceFiles("b", tmp_path / "delivery-1")]
    report = take_in(files, store=tmp_path / "other", delivered_on=date(2025, 1, 1))
    return [finding.code for finding in report.findings if finding.severity == "review"]


def test_last_term_s_marks_under_this_term_s_name_are_refused(deliver):
    former = {"grades-2024-2025-1": marks("2025-01-10")}
    deliver(former)
    copied = former | {"grades-2024-2025-2": marks("2025-06-30")}
    assert refused(lambda: deliver(copied, month=7)) == ["file_of_former_term"]
    real = former | {"grades-2024-2025-2": marks("2025-06-30", score=lambda n: 90 - n)}
    assert deliver(real, month=7).manifest.rows["grades"] == 2 * len(STUDENTS)


def test_a_file_named_for_a_term_whose_days_lie_in_another_is_refused(deliver, tmp_path):
    tables = {"attendance-2024-2025-2": absences(range(2))}
    assert refused(lambda: deliver(tables)) == ["file_of_another_term"]
    store = deliver(tables, force=True)
    assert store.manifest.deliveries[-1].forced == ("file_of_another_term",)
    assert deliver(tables, month=2).content_hash == store.content_hash


def test_a_class_whose_marks_are_all_zero_is_kept_and_listed(deliver, tmp_path):
    deliver({"grades": marks("2025-01-10", score=lambda n: 0)})
    assert reviewed_of(tmp_path) == ["marks_all_zero"]


def test_a_few_zeros_in_a_class_are_marks_like_others(deliver, tmp_path):
    deliver({"grades": marks("2025-01-10", score=lambda n: 0 if n < 20 else 1)})
    assert reviewed_of(tmp_path) == []
