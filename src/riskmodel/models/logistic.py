"""Logistic regression: the simple model that stands beside the trees, and a part of recipes that average.

Where rows are leavings by exposure, it is the Poisson regression of the same form. Where a column says where
in the term a day lies, every weight may vary with it: on a given day the model is a line as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from riskmodel.design import Design, Floats, as_design, gap_pattern, read_pieces
from riskmodel.models.calibration import expit
from riskmodel.recipe import PRIOR_SD

TOLERANCE = 1e-7
"""On the gradient of the mean loss. With one leaver in a hundred rows that gradient is small from the start:
at scikit-learn's 1e-4 weights were off in the third digit."""
_MOST_STEPS, _MOST_HALVINGS = 100, 30
_ROWS_AT_ONCE = 4096
"""Of 200 columns 6 MB: what is summed stays near the processor."""
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
    X: Floats | Design,
    y: NDArray[np.int_] | Floats,
    *,
    names: Sequence[str],
    season: str | None = None,
    prior_sd: float = PRIOR_SD,
    exposure: Floats | None = None,
    times: NDArray[np.int_] | Floats | None = None,
) -> Logistic:
    """Fit: medians for what is not known, an indicator of it, standardised and clipped, with an L2 penalty.

    Rows are read column by column and then piece by piece, some eight times: none of it grows with them but
    one column, and what is given.

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
    design = as_design(X)
    columns = _columns_of(design)
    varies = np.array([number for number, name in enumerate(names) if name == season], dtype=np.int_)
    varies = varies[columns.differs[varies]]
    counted = np.ones(design.rows) if times is None else times.astype(np.float64)
    if exposure is not None:
        counted = counted * exposure
    rows = _Rows(
        design,
        columns,
        varies,
        target=np.asarray(y if exposure is None else y / exposure, dtype=np.float64),
        counted=counted,
        hazard=exposure is not None,
    )
    # The loss is a mean by weight, so that the prior's precision is divided by the sum of weights.
    weight = _minimise(rows, penalty=1 / (prior_sd**2 * counted.sum()))
    size = len(columns.centre)
    return Logistic(
        names=tuple(names),
        indicators=columns.indicators,
        median=columns.median,
        centre=columns.centre,
        scale=columns.scale,
        weight=weight[:size],
        intercept=float(weight[-1]),
        season=varies,
        varying=weight[size:-1],
    )


@dataclass(frozen=True)
class _Columns:
    """What is known of each column before a line is fitted; `differs` of the p columns, filled."""

    median: Floats
    indicators: NDArray[np.int_]
    centre: Floats
    scale: Floats
    differs: NDArray[np.bool_]


def _columns_of(design: Design) -> _Columns:
    """Find medians, gaps, means and scales; of columns that lack together the first has the indicator."""
    width = design.width
    median, differs = np.zeros(width), np.zeros(width, dtype=np.bool_)
    moments: list[tuple[float, float]] = []
    gaps: dict[bytes, tuple[int, tuple[float, float]]] = {}
    for number in range(width):
        column = design.column(number)
        missing = np.isnan(column)
        if not missing.all():
            median[number] = np.median(column[~missing])
        filled = np.where(missing, median[number], column).astype(np.float32)
        moments.append(_moments(filled))
        differs[number] = len(filled) > 0 and np.ptp(filled) > 0
        pattern = gap_pattern(missing)
        if pattern is not None and pattern not in gaps:
            gaps[pattern] = (number, _moments(missing.astype(np.float32)))
    centre, scale = np.array([*moments, *(moment for _, moment in gaps.values())]).reshape(-1, 2).T
    indicators = np.array([number for number, _ in gaps.values()], dtype=np.int_)
    return _Columns(median, indicators, centre, np.where(scale > 0, scale, 1.0), differs)


def _moments(column: NDArray[np.float32]) -> tuple[float, float]:
    return float(column.mean(dtype=np.float64)), float(column.std(dtype=np.float64))


@dataclass(frozen=True)
class _Rows:
    """The rows of a regression, and its mean loss on them.

    `target` is 0 or 1 or, of a `hazard`, leavings by exposure; `counted` how much each row counts.
    """

    design: Design
    columns: _Columns
    varies: NDArray[np.int_]
    target: Floats
    counted: Floats
    hazard: bool

    @property
    def size(self) -> int:
        """How many weights there are, without the intercept."""
        return len(self.columns.centre) * (1 + len(self.varies))

    def loss(self, weight: Floats, *, penalty: float) -> tuple[float, Floats, Floats]:
        """Return the loss of the weights (the intercept last), its gradient, and its second derivatives."""
        loss, gradient = 0.0, np.zeros(len(weight))
        second = np.zeros((len(weight), len(weight)))
        for rows, X in self._standardised():
            odds, target, counted = X @ weight, self.target[rows], self.counted[rows]
            if self.hazard:
                mean = curvature = np.exp(odds)
                losses = mean - target * odds
            else:
                mean = expit(odds)
                curvature = mean * (1 - mean)
                losses = np.logaddexp(0, odds) - target * odds
            loss += float(counted @ losses)
            gradient += (counted * (mean - target)) @ X
            weighed = X * np.sqrt(counted * curvature)[:, None]
            second += weighed.T @ weighed
        penalised = np.append(np.full(self.size, penalty), 0.0)
        total = self.counted.sum()
        second /= total
        second[np.diag_indices_from(second)] += penalised
        return (
            loss / total + float(penalised @ weight**2) / 2,
            gradient / total + penalised * weight,
            second,
        )

    def _standardised(self) -> Iterator[tuple[slice, Floats]]:
        """Read a few rows at a time: standardised, those that vary with the season, and a column of ones.

        In double precision, of which the matrix of second derivatives has need.
        """
        told = self.columns
        for piece, values in read_pieces(self.design):
            for start in range(0, len(values), _ROWS_AT_ONCE):
                few = values[start : start + _ROWS_AT_ONCE]
                columns = _standardise(_widen(few, told.median, told.indicators), told.centre, told.scale)
                parts = [columns, *(columns * columns[:, [number]] for number in self.varies)]
                X = np.ones((len(few), self.size + 1))
                np.concatenate(parts, axis=1, out=X[:, :-1])
                yield slice(piece.start + start, piece.start + start + len(few)), X


def _minimise(rows: _Rows, *, penalty: float) -> Floats:
    """Find the weights by Newton's method: rows are many, columns few; L-BFGS needs over a hundred steps.

    The loss is convex, so that a step that does not lower it is halved until it does.
    """
    weight = np.zeros(rows.size + 1)
    share = float(rows.counted @ rows.target / rows.counted.sum())
    if 0 < share < 1 or (rows.hazard and share > 0):
        weight[-1] = np.log(share) if rows.hazard else np.log(share / (1 - share))
    loss, gradient, second = rows.loss(weight, penalty=penalty)
    for _ in range(_MOST_STEPS):
        if np.abs(gradient).max() <= TOLERANCE:
            break
        step = np.linalg.solve(second, gradient)
        for halved in range(_MOST_HALVINGS):
            tried = weight - step / 2**halved
            found = rows.loss(tried, penalty=penalty)
            if found[0] <= loss:
                break
        else:
            break  # no step lowers the loss any more: this is as near as numbers come
        weight, (loss, gradient, second) = tried, found
    return weight


def _widen(X: Floats, median: Floats, indicators: NDArray[np.int_]) -> NDArray[np.float32]:
    """Fill gaps and put the indicators beside."""
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
