"""A draft of a mapping file: what a file's columns, codes and dates seem to be, for a person to correct.

Nothing is taken in. What cannot be told is left as a question in the draft, and each table says how many of
the file's rows are understood as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from riskmodel.records.contract import Column, Table, table
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.mapping.source_mapping import SourceMapping
from riskmodel.records.mapping.vocabulary import TOTAL_WORDS, plain, usual_codes
from riskmodel.records.reading.cells import read_cells
from riskmodel.records.suggesting.recognising import (
    Top,
    columns_of,
    days_of,
    filled_by_spread,
    known_columns,
    refused,
    subjects_of,
    tables_of,
    tops_of,
    used_by,
)
from riskmodel.records.values.cell_checks import check_cells
from riskmodel.yaml_text import parse_yaml

_FEW = 30
"""A column with more different words than this is no list of codes."""
_FULL_MARKS = (100, 120, 150)
_ANY_EXAM = {"exam": "midterm", "exam_date": "2000-01-01"}
"""Stands where the draft leaves a question, so that the rest can be tried."""
_SLASHED = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.][0-9]{4}")


@dataclass(frozen=True)
class Suggestion:
    """A drafted mapping file, and the share of rows (0 to 1) that each of its tables understands."""

    text: str
    understood: Mapping[str, float]


def suggest_mapping(file: Path) -> Suggestion:
    """Draft the mapping of one file.

    Raises
    ------
    RecordsRefused
        If the file cannot be read, or no name in it is known.
    """
    tops = list(tops_of(file))
    if not tops:
        raise refused("header_unknown", file)
    top = max(tops, key=lambda each: len(set(map(plain, each.names)) & known_columns().keys()))
    drafts = {of.name: _draft(of, top, file) for of in tables_of(top)}
    understood = {name: _share_understood(name, draft, file) for name, draft in drafts.items()}
    lines = ["config_version: 1", "", "tables:"]
    for name, draft in drafts.items():
        lines += [f"  # {understood[name]:.1%} of the rows are understood as it stands", *draft]
    used = {name for of in map(table, drafts) for name in used_by(of, top)}
    unknown = [name for name in top.names if name and name not in used]
    if unknown:
        lines += ["", f"# not recognised, and not stored: {', '.join(unknown)}"]
    return Suggestion("\n".join([*lines, ""]), understood)


def _draft(of: Table, top: Top, file: Path) -> list[str]:
    columns = columns_of(of, top)
    spread = filled_by_spread(of, top)
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


def _codes(of: Table, columns: Mapping[str, str], top: Top) -> list[str]:
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


def _dates(of: Table, columns: Mapping[str, str], top: Top) -> list[str]:
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


def _spread_marks(top: Top) -> list[str]:
    lines = [
        '    constants: {exam: "", exam_date: ""}   # ? midterm or final, and the day',
        "    wide:",
        "      value: score",
        "      columns:",
    ]
    for name, subject in subjects_of(top).items():
        numbers = [float(cell) for cell in top.column(name) if re.fullmatch(r"[0-9]+([.][0-9]+)?", cell)]
        most = max(numbers, default=0.0)
        full = next((mark for mark in _FULL_MARKS if most <= mark), _FULL_MARKS[-1])
        told = f'{{subject: {subject}, full_score: "{full}"}}   # ? highest here: {most:g}'
        lines.append(f"        {_quoted(name)}: {told}")
    return lines


def _spread_days(top: Top) -> list[str]:
    signs = sorted({cell for name in days_of(top) for cell in top.column(name)})[:_FEW]
    usual = {"√": "null", "✓": "null", "/": "null"}
    lines = ["    wide:", "      days_into: [start_date, end_date]", "      marks:"]
    for sign in signs:
        meant = usual.get(sign, '{days_absent: "1"}   # ? and days_unexcused, times_late')
        lines.append(f"        {_quoted(sign)}: {meant}")
    return lines


def _share_understood(name: str, draft: Sequence[str], file: Path) -> float:
    """Return the share of the file's rows in which no cell of the table is refused."""
    told = parse_yaml("\n".join(["config_version: 1", "tables:", *draft]))
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
        empty = [c.name for c in table(name).columns if c.required and not c.may_be_empty]
        lacking = " OR ".join(f'"empty {column}"' for column in empty)
        sound, rows = connection.execute(
            f"""SELECT count(*) FILTER (is_faulty IS NOT true AND NOT ({lacking})), count(*)
                FROM told LEFT JOIN said
                ON told."row" = said."row" AND told.sheet IS NOT DISTINCT FROM said.sheet
                   AND told."at" IS NOT DISTINCT FROM said."at" """
        ).fetchall()[0]
    return float(sound) / rows if rows else 0.0


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
