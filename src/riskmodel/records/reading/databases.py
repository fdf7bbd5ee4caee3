"""A database as a source: its tables, or a mapping's queries, streamed into text files beside the store.

From there on everything is as with files that were sent, so that the same rows give the same records; only
the origin differs. The copies are removed when the delivery is taken in or refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from riskmodel.domain import CHINA_TIME
from riskmodel.errors import Where
from riskmodel.records.contract import TABLES
from riskmodel.records.files.raw import RawFile
from riskmodel.records.files.workbooks import text_of
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.source_mapping import SourceMapping

_ROWS_AT_ONCE = 5_000


def copy_from_database(
    url: str, mapping: SourceMapping | None, *, source: str, folder: Path, findings: Findings
) -> list[RawFile]:
    """Copy what a source's database tells into text files: one snapshot, read only, streamed.

    Parameters
    ----------
    url
        The SQLAlchemy URL. It may hold a password, so it stands in no finding.
    mapping
        Names the tables (`file`) or gives the queries; None: the tables named as the contract's.

    Returns
    -------
    list of RawFile
        A file per table or query, named as the table or `<table> (query)`; rows in a fixed order.
    """
    where = Where(source=source)
    try:
        with _connected(url) as connection:
            wanted = _wanted(connection, mapping)
            files = []
            for number, (name, query) in enumerate(wanted.items()):
                path = folder / f"{number:03d}.csv"
                _copy(connection, query, path)
                files.append(RawFile(name, path))
            return files
    except (ArgumentError, ImportError, FileNotFoundError):
        findings.refuse("database_url_wrong", where)
    except SQLAlchemyError as problem:
        # What a driver says may quote values; the kind of error does not.
        findings.refuse("database_failed", where, problem=type(problem).__name__)
    return []


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    told = sa.make_url(url)
    if told.get_backend_name() == "sqlite" and not Path(told.database or "").is_file():
        raise FileNotFoundError
    engine = sa.create_engine(told, poolclass=sa.NullPool)
    options: dict[str, Any] = {"stream_results": True, "yield_per": _ROWS_AT_ONCE}
    if told.get_backend_name() == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        with engine.connect().execution_options(**options) as connection:
            if told.get_backend_name() == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection
    finally:
        engine.dispose()


def _wanted(connection: sa.Connection, mapping: SourceMapping | None) -> dict[str, str]:
    """Return the SQL of each table or query by the name under which it is told."""
    quote = connection.dialect.identifier_preparer.quote
    if mapping is None:
        there = sa.inspect(connection)
        names = {*there.get_table_names(), *there.get_view_names()}
        return {each.name: f"SELECT * FROM {quote(each.name)}" for each in TABLES if each.name in names}
    wanted = {}
    for name, mapped in mapping.tables.items():
        if mapped.file is not None:
            parts = ".".join(quote(part) for part in mapped.file.split("."))
            wanted[mapped.file] = f"SELECT * FROM {parts}"
        elif mapped.query is not None:
            wanted[f"{name} (query)"] = mapped.query.strip().rstrip(";")
    return wanted


def _copy(connection: sa.Connection, query: str, path: Path) -> None:
    told = query.replace(":", "\\:")  # a colon is not a parameter
    with connection.execute(sa.text(f"SELECT * FROM ({told}) AS told LIMIT 0")) as none:
        names = list(none.keys())
    # In an order of its own the same rows are the same file.
    order = ", ".join(str(number) for number in range(1, len(names) + 1))
    ordered = sa.text(f"SELECT * FROM ({told}) AS told ORDER BY {order}")
    with connection.execute(ordered) as rows, path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(names)
        for row in rows:
            writer.writerow([_text(value) for value in row])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        # A driver tells an instant in the server's zone.
        return text_of((value.astimezone(CHINA_TIME) if value.tzinfo else value).replace(tzinfo=None))
    if isinstance(value, date | bool | int | float | str):
        return text_of(value)
    return str(value)
