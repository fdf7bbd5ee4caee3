"""The files of a source as they were sent: where they lie, and what each of them really is.

What a file is, is told by its first bytes and never by its name.
"""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Format = Literal["text", "parquet", "xlsx", "xls", "ods", "zip", "empty", "foreign"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FOREIGN = (
    (b"%PDF", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"SQLite format 3", "SQLite"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"{\\rtf", "RTF"),
)
_HEAD = 4_096
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)
"""What `zipfile` raises of a package that is damaged, locked, or packed in a way that it does not know."""
MARKED = ".findings.xlsx"
"""Ends the name of a workbook that goes back to the sender; none of that name is read as records."""


@dataclass(frozen=True)
class RawFile:
    """A raw file of a source.

    Attributes
    ----------
    name
        How findings and origins name it: its path inside the source's folder; of a file in a zip the
        zip's path, a slash, and the path inside.
    path
        Where its bytes lie.
    inside
        The path inside the zip; empty for a file of the folder.
    """

    name: str
    path: Path
    inside: str = ""

    @property
    def local(self) -> str:
        """Its path, without the zip that it came in."""
        return self.inside or self.name


def raw_files(folder: Path) -> list[RawFile]:
    """Return the files in a folder and its folders, in the order of their names."""
    return [
        RawFile(path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "~")) and not path.name.endswith(MARKED)
    ]


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def format_of(path: Path) -> tuple[Format, str]:
    """Say what a file really is, and, of one that is not read here, its name for people."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "empty", ""
    if head[:4] == b"PAR1":
        return "parquet", ""
    if head[:2] == b"PK":
        return _kind_of_zip(path)
    if head[:8] == _OLE:
        return _kind_of_ole(path)
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return "foreign", name
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<head", b"<meta")):
        return "foreign", "HTML"
    if start.startswith((b"<?xml", b"<workbook")):
        return "foreign", "XML"
    return "text", ""


def _kind_of_zip(path: Path) -> tuple[Format, str]:
    try:
        with zipfile.ZipFile(path) as package:
            names = set(package.namelist())
            mimetype = package.read("mimetype")[:100] if _is_small(package, "mimetype") else b""
    except (OSError, *DAMAGED_ZIP):
        return "foreign", "ZIP (damaged)"
    if "xl/workbook.xml" in names:
        return "xlsx", ""
    if mimetype.startswith(b"application/vnd.oasis.opendocument.spreadsheet"):
        return "ods", ""
    for member, name in (
        ("xl/workbook.bin", "XLSB"),
        ("word/document.xml", "DOCX"),
        ("ppt/presentation.xml", "PPTX"),
    ):
        if member in names:
            return "foreign", name
    return ("foreign", "OpenDocument") if mimetype else ("zip", "")


def _is_small(package: zipfile.ZipFile, member: str) -> bool:
    return member in package.NameToInfo and package.getinfo(member).file_size < 1_000


def _kind_of_ole(path: Path) -> tuple[Format, str]:
    """Tell a workbook of Excel 97 from other files in the same container, by its directory's names."""
    content = path.read_bytes() if path.stat().st_size < 200_000_000 else b""
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "foreign", "Excel, 加密 / encrypted"
    if any(f"{name}\0".encode("utf-16-le") in content for name in ("Workbook", "Book")):
        return "xls", ""
    return "foreign", "OLE"
