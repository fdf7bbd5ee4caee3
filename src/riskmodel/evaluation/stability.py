"""Do reasons stay the same when they should? Under other schools, under a day more of absence, by direction.

What is compared are families, as people read them: of columns that tell nearly the same, chance decides which
one carries the weight (six models on resamples named the same first column in 30 % and the same first family
in 92 %; shared reference).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import FeatureInfo
from riskmodel.evaluation.ranking import Floats

FIRST = 3
AGAINST = -0.2
"""A rank correlation of value and contribution below this, in the declared direction, is against it."""
WEIGHTY = 0.02
"""A column with a smaller share of all contributions says next to nothing: its direction is noise."""


@dataclass(frozen=True)
class ReasonStability:
    """How stable the reasons of listed students are.

    Attributes
    ----------
    listed, bootstraps
        Rows looked at, and models on resamples of schools that were compared with the one that is judged.
    same_first
        Share of rows and bootstraps in which the family that raises the margin most is the same.
    same_three
        Mean share of families on both lists of the first three, of all on either (Jaccard).
    flipped_by_a_day
        Share of rows whose first family becomes another one than attendance when one more absent day is told;
        None where no row of attendance is known.
    against
        Columns that, on the whole, push against their declared direction.
    """

    listed: int
    bootstraps: int
    same_first: float
    same_three: float
    flipped_by_a_day: float | None
    against: tuple[str, ...]


def same_reasons(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """Compare the families that raise the margin.

    Parameters
    ----------
    ours
        (n, f) contributions by family.
    theirs
        (b, n, f), the same of b other models.

    Returns
    -------
    tuple
        Share of (b, n) with the same first family, and mean overlap of the first three. A family that lowers
        the margin is no reason; two rows without any agree.
    """
    own_first, own_three = _first_and_three(ours)
    first: list[float] = []
    three: list[float] = []
    for other in theirs:
        other_first, other_three = _first_and_three(other)
        first.append(float(np.mean(own_first == other_first)))
        both = (own_three & other_three).sum(axis=1)
        either = (own_three | other_three).sum(axis=1)
        three.append(float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0))))
    return float(np.mean(first)), float(np.mean(three))


def flipped(before: Floats, after: Floats, *, related: int) -> float:
    """Return the share of rows whose first family changes to one that the change is not about.

    Parameters
    ----------
    before, after
        (n, f) contributions by family.
    related
        The family of which something was changed.
    """
    first, then = before.argmax(axis=1), after.argmax(axis=1)
    return float(np.mean((first != then) & (then != related)))


def against_direction(
    X: Floats, contributions: Floats, *, names: Sequence[str], features: Sequence[FeatureInfo]
) -> tuple[str, ...]:
    """Name the columns whose contributions, over all rows, run against the declared direction."""
    from scipy.stats import spearmanr

    declared: Mapping[str, int] = {feature.name: feature.direction for feature in features}
    weight = np.abs(contributions[:, : len(names)]).sum(axis=0)
    found = []
    for column, name in enumerate(names):
        known = ~np.isnan(X[:, column])
        if not declared[name] or weight[column] < WEIGHTY * weight.sum() or known.sum() < 2:
            continue
        values, added = X[known, column], contributions[known, column]
        if np.ptp(values) == 0 or np.ptp(added) == 0:
            continue
        if declared[name] * float(spearmanr(values, added).statistic) < AGAINST:
            found.append(name)
    return tuple(found)


def _first_and_three(sums: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return each row's first family (-1: none raises the margin), and which are of its first three."""
    order = np.argsort(-sums, axis=1, kind="stable")[:, :FIRST]
    three = np.zeros(sums.shape, dtype=bool)
    np.put_along_axis(three, order, values=True, axis=1)
    first = np.where(sums.max(axis=1) > 0, order[:, 0], -1)
    return first, three & (sums > 0)
