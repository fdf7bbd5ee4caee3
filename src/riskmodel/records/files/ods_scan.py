"""A look through an ODS before it is opened: cells and rows that are repeated count as often as they are."""

from __future__ import annotations

import zipfile
from pathlib import Path

from riskmodel.records.files.packages import (
    MOST_COLUMNS,
    MOST_ERRORS,
    SheetFacts,
    WorkbookFacts,
    WorkbookRefused,
    check_package,
    check_size,
    count_of,
    mark_error,
    parse_member,
)


def scan_ods(path: Path) -> WorkbookFacts:
    """Look through an ODS: cells and rows that are repeated count as often as they are.

    Raises
    ------
    WorkbookRefused
        If it is damaged, a bomb, or larger than what is read here.
    """
    names = {member.filename for member in check_package(path)}
    facts = WorkbookFacts(has_macros=any(name.startswith("Basic/") for name in names))
    look = _OdsLook(facts)
    with zipfile.ZipFile(path) as package:
        if "content.xml" not in names:
            raise WorkbookRefused("zip_damaged")
        parse_member(package, "content.xml", look.start)
    return facts


class _OdsLook:
    def __init__(self, facts: WorkbookFacts) -> None:
        self._facts = facts
        self._name = ""
        self._sheet = SheetFacts()
        self._row = 0
        self._rows = 1
        self._column = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table":
            self._name, self._sheet, self._row, self._rows = (
                attributes.get("table:name", ""),
                SheetFacts(),
                0,
                0,
            )
            self._facts.sheets[self._name] = self._sheet
        elif name == "table-row":
            self._row += self._rows
            self._rows = count_of(attributes.get("table:number-rows-repeated"))
            self._column = 0
            if attributes.get("table:visibility") in ("collapse", "filter"):
                self._sheet.hidden_rows += self._rows
        elif name == "table-column" and attributes.get("table:visibility") in ("collapse", "filter"):
            self._sheet.hidden_columns += count_of(attributes.get("table:number-columns-repeated"))
        elif name == "tab":
            self._facts.has_tabs = True
        elif name in ("table-cell", "covered-table-cell"):
            repeated = count_of(attributes.get("table:number-columns-repeated"))
            if attributes.get("office:value-type"):
                self._sheet.last_row = max(self._sheet.last_row, self._row + self._rows)
                self._sheet.last_column = max(self._sheet.last_column, self._column + repeated)
                if attributes.get("calcext:value-type") == "error":
                    mark_error(self._sheet, self._row + 1, self._column + 1, "#ERROR")
                self._note_merged(attributes)
                check_size(self._sheet, self._name)
            self._column += repeated

    def _note_merged(self, attributes: dict[str, str]) -> None:
        """Keep the range of a cell that spans others, as far as a sheet that is read here can reach."""
        rows = count_of(attributes.get("table:number-rows-spanned"))
        columns = count_of(attributes.get("table:number-columns-spanned"))
        if (rows > 1 or columns > 1) and len(self._sheet.merged) < MOST_ERRORS:
            first_row, first_column = self._row + 1, self._column + 1
            last = (first_row + rows - 1, min(first_column + columns - 1, MOST_COLUMNS))
            self._sheet.merged.append((first_row, first_column, *last))
