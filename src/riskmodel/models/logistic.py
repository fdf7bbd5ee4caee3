"""Logistic regression: the simple model that stands beside the trees, and a part of recipes that average.

Where rows are leavings by exposure, it is the Poisson regression of the same form. Where a column says where
in the term a day lies, every weight may vary with it: on a given day the model is a line as before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from riskmodel.recipe import PRIOR_SD

Floats = NDArray[np.float64]

TOLERANCE = 1e-7
"""On the gradient of the mean loss. With one leaver in a hundred rows that gradient is small from the start:
at scikit-learn's 1e-4 weights were off in the third digit."""
CLIP = 4.0
"""Standardised values are held within so many standard deviations: one typing error moves no line."""


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression, as numbers.

    `indicators` are the columns of X with a column of their own that says "not known"; `centre`, `scale`
    and `weight` count the p columns first, then the indicators. `season` is the position of the column
    with which weights vary (empty: they do not), and `varying` by how much a standard deviation of it
    changes each of them.
    """

    names: tuple[str, ...]
    indicators: NDArray[np.int_]
    median: Floats
    centre: Floats
    scale: Floats
    weight: Floats
    intercept: float
    season: NDArray[np.int_]
    varying: Floats

    def margin(self, X: Floats) -> Floats:
        """Return raw log-odds, one per row of X (n, p); NaN in X means not known."""
        # Row by row, not as a matrix product: a row alone gets the same bits as among others.
        return np.asarray(self._added(X).sum(axis=1) + self.intercept)

    def contributions(self, X: Floats) -> Floats:
        """Return (n, p + 1) log-odds that each column adds against the mean of training, the last the base.

        A row sums to its margin: of a straight line the SHAP value of a column is its weight (on the row's
        day) times its distance from the mean. "Not known" is counted with the first of the columns that lack
        together.
        """
        added = self._added(X)
        columns = added[:, : len(self.names)].astype(np.float64)
        columns[:, self.indicators] += added[:, len(self.names) :]
        return np.column_stack([columns, np.full(len(X), self.intercept)])

    @property
    def text(self) -> str:
        """The model as JSON; `from_text` gives back an equal one."""
        told = {name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in asdict(self).items()}  # fmt: skip
        return json.dumps(told, indent=1, allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> Logistic:
        """Read what `text` gave."""
        told = json.loads(text)
        arrays = {f.name: np.array(told[f.name], dtype=np.float64) for f in fields(cls) if "Floats" in f.type}
        positions = {name: np.array(told[name], dtype=np.int_) for name in ("indicators", "season")}
        return cls(**{**told, **arrays, **positions, "names": tuple(told["names"])})

    def _added(self, X: Floats) -> Floats:
        """Return what each of the p columns and the indicators adds."""
        columns = _standardise(_widen(X, self.median, self.indicators), self.centre, self.scale)
        weight = self.weight
        for season in self.season:
            weight = weight + columns[:, [season]] * self.varying
        return np.asarray(columns * weight, dtype=np.float64)


def fit_logistic(
    X: Floats,
    y: NDArray[np.int_] | Floats,
    *,
    names: Sequence[str],
    season: str | None = None,
    prior_sd: float = PRIOR_SD,
    exposure: Floats | None = None,
    times: NDArray[np.int_] | None = None,
) -> Logistic:
    """Fit: medians for what is not known, an indicator of it, standardised and clipped, with an L2 penalty.

    Parameters
    ----------
    X, y
        (n, p) values, NaN where not known, and 0 or 1 for each row.
    names
        The p column names.
    season
        Name of a column with which all weights may vary, under the same penalty; None, a column that is not
        there, or one with the same value in all rows: they do not.
    prior_sd
        Strength of the penalty, see `PRIOR_SD`.
    exposure
        (n,) share of the horizon's hazard each row was observed for; None: every outcome is known.
    times
        How often each row stands there; None: once.
    """
    from sklearn.linear_model import LogisticRegression, PoissonRegressor

    median = _medians(X)
    indicators = _distinct_gaps(X)
    wide = _widen(X, median, indicators)
    centre, scale = wide.mean(axis=0, dtype=np.float64), wide.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1.0)
    varies = np.array([number for number, name in enumerate(names) if name == season], dtype=np.int_)
    varies = varies[[np.ptp(wide[:, number]) > 0 for number in varies]]
    columns = _standardise(wide, centre, scale)
    size = columns.shape[1]
    # By Newton's method: rows are many, columns few, and it needs 7 steps where L-BFGS needs over a hundred.
    # In double precision, of which its matrix of second derivatives has need.
    columns = np.hstack([columns, *(columns * columns[:, [number]] for number in varies)]).astype(np.float64)
    if exposure is None:
        model = LogisticRegression(C=prior_sd**2, solver="newton-cholesky", tol=TOLERANCE)
        model.fit(columns, y, sample_weight=times)
    else:
        counted = exposure if times is None else exposure * times
        # Its loss is a mean by weight, so that the prior's precision is divided by the sum of weights.
        alpha = 1 / (prior_sd**2 * counted.sum())
        model = PoissonRegressor(alpha=alpha, solver="newton-cholesky", tol=TOLERANCE)
        model.fit(columns, y / exposure, sample_weight=counted)
    weight = np.asarray(model.coef_, dtype=np.float64).reshape(-1)
    return Logistic(
        names=tuple(names),
        indicators=indicators,
        median=median,
        centre=centre,
        scale=scale,
        weight=weight[:size],
        intercept=float(np.ravel(model.intercept_)[0]),
        season=varies,
        varying=weight[size:],
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
