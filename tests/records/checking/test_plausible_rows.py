from __future__ import annotations

from datetime import date

import duckdb
import pytest

from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

TABLES = {
    "students": "student_id,birth_date\ns1,2012-05-01\ns2,2012-06-01\n",
    "schools": "school_id,name,county,stage,open_to\n"
    "007,甲校,甲县,junior,\n008,乙校,甲县,primary,2024-06-30\n",
    "terms": "term,start_date,end_date\n2024-2025-1,2024-09-02,2025-01-17\n",
    "enrolments": "student_id,school_id,start_date,grade,end_date,exit_reason,to_school_id\n"
    "s1,007,2024-09-02,7,,,\n",
}


@pytest.fixture
def told(tmp_path):
    """Take a delivery in, some of its tables changed; the findings as code, severity, file, row, letter."""

    def deliver(*, force=False, **changed):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for name, content in (TABLES | changed).items():
            (folder / f"{name}.csv").write_text(content)
        source = SourceFiles("b", folder)
        try:
            report = take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1), force=force)
        except RecordsRefused as refusal:
            found = (*refusal.findings, *refusal.notes)
        else:
            found = report.findings
        return [(f.code, f.severity, f.where.file, f.where.row, f.where.letter) for f in found]

    return deliver


def spells(*rows):
    return TABLES["enrolments"] + "".join(f"{row}\n" for row in rows)


def test_a_sound_delivery_is_told_nothing(told):
    assert told() == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("s2,007,2024-09-02,10,,,", ("grade_outside_stage", "refuse", 3, "D")),
        ("s2,008,2024-09-02,6,,,", ("school_closed", "refuse", 3, "B")),
        ("s1,008,2024-06-01,6,,,", ("former_spell_open", "review", 3, "E")),
        ("s1,008,2024-06-01,6,2024-12-01,continued,", ("spells_overlap", "refuse", 2, None)),
        ("s2,007,2024-09-02,7,2024-11-01,,", ("end_without_reason", "review", 3, "F")),
        ("s2,007,2024-09-02,7,2024-11-01,transferred,", ("transfer_without_school", "review", 3, "F")),
    ],
)
def test_a_spell_that_hardly_can_be_is_told_with_its_place(told, row, expected):
    code, severity, number, letter = expected
    assert told(enrolments=spells(row)) == [(code, severity, "enrolments.csv", number, letter)]


def test_a_person_can_force_in_what_is_most_likely_a_mistake(told):
    found = told(enrolments=spells("s2,007,2024-09-02,10,,,"), force=True)
    assert {(code, severity) for code, severity, *_ in found} == {
        ("grade_outside_stage", "review"), ("forced", "review"),
    }  # fmt: skip


def test_two_schools_one_after_the_other_and_a_transfer_with_a_later_spell_are_sound(told):
    rows = ("s2,008,2024-02-26,6,2024-06-30,transferred,", "s2,007,2024-09-02,7,,,")
    assert told(enrolments=spells(*rows)) == []


@pytest.mark.parametrize(
    ("birth", "expected"),
    [("2025-09-02", ("birth_in_future", "refuse")), ("2021-05-01", ("age_unusual", "review")),
     ("1985-05-01", ("age_unusual", "review"))],
)  # fmt: skip
def test_a_birth_that_cannot_be_is_refused_and_an_unusual_age_is_listed(told, birth, expected):
    found = told(students=f"student_id,birth_date\ns1,{birth}\n")
    assert found == [(*expected, "students.csv", 2, "B")]


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2025-02-01", ("date_outside_terms", "review")), ("2014-10-08", ("date_far_off", "refuse")),
     ("2026-01-18", ("date_outside_terms", "review")), ("2034-10-08", ("date_far_off", "refuse"))],
)  # fmt: skip
def test_a_day_outside_every_term_is_listed_and_one_years_off_is_refused(told, day, expected):
    absent = f"student_id,start_date,end_date,days_absent\ns1,{day},{day},1\n"
    assert told(attendance=absent) == [(*expected, "attendance.csv", 2, "B")]


def test_a_row_that_stands_twice_is_stored_once_and_told(told, tmp_path):
    absent = "student_id,start_date,end_date,days_absent\n" + "s1,2024-10-08,2024-10-08,1\n" * 3
    assert told(attendance=absent) == [("rows_repeated", "mended", "attendance.csv", 3, None)]
    assert RecordStore.open(tmp_path / "store").manifest.rows["attendance"] == 1


