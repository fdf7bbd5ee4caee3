"""How much of a horizon was observed: what lets a model learn from horizons that are still running.

The discrete-time hazard model has a row for every student and week until leaving or censoring. Features are
those of the as-of date, so that within one student only the week differs between rows. With a hazard of
`baseline(week) x exp(margin)` the Poisson likelihood of all these rows depends on them through two numbers
alone: whether the student left, and the sum of the baseline over the weeks observed (Holford 1980; Laird and
Olivier 1981). One row per student-date with that sum as its exposure is therefore the same model as some
twenty rows, and costs as much as the horizon classifier. Days take the place of weeks, being no dearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_EXPOSURE = 1e-3
"""A student who left on the first days was observed for next to nothing; a rate needs more than nothing."""


def exposures(
    days: NDArray[np.int_],
    left: NDArray[np.bool_],
    *,
    whole: NDArray[np.int_],
    times: Floats | None = None,
) -> Floats:
    """Return the share of its horizon's hazard that fell into the days each row was observed.

    The baseline is the Nelson-Aalen estimate over all rows: on each day, those who left among those still
    observed. It needs no model of the season: what it knows of a day, it counted.

    Parameters
    ----------
    days
        Days from the as-of date to the leaving, or to the end of what was observed; at least 1.
    left
        Whether the row ends with the student's leaving.
    whole
        Days from the as-of date to the end of the horizon: where that is the end of a term, a late date has
        a shorter one, and its risk is of that.
    times
        How many rows each stands for; None: for itself.

    Returns
    -------
    (n,) values in [`LEAST_EXPOSURE`, 1]; 1 for who was observed over the whole horizon. Where nobody left,
    the share of days.
    """
    longest = int(max(days.max(initial=1), whole.max(initial=1)))
    leaving = np.bincount(days[left], minlength=longest + 1).astype(np.float64)
    observed = np.bincount(days, weights=times, minlength=longest + 1)[::-1].cumsum()[::-1]
    hazard = np.divide(leaving, observed, out=np.zeros(longest + 1), where=observed > 0)
    cumulative = hazard.cumsum() if left.any() else np.arange(longest + 1, dtype=np.float64)
    return np.asarray(np.maximum(_share(cumulative[days], cumulative[whole]), LEAST_EXPOSURE))


def _share(part: Floats, whole: Floats) -> Floats:
    """Divide; where the whole has no hazard, a part has all of it."""
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)
