"""Kinds 1 to 7 and 41 to 43: how a file is encoded, and what it really is."""

# ruff: noqa: D103  the name of a function that spoils is its sentence
from __future__ import annotations

import io
import zipfile

import xlwt

from .files import TEXT, WORKBOOKS, Formula
from .kinds import ANY, Spoiler, kind
from .writing import zipped

RARE = ("张䶮", "李㛃", "𬱖明", "王𠅤")


@kind(1, tables=("students", "grades"), formats=TEXT, styles=("local",))
def in_gb18030(spoil: Spoiler) -> None:
    spoil.file.encoding = spoil.draw.choice(("gb18030", "gbk"))
    spoil.expect("mended", "encoding_translated")


@kind(2, tables=("students", "enrolments", "grades"), formats=TEXT)
def with_a_byte_order_mark(spoil: Spoiler) -> None:
    def quoted(content: bytes) -> bytes:
        header, rest = content.split(b"\r\n", 1)
        mark = b"," if spoil.file.format == "csv" else b"\t"
        return b"\xef\xbb\xbf" + mark.join(b'"' + name + b'"' for name in header.split(mark)) + b"\r\n" + rest

    spoil.file.after = spoil.draw.choice((quoted, lambda content: b"\xef\xbb\xbf" + content))
    spoil.case.may |= {"encoding_translated"}


@kind(3, tables=("students", "grades"), formats=("tsv",))
def in_utf_16(spoil: Spoiler) -> None:
    spoil.file.encoding = "utf-16"
    spoil.expect("mended", "encoding_translated")


@kind(3, tables=("students", "grades"), formats=("tsv",))
def in_utf_16_without_a_mark(spoil: Spoiler) -> None:
    spoil.file.encoding = spoil.draw.choice(("utf-16-le", "utf-16-be"))
    spoil.expect("refuse", "encoding_unknown")


@kind(4, tables=("students",), formats=TEXT, styles=("local",))
def two_encodings_in_one_file(spoil: Spoiler) -> None:
    index = spoil.draw.randrange(3, len(spoil.sheet.rows) - 3)
    row = spoil.sheet.row(index)

    def pasted(content: bytes) -> bytes:
        lines = content.split(b"\r\n")
        head, rest = lines[: row - 1], lines[row - 1 :]
        return b"\r\n".join([*head, *(line.decode().encode("gb18030") for line in rest)])

    spoil.file.after = pasted
    spoil.expect("refuse", "encodings_mixed", row=row)


