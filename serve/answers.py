"""From what was published to what is shown: one function for each answer.

What a role may read stands in `riskmodel.store.principals.RIGHTS`. Where a fact is not for it, it is told
only that there is one more item: neither its kind, nor its weight, nor how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache, partial
from typing import Any, Literal

from riskmodel.domain import (
    ActionTaken,
    Family,
    Kind,
    Language,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Statement,
    Unit,
)
from riskmodel.store.allocations import AllocationItem, AllocationRun, ItemPage
from riskmodel.store.feedback import Feedback
from riskmodel.store.looks import LooksOfKey
from riskmodel.store.official import FigurePage as KeptFigures
from riskmodel.store.official import KeptReport
from riskmodel.store.principals import RIGHTS, Role
from riskmodel.store.reading import ClassCount, Page
from riskmodel.store.tables import day_of
from riskmodel.store.tickets import Ticket
from riskmodel.wording import text
from riskmodel.wording.statements import fact_text
from serve.schemas import (
    ActionList,
    ActionOut,
    AllocationItemOut,
    AllocationList,
    AllocationOut,
    AllocationPage,
    BatchItem,
    ClassOut,
    FeedbackList,
    FeedbackOut,
    FigureOut,
    FigurePage,
    FigureTarget,
    FoundStudent,
    ListedStudent,
    LookReport,
    LooksOut,
    LookupAnswer,
    LookupItem,
    ModelOut,
    PastRisk,
    PerHundredOut,
    ProgrammeOut,
    ReportList,
    ReportOut,
    RiskHistory,
    SchoolAnswer,
    SchoolList,
    SchoolOut,
    SetAnswer,
    SetOut,
    StatementOut,
    StudentBatch,
    StudentPage,
    StudentRisk,
    UnknownOut,
    Words,
)

NO_NAME = "**"
"""In the place of a masked name that the role may not read."""


def student_risk(student: ScoredStudent, published: PublishedSet, *, role: Role, today: date) -> StudentRisk:
    """Tell everything that this role may read of one student."""
    units = published.facts.units
    hidden = any(not RIGHTS[role].reads(one.audience) for one in (*student.reasons, *student.strengths))
    return StudentRisk(
        student_id=student.student_id,
        school_id=student.school_id,
        stage=student.stage,
        grade=student.grade,
        class_name=student.class_name,
        masked_name=name_read(student.masked_name, role),
        risk=student.risk if RIGHTS[role].risk else None,
        band=student.band,
        band_label=words(f"bands.{student.band}.name"),
        band_meaning=words(f"bands.{student.band}.meaning"),
        listed=student.listed,
        near_line=student.near_line,
        similar_per_100=_similar(student, published),
        reasons=_statements(student.reasons, role, units),
        strengths=_statements(student.strengths, role, units),
        withheld=words("api.withheld") if hidden else None,
        unknowns=tuple(unknown_out(one.code, *filling(one.values, units)) for one in student.unknowns),
        model=model_out(published),
        set=set_out(published, today=today),
        notice=words("api.notice"),
    )


def student_page(
    page: Page, school: School, published: PublishedSet, *, role: Role, next_page: str | None, today: date
) -> StudentPage:
    """Tell a page of a school's students, with the address of the next one."""
    return StudentPage(
        school=school_out(school),
        students=tuple(_listed(student, role) for student in page.students),
        next=next_page,
        set=set_out(published, today=today),
        notice=words("api.notice"),
    )


def school_list(schools: Iterable[School], published: PublishedSet, *, today: date) -> SchoolList:
    """Tell the schools that the key may see."""
    return SchoolList(
        schools=tuple(school_out(school) for school in schools), set=set_out(published, today=today)
    )


def action_list(actions: Iterable[ActionTaken]) -> ActionList:
    """Tell what was done."""
    return ActionList(actions=tuple(_action(taken) for taken in actions))


def _action(taken: ActionTaken) -> ActionOut:
    told = taken.action
    return ActionOut(
        action_id=taken.action_id,
        student_id=told.student_id,
        kind=told.kind,
        day=told.day,
        done_by=told.done_by,
        programme=told.programme,
        amount_yuan=told.amount_yuan,
        hours=told.hours,
        result=told.result,
        note=told.note,
        corrects=told.corrects,
        withdrawn=told.withdrawn,
        is_in_force=taken.is_in_force,
        recorded_at=taken.recorded_at,
        set_id=taken.set_id,
        band=taken.band,
        listed=taken.listed,
    )


