"""Models of one recipe from parts of one training's rows, scored on the rows that were judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel.domain import FeatureInfo
from riskmodel.models.learning import Grower, LearningRows, resample, rows_to_learn
from riskmodel.models.scorer import Scorer
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS, side_by_side
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.run import Dates, Run
from riskmodel.pipelines.searching import learnt_for_test
from riskmodel.recipe import Recipe
from riskmodel.records.store import RecordStore

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
KEYS = ["as_of_date", "student_id"]


@dataclass(frozen=True)
class Part:
    """Rows to learn from (None: all), how often each stands there, and a seed."""

    rows: Positions | None = None
    times: NDArray[np.int_] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Refitting:
    """A training's rows, and the rows on which other models of it are looked at.

    Attributes
    ----------
    learnt
        The rows that the judged model learnt from.
    X
        (n, p) values of the rows that were judged, in their order.
    """

    learnt: LearningRows
    X: Floats
    recipe: Recipe
    features: tuple[FeatureInfo, ...]

    @classmethod
    def of(
        cls, run: Run, store: RecordStore, dates: Dates, *, recipe: Recipe, judged: pd.DataFrame
    ) -> Refitting:
        """Read again what the judged model learnt from, and the values of the judged rows."""
        learnt = learnt_for_test(run, store, dates)
        running = learnt.running if recipe.learns == "hazard" else None
        tested = matrix_of(run, store, dates.test)
        X = judged[KEYS].merge(tested.frame, on=KEYS, how="left", validate="one_to_one")
        return cls(
            rows_to_learn(
                learnt.matrix, learnt.known, running, recipe=recipe, seed=run.configuration.seed
            ).sampled(),
            X[list(tested.model_features)].to_numpy(dtype=np.float64),
            recipe,
            tested.features,
        )

    def events(self, part: Part) -> int:
        """Count the students who left of those a part learns from, each once."""
        rows = slice(None) if part.rows is None else part.rows
        return len(np.unique(self.learnt.students[rows][self.learnt.y[rows] == 1]))

    def fit(self, parts: Mapping[str, Part]) -> dict[str, Scorer]:
        """Fit a model for each part that has leavers enough, some beside each other.

        A part without `times` is binned for itself, as if there were no other rows; a resample uses the bins
        of all.
        """
        enough = {name: part for name, part in parts.items() if self.events(part) >= MINIMUM_TRAINING_EVENTS}
        whole = Grower.of(self.learnt, self.recipe)

        def one(part: Part) -> Scorer:
            if part.rows is None or part.times is not None:
                return whole.fit(seed=part.seed, rows=part.rows, times=part.times)
            return Grower.of(self.learnt.at(part.rows), self.recipe).fit(seed=part.seed)

        with side_by_side() as pool:
            fitted = {name: pool.submit(partial(one, part)) for name, part in enough.items()}
            return {name: model.result() for name, model in fitted.items()}

    def school_resamples(self, count: int, *, seed: int) -> dict[str, Part]:
        """Draw schools with replacement, `count` times; each draw has a model seed of its own."""
        parts = {}
        for number in range(1, count + 1):
            rows, times = resample(self.learnt.schools, seed=[seed, number])
            parts[f"schools {number}"] = Part(rows, times, seed + 2000 + number)
        return parts
