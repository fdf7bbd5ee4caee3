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
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from riskmodel.errors import ConfigurationError, Where
from riskmodel.records.contract import TABLES, table
from riskmodel.records.findings import Findings
from riskmodel.records.raw import RawFile
from riskmodel.records.readers import Telling

_Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableMapping(_Strict):
    """How one table of the contract is told.

    `columns` names the source's column per canonical column (or several names that it may have), `codes`
    the canonical code per source value, `dates` a strptime format, `constants` one value for all rows;
    `fill_down` lists columns in which an empty cell says what the one above it says.
    """

    file: str | None = None
    query: str | None = None
    columns: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    dates: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    fill_down: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> TableMapping:
        if (self.file is None) == (self.query is None):
            raise ValueError("give either file or query")
        return self


class SourceMapping(_Strict):
    """A mapping file.

    `files` names the raw files that queries read (`a.parquet|a.csv`: the first that is there), `views`
    SELECTs that several queries share.
    """

    config_version: Literal[1]
    files: dict[_Name, str] = Field(default_factory=dict)
    views: dict[_Name, str] = Field(default_factory=dict)
    tables: dict[str, TableMapping] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_names(self) -> SourceMapping:
        for name, mapped in self.tables.items():
            known = {column.name for each in TABLES if each.name == name for column in each.columns}
            if not known:
                raise ValueError(f"tables.{name}: the contract has no such table")
            for column in [
                *mapped.columns,
                *mapped.codes,
                *mapped.dates,
                *mapped.constants,
                *mapped.fill_down,
            ]:
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
    try:
        return SourceMapping.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError:
        raise ConfigurationError("configuration_missing", Where(file=str(file))) from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        mark = getattr(problem, "problem_mark", None)
        row = mark.line + 1 if mark else None
        raise ConfigurationError("configuration_not_yaml", Where(file=str(file), row=row)) from None
    except ValidationError as problem:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in problem.errors()
        )
        raise ConfigurationError("mapping_invalid", Where(file=str(file)), problems=problems) from None


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
        telling = Telling(
            source,
            table(name),
            f"{name} (query)",
            query=mapped.query or "",
            columns={to: (of,) if isinstance(of, str) else of for to, of in mapped.columns.items()},
            codes=mapped.codes,
            dates=mapped.dates,
            constants=mapped.constants,
            fill_down=mapped.fill_down,
        )
        if mapped.file is None:
            told.append(telling)
            continue
        matching = [raw for raw in files if Path(raw.local).match(mapped.file)]
        if not matching:
            findings.refuse("mapped_file_missing", Where(source=source), pattern=mapped.file)
        told += [replace(telling, file=raw.name, path=raw.path) for raw in matching]
    return told


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
