from __future__ import annotations

from datetime import date

import pytest
import xlsxwriter

from riskmodel.errors import ConfigurationError, RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.mapping.source_mapping import read_mapping
from riskmodel.records.store import RecordStore

FILES = {
    "roll.csv": "XH,XM,XB,BJ\n007,张三,男,七1\n008,李四,女,七2\n",
    "days.csv": "pupil,on,left\n007,2024-10-08,\n007,2024-10-09,\n008,2024-10-08,x\n",
}
MAPPING = """
config_version: 1
files: {days: "days.parquet|days.csv", roll: roll.csv}
views:
  absent: SELECT pupil, CAST("on" AS DATE) AS day FROM days WHERE "left" IS NULL
tables:
  schools: {query: "SELECT 'A' AS school_id, '甲校' AS name, '甲县' AS county, 'junior' AS stage"}
  terms: {query: "SELECT 't' AS term, DATE '2024-09-02' AS start_date, DATE '2025-01-17' AS end_date;"}
  students:
    file: "roll*.csv"
    columns: {student_id: XH, name: XM, sex: XB}
    codes: {sex: {男: M, 女: F}}
  enrolments:
    file: roll.csv
    columns: {student_id: XH, class_name: BJ}
    constants: {school_id: A, start_date: 02/09/2024, grade: "7"}
    dates: {start_date: "%d/%m/%Y"}
  attendance:
    query: |
      SELECT pupil AS student_id, min(day) AS start_date, max(day) AS end_date, count(*) AS days_absent
      FROM absent GROUP BY pupil -- by pupil
"""


@pytest.fixture
def mapped(tmp_path):
    """Take in `files` through a mapping."""

    def deliver(mapping=MAPPING, files=FILES):
        folder = tmp_path / "in"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
        source = SourceFiles("local", folder, tmp_path / "mapping.yaml")
        take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        return RecordStore.open(tmp_path / "store")

    return deliver


def test_columns_codes_dates_constants_and_queries_yield_the_contract_s_rows(mapped, ask):
    store = mapped()
    assert ask(store, "SELECT student_id, name, sex FROM students", "2025-01-01") == [
        ("007", "张三", "M"), ("008", "李四", "F"),
    ]  # fmt: skip
    assert ask(store, "SELECT student_id, start_date, class_name FROM enrolments", "2025-01-01") == [
        ("007", date(2024, 9, 2), "七1"), ("008", date(2024, 9, 2), "七2"),
    ]  # fmt: skip
    assert ask(store, "SELECT student_id, end_date, days_absent FROM attendance", "2025-01-01") == [
        ("007", date(2024, 10, 9), 2.0),
    ]  # fmt: skip


def test_a_row_of_a_query_traces_back_to_the_query_and_the_row_of_its_result(mapped):
    bad = FILES | {"days.csv": FILES["days.csv"] + "009,2024-10-08,\n"}
    with pytest.raises(RecordsRefused) as refusal:
        mapped(files=bad)
    found = [(f.code, f.where.file, f.where.row) for f in refusal.value.findings]
    assert found == [("student_id_unknown", "attendance (query)", 2)]


def test_a_finding_calls_a_column_by_the_source_s_own_name(mapped):
    with pytest.raises(RecordsRefused) as refusal:
        mapped(files=FILES | {"roll.csv": "XH,XM,XB,BJ\n007,张三,?,七1\n"})
    assert ("roll.csv", 2, "XB") in [
        (f.where.file, f.where.row, f.where.column) for f in refusal.value.findings
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("config_version: 1", "config_version: 2", "config_version"),
        ("config_version: 1", "config_version: 1\nextra: 1", "extra"),
        ("  students:", "  pupils:", "pupils"),
        ("codes: {sex:", "codes: {gender:", "gender"),
        ("FROM absent GROUP BY pupil", "FROM absent; DROP VIEW absent", "one SELECT"),
        ("SELECT pupil AS student_id", "COPY days TO 'x'; SELECT pupil AS student_id", "one SELECT"),
        ("FROM absent GROUP BY pupil", "FRM absent", "syntax error"),
        ('    file: "roll*.csv"\n', '    file: "roll*.csv"\n    query: SELECT 1\n', "either file or query"),
    ],
)
def test_a_mapping_file_that_is_wrong_is_refused_and_says_where(tmp_path, old, new, said):
    assert old in MAPPING
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refusal:
        read_mapping(tmp_path / "mapping.yaml")
    assert refusal.value.code == "mapping_invalid"
    assert said in refusal.value.text("en")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT content FROM read_text('/etc/hostname')",
    ],
)
def test_a_query_reaches_no_file_but_its_own(mapped, query):
    terms = MAPPING.replace(
        "SELECT 't' AS term, DATE '2024-09-02' AS start_date, DATE '2025-01-17' AS end_date;", query
    )
    assert terms != MAPPING
    with pytest.raises(RecordsRefused) as refusal:
        mapped(terms)
    assert [(f.code, f.where.key) for f in refusal.value.findings] == [("query_failed", "tables.terms.query")]


def test_an_error_inside_a_query_tells_no_value(mapped):
    with pytest.raises(RecordsRefused) as refusal:
        mapped(files=FILES | {"days.csv": "pupil,on,left\n007,secret,\n"})
    assert [f.code for f in refusal.value.findings] == ["query_failed"]
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"days.csv": None}, ("mapped_file_missing", None)),
        ({"days.csv": "pupil,on,left\n007,2024-10-08\n"}, ("raw_file_malformed", "days.csv")),
    ],
)
def test_a_raw_file_that_is_missing_or_malformed_is_refused(mapped, files, expected):
    content = {name: told for name, told in (FILES | files).items() if told is not None}
    with pytest.raises(RecordsRefused) as refusal:
        mapped(files=content)
    assert [(f.code, f.where.file) for f in refusal.value.findings] == [expected]


def test_a_query_reads_raw_files_of_any_format_and_encoding(mapped, tmp_path, ask):
    folder = tmp_path / "in"
    folder.mkdir()
    with xlsxwriter.Workbook(folder / "days.csv") as book:
        sheet = book.add_worksheet("考勤")
        for at, row in enumerate((["考勤表"], ["pupil", "on", "left"], ["007", "2024-10-08", ""])):
            sheet.write_row(at, 0, row)
    roll = FILES["roll.csv"].replace(",", "\t").encode("gb18030")
    (folder / "roll.csv").write_bytes(roll)
    mapping = MAPPING.replace("    file: roll.csv", "    query: SELECT XH, BJ FROM roll")
    store = mapped(mapping, files={})
    sql = "SELECT student_id, class_name, days_absent FROM enrolments LEFT JOIN attendance USING (student_id)"
    assert ask(store, sql, "2025-09-01") == [("007", "七1", 1.0), ("008", "七2", None)]
