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

ROUNDS = 200
THREADS = 2
"""Fixed, not taken from the machine: histograms are summed per thread, and the same sums in another order
would make another text."""

PARAMETERS: Mapping[str, object] = {
    "objective": "binary",
    # Shallow trees and few of them: some 150 to 600 leavers are all there is to learn from, depth is what
    # contributions cost, and LightGBM's defaults were over-confident on every real set that we tried.
    "max_depth": 3,
    "num_leaves": 7,
    "learning_rate": 0.03,
    # Columns of one family tell nearly the same; a tree that sees four in ten spreads the weight evenly.
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # A leaf needs so many rows and, as the sum of p (1 - p), about so many expected leavers.
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 2.0,
    "lambda_l2": 10.0,
    "max_bin": 255,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
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

        A row sums to its margin. These are the SHAP values of the trees (path-dependent TreeSHAP, computed by LightGBM itself).
        """
        return self._predict(X, pred_contrib=True)

    def _predict(self, X: Floats, **what: bool) -> Floats:
        # One row on all threads costs some 90 times more on a busy machine than one row on one thread.
        threads = 1 if len(X) == 1 else THREADS
        if len(X) == 0:
            return np.zeros((0, len(self.names) + 1) if "pred_contrib" in what else 0)
        return np.asarray(self._booster.predict(X, num_threads=threads, **what), dtype=np.float64)


def fit_gbm(
    X: Floats,
    y: NDArray[np.int_] | Floats,
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
    parameters: dict[str, object] = {**PARAMETERS, "seed": seed}
    if monotone is not None:
        parameters["monotone_constraints"] = list(monotone)
    data = lightgbm.Dataset(
        X, label=y, feature_name=list(names), params={"verbosity": -1}, free_raw_data=True
    )
    booster = lightgbm.train(parameters, data, num_boost_round=ROUNDS)
    # What is used is what is written: the booster is read back from its text.
    return Gbm.from_text(str(booster.model_to_string()))
