"""Bootstrap samples of whole students or whole schools, and the intervals made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from riskmodel.evaluation.ranking import Floats
from riskmodel.figures import Interval


def samples(count: int, *, seed: int | Sequence[int], resamples: int) -> Iterator[Floats]:
    """Draw so many students, or schools, with replacement; yield how often each was drawn."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(0, count, count), minlength=count).astype(float)


def interval(value: float, drawn: Sequence[float] | Floats) -> Interval:
    """Return the value with its 95 % percentile interval; no ends where most samples had no figure."""
    every = np.asarray(drawn, dtype=float)
    finite = every[np.isfinite(every)]
    if finite.size <= every.size / 2:
        return Interval(value)
    low, high = np.percentile(finite, (2.5, 97.5))
    return Interval(value, float(low), float(high))
