"""The matrices and labels that training and publishing share, made once for the same inputs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from riskmodel import labels as labelling
from riskmodel.domain import AsOf, FeatureMatrix, Labels, Matrix
from riskmodel.errors import NotEnoughData, Where
from riskmodel.features import ALL_FEATURES
from riskmodel.features import build as features
from riskmodel.pipelines.run import Run, clock, code_hash, dates_of, digest, silent
from riskmodel.records.keeping.durable import remove_halves
from riskmodel.records.store import RecordStore


def matrix_files(run: Run, store: RecordStore) -> tuple[Path, ...]:
    """Return the matrices of all configured dates, a file per date and part of the schools.

    They are made now, or found from the same inputs.
    """
    return _files_of(run, store, dates_of(run, store).all)


def _files_of(
    run: Run, store: RecordStore, dates: tuple[AsOf, ...], *, corrected: bool = False
) -> tuple[Path, ...]:
    folder = run.workspace.features / digest(
        store.content_hash,
        dates,
        run.rules,
        code_hash("features", "records"),
        *(["corrected"] * corrected),
        *run.left_out_digest,
    )
    seconds = clock()
    done = folder / "DONE"
    if done.exists():
        files = features.matrix_files_of(sorted(folder.glob("part-*")))
        said = "features_reused"
    else:
        parts = features.parts_for(store.student_count)
        tasks = [
            features.StudentStageTask(
                store=run.workspace.records,
                bucket=bucket,
                as_of=tuple((as_of, run.rule(as_of)) for as_of in dates),
                out=folder / "buckets",
                corrected=corrected,
                left_out=run.left_out,
                parts=parts,
            )
            for bucket in range(store.bucket_count)
        ]
        buckets = run.runner.map(features.student_stage, tasks)
        files = features.school_stage(buckets, out=folder, parts=parts, runner=run.runner)
        remove_halves(folder)
        done.touch()
        said = "features_built"
    run.say(
        said,
        features=sum(feature.role == "model" for feature in ALL_FEATURES),
        dates=len({file.name for file in files}),
        rows=sum(pq.read_metadata(file).num_rows for file in files),
        seconds=seconds(),
    )
    return files


def matrix_files_of_each(run: Run, store: RecordStore, dates: Sequence[AsOf]) -> dict[AsOf, tuple[Path, ...]]:
    """Return the matrix of each date, all its parts, made together with those of the configuration."""
    both = {*dates, *dates_of(run, store).all}
    together = tuple(sorted(both, key=lambda as_of: (as_of.as_of_date, as_of.term)))
    found: dict[str, tuple[Path, ...]] = {}
    for file in _files_of(run, store, together):
        found[file.name] = (*found.get(file.name, ()), file)
    return {as_of: found[f"matrix-{as_of.as_of_date}-{as_of.term}.parquet"] for as_of in dates}


def matrix_of(run: Run, store: RecordStore, dates: Sequence[AsOf]) -> FeatureMatrix:
    """Read the matrices of some dates, and no others: a whole history does not stay in memory.

    Dates of the configuration are read from what its run made; others are made for themselves.
    """
    return read_files(run, _files_of_some(run, store, dates))


def _files_of_some(run: Run, store: RecordStore, dates: Sequence[AsOf]) -> tuple[Path, ...]:
    wanted = {f"matrix-{as_of.as_of_date}-{as_of.term}.parquet" for as_of in dates}
    configured = dates_of(run, store).all
    made_for = configured if set(dates) <= set(configured) else tuple(dates)
    files = _files_of(replace(run, say=silent), store, made_for)
    return tuple(file for file in files if file.name in wanted)


def files_of_day(run: Run, store: RecordStore, as_of: AsOf, *, corrected: bool = False) -> tuple[Path, ...]:
    """Return the matrix of one date, in its parts.

    Parameters
    ----------
    corrected
        From what was known on it, corrected by what is known now to be wrong; see `BucketReader`.

    Raises
    ------
    NotEnoughData
        If nobody was enrolled on it.
    """
    if corrected:
        files = _files_of(replace(run, say=silent), store, (as_of,), corrected=True)
    else:
        files = _files_of_some(run, store, (as_of,))
    if not files:
        raise NotEnoughData("cohort_empty", Where(key=as_of.as_of_date.isoformat()))
    return files


def stored_matrix_of(run: Run, store: RecordStore, dates: Sequence[AsOf]) -> Matrix:
    """Return what `matrix_of` does, the rows left in their files: what a model learns from."""
    return stored_files(run, _files_of_some(run, store, dates))


def corrected_matrix_of(run: Run, store: RecordStore, as_of: AsOf) -> FeatureMatrix:
    """Make the matrix of a date from what was known on it, corrected by what is known now to be wrong."""
    return read_files(run, files_of_day(run, store, as_of, corrected=True))


def read_files(run: Run, files: Sequence[Path]) -> FeatureMatrix:
    """Read matrices as the configuration allows a model to learn from them."""
    return features.read_matrix(files, learn_also=learn_also(run))


def stored_files(run: Run, files: Sequence[Path]) -> Matrix:
    """Return matrices as `read_files` does, left in their files."""
    return features.stored_matrix(files, learn_also=learn_also(run))


def learn_also(run: Run) -> tuple[str, ...]:
    """Return the protected features of which the bureau decided that a model may learn from them."""
    decision = run.configuration.protected_features
    return tuple(decision.use) if decision else ()


SCORING = "scored-"
"""Begins the names of folders, beside a matrix, of scores that are being made."""


def remove_scoring(run: Run, *, but: str = "") -> None:
    """Remove what a killed scoring left, all but a folder of this name."""
    for left in run.workspace.features.glob(f"*/{SCORING}*"):
        if left.name != but:
            shutil.rmtree(left, ignore_errors=True)


def labels_of(run: Run, store: RecordStore, dates: Sequence[AsOf], *, label_date: date) -> Labels:
    """Return what became of the cohorts of some dates, as known on the label date."""
    rules = tuple(run.rule(as_of) for as_of in dates)
    folder = run.workspace.labels / digest(
        store.content_hash,
        dates,
        rules,
        label_date,
        code_hash("labels.py", "outcomes.py", "records"),
        *run.left_out_digest,
    )
    tasks = [
        labelling.LabelTask(
            store=run.workspace.records,
            bucket=bucket,
            as_of_dates=tuple(dates),
            rules=rules,
            label_date=label_date,
            out=folder / f"bucket-{bucket:03d}.parquet",
            left_out=run.left_out,
        )
        for bucket in range(store.bucket_count)
    ]
    missing = [task for task in tasks if not task.out.exists()]
    run.runner.map(labelling.label_bucket, missing)
    remove_halves(folder)
    versions = "+".join(dict.fromkeys(rule.version for rule in rules))
    return labelling.read_labels([task.out for task in tasks], label_date=label_date, rule_version=versions)
