"""Train, judge, track: from records and features to a model's version."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd

from riskmodel.bundle import ModelBundle, read_bundle, write_bundle
from riskmodel.config import configuration_hash
from riskmodel.domain import Evaluation, FeatureMatrix, Outcome
from riskmodel.evaluation.pictures import calibration_picture, family_picture, precision_picture
from riskmodel.evaluation.report import ReferenceRow, evaluation_json, evaluation_report
from riskmodel.models.gbm import PARAMETERS
from riskmodel.models.rules import absence_rule
from riskmodel.models.training import BAG, MINIMUM_TRAINING_EVENTS, TrainedModel, train
from riskmodel.pipelines.first_term import tell_first_term
from riskmodel.pipelines.inputs import labels_of, matrix_of
from riskmodel.pipelines.judging import judge, keep_scores, score_rows, train_before
from riskmodel.pipelines.run import Dates, Run, clock, complete_to, dates_of, model_version
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
    evaluation, judged = _judge(run, store, dates, folder)
    if judged is not None and dates.training == dates.training_for_test:
        trained = judged
    else:
        # The current date's own outcomes are never known: alone, it makes a bundle without probabilities.
        learnt_from = dates.training or (dates.current,)
        known = labels_of(run, store, learnt_from, label_date=dates.current.as_of_date)
        seconds = clock()
        trained = train(matrix_of(run, store, learnt_from), known, seed=run.configuration.seed)
        _say_trained(run, trained, version, seconds())
    # The bundle comes last: a folder with a bundle is a training that was done to its end.
    run_id = _track(run, store, folder, version=version, evaluation=evaluation, trained=trained)
    write_bundle(folder / "bundle", trained, model_version=version, data_hash=store.content_hash)
    run.say("tracked", experiment=run.configuration.region, run_id=run_id)
    if not trained.probabilities:
        tell_first_term(run, store, dates, events=trained.counts.events)
    return version


def _judge(
    run: Run, store: RecordStore, dates: Dates, folder: Path
) -> tuple[Evaluation | None, TrainedModel | None]:
    """Train on what was known before the test dates and judge on them; print and keep the table."""
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
    trained, bundle = _train_judged(run, store, dates, folder)
    tested = read(dates.test)
    last_list = None
    if dates.last_term:
        earlier = read((dates.last_term,))
        margin = score(earlier, bundle).margin if bundle else absence_rule(earlier)
        last_list = pd.Series(margin, index=earlier.frame["student_id"])
    rows, models = score_rows(tested, outcomes, trained=trained, bundle=bundle, last_list=last_list)
    evaluation = judge(run, rows, models, trained=trained)
    if evaluation is None:
        return None, trained
    keep_scores(folder / "judged-scores.parquet", rows, models)
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
    run: Run, store: RecordStore, dates: Dates, folder: Path
) -> tuple[TrainedModel | None, ModelBundle | None]:
    """Train on what was known before the test dates; neither where nothing was: then the rule is judged."""
    if not dates.training_for_test:
        run.say("judged_by_rule", first=min(as_of.as_of_date for as_of in dates.test))
        return None, None
    seconds = clock()
    # Only the model that is published needs a bag: it says how sure a reason is, never a score.
    bag = BAG if dates.training == dates.training_for_test else 0
    read = partial(matrix_of, run, store)
    trained = train_before(run, store, training=dates.training_for_test, test=dates.test, read=read, bag=bag)
    version = f"{folder.name}-judged"
    _say_trained(run, trained, version, seconds())
    write_bundle(folder / "judged", trained, model_version=version, data_hash=store.content_hash)
    # The one path to a score: what is judged is read back as production reads it.
    return trained, read_bundle(folder / "judged")


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
        contributions=bundle.model.gbm.contributions(some[list(bundle.feature_names)].to_numpy()),
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
) -> str:
    """Log the training in MLflow; return the run id."""
    return log_training(
        open_tracking(run.workspace.tracking),
        region=run.configuration.region,
        parameters={
            **PARAMETERS,
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
        model_text=trained.fitted.gbm.text if trained.fitted else None,
        model_version=version,
        tags={"configuration": configuration_hash(run.file), "records": store.content_hash},
        texts={file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("report.*.md"))},
    )


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
