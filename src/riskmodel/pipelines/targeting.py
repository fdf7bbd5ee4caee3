"""Who gets which help: facts of the day and what was published, held against the programmes of a bureau."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.domain import AidAnswer, PublishedSet, ScoredTerm
from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, clock, digest
from riskmodel.records.asking.facts import facts_of_day
from riskmodel.records.mapping.vocabulary import plain
from riskmodel.records.store import RecordStore
from riskmodel.store import allocations
from riskmodel.store.actions import actions_in_force
from riskmodel.store.allocations import AllocationItem, AllocationRun
from riskmodel.store.engine import Store, open_store
from riskmodel.store.reading import current_set
from riskmodel.store.served import served_term
from riskmodel.targeting.allocation import SCENARIOS, Allocation, allocate
from riskmodel.targeting.lists import write_lists
from riskmodel.targeting.programmes import (
    ProgrammesFile,
    SchoolCapacity,
    read_programmes,
    read_school_capacities,
)
from riskmodel.wording import LANGUAGES, text

GIVEN_DAYS = 180
"""What was given so many days ago, or later, counts as given (`given` in rules): half a year, a term."""
_GIVES = {"aid_given", "counselling_hours"}


def programmes_file(run: Run) -> Path:
    """Return the file of the programmes: `programmes.yaml` beside the configuration."""
    return run.file.parent / "programmes.yaml"


def draft_allocation(run: Run, *, by: str) -> str:
    """Answer for every student of the current set and every programme; keep a draft and write its lists.

    The same published set, records, programmes and actions give the same run, under the same id.
    """
    seconds = clock()
    file = programmes_file(run)
    told = read_programmes(file)
    by_school = capacities(run, told, file)
    published = open_store(run.workspace.store)
    current = current_set(published)
    served = served_term(published, BUREAU, current)
    facts = facts_for_rules(run, published, served)
    waits = allocations.waiting_since(published, BUREAU)
    _add_waiting(facts, told, waits)
    found = allocate(facts, told, by_school=by_school)
    run_id = f"alloc-{current.facts.as_of_date:%Y%m%d}-{_digest(current, file, told, found)[:8]}"
    made = AllocationRun(
        run_id=run_id,
        set_id=current.set_id,
        as_of_date=current.facts.as_of_date,
        made_at=datetime.now(UTC),
        made_by=by,
        state="draft",
        content=_content(told, found),
    )
    allocations.save_run(published, BUREAU, made, _items(found, waits, current.facts.as_of_date))
    folder = run.workspace.allocations / run_id
    write_lists(
        folder,
        found.items,
        served,
        programmes={one.id: dict(one.name) for one in told.programmes},
        run_id=run_id,
    )
    _tell(run, told, found, run_id=run_id, folder=folder, seconds=seconds())
    return run_id


def freeze_allocation(run: Run, run_id: str, *, by: str) -> None:
    """Freeze a draft by name."""
    allocations.freeze(open_store(run.workspace.store), BUREAU, run_id, by=by, at=datetime.now(UTC))
    run.say("allocation_frozen", run_id=run_id, by=by)


def approve_allocation(run: Run, run_id: str, *, by: str) -> None:
    """Approve a frozen run by another name."""
    allocations.approve(open_store(run.workspace.store), BUREAU, run_id, by=by, at=datetime.now(UTC))
    run.say("allocation_approved", run_id=run_id, by=by)


def capacities(run: Run, told: ProgrammesFile, file: Path) -> dict[str, SchoolCapacity]:
    """Read the capacities of single schools from the file, beside theirs, that the programmes name."""
    if told.budget.by_school is None:
        return {}
    schools = {school.school_id for school in RecordStore.open(run.workspace.records).schools()}
    return read_school_capacities(file.parent / told.budget.by_school, told, schools=schools)


def facts_for_rules(run: Run, published: Store, served: ScoredTerm) -> pd.DataFrame:
    """Join what the records knew on the set's day, what was published, and what was given."""
    store = RecordStore.open(run.workspace.records)
    if store.content_hash != served.facts.records_hash:
        raise WorkspaceError("records_newer_than_set", Where(file=str(run.workspace.records)))
    as_of = as_of_on(run, served.facts.as_of_date, [t for t in store.terms() if t.term == served.facts.term])
    facts = facts_of_day(store, as_of, run.rule(as_of))
    scored = pd.DataFrame(
        {
            "student_id": [one.student_id for one in served.students],
            "risk": np.array([one.risk for one in served.students], dtype=np.float64),
            "band": [one.band.value for one in served.students],
            "listed": [one.listed for one in served.students],
            "reason_families": [[reason.family for reason in one.reasons] for one in served.students],
        }
    )
    joined = facts.merge(scored, on="student_id", how="inner", validate="one_to_one")
    day = served.facts.as_of_date
    given = given_programmes(run, published, since=day - timedelta(days=GIVEN_DAYS))
    joined["given"] = [sorted(given.get(student, ())) for student in joined["student_id"]]
    joined.attrs["as_of_date"] = served.facts.as_of_date
    return joined


def programme_ids(run: Run) -> dict[str, str]:
    """Return the ids of the bureau's programmes by all that people call them: lists name them in words."""
    file = programmes_file(run)
    told = read_programmes(file).programmes if file.is_file() else ()
    return {plain(name): one.id for one in told for name in (*one.name.values(), one.id)}


