"""The ledgers on the server's command line: what is due, a case, its entries, its plan, totals, the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from riskmodel.domain import Language
from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Entry, PlanStep, StepRefused
from riskmodel.ledger.codes import Kind, State
from riskmodel.pipelines.publishing import BUREAU, take_ledger_rules
from riskmodel.pipelines.run import Run
from riskmodel.sheets.steps import Steps
from riskmodel.store import cases, ledger, reading
from riskmodel.store.cases import KeptCase
from riskmodel.store.engine import Store, open_store
from riskmodel.store.ledger import EntryRefused
from riskmodel.store.ledger_check import check_ledger
from riskmodel.store.ledger_rows import told_entry
from riskmodel.store.steps import steps_of
from riskmodel.wording import LANGUAGES, text

PLAN_DAYS = 30
"""A plan's steps are drafted for a month, and a person changes what does not fit."""


@contextmanager
def opened_ledger(run: Run) -> Iterator[Store]:
    """Open the store to write in it, with the region's deadlines kept as the configuration has them now."""
    with closing(open_store(run.workspace.store, create=True)) as store:
        take_ledger_rules(run, store)
        yield store


def read_ledger(run: Run) -> closing[Store]:
    """Open the store to read in it: nothing is made or changed, and a store that is gone is said to be."""
    return closing(open_store(run.workspace.store))


def show_due(run: Run, *, until: date | None = None) -> int:
    """Tell what is due by a day, the longest due first; return how many cases."""
    with read_ledger(run) as store:
        found = cases.due_cases(store, BUREAU, until=until or run.today)
    for one in found:
        _tell_due(run, one)
    run.say("ledger_due", count=len(found), until=until or run.today)
    return len(found)


def show_case(run: Run, case_id: str) -> None:
    """Tell a case with its history."""
    with read_ledger(run) as store:
        found = cases.case_of(store, BUREAU, case_id)
    if found is None:
        raise StoreError("ledger_case_unknown")
    case, stand = found.case, {one.number for one in found.entries_in_force}
    for language in LANGUAGES:
        run.say(
            "ledger_case",
            language=language,
            case=case_id,
            student=found.student_id,
            ledger=text(f"ledger.kinds.{case.kind}", language),
            state=text(f"ledger.states.{case.state}", language),
            since=case.since,
            rounds=case.rounds,
            owner=case.owner or "-",
        )
        for one in found.entries:
            run.say(
                "ledger_entry" if one.number in stand else "ledger_entry_corrected",
                language=language,
                number=one.number,
                day=one.entry.day,
                event=text(f"ledger.events.{one.entry.event}", language),
                by=one.entry.by,
                why=one.entry.why or "; ".join(one.entry.evidence),
            )
    _tell_due(run, found)


def open_case(run: Run, student_id: str, entry: Entry) -> str:
    """Open a case of a child; return its id."""
    with opened_ledger(run) as store:
        found = ledger.open_case(store, BUREAU, student_id, entry, at=datetime.now(UTC))
    run.say("ledger_opened", case=found.case_id)
    _tell_due(run, found)
    return found.case_id


def add_entry(run: Run, case_id: str, entry: Entry) -> None:
    """Keep what was done or found in a case."""
    with opened_ledger(run) as store:
        found = ledger.add_entry(store, BUREAU, case_id, entry, at=datetime.now(UTC))
    if found is None:
        raise StoreError("ledger_case_unknown")
    for language in LANGUAGES:
        state = text(f"ledger.states.{found.case.state}", language)
        run.say("ledger_kept", language=language, case=case_id, state=state)
    _tell_due(run, found)


def entry_of(event: str, told: Sequence[str], *, by: str, day: date) -> Entry:
    """Read an entry as the command line tells it: `field=value`, lists separated by `;`.

    Fields are those of `Entry`; `child.name=…`, `home.school_id=…` and `duties.class_teacher=…` reach into
    what belongs to the child, the home and the duty chain.

    Raises
    ------
    EntryRefused
        If a field is unknown or its value cannot be read.
    """
    fields: dict[str, Any] = {"event": event, "day": day.isoformat(), "by": by}
    for one in told:
        name, _, said = one.partition("=")
        group, _, part = name.partition(".")
        read = _READ.get(name, str)(said)
        if not part:
            fields[name] = read
        elif isinstance(known := fields.setdefault(group, {}), dict):
            known[part] = read
        else:
            raise EntryRefused(name, "ledger_field_unknown")
    if event == "opened" and "corrects" not in fields:
        fields.setdefault("home", {})
    try:
        return told_entry(fields)
    except StepRefused as refused:
        raise EntryRefused(refused.field, refused.code) from None


