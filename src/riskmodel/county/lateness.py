"""How late things come to be recorded. No document gives these: they are assumptions, written here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.simulation import Columns

Days = NDArray[np.datetime64]
LEFT_MEDIAN_DAYS, LEFT_SPREAD, LEFT_MOST_DAYS = 21, 0.6, 68
"""A spell that ended `dropped_out` is recorded after three weeks in the middle, within ten at last."""


def days_after(day: Days, rng: np.random.Generator, *, mean: float, most: int) -> Days:
    """Return days a little later: exponential, whole, at most `most`."""
    return day + np.minimum(rng.exponential(mean, len(day)).astype(np.int64), most)


def lognormal_days(
    count: int, median: float, spread: float, most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return whole numbers of days with a long tail, from 1 to `most`."""
    return np.clip(median * np.exp(spread * rng.standard_normal(count)), 1, most).astype(np.int64)


def exits_recorded(closings: Columns, rng: np.random.Generator) -> Days:
    """Return the day on which each closing of a spell is recorded."""
    end, reason = closings["end"], closings["reason"]
    usual = days_after(end + 1, rng, mean=5, most=20)
    late = end + lognormal_days(len(end), LEFT_MEDIAN_DAYS, LEFT_SPREAD, LEFT_MOST_DAYS, rng)
    return np.where(reason == "dropped_out", late, usual)