def allocation_list(runs: Iterable[AllocationRun]) -> AllocationList:
    """Tell the runs of allocation."""
    return AllocationList(
        allocations=tuple(_allocation(run) for run in runs), aid_notice=words("targeting.use")
    )


def allocation_page(
    page: ItemPage, published: PublishedSet, *, role: Role, next_page: str | None, today: date
) -> AllocationPage:
    """Tell a page of a run's items, with the address of the next one."""
    return AllocationPage(
        allocation=_allocation(page.run),
        items=tuple(_allocation_item(item, student, role) for item, student in page.items),
        next=next_page,
        set=set_out(published, today=today),
        aid_notice=words("targeting.use"),
    )


def _allocation(run: AllocationRun) -> AllocationOut:
    return AllocationOut(
        run_id=run.run_id,
        set_id=run.set_id,
        as_of_date=run.as_of_date,
        made_at=run.made_at,
        state=run.state,
        approved_at=run.approved_at,
        approved_by=run.approved_by,
        method=run.content["method"],
        lottery=run.content["lottery"]["enabled"],
        programmes=tuple(
            ProgrammeOut(programme=one["id"], programme_kind=one["kind"], programme_name=Words(**one["name"]))
            for one in run.content["programmes"]
        ),
    )


def _allocation_item(item: AllocationItem, student: ScoredStudent, role: Role) -> AllocationItemOut:
    return AllocationItemOut(
        programme=item.programme,
        student_id=item.student_id,
        school_id=student.school_id,
        grade=student.grade,
        class_name=student.class_name,
        masked_name=name_read(student.masked_name, role),
        answer=item.answer,
        answer_label=words(f"targeting.answers.{item.answer}"),
        place=item.place,
        waiting=item.waiting,
        waiting_at=item.waiting_at,
        waiting_since=item.waiting_since,
        yuan=item.yuan,
        place_hours=item.hours,
        yuan_left=item.yuan_left,
        by_floor=item.by_floor,
        drawn=item.lot_group is not None,
        stable=item.stable,
    )


def figure_page(page: KeptFigures | None, *, next_page: str | None) -> FigurePage:
    """Tell a page of official figures; empty where none were counted yet."""
    figures = () if page is None else page.figures
    return FigurePage(
        as_of_date=None if page is None else page.day,
        counted_at=None if page is None else page.counted_at,
        rule_versions=() if page is None else tuple(page.content["rules"]),
        figures=tuple(_figure(one) for one in figures),
        next=next_page,
        figures_notice=words("api.figures_notice"),
    )


_AS_KEPT = (
    "formula", "span", "span_kind", "first_day", "last_day", "complete", "level", "county", "township",
    "school_id", "by", "stage", "value", "numerator", "denominator", "rate", "low", "high", "unaccounted",
    "already_gone",
)  # fmt: skip


def _figure(one: Mapping[str, Any]) -> FigureOut:
    told = {name: one[name] for name in _AS_KEPT}
    return FigureOut(
        **told,
        formula_label=words(f"indicators.formulas.{one['formula']}"),
        formula_version=one["version"],
        count_withheld=one["hidden"],
        targets=tuple(FigureTarget(**target) for target in one["targets"]),
    )


def report_list(found: Iterable[KeptReport]) -> ReportList:
    """Tell the periodic reports, without their pages."""
    return ReportList(
        reports=tuple(
            ReportOut(
                report_id=one.report_id, report_kind=one.kind,
                report_title=Words(zh=one.titles["zh"], en=one.titles["en"]), level=one.place.level,
                county=one.place.county, township=one.place.township, school_id=one.place.school_id,
                as_of_date=one.as_of_date, made_at=one.made_at,
            )
            for one in found
        ),
        figures_notice=words("api.figures_notice"),
    )  # fmt: skip


def feedback_list(
    student_id: str,
    said: Iterable[Feedback],
    tickets: Iterable[Ticket],
    published: PublishedSet,
    *,
    today: date,
) -> FeedbackList:
    """Tell what was said of a student's sheets."""
    by_id = {ticket.ticket_id: ticket for ticket in tickets}
    return FeedbackList(
        student_id=student_id,
        feedback=tuple(feedback_out(each, by_id.get(each.ticket_id or 0)) for each in said),
        set=set_out(published, today=today),
    )


