"""Where a child's id or roll number stands in a file: as a whole cell or word, never within another.

Ids are what a source makes them: `10023` is a child here, a count there, and six digits of a tree's leaf. So
a mark that may be a figure (`erased.may_be_a_figure`) is the child's only in a column, or under a key, that
names children. Any other is the child's wherever it is no part of a longer word or number.

Signed bundles are nobody's: a model is trees, lines and quantiles, and one changed byte makes it unusable.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from riskmodel.bundle import SIGNATURE
from riskmodel.records.keeping.erased import NAME_A_CHILD, may_be_a_figure, rows_naming

ERASED = "×××"
"""In the place of an id or a number within a text that stays."""
_TABLES = (".csv",)
_LINES = (".jsonl", ".ndjson")
_KEYED = (".json", *_LINES)


class ChildMarks:
    """A child's id and every roll number that it was known by."""

    def __init__(self, values: Collection[str]) -> None:
        self.values = frozenset(values)
        self._figures = frozenset(value for value in values if may_be_a_figure(value))
        self._word = _any_of(self.values - self._figures, r"(?<![0-9A-Za-z_-])", r"(?![0-9A-Za-z_-])")
        self._under_key = _any_of(
            self._figures, rf'("(?:{"|".join(sorted(NAME_A_CHILD))})"\s*:\s*")', '(?=")'
        )
        self._in_workbook = _any_of(self._figures, "(?<=>)", "(?=</t>)")

    def stand_in(self, file: Path) -> bool:
        """Tell whether a file names the child."""
        if (file.parent / SIGNATURE).exists():
            return False
        if file.suffix == ".parquet":
            return len(rows_naming(file, self.values)) > 0
        if file.suffix == ".db":
            return self._in_database(file)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                parts = [_text(packed.read(name)) for name in packed.namelist()]
            return any(self._word.search(part) or self._in_workbook.search(part) for part in parts)
        content = _text(file.read_bytes())
        return self._without(file, content) != content

    def without(self, file: Path) -> bytes:
        """Return what a text file says without the child: its lines, or its id and numbers, are gone."""
        content = _text(file.read_bytes())
        return self._without(file, content).encode("utf-8", "surrogateescape")

    def _without(self, file: Path, content: str) -> str:
        if file.suffix in _TABLES:
            content = "".join(_rows_but(content, self._in_cell))
        if file.suffix in _LINES:
            lines = content.splitlines(keepends=True)
            content = "".join(line for line in lines if not self._in_cell("", line))
        if file.suffix in _KEYED:
            content = self._under_key.sub(lambda found: f"{found[1]}{ERASED}", content)
        return self._word.sub(ERASED, content)

    def _in_cell(self, column: str, cell: str) -> bool:
        if column in NAME_A_CHILD and cell.removeprefix("'") in self._figures:
            return True
        return bool(self._word.search(cell) or self._under_key.search(cell))

    def _in_database(self, file: Path) -> bool:
        try:
            return any(self._in_cell(column, cell) for column, cell in _cells_holding(file, self.values))
        except sqlite3.DatabaseError:
            # Damaged, or held by another program: what cannot be asked is rather called a trace.
            content = file.read_bytes()
            return any(value.encode() in content for value in self.values)


def _any_of(values: Collection[str], before: str, after: str) -> re.Pattern[str]:
    if not values:
        return re.compile(r"(?!)")
    return re.compile(before + "(?:" + "|".join(map(re.escape, sorted(values, reverse=True))) + ")" + after)


def _text(content: bytes) -> str:
    """Read bytes so that they can be written back as they were."""
    return content.decode("utf-8", "surrogateescape")


def _rows_but(content: str, is_the_childs: Callable[[str, str], bool]) -> Iterator[str]:
    """Give the rows of a table, as they stand there, without those of which a cell is the child's."""
    lines = list(io.StringIO(content, newline=""))
    reader = csv.reader(lines)
    header: list[str] = []
    begin = 0
    for row in reader:
        # A quoted cell may hold line ends: a row is as many lines as were read for it.
        end = reader.line_num
        header = header or [name.removeprefix("\ufeff") for name in row]
        if not any(is_the_childs(column, cell) for column, cell in zip_longest(header, row, fillvalue="")):
            yield from lines[begin:end]
        begin = end


def _cells_holding(file: Path, values: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give every text of the rows of a database in which one of the values stands, and its column's name."""
    asked = sorted(values)
    with closing(sqlite3.connect(file, timeout=5)) as opened:
        tables = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in (_quote(name) for (name,) in tables):
            columns = [row[1] for row in opened.execute(f"PRAGMA table_info({table})")]
            # One pass: the table of published students is as large as all sets that were ever served.
            holds = (f"instr({_quote(one)}, ?{at})" for one in columns for at in range(1, len(asked) + 1))
            for row in opened.execute(f"SELECT * FROM {table} WHERE {' OR '.join(holds)}", asked):
                for column, cell in zip(columns, row, strict=True):
                    if isinstance(cell, str | bytes):
                        yield column, cell if isinstance(cell, str) else _text(cell)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
