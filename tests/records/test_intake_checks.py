from __future__ import annotations

import time
from datetime import date

import pytest

from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

SPELL = {"student_id": "s1", "school_id": "A", "start_date": "2024-09-02", "grade": 7}
SAT = {"student_id": "s1", "subject": "chinese", "exam_date": "2024-11-01", "exam": "midterm", "score": 80,
       "full_score": 100, "status": "sat"}  # fmt: skip
STUDENTS = "student_id,sex,birth_date\ns1,F,2011-05-01\n"
SCHOOLS = "school_id,name,county,stage\nA,甲校,甲县,junior\n"
TERMS = "term,start_date,end_date\n2024-2025-1,2024-09-02,2025-01-17\n"
ENROLMENTS = "student_id,school_id,start_date,grade\ns1,A,2024-09-02,7\n"


@pytest.fixture
def files(tmp_path):
    """Write raw files (text or bytes) beside a sound delivery, and take all of them in."""

    def deliver(**content):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        sound = {"students": STUDENTS, "schools": SCHOOLS, "terms": TERMS, "enrolments": ENROLMENTS}
        for name, told in (sound | content).items():
            if told is not None:
                raw = told if isinstance(told, bytes) else told.encode()
                (folder / f"{name}.csv").write_bytes(raw)
        report = take_in([SourceFiles("b", folder)], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        return report, RecordStore.open(tmp_path / "store")

    return deliver


def told(refusal):
    """Each finding as code, file, row and column."""
    return [(f.code, f.where.file, f.where.row, f.where.column) for f in refusal.value.findings]


def test_cells_that_are_no_values_are_told_with_row_and_column_all_at_once(bureau):
    wrong = [
        SPELL | {"start_date": "2024-02-30"},
        SPELL | {"start_date": "9月2日"},
        SPELL | {"start_date": "02/09/2024"},
        SPELL | {"grade": "7 1"},
        SPELL | {"grade": "7.5"},
        SPELL | {"grade": 17},
        SPELL | {"grade": None},
        SPELL | {"boards": "maybe"},
        SPELL | {"exit_reason": "left", "end_date": "2024-10-01"},
        SPELL | {"end_date": "2024-09-01"},
        SPELL | {"exit_reason": "suspended"},
    ]
    with pytest.raises(RecordsRefused) as refusal:
        bureau({"enrolments": [row | {"student_id": f"s{n}"} for n, row in enumerate(wrong)]})
    assert sorted(told(refusal), key=lambda finding: finding[2]) == [
        ("value_no_date", "enrolments.csv", 2, "start_date"),
        ("date_without_year", "enrolments.csv", 3, "start_date"),
        ("date_ambiguous", "enrolments.csv", 4, "start_date"),
        ("value_no_integer", "enrolments.csv", 5, "grade"),
        ("value_no_integer", "enrolments.csv", 6, "grade"),
        ("number_too_large", "enrolments.csv", 7, "grade"),
        ("cell_empty", "enrolments.csv", 8, "grade"),
        ("value_no_boolean", "enrolments.csv", 9, "boards"),
        ("value_no_code", "enrolments.csv", 10, "exit_reason"),
        ("end_before_start", "enrolments.csv", 11, "end_date"),
        ("exit_reason_without_end", "enrolments.csv", 12, "exit_reason"),
    ]


def test_scores_and_absences_that_cannot_be_are_refused(bureau):
    marks = [
        SAT | {"score": 100.5},
        SAT | {"status": "absent"},
        SAT | {"score": None},
        SAT | {"subject": "magic"},
        *(SAT | {"score": number} for number in ("1e1", "1_0", "inf", "nan", "٣", "-1")),
        SAT | {"subject": "other:painting"},
    ]
    absences = [
        {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-09", "days_absent": days}
        for days in ("2.5", "2")
    ]
    with pytest.raises(RecordsRefused) as refusal:
        bureau({"grades": marks, "attendance": absences})
    found = {(file, row, code) for code, file, row, _ in told(refusal)}
    assert {finding for finding in found if finding[0] == "attendance.csv"} == {
        ("attendance.csv", 2, "absent_longer_than_period"), ("attendance.csv", 3, "rows_contradict"),
    }  # fmt: skip
    marked = {(row, code) for file, row, code in found if file == "grades.csv"}
    assert {finding for finding in marked if finding[1] != "rows_contradict"} == {
        (2, "score_above_full"), (3, "score_without_sitting"), (4, "sitting_without_score"),
        (5, "value_no_code"), *((row, "value_no_number") for row in range(6, 11)), (11, "number_too_small"),
    }  # fmt: skip


def test_two_contradicting_rows_are_both_named_and_two_equal_ones_are_one(bureau, ask):
    with pytest.raises(RecordsRefused) as refusal:
        bureau({"grades": [SAT, SAT, SAT | {"score": 81}]})
    assert told(refusal) == [("rows_contradict", "grades.csv", 4, None)]
    assert "grades.csv" in refusal.value.text("zh")
    assert "row 2" in refusal.value.text("en")
    store = bureau({"grades": [SAT, SAT]})
    assert store.manifest.rows["grades"] == 1


def test_two_statements_recorded_on_different_days_do_not_contradict_each_other(bureau):
    rows = [SAT | {"recorded_on": "2024-11-05"}, SAT | {"score": 81, "recorded_on": "2024-11-06"}]
    assert bureau({"grades": rows}).manifest.rows["grades"] == 2


def test_rows_about_a_student_or_school_that_nobody_knows_are_refused(bureau):
    with pytest.raises(RecordsRefused) as refusal:
        bureau({
            "students": [{"student_id": "s1"}],
            "enrolments": [SPELL, SPELL | {"school_id": "Z"}],
            "schools": [{"school_id": "A", "name": "甲校", "county": "甲县", "stage": "junior"}],
            "grades": [SAT | {"student_id": "s9"}],
        })  # fmt: skip
    assert told(refusal) == [
        ("school_id_unknown", "enrolments.csv", 3, "school_id"),
        ("student_id_unknown", "grades.csv", 2, "student_id"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"terms": None}, ("table_missing", None, None, None)),
        ({"terms": "term,von,end_date\n"}, ("column_missing", "terms.csv", 1, None)),
        ({"terms": "term,startdate,end_date\n"}, ("column_missing_but_near", "terms.csv", 1, None)),
        ({"terms": TERMS.replace("term,", "term,term,")}, ("column_twice", "terms.csv", 1, "term")),
        ({"terms": TERMS + "2024-2025-2,2025-02-17\n"}, ("row_too_short", "terms.csv", 3, None)),
        ({"terms": TERMS + "t,2025-02-17,2025-07-01,\n"}, ("row_too_long", "terms.csv", 3, None)),
        ({"terms": TERMS + 't,"2025-02-17,2025-07-01\n'}, ("quotes_broken", "terms.csv", None, None)),
        ({"terms": b""}, ("file_empty", "terms.csv", None, None)),
        ({"schools": SCHOOLS.encode() + b"\xff\xff\n"}, ("encoding_unknown", "schools.csv", 3, None)),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place_and_nothing_is_stored(
    files, tmp_path, content, expected
):
    with pytest.raises(RecordsRefused) as refusal:
        files(**content)
    assert told(refusal) == [expected]
    assert not (tmp_path / "store").exists()


def test_an_empty_and_a_missing_folder_are_refused(tmp_path):
    for folder, code in ((tmp_path, "folder_empty"), (tmp_path / "no", "folder_missing")):
        with pytest.raises(RecordsRefused) as refusal:
            take_in([SourceFiles("b", folder)], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        assert [finding.code for finding in refusal.value.findings] == [code]


def test_row_numbers_are_those_of_a_spreadsheet_whatever_stands_in_the_cells(files):
    students = 'student_id,name,birth_date\ns1,"two\nlines",2011-05-01\n\n,,\ns2,"a,b",2011-13-01\n'
    with pytest.raises(RecordsRefused) as refusal:
        files(students=students)
    assert told(refusal) == [("value_no_date", "students.csv", 5, "birth_date")]


def test_a_byte_order_mark_blanks_and_rows_without_a_value_are_mended_and_told(files, ask):
    report, store = files(students="\ufeffstudent_id,name\n s1 ,\u3000李四\n,\n".encode())
    assert ask(store, "SELECT student_id, name FROM students", "2024-10-01") == [("s1", "李四")]
    assert sorted((f.code, f.severity) for f in report.findings) == [
        ("blank_rows_skipped", "mended"), ("blanks_trimmed", "mended"), ("blanks_trimmed", "mended"),
    ]  # fmt: skip


def test_trimming_takes_off_blanks_and_nothing_else(files, ask):
    ids = ["030au", "u00a0", "n", "t3"]
    rows = "".join(f"{student}\n" for student in ids)
    _, store = files(students=f"student_id\ns1\n{rows}")
    assert ask(store, "SELECT student_id FROM students", "2024-10-01") == sorted((i,) for i in [*ids, "s1"])


def test_a_column_that_the_contract_does_not_name_is_dropped_reported_and_never_stored(files):
    report, store = files(students="student_id,phone\ns1,13800000000\n")
    assert [(f.code, f.severity) for f in report.findings] == [("column_dropped", "review")]
    assert "phone" in report.text("en")
    stored = b"".join(path.read_bytes() for path in store.folder.rglob("*.parquet"))
    assert b"phone" not in stored
    assert b"13800000000" not in stored


def test_no_finding_tells_a_value(bureau):
    with pytest.raises(RecordsRefused) as refusal:
        bureau({
            "students": [{"student_id": "secret-1", "sex": "secret-2", "birth_date": "secret-3"}],
            "enrolments": [SPELL | {"student_id": "secret-4", "grade": "secret-5"}],
            "grades": [SAT, SAT | {"score": 12.75}],
        })  # fmt: skip
    for said in (refusal.value.text("zh"), refusal.value.text("en")):
        assert "secret" not in said
        assert "12.75" not in said


def test_a_thousand_findings_are_told_and_the_rest_is_counted(bureau):
    with pytest.raises(RecordsRefused) as refusal:
        bureau(
            {
                "attendance": [{"student_id": "s1", "start_date": "x", "end_date": "y", "days_absent": "z"}]
                * 500
            }
        )
    assert len(refusal.value.findings) == 1000
    assert "1500" in refusal.value.text("en")


def test_one_table_may_come_as_a_file_per_term_or_school(tmp_path, bureau, ask):
    folder = tmp_path / "delivery-1"
    for name, day in (
        ("attendance-2024.csv", "08"),
        ("attendance_east.csv", "09"),
        ("attendance/b.csv", "10"),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"student_id,start_date,end_date,days_absent\ns1,2024-10-{day},2024-10-{day},1\n")
    report = "school_id,start_date,end_date\nA,2024-10-08,2024-10-10\n"
    (folder / "attendance_reports.csv").write_text(report)
    store = bureau({})
    assert len(ask(store, "FROM attendance", "2025-01-01")) == 3
    assert store.manifest.rows["attendance_reports"] == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",2024-10-01,orphan,说明：奶奶照料", [("cell_empty", "family.csv", 3, "student_id")]),
        (",,,说明：以上为全部", []),
        ("制表人：王五,,,审核：李四", []),
        (",合计,1,", []),
    ],
)
def test_a_row_of_a_child_without_an_id_and_with_a_remark_is_no_signature(files, row, expected):
    family = f"student_id,recorded_on,hardship,备注\ns1,2024-09-10,none,\n{row}\n"
    if expected:
        with pytest.raises(RecordsRefused) as refusal:
            files(family=family)
        assert told(refusal) == expected
    else:
        report, _ = files(family=family)
        assert "total_rows_dropped" in [finding.code for finding in report.findings]


