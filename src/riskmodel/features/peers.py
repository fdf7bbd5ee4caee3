"""A student among the others of the school-grade: where a value stands, and what the middle one is.

An expression of `school.py` names what it compares by `percentile` and `median`; these columns are then made
here, each by one sort of its own numbers. As windows of SQL, which sort whole rows, they took most of the
time of the second stage. Neither is known with fewer than five others to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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
        All students of some schools on one day: `school_id`, `grade`, `spell_running`, and the columns that
        are compared.
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
    """Give each school-grade a number, and another to those of it who are expected back and have not come.

    These were in the grade a year before those who are in it now.
    """
    schools = students["school_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    grades = students["grade"].to_numpy().astype(np.intp)
    running = students["spell_running"].to_numpy().astype(np.intp)
    numbers: NDArray[np.intp] = 2 * (schools * (grades.max(initial=0) + 1) + grades) + running
    return numbers


def _compare(values: Floats, peers: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return each one's percentile, and the median of each one's peers; NaN where not known."""
    known = np.flatnonzero(~np.isnan(values))
    upwards = known[np.lexsort((values[known], peers[known]))]
    group, own = peers[upwards], values[upwards]
    counts = np.bincount(group, minlength=int(peers.max(initial=0)) + 1)
    starts = np.cumsum(counts) - counts

    begins = np.ones(len(own), dtype=np.bool_)
    begins[1:] = (group[1:] != group[:-1]) | (own[1:] != own[:-1])
    equal = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    below, up_to = first[equal], np.append(first[1:], len(own))[equal]
    enough = counts > ENOUGH
    percentiles = np.full(len(values), np.nan)
    percentiles[upwards] = np.where(
        enough[group], (below + up_to - 2 * starts[group]) / 2 / counts[group], np.nan
    )
    medians = np.full(len(counts), np.nan)
    medians[enough] = own[(starts + (counts - 1) // 2)[enough]]
    return percentiles, medians[peers]
