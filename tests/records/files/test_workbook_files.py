from __future__ import annotations

import datetime
import struct
import zipfile
from datetime import date

import pytest
import xlsxwriter
import xlwt

from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.workbooks import open_workbook
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

SOUND = {
    "students": "student_id,name,birth_date\ns1,张三,2011-05-01\n",
    "schools": "school_id,name,county,stage\nA,甲校,甲县,junior\n",
    "terms": "term,start_date,end_date\n2024-2025-1,2024-09-02,2025-01-17\n",
    "enrolments": "student_id,school_id,start_date,grade\ns1,A,2024-09-02,7\n",
}
BORN = datetime.datetime(2011, 5, 1)  # noqa: DTZ001  a cell has no zone


@pytest.fixture
def deliver(tmp_path):
    """Take in a sound delivery in which some files are made by `put(folder)`."""

    def take(put, *without):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for name, text in SOUND.items():
            if name not in without:
                (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        put(folder)
        report = take_in([SourceFiles("b", folder)], store=tmp_path / "store", delivered_on=date(2025, 9, 1))
        return report, RecordStore.open(tmp_path / "store")

    return take


def xlsx(path, sheets, **options):
    """Write sheets of rows; a date is a date cell, a tuple a formula and its value."""
    with xlsxwriter.Workbook(path, options) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, datetime.date):
                        sheet.write_datetime(at, column, value, day)
                    elif isinstance(value, tuple):
                        sheet.write_formula(at, column, value[0], None, value[1])
                    elif isinstance(value, str):
                        sheet.write_string(at, column, value)
                    elif value is not None:
                        sheet.write(at, column, value)


def told(refusal):
    return [
        (f.code, f.where.sheet, f.where.row, f.where.letter, f.where.column) for f in refusal.value.findings
    ]


ROWS = [["某县学生花名册", None, None], ["student_id", "name", "birth_date"]]


@pytest.mark.parametrize("base_1904", [False, True])
def test_sheets_under_a_title_are_read_by_the_type_of_their_cells(deliver, ask, base_1904):
    def put(folder):
        sheets = {
            "七年级": [*ROWS, ["s1", "张三", BORN], ["合计", None, 1]],
            "八年级": [*ROWS, [2.0, "李四", BORN], [None, None, "制表人：王五"]],
            "Sheet3": [],
        }
        xlsx(folder / "students.xlsx", sheets, date_1904=base_1904)

    report, store = deliver(put, "students")
    rows = ask(store, "SELECT student_id, name, birth_date FROM students", "2024-10-01")
    assert rows == [("2", "李四", BORN.date()), ("s1", "张三", BORN.date())]
    assert [(f.code, f.where.sheet, f.where.row) for f in report.findings] == [
        ("title_rows_skipped", "七年级", None), ("total_rows_dropped", "七年级", 4),
        ("title_rows_skipped", "八年级", None), ("total_rows_dropped", "八年级", 4),
    ]  # fmt: skip
    assert ask(store, "SELECT count(*) FROM raw.students WHERE sheet = '八年级' AND row = 3", "2024-10-01")


def test_a_finding_in_a_sheet_names_sheet_row_letter_and_column(deliver):
    with pytest.raises(RecordsRefused) as refusal:
        deliver(
            lambda folder: xlsx(
                folder / "students.xlsx", {"七年级": [*ROWS, ["s1", "张三", BORN], ["s2", "李四", "无"]]}
            ),
            "students",
        )
    assert told(refusal) == [("value_no_date", "七年级", 4, "C", "birth_date")]
    assert "C 列“birth_date”" in refusal.value.text("zh")
    assert "column C “birth_date”" in refusal.value.text("en")


