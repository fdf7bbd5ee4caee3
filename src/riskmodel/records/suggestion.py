"""A draft of a mapping file: what a file's columns, codes and dates seem to be, for a person to correct.

Nothing is taken in. What cannot be told is left as a question in the draft, and each table says how many of
the file's rows are understood as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import duckdb
import yaml

from riskmodel.errors import RecordsRefused, Where
from riskmodel.records.checks import check_cells
from riskmodel.records.contract import TABLES, Column, Table, table
from riskmodel.records.findings import Findings
from riskmodel.records.header import SEARCHED
from riskmodel.records.mapping import SourceMapping
from riskmodel.records.raw import format_of
from riskmodel.records.readers import read_cells
from riskmodel.records.store import duckdb_settings
from riskmodel.records.text_files import EncodingUnknown, delimiter_of, encoding_of, text_rows
from riskmodel.records.values import TOTAL_WORDS
from riskmodel.records.vocabulary import plain, synonyms, usual_codes
from riskmodel.records.workbook_scan import WorkbookRefused
from riskmodel.records.workbooks import open_workbook

_SAMPLED = 2_000
_FEW = 30
"""A column with more different words than this is no list of codes."""
_LEAST_SHARE = 0.6
_LEAST_COLUMNS = 4
"""A table beside the likeliest one needs this share of its required columns, and so many at all."""
_DAYS_OF_A_WEEK = 5
_FULL_MARKS = (100, 120, 150)
_ANY_EXAM = {"exam": "midterm", "exam_date": "2000-01-01"}
"""Stands where the draft leaves a question, so that the rest can be tried."""
_SLASHED = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.][0-9]{4}")


@dataclass(frozen=True)
class Suggestion:
    """A drafted mapping file, and the share of rows (0 to 1) that each of its tables understands."""

    text: str
    understood: Mapping[str, float]


@dataclass(frozen=True)
class _Top:
    """A sheet's names and the rows under them."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def column(self, name: str) -> list[str]:
        at = self.names.index(name)
        cells = (row[at].strip() for row in self.rows if at < len(row))
        return [cell for cell in cells if cell]


def suggest_mapping(file: Path) -> Suggestion:
    """Draft the mapping of one file.

    Raises
    ------
    RecordsRefused
        If the file cannot be read, or no name in it is known.
    """
    tops = list(_tops(file))
    if not tops:
        raise _refused("header_unknown", file)
    top = max(tops, key=lambda each: len(set(map(plain, each.names)) & _known().keys()))
    drafts = {of.name: _draft(of, top, file) for of in _tables_of(top)}
    understood = {name: _share_understood(name, draft, file) for name, draft in drafts.items()}
    lines = ["config_version: 1", "", "tables:"]
    for name, draft in drafts.items():
        lines += [f"  # {understood[name]:.1%} of the rows are understood as it stands", *draft]
    used = {name for of in map(table, drafts) for name in _used_by(of, top)}
    unknown = [name for name in top.names if name and name not in used]
    if unknown:
        lines += ["", f"# not recognised, and not stored: {', '.join(unknown)}"]
    return Suggestion("\n".join([*lines, ""]), understood)


def _refused(code: str, file: Path, sheet: str | None = None, **slots: object) -> RecordsRefused:
    findings = Findings()
    findings.refuse(code, Where(file=file.name, sheet=sheet), kind=None, **slots)
    return RecordsRefused(findings.refusals)


def _known() -> dict[str, set[tuple[str, str]]]:
    """Return table and canonical column by every name that is known, as names are compared."""
    told: dict[str, set[tuple[str, str]]] = {}
    for of in TABLES:
        for column in of.columns:
            for name in (column.name, *synonyms(of.name, column.name)):
                told.setdefault(plain(name), set()).add((of.name, column.name))
    return told


