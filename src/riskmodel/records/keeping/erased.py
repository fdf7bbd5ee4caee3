"""Children who were erased: kept out for good, and known by keyed hashes only.

<store>/erased.json   a salt, and for each erased child who asked for it, on which day, and hashes of its id
and of every roll number that it was known by
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskmodel.errors import Where, WorkspaceError
from riskmodel.records.keeping.durable import settle

FILE = "erased.json"
NAME_A_CHILD = frozenset(
    {"student_id", "roll_number", "number", "by_number", "subject", "other", "left", "right"}
)
"""Columns of tables and lists, and keys of JSON, in which a child's id or roll number stands.

`number`, `by_number` and `subject` are of the table of identities, `left`, `right` and `other` of what
`riskmodel reconcile` writes. A list that names children otherwise is to be added, or an erasure passes it by.
"""
_SHORT, _FIGURE_DIGITS = 6, 15
"""Characters: what is shorter may be any code. Digits: fewer may be a count, a day, a moment."""


@dataclass(frozen=True)
class Erased:
    """The list of a store."""

    salt: bytes
    refs: frozenset[str]

    def ref(self, value: str) -> str:
        """Return what stands for an id or a roll number."""
        return hmac.new(self.salt, value.encode("utf-8", errors="replace"), hashlib.sha256).hexdigest()

    def among(self, values: Iterable[str]) -> list[str]:
        """Return those of the ids and numbers that are an erased child's."""
        return [value for value in values if self.ref(value) in self.refs] if self.refs else []


def read_erased(store: Path) -> Erased:
    """Read the list of a record store; empty where nobody was erased.

    Raises
    ------
    WorkspaceError
        If it cannot be read: an erased child could come back unnoticed, so nothing goes on.
    """
    file = store / FILE
    if not file.exists():
        return Erased(b"", frozenset())
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return Erased(
            bytes.fromhex(told["salt"]), frozenset(ref for child in told["children"] for ref in child["refs"])
        )
    except (ValueError, KeyError, TypeError):
        raise WorkspaceError("erased_list_unreadable", Where(file=str(file))) from None


def add_erased(store: Path, values: Collection[str], *, by: str, on: date) -> None:
    """Put a child on the list, by its id and its numbers; when this returns, it is on the disk."""
    file = store / FILE
    known = read_erased(store)
    told: dict[str, Any] = (
        json.loads(file.read_text(encoding="utf-8"))
        if file.exists()
        else {"salt": secrets.token_hex(32), "children": []}
    )
    listed = Erased(bytes.fromhex(told["salt"]), known.refs)
    refs = sorted(listed.ref(value) for value in values)
    if set(refs) <= known.refs:
        return
    told["children"].append({"by": by, "on": on.isoformat(), "refs": refs})
    beside = file.with_suffix(".partial")
    with beside.open("w", encoding="utf-8") as out:
        json.dump(told, out, ensure_ascii=False, indent=1)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
    settle(store)


def may_be_a_figure(value: str) -> bool:
    """Tell whether an id or a number could be a figure, a code or another thing's id as well."""
    return len(value) < _SHORT or (value.isascii() and value.isdigit() and len(value) < _FIGURE_DIGITS)


def rows_naming(file: Path, values: Collection[str]) -> pa.Table:
    """Return the rows of a Parquet file in which a text column is one of these values.

    One that may be a figure, such as `10023`, may be a school's or a household's id as well: it counts only
    in columns that name children.
    """
    rows = pq.read_table(file)
    return rows.filter(_naming(rows, values))


def remove_rows(file: Path, values: Collection[str]) -> int:
    """Rewrite a Parquet file without the rows that `rows_naming` finds.

    The file is put in its place whole, or not at all. Return how many rows went.
    """
    rows = pq.read_table(file)
    naming = _naming(rows, values)
    count = int(pc.sum(naming).as_py() or 0)
    if count:
        kept = rows.filter(pc.invert(naming))
        for position, column in enumerate(kept.schema):
            if pa.types.is_dictionary(column.type):
                # A filter leaves the dictionary whole, the erased values in it.
                fresh = kept.column(position).cast(column.type.value_type).dictionary_encode()
                kept = kept.set_column(position, column.name, fresh)
        beside = file.with_suffix(".partial")
        pq.write_table(kept, beside, compression="zstd")
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(file)
        settle(file.parent)
    return count


def _naming(rows: pa.Table, values: Collection[str]) -> pa.ChunkedArray:
    certain = [value for value in values if not may_be_a_figure(value)]
    naming = pa.chunked_array([pa.array([False] * len(rows), pa.bool_())])
    for position, column in enumerate(rows.schema):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            wanted = pa.array(sorted(values if column.name in NAME_A_CHILD else certain), pa.string())
            naming = pc.or_(naming, pc.is_in(rows.column(position).cast(pa.string()), value_set=wanted))
    return naming