def test_an_old_workbook_is_read_whatever_its_name(deliver, ask):
    def put(folder):
        book = xlwt.Workbook(encoding="utf-8")
        sheet = book.add_sheet("七年级")
        day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
        for column, name in enumerate(ROWS[1]):
            sheet.write(1, column, name)
        for column, value in enumerate(("s1", "张三")):
            sheet.write(2, column, value)
        sheet.write(2, 2, BORN, day)
        book.save(str(folder / "students.csv"))

    report, store = deliver(put)
    rows = ask(store, "SELECT student_id, name, birth_date FROM students", "2024-10-01")
    assert rows == [("s1", "张三", BORN.date())]
    told = [finding for finding in report.findings if finding.code == "file_named_otherwise"]
    assert [finding.where.file for finding in told] == ["students.csv"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_text_is_read_in_the_encoding_and_by_the_delimiter_that_the_evidence_shows(
    deliver, ask, encoding, delimiter
):
    def put(folder):
        text = SOUND["students"].replace(",", delimiter).replace("张三", "张䶮")
        (folder / "students.txt").write_text(text, encoding=encoding)

    report, store = deliver(put, "students")
    assert ask(store, "SELECT name FROM students", "2024-10-01") == [("张䶮",)]
    translated = {"gb18030": ["encoding_translated"], "utf-16": ["encoding_translated"]}
    assert [f.code for f in report.findings] == translated.get(encoding, [])


def test_two_encodings_pasted_into_one_file_are_refused_at_the_row_of_the_second(deliver):
    def put(folder):
        lines = [f"s{n},李四,2011-05-0{n}\n" for n in range(2, 6)]
        mixed = SOUND["students"].encode("gb18030") + "".join(lines).encode("utf-8")
        (folder / "students.csv").write_bytes(mixed)

    with pytest.raises(RecordsRefused) as refusal:
        deliver(put)
    assert [(f.code, f.where.row) for f in refusal.value.findings] == [("encodings_mixed", 3)]


def test_what_an_old_workbook_hides_is_seen(tmp_path):
    book = xlwt.Workbook(encoding="utf-8")
    book.dates_1904 = True
    for name in ("七年级", "other"):
        sheet = book.add_sheet(name)
        for at in range(200):
            sheet.write(at, 0, f"student {at}")
    sheet.row(3).set_cell_error(2, 0x2A)
    sheet.row(4).hidden = True
    book.save(str(tmp_path / "a.xls"))
    facts, sheets = open_workbook(tmp_path / "a.xls", "xls")
    assert facts.date_1904
    rows = {sheet.name: [row for chunk in sheet.chunks for row in chunk] for sheet in sheets}
    assert [row[2] for row in rows["other"][2:5]] == ["", "#N/A", ""]
    assert {name: told.hidden_rows for name, told in facts.sheets.items()} == {"七年级": 0, "other": 1}


def test_an_old_workbook_that_is_cut_off_is_refused(tmp_path):
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("a")
    for at in range(2_000):
        sheet.write(at, 0, f"student {at}")
    book.save(str(tmp_path / "a.xls"))
    content = (tmp_path / "a.xls").read_bytes()
    for share in (0.2, 0.5, 0.9):
        (tmp_path / "b.xls").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(WorkbookRefused):
            list(open_workbook(tmp_path / "b.xls", "xls")[1])


def in_small_sectors(stream):
    """Put a short stream into a compound file as MS-CFB asks: in sectors of 64 bytes inside the root's."""
    end, free, none = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFF

    def entry(name, kind, child, start, size):
        told = name.encode("utf-16-le")
        links = struct.pack("<HBB3I", len(told) + 2, kind, 1, none, none, child)
        return told.ljust(64, b"\0") + links + bytes(36) + struct.pack("<III", start, size, 0)

    small, large = -(-len(stream) // 64), -(-len(stream) // 512)
    after = [
        0xFFFFFFFD,
        end,
        end,
        *range(4, 3 + large),
        end,
    ]  # this table, directory, small table, the stream
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6)
    header += bytes(10) + struct.pack("<9I", 1, 1, 0, 4096, 2, 1, end, 0, 0) + bytes([255] * 432)
    directory = entry("Root Entry", 5, 1, 3, small * 64) + entry("Workbook", 2, none, 0, len(stream))
    small_table = [*range(1, small), end]
    tables = [struct.pack("<128I", *told, *[free] * (128 - len(told))) for told in (after, small_table)]
    return header + tables[0] + directory.ljust(512, b"\0") + tables[1] + stream.ljust(large * 512, b"\0")


def test_an_old_workbook_of_a_few_cells_is_looked_through_as_well(tmp_path):
    book = xlwt.Workbook()
    page = book.add_sheet("a")
    page.write(0, 0, "x")
    page.row(0).hidden = True
    stream = book.get_biff_data()
    book.save(str(tmp_path / "large.xls"))
    (tmp_path / "small.xls").write_bytes(in_small_sectors(stream))
    assert len(stream) < 4096
    for name in ("large.xls", "small.xls"):
        facts, sheets = open_workbook(tmp_path / name, "xls")
        assert facts.sheets["a"].hidden_rows == 1
        assert [list(sheet.chunks) for sheet in sheets] == [[[["x"]]]]


def test_a_tab_in_an_ods_cell_parts_what_stands_around_it(tmp_path):
    cells = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{each}</text:p></table:table-cell>'
        for each in ("买买提<text:tab/>吐尔逊", "<text:tab/>七（1）班")
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="Sheet1"><table:table-row>{cells}</table:table-row></table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "sheet.ods", "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        package.writestr("content.xml", content)
        package.writestr("META-INF/manifest.xml", "<manifest/>")
    _, sheets = open_workbook(tmp_path / "sheet.ods", "ods")
    assert [chunk for sheet in sheets for chunk in sheet.chunks] == [[["买买提 吐尔逊", " 七（1）班"]]]