def _tops(file: Path) -> Iterator[_Top]:
    form, name = format_of(file)
    known = _known()

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
            raise _refused("file_of_other_format", file, format=name or form)
    except EncodingUnknown as unknown:
        raise _refused("encodings_mixed" if unknown.mixed else "encoding_unknown", file) from None
    except WorkbookRefused as refused:
        raise _refused(refused.code, file, refused.sheet, **refused.slots) from None
    for rows in sheets:
        best = max(range(min(len(rows), SEARCHED)), key=lambda at: count([rows[at]]), default=None)
        if best is not None and count([rows[best]]):
            names = tuple(cell.strip() for cell in rows[best])
            yield _Top(names, rows[best + 1 : best + 1 + _SAMPLED])


def _tables_of(top: _Top) -> list[Table]:
    """Return the tables that the columns can tell; where none is told whole enough, the nearest."""
    scores = {}
    for of in TABLES:
        found = set(_columns_of(of, top)) | set(_filled_by_spread(of, top))
        required = {column.name for column in of.columns if column.required}
        if of.name == "grades":
            required -= {"status"}
        share = len(found & required) / len(required)
        scores[of.name] = ((1 + share) * len(found), share, len(found) if of.key[0] in found else 0)
    best = max(scores, key=lambda name: scores[name])
    told = _used_by(table(best), top)
    more = [
        name
        for name, (_, share, hits) in scores.items()
        if share >= _LEAST_SHARE and hits >= _LEAST_COLUMNS and _used_by(table(name), top) - told
    ]
    return [table(name) for name in scores if name == best or name in more]


def _columns_of(of: Table, top: _Top) -> dict[str, str]:
    """Return the file's name of each canonical column that is recognised."""
    known = _known()
    told: dict[str, str] = {}
    for name in top.names:
        for owner, canonical in known.get(plain(name), ()):
            if owner == of.name:
                told.setdefault(canonical, name)
    return told


def _used_by(of: Table, top: _Top) -> set[str]:
    spread = set()
    if _filled_by_spread(of, top):
        spread = set(_subjects(top)) if of.name == "grades" else set(_days(top))
    return spread | set(_columns_of(of, top).values())


def _subjects(top: _Top) -> dict[str, str]:
    words = usual_codes(table("grades").column("subject"))
    return {name: words[plain(name)] for name in top.names if plain(name) in words}


def _days(top: _Top) -> list[str]:
    return [name for name in top.names if re.fullmatch("[1-9]|[12][0-9]|3[01]", plain(name))]


def _filled_by_spread(of: Table, top: _Top) -> tuple[str, ...]:
    if of.name == "grades" and len(_subjects(top)) > 1:
        return ("subject", "score", "full_score", "exam_date", "exam")
    if of.name == "attendance" and len(_days(top)) >= _DAYS_OF_A_WEEK:
        return ("start_date", "end_date", "days_absent")
    return ()


def _draft(of: Table, top: _Top, file: Path) -> list[str]:
    columns = _columns_of(of, top)
    spread = _filled_by_spread(of, top)
    columns = {canonical: name for canonical, name in columns.items() if canonical not in spread}
    lines = [f"  {of.name}:", f"    file: {_quoted(file.name)}", "    columns:"]
    lines += [f"      {canonical}: {_quoted(name)}" for canonical, name in columns.items()]
    for column in of.columns:
        if column.name in columns or column.name in spread or column.name == "status":
            continue
        if column.required:
            lines.append(f"      # {column.name}: ?   # required: its column, or its value under constants")
    lines += _codes(of, columns, top) + _dates(of, columns, top)
    if spread:
        lines += _spread_marks(top) if of.name == "grades" else _spread_days(top)
    return lines


def _codes(of: Table, columns: Mapping[str, str], top: _Top) -> list[str]:
    lines = []
    for canonical, name in columns.items():
        column = of.column(canonical)
        words = sorted(set(top.column(name)) - set(TOTAL_WORDS))
        if column.kind not in ("code", "boolean") or len(words) > _FEW:
            continue
        lines.append(f"      {canonical}:")
        for word in words:
            code = _code_of(column, word)
            told = _quoted(code) if code else f'""   # ? one of {", ".join(column.codes) or "true, false"}'
            lines.append(f"        {_quoted(word)}: {told}")
    return ["    codes:", *lines] if lines else []


