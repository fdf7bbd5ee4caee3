"""The data rows under a header: totals, signatures and broken rows left out, cells filled down or spread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from riskmodel.errors import Where
from riskmodel.records.files.workbooks import Sheet
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import BLANKS
from riskmodel.records.reading.header import Header, letter_of

_TOTAL = re.compile(
    r"(合计|总计|小计|共计|累计|平均|平均分|均分|最高分|最低分|及格率|优秀率|总人数|total|subtotal|sum|average|mean)"
    r"\s*[:：]?",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"(注|备注|说明|制表|制表人|填表|填表人|填报人|审核|审核人|负责人|校长|班主任|签名|签字|盖章|单位盖章|制表日期"
    r"|填表日期|打印时间|导出时间|note|notes|prepared by|checked by|signed)\s*[:：]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Grid:
    """Rows of text, numbered from 1: a text file, or a sheet of a workbook."""

    name: str | None
    chunks: Iterator[list[list[str]]]
    is_ragged: bool = False
    sheet: Sheet | None = None


class SheetRows:
    """The data rows of one sheet: what is under the header, less totals, signatures and broken rows."""

    def __init__(
        self,
        telling: Telling,
        grid: Grid,
        header: Header,
        chosen: Mapping[str, int],
        findings: Findings,
        *,
        spread: Mapping[int, Mapping[str, str]],
    ) -> None:
        self._spread = spread
        self._names = header.names
        self._telling = telling
        self._grid = grid
        self._chosen = chosen
        self._width = len(header.names)
        self._findings = findings
        self._row = header.row
        self._header_row = header.row
        keys = [name for name in telling.table.key if name in chosen]
        self._key = chosen[keys[0]] if keys else min(chosen.values(), default=0)
        self._footers: list[int] = []
        self._repeated: list[int] = []
        self._above: dict[str, str | None] = {}
        self._filled: dict[str, list[int]] = {}
        self._told: set[tuple[str | None, ...]] = set()

    def batch(self, chunk: Sequence[Sequence[str]]) -> pa.RecordBatch:
        """Return the chosen cells of some rows, with the number of each row."""
        numbered = dict(enumerate(chunk, start=self._row + 1))
        self._row += len(chunk)
        if self._grid.is_ragged:
            self._drop_ragged(numbered)
        for number in [n for n, cells in numbered.items() if self._is_footer(cells)]:
            self._footers.append(number)
            del numbered[number]
        heading = self._names[self._key]
        for number in [n for n, cells in numbered.items() if cells[self._key].strip(BLANKS) == heading]:
            if tuple(cell.strip() for cell in numbered[number]) == self._names:
                self._repeated.append(number)
                del numbered[number]
        numbers = list(numbered)
        positions: list[int | None] = [None] * len(numbered)
        by_column = list(zip(*numbered.values(), strict=True))
        columns: dict[str, Sequence[str | None]] = {
            name: by_column[at] if by_column else () for name, at in self._chosen.items()
        }
        for name in self._telling.fill_down:
            if name in columns:
                columns[name] = self._fill_down(name, columns[name], numbers)
        if self._telling.wide is not None:
            columns, numbers, positions = self._unspread(columns, numbered)
        arrays = [pa.array(cells, pa.string()) for cells in columns.values()]
        sheet = pa.array([self._grid.name] * len(numbers), pa.string())
        places = (pa.array(told, pa.int64()) for told in (numbers, positions))
        return pa.record_batch([*arrays, sheet, *places], names=[*columns, "sheet", "row", "at"])

    def report(self) -> None:
        """Say what was left out and filled, and which cells are merged that may not be."""
        telling, grid = self._telling, self._grid
        if self._footers:
            where = telling.where(sheet=grid.name, row=self._footers[0])
            self._findings.mended("total_rows_dropped", where, count=len(self._footers))
        if self._repeated:
            where = telling.where(sheet=grid.name, row=self._repeated[0])
            self._findings.mended("header_repeated", where, count=len(self._repeated))
        for name, filled in self._filled.items():
            place = self._place(self._chosen[name], row=filled[0])
            self._findings.mended("cells_filled_down", place, count=len(filled))
        if grid.sheet is None:
            return
        if hidden := grid.sheet.facts.hidden_rows:
            self._findings.review("rows_hidden", telling.where(sheet=grid.name), count=hidden, rows=hidden)
        if hidden := grid.sheet.facts.hidden_columns:
            self._findings.review(
                "columns_hidden", telling.where(sheet=grid.name), count=hidden, columns=hidden
            )
        by_position = {at + 1: name for name, at in self._chosen.items()}
        for first_row, first_column, last_row, last_column in grid.sheet.merged:
            touched = {by_position[at] for at in range(first_column, last_column + 1) if at in by_position}
            if first_row <= self._header_row or first_row in self._footers or not touched:
                continue
            if touched <= set(telling.fill_down) and first_column == last_column:
                continue
            place = self._place(first_column - 1, row=first_row)
            cells = f"{letter_of(first_column - 1)}{first_row}:{letter_of(last_column - 1)}{last_row}"
            self._findings.refuse("cells_merged", place, cells=cells)

    def _place(self, at: int, *, row: int) -> Where:
        canonical = next((name for name, position in self._chosen.items() if position == at), None)
        where = self._telling.where(sheet=self._grid.name, row=row, column=canonical)
        return replace(where, letter=letter_of(at))

    def _drop_ragged(self, numbered: dict[int, Sequence[str]]) -> None:
        """Refuse rows with more or fewer cells than the header; nothing is shifted."""
        for number in [n for n, cells in numbered.items() if len(cells) != self._width]:
            cells = numbered.pop(number)
            if not cells:  # an empty line is no row
                continue
            if self._is_footer(cells):
                self._footers.append(number)
                continue
            code = "row_too_long" if len(cells) > self._width else "row_too_short"
            where = self._telling.where(sheet=self._grid.name, row=number)
            self._findings.refuse(code, where, cells=len(cells), expected=self._width)

    def _is_footer(self, cells: Sequence[str]) -> bool:
        """Tell a row of totals or a signature: no key, and a word that says so.

        A row of which more than half of what is read is filled is a child's with a remark, and no signature.
        """
        key = cells[self._key].strip(BLANKS) if self._key < len(cells) else ""
        if key and not _TOTAL.fullmatch(key) and not _SIGNATURE.match(key):
            return False
        told = [cell.strip(BLANKS) for cell in cells]
        if any(map(_TOTAL.fullmatch, told)):
            return True
        read = [told[at] for at in self._chosen.values() if at < len(told)]
        filled = sum(bool(cell) and not _SIGNATURE.match(cell) for cell in read)
        return any(map(_SIGNATURE.match, told)) and 2 * filled <= len(self._chosen)

    def _unspread(
        self, columns: Mapping[str, Sequence[str | None]], numbered: Mapping[int, Sequence[str]]
    ) -> tuple[dict[str, Sequence[str | None]], list[int], list[int | None]]:
        """Return a row for each filled cell of the spread columns, with its number and position."""
        wide = self._telling.wide
        assert wide is not None  # noqa: S101  the caller's condition
        told: dict[str, list[str | None]] = {name: [] for name in (*columns, *wide.filled)}
        numbers: list[int] = []
        positions: list[int | None] = []
        for index, (number, cells) in enumerate(numbered.items()):
            for at, given in self._spread.items():
                cell = cells[at].strip(BLANKS)
                meant = wide.marks.get(cell, {}) if cell else None
                if meant is None:
                    continue
                if wide.marks and cell not in wide.marks:
                    place = replace(self._place(at, row=number), column=self._names[at])
                    self._findings.refuse("mark_unknown", place, allowed=" ".join(wide.marks))
                    continue
                row = {**given, **meant}
                if wide.value:
                    row.setdefault(wide.value, cell)
                # That a day was reported is said by the whole class, and counts once.
                if not self._telling.table.per_student:
                    says = (*row.values(), *(of[index] for of in columns.values()))
                    if says in self._told:
                        continue
                    self._told.add(says)
                for name in wide.filled:
                    told[name].append(row.get(name))
                for name, of in columns.items():
                    told[name].append(of[index])
                numbers.append(number)
                positions.append(at)
        return dict(told), numbers, positions

    def _fill_down(self, name: str, cells: Sequence[str | None], rows: Sequence[int]) -> list[str | None]:
        filled: list[str | None] = []
        for row, cell in zip(rows, cells, strict=True):
            if cell and cell.strip(BLANKS):
                self._above[name] = cell
            elif name in self._above:
                self._filled.setdefault(name, []).append(row)
            filled.append(self._above.get(name, cell))
        return filled
