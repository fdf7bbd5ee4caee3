"""Logistic regression: the simple model that stands beside the trees on the same rows and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_SD = 0.3
"""Strength of the L2 penalty, as a prior: a standard deviation more of a column changes the log-odds by
some 0.3 (odds by a third), rarely by more than 0.6. scikit-learn's C is the variance of that prior. A rule,
not a search: it costs no events, and nothing can be tuned on a figure that is later reported."""
CLIP = 4.0
"""Standardised values are held within so many standard deviations: one typing error moves no line."""


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression, as numbers.

    `indicators` are the columns of X with a column of their own that says "not known"; `centre`, `scale`
    and `weight` count the p columns first, then the indicators.
    """

    names: tuple[str, ...]
    indicators: NDArray[np.int_]
    median: Floats
    centre: Floats
    scale: Floats
    weight: Floats
    intercept: float

    def margin(self, X: Floats) -> Floats:
        """Return raw log-odds, one per row of X (n, p); NaN in X means not known."""
        wide = _widen(X, self.median, self.indicators)
        return np.asarray(_standardise(wide, self.centre, self.scale) @ self.weight + self.intercept)


def fit_logistic(X: Floats, y: NDArray[np.int_] | Floats, *, names: Sequence[str]) -> Logistic:
    """Fit: medians for what is not known, an indicator of it, standardised and clipped, L2 by `PRIOR_SD`.

    Parameters
    ----------
    X, y
        (n, p) values, NaN where not known, and 0 or 1 for each row.
    names
        The p column names.
    """
    from sklearn.linear_model import LogisticRegression

    median = _medians(X)
    indicators = _distinct_gaps(X)
    wide = _widen(X, median, indicators)
    centre, scale = wide.mean(axis=0, dtype=np.float64), wide.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1.0)
    model = LogisticRegression(C=PRIOR_SD**2, max_iter=1000)
    model.fit(_standardise(wide, centre, scale), y)
    return Logistic(
        names=tuple(names),
        indicators=indicators,
        median=median,
        centre=centre,
        scale=scale,
        weight=np.asarray(model.coef_[0], dtype=np.float64),
        intercept=float(model.intercept_[0]),
    )


def _medians(X: Floats) -> Floats:
    known = ~np.isnan(X)
    return np.array(
        [np.median(column[there]) if there.any() else 0.0 for column, there in zip(X.T, known.T, strict=True)]
    )


def _distinct_gaps(X: Floats) -> NDArray[np.int_]:
    """Columns with gaps, one for each pattern: values that are made from the same rows lack together."""
    patterns: dict[bytes, int] = {}
    for number, gaps in enumerate(np.isnan(X).T):
        if gaps.any() and not gaps.all():
            patterns.setdefault(np.packbits(gaps).tobytes(), number)
    return np.array(sorted(patterns.values()), dtype=np.int_)


def _widen(X: Floats, median: Floats, indicators: NDArray[np.int_]) -> NDArray[np.float32]:
    """Fill gaps and put the indicators beside; single precision, as all rows of some years are large."""
    rows, columns = X.shape
    wide = np.empty((rows, columns + len(indicators)), dtype=np.float32)
    gaps = np.isnan(X)
    wide[:, :columns] = np.where(gaps, median, X)
    wide[:, columns:] = gaps[:, indicators]
    return wide


def _standardise(wide: NDArray[np.float32], centre: Floats, scale: Floats) -> NDArray[np.float32]:
    """Standardise and clip, in place."""
    wide -= centre.astype(np.float32)
    wide /= scale.astype(np.float32)
    return np.clip(wide, -CLIP, CLIP, out=wide)
