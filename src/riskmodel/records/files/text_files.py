"""Text files: their encoding, by evidence and strictly; their delimiter; their rows.

The order is byte order mark, strict UTF-8 over the whole file, strict GB18030 over the whole file, refusal:
UTF-8 read as GB18030 succeeds far too often, the other way round nearly never.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

CHUNK = 2_000
"""Rows that are turned into columns at once: few enough to stay in the processor's cache."""
LONGEST_CELL = 100_000
DELIMITERS = (",", "\t", ";", "|")
_BLOCK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class EncodingUnknown(Exception):  # noqa: N818  the name is the sentence
    """The bytes are text in no encoding that is read here; `row` is the first line that is not."""

    def __init__(self, row: int | None, *, mixed: bool = False) -> None:
        self.row = row
        self.mixed = mixed
        super().__init__("encoding unknown")


def encoding_of(path: Path) -> str:
    """Return the encoding of a text file: `utf-8`, `utf-8-sig`, `utf-16` or `gb18030`.

    Raises
    ------
    EncodingUnknown
        If it is in none of them, or lines of it are in two.
    """
    with path.open("rb") as file:
        head = file.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if not encoding or not _decodes(path, encoding):
                raise EncodingUnknown(None)
            return encoding
    if _decodes(path, "utf-8"):
        if _has_nul(path):
            raise EncodingUnknown(1)
        return "utf-8"
    if row := _first_line_of_another_encoding(path):
        raise EncodingUnknown(row, mixed=True)
    if _decodes(path, "gb18030") and not _has_nul(path):
        return "gb18030"
    raise EncodingUnknown(_first_undecodable_line(path))


def delimiter_of(path: Path, encoding: str, known: Callable[[Sequence[Sequence[str]]], int]) -> str:
    """Return the delimiter under which most names are known; else the one that makes even, wide rows.

    Parameters
    ----------
    known
        Counts the names that are known in the best of some rows.
    """
    with path.open(encoding=encoding, newline="") as file:
        head = file.read(_BLOCK // 16)
    best, evidence = ",", (0, 0.0)
    for delimiter in DELIMITERS:
        rows = _sample(head, delimiter)
        widths = [len(row) for row in rows if any(row)]
        even = max((widths.count(width) * (width > 1) for width in set(widths)), default=0)
        found = (known(rows), even / max(len(widths), 1))
        if found > evidence:
            best, evidence = delimiter, found
    return best


def text_rows(path: Path, encoding: str, delimiter: str) -> Iterator[list[list[str]]]:
    """Yield the rows of a text file in chunks, every cell as it stands.

    Raises
    ------
    csv.Error
        Where quotes do not pair; the error's first argument then begins with `line <number>: `.
    """
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            while chunk := list(islice(reader, CHUNK)):
                yield chunk
        except csv.Error as problem:
            raise csv.Error(reader.line_num, str(problem)) from None


def is_common(character: str) -> bool:
    """Tell whether a character is one of the 3,755 common ones of GB 2312."""
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and 0xB0 <= code[0] <= 0xD7


def is_garbled(text: str) -> bool:
    """Tell text that was read in the wrong encoding once: read back, it is common Chinese characters.

    UTF-8 read as GB18030 gives rare characters (李四 as 鏉庡洓), GB18030 read as Latin-1 accented letters.
    """
    for wrong, right in (("gb18030", "utf-8"), ("latin-1", "gb18030")):
        try:
            meant = text.encode(wrong).decode(right)
        except UnicodeError:
            continue
        if meant != text and any(map(is_common, meant)) and all(c.isascii() or is_common(c) for c in meant):
            return True
    return False


def _sample(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(islice(csv.reader(head.splitlines(keepends=True), delimiter=delimiter), 60))
    return rows


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _has_nul(path: Path) -> bool:
    with path.open("rb") as file:
        return any(b"\0" in block for block in iter(lambda: file.read(_BLOCK), b""))


def _first_undecodable_line(path: Path) -> int | None:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if _as(line, "utf-8") is None and _as(line, "gb18030") is None:
                return number
    return None


def _first_line_of_another_encoding(path: Path) -> int | None:
    """Return where the second of two encodings begins, in a file that is not UTF-8 as a whole.

    A line of GB18030 may by chance be UTF-8 as well; it then reads as rare characters, and the line of
    another encoding as common ones.
    """
    first: bool | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            if _as(line, "utf-8") is None and _as(line, "gb18030") is None:
                return None
            is_utf8 = _reads_as_utf8(line)
            if first is None:
                first = is_utf8
            elif is_utf8 != first:
                return number
    return None


def _reads_as_utf8(line: bytes) -> bool:
    utf8, other = _as(line, "utf-8"), _as(line, "gb18030")
    if utf8 is None or other is None:
        return utf8 is not None
    return _commonness(utf8) > _commonness(other)


def _commonness(text: str) -> float:
    said = [is_common(character) for character in text if ord(character) > 127]
    return sum(said) / len(said)


def _as(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None