def test_parquet_keeps_its_types_and_is_checked_alike(tmp_path, bureau, ask):
    import duckdb

    folder = tmp_path / "delivery-1"
    folder.mkdir()
    duckdb.sql(
        """SELECT 7 AS student_id, TIMESTAMP '2024-10-08' AS start_date, DATE '2024-10-08' AS end_date,
                  0.5 AS days_absent, 1::TINYINT AS times_late"""
    ).write_parquet(str(folder / "attendance.parquet"))
    store = bureau({"students": [{"student_id": 7}]})
    sql = "SELECT student_id, start_date, days_absent, times_late FROM attendance"
    assert ask(store, sql, "2025-01-01") == [("7", date(2024, 10, 8), 0.5, 1.0)]
    duckdb.sql(
        """SELECT 7.5 AS student_id, TIME '12:00' AS start_date, 3 AS end_date,
                  'NaN'::DOUBLE AS days_absent"""
    ).write_parquet(str(tmp_path / "delivery-1" / "attendance.parquet"))
    with pytest.raises(RecordsRefused) as refusal:
        take_in([SourceFiles("b", folder)], store=tmp_path / "other", delivered_on=date(2025, 9, 1))
    assert told(refusal) == [
        ("value_no_text", "attendance.parquet", 2, "student_id"),
        ("value_no_date", "attendance.parquet", 2, "start_date"),
        ("value_no_date", "attendance.parquet", 2, "end_date"),
        ("value_no_number", "attendance.parquet", 2, "days_absent"),
    ]


