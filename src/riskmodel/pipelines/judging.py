"""Train, score, judge: the one place where a model meets outcomes that it could not know.

A training and each term of a backtest go through here, so that their figures mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from riskmodel.bundle import ModelBundle
from riskmodel.domain import AsOf, Evaluation, FeatureMatrix, Labels
from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.metrics import SHARES, evaluate
from riskmodel.models.training import TrainedModel, train
from riskmodel.pipelines.inputs import labels_of
from riskmodel.pipelines.run import Run
from riskmodel.records.store import RecordStore
from riskmodel.scoring import Scores, places_on_last_list, score, score_beside
from riskmodel.wording import LANGUAGES

Read = Callable[[Sequence[AsOf]], FeatureMatrix]


def train_before(
    run: Run, store: RecordStore, *, training: Sequence[AsOf], test: Sequence[AsOf], read: Read, bag: int = 0
) -> TrainedModel:
    """Train on what was known before the first test date."""
    first = min(as_of.as_of_date for as_of in test)
    known = labels_of(run, store, training, label_date=first)
    return train(read(training), known, seed=run.configuration.seed, bag=bag)


def score_rows(
    tested: FeatureMatrix,
    outcomes: Labels,
    *,
    trained: TrainedModel | None,
    bundle: ModelBundle | None,
    last_list: pd.Series[float] | None,
) -> tuple[pd.DataFrame, dict[str, Scores]]:
    """Return what became of each tested row, and its scores by the model, if there is one, and the baselines.

    `last_list` holds the scores, by student id, of the latest as-of date of an earlier term; None: no list.
    """
    models = {"lightgbm": score(tested, bundle)} if bundle is not None and bundle.probabilities else {}
    last_term = None if last_list is None else places_on_last_list(tested, last_list)
    models |= score_beside(tested, trained, last_term=last_term)
    keys = ["as_of_date", "student_id"]
    rows = tested.frame[[*keys, "stage"]].merge(
        outcomes.frame[[*keys, "outcome", "left_on"]], on=keys, how="left", validate="one_to_one"
    )
    return rows, models


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


def keep_scores(file: Path, rows: pd.DataFrame, models: Mapping[str, Scores]) -> None:
    """Keep what was judged, row by row: a figure can be made again without another training."""
    scores = {f"{name}_score": given.margin for name, given in models.items()}
    risks = {f"{name}_risk": given.risk for name, given in models.items() if given.risk is not None}
    rows.assign(**scores, **risks).to_parquet(file, index=False)
