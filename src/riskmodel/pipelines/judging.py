"""Train, score, judge: the one place where a model meets outcomes that it could not know.

A training and each term of a backtest go through here, so that their figures mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel import splits
from riskmodel.bundle import ModelBundle
from riskmodel.domain import AsOf, FeatureMatrix, Labels, Matrix
from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.audit import GROUP, judgeable
from riskmodel.evaluation.groups import GROUPINGS, groups_of
from riskmodel.evaluation.metrics import SHARES, evaluate
from riskmodel.explain import enough_known
from riskmodel.figures import Evaluation
from riskmodel.models.alarms import check_leaks
from riskmodel.models.learning import OBSERVED_TO
from riskmodel.models.training import BAG, TrainedModel, train
from riskmodel.pipelines.bundles import read_judged
from riskmodel.pipelines.inputs import labels_of
from riskmodel.pipelines.run import Run, complete_to, dates_of
from riskmodel.recipe import Recipe
from riskmodel.records.store import RecordStore
from riskmodel.scoring import Scores, places_on_last_list, score, score_beside, score_unwritten
from riskmodel.wording import LANGUAGES

Floats = NDArray[np.float64]
Read = Callable[[Sequence[AsOf]], Matrix]
JUDGED_SCORES = "judged-scores.parquet"
"""Rows of the test dates with what became of them, groups, and the scores of every method."""
OUT_OF_FOLD = "out-of-fold.parquet"
"""The judged model's training rows with groups, each scored by a model that had not seen its school."""


@dataclass(frozen=True)
class Learnt:
    """What may be learnt on a day: a matrix, outcomes over whole horizons, and of those still running."""

    matrix: Matrix
    known: Labels
    running: Labels | None


def learnt_on(
    run: Run, store: RecordStore, day: date, *, training: Sequence[AsOf], running: Sequence[AsOf], read: Read
) -> Learnt:
    """Read what was known on a day of dates whose horizon was over (`training`) or still running then.

    A column that tells too much stops it (see `alarms`): nothing is searched for, fitted or judged on it.
    """
    known = labels_of(run, store, training, label_date=day)
    part = None
    if running:
        part = labels_of(run, store, observed_part(run, store, running, on=day), label_date=day)
        ends = {pd.Timestamp(as_of.as_of_date): pd.Timestamp(as_of.horizon_end) for as_of in running}
        whole = part.frame["as_of_date"].map(ends).astype(part.frame["horizon_end"].dtype)
        part = replace(
            part, frame=part.frame.rename(columns={"horizon_end": OBSERVED_TO}).assign(horizon_end=whole)
        )
    matrix = read((*training, *running))
    check_leaks(matrix, known)
    return Learnt(matrix, known, part)


def observed_part(run: Run, store: RecordStore, running: Sequence[AsOf], *, on: date) -> tuple[AsOf, ...]:
    """End running horizons where what was known on a day ends."""
    current = dates_of(run, store).current
    return splits.observed(
        running,
        predicted=on,
        outcome_delay_days=run.outcome_delay_days,
        complete_to=complete_to(run, store, current),
    )


def train_on(run: Run, learnt: Learnt, *, recipe: Recipe, bag: int = BAG) -> TrainedModel:
    """Train by a recipe on what may be learnt."""
    return train(
        learnt.matrix,
        learnt.known,
        recipe=recipe,
        running=learnt.running,
        seed=run.configuration.seed,
        bag=bag,
    )


def score_rows(
    tested: FeatureMatrix,
    outcomes: Labels,
    *,
    trained: TrainedModel | None,
    bundle: ModelBundle | None,
    last_list: pd.Series[float] | None,
    beside: Mapping[str, TrainedModel] | None = None,
) -> tuple[pd.DataFrame, dict[str, Scores]]:
    """Return what became of each tested row, and its scores by the model, if there is one, and the baselines.

    `beside` are models of other recipes, by the names under which they stand in the table. `last_list` holds
    the scores, by student id, of the latest as-of date of an earlier term; None: no list.
    """
    models = {}
    if bundle is not None and trained is not None and bundle.probabilities:
        models[trained.recipe.name] = score(tested, bundle)
    models |= {name: score_unwritten(tested, other) for name, other in (beside or {}).items()}
    last_term = None if last_list is None else places_on_last_list(tested, last_list)
    models |= score_beside(tested, trained, last_term=last_term)
    keys = ["as_of_date", "student_id"]
    rows = with_groups(tested).merge(
        outcomes.frame[[*keys, "outcome", "left_on", "cause"]], on=keys, how="left", validate="one_to_one"
    )
    return rows, models


def with_groups(matrix: Matrix) -> pd.DataFrame:
    """Return whose row each is, with school, stage and groups: what a later audit divides figures by.

    And whether enough is known for a place on a list.
    """
    keys = matrix.read(["as_of_date", "student_id", "school_id", "stage"])
    told = matrix.read([each.column for each in GROUPINGS if each.column in matrix.columns])
    rows = pd.concat([keys, groups_of(told).add_prefix(GROUP)], axis=1)
    return rows.assign(enough_known=enough_known(matrix))


def judge(
    run: Run,
    rows: pd.DataFrame,
    models: Mapping[str, Scores],
    *,
    trained: TrainedModel | None,
    shares: Sequence[float] = SHARES,
) -> Evaluation | None:
    """Judge all models on the same rows; None where nobody left, which is said."""
    try:
        return evaluate(
            models,
            rows,
            seed=run.configuration.seed,
            training_rows=trained.counts.rows if trained else 0,
            training_events=trained.counts.events if trained else 0,
            shares=shares,
        )
    except NotEnoughData as error:
        if error.code != "nobody_left":
            raise
        # A small county in a good term: there is nothing to judge by, and still a list to make.
        for language in LANGUAGES:
            run.say("not_judged_for", language=language, problem=error.text(language))
        return None


@dataclass(frozen=True)
class Judged:
    """What was kept of a model that was judged: its bundle, and the rows that take part, with its scores.

    Attributes
    ----------
    rows
        As `keep_scores` kept them, less those that nobody can judge yet.
    margin, risk
        Of the model, one per row; without probabilities the rule's scores, and no risk.
    """

    bundle: ModelBundle
    rows: pd.DataFrame
    margin: Floats
    risk: Floats | None

    @classmethod
    def read(cls, run: Run, folder: Path) -> Judged:
        """Read it from a model's folder."""
        rows = judgeable(pd.read_parquet(folder / JUDGED_SCORES))
        # The first scores are those of the model, whatever its recipe is called.
        first = next(name for name in rows.columns if name.endswith("_score")).removesuffix("_score")
        risk = rows[f"{first}_risk"].to_numpy(dtype=np.float64) if f"{first}_risk" in rows else None
        margin = rows[f"{first}_score"].to_numpy(dtype=np.float64)
        return cls(read_judged(run, folder), rows, margin, risk)


def keep_scores(file: Path, rows: pd.DataFrame, models: Mapping[str, Scores]) -> None:
    """Keep what was judged, row by row: a figure can be made again without another training."""
    scores = {f"{name}_score": given.margin for name, given in models.items()}
    risks = {f"{name}_risk": given.risk for name, given in models.items() if given.risk is not None}
    rows.assign(**scores, **risks).to_parquet(file, index=False)
