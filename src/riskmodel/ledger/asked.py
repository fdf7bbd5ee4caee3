"""What each event asks of who tells it, beside the table of steps: values, evidence, a second person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import get_args

from riskmodel.ledger.cases import Case, Entry, Home, Kept, StepRefused, stood_before
from riskmodel.ledger.codes import (
    CHILD_FIELDS,
    CLOSINGS,
    CloseCode,
    Duty,
    Event,
    FoundBy,
    Kind,
    Met,
    Placement,
    Reason,
)
from riskmodel.ledger.deadlines import LedgerRule, ledger_rule_on, missing_follow_ups
from riskmodel.ledger.transitions import TRANSITIONS

OLDEST_DAYS = 1_100
"""Three school years and a summer: what a bureau's ledger on paper still holds."""
LONGEST = {"by": 50, "entry_id": 64, "why": 500, "to_school_id": 64}
LONGEST_EVIDENCE, MOST_EVIDENCE = 200, 10
LONGEST_CHILD_FIELD = 100
LONGEST_HOME = 100
"""Characters of a school's id, and of a township's and a class's name, as they are told."""
MOST_PLAN_STEPS, LONGEST_PLAN_STEP = 12, 200
SERVER_KEY = "riskmodel"
"""The key of the server's own command line, on which the two persons of a closing are told by name alone."""

ASKED: Mapping[Event, tuple[str, ...]] = {
    "opened": ("kind", "found_by", "home", "why"),
    "visited": ("met",),
    "noted": ("why",),
    "assigned": ("duties",),
    "planned": ("plan",),
    "handed_over": ("home", "why"),
    "verified_out": ("reasons", "evidence"),
    "verified_not_out": ("why", "evidence"),
    "returned": ("placement", "evidence"),
    "followed_up": ("week", "in_school"),
    "left_again": ("reasons", "evidence", "why"),
    "closing_proposed": ("code", "evidence"),
    "closing_refused": ("why",),
    "closing_confirmed": (),
    "reopened": ("why",),
}
"""What must be told with each event. A withdrawal and the correction of an opening ask for `why` alone."""

NEVER_CORRECTED: frozenset[Event] = frozenset({"closing_proposed", "closing_refused", "closing_confirmed"})
"""What two people decided is not put right by one of them: a closing is refused, or the case reopened."""
_CODES: Mapping[str, tuple[str, ...]] = {
    "event": get_args(Event), "kind": get_args(Kind), "found_by": get_args(FoundBy), "met": get_args(Met),
    "placement": get_args(Placement), "code": get_args(CloseCode),
}  # fmt: skip


def check_entry(
    entry: Entry,
    case: Case | None,
    kept: Sequence[Kept],
    *,
    key_id: str,
    rules: Sequence[LedgerRule],
    today: date,
) -> None:
    """Refuse an entry that lacks what its event asks, or tells what cannot be.

    Parameters
    ----------
    case, kept
        The case as it stands, and all its entries; None and nothing where the entry opens one.
    key_id
        Who tells it.
    today
        A day may lie one day ahead of it (UTC and the school's clock differ).

    Raises
    ------
    StepRefused
        With the field and the sentence's code.
    """
    _check_values(entry, today)
    if entry.corrects is not None or entry.withdrawn:
        _check_correction(entry, case, kept)
        # What a correction must tell is asked by the state in which the step was taken.
        case = stood_before(kept, entry.corrects or 0)
    elif (case.state if case is not None else "none") not in TRANSITIONS[entry.event]:
        raise StepRefused("event", "ledger_step")
    if not entry.withdrawn:
        only_why = entry.event == "opened" and entry.corrects is not None
        for name in ("why",) if only_why else ASKED[entry.event]:
            if getattr(entry, name) in (None, "", (), {}):
                raise StepRefused(name, "ledger_incomplete")
        _check_event(entry, case, key_id=key_id, rules=rules)


