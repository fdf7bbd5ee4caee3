"""A matrix that stays in its files: columns and pieces are read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskmodel.design import Floats, Positions
from riskmodel.domain import FeatureInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StoredMatrix:
    """The rows of `features.build.school_stage`'s files of distinct as-of dates, oldest first.

    It answers as a `FeatureMatrix` of the same files does, and holds none of their rows.
    """

    files: tuple[Path, ...]
    features: tuple[FeatureInfo, ...]

    @property
    def model_features(self) -> tuple[str, ...]:
        """Names of the columns that a model may use, in the order of the declarations."""
        return tuple(feature.name for feature in self.features if feature.role == "model")

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of all columns."""
        return frozenset(pq.read_schema(self.files[0]).names)

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read some columns of all rows."""
        whole = pa.concat_tables(pq.read_table(file, columns=list(names)) for file in self.files)
        frame: pd.DataFrame = whole.to_pandas(self_destruct=True)
        if "as_of_date" in frame:
            frame["as_of_date"] = frame["as_of_date"].astype("datetime64[s]")
        return frame

    def design(self, names: Sequence[str]) -> StoredDesign:
        """Return the numbers of some columns, to be read piece by piece."""
        return StoredDesign(self.files, tuple(names))


@dataclass(frozen=True, eq=False)
class StoredDesign:
    """Some columns of the rows of files, or of some of these rows: see `design.Design`.

    A piece is what lies in one row group of a file.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    positions: Positions | None = None

    @property
    def rows(self) -> int:
        """See `Design`."""
        return int(self._starts[-1]) if self.positions is None else len(self.positions)

    @property
    def width(self) -> int:
        """See `Design`."""
        return len(self.names)

    def pieces(self) -> tuple[slice, ...]:
        """See `Design`."""
        return tuple(rows for _, rows in self._filled)

    def piece(self, number: int) -> Floats:
        """See `Design`."""
        if number == 0:
            # A reading begins: Arrow gives back what it kept of columns that were read whole, 150 B a row.
            pa.default_memory_pool().release_unused()
        place, rows = self._filled[number]
        file, group, _ = self._groups[place]
        table = self._opened(file).read_row_group(group, list(self.names), use_threads=False)
        X: Floats = np.empty((len(table), self.width))
        for column, name in enumerate(self.names):
            X[:, column] = table[name].to_numpy()
        if self.positions is None or rows.stop - rows.start == len(X):
            return X
        chosen: Floats = X[self.positions[rows] - self._starts[place]]
        return chosen

    def column(self, number: int) -> Floats:
        """See `Design`."""
        read = [
            np.asarray(self._opened(file).read([self.names[number]], use_threads=False)[0].to_numpy())
            for file in range(len(self.files))
        ]
        values = np.concatenate(read, dtype=np.float64)
        return values if self.positions is None else values[self.positions]

    def at(self, positions: Positions) -> StoredDesign:
        """See `Design`."""
        chosen = positions if self.positions is None else self.positions[positions]
        return StoredDesign(self.files, self.names, chosen)

    @cached_property
    def _told(self) -> tuple[pq.FileMetaData, ...]:
        return tuple(pq.read_metadata(file) for file in self.files)

    @cached_property
    def _groups(self) -> tuple[tuple[int, int, int], ...]:
        """File, row group and its rows, of all files."""
        return tuple(
            (file, group, told.row_group(group).num_rows)
            for file, told in enumerate(self._told)
            for group in range(told.num_row_groups)
        )

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """First row of each group, counted through all files; and how many rows there are."""
        return np.cumsum([0, *(rows for _, _, rows in self._groups)], dtype=np.intp)

    @cached_property
    def _filled(self) -> tuple[tuple[int, slice], ...]:
        """Return each group that has rows of ours, and which of ours they are."""
        starts = self._starts
        ours = starts if self.positions is None else np.searchsorted(self.positions, starts)
        return tuple(
            (group, slice(int(ours[group]), int(ours[group + 1])))
            for group in range(len(self._groups))
            if ours[group] < ours[group + 1]
        )

    def _opened(self, file: int) -> pq.ParquetFile:
        return pq.ParquetFile(self.files[file], metadata=self._told[file])
