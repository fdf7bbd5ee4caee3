"""Files made to hurt are refused before they are opened, within the memory that an honest file takes."""

from __future__ import annotations

import resource
import struct
import zipfile

import pytest
import xlsxwriter

from riskmodel.records.files.packages import WorkbookRefused, check_package
from riskmodel.records.files.raw import RawFile, format_of
from riskmodel.records.files.workbooks import open_workbook
from riskmodel.records.files.xlsx_scan import UNCALCULATED, scan_xlsx
from riskmodel.records.files.zips import unpacked
from riskmodel.records.findings import Findings

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{}</sheetData></worksheet>"
)


@pytest.fixture
def book(tmp_path):
    """Write a sound workbook, and put other members into its package."""

    def write(**members):
        sound, made = tmp_path / "sound.xlsx", tmp_path / "made.xlsx"
        with xlsxwriter.Workbook(sound) as workbook:
            workbook.add_worksheet("七年级").write(0, 0, "student_id")
        with zipfile.ZipFile(sound) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if name not in members:
                    new.writestr(name, old.read(name))
            for name, content in members.items():
                if callable(content):
                    with new.open(name, "w") as out:
                        content(out)
                else:
                    new.writestr(name, content)
        return made

    return write


def refused(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WorkbookRefused) as refusal:
        open_workbook(path, "xlsx")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # kilobytes
    return refusal.value.code


def test_a_sheet_that_unpacks_to_hundreds_of_times_its_size_is_refused(book):
    def bomb(out):
        block = b" " * (1 << 20)
        for _ in range(64):
            out.write(block)

    assert refused(book(**{"xl/worksheets/sheet1.xml": bomb})) == "zip_too_large"


def test_a_workbook_that_declares_entities_is_refused(book):
    lol = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + SHEET.format(
        "<row><c><v>1</v></c></row>"
    )
    assert refused(book(**{"xl/worksheets/sheet1.xml": lol})) == "xml_declares_entities"
    strings = '<!DOCTYPE sst SYSTEM "file:///etc/hostname"><sst/>'
    assert refused(book(**{"xl/sharedStrings.xml": strings})) == "xml_declares_entities"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ('<row r="1"><c r="XFD1"><v>1</v></c></row>', "sheet_too_wide"),
        ('<row r="1"><c r = "&#88;FD1"><v>1</v></c></row>', "sheet_too_wide"),
        ('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="AZ1048576"><v>1</v></c></row>',
         "sheet_too_large"),
        ('<row r="1"><c r="A1"><v>1</v></c>', "zip_damaged"),
    ],
)  # fmt: skip
def test_a_sheet_far_too_large_for_what_it_holds_is_refused(book, cells, code):
    assert refused(book(**{"xl/worksheets/sheet1.xml": SHEET.format(cells)})) == code


def test_a_long_text_that_many_cells_share_counts_in_each_of_them(book):
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 8_001))
    strings = f"<sst><si><t>{'长' * 32_000}</t></si></sst>"
    path = book(**{"xl/worksheets/sheet1.xml": SHEET.format(cells), "xl/sharedStrings.xml": strings})
    assert refused(path) == "sheet_too_large"


def test_a_million_formatted_empty_rows_are_no_rows(book):
    def rows(out):
        start, end = SHEET.split("{}")
        out.write(start.encode() + b'<row r="1"><c r="A1"><v>1</v></c></row>')
        for number in range(2, 200_000):
            out.write(b'<row r="%d"><c r="A%d" s="1"/></row>' % (number, number))
        out.write(end.encode())

    path = book(**{"xl/worksheets/sheet1.xml": rows})
    _, sheets = open_workbook(path, "xlsx")
    assert [len(rows) for sheet in sheets for rows in sheet.chunks] == [1]


def test_macros_and_links_are_told_and_hidden_rows_and_errors_are_seen(book):
    cells = (
        '<row r="1"><c r="A1" t="e"><v>#N/A</v></c><c r="B1"><f>1+1</f></c></row>'
        '<row r="2" hidden="1"><c r="A2"><f>1+1</f><v>2</v></c></row>'
    )
    path = book(**{
        "xl/worksheets/sheet1.xml": SHEET.format(cells),
        "xl/vbaProject.bin": b"macro",
        "xl/externalLinks/externalLink1.xml": "<x/>",
    })  # fmt: skip
    facts = scan_xlsx(path)
    assert (facts.has_macros, facts.has_external_links) == (True, True)
    sheet = facts.sheets["七年级"]
    assert sheet.errors == {(1, 1): "#N/A", (1, 2): UNCALCULATED}
    assert sheet.hidden_rows == 1
    _, sheets = open_workbook(path, "xlsx")
    assert [row for sheet in sheets for rows in sheet.chunks for row in rows] == [
        ["#N/A", UNCALCULATED], ["2", ""],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../students.csv", "/etc/students.csv", "C:\\students.csv", "a\\..\\..\\x"])
def test_a_zip_that_names_a_place_outside_itself_is_not_unpacked(tmp_path, name):
    path = tmp_path / "sent.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("students.csv", "student_id\n")
        package.writestr(name, "student_id\n")
    findings = Findings()
    files = unpacked([RawFile("sent.zip", path)], source="b", folder=tmp_path / "out", findings=findings)
    assert (files, [f.code for f in findings.refusals]) == ([], ["zip_name_unsafe"])
    assert not (tmp_path / "out").exists()


def test_a_locked_and_a_damaged_zip_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "sent.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("students.csv", "student_id\n")
    content = bytearray(path.read_bytes())
    locked = content.copy()
    at = locked.index(b"PK\x01\x02") + 8
    struct.pack_into("<H", locked, at, 1)
    path.write_bytes(locked)
    with pytest.raises(WorkbookRefused) as refusal:
        check_package(path)
    assert refusal.value.code == "file_locked"
    path.write_bytes(content[: len(content) // 2])
    assert format_of(path)[0] == "foreign"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"\xef\xbb\xbf<html><table>", "HTML"),
        (b"<?xml version='1.0'?><Workbook>", "XML"),
        (b"Rar!\x1a", "RAR"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"WordDocument", "OLE"),
    ],
)
def test_a_file_is_what_its_bytes_say_whatever_its_name(tmp_path, head, name):
    path = tmp_path / "students.xls"
    path.write_bytes(head)
    form, told = format_of(path)
    assert form == "foreign"
    assert name in told
