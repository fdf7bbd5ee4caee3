"""The absence rule: what a school can do without any model, and what is left where too little is known.

It is the row that every model must beat, and it makes the bands where there are no probabilities. Beside it
stand the school's rate and the ranking that knows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import Band, FeatureMatrix

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

NOT_REPORTED = -1.0
"""Score of a student of whom no school day was reported: ranked below everybody, and never banded."""
REACH_OUT_SCORE = 0.2
CHECK_IN_SCORE = 0.1
"""A tenth of school days is the common threshold of chronic absence (Balfanz and Byrnes 2012), a fifth of
severe chronic absence; of unexcused days half of that is enough."""
COUNTY_ROWS = 200
"""Rows of the county that stand beside each school's own: a small school without a leaver is not safe."""


def absence_rule(matrix: FeatureMatrix) -> Floats:
    """Return how much school each row missed lately, for ranking.

    The share of reported school days missed in the last 28 days (in the last 56 where none of the 28 was
    reported), an unexcused day counting twice. In [0, 2], or `NOT_REPORTED`.
    """
    missed = _share(matrix, "absence_share_28d", "absence_share_56d")
    unexcused = _share(matrix, "unexcused_absence_share_28d", "unexcused_absence_share_56d")
    return np.where(np.isnan(missed), NOT_REPORTED, missed + np.nan_to_num(unexcused))


def _share(matrix: FeatureMatrix, lately: str, longer: str) -> Floats:
    shares = matrix.frame[[lately, longer]].to_numpy(dtype=np.float64)
    return np.where(np.isnan(shares[:, 0]), shares[:, 1], shares[:, 0])


def school_rate(matrix: FeatureMatrix, by_school: pd.DataFrame) -> Floats:
    """Return the share that left the school and stage of each row, among rows whose outcome is known.

    It goes by the labels and not by how spells end: where leaving is told by the ledger or by absence, no
    spell need end, and the school's leavers as a feature are the same for all. (left + 200 r) / (rows + 200),
    where r is the county's share in the stage: that of a school never seen. NaN for a stage never seen.

    Parameters
    ----------
    by_school
        By school and stage, `rows` and how many of them `left`.
    """
    by_stage = by_school.groupby("stage").sum()
    county = by_stage["left"] / by_stage["rows"]
    of_county = county.reindex(by_school.index, level="stage")
    shares = (by_school["left"] + COUNTY_ROWS * of_county) / (by_school["rows"] + COUNTY_ROWS)
    own = matrix.frame[["school_id", "stage"]].join(shares.rename("share"), on=["school_id", "stage"])
    return own["share"].fillna(own["stage"].map(county)).to_numpy(dtype=np.float64)


def constant(matrix: FeatureMatrix) -> Floats:
    """Return 0 for every row: the ranking that knows nothing."""
    return np.zeros(len(matrix.frame))


def rule_bands(score: Floats) -> Sequence[Band]:
    """Return the band of each score of the absence rule."""
    found = np.select(
        [score >= REACH_OUT_SCORE, score >= CHECK_IN_SCORE, score >= 0],
        [Band.REACH_OUT, Band.CHECK_IN, Band.USUAL_CARE],
        default=Band.NOT_ENOUGH_INFORMATION,
    )
    return [Band(band) for band in found]
