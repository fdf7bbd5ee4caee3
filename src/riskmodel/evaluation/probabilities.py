"""Whether probabilities mean what they say: Brier, calibration line, observed over expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from riskmodel.evaluation.ranking import Bools, Floats, Integers

_CERTAIN = 1e-6
"""Risks are held this far from 0 and 1 before their log-odds are taken."""
_STEPS = 30
_SETTLED = 1e-7


@dataclass(frozen=True)
class Probabilities:
    """Calibrated risks of the judged rows, beside what became of them.

    `levels` are the log-odds that occur, to a thousandth (which no figure shows), and `level_of` the level of
    each row: a line through some thousand levels is found in a fraction of the time. `start` is the whole
    sample's line, from which that of a resample is a step away.
    """

    risk: Floats
    left: Floats
    students: Integers
    levels: Floats
    level_of: Integers
    start: tuple[float, float] | None = None

    @classmethod
    def of(cls, risk: Floats, left: Bools, students: Integers) -> Probabilities:
        """Prepare the rows.

        Raises
        ------
        ValueError
            If a risk is missing or outside [0, 1]: a model that gives some probabilities gives all.
        """
        if not bool(np.all((risk >= 0) & (risk <= 1))):
            raise ValueError("risk must be a probability in every row that is judged")
        held = np.clip(risk, _CERTAIN, 1 - _CERTAIN)
        log_odds = np.asarray(np.round(np.log(held / (1 - held)), 3), dtype=np.float64)
        levels, level_of = np.unique(log_odds, return_inverse=True)
        whole = cls(risk, left.astype(float), students, levels, level_of)
        line = whole._line(np.ones_like(risk))
        return replace(whole, start=line) if np.isfinite(line).all() else whole

    def figures(self, weights: Floats) -> dict[str, float]:
        """Return `brier`, `calibration_intercept`, `calibration_slope` and `observed_over_expected`."""
        row_weights = weights[self.students]
        missed = self.risk - self.left
        intercept, slope = self._line(row_weights)
        return {
            "brier": _sum(row_weights, missed, missed) / float(row_weights.sum()),
            "calibration_intercept": intercept,
            "calibration_slope": slope,
            "observed_over_expected": _sum(row_weights, self.left) / _sum(row_weights, self.risk),
        }

    def _line(self, row_weights: Floats) -> tuple[float, float]:
        rows = np.bincount(self.level_of, row_weights).astype(float)
        leavers = np.bincount(self.level_of, row_weights * self.left).astype(float)
        return calibration_line(self.levels, leavers=leavers, rows=rows, start=self.start)


def calibration_line(
    log_odds: Floats, *, leavers: Floats, rows: Floats, start: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return intercept and slope of an unpenalised logistic regression of leaving on the log-odds of risk.

    `leavers` and `rows` count at each log-odds who left and who was judged; weights count too.
    Slope 1 and intercept 0 are perfect; a slope below 1 means that risks are too extreme (Cox 1958).
    Both are NaN where no finite line fits best (nobody left, or risks part leavers from stayers). Newton.
    """
    nowhere = (float("nan"), float("nan"))
    rate = float(leavers.sum() / rows.sum())
    if rate in (0.0, 1.0):
        return nowhere
    intercept, slope = start or (float(np.log(rate / (1 - rate))), 0.0)
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(intercept + slope * log_odds, -50, 50)))
        gap = leavers - rows * fitted
        bend = rows * fitted * (1 - fitted)
        bent = bend * log_odds
        a, b, c = float(bend.sum()), float(bent.sum()), _sum(bent, log_odds)
        determinant = a * c - b * b
        if determinant <= 1e-12 * max(a * c, 1e-300):
            return nowhere
        up, tilt = float(gap.sum()), _sum(gap, log_odds)
        step = ((c * up - b * tilt) / determinant, (a * tilt - b * up) / determinant)
        intercept, slope = intercept + step[0], slope + step[1]
        if max(abs(step[0]), abs(step[1])) < _SETTLED:
            return intercept, slope
        if max(abs(intercept), abs(slope)) > 1e3:
            return nowhere
    return nowhere


def _sum(first: Floats, *others: Floats) -> float:
    """Sum a product, without BLAS: its threads cost many times more on a busy machine, and change the sum."""
    product = first
    for other in others:
        product = product * other
    return float(product.sum())
