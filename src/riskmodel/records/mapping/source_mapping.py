"""Mapping files: how a source's own files, columns, codes and date formats say what the contract names.

One YAML file per source. A table is told either by files (a glob; columns, codes, date formats and
constants by name) or by a query, one SELECT over the raw files. A folder whose files are named as the tables
needs none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field, model_validator

from riskmodel.errors import Where
from riskmodel.records.contract import TABLES, table
from riskmodel.records.files.raw import RawFile
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import plain
from riskmodel.records.mapping.wide import Wide
from riskmodel.settings_files import read_settings

_Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_UNITS = {"metres": 0.001, "li": 0.5, "fen": 0.01, "wan_yuan": 10_000.0, "half_days": 0.5}
"""What a number in a unit is multiplied by to be in the contract's (kilometres, yuan, days)."""


class WideMapping(_Strict):
    """A sheet with one column per day or subject: each filled cell is a row.

    `value` is the canonical column that a cell fills, `columns` says by header what a spread column gives
    (such as `语文: {subject: chinese, full_score: "120"}`), `days_into` names the canonical columns that
    the day in a header fills, and `marks` says what stands for what (`null`: no row).
    """

    value: str | None = None
    columns: dict[str, dict[str, str]] = Field(default_factory=dict)
    days_into: tuple[str, ...] = ()
    marks: dict[str, dict[str, str] | None] = Field(default_factory=dict)


class TableMapping(_Strict):
    """How one table of the contract is told.

    Attributes
    ----------
    file, sheet
        A pattern of the files' names (of a database: the table's), and of the sheets'.
    query
        A SELECT over the raw files (or in the database), where the shape differs.
    columns
        Per canonical column the source's name of it, or several that it may have.
    codes
        Per canonical column the canonical code by the source's word.
    dates
        Per canonical column a strptime format, where it is not the source's own.
    constants
        Per canonical column one value for all rows.
    missing
        Per canonical column the words that say that nothing is known.
    units, hours_a_day
        Per canonical column the unit of its numbers (`metres`, `li`, `fen`, `wan_yuan`, `half_days`,
        `hours`), and how many hours a school day has.
    fill_down
        Columns in which an empty cell says what the one above it says.
    wide
        One column per day or subject.
    """

    file: str | None = None
    sheet: str = ""
    query: str | None = None
    columns: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    dates: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    units: dict[str, Literal["metres", "li", "fen", "wan_yuan", "half_days", "hours"]] = Field(
        default_factory=dict
    )
    hours_a_day: float | None = Field(default=None, gt=0, le=24)
    fill_down: tuple[str, ...] = ()
    wide: WideMapping | None = None

    def named(self) -> set[str]:
        """Return all canonical columns that are named."""
        parts = (
            self.columns,
            self.codes,
            self.dates,
            self.constants,
            self.missing,
            self.units,
            self.fill_down,
        )
        told = {column for part in parts for column in part}
        return told | set(self._wide().filled if self.wide else ())

    def telling(self, source: str, name: str, *, dates: str | None, decimal_comma: bool) -> Telling:
        """Return how a file or the query tells the table of that name."""
        columns = table(name).columns
        of_source = {c.name: dates for c in columns if c.kind == "date"} if dates else {}
        return Telling(
            source,
            table(name),
            f"{name} (query)",
            query=self.query or "",
            columns={to: (of,) if isinstance(of, str) else of for to, of in self.columns.items()},
            codes=self.codes,
            dates=of_source | self.dates,
            constants=self.constants,
            missing=self.missing,
            factors={column: self._factor(unit) for column, unit in self.units.items()},
            decimal_comma=decimal_comma,
            fill_down=self.fill_down,
            sheets=self.sheet,
            wide=self._wide() if self.wide else None,
            is_mapped=True,
        )

    def _factor(self, unit: str) -> float:
        return 1 / self.hours_a_day if unit == "hours" and self.hours_a_day else _UNITS[unit]

    def _wide(self) -> Wide:
        wide = self.wide or WideMapping()
        return Wide(wide.value, wide.columns, wide.days_into, wide.marks)

    @model_validator(mode="after")
    def _one_way(self) -> TableMapping:
        if (self.file is None) == (self.query is None):
            raise ValueError("give either file or query")
        if "hours" in self.units.values() and self.hours_a_day is None:
            raise ValueError("say hours_a_day where a unit is hours")
        return self


