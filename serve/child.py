"""The child process that makes PDFs and workbooks, asked by `serve.making` over pipes.

Typesetting holds the interpreter for long and needs much memory, and what crashes in it ends this process
only. A task is one line of JSON; the answer is one line (`{"bytes": n}` or `{"error": code}`) and n bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any

from riskmodel.errors import RiskmodelError


def pdf(task: Mapping[str, Any]) -> bytes:
    """Set what is printed: a sheet, or a booklet."""
    from riskmodel.sheets.render import Printed, to_pdf

    return to_pdf(Printed(**task["printed"]))


def workbook(task: Mapping[str, Any]) -> bytes:
    """Make a workbook: every cell of text is text, whatever it begins with."""
    from riskmodel.sheets.workbooks import plain_workbook

    made = BytesIO()
    # The same list is the same file to the byte, so that a client need not fetch it again.
    with plain_workbook(made, made_at=datetime.fromisoformat(task["made_at"])) as book:
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
        as_text = book.add_format({"num_format": "@"})
        for table in task["tables"]:
            sheet = book.add_worksheet(table["name"])
            sheet.set_landscape()
            sheet.set_paper(9)  # A4
            sheet.fit_to_pages(1, 0)
            sheet.freeze_panes(1, 0)
            sheet.repeat_rows(0)
            for column, (title, width) in enumerate(zip(table["head"], table["widths"], strict=True)):
                sheet.set_column(column, column, width, as_text if table["narrow"] else wrapped)
                sheet.write_string(0, column, title, bold)
            for row, cells in enumerate(table["rows"], start=1):
                for column, cell in enumerate(cells):
                    if isinstance(cell, int):
                        sheet.write_number(row, column, cell)
                    else:
                        sheet.write_string(row, column, cell, as_text if table["narrow"] else wrapped)
    return made.getvalue()


def report_pdf(task: Mapping[str, Any]) -> bytes:
    """Make a periodic report as PDF."""
    from riskmodel.reports.render import to_pdf

    return to_pdf(task["page"])


def report_workbook(task: Mapping[str, Any]) -> bytes:
    """Make a periodic report as a workbook."""
    from riskmodel.reports.render import to_workbook

    return to_workbook(task["page"], datetime.fromisoformat(task["made_at"]))


def ledgers(task: Mapping[str, Any]) -> bytes:
    """Make the workbook of the ledgers."""
    from riskmodel.sheets.ledger_file import ledger_workbook

    return ledger_workbook(task)


TASKS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    "pdf": pdf, "workbook": workbook, "report_pdf": report_pdf, "report_workbook": report_workbook,
    "ledger_workbook": ledgers,
}  # fmt: skip


def main() -> None:
    """Make what is asked for until the pipe is closed."""
    answers = sys.stdout.buffer
    for line in sys.stdin.buffer:
        task = json.loads(line)
        try:
            made, said = TASKS[task["make"]](task), {}
        except RiskmodelError as problem:
            made, said = b"", {"error": problem.code}
        answers.write(json.dumps({"bytes": len(made), **said}).encode() + b"\n" + made)
        answers.flush()


if __name__ == "__main__":
    main()