def _check_values(entry: Entry, today: date) -> None:
    for name, allowed in _CODES.items():
        said = getattr(entry, name)
        if said is not None and said not in allowed:
            raise StepRefused(name, "ledger_code")
    if not set(entry.reasons) <= set(get_args(Reason)) or len(set(entry.reasons)) < len(entry.reasons):
        raise StepRefused("reasons", "ledger_code")
    if not set(entry.duties) <= set(get_args(Duty)):
        raise StepRefused("duties", "ledger_code")
    if not set(entry.child) <= set(CHILD_FIELDS):
        raise StepRefused("child", "ledger_code")
    if entry.child and entry.event != "opened":
        raise StepRefused("child", "ledger_not_asked")
    if not entry.by.strip():
        raise StepRefused("by", "ledger_incomplete")
    for name, longest in LONGEST.items():
        _check_text(name, getattr(entry, name), longest)
    lists = (
        ("evidence", entry.evidence, LONGEST_EVIDENCE, MOST_EVIDENCE),
        ("child", tuple(entry.child.values()), LONGEST_CHILD_FIELD, len(CHILD_FIELDS)),
        ("duties", tuple(entry.duties.values()), LONGEST["by"], len(get_args(Duty))),
        ("plan", tuple(one.what for one in entry.plan), LONGEST_PLAN_STEP, MOST_PLAN_STEPS),
        ("plan", tuple(one.who for one in entry.plan), LONGEST["by"], MOST_PLAN_STEPS),
    )
    for name, texts, longest, most in lists:
        if len(texts) > most:
            raise StepRefused(name, "ledger_text")
        for said in texts:
            _check_text(name, said, longest)
            if not said.strip() and name != "child":
                raise StepRefused(name, "ledger_text")
    if not today - timedelta(days=OLDEST_DAYS) <= entry.day <= today + timedelta(days=1):
        raise StepRefused("day", "ledger_day")
    if entry.left_on is not None and entry.left_on > entry.day:
        raise StepRefused("left_on", "ledger_day")


def _check_text(name: str, said: str, longest: int) -> None:
    if len(said) > longest or not said.isprintable():
        raise StepRefused(name, "ledger_text")


def check_home(home: Home) -> None:
    """Refuse a home as somebody tells it whose texts or grade cannot be; a published set's is not asked.

    Raises
    ------
    StepRefused
        Of `home`.
    """
    for said in (home.school_id, home.township, home.class_name):
        _check_text("home", said, LONGEST_HOME)
    if home.grade is not None and not 1 <= home.grade <= 16:
        raise StepRefused("home", "ledger_code")


def _check_correction(entry: Entry, case: Case | None, kept: Sequence[Kept]) -> None:
    named = next((one for one in kept if one.number == entry.corrects), None)
    if named is None:
        raise StepRefused("corrects", "ledger_corrects_unknown")
    if any(one.entry.corrects == entry.corrects for one in kept) or named.entry.withdrawn:
        raise StepRefused("corrects", "ledger_corrected_before")
    opening_withdrawn = entry.withdrawn and entry.event == "opened"
    if named.entry.event != entry.event or entry.event in NEVER_CORRECTED or opening_withdrawn:
        raise StepRefused("corrects", "ledger_not_corrected_so")
    if case is not None and named.number < _decided_up_to(case, kept):
        raise StepRefused("corrects", "ledger_not_corrected_so")
    if not entry.why.strip():
        raise StepRefused("why", "ledger_incomplete")


def _decided_up_to(case: Case, kept: Sequence[Kept]) -> int:
    """Return from which number on entries may be corrected: on those before it a second person decides."""
    if case.state == "closed":
        return kept[-1].number + 1
    proposals = [one.number for one in kept if one.entry.event == "closing_proposed"]
    return proposals[-1] if case.state == "closing" else 0


def _check_event(entry: Entry, case: Case | None, *, key_id: str, rules: Sequence[LedgerRule]) -> None:
    home = entry.home
    if home is not None and not (home.school_id or home.township):
        raise StepRefused("home", "ledger_incomplete")
    if case is None:
        return
    match entry.event:
        case "verified_out" | "left_again" if case.kind != "school_age" and entry.left_on is None:
            raise StepRefused("left_on", "ledger_incomplete")
        case "returned" if entry.placement == "other_school" and not entry.to_school_id:
            raise StepRefused("to_school_id", "ledger_incomplete")
        case "followed_up":
            rule = ledger_rule_on(rules, case.since)
            if entry.week not in rule.follow_up_weeks:
                raise StepRefused("week", "ledger_code")
        case "closing_proposed":
            _check_closing(entry, case, rules)
        case "closing_confirmed" | "closing_refused":
            _check_second_person(entry, case, key_id)


def _check_closing(entry: Entry, case: Case, rules: Sequence[LedgerRule]) -> None:
    assert entry.code is not None  # noqa: S101  asked of the event
    closing = CLOSINGS[entry.code]
    if case.state not in closing.of:
        raise StepRefused("code", "ledger_code_of_other_state")
    if closing.says_school and not entry.to_school_id:
        raise StepRefused("to_school_id", "ledger_incomplete")
    if entry.code == "returned_stable" and missing_follow_ups(case, ledger_rule_on(rules, case.since)):
        raise StepRefused("code", "ledger_follow_ups_missing")


def _check_second_person(entry: Entry, case: Case, key_id: str) -> None:
    same_name = entry.by.strip().casefold() == case.proposed_by.strip().casefold()
    same_key = key_id == case.proposed_key and key_id != SERVER_KEY
    if same_name or same_key:
        raise StepRefused("by", "ledger_second_person")