@pytest.mark.parametrize(
    "more",
    ["s2,007,2024-09-02,7,2024-11-01,dropped_out,,2025-02-01", "s2,009,2024-11-04,7,,,,2024-11-04"],
    ids=["a reason is told later", "is on another roll"],
)
def test_an_end_without_a_reason_that_is_settled_is_not_asked_for(told, more):
    head = TABLES["enrolments"].splitlines()[0] + ",recorded_on\n"
    ended = "s2,007,2024-09-02,7,2024-11-01,,,2024-11-05\n"
    schools = TABLES["schools"] + "009,丙校,甲县,junior,\n"
    assert [code for code, *_ in told(enrolments=head + ended)] == ["end_without_reason"]
    assert told(enrolments=f"{head}{ended}{more}\n", schools=schools) == []


def test_leading_zeros_come_back_where_one_school_alone_fits(told, tmp_path):
    found = told(enrolments=TABLES["enrolments"].replace(",007,", ",7,"))
    assert found == [("zeros_restored", "mended", "enrolments.csv", 2, "B")]
    (file,) = RecordStore.open(tmp_path / "store").files("enrolments")
    assert duckdb.sql(f"SELECT school_id FROM '{file}'").fetchall() == [("007",)]


def test_leading_zeros_come_back_to_where_a_child_was_to_go_and_to_who_follows_a_school(told, tmp_path):
    found = told(
        schools="school_id,name,county,stage,open_to,successor_id\n"
        "007,甲校,甲县,junior,,\n008,乙校,甲县,primary,2024-06-30,7\n",
        enrolments=spells("s2,007,2024-09-02,7,2024-11-01,transferred,8"),
    )
    assert ("zeros_restored", "mended", "enrolments.csv", 3, "G") in found
    assert ("zeros_restored", "mended", "schools.csv", 3, "F") in found
    store = RecordStore.open(tmp_path / "store")
    (file,), (schools,) = store.files("enrolments"), store.files("schools")
    asked = f"SELECT max(to_school_id) FROM '{file}' WHERE student_id = 's2'"
    assert duckdb.sql(asked).fetchall() == [("008",)]
    assert duckdb.sql(f"SELECT max(successor_id) FROM '{schools}'").fetchall() == [("007",)]


def test_leading_zeros_stay_lost_where_two_schools_fit(told):
    schools = TABLES["schools"] + "0007,丙校,甲县,junior,\n"
    found = told(schools=schools, enrolments=TABLES["enrolments"].replace(",007,", ",7,"))
    assert [(code, row) for code, _, _, row, _ in found] == [("school_id_unknown", 2)]


def test_what_another_file_that_cannot_be_read_does_not_touch_is_told_in_the_same_pass(told):
    far = "student_id,start_date,end_date,days_absent\ns1,2031-05-05,2031-05-05,1\n"
    found = told(attendance=far, grades="PK\x03\x04 no zip", enrolments=spells("s1,007,2024-09-02,7,,,"))
    assert ("rows_repeated", "mended", "enrolments.csv", 3, None) in found
    assert [code for code, _, file, *_ in found if file == "attendance.csv"] == ["date_far_off"]
    assert [severity for _, severity, file, *_ in found if file == "grades.csv"] == ["refuse"]


def test_what_takes_a_file_that_cannot_be_read_is_not_said(told):
    found = told(schools="PK\x03\x04 no zip", enrolments=spells("s2,008,2024-09-02,6,,,"))
    assert {file for _, _, file, *_ in found} == {"schools.csv"}


def test_the_cells_of_other_files_are_told_beside_a_package_that_cannot_be_opened(told, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "grades.zip").write_bytes(b"PK\x03\x04 no zip")
    found = told(students=TABLES["students"] + "s3,2012-13-45\n")
    assert ("students.csv", 4, "B") in {(file, row, letter) for _, _, file, row, letter in found}
    assert ("grades.zip", "refuse") in {(file, severity) for _, severity, file, *_ in found}


def test_a_day_in_a_term_of_which_only_an_unreadable_file_tells_is_not_called_outside(told):
    assert told() == []
    spring = "student_id,start_date,end_date,days_absent\ns1,2025-03-05,2025-03-05,1\n"
    found = told(terms="PK\x03\x04 no zip", attendance=spring)
    assert {file for _, _, file, *_ in found} == {"terms.csv"}
