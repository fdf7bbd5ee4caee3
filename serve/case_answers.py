"""Cases of the ledgers as they are answered, and what is told of them as the store takes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from riskmodel.ledger.cases import Entry, Home, PlanStep
from riskmodel.ledger.deadlines import Due
from riskmodel.store.cases import KeptCase
from serve.answers import filled, words
from serve.case_schemas import (
    CaseAnswer,
    CaseIn,
    CaseList,
    CaseOut,
    ChildOfCase,
    DecisionIn,
    DueOut,
    DutyNamed,
    EntryIn,
    EntryOut,
    HomeOfCase,
    HomeTold,
    PlanStepOfCase,
)


def opening_of(told: CaseIn) -> Entry:
    """Return what opens a case."""
    return Entry(
        event="opened",
        day=told.day,
        by=told.done_by,
        entry_id=told.entry_id,
        why=told.why,
        evidence=told.evidence,
        kind=told.ledger,
        found_by=told.found_by,
        child={name: said for name, said in told.child.model_dump().items() if said},
        home=_home(told.home) or Home(),
        duties={one.post: one.person for one in told.duties},
    )


def entry_of(told: EntryIn) -> Entry:
    """Return an entry as the store takes it."""
    return Entry(
        event=told.event,
        day=told.day,
        by=told.done_by,
        entry_id=told.entry_id,
        why=told.why,
        evidence=told.evidence,
        met=told.met,
        reasons=told.case_reasons,
        left_on=told.left_on,
        placement=told.placement,
        to_school_id=told.to_school_id,
        week=told.week,
        in_school=told.in_school,
        code=told.close_code,
        child={} if told.child is None else told.child.model_dump(exclude_unset=True),
        home=_home(told.home),
        duties={one.post: one.person for one in told.duties},
        plan=tuple(PlanStep(one.what, one.who, one.until) for one in told.plan),
        corrects=told.corrects_number,
        withdrawn=told.withdrawn,
    )


def decision_of(told: DecisionIn) -> Entry:
    """Return a decision as an entry."""
    return Entry(
        event="closing_confirmed" if told.confirmed else "closing_refused",
        day=told.day,
        by=told.done_by,
        why=told.why,
        entry_id=told.entry_id,
    )


def case_answer(found: KeptCase, *, today: date) -> CaseAnswer:
    """Tell a case with its history."""
    stand = {one.number for one in found.entries_in_force}
    return CaseAnswer(
        case=case_out(found, today=today),
        entries=tuple(
            EntryOut(
                number=one.number,
                event=one.entry.event,
                event_label=words(f"ledger.events.{one.entry.event}"),
                day=one.entry.day,
                done_by=one.entry.by,
                recorded_at=one.recorded_at,
                key_id=one.key_id,
                entry_id=one.entry.entry_id,
                why=one.entry.why,
                evidence=one.entry.evidence,
                met=one.entry.met,
                case_reasons=one.entry.reasons,
                left_on=one.entry.left_on,
                placement=one.entry.placement,
                to_school_id=one.entry.to_school_id,
                week=one.entry.week,
                in_school=one.entry.in_school,
                close_code=one.entry.code,
                corrects_number=one.entry.corrects,
                withdrawn=one.entry.withdrawn,
                is_in_force=one.number in stand,
            )
            for one in found.entries
        ),
        case_notice=words("api.case_notice"),
    )


def case_list(found: Iterable[KeptCase], *, next_page: str | None, today: date) -> CaseList:
    """Tell cases, with the address of the next page."""
    return CaseList(
        cases=tuple(case_out(one, today=today) for one in found),
        next=next_page,
        case_notice=words("api.case_notice"),
    )


def case_out(found: KeptCase, *, today: date) -> CaseOut:
    """Tell how a case stands, and what is due."""
    case = found.case
    return CaseOut(
        case_id=found.case_id,
        student_id=found.student_id,
        ledger=case.kind,
        ledger_label=words(f"ledger.kinds.{case.kind}"),
        case_state=case.state,
        case_state_label=words(f"ledger.states.{case.state}"),
        case_since=case.since,
        opened_on=case.opened_on,
        found_by=case.found_by,
        home=HomeTold(
            school_id=case.home.school_id,
            township=case.home.township,
            grade=case.home.grade,
            class_name=case.home.class_name,
        ),
        child=ChildOfCase(**case.child),
        owner=case.owner,
        duties=tuple(DutyNamed(post=post, person=person) for post, person in case.duties.items()),
        case_reasons=case.reasons,
        left_on=case.left_on,
        rounds=case.rounds,
        last_visit_on=case.last_visit_on,
        placement=case.placement,
        placed_at=case.placed_at,
        returned_on=case.returned_on,
        followed_up=case.followed_up,
        plan=tuple(PlanStepOfCase(what=one.what, who=one.who, until=one.until) for one in case.plan),
        close_code=case.code,
        closed_on=case.closed_on,
        due=tuple(_due(one, today) for one in found.due),
    )


def _due(one: Due, today: date) -> DueOut:
    return DueOut(
        duty=one.duty,
        duty_label=filled(f"ledger.duties_due.{one.duty}", week=one.week),
        due_on=one.on,
        days_left=(one.on - today).days,
    )


def _home(told: HomeOfCase | None) -> Home | None:
    return None if told is None else Home(**told.model_dump())
