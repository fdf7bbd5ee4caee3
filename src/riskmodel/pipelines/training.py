"""Train, judge, track: from records and features to a model's version."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from riskmodel.bundle import ModelBundle, read_bundle, write_bundle
from riskmodel.config import configuration_hash
from riskmodel.domain import FeatureMatrix, Outcome
from riskmodel.evaluation.audit import GROUP
from riskmodel.evaluation.contributions_pictures import family_picture
from riskmodel.evaluation.cutoffs import equal_recall_cutoffs
from riskmodel.evaluation.pictures import calibration_picture, precision_picture
from riskmodel.evaluation.report import ReferenceRow, evaluation_json, evaluation_report, not_beaten
from riskmodel.evaluation.transfers import transfer_figures
from riskmodel.figures import Evaluation
from riskmodel.models.rules import absence_rule
from riskmodel.models.search import SearchResult
from riskmodel.models.training import BAG, MINIMUM_TRAINING_EVENTS, TrainedModel
from riskmodel.pipelines.first_term import tell_first_term
from riskmodel.pipelines.inputs import labels_of, matrix_of
from riskmodel.pipelines.judging import (
    JUDGED_SCORES,
    OUT_OF_FOLD,
    Learnt,
    judge,
    keep_scores,
    learnt_on,
    score_rows,
    train_on,
    with_groups,
)
from riskmodel.pipelines.run import Dates, Run, clock, commit, complete_to, dates_of, model_version
from riskmodel.pipelines.searching import learnt_for_test, searched, trial_row
from riskmodel.recipe import LINEAR, PLAIN, Recipe, is_plain
from riskmodel.records.store import RecordStore
from riskmodel.scoring import score
from riskmodel.tracking import log_training, open_tracking
from riskmodel.wording import LANGUAGES

PICTURED_ROWS = 2000
"""Rows whose contributions are drawn: more of them hide each other."""


def train_model(run: Run) -> str:
    """Train a model to be judged and one to be used, judge, track; return the model's version.

    The figures are those of a model that knew only outcomes known before the test dates; the one that is
    used has learnt from all outcomes known on the current date and is never judged on them. Where too few
    are known, or none, there is no model: the bundle says so, the absence rule makes the lists, and what is
    missing is told.
    """
    store = RecordStore.open(run.workspace.records)
    version = model_version(run, store)
    folder = run.workspace.models / version
    if (folder / "bundle").exists():
        run.say("model_reused", version=version)
        stands = read_bundle(folder / "bundle")
        if not stands.probabilities:
            tell_first_term(run, store, dates_of(run, store), events=stands.manifest["training"]["events"])
        return version
    dates = dates_of(run, store)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recipe, search = searched(run, store, dates)
    evaluation, judged = judge_recipe(run, store, dates, folder, recipe=recipe)
    if run.configuration.publish_simpler and evaluation is not None and "logistic" in not_beaten(evaluation):
        run.say("simpler_published")
        recipe, judged = LINEAR, None
    if judged is not None and dates.training == dates.training_for_test:
        trained = judged
        scored = pd.read_parquet(folder / OUT_OF_FOLD) if trained.probabilities else None
    else:
        # The current date's own outcomes are never known: alone, it makes a bundle without probabilities.
        learnt_from = dates.training or (dates.current,)
        learnt = learnt_on(
            run,
            store,
            dates.current.as_of_date,
            training=learnt_from,
            running=dates.running,
            read=partial(matrix_of, run, store),
        )
        seconds = clock()
        trained = train_on(run, learnt, recipe=recipe)
        _say_trained(run, trained, version, seconds())
        scored = _out_of_fold(learnt, trained) if trained.probabilities else None
    # The bundle comes last: a folder with a bundle is a training that was done to its end.
    run_id = _track(
        run, store, folder, version=version, evaluation=evaluation, trained=trained, search=search
    )
    write_bundle(
        folder / "bundle",
        trained,
        model_version=version,
        data_hash=store.content_hash,
        cutoffs=_cutoffs(run, scored),
    )
    run.say("tracked", experiment=run.configuration.region, run_id=run_id)
    if not trained.probabilities:
        tell_first_term(run, store, dates, events=trained.counts.events)
    return version


def judge_recipe(
    run: Run, store: RecordStore, dates: Dates, folder: Path, *, recipe: Recipe
) -> tuple[Evaluation | None, TrainedModel | None]:
    """Train on what was known before the test dates and judge on them; print and keep the table in a folder.

    The evaluation is None where no date is judged, or nobody left; the model where it is not even trained.
    """
    if not dates.test:
        run.say("not_judged")
        return None, None
    seconds = clock()
    outcomes = labels_of(run, store, dates.test, label_date=complete_to(run, store, dates.test[0]))
    run.say(
        "labels_made",
        training=len(dates.training_for_test),
        test=len(dates.test),
        rule=outcomes.rule_version,
        seconds=seconds(),
    )
    read = partial(matrix_of, run, store)
    trained, bundle, fixed = _train_judged(run, store, dates, folder, recipe=recipe)
    tested = read(dates.test)
    last_list = None
    if dates.last_term:
        earlier = read((dates.last_term,))
        margin = score(earlier, bundle).margin if bundle else absence_rule(earlier)
        last_list = pd.Series(margin, index=earlier.frame["student_id"])
    rows, models = score_rows(
        tested, outcomes, trained=trained, bundle=bundle, last_list=last_list, fixed=fixed
    )
    evaluation = judge(run, rows, models, trained=trained)
    if evaluation is None:
        return None, trained
    first = next(iter(models.values()))
    transfers = transfer_figures(first, rows, seed=run.configuration.seed)
    evaluation = replace(evaluation, unconfirmed_transfers=transfers)
    keep_scores(folder / JUDGED_SCORES, rows, models)
    if bundle is not None and bundle.probabilities:
        _draw(folder / "pictures", tested, rows, bundle, evaluation)
    reference = [ReferenceRow(**row.model_dump()) for row in run.configuration.reference]
    (folder / "evaluation.json").write_text(evaluation_json(evaluation), encoding="utf-8")
    run.say("figures")
    for language in LANGUAGES:
        table = evaluation_report(evaluation, language, reference=reference)
        (folder / f"report.{language}.md").write_text(table, encoding="utf-8")
        run.say("table", language=language, table=table)
    return evaluation, trained


def _train_judged(
    run: Run, store: RecordStore, dates: Dates, folder: Path, *, recipe: Recipe
) -> tuple[TrainedModel | None, ModelBundle | None, TrainedModel | None]:
    """Train on what was known before the test dates; where nothing was, the rule is judged.

    Returned are the model, its bundle and, where the recipe is another, the plain recipe's model.
    """
    if not dates.training_for_test:
        run.say("judged_by_rule", first=min(as_of.as_of_date for as_of in dates.test))
        return None, None, None
    seconds = clock()
    # Only the model that is published needs a bag: it says how sure a reason is, never a score.
    bag = BAG if dates.training == dates.training_for_test else 0
    learnt = learnt_for_test(run, store, dates)
    trained = train_on(run, learnt, recipe=recipe, bag=bag)
    fixed = None if is_plain(recipe) else train_on(run, learnt, recipe=PLAIN, bag=0)
    version = f"{folder.name}-judged"
    _say_trained(run, trained, version, seconds())
    write_bundle(folder / "judged", trained, model_version=version, data_hash=store.content_hash)
    if trained.probabilities:
        _out_of_fold(learnt, trained).to_parquet(folder / OUT_OF_FOLD, index=False)
    # The one path to a score: what is judged is read back as production reads it.
    return trained, read_bundle(folder / "judged"), fixed if trained.probabilities else None


def _out_of_fold(learnt: Learnt, trained: TrainedModel) -> pd.DataFrame:
    """Return the rows that were learnt from with their groups, each scored by a model blind to its school."""
    rows = with_groups(learnt.matrix)
    return rows.merge(trained.out_of_fold, on=["as_of_date", "student_id"], validate="one_to_one")


def _cutoffs(run: Run, rows: pd.DataFrame | None) -> dict[str, object] | None:
    """Find the cut-offs by group that a bureau asked for: see `evaluation.cutoffs`."""
    by, share = run.configuration.capacity.equal_recall_by, run.configuration.capacity.share
    if by is None or rows is None:
        return None
    cutoffs = equal_recall_cutoffs(
        rows["risk"].to_numpy(dtype=np.float64),
        rows["left"].to_numpy(dtype=bool),
        rows[f"{GROUP}{by}"].to_numpy(dtype=str),
        share=share,
    )
    return {"by": by, "cutoffs": cutoffs}


def _draw(
    folder: Path, tested: FeatureMatrix, rows: pd.DataFrame, bundle: ModelBundle, evaluation: Evaluation
) -> None:
    """Draw calibration, lists and the families' contributions of the rows that were judged."""
    risk = score(tested, bundle).risk
    if bundle.model is None or risk is None:
        return
    folder.mkdir()
    judged = rows["outcome"].isin([Outcome.STAYED, Outcome.LEFT]).to_numpy()
    left = (rows["outcome"] == Outcome.LEFT).to_numpy()
    calibration_picture(folder / "calibration.png", risk=risk[judged], left=left[judged])
    precision_picture(folder / "precision_at_k.png", evaluation=evaluation)
    some = tested.frame.iloc[:: max(1, len(tested.frame) // PICTURED_ROWS)]
    family_picture(
        folder / "contributions_by_family.png",
        contributions=bundle.model.scorer.contributions(some[list(bundle.feature_names)].to_numpy()),
        names=bundle.feature_names,
        features=bundle.features,
    )


def _track(
    run: Run,
    store: RecordStore,
    folder: Path,
    *,
    version: str,
    evaluation: Evaluation | None,
    trained: TrainedModel,
    search: SearchResult | None,
) -> str:
    """Log the training in MLflow; return the run id."""
    return log_training(
        open_tracking(run.workspace.tracking),
        region=run.configuration.region,
        parameters={
            **_told(trained.recipe),
            "seed": run.configuration.seed,
            "features": len(trained.feature_names),
            "horizon": run.configuration.horizon
            if isinstance(run.configuration.horizon, str)
            else f"{run.configuration.horizon.days} days",
            "rule": trained.rule_version,
        },
        evaluation=evaluation,
        data_manifest={
            "records": store.content_hash,
            "students": store.student_count,
            "tables": list(store.tables),
            "complete_to": str(complete_to(run, store, dates_of(run, store).current)),
            "training_as_of_dates": [str(day) for day in trained.as_of_dates],
            "label_date": str(trained.label_date),
            **{f"training_{name}": value for name, value in asdict(trained.counts).items()},
        },
        configuration_file=run.file,
        pictures=sorted((folder / "pictures").glob("*.png")),
        model_texts=trained.fitted.scorer.texts if trained.fitted else {},
        trials=[trial_row(trial, chosen=trial == search.chosen) for trial in search.trials] if search else (),
        model_version=version,
        tags={
            "configuration": configuration_hash(run.file),
            "records": store.content_hash,
            **({"commit": told} if (told := commit()) else {}),
        },
        texts={file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("report.*.md"))},
    )


def _told(recipe: Recipe) -> dict[str, object]:
    """Return a recipe as flat parameters."""
    trees = {f"trees.{name}": value for name, value in asdict(recipe.trees).items()}
    return {"recipe": recipe.name, "learns": recipe.learns, "parts": " + ".join(recipe.parts), **trees}


def _say_trained(run: Run, trained: TrainedModel, version: str, seconds: str) -> None:
    counts = trained.counts
    if trained.probabilities:
        run.say(
            "trained",
            rows=counts.rows,
            students=counts.students,
            events=counts.events,
            version=version,
            seconds=seconds,
        )
    else:
        run.say(
            "trained_without_probabilities",
            events=counts.events,
            minimum=MINIMUM_TRAINING_EVENTS,
            version=version,
        )
