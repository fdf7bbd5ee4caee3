"""What a file of a delivery says, before it is put into a format: sheets of cells, and who may spoil them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Format = Literal["csv", "tsv", "xlsx", "xls", "ods", "parquet", "zip"]
TEXT: tuple[Format, ...] = ("csv", "tsv")
WORKBOOKS: tuple[Format, ...] = ("xlsx", "xls", "ods")
Answer = Literal["refuse", "mended", "review"]


@dataclass(frozen=True)
class Formula:
    """A cell that is a formula; `value` is what the program that wrote it had worked out (None: nothing)."""

    text: str
    value: float | str | None = None


Cell = str | int | float | date | Formula | None


@dataclass
class Sheet:
    """Cells of a sheet, `above` those of the rows before the header.

    `merged` ranges and what is hidden are counted as a spreadsheet counts, from 1, both ends included.
    """

    name: str
    header: list[str]
    rows: list[list[Cell]]
    above: list[list[Cell]] = field(default_factory=list)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    is_hidden: bool = False
    empty_formatted_rows: int = 0

    def row(self, index: int) -> int:
        """Return the number that a spreadsheet shows beside `rows[index]`."""
        return len(self.above) + 2 + index

    def at(self, name: str) -> int:
        """Return the position of a column."""
        return self.header.index(name)

    def letter(self, name: str) -> str:
        """Return the letter of a column."""
        return letter(self.at(name))

    def table(self) -> list[list[Cell]]:
        """Return all rows, header included."""
        return [*self.above, list(self.header), *self.rows]


def letter(position: int) -> str:
    """Return the letter that a spreadsheet shows over a column (0 is A, 26 is AA)."""
    said = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        said = chr(ord("A") + rest) + said
    return said


@dataclass
class File:
    """A file of a delivery: `table` is what it tells, `after` changes the written bytes."""

    table: str
    stem: str
    format: Format
    sheets: list[Sheet]
    encoding: str = "utf-8"
    is_1904: bool = False
    suffix: str = ""
    after: Callable[[bytes], bytes] | None = None

    @property
    def sheet(self) -> Sheet:
        """The only sheet, or the first."""
        return self.sheets[0]

    @property
    def name(self) -> str:
        """The file's name inside the source's folder."""
        return f"{self.stem}.{self.suffix or self.format}"

    @property
    def told(self) -> str:
        """How a finding names it: a file in a zip by both."""
        return f"{self.name}/{self.stem}.csv" if self.format == "zip" else self.name


@dataclass
class Delivery:
    """The files of one delivery, by the table that each tells. Files of one table may be several."""

    files: list[File]
    mapping: str = ""

    def of(self, table: str) -> File:
        """Return the first file that tells a table."""
        return next(file for file in self.files if file.table == table)

    def copy(self) -> Delivery:
        """Return one that can be spoilt without harm to this one."""
        return copy.deepcopy(self)


@dataclass(frozen=True)
class Expected:
    """A finding that must be there: any one of `codes`, at this place. None in a place: not told, or any."""

    codes: tuple[str, ...]
    answer: Answer
    file: str | None = None
    sheet: str | None = None
    row: int | None = None
    letter: str | None = None


@dataclass
class Case:
    """A delivery to take in, what was taken in before it, and what must be found.

    `same_as` is the delivery that must store the same (None: `delivery` is refused, and `mended` is what
    the sender would send next). `may` are codes that may stand beside the expected ones.
    """

    kind: int
    seed: int
    clean: Delivery
    delivery: Delivery
    earlier: list[Delivery] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    may: set[str] = field(default_factory=set)
    same_as: Delivery | None = None
    is_untouched: bool = True
    """Whether `clean` is the seed's own delivery; False where a kind changed it too."""
