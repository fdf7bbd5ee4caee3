"""Cases for people to look at: who stood at the top, near the line, was missed, was listed and stayed.

What a model gets right in figures can still be wrong for a child. Some cases of each kind are drawn, under
a number of their own, and looked at by two people who do not know each other's answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from riskmodel.domain import Outcome
from riskmodel.evaluation.capacity import known_rows, top_lists
from riskmodel.evaluation.ranking import Floats

if TYPE_CHECKING:
    import pandas as pd


class CaseKind(StrEnum):
    """Why a case was drawn."""

    TOP = "top"
    NEAR_THE_LINE = "near_the_line"
    """The last on a list, and the first not on it."""
    MISSED = "missed"
    """Left, and was on no list."""
    FALSE_ALARM = "false_alarm"
    """Listed, and stayed."""


@dataclass(frozen=True)
class Agreement:
    """How far two people agree on the cases that both have answered.

    Attributes
    ----------
    cases
        Answered by both.
    same
        Share of them with the same answer; None where there is none.
    kappa
        Cohen's kappa: agreement beyond chance, 1 at most; None where there was only one answer.
    """

    cases: int
    same: float | None
    kappa: float | None


def choose_cases(
    rows: pd.DataFrame, score: Floats, *, share: float, each: int = 5, seed: int = 1
) -> pd.DataFrame:
    """Draw up to `each` cases of every kind, no student twice, in an order that tells nothing.

    Parameters
    ----------
    rows
        A row per student-date that was judged: `as_of_date`, `student_id`, `school_id`, `outcome`.
    score
        One per row: higher is listed first.
    share
        Length of the lists.

    Returns
    -------
    DataFrame
        `case` (a number of its own), `kind`, and the row's position in `rows` (`position`).
    """
    import pandas as pd

    listed = top_lists(rows, score, share=share)
    outcome = rows["outcome"].to_numpy(dtype=str)
    by_score = np.argsort(-score, kind="stable")
    by_score = by_score[known_rows(rows)[by_score]]  # of the others there is nothing to look at
    # Each date has a list, and a line, of its own.
    dates = rows["as_of_date"].to_numpy()[by_score]
    ranks = pd.Series(dates).groupby(dates).cumcount().to_numpy()
    places = pd.Series(listed).groupby(rows["as_of_date"].to_numpy()).transform("sum").to_numpy()
    from_line = np.abs(ranks - places[by_score])
    kinds = {
        CaseKind.TOP: by_score,
        CaseKind.NEAR_THE_LINE: by_score[np.argsort(from_line, kind="stable")],
        CaseKind.MISSED: by_score[::-1][(~listed & (outcome == Outcome.LEFT))[by_score[::-1]]],
        CaseKind.FALSE_ALARM: by_score[(listed & (outcome == Outcome.STAYED))[by_score]],
    }
    students = rows["student_id"].to_numpy()
    taken: set[str] = set()
    drawn = []
    for kind, order in kinds.items():
        found = 0
        for position in order:
            if found < each and students[position] not in taken:
                taken.add(students[position])
                drawn.append({"kind": kind.value, "position": int(position)})
                found += 1
    shuffled = np.random.default_rng(seed).permutation(len(drawn))
    cases = pd.DataFrame([drawn[number] for number in shuffled], columns=["kind", "position"])
    cases.insert(0, "case", np.arange(1, len(cases) + 1))
    return cases


def agreement(first: pd.Series, second: pd.Series) -> Agreement:
    """Compare two people's answers, case by case; a case that one has left empty does not count."""
    from sklearn.metrics import cohen_kappa_score

    both = first.notna() & second.notna()
    ours, theirs = first[both].astype(str), second[both].astype(str)
    if not len(ours):
        return Agreement(0, None, None)
    same = float((ours == theirs).mean())
    varied = len(set(ours) | set(theirs)) > 1
    return Agreement(len(ours), same, float(cohen_kappa_score(ours, theirs)) if varied else None)
