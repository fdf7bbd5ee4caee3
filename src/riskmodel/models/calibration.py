"""From a margin to a risk that means what it says: of 100 students with a risk of 0.1 about 10 leave.

Fitted on margins that the model gave to rows it had not learned from (see `training`), never on its own.
The order of students never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ISOTONIC_MINIMUM_EVENTS = 1000
"""Below it a free curve follows the noise (Niculescu-Mizil and Caruana, ICML 2005: sigmoid wins under
about 1,000 cases)."""

LEAST_RISE = 1e-3
"""Log-odds between two knots of the broken line: less is no difference between students."""

Kind = Literal["sigmoid", "isotonic", "base_rate"]


@dataclass(frozen=True)
class Calibrator:
    """A rising line, or a rising broken line, from margin to log-odds.

    Attributes
    ----------
    kind
        `sigmoid`: one line. `isotonic`: a broken line through `knots`, with slope 1 beyond its ends.
        `base_rate`: the margins told nothing, or the wrong way round; everybody has the same risk.
    slope, intercept
        Of the line; the slope is above 0, except for `base_rate`, where it is 0.
    knots
        (margin, log-odds), both rising. Empty unless isotonic.
    """

    kind: Kind
    slope: float
    intercept: float
    knots: tuple[tuple[float, float], ...] = ()

    def risk(self, margin: Floats) -> Floats:
        """Return the calibrated probability of each margin, in (0, 1)."""
        if not self.knots:
            return expit(self.slope * margin + self.intercept)
        at, log_odds = np.array(self.knots).T
        beyond = margin - np.clip(margin, at[0], at[-1])
        return expit(np.interp(margin, at, log_odds) + beyond)

    def to_numbers(self) -> dict[str, Any]:
        """Return what JSON can hold; `from_numbers` gives back an equal calibrator."""
        return {
            "kind": self.kind,
            "slope": self.slope,
            "intercept": self.intercept,
            "knots": [list(knot) for knot in self.knots],
        }

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, Any]) -> Calibrator:
        """Read what `to_numbers` gave."""
        knots = tuple((float(at), float(log_odds)) for at, log_odds in numbers["knots"])
        return cls(numbers["kind"], float(numbers["slope"]), float(numbers["intercept"]), knots)


def fit_calibrator(
    margin: Floats, y: NDArray[np.int_] | Floats, *, isotonic: bool = False, events: int | None = None
) -> Calibrator:
    """Fit a calibrator to margins of rows that the model did not learn from.

    Parameters
    ----------
    margin, y
        Log-odds, and 0 or 1, for each row.
    isotonic
        Ask for the broken line; it is given from `ISOTONIC_MINIMUM_EVENTS` events on.
    events
        Leavers, each counted once, where rows repeat them; by default the rows with y = 1.
    """
    y = np.asarray(y, dtype=np.float64)
    positives = float(y.sum())
    base = (positives + 1) / (len(y) + 2)
    flat = Calibrator("base_rate", 0.0, float(np.log(base / (1 - base))))
    if positives == 0 or positives == len(y) or np.ptp(margin) == 0:
        return flat
    if isotonic and (positives if events is None else events) >= ISOTONIC_MINIMUM_EVENTS:
        return _fit_isotonic(margin, y)
    slope, intercept = _fit_line(margin, y)
    return Calibrator("sigmoid", slope, intercept) if slope > 0 else flat


def _fit_line(margin: Floats, y: Floats) -> tuple[float, float]:
    """Platt's fit (1999) with his smoothed targets, by Newton steps (Lin, Lin and Weng 2007)."""
    positives = y.sum()
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (len(y) - positives + 2))
    # Standardised inside, so that the step is well behaved whatever the scale of the margins is.
    centre, scale = margin.mean(), margin.std()
    design = np.column_stack([(margin - centre) / scale, np.ones(len(y))])
    line = np.array([0.0, np.log(target.mean() / (1 - target.mean()))])

    def loss(line: Floats) -> float:
        odds = design @ line
        return float(np.sum(np.logaddexp(0, odds) - target * odds))

    for _ in range(100):
        risk = expit(design @ line)
        step = np.linalg.solve(
            (design * (risk * (1 - risk))[:, None]).T @ design + 1e-9 * np.eye(2), design.T @ (target - risk)
        )
        size = 1.0
        while size > 1e-6 and loss(line + size * step) > loss(line):
            size /= 2
        line = line + size * step
        if np.abs(size * step).max() < 1e-9:
            break
    slope = line[0] / scale
    return float(slope), float(line[1] - slope * centre)


def _fit_isotonic(margin: Floats, y: Floats) -> Calibrator:
    """Pool neighbours until shares rise; one knot for each pool, its share smoothed off 0 and 1."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(margin, kind="stable")
    pooled = IsotonicRegression().fit_transform(margin[order], y[order])
    knots: list[tuple[float, float]] = []
    for share in np.unique(pooled):
        pool = pooled == share
        rows = pool.sum()
        smooth = (share * rows + 0.5) / (rows + 1)
        knot = (float(margin[order][pool].mean()), float(np.log(smooth / (1 - smooth))))
        # Smoothing may turn two small neighbours round, or make them all but equal: then the later one is
        # left out, so that the line rises everywhere by more than rounding.
        if not knots or (knot[0] > knots[-1][0] and knot[1] > knots[-1][1] + LEAST_RISE):
            knots.append(knot)
    return Calibrator("isotonic", 1.0, 0.0, tuple(knots))


def expit(log_odds: Floats) -> Floats:
    """Return the probability of log-odds, of which those beyond 700 would overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -700, 700))), dtype=np.float64)
