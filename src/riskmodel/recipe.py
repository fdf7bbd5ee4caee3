"""Recipes: which rows a model learns from, which models it is the mean of, and how those are grown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Learns = Literal["horizon", "hazard"]
Part = Literal["trees", "linear"]

PRIOR_SD = 0.1
"""Strength of the L2 penalty, as a prior: a standard deviation more of a column changes the log-odds by
some 0.1, rarely by more than 0.2. scikit-learn's C is the variance of that prior. Columns come in dozens that
tell nearly the same, so that a family still moves the log-odds by 1. Chosen from 0.3, 0.1 and 0.05 on a
development term and a fictional county of their own (docs/decisions/0006), on no test."""


@dataclass(frozen=True)
class TreeParameters:
    """How the trees are grown: shallow, few, each seeing a part of the columns.

    Some 150 to 600 leavers are all there is to learn from, depth is what contributions cost, and LightGBM's
    defaults were over-confident on every real set that we tried. Depth 3, 160 rounds at 0.03, a quarter of
    the columns had the lowest log loss of fifteen settings on drawn data with 70 and 231 leavers; all of
    them lay within 0.02 of AUC.

    Attributes
    ----------
    depth, rounds, learning_rate
        Levels of a tree, how many trees, and how much of each is taken.
    column_share
        Columns of one family tell nearly the same; a tree that sees a part of them spreads the weight.
    leaf_rows, leaf_events
        A leaf needs so many rows and, as the sum of the objective's curvature, about so many expected
        leavers.
    l2
        Penalty on leaf values.
    monotone
        Whether columns with a declared direction may only raise, or only lower, the margin.
    """

    depth: int = 3
    rounds: int = 160
    learning_rate: float = 0.03
    column_share: float = 0.25
    leaf_rows: int = 40
    leaf_events: float = 2.0
    l2: float = 10.0
    monotone: bool = False

    @property
    def leaves(self) -> int:
        """How many leaves a tree may have: one fewer than its depth could hold."""
        return max(2, (1 << self.depth) - 1)


@dataclass(frozen=True)
class Search:
    """Bounds of a search for tree parameters: it ends with whichever comes first."""

    trials: int
    minutes: float


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes
    ----------
    name
        Under which it stands in tables, runs and cards.
    learns
        `horizon`: from rows whose outcome over the whole horizon is known. `hazard`: also from rows whose
        horizon is still running, for as long as each was observed.
    parts
        The model is the mean of their margins.
    trees
        Parameters, of the part `trees`; where a search is asked for, the ones to beat.
    search
        None: the parameters stand as they are.
    prior_sd
        Strength of the penalty, of the part `linear`.
    sample_staying
        Share of the rows of those who stayed that are learnt from, each standing for 1 / share of them: where
        all of them are too many for one machine. Everybody who left is learnt from; a model is calibrated and
        judged on everybody.
    """

    name: str = "lightgbm"
    learns: Learns = "horizon"
    parts: tuple[Part, ...] = ("trees",)
    trees: TreeParameters = TreeParameters()
    search: Search | None = None
    prior_sd: float = PRIOR_SD
    sample_staying: float = 1.0


PLAIN = Recipe()
"""The horizon classifier with fixed parameters: where no recipe is named, and beside any other."""
LINEAR = Recipe(name="linear", parts=("linear",))
"""The logistic regression: published where nothing beats it and the configuration says so."""


def is_plain(recipe: Recipe) -> bool:
    """Whether a recipe makes the same model as `PLAIN`, whatever it is called."""
    return replace(recipe, name=PLAIN.name) == PLAIN
