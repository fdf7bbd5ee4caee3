"""What goes in and out about cases of the ledgers: the shape of every question and answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from riskmodel.domain import Language
from riskmodel.ledger.asked import (
    LONGEST,
    LONGEST_CHILD_FIELD,
    LONGEST_EVIDENCE,
    LONGEST_HOME,
    LONGEST_PLAN_STEP,
    MOST_EVIDENCE,
    MOST_PLAN_STEPS,
)
from riskmodel.ledger.codes import CloseCode, Duty, Event, FoundBy, Kind, Met, Placement, Reason, State
from riskmodel.ledger.deadlines import Duty as DueDuty
from serve.schemas import StudentId, Words, _Shape

_MOST_REASONS = 15


def _text(longest: int) -> Any:
    return Field(default="", max_length=longest)


_By = Annotated[str, Field(min_length=1, max_length=LONGEST["by"])]
_Evidence = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_EVIDENCE)], ...],
    Field(max_length=MOST_EVIDENCE),
]
_Reasons = Annotated[tuple[Reason, ...], Field(max_length=_MOST_REASONS)]


class ChildOfCase(_Shape):
    """What the ledger holds about a child; empty where it was not told."""

    name: str = _text(LONGEST_CHILD_FIELD)
    sex: str = _text(LONGEST_CHILD_FIELD)
    birth_date: str = _text(LONGEST_CHILD_FIELD)
    ethnicity: str = _text(LONGEST_CHILD_FIELD)
    guardian: str = _text(LONGEST_CHILD_FIELD)
    phone: str = _text(LONGEST_CHILD_FIELD)
    address: str = _text(LONGEST_CHILD_FIELD)
    household_place: str = _text(LONGEST_CHILD_FIELD)
    hardship: str = _text(LONGEST_CHILD_FIELD)
    number_tail: str = _text(LONGEST_CHILD_FIELD)


class HomeOfCase(_Shape):
    """Whose case it is."""

    school_id: str = _text(LONGEST_HOME)
    township: str = _text(LONGEST_HOME)
    grade: Annotated[int, Field(ge=1, le=16)] | None = None
    class_name: str = _text(LONGEST_HOME)


class HomeTold(_Shape):
    """Whose case it is, as it is kept: what a published set says has no bounds."""

    school_id: str
    township: str
    grade: int | None
    class_name: str


class DutyNamed(_Shape):
    """Who stands in a place of the duty chain."""

    post: Duty
    person: _By


_Duties = Annotated[tuple[DutyNamed, ...], Field(max_length=8)]


class PlanStepOfCase(_Shape):
    """One thing of a child's plan."""

    what: Annotated[str, Field(min_length=1, max_length=LONGEST_PLAN_STEP)]
    who: _By
    until: date


_Plan = Annotated[tuple[PlanStepOfCase, ...], Field(max_length=MOST_PLAN_STEPS)]


class CaseIn(_Shape):
    """A case to be opened."""

    student_id: StudentId
    ledger: Kind
    found_by: FoundBy
    day: date
    done_by: _By
    why: Annotated[str, Field(min_length=1, max_length=LONGEST["why"])]
    evidence: _Evidence = ()
    entry_id: str = _text(LONGEST["entry_id"])
    child: ChildOfCase = ChildOfCase()
    home: HomeOfCase | None = None
    duties: _Duties = ()


class EntryIn(_Shape):
    """What was done or found in a case."""

    event: Event
    day: date
    done_by: _By
    entry_id: str = _text(LONGEST["entry_id"])
    why: str = _text(LONGEST["why"])
    evidence: _Evidence = ()
    met: Met | None = None
    case_reasons: _Reasons = ()
    left_on: date | None = None
    placement: Placement | None = None
    to_school_id: str = _text(LONGEST["to_school_id"])
    week: Annotated[int, Field(ge=1, le=52)] | None = None
    in_school: bool | None = None
    close_code: CloseCode | None = None
    child: ChildOfCase | None = None
    home: HomeOfCase | None = None
    duties: _Duties = ()
    plan: _Plan = ()
    corrects_number: Annotated[int, Field(ge=1)] | None = None
    withdrawn: bool = False


class DecisionIn(_Shape):
    """What a second person decides of a closing."""

    confirmed: bool
    day: date
    done_by: _By
    why: str = _text(LONGEST["why"])
    entry_id: str = _text(LONGEST["entry_id"])


class DueOut(_Shape):
    """One thing to be done."""

    duty: DueDuty
    duty_label: Words
    due_on: date
    days_left: int


class CaseOut(_Shape):
    """A case as it stands."""

    case_id: str
    student_id: str
    ledger: Kind
    ledger_label: Words
    case_state: State
    case_state_label: Words
    case_since: date
    opened_on: date
    found_by: FoundBy
    home: HomeTold
    child: ChildOfCase
    owner: str
    duties: _Duties
    case_reasons: _Reasons
    left_on: date | None
    rounds: int
    last_visit_on: date | None
    placement: Placement | None
    placed_at: str
    returned_on: date | None
    followed_up: tuple[int, ...]
    plan: _Plan
    close_code: CloseCode | None
    closed_on: date | None
    due: tuple[DueOut, ...]


class EntryOut(_Shape):
    """An entry as it is kept."""

    number: int
    event: Event
    event_label: Words
    day: date
    done_by: str
    recorded_at: datetime
    key_id: str
    entry_id: str
    why: str
    evidence: tuple[str, ...]
    met: Met | None
    case_reasons: _Reasons
    left_on: date | None
    placement: Placement | None
    to_school_id: str
    week: int | None
    in_school: bool | None
    close_code: CloseCode | None
    corrects_number: int | None
    withdrawn: bool
    is_in_force: bool


class CaseAnswer(_Shape):
    """A case with its history, oldest first."""

    case: CaseOut
    entries: tuple[EntryOut, ...]
    case_notice: Words


class CaseList(_Shape):
    """Cases; of a list of what is due, the longest due first."""

    cases: tuple[CaseOut, ...]
    next: str | None
    case_notice: Words


class DueQuery(_Shape):
    """Up to which day, and how many at most."""

    until: date | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class CaseQuery(_Shape):
    """Which cases of the key's scope."""

    ledger: Kind | None = None
    is_open: bool | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Annotated[str, Field(max_length=200)] | None = None


class CaseExportQuery(_Shape):
    """Which cases, and in which language."""

    is_open: bool | None = None
    lang: Language = "zh"
