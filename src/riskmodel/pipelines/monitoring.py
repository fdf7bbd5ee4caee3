"""Watch what is in use: whether what the model reads has changed, and whether served scores held."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from riskmodel.bundle import ModelBundle
from riskmodel.config import WeekOfTerm
from riskmodel.documents.watch import Watched, alarm_lines, watch_page
from riskmodel.domain import AsOf, FeatureMatrix, PublishedSet, ScoredTerm, Term
from riskmodel.errors import ConfigurationError, NotEnoughData, Where
from riskmodel.evaluation.audit import read_audit
from riskmodel.evaluation.capacity import top_lists
from riskmodel.evaluation.cutoffs import rank_of
from riskmodel.evaluation.drift import Day, alarms_of, measure
from riskmodel.evaluation.groups import NOT_KNOWN, groups_of
from riskmodel.evaluation.promises import Promised, ServedJudged, judge_served, served_rows
from riskmodel.evaluation.report import read_evaluation
from riskmodel.explain import enough_known
from riskmodel.pipelines.bundles import read_in_use
from riskmodel.pipelines.gating import AUDIT
from riskmodel.pipelines.inputs import corrected_matrix_of, labels_of, matrix_of
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, clock, complete_to
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.scoring import score
from riskmodel.store.actions import HELP, actions_in_force
from riskmodel.store.engine import Store, open_store
from riskmodel.store.reading import current_set
from riskmodel.store.served import served_term
from riskmodel.store.sets import published_sets
from riskmodel.wording import LANGUAGES

Floats = NDArray[np.float64]
MOST_EARLIER = 4
"""Earlier terms that a day is held against: two of each season."""


def monitor(run: Run) -> bool:
    """Watch the set in use, write the page, the figures and the alarms; return whether all is quiet.

    Raises
    ------
    StoreError
        If nothing was published yet.
    NotEnoughData
        If no earlier term has the same week.
    """
    seconds = clock()
    store = RecordStore.open(run.workspace.records)
    published = open_store(run.workspace.store)
    stands = current_set(published)
    watched = _watched(run, store, published, stands)
    folder = run.workspace.monitor / f"{watched.as_of_date}-{watched.set_id}"
    told = {
        "set_id": watched.set_id,
        "alarms": [asdict(alarm) for alarm in watched.alarms],
        "judged": [asdict(judged) for judged in watched.judged],
        "coverage": watched.coverage,
        "school_coverage": watched.school_coverage,
        "changes": [asdict(change) for change in watched.changes],
    }
    with whole_file(folder / "monitor.json") as beside:
        beside.write_text(json.dumps(told, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    for language in LANGUAGES:
        page = folder / f"monitor.{language}.html"
        with whole_file(page) as beside:
            beside.write_text(watch_page(watched, language), encoding="utf-8")
        for line in alarm_lines(watched, language):
            run.say("monitor_alarm", language=language, alarm=line)
        run.say("report_open", language=language, file=page)
    _write_figures(run.workspace.monitor / "riskmodel.prom", watched)
    code = "monitor_quiet" if watched.quiet else "monitor_alarms"
    alarms = len(watched.alarms) + sum(len(judged.broken) for judged in watched.alarming)
    run.say(code, set_id=stands.set_id, asked=watched.asked, alarms=alarms, seconds=seconds())
    return watched.quiet


def _watched(run: Run, store: RecordStore, published: Store, stands: PublishedSet) -> Watched:
    bundle = read_in_use(run, run.workspace.models / stands.facts.model_version)
    as_of, earlier = watched_dates(run, store, stands)
    if not earlier:
        raise NotEnoughData("monitor_no_earlier_term", Where(key=stands.facts.term))
    # A date of its own each: what was kept of earlier weeks is found again.
    matrices = {each: matrix_of(run, store, (each,)) for each in (as_of, *earlier)}
    if stands.facts.revises is not None:
        matrices[as_of] = corrected_matrix_of(run, store, as_of)
    served = served_term(published, BUREAU, stands)
    days = [_served_day(matrices[as_of], served)]
    days += [_scored_day(run, matrices[each], bundle) for each in earlier]
    changes = measure(days[0], days[1:])
    sources = {feature.name: feature.source for feature in matrices[as_of].features}
    used = sorted({sources[name] for name in days[0].names if name in sources})
    judged = _judged(run, store, published)
    return Watched(
        set_id=stands.set_id,
        model_version=stands.facts.model_version,
        as_of_date=as_of.as_of_date,
        earlier=tuple(each.as_of_date for each in earlier),
        learnt=tuple(date.fromisoformat(day) for day in bundle.manifest["as_of_dates"]),
        schools={school.school_id: school.name for school in (*store.schools(), *served.schools)},
        students=len(served.students),
        listed=sum(student.listed for student in served.students),
        asked=len(changes),
        alarms=alarms_of(changes),
        changes=changes,
        coverage={source: tuple(_known(day, source, sources) for day in days) for source in used},
        school_coverage={
            str(school): {source: _known(days[0].at(str(school)), source, sources) for source in used}
            for school in np.unique(days[0].schools)
        },
        judged=judged,
        alarming=tuple(each for each in judged if each.broken and each.term == judged[-1].term),
    )


def watched_dates(run: Run, store: RecordStore, stands: PublishedSet) -> tuple[AsOf, tuple[AsOf, ...]]:
    """Return the day of the set in use, and the same week of earlier terms, the latest first.

    A term that was over by that week, or for which the region has no rule, is left out.
    """
    terms = {term.term: term for term in store.terms()}
    own = terms[stands.facts.term]
    week = (stands.facts.as_of_date - own.start_date).days // 7
    before = sorted(
        (term for term in terms.values() if term.start_date < own.start_date),
        key=lambda term: term.start_date,
        reverse=True,
    )
    earlier = [_week(run, term, max(1, week)) for term in before]
    ruled = [each for each in earlier if each is not None and _has_rule(run, each)]
    return as_of_on(run, stands.facts.as_of_date, (own,)), tuple(ruled[:MOST_EARLIER])


def _week(run: Run, term: Term, week: int) -> AsOf | None:
    """Return a week of a term; None where the term was over by then."""
    try:
        return as_of_on(run, WeekOfTerm(term=term.term, week=week), (term,))
    except NotEnoughData:
        return None


def _has_rule(run: Run, as_of: AsOf) -> bool:
    try:
        run.rule(as_of)
    except ConfigurationError:
        return False
    return True


def _served_day(matrix: FeatureMatrix, served: ScoredTerm) -> Day:
    """Take a day with the risks and lists that were served, and not scored again."""
    of = {student.student_id: student for student in served.students}
    students = [of.get(student) for student in matrix.frame["student_id"]]
    if not served.facts.probabilities:
        return Day.of(matrix)
    risk = [math.nan if one is None or one.risk is None else one.risk for one in students]
    listed = [math.nan if one is None else float(one.listed) for one in students]
    return Day.of(matrix, risk=np.array(risk), listed=np.array(listed))


def _scored_day(run: Run, matrix: FeatureMatrix, bundle: ModelBundle) -> Day:
    """Take an earlier day with what the model in use would have said of it."""
    scores = score(matrix, bundle)
    if scores.risk is None:
        return Day.of(matrix)
    risk = np.where(enough_known(matrix), scores.risk, np.nan)
    rank = rank_of(risk, bundle.manifest["cutoffs"], groups_of(matrix.frame))
    first = top_lists(matrix.frame, rank, share=run.configuration.capacity.share)
    listed = first | (np.nan_to_num(risk) >= run.configuration.bands.check_in)
    return Day.of(matrix, risk=risk, listed=listed.astype(np.float64))


def _known(day: Day, source: str, sources: Mapping[str, str]) -> float:
    """Return the share of a table's features that are known of the students."""
    columns = [number for number, name in enumerate(day.names) if sources.get(name) == source]
    return float((~np.isnan(day.X[:, columns])).mean())


