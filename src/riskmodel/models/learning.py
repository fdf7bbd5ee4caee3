"""The rows that a model learns from, and the growing of one model from them, or from some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.design import Design, read_pieces
from riskmodel.domain import SEASON, Labels, Matrix, Outcome
from riskmodel.models.gbm import BinnedRows, together
from riskmodel.models.hazard import exposures
from riskmodel.models.logistic import Logistic, fit_logistic
from riskmodel.models.scorer import Scorer
from riskmodel.recipe import Recipe, TreeParameters

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]
KEYS = ["as_of_date", "student_id"]
OBSERVED_TO = "observed_to"
"""Column of labels of running horizons: the last day of which it is known who had left."""
_LEARNT = {"outcome", "left_on", "horizon_end", OBSERVED_TO}
"""Columns of labels that learning asks for."""


@dataclass(frozen=True)
class LearningRows:
    """Student-dates with what became of them, in the order of the matrix.

    Attributes
    ----------
    X
        (n, p) values, NaN where not known, wherever they lie.
    y
        (n,) 1 for who left, in what was observed of the horizon.
    observed
        (n,) days from the as-of date to the leaving, or to the end of what was observed; None where outcomes
        are learnt, not a hazard.
    whole
        (n,) days from the as-of date to the end of the horizon; None as `observed`.
    known
        Whether the outcome over the whole horizon is known.
    days
        (n,) as-of dates.
    students, schools, households
        Whose row it is: (n,) places in the sorted ids, as long texts would take more memory than the bins.
    names, directions
        The columns, and what was declared of each.
    times
        (n,) how many rows each stands for where those who stayed are sampled: 1, or 1 / share, or 0 outside
        of the sample. None: each stands for itself.
    """

    X: Design
    y: NDArray[np.int_]
    observed: NDArray[np.int_] | None
    whole: NDArray[np.int_] | None
    known: NDArray[np.bool_]
    days: NDArray[np.datetime64]
    students: Ids
    schools: Ids
    households: Ids
    names: tuple[str, ...]
    directions: tuple[int, ...]
    times: Floats | None = None

    def at(self, positions: NDArray[np.intp]) -> LearningRows:
        """Return some rows, as if there were no others: nothing of the others may enter what is fitted."""
        return replace(
            self,
            X=self.X.at(positions),
            y=self.y[positions],
            observed=None if self.observed is None else self.observed[positions],
            whole=None if self.whole is None else self.whole[positions],
            known=self.known[positions],
            days=self.days[positions],
            students=self.students[positions],
            schools=self.schools[positions],
            households=self.households[positions],
            times=None if self.times is None else self.times[positions],
        )

    def sampled(self) -> LearningRows:
        """Return the rows that are learnt from: all, or all who left and a sample of those who stayed."""
        return self if self.times is None else self.at(np.flatnonzero(self.times))

    def line(self) -> Logistic:
        """Fit the plain line to these rows, as far as their outcome is known."""
        rows = self if self.known.all() else self.at(np.flatnonzero(self.known))
        return fit_logistic(rows.X, rows.y, names=rows.names, season=SEASON, times=rows.times)


def outcomes_of(matrix: Matrix, labels: Labels) -> pd.DataFrame:
    """Return what became of each row of a matrix, in its order; missing where there is no label."""
    told = labels.frame[[name for name in labels.frame if name in {*KEYS, *_LEARNT}]]
    return matrix.read(KEYS).merge(told, on=KEYS, how="left", validate="1:1")


def rows_to_learn(
    matrix: Matrix, labels: Labels, running: Labels | None, *, recipe: Recipe, seed: int = 0
) -> LearningRows:
    """Choose the rows of which it is known who left and who stayed, for as long as they were observed.

    Parameters
    ----------
    matrix
        Rows of all dates of the labels.
    labels
        Outcomes over whole horizons.
    running
        Outcomes over what was observed of horizons that were still running: up to `observed_to`, a column
        beside `horizon_end`.
    recipe
        A hazard is learnt with exposures, an outcome without; `sample_staying` says how many of those who
        stayed are learnt from.
    seed
        Draws them, by a hash of student and date: whoever else is there changes nothing.
    """
    told = outcomes_of(matrix, labels)
    known = told["outcome"].isin([Outcome.LEFT, Outcome.STAYED])
    if running is not None:
        part = outcomes_of(matrix, running)
        told = told.where(known, part)
        told[OBSERVED_TO] = part[OBSERVED_TO].where(~known, told["horizon_end"])
    used = told["outcome"].isin([Outcome.LEFT, Outcome.STAYED]).to_numpy(dtype=bool)
    told, left = told[used], (told.loc[used, "outcome"] == Outcome.LEFT).to_numpy(dtype=bool)
    observed = whole = None
    if recipe.learns == "hazard":
        until = told["left_on"].where(left, told["horizon_end" if running is None else OBSERVED_TO])
        observed, whole = (
            np.maximum((day - told["as_of_date"]).dt.days.to_numpy(dtype=np.int_), 1)
            for day in (until, told["horizon_end"])
        )
    declared = {feature.name: feature.direction for feature in matrix.features}
    del told
    whose = matrix.read([*KEYS, "school_id", "household_id"])[used]
    return LearningRows(
        X=matrix.design(matrix.model_features).at(np.flatnonzero(used)),
        y=left.astype(np.int_),
        observed=observed,
        whole=whole,
        known=known.to_numpy(dtype=bool)[used],
        days=whose["as_of_date"].to_numpy(dtype="datetime64[s]"),
        students=numbered(whose["student_id"]),
        schools=numbered(whose["school_id"]),
        households=numbered(whose["household_id"]),
        names=matrix.model_features,
        directions=tuple(declared[name] for name in matrix.model_features),
        times=_times(whose, left, share=recipe.sample_staying, seed=seed),
    )


def _times(rows: pd.DataFrame, left: NDArray[np.bool_], *, share: float, seed: int) -> Floats | None:
    """Return for how many rows each stands: see `LearningRows.times`."""
    if share == 1:
        return None
    from pandas.util import hash_array

    drawn = hash_array(rows["student_id"].to_numpy(dtype=object), hash_key=f"{seed:016d}"[-16:])
    days = rows["as_of_date"].to_numpy(dtype="datetime64[D]").astype(np.int64).astype(np.uint64)
    # A hash is spread over 64 bits; so is what is left when the day is mixed in (splitmix64, Steele 2014).
    drawn = drawn ^ (days * np.uint64(0x9E3779B97F4A7C15))
    drawn = (drawn ^ (drawn >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    drawn = (drawn ^ (drawn >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    chosen = (drawn ^ (drawn >> np.uint64(31))) < np.uint64(share * 2.0**64)
    return np.where(left, 1.0, np.where(chosen, 1 / share, 0.0))


def numbered(ids: pd.Series[str]) -> Ids:
    """Return the place of each id among all of them, sorted: equal ids and their order stay as they are."""
    return ids.factorize(sort=True)[0].astype(np.int32)


def margins_of(model: Scorer | Logistic, X: Design) -> Floats:
    """Return the margin of each row, read piece by piece."""
    margins = np.empty(X.rows)
    for rows, piece in read_pieces(X):
        margins[rows] = model.margin(piece)
    return margins


def resample(units: Ids, *, seed: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.int_]]:
    """Draw students, or schools, with replacement.

    Parameters
    ----------
    units
        Whose each row is.

    Returns
    -------
    tuple
        The positions of the rows that were drawn, ascending, and how often each was.
    """
    _, who = np.unique(units, return_inverse=True)
    count = int(who.max()) + 1
    times = np.bincount(np.random.default_rng(seed).integers(0, count, size=count), minlength=count)[who]
    rows = np.flatnonzero(times)
    return rows, times[rows]


@dataclass(frozen=True)
class Grower:
    """Fits models of one recipe; rows are binned once for all of them, also for those at the same time."""

    _rows: LearningRows
    _recipe: Recipe
    _exposure: Floats | None
    _binned: BinnedRows | None

    @classmethod
    def of(cls, rows: LearningRows, recipe: Recipe) -> Grower:
        """Weigh the rows by what was observed, and bin them where trees will be grown."""
        binned = exposure = None
        if rows.observed is not None and rows.whole is not None:
            exposure = exposures(rows.observed, rows.y == 1, whole=rows.whole, times=rows.times)
        if "trees" in recipe.parts:
            binned = BinnedRows.of(
                rows.X,
                rows.y,
                names=rows.names,
                exposure=exposure,
                directions=rows.directions,
                times=rows.times,
            )
        return cls(rows, recipe, exposure, binned)

    def fit(
        self,
        *,
        seed: int,
        rows: NDArray[np.intp] | None = None,
        times: NDArray[np.int_] | None = None,
        trees: TreeParameters | None = None,
    ) -> Scorer:
        """Fit one model on all rows, or on some.

        Parameters
        ----------
        seed, rows, times
            See `BinnedRows.fit`.
        trees
            Other parameters than the recipe's.
        """
        grown = linear = None
        if self._binned:
            grown = self._binned.fit(seed=seed, trees=trees or self._recipe.trees, rows=rows, times=times)
        if "linear" in self._recipe.parts:
            linear = self._whole_line if rows is None else self._line(rows, times)
        return Scorer(grown, linear)

    @cached_property
    def _whole_line(self) -> Logistic:
        """The line of all rows: a search grows other trees beside the same one."""
        return self._line(None, None)

    def _line(self, at: NDArray[np.intp] | None, times: NDArray[np.int_] | None) -> Logistic:
        rows = slice(None) if at is None else at
        own = None if self._rows.times is None else self._rows.times[rows]
        return fit_logistic(
            self._rows.X if at is None else self._rows.X.at(at),
            self._rows.y[rows],
            names=self._rows.names,
            season=SEASON,
            prior_sd=self._recipe.prior_sd,
            exposure=None if self._exposure is None else self._exposure[rows],
            times=together(times, own),
        )
