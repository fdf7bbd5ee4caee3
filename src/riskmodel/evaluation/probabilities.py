"""Whether probabilities mean what they say: Brier, calibration line, observed over expected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskmodel.evaluation.ranking import Bools, Floats, Integers

_CERTAIN = 1e-6
"""Risks are held this far from 0 and 1 before their log-odds are taken."""
_STEPS = 30
_SETTLED = 1e-7


@dataclass(frozen=True)
class Probabilities:
    """Calibrated risks of the judged rows, beside what became of them. `start` is where the fit begins."""

    risk: Floats
    left: Floats
    students: Integers
    log_odds: Floats
    start: tuple[float, float] | None

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
        log_odds = np.log(held / (1 - held))
        whole = calibration_line(log_odds, left.astype(float), np.ones_like(risk))
        start = whole if np.isfinite(whole).all() else None
        return cls(risk, left.astype(float), students, log_odds, start)

    def figures(self, weights: Floats) -> dict[str, float]:
        """Return `brier`, `calibration_intercept`, `calibration_slope` and `observed_over_expected`."""
        row_weights = weights[self.students]
        missed = self.risk - self.left
        intercept, slope = calibration_line(self.log_odds, self.left, row_weights, start=self.start)
        return {
            "brier": float(row_weights @ (missed * missed) / row_weights.sum()),
            "calibration_intercept": intercept,
            "calibration_slope": slope,
            "observed_over_expected": float(row_weights @ self.left / (row_weights @ self.risk)),
        }


def calibration_line(
    log_odds: Floats, left: Floats, weights: Floats, *, start: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return intercept and slope of an unpenalised logistic regression of leaving on the log-odds of risk.

    Slope 1 and intercept 0 are perfect; a slope below 1 means that risks are too extreme (Cox 1958).
    Both are NaN where no finite line fits best (nobody left, or risks part leavers from stayers). Newton.
    """
    nowhere = (float("nan"), float("nan"))
    rate = float(weights @ left / weights.sum())
    if rate in (0.0, 1.0):
        return nowhere
    intercept, slope = start or (float(np.log(rate / (1 - rate))), 0.0)
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(intercept + slope * log_odds, -50, 50)))
        gap = weights * (left - fitted)
        bend = weights * fitted * (1 - fitted)
        bent = bend * log_odds
        a, b, c = float(bend.sum()), float(bent.sum()), float(bent @ log_odds)
        determinant = a * c - b * b
        if determinant <= 1e-12 * max(a * c, 1e-300):
            return nowhere
        up, tilt = float(gap.sum()), float(gap @ log_odds)
        step = ((c * up - b * tilt) / determinant, (a * tilt - b * up) / determinant)
        intercept, slope = intercept + step[0], slope + step[1]
        if max(abs(step[0]), abs(step[1])) < _SETTLED:
            return intercept, slope
        if max(abs(intercept), abs(slope)) > 1e3:
            return nowhere
    return nowhere
