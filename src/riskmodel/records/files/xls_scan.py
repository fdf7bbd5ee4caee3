"""A look through an old workbook (Excel 97) for what a reader does not tell: errors, hidden rows, its base.

The file is a small file system (MS-CFB); the stream `Workbook` in it is a row of records (MS-XLS), each with
its number and length. Only positions are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from riskmodel.records.files.packages import MOST_ERRORS, SheetFacts, WorkbookFacts, WorkbookRefused

MOST_BYTES = 200_000_000
_SMALLEST_STREAM = 4_096
_NO_SECTOR = 0xFFFFFFFA
_SHEET, _BASE_1904, _LOCKED, _COLUMNS, _ROW, _ERROR, _FORMULA = 0x85, 0x22, 0x2F, 0x7D, 0x208, 0x205, 0x06


def scan_xls(path: Path) -> WorkbookFacts:
    """Look through an XLS.

    Raises
    ------
    WorkbookRefused
        If it is damaged, locked or larger than what is read here.
    """
    if path.stat().st_size > MOST_BYTES:
        raise WorkbookRefused("zip_too_large", most=f"{MOST_BYTES:,}")
    try:
        return _facts_of(_workbook_stream(path.read_bytes()))
    except (struct.error, IndexError, ValueError):
        raise WorkbookRefused("workbook_damaged") from None


def _workbook_stream(content: bytes) -> bytes:
    """Return the stream of the workbook; one that is short lies in small sectors inside the root's stream."""
    size = 1 << struct.unpack_from("<H", content, 30)[0]
    if size not in (512, 4096):
        raise ValueError("sector size")
    first_directory, extra, extra_count = (struct.unpack_from("<I", content, at)[0] for at in (48, 68, 72))
    tables = list(struct.unpack_from("<109I", content, 76))
    for _ in range(min(extra_count, len(content) // size)):
        told = struct.unpack_from(f"<{size // 4}I", content, (extra + 1) * size)
        tables += told[:-1]
        extra = told[-1]
    following: list[int] = []
    for sector in tables:
        if sector < _NO_SECTOR:
            following += struct.unpack_from(f"<{size // 4}I", content, (sector + 1) * size)

    def chain(sector: int) -> bytes:
        return _joined(content[size:], sector, following, size)

    directory = chain(first_directory)
    root, root_size = struct.unpack_from("<II", directory, 116)
    small = 1 << struct.unpack_from("<H", content, 32)[0]
    after_small = chain(struct.unpack_from("<I", content, 60)[0])
    following_small = struct.unpack(f"<{len(after_small) // 4}I", after_small)
    for at in range(0, len(directory) - 127, 128):
        length = struct.unpack_from("<H", directory, at + 64)[0]
        if directory[at : at + max(length - 2, 0)].decode("utf-16-le", "replace") in ("Workbook", "Book"):
            start, stream_size = struct.unpack_from("<II", directory, at + 116)
            if stream_size >= _SMALLEST_STREAM:
                return chain(start)[:stream_size]
            return _joined(chain(root)[:root_size], start, following_small, small)[:stream_size]
    raise ValueError("no workbook")


def _joined(content: bytes, sector: int, following: Sequence[int], size: int) -> bytes:
    """Put a chain of sectors together; it ends at the latest where it would go in a circle."""
    parts: list[bytes] = []
    while sector < _NO_SECTOR and len(parts) <= len(following):
        parts.append(content[sector * size : (sector + 1) * size])
        sector = following[sector]
    return b"".join(parts)


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + 4 <= len(stream):
        number, length = struct.unpack_from("<HH", stream, at)
        yield at, number, stream[at + 4 : at + 4 + length]
        at += 4 + length


def _facts_of(stream: bytes) -> WorkbookFacts:
    facts = WorkbookFacts()
    begins: dict[int, SheetFacts] = {}
    sheet = SheetFacts()
    for at, number, body in _records(stream):
        sheet = begins.get(at, sheet)
        if number == _SHEET:
            begin, _, _, length, is_wide = struct.unpack_from("<IBBBB", body)
            encoding = "utf-16-le" if is_wide & 1 else "latin-1"
            name = body[8 : 8 + length * (2 if is_wide & 1 else 1)].decode(encoding)
            begins[begin] = facts.sheets[name] = SheetFacts()
        elif number == _BASE_1904:
            facts.date_1904 = body[:1] == b"\x01"
        elif number == _LOCKED:
            raise WorkbookRefused("file_locked")
        elif number == _ROW:
            sheet.hidden_rows += bool(struct.unpack_from("<H", body, 12)[0] & 0x20)
        elif number == _COLUMNS:
            first, last, _, _, flags = struct.unpack_from("<5H", body)
            sheet.hidden_columns += (last - first + 1) * (flags & 1)
        elif (number == _ERROR and body[7:8] == b"\x01") or (
            number == _FORMULA and body[12:14] == b"\xff\xff" and body[6:7] == b"\x02"
        ):
            row, column = struct.unpack_from("<HH", body)
            sheet.errors[row + 1, column + 1] = "#N/A"
            if len(sheet.errors) > MOST_ERRORS:
                raise WorkbookRefused("sheet_full_of_errors", most=f"{MOST_ERRORS:,}")
    return facts
