"""A fitted model, whatever it is made of: margins, exact contributions, and itself as texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskmodel.models.gbm import Gbm
from riskmodel.models.logistic import Logistic

Floats = NDArray[np.float64]

PARTS = ("trees.txt", "linear.json")
"""Names of a model's texts as files."""


@dataclass(frozen=True)
class Scorer:
    """The mean of the margins of its parts; the mean of their contributions adds up to it.

    Attributes
    ----------
    trees, linear
        At least one of them.
    """

    trees: Gbm | None = None
    linear: Logistic | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of X, in order."""
        return self._parts[0].names

    def margin(self, X: Floats) -> Floats:
        """Return a raw margin for each row of X (n, p); NaN in X means not known."""
        return np.asarray(sum(part.margin(X) for part in self._parts) / len(self._parts))

    def contributions(self, X: Floats) -> Floats:
        """Return (n, p + 1): what each column adds, the last being the base. A row sums to its margin."""
        return np.asarray(sum(part.contributions(X) for part in self._parts) / len(self._parts))

    @property
    def texts(self) -> dict[str, str]:
        """Return the model as file names and texts; `from_texts` gives back an equal one."""
        parts = zip(PARTS, (self.trees, self.linear), strict=True)
        return {name: part.text for name, part in parts if part is not None}

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Scorer:
        """Read a model; its texts must be known to be whole: a damaged one may end the process."""
        trees, linear = (texts.get(name) for name in PARTS)
        return cls(Gbm.from_text(trees) if trees else None, Logistic.from_text(linear) if linear else None)

    @property
    def _parts(self) -> tuple[Gbm | Logistic, ...]:
        return tuple(part for part in (self.trees, self.linear) if part is not None)
