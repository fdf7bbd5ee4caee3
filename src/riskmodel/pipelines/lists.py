"""Lists for people: one that they filled in (CSV, Excel, ODS) is read as any table is, and one is written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.pipelines.run import Run
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.reading.cells import read_cells
from riskmodel.records.values.cell_checks import check_cells
from riskmodel.wording import LANGUAGES


def read_list(run: Run, asked: Telling) -> tuple[Telling, Sequence[Mapping[str, Any]]]:
    """Return a list as it was understood, and its rows: values by column, `sheet` and `row` beside them.

    What wants a look is said, as of a delivery: a telephone number in a column of words is not kept.

    Raises
    ------
    RecordsRefused
        With file, sheet, row and column of everything that cannot be read.
    """
    findings = Findings()
    with duckdb.connect(config=duckdb_settings()) as connection:
        telling = read_cells(connection, asked, findings)
        if telling is not None:
            check_cells(connection, telling, findings)
        findings.raise_if_refused()
        for language in LANGUAGES:
            for note in findings.notes:
                if note.severity == "review":
                    run.say("finding", language=language, finding=note.text(language))
        told = connection.execute('SELECT * FROM told ORDER BY sheet, "row"')
        names = [column[0] for column in told.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    return telling or asked, rows


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a cell for a formula by."""


def write_list(file: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write rows for a spreadsheet: the mark of UTF-8 in front, what begins like a formula quoted."""
    with whole_file(file) as beside, beside.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        writer.writerows([_plain(cell) for cell in row] for row in rows)
    return file


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