def _code_of(column: Column, word: str) -> str | None:
    if word in column.codes or (column.kind == "boolean" and word.lower() in ("true", "false")):
        return word
    return usual_codes(column).get(word.lower())


def _dates(of: Table, columns: Mapping[str, str], top: _Top) -> list[str]:
    """Say in which order day and month stand, where a day after the 12th shows it."""
    lines = []
    for canonical, name in columns.items():
        if of.column(canonical).kind != "date":
            continue
        slashed = [match for cell in top.column(name) if (match := _SLASHED.fullmatch(cell))]
        if not slashed:
            continue
        sign = re.search("[-/.]", slashed[0][0])
        between = sign[0] if sign else "/"
        if any(int(match[1]) > 12 for match in slashed):
            lines.append(f"      {canonical}: {_quoted(between.join(('%d', '%m', '%Y')))}")
        elif any(int(match[2]) > 12 for match in slashed):
            lines.append(f"      {canonical}: {_quoted(between.join(('%m', '%d', '%Y')))}")
        else:
            lines.append(f"      # {canonical}: ?   # day and month look alike: %d/%m/%Y or %m/%d/%Y")
    return ["    dates:", *lines] if lines else []


def _spread_marks(top: _Top) -> list[str]:
    lines = [
        '    constants: {exam: "", exam_date: ""}   # ? midterm or final, and the day',
        "    wide:",
        "      value: score",
        "      columns:",
    ]
    for name, subject in _subjects(top).items():
        numbers = [float(cell) for cell in top.column(name) if re.fullmatch(r"[0-9]+([.][0-9]+)?", cell)]
        most = max(numbers, default=0.0)
        full = next((mark for mark in _FULL_MARKS if most <= mark), _FULL_MARKS[-1])
        told = f'{{subject: {subject}, full_score: "{full}"}}   # ? highest here: {most:g}'
        lines.append(f"        {_quoted(name)}: {told}")
    return lines


def _spread_days(top: _Top) -> list[str]:
    signs = sorted({cell for name in _days(top) for cell in top.column(name)})[:_FEW]
    usual = {"√": "null", "✓": "null", "/": "null"}
    lines = ["    wide:", "      days_into: [start_date, end_date]", "      marks:"]
    for sign in signs:
        meant = usual.get(sign, '{days_absent: "1"}   # ? and days_unexcused, times_late')
        lines.append(f"        {_quoted(sign)}: {meant}")
    return lines


def _share_understood(name: str, draft: Sequence[str], file: Path) -> float:
    """Return the share of the file's rows in which no cell of the table is refused."""
    told = yaml.safe_load("\n".join(["config_version: 1", "tables:", *draft]))
    mapped = told["tables"][name]
    for part in ("columns", "constants", "codes"):
        if not mapped.get(part):
            mapped.pop(part, None)
    for column, value in mapped.get("constants", {}).items():
        mapped["constants"][column] = value or _ANY_EXAM[column]
    mapping = SourceMapping.model_validate(told)
    telling = mapping.tables[name].telling("", name, dates=None, decimal_comma=False)
    telling = replace(telling, file=file.name, path=file)
    with duckdb.connect(config=duckdb_settings()) as connection:
        findings = Findings()
        read = read_cells(connection, telling, findings)
        if read is None:
            return 0.0
        check_cells(connection, read, findings)
        faults = " OR ".join(f'"fault {column.name}" IS NOT NULL' for column in table(name).columns)
        empty = [c.name for c in table(name).columns if c.required and not c.may_be_empty]
        lacking = " OR ".join(f'"cell {column}" IS NULL' for column in empty)
        sound, rows = connection.execute(
            f"SELECT count(*) FILTER (NOT ({faults} OR {lacking})), count(*) FROM told"
        ).fetchall()[0]
    return float(sound) / rows if rows else 0.0


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
