"""Planted errors in a county's files: each is reported with its school, and the sound school is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from riskmodel.indicators.behind import students_behind
from riskmodel.indicators.faults import doubted
from riskmodel.indicators.table import Counted, count, figures
from riskmodel.official import Place
from riskmodel.records.store import RecordStore
from riskmodel.runners.local import LocalRunner

from .counties import RULES, taken_in, write_tables

FIRST, SECOND = "2024-09-02", "2025-09-01"
SCHOOLS = ("sound", "missing", "withdrawn", "old", "new", "from", "to")


def spell(student: str, school: str, start: str, **more: Any) -> dict[str, Any]:
    return {"student_id": student, "school_id": school, "start_date": start, "grade": 7, "end_date": "",
            "exit_reason": "", "to_school_id": "", "recorded_on": start} | more  # fmt: skip


def files() -> dict[str, list[dict[str, Any]]]:
    spells = []
    for school in ("sound", "missing", "withdrawn", "old", "from", "to"):
        for n in range(12):
            name = f"{school}{n}"
            spells.append(spell(name, school, FIRST))
            ended = {"end_date": "2025-07-04", "exit_reason": "continued", "recorded_on": "2025-07-04"}
            if school != "old":  # the merged school forgot to close its rolls
                spells.append(spell(name, school, FIRST, **ended))
            # The missing school did not open its rolls again.
            if school not in ("missing", "old"):
                spells.append(spell(name, school, SECOND, grade=8))
            if school == "old":
                spells.append(spell(name, "new", SECOND, grade=8))
    # Two transfers are told by both schools, and neither roll was closed.
    spells += [spell(f"from{n}", "to", "2025-09-15", grade=8) for n in (0, 1)]
    # One child has come under a second id.
    spells.append(spell("again", "sound", SECOND, grade=8))
    students = [{"student_id": name, "name": name, "birth_date": "2012-03-04", "recorded_on": FIRST}
                for name in dict.fromkeys(row["student_id"] for row in spells)]  # fmt: skip
    of = {row["student_id"]: row for row in students}
    of["again"]["name"] = "to5"
    # Two children who share a name and a birthday, and have lasting numbers of their own.
    of["sound1"] |= {"name": "王芳", "roll_number": "G990001201203040026"}
    of["to2"] |= {"name": "王芳", "roll_number": "G990001201203040042"}
    schools = [
        {"school_id": name, "name": name, "county": "甲县", "township": f"{name}乡", "stage": "junior",
         "open_to": "2025-08-31" if name == "old" else "", "successor_id": "new" if name == "old" else ""}
        for name in SCHOOLS
    ]  # fmt: skip
    terms = [
        {"term": "2024-2025-1", "start_date": FIRST, "end_date": "2025-01-17"},
        {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
        {"term": "2025-2026-1", "start_date": SECOND, "end_date": "2026-01-16"},
        {"term": "2025秋", "start_date": SECOND, "end_date": "2026-01-16"},  # the same term once more
    ]
    return {"schools": schools, "enrolments": spells, "students": students, "terms": terms}


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def counted(where: Path) -> Counted:
    folder = where
    told = files()
    taken_in(write_tables(folder / "first", told), folder / "store", date(2025, 10, 10))
    told["enrolments"] = [row for row in told["enrolments"] if row["school_id"] != "withdrawn"]
    store = taken_in(write_tables(folder / "second", told), folder / "store", date(2025, 10, 20))
    return count(store, date(2025, 10, 31), RULES, runner=LocalRunner(processes=1), folder=folder / "rows")


def test_every_planted_error_is_reported_with_its_schools_and_the_sound_school_with_none(
    counted: Counted,
) -> None:
    autumn = date(2025, 10, 1)
    found = {(f.code, f.school_id, f.beside): f.students for f in counted.faults if f.day >= autumn}
    found |= {(f.code, f.school_id, f.beside): f.students for f in counted.faults if f.code == "term_twice"}
    assert found == {
        ("school_missing", "missing", ""): 12,
        ("school_withdrawn", "withdrawn", ""): 12,
        ("merged", "old", "new"): 0,  # its rolls still run, and its children are counted at the new school
        ("two_schools", "old", "new"): 12,
        ("two_schools", "from", "to"): 2,
        ("same_child", "sound", "to"): 1,
        ("term_twice", "", "2025-2026-1 / 2025秋"): 0,
    }


def test_nobody_is_counted_twice_whatever_the_files_tell(counted: Counted) -> None:
    region = next(
        one for one in figures(counted.cells)
        if one.formula == "dropout_rate" and one.place.level == "region" and one.by == "all"
        and (one.span.name, one.span.kind) == ("2025-2026", "year")
    )  # fmt: skip
    # sound 12 and the child of two ids, old 12 (at new), from and to 24; not missing, not withdrawn
    assert region.denominator == 12 + 1 + 12 + 24


def test_rates_that_rest_on_a_faulty_count_are_marked_and_others_are_not(counted: Counted) -> None:
    found = list(figures(counted.cells))
    places = {one.place.school_id: one.place for one in found if one.place.level == "school"}
    marks = dict(
        zip([(f.place, f.span.name) for f in found], doubted(found, counted.faults, places), strict=True)
    )
    assert marks[Place("school", "甲县", "from乡", "from"), "2025-2026"]
    assert marks[Place("township", "甲县", "to乡"), "2025-2026"]
    assert marks[Place("region"), "2025-2026"]
    assert not marks[Place("school", "甲县", "from乡", "from"), "2024-2025-1"]


def test_the_rows_behind_a_figure_are_told_with_file_and_row(counted: Counted, where: Path) -> None:
    place = Place("school", "甲县", "missing乡", "missing")
    found = students_behind(
        RecordStore.open(where / "store"), sorted((where / "rows").glob("bucket-*")), counted.as_of_date,
        span="2024-2025", kind="year", place=place,
    )  # fmt: skip
    year = next(
        one for one in figures(counted.cells)
        if (one.formula, one.place, one.by, one.span.name) == ("dropout_rate", place, "all", "2024-2025")
    )  # fmt: skip
    assert len(found) == year.unaccounted == 12
    assert {one.outcome for one in found} == {"not_back"}
    lines = (where / "second" / "enrolments.csv").read_text(encoding="utf-8").splitlines()
    for one in found:
        assert one.rows
        for row in one.rows:
            assert one.who in lines[row.row - 1]
