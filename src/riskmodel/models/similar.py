"""Of 100 students with about this risk, how many left: from rows the model had not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import PerHundred

Floats = NDArray[np.float64]

GROUP_EVENTS = 25
"""Leavers that a group holds at least: with fewer the interval says nothing (at 25 it is about +-40 %)."""
GROUP_STUDENTS = 100
"""A sentence about 100 students needs 100 students."""
_Z = 1.959964


@dataclass(frozen=True)
class SimilarStudents:
    """Groups of risk, and what became of the students in them.

    Attributes
    ----------
    edges
        Where each group but the first begins, rising: one fewer than there are groups.
    groups
        Share that left, and the ends of its 95 % interval, lowest group first; the share rises.
    """

    edges: tuple[float, ...]
    groups: tuple[tuple[float, float, float], ...]

    def of(self, risk: Floats) -> tuple[PerHundred, ...]:
        """Return the words in numbers for each risk."""
        said = [
            PerHundred(round(100 * share), int(np.floor(100 * low)), int(np.ceil(100 * high)))
            for share, low, high in self.groups
        ]
        return tuple(said[group] for group in np.searchsorted(self.edges, risk, side="right"))

    def to_numbers(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"edges": list(self.edges), "groups": [list(group) for group in self.groups]}

    @classmethod
    def from_numbers(cls, numbers: dict[str, Any]) -> SimilarStudents:
        """Read what `to_numbers` gave."""
        groups = tuple((float(share), float(low), float(high)) for share, low, high in numbers["groups"])
        return cls(tuple(float(edge) for edge in numbers["edges"]), groups)


def group_by_risk(risk: Floats, y: NDArray[np.int_], students: Sequence[object]) -> SimilarStudents:
    """Group rows of one calibrated risk's neighbourhood, and count what became of their students.

    From the highest risk down a group is closed as soon as it holds `GROUP_EVENTS` leavers and
    `GROUP_STUDENTS` students; neighbours whose shares do not rise are made one. A student who stands in a
    group on several dates counts once, with the mean of the outcomes of those dates. The interval is
    Wilson's (1927) on those counts.

    Parameters
    ----------
    risk, y, students
        Of each row: cross-fitted calibrated risk, 0 or 1, and whose row it is.
    """
    _, who = np.unique(np.asarray(students), return_inverse=True)
    order = np.argsort(-risk, kind="stable")
    starts = _group_starts(risk[order], y[order], who[order])
    groups: list[NDArray[np.int_]] = []
    for rows in np.split(order, starts)[::-1]:
        groups.append(rows)
        while len(groups) > 1 and _share(y, who, groups[-1])[0] <= _share(y, who, groups[-2])[0]:
            groups[-2:] = [np.concatenate(groups[-2:])]
    edges = [float((risk[lower].max() + risk[upper].min()) / 2) for lower, upper in pairwise(groups)]
    return SimilarStudents(tuple(edges), tuple(_wilson(*_share(y, who, rows)) for rows in groups))


def _group_starts(risk: Floats, y: NDArray[np.int_], who: NDArray[np.int_]) -> list[int]:
    """Rows, highest risk first, at which a new group begins."""
    starts: list[int] = []
    leavers: set[int] = set()
    students: set[int] = set()
    for row, (left, student) in enumerate(zip(y, who, strict=True)):
        full = len(leavers) >= GROUP_EVENTS and len(students) >= GROUP_STUDENTS
        if full and risk[row] < risk[row - 1]:
            starts.append(row)
            leavers, students = set(), set()
        students.add(student)
        if left:
            leavers.add(student)
    if starts and (len(leavers) < GROUP_EVENTS or len(students) < GROUP_STUDENTS):
        starts.pop()
    return starts


def _share(y: NDArray[np.int_], who: NDArray[np.int_], rows: NDArray[np.int_]) -> tuple[float, int]:
    """Mean outcome of the students of a group, each once, and how many they are."""
    _, inverse, dates = np.unique(who[rows], return_inverse=True, return_counts=True)
    outcomes = np.bincount(inverse, weights=y[rows]) / dates
    return float(outcomes.mean()), len(outcomes)


def _wilson(share: float, students: int) -> tuple[float, float, float]:
    middle = share + _Z**2 / (2 * students)
    half = _Z * np.sqrt(share * (1 - share) / students + _Z**2 / (4 * students**2))
    scale = 1 + _Z**2 / students
    return share, max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale))
