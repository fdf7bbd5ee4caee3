"""What came of aid: after a term, of those whom approved runs answered; on past days, by several orders."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.backtesting import SCORES as BACKTEST_SCORES
from riskmodel.pipelines.in_use import model_in_use
from riskmodel.pipelines.inputs import labels_of
from riskmodel.pipelines.judging import JUDGED_SCORES
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, complete_to, model_version
from riskmodel.pipelines.targeting import capacities, given_programmes, programmes_file
from riskmodel.records.asking.facts import facts_of_day
from riskmodel.records.store import RecordStore
from riskmodel.store import allocations
from riskmodel.store.allocations import AllocationRun
from riskmodel.store.engine import Store, open_store
from riskmodel.targeting.afterwards import Afterwards, afterwards_table, what_became
from riskmodel.targeting.looking_back import Reached, past_places, reached_per_100, reached_table
from riskmodel.targeting.programmes import read_programmes
from riskmodel.wording import LANGUAGES, text


def evaluate_allocation(run: Run) -> tuple[tuple[Reached, ...], Afterwards | None]:
    """Tell what became of those whom approved runs answered, and whom places would have reached before."""
    after = what_became_of_allocated(run)
    return look_back(run), after


def what_became_of_allocated(run: Run) -> Afterwards | None:
    """Tell what was given of approved runs whose horizon is over, and what became; None: none is."""
    published, store = open_store(run.workspace.store), RecordStore.open(run.workspace.records)
    approved = reversed(allocations.runs(published, BUREAU))  # the earliest first
    told = [_after(run, one, published, store) for one in approved]
    rows = [each for each in told if each is not None]
    if not rows:
        for language in LANGUAGES:
            run.say("table", language=language, table=text("targeting.after.nothing", language))
        return None
    runs = [one for one in allocations.runs(published, BUREAU) if one.state == "approved"]
    programmes = {each["id"]: each for one in reversed(runs) for each in one.content["programmes"]}
    found = what_became(pd.concat(rows, ignore_index=True))
    names = {name: each["name"] for name, each in programmes.items()}
    for language in LANGUAGES:
        run.say("table", language=language, table=afterwards_table(found, names, language))
    return found


def _after(run: Run, one: AllocationRun, published: Store, store: RecordStore) -> pd.DataFrame | None:
    """Join items of an approved run with what was given and what became; None: not known yet."""
    if one.state != "approved":
        return None
    as_of = as_of_on(run, one.as_of_date, store.terms())
    reach = complete_to(run, store, as_of)
    if (reach - as_of.horizon_end).days < run.rule(as_of).outcome_delay_days:
        return None
    items = pd.DataFrame(
        [asdict(item) for item in allocations.items_to_evaluate(published, BUREAU, one.run_id)]
    )
    outcomes = labels_of(run, store, (as_of,), label_date=reach).frame[["student_id", "outcome"]]
    rows = items.merge(outcomes, on="student_id", how="left", validate="many_to_one")
    given = given_programmes(run, published, since=one.as_of_date, until=as_of.horizon_end)
    return rows.assign(
        run_id=one.run_id,
        given=[
            programme in given.get(student, ())
            for programme, student in zip(rows["programme"], rows["student_id"], strict=True)
        ],
    )


def look_back(run: Run) -> tuple[Reached, ...]:
    """Look back: whom places would have reached on dates whose outcomes are known, by several orders.

    The places, rules and costs are those of today; the facts are those of each date. Orders: the model, lots,
    the absence rule, the school's rate, the last list. Terms are those of the backtest, each by a model of
    what was known before it; without one, the dates on which the model in use was judged. Bands and reasons
    of then were not kept: rules that ask for them are answered by the model's bands, and no reason is known.
    """
    file = programmes_file(run)
    told = read_programmes(file)
    by_school = capacities(run, told, file)
    store = RecordStore.open(run.workspace.records)
    judged = _judged_rows(run, store)
    bands, seed = run.configuration.bands, run.configuration.seed
    lists = []
    for day, of_day in judged.rows.groupby("as_of_date", sort=True):
        as_of = as_of_on(run, pd.Timestamp(str(day)).date(), store.terms())
        facts = facts_of_day(store, as_of, run.rule(as_of))
        limits = (bands.reach_out, bands.check_in)
        lists.append(past_places(facts, of_day, told, by_school=by_school, bands=limits, seed=seed))
    reached = reached_per_100(pd.concat(lists, ignore_index=True), seed=seed)
    for language in LANGUAGES:
        rests_on = text(f"targeting.back.rests_on.{judged.source}", language, terms=", ".join(judged.names))
        run.say("table", language=language, table=f"{reached_table(reached, language)}\n{rests_on}")
    return reached


@dataclass(frozen=True)
class _JudgedRows:
    """Scores whose outcomes are known, whence they come, and the terms or dates that they are of."""

    source: Literal["backtest", "judged"]
    names: tuple[str, ...]
    rows: pd.DataFrame


def _judged_rows(run: Run, store: RecordStore) -> _JudgedRows:
    terms = sorted(run.workspace.backtest.glob("*/*/term.json"))
    found = {file.parents[1].name: _with_risk(file.with_name(BACKTEST_SCORES)) for file in terms}
    kept = {term: rows for term, rows in found.items() if rows is not None}
    if kept:
        return _JudgedRows("backtest", tuple(kept), pd.concat(kept.values(), ignore_index=True))
    folder = run.workspace.models / (model_in_use(run) or model_version(run, store))
    file = folder / JUDGED_SCORES
    rows = _with_risk(file) if file.exists() else None
    if rows is None:
        raise WorkspaceError("score_not_kept", Where(file=str(folder)))
    days = pd.to_datetime(rows["as_of_date"]).dt.date.unique()
    return _JudgedRows("judged", tuple(f"{day:%Y-%m-%d}" for day in days), rows)


def _with_risk(file: Path) -> pd.DataFrame | None:
    """Read scores and name them by order; None where too few had left for a model: rules give no risk."""
    rows = pd.read_parquet(file)
    first = next(name for name in rows.columns if name.endswith("_score")).removesuffix("_score")
    if f"{first}_risk" not in rows:
        return None
    scores = {f"{name}_score": name for name in ("absence_rule", "school_rate", "last_term")}
    return rows.rename(columns={**scores, f"{first}_risk": "risk"})
