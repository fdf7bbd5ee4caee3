"""The ledgers' workbook as it is printed: no text runs out of its row."""

from __future__ import annotations

import io
import re
import zipfile

from riskmodel.sheets.ledger_file import ledger_workbook


def heights(*rows: list[object]) -> list[float]:
    table = {"name": "台账", "title": "台账", "said": "", "head": ["序号", "原因"], "widths": [5, 14],
             "rows": [[number, *row] for number, row in enumerate(rows, start=1)]}  # fmt: skip
    made = ledger_workbook({"made_at": "2026-11-28", "tables": [table], "notice": "内部资料"})
    with zipfile.ZipFile(io.BytesIO(made)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    found = dict(re.findall(r'<row r="(\d+)"[^>]* ht="([\d.]+)"', sheet))
    return [float(found.get(str(number), 15)) for number in range(4, 4 + len(rows))]


def test_a_row_is_as_high_as_its_longest_cell_asks() -> None:
    reasons = "外出务工；学习困难或不愿学习；上学路远"
    one, two, three, words = heights(["外出务工"], [reasons[5:14]], [reasons], ["work elsewhere; learning"])
    assert one < two < three
    assert three == words == one + 2 * (two - one)
