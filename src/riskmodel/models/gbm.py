"""Gradient-boosted trees: the only door to LightGBM. A model is its text; nothing is ever pickled.

LightGBM has no types, so what it returns is given one here. A damaged text can kill the process: who reads
one from disk checks its hash first (see `bundle`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskmodel.design import Design, Floats, as_design
from riskmodel.models.contribution_tables import ContributionTables
from riskmodel.recipe import TreeParameters

_BINNING = threading.Lock()
"""While bins are chosen a sample of 200,000 rows is held, some of it twice: one such sample at a time."""

THREADS = 1
"""Sums are the same whatever the machine, and a busy machine stays usable: with two threads a fit beside
other work took six times as long (threads that wait, spin). Fits run beside each other instead."""


def parameters_of(
    trees: TreeParameters, *, directions: Sequence[int] = (), hazard: bool = False
) -> dict[str, object]:
    """Return what LightGBM is told.

    No class weights and no resampling, ever: at a base rate of 1 % they make the mean risk some 20 times
    the observed (shared measurements; van den Goorbergh et al., JAMIA 2022).

    Parameters
    ----------
    directions
        Per column 1, -1 or 0; used where `trees.monotone` says so.
    hazard
        Whether rows are leavings by exposure, not outcomes.
    """
    objective: dict[str, object] = {"objective": "binary"}
    if hazard:
        # The safety factor of its default (exp(0.7)) would halve each step; the penalties do its work.
        objective = {"objective": "poisson", "poisson_max_delta_step": 0.05}
    if trees.monotone:
        objective["monotone_constraints"] = list(directions)
    return {
        **objective,
        "max_depth": trees.depth,
        "num_leaves": trees.leaves,
        "learning_rate": trees.learning_rate,
        "feature_fraction": trees.column_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "min_data_in_leaf": trees.leaf_rows,
        "min_sum_hessian_in_leaf": trees.leaf_events,
        "lambda_l2": trees.l2,
        "verbosity": -1,
        "deterministic": True,
        # Either way deterministic needs one of the two; by columns took a third less time here.
        "force_col_wise": True,
        # Each subset or setting uses the bins again, so what filters columns must not depend on it.
        "feature_pre_filter": False,
        "num_threads": THREADS,
    }


BULK_ROWS = 10_000
"""From here on tables are quicker than LightGBM, the making of them included (0.5 s at depth 3, 8 at 5)."""
CHECKED_ROWS = 200
AGREEMENT = 1e-9
"""Log-odds by which tables may differ from LightGBM's own contributions: they differ by some 1e-15."""


