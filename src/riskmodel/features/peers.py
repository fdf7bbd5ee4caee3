"""A student among the others of the school-grade: where a value stands, and what the middle one is.

An expression of `school.py` names what it compares by `percentile` and `median`; these columns are then made
here, each by one sort of its own numbers. As windows of SQL, which sort whole rows, they took most of the
time of the second stage. Neither is known with fewer than five others to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskmodel.design import Floats

ENOUGH = 5


def percentile(column: str) -> str:
    """Name the rank among those of whom it is known, from 0 to 1: (below + half of the equal) / all."""
    return f"percentile_of_{column}"


def median(column: str) -> str:
    """Name the median of the school-grade: a value that somebody has, so that a count of days stays one."""
    return f"median_of_{column}"


def beside_peers(students: pa.Table, expressions: Iterable[str]) -> dict[str, pa.Array]:
    """Make the columns that expressions name by `percentile` and `median`.

    Parameters
    ----------
    students
        All students of some schools on one day: `school_id`, `grade`, and the columns that are compared.
    expressions
        SQL in which the names stand.

    Returns
    -------
    Each named column, in the order of the students; empty where nothing is known.
    """
    named = re.findall(r"\b(percentile|median)_of_(\w+)", " ".join(expressions))
    peers = _peers(students)
    made: dict[str, pa.Array] = {}
    for column in dict.fromkeys(column for _, column in named):
        percentiles, medians = _compare(students[column].to_numpy(), peers)
        made[percentile(column)] = pa.array(percentiles, from_pandas=True)
        made[median(column)] = pa.array(medians, from_pandas=True)
    return {f"{kind}_of_{column}": made[f"{kind}_of_{column}"] for kind, column in named}


def _peers(students: pa.Table) -> NDArray[np.intp]:
    """Give each school-grade a number, from 0."""
    schools = students["school_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    grades = students["grade"].to_numpy()
    numbers: NDArray[np.intp] = np.unique(np.stack([schools, grades]), axis=1, return_inverse=True)[1].ravel()
    return numbers


def _compare(values: Floats, peers: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return each one's percentile, and the median of each one's peers; NaN where not known."""
    percentiles = np.full(len(values), np.nan)
    medians = np.full(int(peers.max(initial=-1)) + 1, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    upwards = known[np.lexsort((values[known], peers[known]))]
    ends = np.cumsum(np.bincount(peers[known], minlength=len(medians)))
    for number, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        if end - start > ENOUGH:
            own = values[upwards[start:end]]
            below, up_to = own.searchsorted(own, "left"), own.searchsorted(own, "right")
            percentiles[upwards[start:end]] = (below + up_to) / 2 / len(own)
            medians[number] = own[(len(own) - 1) // 2]
    return percentiles, medians[peers]