@kind(5, tables=("students",))
def text_that_was_spoilt_before(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    name = str(spoil.get(index, "name"))
    read_wrongly = name.encode("utf-8").decode("gb18030", errors="replace")
    broken = (read_wrongly, "锟斤拷锟斤拷", "�" * len(name), "烫烫烫")
    spoil.put(index, "name", spoil.draw.choice(broken))
    spoil.expect("refuse", "text_garbled", index=index, column="name")
    spoil.case.may |= {"private_characters"}


@kind(6, tables=("students",), formats=ANY)
def a_rare_name(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    spoil.put_both(index, "name", spoil.draw.choice(RARE))
    if spoil.file.format in TEXT and spoil.draw.random() < 0.5:
        spoil.file.encoding = "gb18030"
        spoil.expect("mended", "encoding_translated")


@kind(6, tables=("students",))
def a_character_of_private_use(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    spoil.put_both(index, "name", "张\ue000")
    spoil.case.same_as = spoil.case.delivery.copy()
    spoil.expect("review", "private_characters", index=index, column="name")


@kind(41, tables=("grades", "attendance"), formats=("xlsx",))
def a_formula_never_worked_out(spoil: Spoiler) -> None:
    column = {"grades": "full_score", "attendance": "days_absent"}[spoil.table]
    index = spoil.any_row(column)
    spoil.put(
        index, column, Formula(spoil.draw.choice(("=60+60", "='[other.xlsx]Sheet1'!A1", "=SUM(Z1:Z9)")))
    )
    spoil.expect("refuse", "formula_not_calculated", index=index, column=column)


@kind(42, tables=("students", "enrolments"), formats=WORKBOOKS)
def a_workbook_under_another_name(spoil: Spoiler) -> None:
    others = [suffix for suffix in ("xlsx", "xls", "ods", "csv") if suffix != spoil.file.format]
    spoil.file.suffix = spoil.draw.choice(others)
    spoil.expect("mended", "file_named_otherwise", of_sheet=False)


@kind(42, tables=("students", "enrolments"), formats=("xlsx",))
def a_page_named_as_a_workbook(spoil: Spoiler) -> None:
    spoil.file.after = lambda _: b"<html><body><table><tr><td>x</td></tr></table></body></html>"
    spoil.expect("refuse", "file_of_other_format", of_sheet=False)


@kind(42, tables=("students", "enrolments"), formats=("xlsx",))
def a_workbook_under_a_password(spoil: Spoiler) -> None:
    spoil.file.after = lambda _: _ole("EncryptedPackage")
    spoil.expect("refuse", "file_of_other_format", of_sheet=False)


@kind(42, tables=("students",), formats=("xlsx",), styles=("plain",))
def a_zip_of_many(spoil: Spoiler) -> None:
    spoil.file.suffix = "zip"
    spoil.file.after = lambda content: zipped({"students.xlsx": content})


@kind(43, tables=("students", "grades"), formats=("xlsx", "ods", "zip"))
def a_truncated_upload(spoil: Spoiler) -> None:
    spoil.file.after = lambda content: content[: int(len(content) * spoil.draw.uniform(0.3, 0.9))]
    spoil.expect(
        "refuse",
        "file_of_other_format",
        "zip_damaged",
        "workbook_damaged",
        file=spoil.file.name,
        of_sheet=False,
    )
    spoil.case.may |= {"mapped_file_missing"}


@kind(43, tables=("students", "grades"), formats=("xlsx", "zip"))
def packed_bytes_that_were_damaged(spoil: Spoiler) -> None:
    """Overwrite bytes inside the member that holds the rows: its name stays, its content is gone."""
    is_lzma = spoil.file.format == "zip" and spoil.draw.random() < 0.5
    member = "xl/worksheets/sheet1.xml" if spoil.file.format == "xlsx" else f"{spoil.file.stem}.csv"

    def damaged(content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            members = {name: package.read(name) for name in package.namelist()}
        content = zipped(members, zipfile.ZIP_LZMA if is_lzma else zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            told = package.getinfo(member)
        begins = told.header_offset + 30 + len(member.encode()) + told.compress_size // 3
        return content[:begins] + b"\xff" * 20 + content[begins + 20 :]

    spoil.file.after = damaged
    codes = ("file_of_other_format", "zip_damaged", "workbook_damaged")
    spoil.expect("refuse", *codes, file=spoil.file.name, of_sheet=False)
    spoil.case.may |= {"student_id_unknown", "mapped_file_missing"}


@kind(43, tables=("students", "grades", "attendance"), formats=(*ANY, "parquet"))
def a_file_of_no_bytes(spoil: Spoiler) -> None:
    spoil.file.after = lambda _: b""
    spoil.expect("refuse", "file_empty", file=spoil.file.name, of_sheet=False)


@kind(43, tables=("students", "enrolments", "grades"), formats=(*ANY, "parquet"))
def a_header_alone(spoil: Spoiler) -> None:
    spoil.sheet.rows.clear()
    if spoil.table == "grades":
        spoil.same.of("grades").sheet.rows.clear()
        spoil.case.may |= {"file_without_rows"}
    spoil.expect("review" if spoil.table == "grades" else "refuse", "file_without_rows", of_sheet=False)
    spoil.case.may |= {"student_id_unknown", "school_id_unknown"}


def _ole(stream: str) -> bytes:
    """Return a compound file that names a stream, as an encrypted workbook does."""
    book = xlwt.Workbook()
    book.add_sheet("a").write(0, 0, "x")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue().replace("Workbook".encode("utf-16-le") + b"\0\0", stream.encode("utf-16-le"))
