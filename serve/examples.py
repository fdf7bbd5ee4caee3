"""Invented answers for the documentation, made by the same code as real ones, so that they cannot differ."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel

from riskmodel.domain import (
    Action,
    ActionTaken,
    AidAnswer,
    Band,
    FeatureInfo,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Stage,
    Statement,
    TermFacts,
    Unknown,
)
from riskmodel.ledger.cases import Case, Entry, Home, Kept
from riskmodel.ledger.deadlines import Due
from riskmodel.official import Place
from riskmodel.sheets.compose import compose
from riskmodel.sheets.steps import Steps
from riskmodel.store.allocations import AllocationItem, AllocationRun, ItemPage
from riskmodel.store.cases import KeptCase
from riskmodel.store.feedback import Feedback
from riskmodel.store.looks import LooksOfKey
from riskmodel.store.official import FigurePage, KeptReport
from riskmodel.store.reading import ClassCount, Page
from riskmodel.store.tickets import Ticket
from riskmodel.wording import text
from serve.answers import (
    action_list,
    allocation_list,
    allocation_page,
    feedback_list,
    feedback_out,
    figure_page,
    look_report,
    lookup_answer,
    model_out,
    report_list,
    risk_history,
    school_answer,
    school_list,
    set_answer,
    set_out,
    student_batch,
    student_page,
    student_risk,
    words,
)
from serve.case_answers import case_answer, case_list
from serve.case_schemas import CaseIn, DecisionIn, EntryIn
from serve.explaining import explanation
from serve.exports import csv_file, list_rows
from serve.pages import CSV, HTML, PDF, XLSX
from serve.problems import STATUS
from serve.schemas import (
    ActionIn,
    ActionsIn,
    Alive,
    BatchAsked,
    CardOut,
    FeedbackIn,
    LookupAsked,
    ProblemOut,
    Ready,
    SetList,
)
from serve.words import reason_book

TODAY = date(2026, 11, 3)
_SCHOOL = School("sch-0007", "云溪中学", "云溪镇")
_PUBLISHED = PublishedSet(
    "set-20261031-7f31a2",
    datetime(2026, 11, 2, 6, 30, tzinfo=UTC),
    TermFacts(
        region="demo",
        term="2026-2027-1",
        as_of_date=date(2026, 10, 31),
        horizon_end=date(2027, 4, 29),
        valid_until=date(2027, 1, 29),
        model_version="demo-20261031-1",
        rule_version="demo-2024",
        wording_version="0f3c9a1b",
        records_hash="5d41…",
        data_complete_to=date(2026, 10, 30),
        probabilities=True,
        features=(
            FeatureInfo(name="now", unit="days", family="attendance", source="attendance"),
            FeatureInfo(name="before", unit="days", family="attendance", source="attendance"),
        ),
    ),
)


def _statement(code: str, values: dict[str, float | None]) -> Statement:
    return Statement(
        "attendance", code, "can_act", "class_teacher", 0.9, 3, values, "attendance", date(2026, 10, 30)
    )


_STUDENT = ScoredStudent(
    student_id="0d7c41e2b95a4f0e",
    school_id=_SCHOOL.school_id,
    stage=Stage.JUNIOR,
    grade=8,
    class_name="3",
    masked_name="王**",
    number_tail="0000",
    risk=0.138,
    band=Band.REACH_OUT,
    listed=True,
    similar=PerHundred(14, 8, 22),
    reasons=(_statement("api.example.reason", {"now": 9.0, "before": 2.0}),),
    strengths=(_statement("api.example.strength", {}),),
    unknowns=(Unknown("api.example.unknown"),),
)
_WITHOUT_SCORE = ScoredStudent(
    student_id="5b90c7aa13de4c61",
    school_id=_SCHOOL.school_id,
    stage=Stage.JUNIOR,
    grade=7,
    class_name="1",
    masked_name="李**",
    number_tail="0000",
    risk=None,
    band=Band.NOT_ENOUGH_INFORMATION,
    listed=False,
    unknowns=(Unknown("api.example.unknown"),),
)
_LOOKS = LooksOfKey(
    key_id="5d2f0c71ab93",
    role="school",
    label="云溪中学学籍软件",
    requests=61,
    looks=412,
    students=37,
    missed=1,
    by_purpose={"care": 412},
    first=datetime(2026, 10, 9, 0, 12, tzinfo=UTC),
    last=datetime(2026, 11, 2, 23, 40, tzinfo=UTC),
)


_ACTION = ActionTaken(
    action=Action(
        student_id=_STUDENT.student_id, kind="visited", day=date(2026, 11, 2), done_by="李老师",
        action_id="2026-0417", result="reached", note="家访，约定每周通一次电话",
    ),
    action_id="2026-0417",
    set_id=_PUBLISHED.set_id,
    school_id=_SCHOOL.school_id,
    risk=_STUDENT.risk,
    band=_STUDENT.band,
    listed=True,
    recorded_at=datetime(2026, 11, 3, 1, 15, tzinfo=UTC),
    key_id="0f3c9a1b7d52",
    is_in_force=True,
)  # fmt: skip
_SAID = Feedback(
    feedback_id="fb-7d1c09a4e2b86f35",
    set_id=_PUBLISHED.set_id,
    student_id=_STUDENT.student_id,
    school_id=_SCHOOL.school_id,
    code="F1",
    family="attendance",
    noted_on=date(2026, 11, 3),
    entered_at=datetime(2026, 11, 3, 8, 5, tzinfo=UTC),
    entered_by="4be1a0c2d3f4",
    on_paper=False,
    ticket_id=17,
)
_TICKET = Ticket(
    ticket_id=17,
    student_id=_STUDENT.student_id,
    school_id=_SCHOOL.school_id,
    family="attendance",
    opened_at=_SAID.entered_at,
    closed_at=datetime(2026, 11, 9, 2, 0, tzinfo=UTC),
    closed_by="4be1a0c2d3f4",
    answer="corrected",
)


_ALLOCATION = AllocationRun(
    run_id="alloc-20261031-7f31a2c4",
    set_id=_PUBLISHED.set_id,
    as_of_date=_PUBLISHED.facts.as_of_date,
    made_at=datetime(2026, 11, 3, 1, 0, tzinfo=UTC),
    made_by="王老师",
    state="approved",
    frozen_at=datetime(2026, 11, 3, 2, 0, tzinfo=UTC),
    frozen_by="王老师",
    approved_at=datetime(2026, 11, 3, 3, 0, tzinfo=UTC),
    approved_by="赵主任",
    content={
        "method": "greedy",
        "lottery": {"enabled": False},
        "programmes": [
            {"id": "living_cost", "kind": "entitlement",
             "name": {"zh": "家庭经济困难学生生活补助", "en": "Living-cost aid"}},
            {"id": "counselling", "kind": "discretionary",
             "name": {"zh": "心理辅导（6 小时）", "en": "Counselling (6 hours)"}},
        ],
    },
)  # fmt: skip
_ITEMS = ItemPage(
    _ALLOCATION,
    (
        (
            AllocationItem(
                programme="counselling", student_id=_STUDENT.student_id, school_id=_SCHOOL.school_id,
                answer=AidAnswer.HOURS_USED_UP, place=7, waiting=2, waiting_at="school",
                waiting_since=date(2026, 4, 30), yuan=None, hours=None, yuan_left=1250.0,
                by_floor=False, lot_group=None, stable=False,
            ),
            _STUDENT,
        ),
        (
            AllocationItem(
                programme="living_cost", student_id=_WITHOUT_SCORE.student_id, school_id=_SCHOOL.school_id,
                answer=AidAnswer.ENTITLED_NOT_RECEIVING, place=None, waiting=None, waiting_at=None,
                waiting_since=None, yuan=375.0, hours=None, yuan_left=None,
                by_floor=False, lot_group=None, stable=False,
            ),
            _WITHOUT_SCORE,
        ),
    ),
    None,
)  # fmt: skip


_FIGURES = FigurePage(
    date(2026, 10, 31), datetime(2026, 11, 2, 1, 0, tzinfo=UTC), {"rules": ["demo-2023"]},
    (
        {
            "formula": "dropout_rate", "version": "v1", "span": "2026-2027", "span_kind": "year",
            "first_day": "2026-10-01", "last_day": "2026-10-31", "complete": False, "level": "school",
            "county": "青禾县", "township": "柳溪乡", "school_id": _SCHOOL.school_id, "by": "stage",
            "stage": "junior", "value": "", "numerator": 6, "denominator": 412, "rate": 6 / 412,
            "low": 0.0067, "high": 0.0315, "unaccounted": 0, "already_gone": 0, "hidden": False,
            "targets": [{"target": "junior_leaving", "at_least": None, "at_most": 0.018, "distance": 1,
                         "met": True}],
        },
    ),
    None,
)  # fmt: skip
_REPORT = KeptReport(
    "rep-20261031-5f2c9a10", "school", Place("school", "青禾县", "柳溪乡", _SCHOOL.school_id),
    date(2026, 10, 31), datetime(2026, 11, 2, 1, 0, tzinfo=UTC),
    {"zh": "柳溪初级中学控辍保学月报", "en": "柳溪初级中学: monthly report"}, {},
)  # fmt: skip


_CASE = KeptCase(
    "case-5d1f0a9b2c3e",
    _STUDENT.student_id,
    Case(
        kind="suspected",
        state="to_verify",
        since=date(2026, 10, 30),
        opened_on=date(2026, 10, 30),
        found_by="school",
        home=Home(_SCHOOL.school_id, _SCHOOL.township, 8, "3"),
        rounds=1,
        last_visit_on=date(2026, 10, 31),
    ),
    tuple(
        Kept(
            number=number,
            entry=entry,
            recorded_at=datetime(2026, 10, 31, 9, tzinfo=UTC),
            key_id="k7d2",
            role="school",
        )
        for number, entry in enumerate(
            (
                Entry(
                    event="opened", day=date(2026, 10, 30), by="李老师", kind="suspected", found_by="school",
                    home=Home(_SCHOOL.school_id), why="连续三天未到校，电话未通",
                ),
                Entry(event="visited", day=date(2026, 10, 31), by="李老师", met="guardian"),
            ),
            start=118,
        )
    ),
    (Due("verify", date(2026, 11, 27)),),
)  # fmt: skip


def answer_examples() -> dict[str, dict[str, BaseModel]]:
    """Return named examples by operation."""
    page = Page(_PUBLISHED.set_id, (_STUDENT, _WITHOUT_SCORE), None)
    return {
        "read_student_risk": {
            "with_a_score": student_risk(_STUDENT, _PUBLISHED, role="school", today=TODAY),
            "without_a_score": student_risk(_WITHOUT_SCORE, _PUBLISHED, role="school", today=TODAY),
        },
        "list_figures": {"last_page": figure_page(_FIGURES, next_page=None)},
        "list_reports": {"one_report": report_list([_REPORT])},
        "list_allocations": {"one_run": allocation_list([_ALLOCATION])},
        "list_allocation_items": {
            "one_waits_one_is_due": allocation_page(
                _ITEMS, _PUBLISHED, role="counsellor", next_page=None, today=TODAY
            )
        },
        "give_feedback": {"data_wrong": feedback_out(_SAID, None)},
        "read_feedback": {
            "answered": feedback_list(_STUDENT.student_id, (_SAID,), (_TICKET,), _PUBLISHED, today=TODAY)
        },
        "list_students": {
            "last_page": student_page(page, _SCHOOL, _PUBLISHED, role="school", next_page=None, today=TODAY),
        },
        "list_sets": {"one_set": SetList(sets=(set_answer(_PUBLISHED, current=True, today=TODAY),))},
        "read_current_set": {"current_set": set_answer(_PUBLISHED, current=True, today=TODAY)},
        "read_set": {"one_set": set_answer(_PUBLISHED, current=True, today=TODAY)},
        "read_school": {
            "one_school": school_answer(_SCHOOL, [ClassCount(8, "3", 46, 3)], _PUBLISHED, today=TODAY)
        },
        "list_student_risks": {
            "one_set": risk_history(_STUDENT.student_id, [(_PUBLISHED, _STUDENT)], role="school", today=TODAY)
        },
        "batch_get_students": {
            "one_found_one_not": student_batch([_STUDENT, None], _PUBLISHED, role="school", today=TODAY)
        },
        "look_up_students": {
            "one_found_one_not": lookup_answer([_STUDENT, None], _PUBLISHED, role="school", today=TODAY)
        },
        "explain_student": {
            "with_a_score": explanation(
                _STUDENT,
                compose(_STUDENT, _PUBLISHED, _SCHOOL, audience="class_teacher", steps=Steps.general()),
                _PUBLISHED,
                role="school",
                today=TODAY,
            )
        },
        "list_reasons": {"vocabulary": reason_book(_PUBLISHED, today=TODAY)},
        "read_model_card": {
            "where_to_read_it": CardOut(
                model=model_out(_PUBLISHED),
                set=set_out(_PUBLISHED, today=TODAY),
                pages={"zh": "/v1/model-card?lang=zh", "en": "/v1/model-card?lang=en"},
                notice=words("api.notice"),
            )
        },
        "list_schools": {"one_school": school_list([_SCHOOL], _PUBLISHED, today=TODAY)},
        "read_looks": {
            "one_key": look_report([_LOOKS], since=date(2026, 10, 4), until=TODAY),
        },
        "list_due": {"one_case": case_list([_CASE], next_page=None, today=TODAY)},
        "list_cases": {"one_case": case_list([_CASE], next_page=None, today=TODAY)},
        "open_case": {"one_case": case_answer(_CASE, today=TODAY)},
        "read_case": {"one_case": case_answer(_CASE, today=TODAY)},
        "add_case_entry": {"one_case": case_answer(_CASE, today=TODAY)},
        "decide_closing": {"one_case": case_answer(_CASE, today=TODAY)},
        "record_actions": {"kept": action_list([_ACTION])},
        "list_actions": {"kept": action_list([_ACTION])},
        "health": {"alive": Alive()},
        "readiness": {
            "ready": Ready(
                set_id=_PUBLISHED.set_id,
                published_at=_PUBLISHED.published_at,
                age_days=1,
                valid_until=_PUBLISHED.facts.valid_until,
                expired=False,
            )
        },
    }


def asked_examples() -> dict[str, dict[str, Any]]:
    """Return named examples of what is sent, by operation."""
    sent = ActionIn.model_validate({name: getattr(_ACTION.action, name) for name in ActionIn.model_fields})
    return {
        "record_actions": {"visited": ActionsIn(actions=(sent,))},
        "open_case": {
            "three_days_away": CaseIn(
                student_id=_STUDENT.student_id,
                ledger="suspected",
                found_by="school",
                day=date(2026, 10, 30),
                done_by="李老师",
                why="连续三天未到校，电话未通",
            )
        },
        "add_case_entry": {
            "visited": EntryIn(event="visited", day=date(2026, 10, 31), done_by="李老师", met="guardian")
        },
        "decide_closing": {"confirmed": DecisionIn(confirmed=True, day=date(2026, 11, 2), done_by="赵主任")},
        "give_feedback": {"data_wrong": FeedbackIn(code="F1", family="attendance")},
        "batch_get_students": {
            "two_students": BatchAsked(student_ids=(_STUDENT.student_id, _WITHOUT_SCORE.student_id))
        },
        "look_up_students": {
            "two_numbers": LookupAsked(roll_numbers=("G110101200001011234", "L110101200001015678"))
        },
    }


def page_examples() -> dict[str, dict[str, dict[str, str]]]:
    """Return named examples of answers that are no JSON, by operation and media type."""
    figures = (
        'riskmodel_requests_total{method="GET",route="/v1/students/{student_id}/risk",status="200"} 812.0\n'
        "riskmodel_published_age_seconds 86400.0\n"
    )
    rows = list_rows([_STUDENT, _WITHOUT_SCORE], _SCHOOL, _PUBLISHED, role="school", language="zh")
    return {
        "read_model_card": {HTML: {"card_as_page": "<!doctype html>…"}},
        "read_metrics": {"text/plain": {"figures": figures}},
        "explain_student": {
            HTML: {"sheet_as_page": "<!doctype html>…"},
            PDF: {"sheet_as_pdf": "%PDF-1.7 …"},
        },
        "export_students_csv": {CSV: {"two_rows": csv_file(rows, "zh").decode("utf-8-sig")}},
        "export_students_workbook": {XLSX: {"list_as_workbook": "PK…"}},
        "export_cases_workbook": {XLSX: {"ledgers_as_workbook": "PK…"}},
        "read_booklet": {PDF: {"booklet": "%PDF-1.7 …"}},
        "read_report": {
            HTML: {"report_as_page": "<!doctype html>…"},
            PDF: {"report_as_pdf": "%PDF-1.7 …"},
            XLSX: {"report_as_workbook": "PK…"},
        },
    }


_WRONG = {"invalid_request": ("limit",), "actions_refused": ("actions.3.student_id",),
          "entry_refused": ("done_by", "ledger_second_person")}  # fmt: skip


def problem_example(code: str) -> dict[str, Any]:
    """Return a problem as it is answered, in Chinese."""
    return ProblemOut(
        type=f"/docs#problem-{code}",
        title=text(f"problems.{code}.title", "zh"),
        status=STATUS[code],
        detail=text(f"problems.{code}.detail", "zh"),
        code=code,
        parameters=_WRONG.get(code),
    ).model_dump(mode="json", exclude_none=True)
