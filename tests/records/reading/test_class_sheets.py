"""One attendance sheet of a class tells who was absent, and on which days anything was reported at all."""

from __future__ import annotations

from datetime import date

import pytest

from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

FILES = {
    "students.csv": "student_id,name\ns1,张三\ns2,李四\n",
    "schools.csv": "school_id,name,county,stage\nA,甲校,甲县,junior\n",
    "terms.csv": "term,start_date,end_date\nt,2025-09-01,2026-01-17\n",
    "enrolments.csv": "student_id,school_id,start_date,grade\ns1,A,2025-09-01,7\ns2,A,2025-09-01,7\n",
    "七一班考勤.csv": "2025年10月考勤,,,,\n学号,8,9,10,13\ns1,√,旷,√,\ns2,√,√,,\n合计,2,2,1,\n",
}
MAPPING = """config_version: 1
tables:
  students: {file: students.csv}
  schools: {file: schools.csv}
  terms: {file: terms.csv}
  enrolments: {file: enrolments.csv}
  attendance:
    file: "*考勤*"
    columns: {student_id: 学号}
    wide: {days_into: [start_date, end_date], marks: {"√": null, "旷": {days_absent: "1"}}}
  attendance_reports:
    file: "*考勤*"
    constants: {school_id: A}
    wide: {days_into: [start_date, end_date]}
"""


@pytest.fixture
def deliver(tmp_path):
    """Take the files in, some of them changed; return what is reported."""

    def take(**changed):
        folder = tmp_path / "in"
        folder.mkdir()
        for name, text in (FILES | changed).items():
            (folder / name).write_text(text, encoding="utf-8")
        (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
        source = SourceFiles("b", folder, tmp_path / "mapping.yaml")
        return take_in([source], store=tmp_path / "store", delivered_on=date(2025, 11, 3))

    return take


@pytest.fixture
def store(tmp_path, deliver):
    assert {one.code for one in deliver().findings} == {"title_rows_skipped", "total_rows_dropped"}
    return RecordStore.open(tmp_path / "store")


def test_days_on_which_anything_was_written_were_reported_and_an_empty_column_was_not(store, ask):
    told = ask(store, "SELECT school_id, start_date, end_date FROM attendance_reports", "2025-11-03")
    assert set(told) == {
        ("A", day, day) for day in (date(2025, 10, 8), date(2025, 10, 9), date(2025, 10, 10))
    }


def test_the_same_sheet_tells_who_was_absent(store, ask):
    told = ask(store, "SELECT student_id, start_date, days_absent FROM attendance", "2025-11-03")
    assert told == [("s1", date(2025, 10, 9), 1.0)]


def test_a_sheet_that_states_two_months_is_refused_and_one_of_whole_dates_is_not(deliver, tmp_path):
    other = "2025年10月考勤,,\n学号,2025-09-08,2025-09-09\ns1,√,√\n"
    with pytest.raises(RecordsRefused) as refused:
        deliver(**{"七二班2025年9月考勤.csv": FILES["七一班考勤.csv"], "七三班2025年9月考勤.csv": other})
    told = {(one.code, one.where.file, dict(one.slots)["months"]) for one in refused.value.findings}
    assert told == {("spread_months_differ", "七二班2025年9月考勤.csv", "2025-10, 2025-09")}
    assert not (tmp_path / "store").exists()
