"""Gradient-boosted trees: the only door to LightGBM. A model is its text; nothing is ever pickled.

LightGBM has no types, so what it returns is given one here. A damaged text can kill the process: who reads
one from disk checks its hash first (see `bundle`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 160
THREADS = 1
"""Sums are the same whatever the machine, and a busy machine stays usable: with two threads a fit beside
other work took six times as long (threads that wait, spin). Fits run beside each other instead."""

PARAMETERS: Mapping[str, object] = {
    "objective": "binary",
    # Shallow trees and few of them: some 150 to 600 leavers are all there is to learn from, depth is what
    # contributions cost, and LightGBM's defaults were over-confident on every real set that we tried.
    # Depth 3, 160 rounds at 0.03, a quarter of the columns had the lowest log loss of fifteen settings
    # on drawn data with 70 and 231 leavers; all of them lay within 0.02 of AUC.
    "max_depth": 3,
    "num_leaves": 7,
    "learning_rate": 0.03,
    # Columns of one family tell nearly the same; a tree that sees a quarter spreads the weight evenly.
    "feature_fraction": 0.25,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # A leaf needs so many rows and, as the sum of p (1 - p), about so many expected leavers.
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 2.0,
    "lambda_l2": 10.0,
    "verbosity": -1,
    "deterministic": True,
    # Either way deterministic needs one of the two; by columns took a third less time here.
    "force_col_wise": True,
    "num_threads": THREADS,
}
"""No class weights and no resampling, ever: at a base rate of 1 % they make the mean risk some 20 times
the observed (shared measurements; van den Goorbergh et al., JAMIA 2022)."""


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
        return cls(text, lightgbm.Booster(model_str=text))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of X, in order."""
        return tuple(self._booster.feature_name())

    def margin(self, X: Floats) -> Floats:
        """Return raw log-odds, one per row of X (n, p); NaN in X means not known."""
        return self._predict(X, raw_score=True)

    def contributions(self, X: Floats) -> Floats:
        """Return (n, p + 1) log-odds that each column adds, the last being the base.

        A row sums to its margin. These are the SHAP values of the trees (path-dependent TreeSHAP, computed by
        LightGBM itself).
        """
        return self._predict(X, pred_contrib=True)

    def _predict(self, X: Floats, **what: bool) -> Floats:
        if len(X) == 0:
            return np.zeros((0, len(self.names) + 1) if "pred_contrib" in what else 0)
        return np.asarray(self._booster.predict(X, num_threads=THREADS, **what), dtype=np.float64)


@dataclass(frozen=True)
class BinnedRows:
    """Rows sorted into histogram bins once, from which several models are fitted, also at the same time.

    Binning looks at values only, never at outcomes.
    """

    _data: Any = field(repr=False, compare=False)
    _parameters: Mapping[str, object] = field(repr=False)

    @classmethod
    def of(
        cls,
        X: Floats,
        y: NDArray[np.int_],
        *,
        names: Sequence[str],
        monotone: Sequence[int] | None = None,
    ) -> BinnedRows:
        """Bin rows; see `fit_gbm`."""
        parameters: dict[str, object] = dict(PARAMETERS)
        if monotone is not None:
            parameters["monotone_constraints"] = list(monotone)
        data = lightgbm.Dataset(X, label=y, feature_name=list(names), params=parameters)
        return cls(data.construct(), parameters)

    def fit(
        self, *, seed: int, rows: NDArray[np.intp] | None = None, times: NDArray[np.int_] | None = None
    ) -> Gbm:
        """Fit the trees on all rows, or on some.

        Parameters
        ----------
        seed
            Draws rows and columns for each tree.
        rows
            Positions, ascending.
        times
            How often each of `rows` stands there, 1 or more: a resample, not a weight of classes.
        """
        data = self._data
        if rows is not None:
            data = data.subset(rows.tolist())
            if times is not None:
                data.set_weight(times)
        booster = lightgbm.train({**self._parameters, "seed": seed}, data, num_boost_round=ROUNDS)
        # What is used is what is written: the booster is read back from its text.
        return Gbm.from_text(str(booster.model_to_string()))


def fit_gbm(
    X: Floats,
    y: NDArray[np.int_],
    *,
    names: Sequence[str],
    seed: int,
    monotone: Sequence[int] | None = None,
) -> Gbm:
    """Fit the trees; the same data and seed give the same text, byte for byte.

    Parameters
    ----------
    X, y
        (n, p) values, NaN where not known, and 0 or 1 for each row.
    names
        The p column names.
    seed
        Draws rows and columns for each tree.
    monotone
        Per column 1, -1 or 0: the margin may only rise, only fall, or do as it likes. None: all 0.
    """
    return BinnedRows.of(X, y, names=names, monotone=monotone).fit(seed=seed)
