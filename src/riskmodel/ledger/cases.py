"""A case is what its entries say: each is one step, and a correction takes the place of the one it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from riskmodel.ledger.codes import (
    OWNERS,
    CloseCode,
    Duty,
    Event,
    FoundBy,
    Kind,
    Met,
    Placement,
    Reason,
    State,
)
from riskmodel.ledger.transitions import TRANSITIONS


class StepRefused(Exception):  # noqa: N818  the name is the sentence
    """A step that the table, or what it tells, does not allow: the field, and `errors.<code>`."""

    def __init__(self, field: str, code: str) -> None:
        self.field, self.code = field, code
        super().__init__(code)


@dataclass(frozen=True)
class PlanStep:
    """One thing of a child's plan: what, who does it, and by when."""

    what: str
    who: str
    until: date


@dataclass(frozen=True)
class Home:
    """Whose case it is: the school that keeps the child, or a township where there is none."""

    school_id: str = ""
    township: str = ""
    grade: int | None = None
    class_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that was done or found, as a person tells it.

    Attributes
    ----------
    day
        On which it happened.
    by
        Who did or found it, by name or office.
    entry_id
        The teller's own id, unique for the case: telling it again changes nothing. Empty: the store makes
        one.
    why, evidence
        In words; and what proves it, and where that is kept (never the document itself).
    kind, found_by, child, home
        Asked of `opened`; `home` of `handed_over` too.
    met
        Whom a visit reached.
    reasons
        Why the child left: the first is the main one.
    left_on
        The first day away.
    placement, to_school_id
        Where the child learns after a return, or was found.
    week, in_school
        Of a follow-up: which of the set weeks after the return, and whether the child was in school.
    code
        What the case is to be closed by.
    duties
        Who stands in which place of the duty chain.
    plan
        The child's whole plan; it takes the place of the former one.
    corrects, withdrawn
        The number of the entry whose place this one takes; `withdrawn`: that one was not so at all.
    """

    event: Event
    day: date
    by: str
    entry_id: str = ""
    why: str = ""
    evidence: tuple[str, ...] = ()
    kind: Kind | None = None
    found_by: FoundBy | None = None
    child: Mapping[str, str] = field(default_factory=dict)
    home: Home | None = None
    met: Met | None = None
    reasons: tuple[Reason, ...] = ()
    left_on: date | None = None
    placement: Placement | None = None
    to_school_id: str = ""
    week: int | None = None
    in_school: bool | None = None
    code: CloseCode | None = None
    duties: Mapping[Duty, str] = field(default_factory=dict)
    plan: tuple[PlanStep, ...] = ()
    corrects: int | None = None
    withdrawn: bool = False


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An entry as it is kept: its number in the ledger, when it was written down, and by which key."""

    number: int
    entry: Entry
    recorded_at: datetime
    key_id: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """A child's case as it stands after its entries.

    Attributes
    ----------
    kind
        The ledger in which it stands now: one that may have left becomes one that has left once verified.
    since
        The day on which the present state began.
    rounds
        Visits by which somebody tried to reach the child or the family (劝返 once it is verified).
    last_visit_on
        The day of the last of them.
    followed_up
        Set weeks after the return in which the child was seen in school.
    proposed_by, proposed_key
        Who proposed the closing that waits, by name and by key.
    """

    kind: Kind
    state: State
    since: date
    opened_on: date
    found_by: FoundBy
    home: Home
    child: Mapping[str, str] = field(default_factory=dict)
    duties: Mapping[Duty, str] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    left_on: date | None = None
    rounds: int = 0
    last_visit_on: date | None = None
    placement: Placement | None = None
    placed_at: str = ""
    returned_on: date | None = None
    followed_up: tuple[int, ...] = ()
    plan: tuple[PlanStep, ...] = ()
    code: CloseCode | None = None
    proposed_by: str = ""
    proposed_key: str = ""
    before_closing: State = "none"
    closed_on: date | None = None

    @property
    def owner(self) -> str:
        """Who is asked first: the first of the duty chain who is named; empty where nobody is."""
        return next((self.duties[one] for one in OWNERS if self.duties.get(one)), "")

    @property
    def is_open(self) -> bool:
        """Whether anything is still to be done."""
        return self.state != "closed"


def fold(kept: Iterable[Kept]) -> Case | None:
    """Return the case that some entries make, in the order of their numbers; None where there are none.

    Raises
    ------
    StepRefused
        At the first step that the table does not allow: a correction that makes a later step impossible.
    """
    case: Case | None = None
    for one in in_force(tuple(kept)):
        case = step(case, one)
    return case


