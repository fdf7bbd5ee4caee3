from __future__ import annotations

import re
import zipfile
from datetime import date

import pytest
import python_calamine as calamine

from riskmodel.errors import Finding, RecordsRefused, Where
from riskmodel.records.deliveries.marked import ROWS_SHOWN_WHOLE, SentSheet, write_marked
from riskmodel.records.deliveries.sending_back import send_back, sent_sheets
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.files.raw import MARKED
from riskmodel.records.intake import take_in, told_to_programs

HEADER = "student_id,name,sex,birth_date\n"
STUDENTS = f"{HEADER}s1,张三,M,2011-02-30\ns2,=1+1,F,2011-05-06\ns3,李\u202e四,丙,2011-05-06\n".encode()


@pytest.fixture
def sent(tmp_path):
    """A delivery with findings in its students; the refusal, and the marked workbooks beside the files."""

    def deliver(students=STUDENTS, name="students.csv"):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(students)
        (folder / "schools.csv").write_text("school_id,name,county,stage\nA,甲校,甲县,junior\n")
        (folder / "terms.csv").write_text("term,start_date,end_date\n2024-2025-1,2024-09-02,2025-01-17\n")
        (folder / "enrolments.csv").write_text("student_id,school_id,start_date,grade\ns1,A,2024-09-02,7\n")
        source = SourceFiles("b", folder)
        with pytest.raises(RecordsRefused) as refusal:
            take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        told = refusal.value
        return told, send_back([source], (*told.findings, *told.notes))

    return deliver


def sheet_xml(workbook, number):
    with zipfile.ZipFile(workbook) as package:
        return package.read(f"xl/worksheets/sheet{number}.xml").decode()


def styles(workbook):
    """The colour of each cell format, by its number."""
    with zipfile.ZipFile(workbook) as package:
        xml = package.read("xl/styles.xml").decode()
    fills = re.findall(r"<fill>.*?</fill>", xml)
    colours = [re.search(r'fgColor rgb="FF(\w+)"', fill) for fill in fills]
    formats = re.findall(r"<xf [^>]*>", xml.split("<cellXfs")[1])
    found = [colours[int(re.search(r'fillId="(\d+)"', form)[1])] for form in formats]
    return [match[1] if match else None for match in found]


def coloured(workbook, number):
    """The marked cells of a sheet and their colours."""
    colours = styles(workbook)
    cells = re.findall(r'<c r="([A-Z]+\d+)" s="(\d+)"', sheet_xml(workbook, number))
    return {cell: colours[int(style)] for cell, style in cells if colours[int(style)]}


def test_the_workbook_beside_a_csv_has_its_rows_as_text_and_the_wrong_cells_in_colour(sent):
    refusal, (workbook,) = sent()
    assert workbook.name == f"students.csv{MARKED}"
    listed, rows = calamine.load_workbook(str(workbook)).sheet_names
    told = calamine.load_workbook(str(workbook)).get_sheet_by_name(rows).to_python()
    assert told[1:3] == [["s1", "张三", "M", "2011-02-30"], ["s2", "=1+1", "F", "2011-05-06"]]
    assert told[3][1] == "李⟨U+202E⟩四"
    at = {f.where.letter + str(f.where.row) for f in (*refusal.findings, *refusal.notes)}
    assert {"D2", "C4"} <= at
    assert coloured(workbook, 2).keys() == at
    table = calamine.load_workbook(str(workbook)).get_sheet_by_name(listed).to_python()
    assert [row[10] for row in table[4:6]] == ["value_no_date", "value_no_code"]


def test_no_cell_of_the_workbook_is_a_formula_a_number_or_a_link_outside(sent):
    _, (workbook,) = sent()
    for number in (1, 2):
        xml = sheet_xml(workbook, number)
        assert "<f>" not in xml
        assert set(re.findall(r'<c [^>]*?t="(\w+)"', xml)) <= {"s", "inlineStr"}
        assert len(re.findall(r"<c [^>]*?t=", xml)) == len(re.findall(r"<c [^>]*?><", xml))
    with zipfile.ZipFile(workbook) as package:
        assert not [name for name in package.namelist() if "externalLink" in name]