def school_answer(
    school: School, classes: Iterable[ClassCount], published: PublishedSet, *, today: date
) -> SchoolAnswer:
    """Tell a school and its classes."""
    return SchoolAnswer(
        school=school_out(school),
        classes=tuple(
            ClassOut(
                grade=one.grade,
                class_name=one.class_name,
                student_count=one.students,
                listed_count=one.listed,
            )
            for one in classes
        ),
        set=set_out(published, today=today),
    )


def feedback_out(said: Feedback, ticket: Ticket | None) -> FeedbackOut:
    """Tell one thing that was said, and the intake's answer."""
    return FeedbackOut(
        feedback_id=said.feedback_id,
        set_id=said.set_id,
        code=said.code,
        code_label=words(f"feedback.{said.code}"),
        family=said.family,
        family_label=words(f"families.{said.family}") if said.family else None,
        noted_on=said.noted_on,
        on_paper=said.on_paper,
        ticket_id=said.ticket_id,
        answer=ticket.answer if ticket else None,
        answered_on=day_of(ticket.closed_at) if ticket and ticket.closed_at else None,
    )


def set_answer(published: PublishedSet, *, current: bool, today: date) -> SetAnswer:
    """Tell a set, and what made it."""
    return SetAnswer(set=set_out(published, today=today), model=model_out(published), current=current)


def risk_history(
    student_id: str,
    told: Iterable[tuple[PublishedSet, ScoredStudent]],
    *,
    role: Role,
    today: date,
) -> RiskHistory:
    """Tell what each set told of a student."""
    return RiskHistory(
        student_id=student_id,
        risks=tuple(
            PastRisk(
                school_id=student.school_id,
                grade=student.grade,
                class_name=student.class_name,
                risk=student.risk if RIGHTS[role].risk else None,
                band=student.band,
                band_label=words(f"bands.{student.band}.name"),
                listed=student.listed,
                near_line=student.near_line,
                similar_per_100=_similar(student, published),
                model=model_out(published),
                set=set_out(published, today=today),
            )
            for published, student in told
        ),
        notice=words("api.notice"),
    )


def student_batch(
    students: Iterable[ScoredStudent | None], published: PublishedSet, *, role: Role, today: date
) -> StudentBatch:
    """Tell of each student who was asked about; None: not within the scope."""
    told = [
        None if student is None else student_risk(student, published, role=role, today=today)
        for student in students
    ]
    return StudentBatch(
        answers=tuple(BatchItem(found=student is not None, student=student) for student in told),
        set=set_out(published, today=today),
    )


def lookup_answer(
    students: Iterable[ScoredStudent | None], published: PublishedSet, *, role: Role, today: date
) -> LookupAnswer:
    """Tell whom each roll number belongs to; None: to nobody within the scope."""
    told = [None if student is None else _found(student, role) for student in students]
    return LookupAnswer(
        answers=tuple(LookupItem(found=student is not None, student=student) for student in told),
        set=set_out(published, today=today),
    )


def school_out(school: School) -> SchoolOut:
    """Tell a school."""
    return SchoolOut(school_id=school.school_id, name=school.name, township=school.township)


def set_out(published: PublishedSet, *, today: date) -> SetOut:
    """Tell which set an answer comes from, and whether its time is over."""
    return _set(**of_set(published, today=today))


def of_set(published: PublishedSet, *, today: date) -> dict[str, Any]:
    """Return what `set_out` tells, by name."""
    facts = published.facts
    return {
        "set_id": published.set_id, "published_at": published.published_at, "region": facts.region,
        "term": facts.term, "as_of_date": facts.as_of_date, "horizon_end": facts.horizon_end,
        "valid_until": facts.valid_until, "data_complete_to": facts.data_complete_to,
        "expired": facts.valid_until < today,
    }  # fmt: skip


def model_out(published: PublishedSet) -> ModelOut:
    """Tell what made the result."""
    return _model(**of_model(published))


def of_model(published: PublishedSet) -> dict[str, Any]:
    """Return what `model_out` tells, by name."""
    facts = published.facts
    return {
        "version": facts.model_version, "rule_version": facts.rule_version,
        "wording_version": facts.wording_version, "probabilities": facts.probabilities,
    }  # fmt: skip


