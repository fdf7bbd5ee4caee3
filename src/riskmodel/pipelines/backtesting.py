"""Backtest: every past term whose outcomes are known, as it would have been scored then.

A term is kept under the digest of all that its figures come from: the bytes of its matrices, its labels, the
list before it, and the code. A later delivery that changes nothing of a past term leaves it as it is.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import pandas as pd

from riskmodel import splits
from riskmodel.bundle import bundle_files, read_bundle, write_bundle
from riskmodel.domain import AsOf, Labels, Matrix
from riskmodel.evaluation.backtest import TermJudged, backtest_json, read_term, summarise, term_json
from riskmodel.evaluation.backtest_report import backtest_report
from riskmodel.evaluation.pictures import terms_picture
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.pipelines.bundles import JUDGED, signing_key
from riskmodel.pipelines.inputs import labels_of, matrix_files_of_each, read_files, stored_files
from riskmodel.pipelines.judging import judge, keep_scores, learnt_on, observed_part, score_rows, train_on
from riskmodel.pipelines.run import (
    Run,
    candidates_of,
    clock,
    code_hash,
    complete_to,
    dates_of,
    digest,
    learnable,
)
from riskmodel.records.store import RecordStore
from riskmodel.wording import LANGUAGES
from riskmodel.wording import version as wording_version

CODE = ("models", "evaluation", "scoring.py", "bundle.py", "splits.py", "pipelines/judging.py",
        "pipelines/backtesting.py")  # fmt: skip
"""What makes a term's figures of its matrices and labels."""
SCORES = "scores.parquet"
"""In a term's folder: its rows with what became of them, and their scores."""


@dataclass(frozen=True)
class _Asked:
    """One term to judge: its dates, those to learn from, and the day on which outcomes are told.

    `training` are dates whose horizon was over, `running` those whose horizon was still running.
    """

    term: str
    test: tuple[AsOf, ...]
    training: tuple[AsOf, ...]
    running: tuple[AsOf, ...]
    outcomes_on: date

    @property
    def dates(self) -> tuple[AsOf, ...]:
        """Every date that needs features."""
        return (*self.test, *self.training, *self.running)


def backtest(run: Run) -> Path | None:
    """Judge every past term that was not judged from the same inputs before, and report on all of them.

    Returns the folder of the report; None where no past date has known outcomes.
    """
    seconds = clock()
    store = RecordStore.open(run.workspace.records)
    asked = _terms(run, store)
    if not asked:
        run.say("backtest_nothing")
        return None
    files = matrix_files_of_each(run, store, [day for one in asked for day in one.dates])
    folder, before, made = run.workspace.backtest, None, 0
    kept: list[Path] = []
    for number, one in enumerate(asked, start=1):
        outcomes, learnt = _labels(run, store, one)
        place = folder / one.term / _inputs(run, one, files, labels=(outcomes, *learnt), before=before)
        if (place / "term.json").exists():
            run.say("backtest_term_reused", number=f"{number}/{len(asked)}", term=one.term)
        else:
            _judge_term(run, store, one, outcomes, files=files, place=place, before=before,
                        number=f"{number}/{len(asked)}")  # fmt: skip
            made += 1
        kept.append(place)
        before = place
    _report(run, kept)
    said = "backtest_done" if made else "backtest_unchanged"
    run.say(said, made=made, reused=len(asked) - made, folder=folder, seconds=seconds())
    return folder


def _terms(run: Run, store: RecordStore) -> list[_Asked]:
    """Find the terms with known outcomes, oldest first, and what was known before each."""
    reach = complete_to(run, store, dates_of(run, store).current)
    candidates = candidates_of(run, store.terms())
    delay = run.outcome_delay_days
    known = splits.training_dates(candidates, predicted=date.max, outcome_delay_days=delay, complete_to=reach)
    by_term = groupby(sorted(known, key=lambda as_of: as_of.term), key=lambda as_of: as_of.term)
    asked = []
    for term, days in by_term:
        test = tuple(sorted(days, key=lambda as_of: as_of.as_of_date))
        training, running = learnable(run, candidates, on=test[0].as_of_date, reach=reach)
        known_on = max(as_of.horizon_end + timedelta(days=delay(as_of)) for as_of in test)
        asked.append(_Asked(term, test, training, running, known_on))
    return sorted(asked, key=lambda one: (one.test[0].as_of_date, one.term))


def _labels(run: Run, store: RecordStore, one: _Asked) -> tuple[Labels, tuple[Labels, ...]]:
    """Return what became of the term's cohorts, and what was known of others before its first date.

    Outcomes are told as known on the first day on which all of them were: what is heard years later about
    a past term does not change its figures.
    """
    outcomes = labels_of(run, store, one.test, label_date=one.outcomes_on)
    if not one.training:
        return outcomes, ()
    day = one.test[0].as_of_date
    learnt = [one.training, *([observed_part(run, store, one.running, on=day)] if one.running else [])]
    return outcomes, tuple(labels_of(run, store, dates, label_date=day) for dates in learnt)