def stood_before(kept: Sequence[Kept], number: int) -> Case | None:
    """Return the case as it stood before an entry that is in force, after all corrections."""
    case: Case | None = None
    for one in in_force(kept):
        if one.number == number:
            break
        case = step(case, one)
    return case


def in_force(kept: Sequence[Kept]) -> list[Kept]:
    """Return the entries that stand after all corrections, each in the place of the one it corrects."""
    corrected = {one.entry.corrects: one for one in kept if one.entry.corrects is not None}
    stand = []
    for one in kept:
        if one.entry.corrects is not None:
            continue
        last = one
        while (later := corrected.get(last.number)) is not None:
            last = _put_right(last, later)
        if not last.entry.withdrawn:
            stand.append(last)
    return stand


def _put_right(former: Kept, later: Kept) -> Kept:
    """Return a correction as it stands: one of an opening leaves as it was what it does not tell.

    Who corrects a name neither knows nor may read all that the opening says.
    """
    was, now = former.entry, later.entry
    if now.event != "opened":
        return later
    entry = replace(
        now,
        kind=now.kind or was.kind,
        found_by=now.found_by or was.found_by,
        home=now.home or was.home,
        child={**was.child, **now.child},
        duties={**was.duties, **now.duties},
        reasons=now.reasons or was.reasons,
        left_on=now.left_on or was.left_on,
    )
    return replace(later, entry=entry)


def step(case: Case | None, kept: Kept) -> Case:
    """Return the case after one more entry.

    Raises
    ------
    StepRefused
        `ledger_step` if the table does not allow the event in this state; `ledger_day_before` if it would
        change the state on a day before the present state began; `ledger_follow_up_early` of a follow-up on a
        day before its week after the return.
    """
    entry = kept.entry
    now: State = case.state if case is not None else "none"
    to = TRANSITIONS[entry.event].get(now)
    if to is None:
        raise StepRefused("event", "ledger_step")
    if case is None:
        return _opened(entry)
    if to == "back":
        to = case.before_closing
    if to != now:
        if entry.day < case.since:
            raise StepRefused("day", "ledger_day_before")
        case = replace(case, state=to, since=entry.day)
    return _told(case, kept, before=now)


def _opened(entry: Entry) -> Case:
    if entry.kind is None or entry.found_by is None or entry.home is None:
        raise StepRefused("kind", "ledger_incomplete")
    return Case(
        kind=entry.kind,
        state="to_verify",
        since=entry.day,
        opened_on=entry.day,
        found_by=entry.found_by,
        home=entry.home,
        child=entry.child,
        duties=entry.duties,
        reasons=entry.reasons,
        left_on=entry.left_on,
    )


def _told(case: Case, kept: Kept, *, before: State) -> Case:
    """Take over what an entry tells; the state is that after it."""
    entry = kept.entry
    if entry.duties:
        case = replace(case, duties={**case.duties, **entry.duties})
    if entry.reasons:
        case = replace(case, reasons=entry.reasons)
    match entry.event:
        case "visited":
            last = max(entry.day, case.last_visit_on or entry.day)
            return replace(case, rounds=case.rounds + 1, last_visit_on=last)
        case "planned":
            return replace(case, plan=entry.plan)
        case "handed_over" if entry.home is not None:
            return replace(case, home=entry.home)
        case "verified_out" | "left_again":
            # A child whom no school ever had has not left one: it stays in the ledger of school age.
            kind: Kind = case.kind if case.kind == "school_age" else "dropped_out"
            return replace(_away(case), kind=kind, left_on=entry.left_on or case.left_on)
        case "returned":
            return replace(
                case,
                placement=entry.placement,
                placed_at=entry.to_school_id,
                returned_on=entry.day,
                followed_up=(),
            )
        case "followed_up" if entry.week is not None and case.returned_on is not None:
            if entry.day <= case.returned_on + timedelta(weeks=entry.week - 1):
                raise StepRefused("day", "ledger_follow_up_early")
            seen = {entry.week} if entry.in_school else set()
            return replace(case, followed_up=tuple(sorted({*case.followed_up, *seen})))
        case "closing_proposed":
            return replace(
                case,
                code=entry.code,
                proposed_by=entry.by,
                proposed_key=kept.key_id,
                before_closing=before,
            )
        case "closing_refused":
            return replace(case, code=None, proposed_by="", proposed_key="", before_closing="none")
        case "closing_confirmed":
            return replace(case, closed_on=entry.day)
        case "reopened":
            cleared = replace(case, code=None, closed_on=None, proposed_by="", proposed_key="")
            return replace(_away(cleared), rounds=0, last_visit_on=None)
    return case


def _away(case: Case) -> Case:
    """Return a case without what a return told: the child is not there any more."""
    return replace(case, placement=None, placed_at="", returned_on=None, followed_up=())
