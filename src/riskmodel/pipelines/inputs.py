"""The matrices and labels that training and publishing share, made once for the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from riskmodel import labels as labelling
from riskmodel.domain import AsOf, FeatureMatrix, Labels
from riskmodel.features import build as features
from riskmodel.pipelines.run import Run, clock, code_hash, dates_of, digest, silent
from riskmodel.records.store import RecordStore
from riskmodel.runners.local import LocalRunner


def matrix_files(run: Run, store: RecordStore) -> tuple[Path, ...]:
    """Return the matrices of all dates, one file each; made now, or found from the same inputs."""
    dates = dates_of(run, store).all
    folder = run.workspace.features / digest(
        store.content_hash, dates, run.rules, code_hash("features", "records")
    )
    seconds = clock()
    done = folder / "DONE"
    if done.exists():
        files = tuple(sorted(folder.glob("matrix-*.parquet")))
        said = "features_reused"
    else:
        tasks = [
            features.StudentStageTask(
                store=run.workspace.records,
                bucket=bucket,
                as_of=tuple((as_of, run.rule(as_of)) for as_of in dates),
                out=folder / "buckets",
            )
            for bucket in range(store.bucket_count)
        ]
        files = features.school_stage(LocalRunner().map(features.student_stage, tasks), out=folder)
        done.touch()
        said = "features_built"
    matrix = features.read_matrix(files)
    run.say(
        said,
        features=len(matrix.model_features),
        dates=len(files),
        rows=len(matrix.frame),
        seconds=seconds(),
    )
    return files


def matrix_of(run: Run, store: RecordStore) -> FeatureMatrix:
    """Read the matrices of all dates."""
    return features.read_matrix(matrix_files(replace(run, say=silent), store))


def only(matrix: FeatureMatrix, dates: Sequence[AsOf]) -> FeatureMatrix:
    """Keep the rows of some dates."""
    days = [datetime.combine(as_of.as_of_date, datetime.min.time()) for as_of in dates]
    frame = matrix.frame[matrix.frame["as_of_date"].isin(days)].reset_index(drop=True)
    return replace(matrix, frame=frame)


def labels_of(run: Run, store: RecordStore, dates: Sequence[AsOf], *, label_date: date) -> Labels:
    """Return what became of the cohorts of some dates, as known on the label date."""
    rules = tuple(run.rule(as_of) for as_of in dates)
    folder = run.workspace.labels / digest(
        store.content_hash, dates, rules, label_date, code_hash("labels.py", "records")
    )
    tasks = [
        labelling.LabelTask(
            store=run.workspace.records,
            bucket=bucket,
            as_of_dates=tuple(dates),
            rules=rules,
            label_date=label_date,
            out=folder / f"bucket-{bucket:03d}.parquet",
        )
        for bucket in range(store.bucket_count)
    ]
    missing = [task for task in tasks if not task.out.exists()]
    LocalRunner().map(labelling.label_bucket, missing)
    versions = "+".join(dict.fromkeys(rule.version for rule in rules))
    return labelling.read_labels([task.out for task in tasks], label_date=label_date, rule_version=versions)