def _list(said: str) -> list[str]:
    return [part.strip() for part in said.replace("；", ";").split(";") if part.strip()]


def _yes(said: str) -> bool | str:
    """Read yes or no; anything else stays what it is, and is refused as neither."""
    words = {True: ("yes", "true", "1", "是"), False: ("no", "false", "0", "否")}
    return next((one for one, named in words.items() if said.strip().lower() in named), said)


def _number(said: str) -> int | str | None:
    """Read a whole number; nothing where nothing stands. Anything else stays, and is refused as no number."""
    return int(said) if said.strip().isdecimal() else said or None


_READ: Mapping[str, Callable[[str], Any]] = {
    "evidence": _list, "reasons": _list, "week": _number, "home.grade": _number, "in_school": _yes,
    "corrects": _number, "withdrawn": _yes,
}  # fmt: skip


def draft_plan(run: Run, case_id: str, *, by: str, language: Language = "zh") -> None:
    """Keep a plan for the child (一生一案): first steps of the action library, by what the sheet tells.

    Where the child has no sheet (no score, or in no set any more), the general steps are the plan. The
    score itself is never read. Steps are kept in the language of who works by them.
    """
    with opened_ledger(run) as store:
        found = cases.case_of(store, BUREAU, case_id)
        if found is None:
            raise StoreError("ledger_case_unknown")
        library, student = Steps.general(steps_of(store)), None
        try:
            student = reading.student(store, BUREAU, found.student_id)
        except StoreError as problem:
            if problem.code != "nothing_published":
                raise
        steps = library.first(() if student is None else student.reasons, "class_teacher")
        until = run.today + timedelta(days=PLAN_DAYS)
        who = found.case.owner or by
        plan = tuple(PlanStep(step.text(language), who, until) for step in steps)
        entry = Entry(event="planned", day=run.today, by=by, plan=plan)
        ledger.add_entry(store, BUREAU, case_id, entry, at=datetime.now(UTC))
    run.say("ledger_planned", case=case_id, count=len(plan))
    for number, one in enumerate(plan, start=1):
        run.say("ledger_plan_step", number=number, what=one.what, who=one.who, until=one.until)


def check_chain(run: Run, *, known_head: str | None = None) -> bool:
    """Tell whether the ledger stands as it was written; the head is to be noted elsewhere."""
    with read_ledger(run) as store:
        checked = check_ledger(store, BUREAU, known_head=known_head)
    if checked.sound:
        run.say("ledger_sound", rows=checked.chain.rows, cases=checked.cases, head=checked.chain.head)
    else:
        run.say(
            "ledger_changed",
            row=checked.chain.broken_at or "-",
            cases=", ".join(checked.other_than_told) or "-",
        )
    return checked.sound


def tell_totals(run: Run) -> Mapping[tuple[Kind, State], int]:
    """Tell how many cases stand in which ledger and state."""
    with read_ledger(run) as store:
        found = Counter((one.case.kind, one.case.state) for one in cases.cases(store, BUREAU))
    for (kind, state), count in sorted(found.items()):
        for language in LANGUAGES:
            told = text(f"ledger.kinds.{kind}", language), text(f"ledger.states.{state}", language)
            run.say("ledger_total", language=language, ledger=told[0], state=told[1], count=count)
    return found


def _tell_due(run: Run, found: KeptCase) -> None:
    for one in found.due[:1]:
        days = (one.on - run.today).days
        for language in LANGUAGES:
            code = "ledger.today" if days == 0 else "ledger.late" if days < 0 else "ledger.in_days"
            run.say(
                "ledger_due_case",
                language=language,
                case=found.case_id,
                school=found.case.home.school_id or found.case.home.township,
                duty=text(f"ledger.duties_due.{one.duty}", language, week=one.week),
                day=one.on,
                left=text(code, language, days=abs(days)),
            )
