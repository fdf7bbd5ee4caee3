"""Train, judge, track: from records and features to a model's version."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from riskmodel.bundle import MANIFEST, ModelBundle, bundle_files, write_bundle
from riskmodel.config import configuration_hash
from riskmodel.domain import FeatureMatrix, Outcome
from riskmodel.evaluation.audit import GROUP
from riskmodel.evaluation.capacity import known_rows
from riskmodel.evaluation.contributions_pictures import family_picture
from riskmodel.evaluation.cutoffs import equal_recall_cutoffs
from riskmodel.evaluation.pictures import calibration_picture, precision_picture
from riskmodel.evaluation.report import ReferenceRow, evaluation_json, evaluation_report, not_beaten
from riskmodel.evaluation.transfers import transfer_figures
from riskmodel.figures import Evaluation
from riskmodel.models.gbm import give_back
from riskmodel.models.rules import absence_rule
from riskmodel.models.search import SearchResult
from riskmodel.models.training import TrainedModel
from riskmodel.pipelines.bundles import (
    JUDGED,
    USED,
    judged_version,
    read_judged,
    read_used,
    signing_key,
    try_used,
)
from riskmodel.pipelines.challenging import Field, choose_of, nested_runs, say_trained, told_of, train_field
from riskmodel.pipelines.first_term import tell_first_term
from riskmodel.pipelines.gating import limits_of
from riskmodel.pipelines.inputs import labels_of, matrix_of, stored_matrix_of
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
from riskmodel.pipelines.outbox import keep, send
from riskmodel.pipelines.run import (
    Dates,
    Run,
    clock,
    commit,
    complete_to,
    dates_of,
    digest,
    model_version,
)
from riskmodel.pipelines.searching import searched, trial_run
from riskmodel.recipe import LINEAR, Recipe
from riskmodel.records.store import RecordStore
from riskmodel.scoring import score
from riskmodel.tracking import DataUsed, Entry, evaluation_metrics
from riskmodel.wording import LANGUAGES

DATA_MANIFEST = "data.json"
"""In a model's folder: hashes, counts and dates of what it was trained on."""
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
    if (folder / USED).exists():
        run.say("model_reused", version=version)
        stands = read_used(run, folder)
        if not stands.probabilities:
            tell_first_term(run, store, dates_of(run, store), events=stands.manifest["training"]["events"])
        return version
    if run.challengers:
        # Before the work: wrong limits stop the step while nothing is done.
        limits_of(run)
    dates = dates_of(run, store)
    _empty(folder)
    recipe, search = searched(run, store, dates)
    others = [searched(run, store, dates, recipe=other)[0] for other in run.challengers]
    evaluation, judged = judge_recipe(run, store, dates, folder, recipe=recipe, challengers=others)
    recipe = judged.recipe if judged else recipe
    simpler = run.configuration.publish_simpler and recipe != LINEAR
    if simpler and evaluation is not None and "logistic" in not_beaten(evaluation):
        run.say("simpler_published")
        # What is published is what is audited, approved and promised: the simpler one is judged as any other.
        _empty(folder)
        recipe = LINEAR
        evaluation, judged = judge_recipe(run, store, dates, folder, recipe=recipe)
    give_back()
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
            read=partial(stored_matrix_of, run, store),
        )
        seconds = clock()
        trained = train_on(run, learnt, recipe=recipe)
        say_trained(run, trained, version, seconds())
        scored = _out_of_fold(learnt, trained) if trained.probabilities else None
    files = bundle_files(
        trained,
        model_version=version,
        data_hash=store.content_hash,
        key=signing_key(run),
        cutoffs=_cutoffs(run, scored),
        horizon=run.horizon,
    )
    entry = _entry(run, store, version, evaluation=evaluation, trained=trained, search=search, files=files)
    keep(run, entry, _artifacts(run, store, folder, trained=trained, files=files))
    # The bundle comes last: a folder with a bundle is a training that was done to its end.
    write_bundle(folder / USED, files)
    try_used(run, folder)
    send(run)
    if not trained.probabilities:
        tell_first_term(run, store, dates, events=trained.counts.events)
    return version


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def judge_recipe(
    run: Run,
    store: RecordStore,
    dates: Dates,
    folder: Path,
    *,
    recipe: Recipe,
    challengers: Sequence[Recipe] = (),
) -> tuple[Evaluation | None, TrainedModel | None]:
    """Train on what was known before the test dates and judge on them; print and keep the table in a folder.

    Of several recipes the one that goes forward is the first of the table (`evaluation.challengers`). The
    evaluation is None where no date is judged, or nobody left; the model where it is not even trained.
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
    trained, bundle, field = None, None, None
    beside: dict[str, TrainedModel] = {}
    if dates.training_for_test:
        field = train_field(run, store, dates, [recipe, *challengers])
    # All rows of a date, in memory: not while a model is trained.
    tested = read(dates.test)
    if field is not None:
        name = choose_of(run, field, tested, outcomes, folder)
        trained, beside = field.of(name)
        bundle = _keep_judged(run, store, folder, field, trained)
    else:
        run.say("judged_by_rule", first=min(as_of.as_of_date for as_of in dates.test))
    last_list = None
    if dates.last_term:
        earlier = read((dates.last_term,))
        margin = score(earlier, bundle).margin if bundle else absence_rule(earlier)
        last_list = pd.Series(margin, index=earlier.frame["student_id"])
    rows, models = score_rows(
        tested, outcomes, trained=trained, bundle=bundle, last_list=last_list, beside=beside
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


def _keep_judged(
    run: Run, store: RecordStore, folder: Path, field: Field, trained: TrainedModel
) -> ModelBundle:
    """Write the model that is judged, and read it back: the one path to a score is that of production."""
    scored = _out_of_fold(field.learnt, trained) if trained.probabilities else None
    files = bundle_files(
        trained,
        model_version=judged_version(folder.name),
        data_hash=store.content_hash,
        key=signing_key(run),
        cutoffs=_cutoffs(run, scored),
        horizon=run.horizon,
    )
    write_bundle(folder / JUDGED, files)
    if scored is not None:
        scored.to_parquet(folder / OUT_OF_FOLD, index=False)
    return read_judged(run, folder)


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
        known=known_rows(rows),
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


def _entry(
    run: Run,
    store: RecordStore,
    version: str,
    *,
    evaluation: Evaluation | None,
    trained: TrainedModel,
    search: SearchResult | None,
    files: Mapping[str, bytes],
) -> Entry:
    """Return what MLflow is told of the training: aggregates, and what the model was made from."""
    manifest = json.loads(files[MANIFEST])
    parameters = {
        **told_of(trained.recipe),
        "seed": run.configuration.seed,
        "features": len(trained.feature_names),
        "horizon": run.configuration.horizon
        if isinstance(run.configuration.horizon, str)
        else f"{run.configuration.horizon.days} days",
        "rule": trained.rule_version,
    }
    trials = [trial_run(trial, chosen=trial == search.chosen) for trial in search.trials] if search else []
    return Entry(
        kind="training",
        region=run.configuration.region,
        model_version=version,
        parameters={name: str(value) for name, value in parameters.items()},
        metrics=evaluation_metrics(evaluation) if evaluation else {},
        tags={
            "configuration": configuration_hash(run.file),
            "records": store.content_hash,
            "bundle": hashlib.sha256(files[MANIFEST]).hexdigest(),
            **({"commit": told} if (told := commit()) else {}),
            **{f"version.{name}": number for name, number in manifest["libraries"].items()},
        },
        data=_data(store, trained, evaluation),
        nested=(*trials, *nested_runs(run, trained.recipe, evaluation)),
    )


def _data(store: RecordStore, trained: TrainedModel, evaluation: Evaluation | None) -> tuple[DataUsed, ...]:
    """Return which records the model learnt from, and on which it was judged.

    MLflow keeps one entry of the same name and digest, so the rows that were used are in the digest.
    """
    learnt = {
        "as_of_dates": ", ".join(map(str, trained.as_of_dates)),
        "label_date": str(trained.label_date),
        **{name: str(value) for name, value in asdict(trained.counts).items()},
    }
    data = [DataUsed(context="training", digest=digest(store.content_hash, learnt), profile=learnt)]
    if evaluation is not None:
        judged = {
            "as_of_dates": ", ".join(map(str, evaluation.test_dates)),
            **{name: str(getattr(evaluation, name)) for name in ("rows", "students", "events")},
        }
        data.append(DataUsed(context="evaluation", digest=digest(store.content_hash, judged), profile=judged))
    return tuple(data)


def _artifacts(
    run: Run, store: RecordStore, folder: Path, *, trained: TrainedModel, files: Mapping[str, bytes]
) -> dict[str, Path | bytes]:
    """Name the files of the training's run: configuration, data, tables, pictures, the signed bundle."""
    manifest = {
        "records": store.content_hash,
        "students": store.student_count,
        "tables": list(store.tables),
        "complete_to": str(complete_to(run, store, dates_of(run, store).current)),
        "training_as_of_dates": [str(day) for day in trained.as_of_dates],
        "label_date": str(trained.label_date),
        **{f"training_{name}": value for name, value in asdict(trained.counts).items()},
    }
    told = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / DATA_MANIFEST).write_text(told, encoding="utf-8")
    return {
        f"configuration/{run.file.name}": run.file,
        "data/manifest.json": folder / DATA_MANIFEST,
        **{f"pictures/{file.name}": file for file in sorted((folder / "pictures").glob("*.png"))},
        **{file.name: file for file in sorted(folder.glob("report.*.md"))},
        **{f"model/{name}": content for name, content in files.items()},
    }
