"""What a file seems to be: the header of its sheets, the tables its columns can tell, how it is spread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from riskmodel.errors import RecordsRefused, Where
from riskmodel.records.contract import TABLES, Table, table
from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.raw import format_of
from riskmodel.records.files.text_files import EncodingUnknown, delimiter_of, encoding_of, text_rows
from riskmodel.records.files.workbooks import open_workbook
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.vocabulary import plain, synonyms, usual_codes
from riskmodel.records.reading.header import SEARCHED

_SAMPLED = 2_000
_LEAST_SHARE = 0.6
_LEAST_COLUMNS = 4
"""A table beside the likeliest one needs this share of its required columns, and so many at all."""
_DAYS_OF_A_WEEK = 5


@dataclass(frozen=True)
class Top:
    """A sheet's names and the rows under them."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def column(self, name: str) -> list[str]:
        """Return the filled cells under a name."""
        at = self.names.index(name)
        cells = (row[at].strip() for row in self.rows if at < len(row))
        return [cell for cell in cells if cell]


def refused(code: str, file: Path, sheet: str | None = None, **slots: object) -> RecordsRefused:
    """Return the refusal of a file of which no mapping can be drafted."""
    findings = Findings()
    findings.refuse(code, Where(file=file.name, sheet=sheet), kind=None, **slots)
    return RecordsRefused(findings.refusals)


def known_columns() -> dict[str, set[tuple[str, str]]]:
    """Return table and canonical column by every name that is known, as names are compared."""
    told: dict[str, set[tuple[str, str]]] = {}
    for of in TABLES:
        for column in of.columns:
            for name in (column.name, *synonyms(of.name, column.name)):
                told.setdefault(plain(name), set()).add((of.name, column.name))
    return told


def tops_of(file: Path) -> Iterator[Top]:
    """Yield the sheets of a file that have a row with a known name: that row, and those under it."""
    form, name = format_of(file)
    known = known_columns()

    def count(rows: Sequence[Sequence[str]]) -> int:
        return max((len({plain(cell) for cell in row} & known.keys()) for row in rows), default=0)

    try:
        if form == "text":
            encoding = encoding_of(file)
            chunks = text_rows(file, encoding, delimiter_of(file, encoding, count))
            sheets = [[row for chunk in islice(chunks, 1) for row in chunk]]
        elif form in ("xlsx", "xls", "ods"):
            sheets = [next(sheet.chunks, []) for sheet in open_workbook(file, form)[1]]
        else:
            raise refused("file_of_other_format", file, format=name or form)
    except EncodingUnknown as unknown:
        raise refused("encodings_mixed" if unknown.mixed else "encoding_unknown", file) from None
    except WorkbookRefused as problem:
        raise refused(problem.code, file, problem.sheet, **problem.slots) from None
    for rows in sheets:
        best = max(range(min(len(rows), SEARCHED)), key=lambda at: count([rows[at]]), default=None)
        if best is not None and count([rows[best]]):
            names = tuple(cell.strip() for cell in rows[best])
            yield Top(names, rows[best + 1 : best + 1 + _SAMPLED])


def tables_of(top: Top) -> list[Table]:
    """Return the tables that the columns can tell; where none is told whole enough, the nearest."""
    scores = {}
    for of in TABLES:
        found = set(columns_of(of, top)) | set(filled_by_spread(of, top))
        required = {column.name for column in of.columns if column.required}
        if of.name == "grades":
            required -= {"status"}
        share = len(found & required) / len(required)
        scores[of.name] = ((1 + share) * len(found), share, len(found) if of.key[0] in found else 0)
    best = max(scores, key=lambda name: scores[name])
    told = used_by(table(best), top)
    more = [
        name
        for name, (_, share, hits) in scores.items()
        if share >= _LEAST_SHARE and hits >= _LEAST_COLUMNS and used_by(table(name), top) - told
    ]
    return [table(name) for name in scores if name == best or name in more]


def columns_of(of: Table, top: Top) -> dict[str, str]:
    """Return the file's name of each canonical column that is recognised."""
    known = known_columns()
    told: dict[str, str] = {}
    for name in top.names:
        for owner, canonical in known.get(plain(name), ()):
            if owner == of.name:
                told.setdefault(canonical, name)
    return told


def used_by(of: Table, top: Top) -> set[str]:
    """Return the names that a table takes of a sheet."""
    spread = set()
    if filled_by_spread(of, top):
        spread = set(subjects_of(top)) if of.name == "grades" else set(days_of(top))
    return spread | set(columns_of(of, top).values())


def subjects_of(top: Top) -> dict[str, str]:
    """Return the subject of each column that is named for one."""
    words = usual_codes(table("grades").column("subject"))
    return {name: words[plain(name)] for name in top.names if plain(name) in words}


def days_of(top: Top) -> list[str]:
    """Return the columns that are named for a day of the month."""
    return [name for name in top.names if re.fullmatch("[1-9]|[12][0-9]|3[01]", plain(name))]


def filled_by_spread(of: Table, top: Top) -> tuple[str, ...]:
    """Return the canonical columns that one column per day or subject fills; empty where there is none."""
    if of.name == "grades" and len(subjects_of(top)) > 1:
        return ("subject", "score", "full_score", "exam_date", "exam")
    if of.name == "attendance" and len(days_of(top)) >= _DAYS_OF_A_WEEK:
        return ("start_date", "end_date", "days_absent")
    return ()
