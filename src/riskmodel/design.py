"""The numbers that a model learns from, read piece by piece: a history of years need not fit the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

PIECE_ROWS = 16_384
"""Of 72 columns 9 MB. Files of matrices are written in groups of so many rows."""
PIECE_COMPRESSION: Final = "lz4"
"""Pieces are read twice for each fit: 500,000 rows of 72 columns took 0.41 s of a processor; 0.65 as snappy,
and 0.52 without any, in a third more bytes."""


class Design(Protocol):
    """n rows of p columns of numbers, NaN where not known, wherever they lie."""

    @property
    def rows(self) -> int:
        """How many rows there are: n."""
        ...

    @property
    def width(self) -> int:
        """How many columns there are: p."""
        ...

    def pieces(self) -> tuple[slice, ...]:
        """Return the rows of each piece, in order; together they are all rows."""
        ...

    def piece(self, number: int) -> Floats:
        """Read a piece, by its place in `pieces`: (its rows, p)."""
        ...

    def column(self, number: int) -> Floats:
        """Read one column: (n,)."""
        ...

    def at(self, positions: Positions) -> Design:
        """Return some rows, positions ascending and each once, as if there were no others."""
        ...


@dataclass(frozen=True)
class ArrayDesign:
    """Rows that are in memory; numbers of any type, read as float64."""

    X: NDArray[Any]

    @property
    def rows(self) -> int:
        """See `Design`."""
        return len(self.X)

    @property
    def width(self) -> int:
        """See `Design`."""
        return int(self.X.shape[1])

    def pieces(self) -> tuple[slice, ...]:
        """See `Design`."""
        return tuple(
            slice(start, min(start + PIECE_ROWS, self.rows)) for start in range(0, self.rows, PIECE_ROWS)
        )

    def piece(self, number: int) -> Floats:
        """See `Design`."""
        return np.asarray(self.X[self.pieces()[number]], dtype=np.float64)

    def column(self, number: int) -> Floats:
        """See `Design`."""
        return np.asarray(self.X[:, number], dtype=np.float64)

    def at(self, positions: Positions) -> ArrayDesign:
        """See `Design`."""
        return ArrayDesign(self.X[positions])


def gap_pattern(missing: NDArray[np.bool_]) -> bytes | None:
    """Return the same for columns that lack together, which say the same by it; None: all lack, or none."""
    if not missing.any() or missing.all():
        return None
    return hashlib.sha256(np.packbits(missing).tobytes()).digest()


def as_design(X: Floats | Design) -> Design:
    """Return numbers in memory as a design; a design as it is."""
    return ArrayDesign(X) if isinstance(X, np.ndarray) else X


def read_pieces(design: Design) -> Iterator[tuple[slice, Floats]]:
    """Read one piece after the other: its rows, and their numbers."""
    for number, rows in enumerate(design.pieces()):
        yield rows, design.piece(number)


def whole(design: Design) -> Floats:
    """Read all rows into memory: for few."""
    read = [piece for _, piece in read_pieces(design)]
    return np.vstack(read) if read else np.zeros((0, design.width))