def _judged(run: Run, store: RecordStore, published: Store) -> tuple[ServedJudged, ...]:
    """Judge all that was served and has matured, by term and model, the earliest first."""
    terms = {term.term: term for term in store.terms()}
    served: dict[tuple[str, str], dict[AsOf, PublishedSet]] = {}
    # The last to become current comes first: of one day that is what schools had in the end.
    for each in published_sets(published):
        facts = each.facts
        if facts.term not in terms or not facts.probabilities:
            continue
        as_of = as_of_on(run, facts.as_of_date, (terms[facts.term],))
        as_of = AsOf(as_of.as_of_date, facts.horizon_end, facts.term)
        reach = complete_to(run, store, as_of)
        if (reach - facts.horizon_end).days >= run.rule(as_of).outcome_delay_days:
            served.setdefault((facts.term, facts.model_version), {}).setdefault(as_of, each)
    judged = []
    for (term, version), sets in sorted(served.items(), key=lambda item: min(d.as_of_date for d in item[1])):
        dates = sorted(sets, key=lambda as_of: as_of.as_of_date)
        outcomes = labels_of(run, store, dates, label_date=complete_to(run, store, dates[0]))
        rows = served_rows([served_term(published, BUREAU, sets[day]) for day in dates], outcomes.frame)
        found = judge_served(
            rows,
            rank=_rank(run, store, rows, dates, run.workspace.models / version),
            helped=_helped(published, rows, dates),
            term=term,
            model_version=version,
            promised=_promised(run.workspace.models / version, run.configuration.capacity.share),
            share=run.configuration.capacity.share,
            seed=run.configuration.seed,
        )
        if found is not None:
            judged.append(found)
    return tuple(judged)