def test_a_marked_workbook_is_never_read_as_records_and_goes_when_its_file_is_sound(sent, tmp_path):
    _, (workbook,) = sent()
    source = SourceFiles("b", tmp_path / "in")
    (tmp_path / "in" / "students.csv").write_text("student_id\ns1\n")
    report = take_in([source], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
    assert report.findings == ()
    assert send_back([source], report.findings) == []
    assert not workbook.exists()


def test_a_file_that_cannot_be_read_goes_back_with_the_list_alone(sent):
    _, (workbook,) = sent(b"PAR1 or not", "students.parquet")
    assert len(calamine.load_workbook(str(workbook)).sheet_names) == 1


def test_a_file_in_two_encodings_is_shown_with_its_row_marked(sent):
    _, (workbook,) = sent("student_id,name\ns1,张三\n".encode() + "s2,李四\n".encode("gb18030"))
    assert {cell for cell in coloured(workbook, 2) if cell.endswith("3")} == {"A3", "B3"}


def test_sheets_keep_their_names_and_a_row_is_marked_whole(tmp_path):
    rows = [["a", "b"], ["1", "2"], ["3", "4"]]
    where = Where(source="b", file="f.xlsx", sheet="七/1", row=3)
    findings = [Finding("row_too_short", "refuse", where, (("cells", "1"), ("expected", "2")))]
    out = tmp_path / "out.xlsx"
    write_marked([SentSheet("七/1", lambda: rows), SentSheet("七2", lambda: rows)], findings, out=out)
    assert calamine.load_workbook(str(out)).sheet_names[1:] == ["七_1", "七2"]
    assert set(coloured(out, 2)) == {"A3", "B3"}
    assert not coloured(out, 3)
    assert "七_1" in sheet_xml(out, 1)


def test_of_a_long_sheet_the_header_and_the_marked_rows_are_shown_with_their_numbers(tmp_path):
    def rows():
        yield ["student_id", "days"]
        for number in range(ROWS_SHOWN_WHOLE):
            yield [f"s{number}", "1"]

    where = Where(source="b", file="f.csv", row=15_000, letter="B", column="days")
    out = tmp_path / "out.xlsx"
    findings = [Finding("value_no_number", "refuse", where)]
    write_marked([SentSheet(None, rows)], findings, out=out)
    sheet = calamine.load_workbook(str(out)).get_sheet_by_index(1).to_python()
    assert [row[:2] for row in sheet[1:]] == [["15000", "s14998"]]
    assert coloured(out, 2).keys() == {"C2"}


def test_a_workbook_and_a_parquet_file_are_shown_as_texts(tmp_path):
    import duckdb
    import xlsxwriter

    with xlsxwriter.Workbook(str(tmp_path / "a.xlsx")) as book:
        page = book.add_worksheet("表")
        page.write_row(0, 0, ["学号", "分"])
        page.write_row(1, 0, ["007", 85])
    duckdb.sql("SELECT '007' AS id, 85 AS mark").write_parquet(str(tmp_path / "b.parquet"))
    for name, sheet in (("a.xlsx", "表"), ("b.parquet", None)):
        (told,) = sent_sheets(tmp_path / name)
        assert (told.name, [list(row) for row in told.rows()][1]) == (sheet, ["007", "85"])


def test_programs_are_told_every_finding_in_both_languages_and_no_value(sent):
    told = told_to_programs(sent()[0])
    assert told["stored"] is False
    assert told["refusals"] == sum(told["refusals_by_code"].values()) == 2
    first = next(each for each in told["findings"] if each["code"] == "value_no_date")
    assert (first["file"], first["row"], first["letter"], first["column"]) == (
        "students.csv",
        2,
        "D",
        "birth_date",
    )
    assert first["zh"] != first["en"]
    assert not [word for word in ("张三", "李", "2011-02-30", "丙") if word in str(told)]
