"""The mappings that come with the software, on small files with invented people."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

SOURCES = Path(__file__).parents[3] / "configs" / "sources"
ROLL = [
    ("C0001", "G360100201203040028", "林小满", "女", "2012-03-04", "汉族", "农业", "", "", "是"),
    ("C0002", "G360100201207150013", "周子谦", "男", "2012-07-15", "壮族", "农业", "", "", "否"),
    ("C0003", "L360100201211090042", "韦思源", "男", "2012-11-09", "壮族", "非农业", "", "", "是"),
]
NAMES = ("个人标识码", "学籍号", "姓名", "性别", "出生日期", "民族", "户口性质", "年级", "班级", "是否住校")


def write_roll(path):
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("七年级")
        book.add_worksheet("填表说明").write(0, 0, "出生日期写到日")
        sheet.merge_range(0, 0, 0, 11, "枫溪中学2025年秋季学期学生花名册")
        more = ("学校标识码", "入学日期", "离校日期", "异动类别")
        sheet.write_row(1, 0, [*NAMES, *more])
        for at, person in enumerate(ROLL, start=2):
            sheet.write_row(at, 0, [*person, "3601000001", "2025年9月1日"])
        sheet.merge_range(2, 7, 4, 7, "七年级")
        sheet.merge_range(2, 8, 4, 8, "七（1）班")


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Take the samples in, each source through its mapping."""
    here = tmp_path_factory.mktemp("samples")
    folders = {
        "school-roll": ["学校.csv", "学期.csv"],
        "class-attendance": ["七一班考勤.csv"],
        "marks-by-subject": ["期中成绩.csv"],
        "subsidies": ["补助名单.csv"],
    }
    for name, files in folders.items():
        (here / name).mkdir()
        for file in files:
            shutil.copy(SOURCES / "samples" / file, here / name / file)
    write_roll(here / "school-roll" / "学生名册.xlsx")
    sources = [SourceFiles(name, here / name, SOURCES / f"{name}.yaml") for name in folders]
    report = take_in(sources, store=here / "store", delivered_on=date(2025, 12, 1))
    return report, RecordStore.open(here / "store")


def test_a_roll_in_chinese_gives_students_and_spells_with_the_class_filled_down(taken, ask):
    _, store = taken
    sql = """SELECT student_id, name, sex, household, grade, class_name, boards, start_date
             FROM students JOIN enrolments USING (student_id)"""
    start = date(2025, 9, 1)
    assert ask(store, sql, "2025-12-01") == [
        ("C0001", "林小满", "F", "rural", 7, "七（1）班", True, start),
        ("C0002", "周子谦", "M", "rural", 7, "七（1）班", False, start),
        ("C0003", "韦思源", "M", "urban", 7, "七（1）班", True, start),
    ]


def test_a_column_per_day_gives_a_row_per_absence_and_none_for_a_day_present(taken, ask):
    _, store = taken
    sql = "SELECT student_id, start_date, end_date, days_absent, days_unexcused, times_late FROM attendance"
    rows = [(who, first.day, last.day, *told) for who, first, last, *told in ask(store, sql, "2025-12-01")]
    assert rows == [
        ("C0001", 3, 3, 1.0, 0.0, None),
        ("C0002", 2, 2, 1.0, 1.0, None),
        ("C0002", 3, 3, 1.0, 1.0, None),
        ("C0002", 4, 4, 0.5, 0.0, None),
        ("C0002", 5, 5, 0.0, None, 1.0),
    ]


def test_a_column_per_subject_gives_marks_with_their_full_mark_and_absent_is_not_zero(taken, ask):
    _, store = taken
    sql = "SELECT student_id, subject, score, full_score, status FROM grades WHERE student_id <> 'C0001'"
    assert ask(store, sql, "2025-12-01") == [
        ("C0002", "chinese", None, 150.0, "absent"),
        ("C0002", "english", 71.0, 150.0, "sat"),
        ("C0002", "mathematics", 66.0, 150.0, "sat"),
        ("C0003", "chinese", 101.0, 150.0, "sat"),
        ("C0003", "english", None, 150.0, "exempt"),
        ("C0003", "mathematics", 120.0, 150.0, "sat"),
    ]


def test_a_list_of_subsidies_gives_amounts_and_days_without_its_totals(taken, ask):
    _, store = taken
    sql = "SELECT student_id, programme, start_date, amount_yuan, recorded_on FROM subsidies"
    paid = date(2025, 10, 8)
    assert ask(store, sql, "2025-12-01") == [
        ("C0001", "boarding", paid, 750.0, date(2025, 10, 10)),
        ("C0003", "living_cost", paid, 1500.0, None),
    ]


def test_every_mending_is_told_with_its_place(taken):
    report, _ = taken
    told = {(f.code, f.where.file, f.where.row, f.where.letter) for f in report.findings}
    assert {
        ("total_rows_dropped", "补助名单.csv", 5, None),
        ("units_removed", "补助名单.csv", 3, "D"),
        ("thousands_removed", "补助名单.csv", 4, "D"),
        ("title_rows_skipped", "七一班考勤.csv", None, None),
        ("score_words_coded", "期中成绩.csv", 4, "C"),
        ("digits_narrowed", "期中成绩.csv", 5, "D"),
        ("cells_filled_down", "学生名册.xlsx", 4, "I"),
    } <= told
    assert {f.severity for f in report.findings} <= {"mended", "review"}


def test_a_column_that_another_table_takes_is_not_reported_as_dropped(taken):
    report, _ = taken
    dropped = {(f.where.file, f.where.column) for f in report.findings if f.code == "column_dropped"}
    assert dropped == {
        ("七一班考勤.csv", "序号"), ("七一班考勤.csv", "姓名"),
        ("期中成绩.csv", "姓名"), ("期中成绩.csv", "总分"),
    }  # fmt: skip