def _inputs(
    run: Run,
    one: _Asked,
    files: Mapping[AsOf, Sequence[Path]],
    *,
    labels: Sequence[Labels],
    before: Path | None,
) -> str:
    """Name all that the term's figures come from."""
    frames = [
        told.frame[["as_of_date", "student_id", "outcome", "left_on", "horizon_end"]] for told in labels
    ]
    return digest(
        run.configuration.seed,
        run.recipe,
        run.configuration.protected_features,
        run.configuration.capacity.share,
        [hashlib.sha256(file.read_bytes()).hexdigest() for as_of in one.dates for file in files[as_of]],
        [
            hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()
            for frame in frames
        ],
        before.name if before else None,
        code_hash(*CODE),
    )


def _judge_term(
    run: Run,
    store: RecordStore,
    one: _Asked,
    outcomes: Labels,
    *,
    files: Mapping[AsOf, Sequence[Path]],
    place: Path,
    before: Path | None,
    number: str,
) -> None:
    """Train on what was known, judge, and keep; what was kept of the term from other inputs is removed."""
    seconds = clock()
    shutil.rmtree(place.parent, ignore_errors=True)
    place.mkdir(parents=True)

    trained = bundle = None
    if one.training:
        day = one.test[0].as_of_date

        def stored(dates: Sequence[AsOf]) -> Matrix:
            return stored_files(run, [file for as_of in dates for file in files[as_of]])

        learnt = learnt_on(run, store, day, training=one.training, running=one.running, read=stored)
        trained = train_on(run, learnt, recipe=run.recipe, bag=0)
        key = signing_key(run)
        written = bundle_files(trained, model_version=place.name, data_hash=store.content_hash, key=key)
        write_bundle(place / JUDGED, written)
        bundle = read_bundle(place / JUDGED, version=place.name, public_key=key.public)
    tested = read_files(run, [file for as_of in one.test for file in files[as_of]])
    rows, models = score_rows(tested, outcomes, trained=trained, bundle=bundle, last_list=_last_list(before))
    share = run.configuration.capacity.share
    evaluation = judge(run, rows, models, trained=trained, shares=(share,))
    keep_scores(place / SCORES, rows, models)
    judged = TermJudged(
        term=one.term,
        as_of_dates=tuple(as_of.as_of_date for as_of in one.test),
        training_dates=len(one.training),
        training_events=trained.counts.events if trained else 0,
        by_model=bool(trained and trained.probabilities),
        evaluation=evaluation,
    )
    # This file comes last: a folder that holds it was judged to its end.
    (place / "term.json").write_text(term_json(judged), encoding="utf-8")
    run.say(
        "backtest_term" if judged.by_model else "backtest_term_rule",
        number=number,
        term=one.term,
        events=evaluation.events if evaluation else 0,
        training_events=judged.training_events,
        minimum=MINIMUM_TRAINING_EVENTS,
        seconds=seconds(),
    )


def _last_list(before: Path | None) -> pd.Series[float] | None:
    """Return the scores, by student, of the last as-of date of the term before, as its own list had them."""
    if before is None:
        return None
    rows = pd.read_parquet(before / SCORES)
    rows = rows[rows["as_of_date"] == rows["as_of_date"].max()]
    score = next(column for column in rows.columns if column.endswith("_score"))
    return pd.Series(rows[score].to_numpy(), index=rows["student_id"])


def _report(run: Run, kept: Sequence[Path]) -> None:
    """Write the report on all terms, and say it; where it is there from the same terms it is said again."""
    folder = run.workspace.backtest
    marker = folder / "REPORTED_FROM"
    made_from = digest([place.name for place in kept], wording_version(), code_hash("evaluation"))
    if not (marker.exists() and marker.read_text(encoding="utf-8") == made_from):
        marker.unlink(missing_ok=True)
        terms = [read_term((place / "term.json").read_text(encoding="utf-8")) for place in kept]
        scores = {term.term: pd.read_parquet(place / SCORES) for term, place in zip(terms, kept, strict=True)}
        found = summarise(
            terms,
            scores,
            capacity_share=run.configuration.capacity.share,
            seed=run.configuration.seed,
        )
        (folder / "backtest.json").write_text(backtest_json(found), encoding="utf-8")
        for language in LANGUAGES:
            (folder / f"report.{language}.md").write_text(backtest_report(found, language), encoding="utf-8")
        judged = {term.term: term.evaluation for term in terms if term.evaluation is not None}
        if judged:
            terms_picture(folder / "by_term.png", terms=judged)
        marker.write_text(made_from, encoding="utf-8")
    for language in LANGUAGES:
        report = (folder / f"report.{language}.md").read_text(encoding="utf-8")
        run.say("table", language=language, table=report)
