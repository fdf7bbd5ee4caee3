"""Each job by three ways: ours, what a user would pick instead, and the least that it can take.

A way is a function of the folder that `prepare` filled; it returns the work as a function, which alone is
timed, and how many things it works at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from riskmodel.bundle import bundle_files, read_bundle, write_bundle
from riskmodel.design import read_pieces, whole
from riskmodel.domain import School, ScoredTerm, TermFacts
from riskmodel.features.build import parts_for
from riskmodel.models import gbm
from riskmodel.models.gbm import Gbm, parameters_of
from riskmodel.models.learning import Grower, LearningRows, rows_to_learn
from riskmodel.models.training import train
from riskmodel.pipelines.scoring_parts import Scored, score_parts
from riskmodel.recipe import PLAIN
from riskmodel.runners.local import LocalRunner
from riskmodel.signing import SigningKey
from riskmodel.store.engine import open_store
from riskmodel.store.publishing import publish
from sizes.drawing import FIRST, draw, drawn

Work = Callable[[], object]
Way = Callable[[Path], tuple[Work, int]]

LEARNT, SCORED, SMALL = "learnt", "scored", "small"
SMALL_ROWS, BAG = 9_000, 5
"""Enough for the hundred leavers that a model needs: how well it scores is not asked here."""
SHARE = 0.02
"""Share of the cohort that is listed with reasons."""


def prepare(folder: Path, *, rows: int, students: int) -> None:
    """Draw what is learnt from, a cohort to score, and a small training whose model scores it."""
    draw(folder / LEARNT, rows=rows, dates=4)
    draw(folder / SCORED, rows=students, dates=1, seed=2)
    draw(folder / SMALL, rows=SMALL_ROWS, dates=2, seed=3)
    key = SigningKey.make()
    trained = train(*drawn(folder / SMALL), seed=1, bag=BAG, folds=2)
    write_bundle(folder / "bundle", bundle_files(trained, model_version="bundle", data_hash="d", key=key))
    (folder / "public").write_text(key.public)


def _bundle(folder: Path) -> Any:
    return read_bundle(folder / "bundle", version="bundle", public_key=(folder / "public").read_text())


def _learnt(folder: Path) -> LearningRows:
    return rows_to_learn(*drawn(folder / LEARNT), None, recipe=PLAIN)


def training_ours(folder: Path) -> tuple[Work, int]:
    """Bin rows left in their files, and grow the trees."""
    import lightgbm  # noqa: F401  which is loaded before anything is timed

    rows = _learnt(folder)
    return lambda: Grower.of(rows, PLAIN).fit(seed=1), len(rows.y)


def training_in_memory(folder: Path) -> tuple[Work, int]:
    """Read all into one array and give it to LightGBM."""
    import lightgbm

    rows = _learnt(folder)

    def work() -> object:
        X = drawn(folder / LEARNT)[0].read(rows.names).to_numpy(dtype=np.float64)
        told = parameters_of(PLAIN.trees)
        data = lightgbm.Dataset(X, label=rows.y, feature_name=list(rows.names), params=told)
        return lightgbm.train({**told, "seed": 1}, data, num_boost_round=PLAIN.trees.rounds)

    return work, len(rows.y)


def training_least(folder: Path) -> tuple[Work, int]:
    """Grow the trees alone, of bins that are there."""
    rows = _learnt(folder)
    grower = Grower.of(rows, PLAIN)
    return lambda: grower.fit(seed=1), len(rows.y)


def _scored(folder: Path) -> tuple[Gbm, np.ndarray]:
    """Return the trees, and the rows that they score."""
    model = Gbm.from_text(_bundle(folder).model.scorer.trees.text)
    return model, whole(drawn(folder / SCORED)[0].design(model.names))


def reasons_ours(folder: Path) -> tuple[Work, int]:
    """Look contributions up in tables, making them included; of fewer rows they are not made."""
    model, X = _scored(folder)
    if len(X) < gbm.BULK_ROWS:
        raise SystemExit(f"--students {len(X)}: tables are made for {gbm.BULK_ROWS} rows and more")
    return lambda: model.contributions(X), len(X)


def reasons_lightgbm(folder: Path) -> tuple[Work, int]:
    """Ask LightGBM, by `pred_contrib`, for a tenth of the rows."""
    model, X = _scored(folder)
    few = X[::10]
    return lambda: model._predict(few, pred_contrib=True), len(few)


def reasons_shap(folder: Path) -> tuple[Work, int]:
    """Ask `shap.TreeExplainer` for a tenth of the rows, on one thread as the others."""
    import shap

    model, X = _scored(folder)
    few = X[::10]
    model._booster.params["num_threads"] = 1
    explainer = shap.TreeExplainer(model._booster)
    return lambda: explainer.shap_values(few), len(few)


def reasons_least(folder: Path) -> tuple[Work, int]:
    """Predict the margin alone."""
    model, X = _scored(folder)
    return lambda: model.margin(X), len(X)


def _facts(bundle: Any) -> TermFacts:
    return TermFacts(
        region="bench", term="t0", as_of_date=FIRST, horizon_end=FIRST + timedelta(days=180),
        valid_until=FIRST + timedelta(days=40), model_version="bundle", rule_version="bench",
        wording_version="bench", records_hash="bench", data_complete_to=FIRST,
        probabilities=bundle.probabilities, features=bundle.features, records_delivery=1,
    )  # fmt: skip


def publishing_ours(folder: Path) -> tuple[Work, int]:
    """Score a cohort, give the listed their reasons and strengths, and store every answer."""
    facts = _facts(_bundle(folder))
    [file] = (folder / SCORED).glob("matrix-*.parquet")
    place = folder / "store"
    shutil.rmtree(place, ignore_errors=True)
    parts = [
        Scored(
            matrix=part, learn_also=(), bundle=folder / "bundle", version="bundle",
            public_key=(folder / "public").read_text(), out=folder / "scoring" / part.stem,
        )
        for part in _parts(file, folder / "parts")
    ]  # fmt: skip

    def work() -> object:
        students = score_parts(parts, runner=LocalRunner(processes=1), bands=(0.2, 0.1), capacity_share=SHARE)
        schools = tuple(School(one, one, "") for one in sorted({each.school_id for each in students}))
        store = open_store(place, create=True)
        term = ScoredTerm(facts, schools, students)
        return publish(store, term, published_at=datetime(2026, 1, 1, tzinfo=UTC), published_by="bench")

    return work, pq.read_metadata(file).num_rows


def _parts(file: Path, folder: Path) -> list[Path]:
    """Lay a matrix in as many files as features of so many students lie in."""
    folder.mkdir(exist_ok=True)
    stored = pq.ParquetFile(file)
    count = parts_for(stored.metadata.num_rows)
    dealt = np.array_split(np.arange(stored.metadata.num_row_groups), count)
    files = [folder / f"part-{number}.parquet" for number in range(count)]
    for part, groups in zip(files, dealt, strict=True):
        pq.write_table(stored.read_row_groups(list(groups)), part)
    return files


def publishing_by_hand(folder: Path) -> tuple[Work, int]:
    """Predict with LightGBM, explain the listed by `pred_contrib`, write a table with pandas: no sentence."""
    import sqlite3

    bundle = _bundle(folder)
    files = sorted((folder / SCORED).glob("matrix-*.parquet"))

    def work() -> object:
        frame = pd.read_parquet(files[0])
        X = frame[list(bundle.feature_names)].to_numpy(dtype=np.float64)
        model = bundle.model.scorer.trees
        risk = bundle.model.calibrator.risk(model.margin(X))
        listed = np.argsort(-risk)[: int(SHARE * len(risk))]
        contributions = model._predict(X[listed], pred_contrib=True)
        told = frame[["student_id", "school_id", "grade", "class_name"]].assign(risk=risk, reasons="")
        first = np.argsort(-contributions[:, :-1], axis=1)[:, :3]
        told.loc[listed, "reasons"] = [json.dumps([bundle.feature_names[n] for n in row]) for row in first]
        with sqlite3.connect(folder / "by-hand.db") as store:
            return told.to_sql("students", store, if_exists="replace", index=False)

    return work, pq.read_metadata(files[0]).num_rows


def publishing_least(folder: Path) -> tuple[Work, int]:
    """Read the matrix and predict the margin: no answer can be had with less."""
    bundle = _bundle(folder)
    matrix, _ = drawn(folder / SCORED)
    design = matrix.design(bundle.feature_names)
    model = bundle.model.scorer
    return lambda: [model.margin(piece) for _, piece in read_pieces(design)], design.rows


WAYS: dict[str, dict[str, Way]] = {
    "training": {
        "ours": training_ours,
        "LightGBM in memory": training_in_memory,
        "least: trees of made bins": training_least,
    },
    "reasons": {
        "ours": reasons_ours,
        "pred_contrib": reasons_lightgbm,
        "shap.TreeExplainer": reasons_shap,
        "least: margins": reasons_least,
    },
    "publishing": {
        "ours": publishing_ours,
        "LightGBM, pandas, SQLite": publishing_by_hand,
        "least: read, margins": publishing_least,
    },
}
