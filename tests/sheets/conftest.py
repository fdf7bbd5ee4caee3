from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from riskmodel import wording
from riskmodel.config import read_actions
from riskmodel.domain import (
    Band,
    FeatureInfo,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Stage,
    Statement,
    Step,
    TermFacts,
    Unknown,
)
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.school_list import Hours, SchoolList, school_list
from riskmodel.sheets.steps import Steps

SENTENCES = {
    "zh": {
        "test.absence": "近28天缺勤{absence_days_28d}天，此前28天为{absence_days_before}天；"
        "同年级多数同学为{grade_days}天。",
        "test.marks": "数学期中{marks_now}分，比上学期期末变化{marks_change}分；"
        "同期全班平均变化{class_change}分。",
        "test.aid": "上学期享受生活补助，本学期还没有发放记录。没有记录不等于没有需要。",
        "test.home": "登记显示监护人在外地{away_months}个月，目前由祖父母照料。",
        "test.sibling": "同一家庭登记的一名兄姐在完成义务教育前离开学校。谈话时请不要主动提起。",
        "test.steady": "语文成绩连续两学期稳定在{marks_now}分上下。",
        "test.boards": "住校，每月回家{visits}次。",
        "test.stale": "家庭信息已有{away_months}个月未更新。",
    },
    "en": {
        "test.absence": "Days absent in the last 28: {absence_days_28d}; in the 28 before: "
        "{absence_days_before}; most in the grade: {grade_days}.",
        "test.marks": "Mathematics mid-term mark {marks_now}; change since last term's final {marks_change}; "
        "change of the class average over the same time {class_change}.",
        "test.aid": "Received the living subsidy last term; no payment recorded yet this term. No record "
        "does not mean no need.",
        "test.home": "The guardian is registered as away for {away_months} months; grandparents give care.",
        "test.sibling": "A registered older sibling left before completing compulsory school. Please do not "
        "raise it first.",
        "test.steady": "Chinese marks steady around {marks_now} for two terms.",
        "test.boards": "Boards; visits home each month: {visits}.",
        "test.stale": "Family information not updated for {away_months} months.",
    },
}  # fmt: skip
UNITS = {
    "absence_days_28d": "days", "absence_days_before": "days", "grade_days": "days", "marks_now": "points",
    "marks_change": "points", "class_change": "points", "away_months": "months", "visits": "count",
}  # fmt: skip


@pytest.fixture(autouse=True)
def sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    for language in wording.LANGUAGES:
        for code, sentence in SENTENCES[language].items():
            monkeypatch.setitem(wording._sentences(language), code, sentence)


ABSENCE = Statement(
    family="attendance", code="test.absence", kind="can_act", audience="class_teacher", contribution=1.1,
    dots=3, values={"absence_days_28d": 9.0, "absence_days_before": 2.5, "grade_days": 1.0},
    source="attendance", source_date=date(2025, 10, 30),
)  # fmt: skip
MARKS = Statement(
    family="study", code="test.marks", kind="can_act", audience="class_teacher", contribution=0.7, dots=2,
    values={"marks_now": 62.0, "marks_change": -18.0, "class_change": -3.0}, source="grades",
    source_date=date(2025, 10, 25),
)  # fmt: skip
AID = Statement(
    family="money", code="test.aid", kind="can_act", audience="class_teacher", contribution=0.5, dots=2,
    values={}, source="subsidies", source_date=date(2025, 10, 20),
)  # fmt: skip
HOME = Statement(
    family="home", code="test.home", kind="needs_others", audience="class_teacher", contribution=0.3, dots=1,
    values={"away_months": 7.0}, source="family", source_date=date(2024, 9, 12),
)  # fmt: skip
SIBLING = replace(HOME, code="test.sibling", kind="background", audience="counsellor", values={})
STEADY = replace(MARKS, code="test.steady", values={"marks_now": 81.0}, contribution=-0.4)
BOARDS = replace(STEADY, code="test.boards", family="travel", values={"visits": 4.0}, source="enrolments")


@pytest.fixture
def school() -> School:
    return School("s-01", "云溪县青石镇中心学校", "青石镇")


@pytest.fixture
def published() -> PublishedSet:
    return PublishedSet(
        set_id="r2026a-7f31",
        published_at=datetime(2025, 11, 2, 8, tzinfo=UTC),
        facts=TermFacts(
            region="yunxi", term="2025-2026-1", as_of_date=date(2025, 10, 31), horizon_end=date(2026, 10, 31),
            valid_until=date(2026, 1, 31), model_version="m1", rule_version="rule-1", wording_version="w1",
            records_hash="0" * 64, data_complete_to=date(2025, 10, 31), probabilities=True,
            features=tuple(
                FeatureInfo(name=name, unit=unit, family="attendance", source="attendance")
                for name, unit in UNITS.items()
            ),
        ),
    )  # fmt: skip


@pytest.fixture
def student() -> ScoredStudent:
    return ScoredStudent(
        student_id="st-0001", school_id="s-01", stage=Stage.JUNIOR, grade=8, class_name="(3)班",
        masked_name="李**", number_tail="0417", risk=0.1372, band=Band.REACH_OUT, listed=True,
        similar=PerHundred(14, 8, 22), reasons=(ABSENCE, MARKS, AID, HOME), strengths=(STEADY, BOARDS),
        attendance_history=(0.0, 1.0, None, 2.0, 2.5, 9.0),
    )  # fmt: skip


@pytest.fixture
def fullest(student: ScoredStudent) -> ScoredStudent:
    """Everything at once, with the longest words: what one page has to hold."""
    sources = ("attendance_reports", "attendance_reports", "attendance_reports", "attendance_reports")
    reasons = (
        replace(ABSENCE, source=sources[0], source_date=date(2023, 10, 30)),
        replace(MARKS, source=sources[1], source_date=date(2023, 10, 25)),
        replace(MARKS, source=sources[2], family="travel", kind="needs_others", source_date=None),
        replace(SIBLING, source=sources[3], source_date=date(2023, 9, 30)),
    )
    return replace(
        student, near_line=True, masked_name="欧阳***", class_name="二〇二五级民族团结实验(13)班",
        reasons=reasons, strengths=(STEADY, BOARDS, STEADY),
        unknowns=(Unknown("test.stale", {"away_months": 14.0}), Unknown("test.stale", {"away_months": None})),
        attendance_history=(10.5, 11.5, None, 12.5, None, 19.5),
    )  # fmt: skip


@pytest.fixture(scope="session")
def steps() -> Steps:
    """The action library of the project."""
    return Steps.general(read_actions(Path(__file__).parents[2] / "configs" / "actions.yaml"))


@pytest.fixture
def hours() -> Hours:
    return Hours(available=3.0, reach_out=1.5, check_in=0.5)


@pytest.fixture
def poisoned(student, published, school, hours):
    """Make a sheet and a list in which every text that comes from outside is a hostile one."""

    def made(payload: str) -> tuple[Sheet, SchoolList]:
        child = replace(student, class_name=payload, masked_name=payload, number_tail=payload)
        place = replace(school, name=payload)
        told = replace(published, set_id=payload, facts=replace(published.facts, term=payload))
        step = Step({"zh": payload, "en": payload})
        library = Steps(talk=step, guardian=step, refer=step, of_family={"attendance": (step, step)})
        sheet = compose(child, told, place, audience="counsellor", steps=library)
        assert sheet is not None
        return sheet, school_list([child], told, place, hours=hours)

    return made
