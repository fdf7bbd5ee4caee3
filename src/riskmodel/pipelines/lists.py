"""A list that people filled in (CSV, Excel, ODS), read as any table of the records is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from riskmodel.records.findings import Findings
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.reading.cells import read_cells
from riskmodel.records.values.cell_checks import check_cells


def read_list(asked: Telling) -> tuple[Telling, Sequence[Mapping[str, Any]]]:
    """Return a list as it was understood, and its rows: values by column, `sheet` and `row` beside them.

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
        told = connection.execute('SELECT * FROM told ORDER BY sheet, "row"')
        names = [column[0] for column in told.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    return telling or asked, rows
