"""Rows of the contract's tables into files: Parquet for the two big ones, CSV for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskmodel.records.contract import Table, table

PARQUET = frozenset({"attendance", "grades"})
_TYPES = {
    "text": pa.string(), "code": pa.string(), "date": pa.date32(), "integer": pa.int64(),
    "number": pa.float64(), "boolean": pa.bool_(),
}  # fmt: skip


@dataclass(frozen=True)
class Coded:
    """A text column as positions in a list of texts; a position below 0 is an empty cell."""

    positions: NDArray[np.integer[Any]]
    texts: NDArray[np.str_]


@dataclass(frozen=True)
class YesNo:
    """A column of true and false; an empty cell where not `known`."""

    values: NDArray[np.bool_]
    known: NDArray[np.bool_]


Column = Coded | YesNo | NDArray[Any]
Rows = Mapping[str, Column]
"""Columns of equal length. NaN and NaT are empty cells; columns of the contract left out are empty."""


class TableFiles:
    """The files of a folder, one per table, written piece by piece so that memory stays small."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.counts: dict[str, int] = {}
        self._writers: dict[str, Any] = {}

    def write(self, name: str, rows: Rows) -> None:
        """Append rows to the table's file, in the order and with the types of the contract."""
        piece = arrow_table(table(name), rows, coded=name in PARQUET)
        if name not in self._writers:
            self._writers[name] = self._open(name, piece.schema)
        self._writers[name].write_table(piece)
        self.counts[name] = self.counts.get(name, 0) + piece.num_rows

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers.values():
            writer.close()

    def _open(self, name: str, schema: pa.Schema) -> Any:
        if name in PARQUET:
            path = self.folder / f"{name}.parquet"
            return pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)
        return arrow_csv.CSVWriter(self.folder / f"{name}.csv", schema)


def known_until(rows: Rows, end: np.datetime64) -> Rows:
    """Return the rows recorded on or before the day."""
    recorded = rows["recorded_on"]
    assert isinstance(recorded, np.ndarray)  # noqa: S101  all our rows carry the date as an array
    keep = np.flatnonzero(recorded <= end)
    return {name: _take(column, keep) for name, column in rows.items()}


def write_until(whole: Path, out: Path, until: date) -> int:
    """Write what was recorded by a day of a county's files, as a bureau would send it; return the rows.

    Tables whose rows do not say when they were recorded (schools, terms, the calendar) are sent in full.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = 0
    for file in sorted(whole.iterdir()):
        if file.suffix == ".parquet":
            read = pq.read_table(file)
            kept = read.filter(pc.less_equal(read["recorded_on"], pa.scalar(until)))
            pq.write_table(kept, out / file.name, compression="zstd", store_schema=False)
        else:
            named = arrow_csv.open_csv(file).schema.names
            # Every cell as the text that it is: a number that is read and written again may look otherwise.
            as_text = arrow_csv.ConvertOptions(column_types=dict.fromkeys(named, pa.string()))
            kept = arrow_csv.read_csv(file, convert_options=as_text)
            if "recorded_on" in named:
                kept = kept.filter(pc.less_equal(kept["recorded_on"], until.isoformat()))
            arrow_csv.write_csv(kept, out / file.name)
        rows += kept.num_rows
    return rows


def _take(column: Column, keep: NDArray[np.intp]) -> Column:
    if isinstance(column, Coded):
        return Coded(column.positions[keep], column.texts)
    return YesNo(column.values[keep], column.known[keep]) if isinstance(column, YesNo) else column[keep]


def arrow_table(contract: Table, rows: Rows, *, coded: bool) -> pa.Table:
    """Return rows as an arrow table; `coded` keeps text columns as dictionaries (fast for Parquet)."""
    length = _length(next(iter(rows.values())))
    arrays = {}
    for column in contract.columns:
        wanted = _TYPES[column.kind]
        array = _array(rows[column.name]) if column.name in rows else pa.nulls(length, wanted)
        if not (coded and pa.types.is_dictionary(array.type)):
            array = array.cast(wanted)
        arrays[column.name] = array
    return pa.table(arrays)


def _length(column: Column) -> int:
    if isinstance(column, Coded):
        return len(column.positions)
    return len(column.values) if isinstance(column, YesNo) else len(column)


def _array(column: Column) -> pa.Array:
    if isinstance(column, Coded):
        positions = column.positions.astype(np.int32)
        codes = pa.array(positions, mask=positions < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts.tolist(), pa.string()))
    if isinstance(column, YesNo):
        return pa.array(column.values, mask=~column.known)
    if column.dtype.kind == "M":
        return pa.array(column.astype("datetime64[D]"))
    if column.dtype.kind == "f":
        return pa.array(np.round(column.astype(np.float64), 4), from_pandas=True)
    if column.dtype.kind == "U":
        return pa.array(column.tolist(), pa.string())
    return pa.array(column)