def given_programmes(
    run: Run, published: Store, *, since: date, until: date | None = None
) -> dict[str, set[str]]:
    """Return the programmes, by id, out of which each student was given something within some days."""
    ids = programme_ids(run)
    found: dict[str, set[str]] = {}
    for taken in actions_in_force(published, BUREAU, since=since, until=until):
        if taken.action.kind in _GIVES:
            named = taken.action.programme or (
                "counselling" if taken.action.kind == "counselling_hours" else ""
            )
            found.setdefault(taken.action.student_id, set()).add(ids.get(plain(named), named))
    return found


def _add_waiting(facts: pd.DataFrame, told: ProgrammesFile, waits: Mapping[tuple[str, str], date]) -> None:
    for one in told.programmes:
        since = pd.Series([waits.get((one.id, student)) for student in facts["student_id"]], dtype=object)
        facts[f"waiting_since:{one.id}"] = pd.to_datetime(since).astype("datetime64[s]")


def _digest(current: PublishedSet, file: Path, told: ProgrammesFile, found: Allocation) -> str:
    answers = hashlib.sha256(found.items.to_csv(index=False).encode()).hexdigest()
    return digest(current.set_id, file.read_bytes(), told.budget.by_school, answers)


def _content(told: ProgrammesFile, found: Allocation) -> dict[str, Any]:
    counts = Counter(zip(found.items["programme"], found.items["answer"], strict=True))
    return {
        "method": told.method,
        "lottery": told.lottery.model_dump(),
        "ties": "blake2b64(programme:student_id)",
        "programmes": [{"id": one.id, "kind": one.kind, "name": dict(one.name)} for one in told.programmes],
        "counts": {f"{programme}:{answer}": number for (programme, answer), number in sorted(counts.items())},
        "benefit": found.benefit,
        "bound": found.bound,
        "by_scenario": {scenario: list(found.by_scenario[scenario]) for scenario in SCENARIOS},
        "prices": {
            "thousand_yuan": found.prices.thousand_yuan,
            "hour": list(found.prices.hour),
            "places": dict(found.prices.places),
        },
    }


def _items(
    found: Allocation, waits: Mapping[tuple[str, str], date], as_of_date: date
) -> list[AllocationItem]:
    def whole(value: float) -> int | None:
        return None if np.isnan(value) else int(value)

    def since(row: Any) -> date | None:
        waits_now = AidAnswer(row.answer).waits
        return waits.get((row.programme, row.student_id), as_of_date) if waits_now else None

    def amount(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    rows: Iterable[Any] = found.items.itertuples(index=False)
    return [
        AllocationItem(
            programme=row.programme,
            student_id=row.student_id,
            school_id=row.school_id,
            answer=AidAnswer(row.answer),
            place=whole(row.order),
            waiting=whole(row.waiting),
            waiting_at=row.waiting_at,
            waiting_since=since(row),
            yuan=amount(row.yuan),
            hours=amount(row.hours),
            yuan_left=amount(row.yuan_left),
            by_floor=row.by_floor,
            lot_group=whole(row.lot_group),
            stable=row.stable,
        )
        for row in rows
    ]


def _tell(
    run: Run, told: ProgrammesFile, found: Allocation, *, run_id: str, folder: Path, seconds: str
) -> None:
    counts = Counter(zip(found.items["programme"], found.items["answer"], strict=True))
    for one in told.programmes:
        for language in LANGUAGES:
            answers = [
                text(
                    "targeting.counted",
                    language,
                    answer=text(f"targeting.answers.{answer}", language),
                    count=count,
                )
                for (programme, answer), count in sorted(counts.items())
                if programme == one.id
            ]
            run.say("allocation_programme", language=language, name=one.name[language],
                    answers=text("targeting.counted_separator", language).join(answers))  # fmt: skip
    drawn = found.items[found.items["lot_group"].notna()]
    for one in told.programmes:
        mine = drawn[drawn["programme"] == one.id]
        places = int((mine["answer"] == AidAnswer.TAKEN.value).sum())
        for language in LANGUAGES if len(mine) else ():
            run.say("allocation_lots", language=language, name=one.name[language], students=len(mine),
                    places=places, seed=told.lottery.seed)  # fmt: skip
    low, middle, high = (found.by_scenario[scenario] for scenario in SCENARIOS)
    run.say("allocation_bound", gap=f"{found.gap:.2%}", low=f"{low[0]:.2f}", middle=f"{middle[0]:.2f}",
            high=f"{high[0]:.2f}", bound=f"{middle[1]:.2f}")  # fmt: skip
    prices = found.prices
    run.say(
        "allocation_prices",
        yuan=f"{prices.thousand_yuan:.4f}",
        hour=f"{prices.hour[1]:.4f}",
        most=f"{prices.hour[2]:.4f}",
        places=", ".join(f"{name} {price:.4f}" for name, price in prices.places.items()),
    )
    run.say("allocation_drafted", run_id=run_id, folder=folder, seconds=seconds)


def list_allocations(run: Run) -> None:
    """List the runs, newest first, and who made, froze and approved them."""
    for one in allocations.runs(open_store(run.workspace.store), BUREAU):
        run.say(
            "allocation_line",
            run_id=one.run_id,
            state=one.state,
            as_of_date=one.as_of_date,
            made_by=one.made_by,
            frozen_by=one.frozen_by or "",
            approved_by=one.approved_by or "",
        )
