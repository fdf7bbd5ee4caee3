"""Audit the model that was judged: everything in `evaluation.audit`, some of it by fitting more models.

The other models learn from rows of the same training, by the same recipe: of the last terms only, of what was
known terms earlier, with another seed, on resamples of schools. They are ranked, not calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel import splits
from riskmodel.bundle import ModelBundle
from riskmodel.domain import SEASON, AsOf
from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.audit import (
    Audit,
    OtherModel,
    audit_json,
    groups_in,
    judge_cutoffs,
    judge_groups,
    judge_others,
    judge_unseen_schools,
    read_audit,
)
from riskmodel.evaluation.capacity import judge_places, top_lists
from riskmodel.evaluation.contributions_pictures import family_sums
from riskmodel.evaluation.cutoffs import rank_of
from riskmodel.evaluation.gates import refused
from riskmodel.evaluation.stability import ReasonStability, against_direction, flipped, same_reasons
from riskmodel.figures import Evaluation
from riskmodel.models.scorer import Scorer
from riskmodel.pipelines.gating import AUDIT, GATES, ask_gates, limits_of
from riskmodel.pipelines.judging import JUDGED_SCORES, OUT_OF_FOLD, Judged
from riskmodel.pipelines.outbox import keep, track
from riskmodel.pipelines.refitting import Part, Refitting
from riskmodel.pipelines.run import Dates, Run, clock, dates_of, model_version
from riskmodel.recipe import Recipe, TreeParameters
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.tracking import Entry

Floats = NDArray[np.float64]

BOOTSTRAPS = 20
SEEDS = 2
TERMS_OLD = (1, 2, 3)
DIRECTION_ROWS = 5000
SCHOOL_DAYS = {"7d": 5, "14d": 10, "28d": 20, "56d": 40}
"""Of a window; the term has five a week since it began. A day of absence is so much of each."""


def audit_model(run: Run, *, bootstraps: int = BOOTSTRAPS) -> Audit | None:
    """Audit the model that was judged, or take the audit that was made of it, and ask the gates.

    What was found goes to the training's run in MLflow; a model that no gate refuses is the region's
    `challenger`. None where no model was judged.

    Parameters
    ----------
    bootstraps
        Models on resamples of schools.
    """
    store = RecordStore.open(run.workspace.records)
    version = model_version(run, store)
    folder = run.workspace.models / version
    file, marker = folder / AUDIT, folder / f"{AUDIT}.made-from"
    judged = all((folder / name).exists() for name in (OUT_OF_FOLD, JUDGED_SCORES, "bundle"))
    if not judged:
        run.say("audit_nothing")
        return None
    # Before the work: wrong limits stop the step while nothing is done.
    limits = limits_of(run)
    dates = dates_of(run, store)
    # Records, configuration and code are in the name of the folder.
    made_from = f"{bootstraps} bootstraps"
    if marker.exists() and marker.read_text(encoding="utf-8") == made_from:
        audit = read_audit(file.read_text(encoding="utf-8"))
        run.say("audit_reused", file=file)
    else:
        seconds = clock()
        audit = _audit(run, store, dates, folder, bootstraps=bootstraps)
        with whole_file(file) as beside:
            beside.write_text(audit_json(audit), encoding="utf-8")
        marker.write_text(made_from, encoding="utf-8")
        run.say("audited", models=_fitted(audit), file=file, seconds=seconds())
    found = ask_gates(run, folder, audit, limits, current=dates.current.as_of_date)
    region = run.configuration.region
    files = {f"audit/{AUDIT}": file, f"audit/{GATES}": folder / GATES}
    keep(run, Entry(kind="files", region=region, model_version=version), files)
    let_through = not refused(found)
    track(run, Entry(kind="gates", region=region, model_version=version, let_through=let_through))
    return audit


def _fitted(audit: Audit) -> int:
    bootstraps = audit.stability.bootstraps if audit.stability else 0
    return len(audit.learning) + len(audit.aged) + len(audit.seeds) + bootstraps


def _recipe_of(bundle: ModelBundle) -> Recipe:
    told = bundle.manifest["recipe"]
    trees = TreeParameters(**told["trees"])
    return Recipe(told["name"], told["learns"], tuple(told["parts"]), trees, prior_sd=told["prior_sd"])


def _audit(run: Run, store: RecordStore, dates: Dates, folder: Path, *, bootstraps: int) -> Audit:
    seed, share = run.configuration.seed, run.configuration.capacity.share
    judged, learnt = Judged.read(run, folder), pd.read_parquet(folder / OUT_OF_FOLD)
    rows, risk = judged.rows, judged.risk
    if risk is None:
        raise AssertionError("rows are scored out of fold only where there are probabilities")
    refitting = Refitting.of(run, store, dates, recipe=_recipe_of(judged.bundle), judged=rows)
    rank = rank_of(risk, judged.bundle.manifest["cutoffs"], groups_in(rows))
    groups, gaps = judge_groups(rows, risk=risk, rank=rank, share=share, seed=seed)

    def others(what: str, parts: Mapping[str, Part]) -> tuple[tuple[OtherModel, ...], dict[str, Floats]]:
        margins = {name: scorer.margin(refitting.X) for name, scorer in refitting.fit(parts).items()}
        training = {
            name: (_dates_in(refitting, parts[name]), refitting.events(parts[name])) for name in margins
        }
        found = judge_others(rows, judged.margin, margins, training=training, share=share, seed=seed)
        run.say(f"audit_{what}", models=len(margins))
        return found, margins

    learning, _ = others("learning", _last_terms(dates.training_for_test, refitting, seed=seed))
    aged, _ = others("aged", _terms_old(run, store, dates, refitting))
    seeds, margins = others("seeds", {f"seed {n}": Part(seed=seed + 1000 + n) for n in range(1, SEEDS + 1)})
    known = set(learnt["school_id"])
    return Audit(
        model_version=judged.bundle.model_version,
        share=share,
        test_dates=tuple(sorted(set(rows["as_of_date"].dt.date))),
        label_date=date.fromisoformat(judged.bundle.manifest["label_date"]),
        training_dates=tuple(date.fromisoformat(day) for day in judged.bundle.manifest["as_of_dates"]),
        places=judge_places(rows, rank, share=share, seed=seed),
        groups=groups,
        gaps=gaps,
        cutoffs=judge_cutoffs(rows, learnt, gaps, risk=risk, share=share, seed=seed),
        unseen_schools=_unseen_schools(learnt, share=share, seed=seed),
        learning=learning,
        aged=aged,
        seeds=seeds,
        stability=_stability(run, judged, refitting, share=share, bootstraps=bootstraps),
        known_schools=float(rows["school_id"].isin(known).mean()),
        near_line=_near_line(rows, judged.margin, list(margins.values()), share=share),
    )


def _unseen_schools(learnt: pd.DataFrame, *, share: float, seed: int) -> Evaluation | None:
    try:
        return judge_unseen_schools(learnt, share=share, seed=seed)
    except NotEnoughData:
        return None


def _dates_in(refitting: Refitting, part: Part) -> int:
    return len(np.unique(refitting.learnt.days if part.rows is None else refitting.learnt.days[part.rows]))


def _rows_of(refitting: Refitting, days: Sequence[date]) -> NDArray[np.intp]:
    """Find the rows of some dates whose outcome is known over the whole horizon."""
    wanted = np.isin(refitting.learnt.days, np.array(list(days), dtype="datetime64[s]"))
    return np.flatnonzero(wanted & refitting.learnt.known)


def _last_terms(training: Sequence[AsOf], refitting: Refitting, *, seed: int) -> dict[str, Part]:
    """Learn from the last term, the last two, and so on: what more terms are worth.

    Of all terms the judged model itself has learnt.
    """
    latest_first = sorted(training, key=lambda as_of: as_of.as_of_date, reverse=True)
    terms = [list(days) for _, days in groupby(latest_first, key=lambda as_of: as_of.term)]
    parts = {}
    for count in range(1, len(terms)):
        days = [as_of.as_of_date for term in terms[:count] for as_of in term]
        parts[f"{count}"] = Part(_rows_of(refitting, days), seed=seed)
    return parts


def _terms_old(run: Run, store: RecordStore, dates: Dates, refitting: Refitting) -> dict[str, Part]:
    """Learn from what was known so many terms before the first test date: what a model kept on is worth."""
    first = min(dates.test, key=lambda as_of: as_of.as_of_date)
    terms = sorted(store.terms(), key=lambda term: term.start_date)
    begun = [term for term in terms if term.start_date <= first.as_of_date]
    into_term = first.as_of_date - begun[-1].start_date
    parts = {}
    for count in TERMS_OLD:
        if count >= len(begun):
            break
        known = splits.training_dates(
            dates.training_for_test,
            predicted=begun[-1 - count].start_date + into_term,
            outcome_delay_days=run.outcome_delay_days,
            complete_to=date.max,
        )
        days = [as_of.as_of_date for as_of in known]
        parts[f"{count}"] = Part(_rows_of(refitting, days), seed=run.configuration.seed)
    return parts


def _near_line(rows: pd.DataFrame, margin: Floats, others: Sequence[Floats], *, share: float) -> float | None:
    """Return the share of the listed whom a model of another seed does not list."""
    if not others:
        return None
    listed = top_lists(rows, margin, share=share)
    always = np.all([top_lists(rows, other, share=share) for other in others], axis=0)
    return float(1 - (listed & always).sum() / listed.sum())


def _stability(
    run: Run, judged: Judged, refitting: Refitting, *, share: float, bootstraps: int
) -> ReasonStability | None:
    """Compare the reasons of the listed with those that models on resamples of schools give."""
    model = judged.bundle.model
    if model is None or not bootstraps:
        return None
    X = refitting.X[top_lists(judged.rows, judged.margin, share=share)]
    names = judged.bundle.feature_names

    def by_family(scorer: Scorer, values: Floats) -> dict[str, Floats]:
        sums = family_sums(scorer.contributions(values), names, refitting.features)
        return {family: sums[family] for family in sums if family != "season"}  # nobody is told it

    def sums(scorer: Scorer, values: Floats) -> Floats:
        return np.column_stack(list(by_family(scorer, values).values()))

    resamples = refitting.fit(refitting.school_resamples(bootstraps, seed=run.configuration.seed))
    if not resamples:
        return None
    run.say("audit_schools", models=len(resamples))
    told = by_family(model.scorer, X)
    ours = np.column_stack(list(told.values()))
    first, three = same_reasons(ours, np.stack([sums(scorer, X) for scorer in resamples.values()]))
    flips = None
    if "attendance" in told:
        more = sums(model.scorer, _a_day_more(X, names))
        flips = flipped(ours, more, related=list(told).index("attendance"))
    some = refitting.X[:: max(1, len(refitting.X) // DIRECTION_ROWS)]
    against = against_direction(
        some, model.scorer.contributions(some), names=names, features=refitting.features
    )
    return ReasonStability(len(X), len(resamples), first, three, flips, against)


def _a_day_more(X: Floats, names: Sequence[str]) -> Floats:
    """Return the rows with one more day of absence, today's and excused, and all that follows from it.

    Where a student stands among others (percentiles) stays, as it hangs on them.
    """
    more = X.copy()
    column = {name: more[:, number] for number, name in enumerate(names)}
    term = np.ceil((column[SEASON] + 1) * 5 / 7) if SEASON in column else SCHOOL_DAYS["56d"]
    for window, days in {**SCHOOL_DAYS, "term": term}.items():
        share = column.get(f"absence_share_{window}")
        if share is None:
            continue
        added = np.minimum(share + 1 / days, 1.0) - share
        for told in ("share", "share_change", "share_above_grade"):
            if f"absence_{told}_{window}" in column:
                column[f"absence_{told}_{window}"] += added
    if "running_absence_run" in column:
        column["running_absence_run"] += 1
    if "longest_absence_run_56d" in column:
        longest = column["longest_absence_run_56d"]
        longest[:] = np.maximum(longest, np.fmax(column.get("running_absence_run", 1.0), 1.0))
    if "days_since_absence" in column:
        column["days_since_absence"] *= 0
    return more
