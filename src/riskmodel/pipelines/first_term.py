"""A first term: what the records hold, what a model still lacks, and when there can be one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from riskmodel.domain import AsOf
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.pipelines.run import Dates, Run, candidates_of
from riskmodel.records.asking.coverage import Coverage, coverage
from riskmodel.records.store import RecordStore
from riskmodel.splits import Delay, delay_of
from riskmodel.wording import LANGUAGES, text

SEPARATORS = {"zh": "、", "en": ", "}


@dataclass(frozen=True)
class Outlook:
    """When outcomes will be known, and when they may be enough.

    Attributes
    ----------
    waiting
        The as-of dates whose outcomes are not known yet, each after the day on which they will be; the
        earliest known first.
    days
        Days over which the leavers so far were counted: from the first as-of date to the last horizon end.
    enough_on
        About when the outcomes of enough leavers will be known, if they leave as fast as so far. None
        where nobody is known to have left.
    """

    waiting: tuple[tuple[date, AsOf], ...]
    days: int
    enough_on: date | None


def look_ahead(
    candidates: Sequence[AsOf], *, counted: Sequence[AsOf], events: int, outcome_delay_days: Delay
) -> Outlook:
    """Tell which as-of dates will count from which day on, and extrapolate the leavers so far.

    Outcomes are known `outcome_delay_days` after the last day of a horizon (see `splits`). The pace is
    leavers, each once, by calendar day, breaks included: what is to come has breaks as well.

    Parameters
    ----------
    candidates
        All as-of dates that the configuration asks for and the known terms hold.
    counted
        Those whose outcomes are known.
    events
        Students who left within the horizons of `counted`, each once; fewer than are needed.
    """
    waiting = tuple(
        sorted(
            (
                (as_of.horizon_end + delay_of(outcome_delay_days, as_of), as_of)
                for as_of in candidates
                if as_of not in counted
            ),
            key=lambda one: (one[0], one[1].as_of_date, one[1].term),
        )
    )
    if not counted:
        return Outlook(waiting, 0, None)
    latest = max(counted, key=lambda as_of: as_of.horizon_end)
    last = latest.horizon_end
    days = (last - min(as_of.as_of_date for as_of in counted)).days
    if not events:
        return Outlook(waiting, days, None)
    lacking = MINIMUM_TRAINING_EVENTS - events
    by_pace = last + delay_of(outcome_delay_days, latest) + timedelta(days=-(-lacking * days // events))
    # Nothing more is known before the next date counts, however fast students leave.
    return Outlook(waiting, days, max([by_pace, *(known_on for known_on, _ in waiting[:1])]))


def tell_first_term(run: Run, store: RecordStore, dates: Dates, *, events: int) -> None:
    """Say why there is no model yet, when there can be one, and what the records hold until then."""
    outlook = look_ahead(
        candidates_of(run, store.terms()),
        counted=dates.training,
        events=events,
        outcome_delay_days=run.outcome_delay_days,
    )
    run.say("first_term", events=events, minimum=MINIMUM_TRAINING_EVENTS)
    if dates.training:
        run.say("first_term_counted", dates=", ".join(str(as_of.as_of_date) for as_of in dates.training))
    if outlook.waiting:
        known_on, as_of = outlook.waiting[0]
        run.say(
            "first_term_next",
            as_of_date=as_of.as_of_date,
            known_on=known_on,
            horizon_end=as_of.horizon_end,
            delay=run.outcome_delay_days(as_of),
        )
        listed = ", ".join(f"{as_of.as_of_date} ({known_on})" for known_on, as_of in outlook.waiting)
        run.say("first_term_waiting", dates=listed)
    else:
        run.say("first_term_none_waiting")
    if outlook.enough_on:
        run.say(
            "first_term_enough",
            events=events,
            days=outlook.days,
            month=f"{outlook.enough_on:%Y-%m}",
            minimum=MINIMUM_TRAINING_EVENTS,
        )
    else:
        run.say("first_term_no_pace", minimum=MINIMUM_TRAINING_EVENTS)
    _tell_coverage(run, coverage(store, dates.current, run.rule(dates.current)), dates.current)


def _tell_coverage(run: Run, found: Coverage, as_of: AsOf) -> None:
    for language in LANGUAGES:
        separator = SEPARATORS[language]
        rows = (f"{text(f'sources.{table}', language)} {count}" for table, count in found.rows.items())
        run.say("first_term_rows", language=language, rows=separator.join(rows))
        missing = [text(f"sources.{table}", language) for table in found.missing_tables]
        if missing:
            run.say("first_term_missing", language=language, tables=separator.join(missing))
    days: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    for one in found.reported:
        days[one.term] += one.school_days
        reported[one.term] += one.reported_days
    for term, count in days.items():
        run.say("first_term_reported", term=term, share=f"{reported[term] / count:.0%}")
    if not days:
        run.say("first_term_no_days", as_of_date=as_of.as_of_date)
    run.say(
        "first_term_students",
        as_of_date=as_of.as_of_date,
        students=found.students,
        without_marks=found.without_marks,
        without_family=found.without_family_statement,
    )