class SourceMapping(_Strict):
    """A mapping file.

    `dates` is a strptime format in which all dates of the source are written (without it the year must
    come first), `decimal_comma` says that numbers have a decimal comma. `files` names the raw files that
    queries read (`a.parquet|a.csv`: the first that is there), `views` SELECTs that several queries share.
    """

    config_version: Literal[1]
    dates: str | None = None
    decimal_comma: bool = False
    files: dict[_Name, str] = Field(default_factory=dict)
    views: dict[_Name, str] = Field(default_factory=dict)
    tables: dict[str, TableMapping] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_names(self) -> SourceMapping:
        for name, mapped in self.tables.items():
            known = {column.name for each in TABLES if each.name == name for column in each.columns}
            if not known:
                raise ValueError(f"tables.{name}: the contract has no such table")
            for column in sorted(mapped.named()):
                if column not in known:
                    raise ValueError(f"tables.{name}: the contract has no column {column}")
        for path, query in self.queries().items():
            if wrong := _wrong_with(query):
                raise ValueError(f"{path}: {wrong}")
        return self

    def queries(self) -> dict[str, str]:
        """Return all SQL of the file by its place."""
        told = {f"views.{name}": query for name, query in self.views.items()}
        tables = {f"tables.{name}.query": mapped.query for name, mapped in self.tables.items()}
        return told | {path: query for path, query in tables.items() if query is not None}

    def raw_names(self) -> set[str]:
        """Return the names of all files that queries may read."""
        return {name.strip() for names in self.files.values() for name in names.split("|")}


def read_mapping(file: Path) -> SourceMapping:
    """Read a mapping file.

    Raises
    ------
    ConfigurationError
        If it is missing, is not YAML, names what the contract does not have, or holds SQL that is more
        than one SELECT.
    """
    return read_settings(file, SourceMapping, invalid="mapping_invalid")


def mapping_hash(file: Path | None) -> str | None:
    """Return the sha256 of a mapping file; None without one."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file else None


def tellings(
    source: str, files: Sequence[RawFile], mapping: SourceMapping | None, findings: Findings
) -> list[Telling]:
    """Say which file or query tells which table of the contract."""
    if mapping is None:
        return _by_name(source, files, findings)
    told = []
    for name, mapped in mapping.tables.items():
        telling = mapped.telling(source, name, dates=mapping.dates, decimal_comma=mapping.decimal_comma)
        if mapped.file is None:
            # Of a database the result of a query is a file by now.
            copied = [raw for raw in files if raw.name == telling.file]
            told.append(replace(telling, query="", path=copied[0].path) if copied else telling)
            continue
        matching = [raw for raw in files if Path(raw.local).match(mapped.file)]
        if not matching:
            findings.refuse("mapped_file_missing", Where(source=source), pattern=mapped.file)
        told += [replace(telling, file=raw.name, path=raw.path) for raw in matching]
    return _named_elsewhere(told)


def _named_elsewhere(told: Sequence[Telling]) -> list[Telling]:
    """Let each telling know which names other tables take from its file: those columns are not lost."""
    names: dict[str, set[str]] = {}
    for telling in told:
        of_wide = telling.wide.columns if telling.wide else ()
        taken = (*(name for given in telling.columns.values() for name in given), *of_wide)
        names.setdefault(telling.file, set()).update(map(plain, taken))
    return [replace(telling, elsewhere=frozenset(names[telling.file])) for telling in told]


def _by_name(source: str, files: Sequence[RawFile], findings: Findings) -> list[Telling]:
    told = []
    for raw in files:
        name = _table_of(raw)
        if name is None:
            findings.review("file_not_read", Where(source=source, file=raw.name))
        else:
            told.append(Telling(source, table(name), raw.name, path=raw.path))
    return told


def _table_of(raw: RawFile) -> str | None:
    """Return the table that a file is named for: `<table>`, `<table>-…`, `<table>_…` or `<table>/…`."""
    path = Path(raw.local)
    if path.parent != Path():
        return next((each.name for each in TABLES if path.parent.as_posix() == each.name), None)
    fitting = [each.name for each in TABLES if re.fullmatch(rf"{each.name}([-_].+)?", path.stem)]
    return max(fitting, key=len, default=None)


def _wrong_with(query: str) -> str | None:
    """Say why SQL is not one SELECT; None where it is."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as problem:
        return str(problem).splitlines()[0]
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return "a query must be one SELECT and nothing else"
    return None
