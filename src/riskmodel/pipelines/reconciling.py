"""Registers against each other: what does not fit, as lists for a person, and as cases to be verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from riskmodel.config import read_indicator_rules, read_ledger_rules, region_rules_file, rule_on
from riskmodel.ledger.cases import Entry, Home
from riskmodel.ledger.codes import Kind
from riskmodel.ledger.deadlines import ledger_rule_on
from riskmodel.official import IndicatorRule
from riskmodel.pipelines.ledgers import opened_ledger
from riskmodel.pipelines.lists import write_list
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run
from riskmodel.reconcile.linking import ACCEPT, REVIEW, Pair
from riskmodel.reconcile.registers import Compared, Mismatch, SchoolTransfers, What, compare
from riskmodel.records.store import RecordStore
from riskmodel.store import ledger
from riskmodel.store.cases import last_closed_on
from riskmodel.store.ledger import EntryRefused
from riskmodel.wording import LANGUAGES, text

_OPENS: tuple[What, ...] = ("left_and_in_relief", "not_present", "not_arrived", "not_enrolled")
"""What opens a case, in the order in which one child's are taken; a pair near the line opens none: a person
says first whether the two rows are one child."""


def reconcile(run: Run, *, on: date | None = None, by: str = "") -> Compared:
    """Hold the registers against each other as they were known on a day, and write what does not fit.

    Parameters
    ----------
    on
        The day; None: today.
    by
        Who opens a case for every mismatch of a child of whom no case is open, and none was closed since it
        began; empty: nobody, only lists are written.
    """
    file = region_rules_file(run.file, run.configuration.region)
    day = on or run.today
    ages = [rule for rule in read_indicator_rules(file) if rule.valid_from <= day]
    absent = ledger_rule_on(read_ledger_rules(file), day).suspected_after_school_days
    compared = compare(
        RecordStore.open(run.workspace.records),
        day,
        rule=rule_on(run.rules, day),
        ages=ages[-1] if ages else IndicatorRule("unset", date(2000, 1, 1), "usual ages"),
        absent_school_days=absent,
    )
    folder = run.workspace.root / "reconcile" / day.isoformat()
    _write(folder / "mismatches.csv", Mismatch, compared.mismatches)
    _write(folder / "pairs_to_check.csv", Pair, compared.pairs)
    _write(folder / "schools.csv", SchoolTransfers, compared.schools)
    _tell(run, compared, folder)
    if by:
        _open(run, compared, by)
    return compared


def _tell(run: Run, compared: Compared, folder: Path) -> None:
    run.say("reconciled", count=len(compared.mismatches), day=compared.as_of_date, folder=folder)
    for what, count in sorted(Counter(one.what for one in compared.mismatches).items()):
        for language in LANGUAGES:
            told = text(f"ledger.mismatches.{what}", language)
            run.say("reconciled_of", language=language, what=told, count=count)
    run.say("reconciled_pairs", count=len(compared.pairs), review=REVIEW, accept=ACCEPT)
    for one in compared.schools:
        if one.is_told:
            run.say(
                "reconciled_school",
                school=one.school_id,
                transfers=one.transfers,
                unconfirmed=one.unconfirmed,
            )


def _open(run: Run, compared: Compared, by: str) -> None:
    wanted = [one for one in compared.mismatches if one.what in _OPENS]
    wanted.sort(key=lambda one: (_OPENS.index(one.what), one.subject))
    count, at = 0, datetime.now(UTC)
    with opened_ledger(run) as store, store.writing():
        for one in wanted:
            closed_on = last_closed_on(store, BUREAU, one.subject)
            if closed_on is not None and (one.since is None or one.since <= closed_on):
                continue
            entry = _opening(one, by=by, day=min(compared.as_of_date, run.today))
            try:
                ledger.open_case(store, BUREAU, one.subject, entry, at=at)
                count += 1
            except EntryRefused as refused:
                if refused.code not in ("ledger_open_already", "ledger_student_unknown"):
                    raise
    run.say("reconciled_opened", count=count, known=len(wanted) - count)


def _opening(one: Mismatch, *, by: str, day: date) -> Entry:
    why = text(f"ledger.mismatches.{one.what}", "zh")
    if one.suggested_code:
        why = f"{why} ({text(f'ledger.codes.{one.suggested_code}', 'zh')}?)"
    return Entry(
        event="opened",
        day=day,
        by=by,
        kind=_ledger_of(one),
        found_by="reconciliation",
        why=why,
        home=Home(one.school_id, one.township),
    )


def _ledger_of(one: Mismatch) -> Kind:
    """Return which ledger a mismatch belongs to: that of school age for whom no roll ever told of."""
    if one.what == "left_and_in_relief":
        return "dropped_out"
    return "school_age" if ":" in one.subject else "suspected"


def _write(file: Path, shape: type, rows: Iterable[Any]) -> None:
    write_list(file, [one.name for one in fields(shape)], map(astuple, rows))