def test_a_time_of_day_in_a_parquet_file_is_left_out_and_told(tmp_path, bureau, ask):
    import duckdb

    folder = tmp_path / "delivery-1"
    folder.mkdir()
    duckdb.sql(
        """SELECT 'a' AS student_id, TIMESTAMP '2024-10-08 12:30' AS start_date,
                  DATE '2024-10-08' AS end_date, 1 AS days_absent"""
    ).write_parquet(str(folder / "attendance.parquet"))
    store = bureau({"students": [{"student_id": "a"}]})
    assert ask(store, "SELECT start_date FROM attendance", "2025-01-01") == [(date(2024, 10, 8),)]
    again = take_in([SourceFiles("b", folder)], store=tmp_path / "other", delivered_on=date(2025, 9, 1))
    [dropped] = [finding for finding in again.findings if finding.code == "times_dropped"]
    assert (dropped.where.file, dropped.where.row, dropped.where.column) == (
        "attendance.parquet", 2, "start_date",
    )  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
def test_an_instant_falls_on_the_day_of_where_schools_are(tmp_path, bureau, ask, monkeypatch, zone):
    import duckdb

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    folder = tmp_path / "delivery-1"
    folder.mkdir()
    duckdb.sql(
        """SELECT 'a' AS student_id, TIMESTAMPTZ '2024-10-08 00:00+08' AS start_date,
                  TIMESTAMPTZ '2024-10-08 23:30+08' AS end_date, 1 AS days_absent"""
    ).write_parquet(str(folder / "attendance.parquet"))
    store = bureau({"students": [{"student_id": "a"}]})
    told = ask(store, "SELECT start_date, end_date FROM attendance", "2025-01-01")
    monkeypatch.undo()
    time.tzset()
    assert told == [(date(2024, 10, 8), date(2024, 10, 8))]


def test_a_file_that_is_no_parquet_is_refused(tmp_path, bureau):
    (tmp_path / "delivery-1").mkdir()
    (tmp_path / "delivery-1" / "attendance.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(RecordsRefused) as refusal:
        bureau({})
    assert told(refusal) == [("file_no_parquet", "attendance.parquet", None, None)]