_set = lru_cache(maxsize=256)(SetOut)
_model = lru_cache(maxsize=256)(ModelOut)


def look_report(lines: Iterable[LooksOfKey], *, since: date, until: date) -> LookReport:
    """Tell how much each key looked."""
    return LookReport(
        since=since,
        until=until,
        keys=tuple(
            LooksOut(
                key_id=line.key_id,
                role=line.role,
                label=line.label,
                requests=line.requests,
                looks=line.looks,
                students_seen=line.students,
                missed=line.missed,
                by_purpose=line.by_purpose,
                first=line.first,
                last=line.last,
                much=line.much,
            )
            for line in lines
        ),
    )


def name_read(masked_name: str, role: Role) -> str:
    """Return the masked name, as far as this role may read one."""
    return masked_name if RIGHTS[role].names else NO_NAME


def _found(student: ScoredStudent, role: Role) -> FoundStudent:
    return FoundStudent(
        student_id=student.student_id,
        school_id=student.school_id,
        grade=student.grade,
        class_name=student.class_name,
        masked_name=name_read(student.masked_name, role),
    )


def _listed(student: ScoredStudent, role: Role) -> ListedStudent:
    return ListedStudent(
        student_id=student.student_id,
        stage=student.stage,
        grade=student.grade,
        class_name=student.class_name,
        masked_name=name_read(student.masked_name, role),
        band=student.band,
        band_label=words(f"bands.{student.band}.name"),
        listed=student.listed,
        near_line=student.near_line,
    )


def _similar(student: ScoredStudent, published: PublishedSet) -> PerHundredOut | None:
    return None if student.similar is None else similar_out(student.similar, published.facts.horizon_days)


@lru_cache(maxsize=4_096)
def similar_out(similar: PerHundred, days: int) -> PerHundredOut:
    """Tell how many of 100 such students left."""
    code = "api.similar_per_100" if similar.point else "api.similar_per_100_few"
    text_of_both = filled(code, point=similar.point, low=similar.low, high=similar.high, days=days)
    return PerHundredOut(point=similar.point, low=similar.low, high=similar.high, text=text_of_both)


_Values = tuple[tuple[str, float | None], ...]
_Units = tuple[Unit | None, ...]


def _statements(
    statements: Iterable[Statement], role: Role, units: Mapping[str, Unit]
) -> tuple[StatementOut, ...]:
    return tuple(
        statement_out(
            one.code, one.family, one.kind, one.dots, one.source, one.source_date,
            *filling(one.values, units),
        )
        for one in statements
        if RIGHTS[role].reads(one.audience)
    )  # fmt: skip


def filling(values: Mapping[str, float | None], units: Mapping[str, Unit]) -> tuple[_Values, _Units]:
    """Return what fills the slots of a sentence, and in which units."""
    return tuple(values.items()), tuple(map(units.get, values))


@lru_cache(maxsize=4_096)  # of many students the same is said: absent 9 days, 2 before
def statement_out(
    code: str,
    family: Family,
    kind: Kind,
    dots: Literal[1, 2, 3],
    source: str,
    source_date: date | None,
    values: _Values,
    units: _Units,
) -> StatementOut:
    """Tell a reason or a strength."""
    return StatementOut(
        code=code,
        family=family,
        family_label=words(f"families.{family}"),
        kind=kind,
        dots=dots,
        text=_fact(code, values, units),
        values=dict(values),
        source=source,
        source_date=source_date,
    )


@lru_cache(maxsize=1_024)
def unknown_out(code: str, values: _Values, units: _Units) -> UnknownOut:
    """Tell something that the system does not know."""
    return UnknownOut(code=code, text=_fact(code, values, units))


def _fact(code: str, values: _Values, units: _Units) -> Words:
    known = {name: unit for (name, _), unit in zip(values, units, strict=True) if unit is not None}
    return both(partial(fact_text, code, dict(values), known))


@lru_cache(maxsize=1_024)
def words(code: str) -> Words:
    """Say a code in both languages."""
    return both(partial(text, code))


def filled(code: str, **slots: object) -> Words:
    """Say a code in both languages, its slots filled."""
    return both(lambda language: text(code, language, **slots))


def both(say: Callable[[Language], str]) -> Words:
    """Say something in both languages."""
    return Words(zh=say("zh"), en=say("en"))
