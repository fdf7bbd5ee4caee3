"""Cut-offs by group that close a gap of recall, and what they cost: the same places, other people.

Where a group's leavers are seen less well, one cut-off for everybody misses more of them. A cut-off for each
group is found on rows of the training, scored by models that had not seen their schools, so that each group
would have the same recall there; on later rows the places stay as many, and who is furthest above the cut-off
of the own group comes first (Rodolfa, Lamba, Ghani 2021: equal recall costs little). Nothing is listed by it
unless a bureau decides so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import Outcome
from riskmodel.evaluation.capacity import top_lists
from riskmodel.evaluation.groups import FEW_EVENTS, RecallGap, group_figures
from riskmodel.evaluation.ranking import Bools, Floats

if TYPE_CHECKING:
    import pandas as pd

Texts = NDArray[np.str_]
_STEPS = 40


@dataclass(frozen=True)
class CutoffsTried:
    """What cut-offs by one grouping would have changed on the rows that were judged.

    `found_before`, `found_after` count leavers on lists of the same length, each once; the gaps are between
    the groups with leavers enough. `changed` counts student-dates that give or take a place.
    """

    grouping: str
    before: RecallGap
    after: RecallGap
    found_before: int
    found_after: int
    changed: int
    listed: int


def equal_recall_cutoffs(
    risk: Floats, left: Bools, groups: Texts, *, known: Bools, share: float
) -> dict[str, float]:
    """Find the risk from which each group is listed: the same recall in each, and places for `share` of all.

    Of whom too little is `known` no list has anybody: they count for the places, and not for recall. A group
    with fewer than `FEW_EVENTS` rows of leavers takes the cut-off of everybody.
    """
    room = share * len(risk)
    risk, left, groups = risk[known], left[known], groups[known]
    usual = float(np.quantile(risk, max(1 - room / len(risk), 0)))
    enough = [str(name) for name in np.unique(groups) if left[groups == name].sum() >= FEW_EVENTS]
    taken = sum(
        float((risk[groups == name] >= usual).sum()) for name in np.unique(groups) if name not in enough
    )
    low, high = 0.0, 1.0
    cutoffs = dict.fromkeys(enough, usual)
    for _ in range(_STEPS):
        recall = (low + high) / 2
        cutoffs = {
            name: float(np.quantile(risk[left & (groups == name)], 1 - recall, method="lower"))
            for name in enough
        }
        listed = taken + sum((risk[groups == name] >= cutoff).sum() for name, cutoff in cutoffs.items())
        low, high = (recall, high) if listed <= room else (low, recall)
    return {str(name): cutoffs.get(str(name), usual) for name in np.unique(groups)}


def cutoffs_of(groups: Texts, cutoffs: Mapping[str, float]) -> Floats:
    """Return the cut-off of each row's group; a group unknown when they were found takes the median."""
    usual = float(np.median(list(cutoffs.values())))
    return np.array([cutoffs.get(str(name), usual) for name in groups], dtype=np.float64)


def rank_of(risk: Floats, told: Mapping[str, Any] | None, groups: pd.DataFrame) -> Floats:
    """Return by what lists go: the risk or, where a bureau decided so, the risk over the group's cut-off.

    Parameters
    ----------
    told
        `cutoffs` of a bundle's manifest.
    groups
        What `groups_of` gives for the same rows.
    """
    if told is None:
        return risk
    return risk / cutoffs_of(groups[told["by"]].to_numpy(dtype=str), told["cutoffs"])


def try_cutoffs(
    rows: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    grouping: str,
    risk: Floats,
    cutoffs: Mapping[str, float],
    share: float,
    seed: int,
) -> CutoffsTried | None:
    """Draw the lists of some rows with and without cut-offs by group; None where no gap can be told.

    Parameters
    ----------
    rows, groups, risk
        As for `group_figures`, with `as_of_date`.
    cutoffs
        What `equal_recall_cutoffs` found on other rows.
    """
    usual = top_lists(rows, risk, share=share)
    ours = top_lists(rows, risk / cutoffs_of(groups[grouping].to_numpy(dtype=str), cutoffs), share=share)
    gaps = [
        group_figures(rows, groups[[grouping]], risk=None, listed=listed, seed=seed)[1]
        for listed in (usual, ours)
    ]
    if not all(gaps):
        return None
    left = rows["outcome"].to_numpy(dtype=str) == Outcome.LEFT

    def found(listed: Bools) -> int:
        return int(rows["student_id"][left & listed].nunique())

    return CutoffsTried(
        grouping,
        gaps[0][0],
        gaps[1][0],
        found(usual),
        found(ours),
        int((usual != ours).sum()),
        int(usual.sum()),
    )