@dataclass(frozen=True)
class Gbm:
    """A fitted model. Equal texts are equal models.

    Attributes
    ----------
    text
        The model in LightGBM's own text format.
    """

    text: str
    _booster: Any = field(repr=False, compare=False)

    @classmethod
    def from_text(cls, text: str) -> Gbm:
        """Read a model from its text, which must be known to be whole: a damaged one may end the process."""
        from lightgbm import Booster  # which loads scikit-learn: seconds, at each command that has no model

        return cls(text, Booster(model_str=text))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of X, in order."""
        return tuple(self._booster.feature_name())

    def margin(self, X: Floats) -> Floats:
        """Return raw log-odds, one per row of X (n, p); NaN in X means not known."""
        return self._predict(X, raw_score=True)

    def contributions(self, X: Floats) -> Floats:
        """Return (n, p + 1) log-odds that each column adds, the last being the base.

        A row sums to its margin. These are the SHAP values of the trees (path-dependent TreeSHAP), reckoned
        by LightGBM itself or, of `BULK_ROWS` and more, looked up in tables, where these agree with it on
        `CHECKED_ROWS` of the rows.
        """
        if len(X) < BULK_ROWS or self._tables is None:
            return self._predict(X, pred_contrib=True)
        bulk = self._tables.contributions(X)
        some = np.linspace(0, len(X) - 1, CHECKED_ROWS).astype(np.intp)
        # Where no value differs by more, none of the first five changes places but with its like.
        if np.allclose(bulk[some], self._predict(X[some], pred_contrib=True), rtol=0, atol=AGREEMENT):
            return bulk
        return self._predict(X, pred_contrib=True)

    @cached_property
    def _tables(self) -> ContributionTables | None:
        return ContributionTables.of(self._booster.dump_model())

    def _predict(self, X: Floats, **what: bool) -> Floats:
        if len(X) == 0:
            return np.zeros((0, len(self.names) + 1) if "pred_contrib" in what else 0)
        return np.asarray(self._booster.predict(X, num_threads=THREADS, **what), dtype=np.float64)


@dataclass(frozen=True)
class BinnedRows:
    """Rows sorted into histogram bins once, from which many models are fitted, also at the same time.

    Binning looks at values only, never at outcomes.
    """

    _data: Any = field(repr=False, compare=False)
    _weight: Floats | None = field(repr=False, compare=False)
    _hazard: bool
    _directions: tuple[int, ...]

    @classmethod
    def of(
        cls,
        X: Floats | Design,
        y: NDArray[np.int_],
        *,
        names: Sequence[str],
        exposure: Floats | None = None,
        directions: Sequence[int] | None = None,
        times: Floats | None = None,
    ) -> BinnedRows:
        """Bin rows, read piece by piece; see `fit_gbm`.

        `times`: how many rows each stands for, where some were sampled.
        """
        from lightgbm import Dataset

        # Leavings by exposure, weighted by it: the Poisson likelihood of counts (see `hazard`).
        label = y if exposure is None else y / exposure
        weight, hazard = together(exposure, times), exposure is not None
        data = Dataset(
            _sequences(as_design(X)),
            label=label,
            weight=weight,
            feature_name=list(names),
            params=parameters_of(TreeParameters(), hazard=hazard),
            free_raw_data=True,
        )
        with _BINNING:
            data.construct()
            give_back()
        return cls(data, weight, hazard, tuple(directions or (0,) * len(names)))

    def fit(
        self,
        *,
        seed: int,
        trees: TreeParameters,
        rows: NDArray[np.intp] | None = None,
        times: NDArray[np.int_] | None = None,
    ) -> Gbm:
        """Grow the trees on all rows, or on some.

        Parameters
        ----------
        seed
            Draws rows and columns for each tree.
        trees
            How they are grown.
        rows
            Positions, ascending.
        times
            How often each of `rows` stands there, 1 or more: a resample, not a weight of classes.
        """
        from lightgbm import train

        data = self._data
        if rows is not None:
            data = data.subset(rows.tolist())
            if times is not None:
                data.set_weight(together(times, None if self._weight is None else self._weight[rows]))
        told = parameters_of(trees, directions=self._directions, hazard=self._hazard)
        booster = train({**told, "seed": seed}, data, num_boost_round=trees.rounds)
        # What is used is what is written: the booster is read back from its text.
        return Gbm.from_text(str(booster.model_to_string()))


def give_back() -> None:
    """Let the C library and Arrow return what was freed.

    The first keeps 200 MB of a sample for each thread that binned. Where it cannot be asked (it is glibc's),
    nothing happens.
    """
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _sequences(design: Design) -> list[Any]:
    """Return the pieces as LightGBM reads them: single rows of all, ascending, then piece after piece.

    Bins are the same, to the bit, as those of the rows as one array (tests/models/test_gbm.py).
    """
    from lightgbm import Sequence as Rows

    class Pieces:
        """The piece that was read last."""

        number = -1
        read: Floats

    class Piece(Rows):  # type: ignore[misc]
        def __init__(self, number: int, rows: int) -> None:
            self.number, self.rows, self.batch_size = number, rows, rows

        def __len__(self) -> int:
            return self.rows

        def __getitem__(self, which: int | slice) -> Floats:
            if Pieces.number != self.number:
                Pieces.number, Pieces.read = self.number, design.piece(self.number)
            return Pieces.read[which]

    return [Piece(number, rows.stop - rows.start) for number, rows in enumerate(design.pieces())]


def together(one: NDArray[Any] | None, other: NDArray[Any] | None) -> Floats | None:
    """Return the product of two weights of each row, of which each may be that of nothing."""
    if one is None or other is None:
        return one if other is None else other
    return np.asarray(one * other, dtype=np.float64)


def fit_gbm(
    X: Floats | Design,
    y: NDArray[np.int_],
    *,
    names: Sequence[str],
    seed: int,
    trees: TreeParameters | None = None,
    exposure: Floats | None = None,
    directions: Sequence[int] | None = None,
) -> Gbm:
    """Grow the trees; the same data and seed give the same text, byte for byte.

    Parameters
    ----------
    X, y
        (n, p) values, NaN where not known, and 0 or 1 for each row.
    names
        The p column names.
    seed
        Draws rows and columns for each tree.
    trees
        How they are grown; None: `TreeParameters()`.
    exposure
        (n,) share of the horizon's hazard each row was observed for: then margins are the logarithm of
        the expected leavings over a whole horizon. None: every outcome is known, margins are log-odds.
    directions
        Per column 1, -1 or 0: where `trees.monotone`, the margin may only rise, only fall, or do as it likes.
    """
    binned = BinnedRows.of(X, y, names=names, exposure=exposure, directions=directions)
    return binned.fit(seed=seed, trees=trees or TreeParameters())
