"""What is there by source, school and term; and who is expected and not there."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import python_calamine

from riskmodel.domain import AsOf, RegionRule
from riskmodel.errors import WorkspaceError
from riskmodel.records.asking import expected_files
from riskmodel.records.asking.expected import Expected, expected_not_there
from riskmodel.records.asking.expected_files import write_expected
from riskmodel.records.asking.presence import presence
from riskmodel.records.asking.presence_files import write_presence
from riskmodel.wording import LANGUAGES
from riskmodel.workspace import file_stem

pytestmark = pytest.mark.slow

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
SPRING = AsOf(date(2025, 2, 28), date(2025, 7, 4), "2024-2025-2")


def spell(student: str, school: str = "A", **more: Any) -> dict[str, Any]:
    return {"student_id": student, "school_id": school, "start_date": "2024-09-02", "grade": 7} | more


def ended(student: str, reason: str, **more: Any) -> dict[str, Any]:
    return spell(student, end_date="2025-01-17", exit_reason=reason, recorded_on="2025-01-18") | more


def listed(store: Any, as_of: AsOf = SPRING) -> dict[str, str]:
    return {one.student_id: one.reason for one in expected_not_there(store, as_of, RULE)}


def test_who_ended_a_school_and_is_nowhere_is_expected_and_who_came_is_not(bureau):
    came = spell("came", "B", start_date="2025-02-17")
    six, nine = ended("six", "graduated", grade=6), ended("nine", "graduated", grade=9)
    store = bureau({"enrolments": [ended("came", "graduated", grade=6), came, six, nine, spell("stays")]})
    assert listed(store) == {"six": "primary_done"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ended("s", "continued"), "moved_up"),
        (ended("s", "transferred", to_school_id="B"), "transfer"),
        (ended("s", "transferred", to_school_id="far-away"), None),
        (ended("s", "transfer_unconfirmed"), "transfer"),
        (ended("s", "suspended", expected_return="2025-02-17"), "suspension_over"),
        (ended("s", "suspended", expected_return="2025-09-01"), None),
        (ended("s", "died"), None),
        (ended("s", "emigrated"), None),
        (ended("s", "dropped_out"), None),
        (ended("s", "home_teaching"), None),
        (ended("s", ""), "unexplained"),
        (spell("s", start_date="2023-02-20", end_date="2023-07-07"), None),
        (spell("s", start_date="2024-01-08"), "not_renewed"),
        (spell("s", start_date="2023-02-20", end_date="2023-07-07", exit_reason="continued"), None),
    ],
)
def test_each_way_of_being_expected(bureau, row, reason):
    store = bureau({"enrolments": [row, spell("other", "B")]})
    assert listed(store).get("s") == reason


def test_who_is_in_no_file_any_more_is_expected_from_the_day_of_that_delivery(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"enrolments": [spell("a"), spell("b")]}, store=folder, delivered_on=date(2025, 2, 1))
    told = {"students": [{"student_id": "a"}, {"student_id": "b"}], "enrolments": [spell("a")]}
    store = bureau(told, store=folder, delivered_on=date(2025, 2, 20))
    assert listed(store) == {"b": "vanished"}
    assert listed(store, AsOf(date(2025, 2, 19), date(2025, 7, 4), "2024-2025-2")) == {}
    assert presence(store, SPRING, RULE).schools[0].vanished == 1


def test_an_enrolment_that_came_later_is_not_known_on_the_day(bureau):
    late = spell("s", "B", start_date="2025-02-17", recorded_on="2025-03-10")
    store = bureau({"enrolments": [ended("s", "graduated", grade=6), late]})
    assert listed(store) == {"s": "primary_done"}
    assert listed(store, AsOf(date(2025, 3, 10), date(2025, 7, 4), "2024-2025-2")) == {}


LEFT = {"student_id": "six", "event_date": "2023-03-01", "event": "verified_dropout",
        "recorded_on": "2023-03-01"}  # fmt: skip
BACK = LEFT | {"event_date": "2023-03-20", "event": "returned", "recorded_on": "2023-03-20"}


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        ([LEFT | {"event_date": "2025-01-17", "recorded_on": "2025-01-20"}], {}),
        ([LEFT], {"six": "primary_done"}),
        ([LEFT | {"event_date": "2024-10-01"}, BACK | {"event_date": "2024-10-20"}], {"six": "primary_done"}),
        ([LEFT | {"event_date": "2024-10-20"}, BACK | {"event_date": "2024-10-01"}], {}),
    ],
    ids=["has left", "a later spell is a return", "returned within the spell", "left again"],
)
def test_who_left_came_back_and_is_missing_again_is_expected(bureau, ledger, expected):
    six = ended("six", "graduated", grade=6)
    store = bureau({"enrolments": [six, spell("stays")], "ledger_events": ledger})
    assert listed(store) == expected


def test_a_child_who_vanished_after_an_old_leaving_is_expected(bureau, tmp_path):
    folder, old = tmp_path / "store", {"ledger_events": [LEFT | {"student_id": "b"}]}
    bureau({"enrolments": [spell("a"), spell("b")]} | old, store=folder, delivered_on=date(2025, 2, 1))
    told = {"students": [{"student_id": "a"}, {"student_id": "b"}], "enrolments": [spell("a")]} | old
    assert listed(bureau(told, store=folder, delivered_on=date(2025, 2, 20))) == {"b": "vanished"}


def test_who_objects_to_being_scored_is_expected_and_counted_all_the_same(bureau, tmp_path):
    objects = [{"student_id": name, "source": "", "recorded_on": "2025-01-20", "state": "objected"}
               for name in ("six", "b")]  # fmt: skip
    folder, told = tmp_path / "store", {"enrolments": [ended("six", "graduated", grade=6), spell("a")]}
    both = told | {"enrolments": [*told["enrolments"], spell("b")], "consents": objects}
    bureau(both, store=folder, delivered_on=date(2025, 2, 1))
    told |= {"students": [{"student_id": name} for name in ("six", "a", "b")], "consents": objects}
    store = bureau(told, store=folder, delivered_on=date(2025, 2, 20))
    assert listed(store) == {"six": "primary_done", "b": "vanished"}
    spring, autumn = presence(store, SPRING, RULE).schools
    assert (spring.term, spring.students, spring.vanished, autumn.students) == ("2024-2025-2", 1, 1, 2)


@pytest.mark.parametrize(
    ("closed_on", "followed_by", "asks"),
    [
        ("2025-01-31", {"A": "B"}, "B"),
        ("2025-01-31", {"A": "C", "C": "B"}, "B"),
        ("2025-06-30", {"A": "B"}, "A"),
        ("2025-01-31", {}, "A"),
    ],
    ids=["followed", "twice", "still open", "by nobody"],
)
def test_of_a_closed_school_the_one_that_followed_it_asks(bureau, closed_on, followed_by, asks):
    schools = [
        {"school_id": name, "name": name, "county": "c", "stage": "primary",
         "open_to": closed_on if name in followed_by or name == "A" else "",
         "successor_id": followed_by.get(name, "")}
        for name in "ABC"
    ]  # fmt: skip
    six = ended("six", "continued", grade=5)
    store = bureau({"schools": schools, "enrolments": [six, spell("stays", "B", grade=5)]})
    [one] = expected_not_there(store, SPRING, RULE)
    assert (one.student_id, one.school_id, one.reason) == ("six", asks, "moved_up")


@pytest.fixture
def two_schools(bureau: Any) -> Any:
    """A told marks, reports and family in spring; B told nothing but its roll."""
    mark = {"subject": "chinese", "exam_date": "2025-02-20", "exam": "monthly", "score": 1, "full_score": 9,
            "status": "sat"}  # fmt: skip
    return bureau(
        {
            "enrolments": [spell("a"), spell("a2"), spell("b", "B")],
            "grades": [{"student_id": "a"} | mark],
            "attendance": [
                {"student_id": "a", "start_date": "2025-02-18", "end_date": "2025-02-18", "days_absent": 1}
            ],
            "attendance_reports": [{"school_id": "A", "start_date": "2025-02-17", "end_date": "2025-02-21"}],
            "family": [{"student_id": "a", "recorded_on": "2024-10-01"}],
        }
    )


def test_shares_are_counted_by_school_and_term(two_schools):
    found = presence(two_schools, SPRING, RULE)
    a, b = (one for one in found.schools if one.term == "2024-2025-2")
    assert (a.students, a.with_marks, a.with_family, a.school_days, a.reported_days) == (2, 1, 1, 10, 5)
    assert (a.newest, a.days_absent, a.is_silent) == (date(2025, 2, 21), 1.0, False)
    assert (b.students, b.newest, b.is_silent) == (1, None, True)
    (source,) = found.sources
    assert (source.deliveries, source.withdrawn, source.forced) == (1, 0, ())
    told = {(one.school_id, one.table): one.rows for one in found.told if one.term == "2024-2025-2"}
    assert told == {
        ("A", "enrolments"): 2,
        ("A", "attendance"): 1,
        ("A", "grades"): 1,
        ("B", "enrolments"): 1,
    }


def test_a_delivery_s_added_and_withdrawn_rows_are_counted(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"enrolments": [spell("a"), spell("b")]}, store=folder, delivered_on=date(2025, 2, 1))
    told = {"students": [{"student_id": "a"}, {"student_id": "b"}, {"student_id": "c"}],
            "enrolments": [spell("a"), spell("c")]}  # fmt: skip
    store = bureau(told, store=folder, delivered_on=date(2025, 2, 20))
    (source,) = presence(store, SPRING, RULE).sources
    assert (source.deliveries, source.added, source.withdrawn) == (2, 2, 1)


def test_the_page_and_the_workbook_tell_counts_and_nobody_s_name(two_schools, tmp_path):
    found = presence(two_schools, SPRING, RULE)
    waiting = (Expected("B", "moved_up", 7, "1班", "secret-id", "欧阳小草", "1234", None, ""),)
    written = write_presence(tmp_path / "check", found, waiting, two_schools.schools())
    assert [file.name for file in written] == [
        f"presence.{language}.{form}" for form in ("html", "xlsx") for language in LANGUAGES
    ]
    for file in written[:2]:
        page = file.read_text(encoding="utf-8")
        assert "学校B" in page
        assert not any(word in page for word in ("欧阳小草", "secret-id", "<script"))
    for file in written[2:]:
        book = python_calamine.CalamineWorkbook.from_path(file)
        cells = [
            str(cell)
            for name in book.sheet_names
            for row in book.get_sheet_by_name(name).to_python()
            for cell in row
        ]
        assert "学校B" in cells
        assert not {"欧阳小草", "secret-id"} & set(cells)


def test_each_school_gets_its_own_list_whose_file_name_names_nobody(tmp_path, two_schools):
    waiting = [
        Expected("A", "primary_done", 6, "6班", "s1", "=1+1", "1234", date(2025, 1, 17), "B"),
        Expected("../B", "vanished", 7, "", "s2", "欧阳小草", "", None, ""),
    ]
    written = write_expected(tmp_path / "lists", waiting, two_schools.schools())
    assert {file.parent for file in written} == {tmp_path / "lists"}
    assert [file.suffix for file in written] == [".xlsx", ".csv"] * 2
    assert not any("欧阳" in file.name or "s2" in file.name for file in written)
    with (tmp_path / "lists" / "A.csv").open(encoding="utf-8-sig", newline="") as told:
        header, row = csv.reader(told)
    assert row[3] == "'=1+1"
    assert row[0] == "学校A"
    assert "/" in header[0]
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "lists" / "A.xlsx")
    assert book.get_sheet_by_index(0).to_python()[1][3] == "=1+1"
    assert b"<f>" not in _sheet_of(tmp_path / "lists" / "A.xlsx")
    write_expected(tmp_path / "lists", waiting[:1], two_schools.schools())
    assert sorted(file.name for file in (tmp_path / "lists").iterdir()) == ["A.csv", "A.xlsx"]


def test_lists_that_break_off_leave_the_former_ones(tmp_path, monkeypatch):
    former = Expected("A", "moved_up", 6, "6班", "s1", "甲", "1234", None, "")
    write_expected(tmp_path, [former, replace(former, school_id="B")], [])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(file, *_):
        file.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(expected_files, "_write_csv", full)
    with pytest.raises(WorkspaceError, match="OSError"):
        write_expected(tmp_path, [replace(former, reason="transfer")], [])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def _sheet_of(file: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(file) as package:
        return package.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("school", ["../../etc", "甲校", "a b", "", ".hidden", "x" * 99])
def test_a_school_whose_id_is_no_plain_word_gets_a_plain_file_name(school):
    assert file_stem(school).startswith("school-")
    assert file_stem(school) != file_stem(school + "1")