def _rank(run: Run, store: RecordStore, rows: pd.DataFrame, dates: Sequence[AsOf], model: Path) -> Floats:
    """Return by what lists of served rows went: the promise is of those, and they may go by group.

    Of a model whose folder is gone nothing was promised, and the risk will do.
    """
    risk = rows["risk"].to_numpy(dtype=np.float64)
    cutoffs = read_in_use(run, model).manifest["cutoffs"] if model.exists() else None
    if cutoffs is None:
        return risk
    keys = ["as_of_date", "student_id"]
    frames = [matrix_of(run, store, (day,)).frame for day in dates]
    told = pd.concat([pd.concat([frame[keys], groups_of(frame)], axis=1) for frame in frames])
    groups = rows[keys].merge(told, on=keys, how="left", validate="1:1").fillna(NOT_KNOWN)
    return rank_of(risk, cutoffs, groups)


def _helped(published: Store, rows: pd.DataFrame, dates: Sequence[AsOf]) -> NDArray[np.bool_]:
    """Tell for whom people say that something was done between the as-of date and the end of the horizon."""
    done: dict[str, list[date]] = {}
    for taken in actions_in_force(published, BUREAU, since=min(day.as_of_date for day in dates)):
        if taken.action.kind in HELP:
            done.setdefault(taken.action.student_id, []).append(taken.action.day)
    ends = {pd.Timestamp(day.as_of_date): day.horizon_end for day in dates}
    return np.array(
        [
            any(as_of.date() < day <= ends[as_of] for day in done.get(student, ()))
            for as_of, student in zip(rows["as_of_date"], rows["student_id"], strict=True)
        ],
        dtype=bool,
    )


def _promised(model: Path, share: float) -> Promised:
    """Read what the card of a model said; nothing where it was never judged."""
    if not (model / "evaluation.json").exists():
        return Promised()
    first = read_evaluation((model / "evaluation.json").read_text(encoding="utf-8")).models[0]
    if (model / AUDIT).exists():
        audit = read_audit((model / AUDIT).read_text(encoding="utf-8"))
        if math.isclose(audit.share, share):
            bureau = audit.places[0]
            return Promised(first.observed_over_expected, bureau.precision, bureau.recall)
    lists = next((at for at in first.at_capacity if math.isclose(at.share, share)), None)
    return Promised(
        first.observed_over_expected, lists.precision if lists else None, lists.recall if lists else None
    )


def _write_figures(file: Path, watched: Watched) -> None:
    """Write figures for Prometheus' textfile collector; of schools and tables, never of a student."""
    registry = CollectorRegistry()

    def gauge(name: str, says: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(f"riskmodel_{name}", says, labels, registry=registry)

    as_of = gauge("as_of_timestamp_seconds", "As-of date of the set in use")
    as_of.set((watched.as_of_date - date(1970, 1, 1)).days * 86_400)
    gauge("students", "Students of the set in use").set(watched.students)
    gauge("listed_students", "Of them on lists").set(watched.listed)
    alarms = gauge("monitor_alarms", "Alarms by kind and table", ("kind", "source"))
    for alarm in watched.alarms:
        alarms.labels(alarm.kind, alarm.source).inc()
    broken = sum(len(judged.broken) for judged in watched.alarming)
    gauge("monitor_promises_broken", "Promises of the last matured term that were not kept").set(broken)
    known = gauge("known_share", "Share of a table's features that are known", ("source",))
    for source, shares in watched.coverage.items():
        known.labels(source).set(shares[0])
    by_school = gauge("school_known_share", "The same at a school", ("school_id", "source"))
    for school, sources in watched.school_coverage.items():
        for source, share in sources.items():
            by_school.labels(school, source).set(share)
    served = gauge("served_figure", "Figures of scores as served", ("term", "figure", "end"))
    for judged in watched.judged:
        for held in judged.held:
            for end in ("value", "low", "high"):
                value = getattr(held.served, end, None)
                if value is not None:
                    served.labels(judged.term, held.figure, end).set(value)
    write_to_textfile(str(file), registry)
