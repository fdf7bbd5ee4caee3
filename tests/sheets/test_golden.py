"""What twelve typical students' sheets say, word by word, held against the files in `golden/`.

Renew them after a change of wording that is meant, and read the difference before it is committed:

    GOLDEN=renew .venv/bin/pytest -q -n 0 tests/sheets/test_golden.py && git diff tests/sheets/golden
"""

import os
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from riskmodel.domain import (
    Audience,
    Band,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Stage,
    Statement,
    Unknown,
)
from riskmodel.explain import DOTS
from riskmodel.features import ALL_FEATURES
from riskmodel.sheets.compose import compose
from riskmodel.sheets.render import to_html
from riskmodel.sheets.steps import Steps
from riskmodel.wording import LANGUAGES, slots

DECLARED = {feature.name: feature for feature in ALL_FEATURES}
ATTENDANCE, EXAM, HOME, ROLL = date(2025, 10, 30), date(2025, 10, 25), date(2024, 9, 12), date(2025, 9, 1)


def told(name: str, contribution: float, on: date | None, **values: float) -> Statement:
    """Tell a feature by its declaration: a reason where it raises the margin, else a strength."""
    feature = DECLARED[name]
    code = feature.reason if contribution > 0 else feature.strength
    assert code is not None
    assert set(values) == slots(code)
    parts = (feature, *(DECLARED[slot] for slot in values))
    return Statement(
        family=feature.family, code=code, kind=feature.kind, contribution=contribution,
        audience="counsellor" if any(one.audience == "counsellor" for one in parts) else "class_teacher",
        dots=(1, 2, 3)[sum(abs(contribution) >= step for step in DOTS)],
        values=values, source=feature.source, source_date=on,
    )  # fmt: skip


RISING = told("absence_share_28d", 1.1, ATTENDANCE, absence_days_28d=9.0, absence_days_prior_28d=2.5,
                grade_median_absence_days_28d=1.0)  # fmt: skip
FALLING = told("marks_change_above_grade_round", 0.62, EXAM, marks_last_round=61.7, marks_prior_round=79.0,
                 grade_median_marks_change_round=-3.0)  # fmt: skip
UNEXCUSED = told("unexcused_absence_share_56d", 0.9, ATTENDANCE, absence_days_56d=14.0,
                   unexcused_absence_days_56d=11.0)  # fmt: skip
LAPSED = told("living_aid_lapsed", 0.45, date(2025, 10, 20))
SIBLING = told("sibling_left_school", 0.5, HOME)
AWAY = told("parents_away", 0.35, HOME, parents_away=2.0)
FAR = told("distance_without_boarding_km", 0.41, HOME, distance_km=12.46)
NEW = told("months_at_school", 0.3, ROLL, months_at_school=1.97)
REPEATED = told("grades_repeated", 0.28, ROLL, grades_repeated=1.0)
FAILS = told("fails_last_round", 0.85, EXAM, fails_last_round=3.0, marks_last_round=48.25,
               grade_median_marks_last_round=71.5)  # fmt: skip
MISSED = told("missed_exam_share_365d", 0.4, EXAM, missed_exams_365d=2.0, exams_sat_365d=10.0)
STEADY = told("absence_share_56d", -0.6, ATTENDANCE, absence_days_56d=0.5,
                grade_median_absence_days_56d=1.5)  # fmt: skip
GOOD = told("marks_mean_365d", -0.5, EXAM, marks_mean_365d=84.05, grade_median_marks_365d=73.0)
BOARDS = told("boards", -0.3, ROLL)
YUAN = told("aid_yuan_365d", -0.2, date(2025, 10, 20), aid_yuan_365d=1250.0)
STALE = Unknown("unknowns.family_stale", {"home_statement_age_days": 414.0})


def golden_students() -> dict[str, ScoredStudent]:
    """Return the students by what is typical of them: the name of their golden file."""
    usual = ScoredStudent(
        student_id="st-0001", school_id="s-01", stage=Stage.JUNIOR, grade=8, class_name="(3)班",
        masked_name="李**", number_tail="0417", risk=0.1372, band=Band.REACH_OUT, listed=True,
        similar=PerHundred(14, 8, 22), attendance_history=(0.0, 1.0, 0.5, 2.0, 2.5, 9.0),
    )  # fmt: skip

    def one(**changes: Any) -> ScoredStudent:
        return replace(usual, **changes)

    silent = {"risk": None, "similar": None, "band": Band.NOT_ENOUGH_INFORMATION}
    return {
        "absence_rose_and_marks_fell": one(
            reasons=(RISING, FALLING, LAPSED), strengths=(BOARDS, YUAN), unknowns=(STALE,)
        ),
        "absent_without_leave": one(
            masked_name="欧阳*", reasons=(UNEXCUSED, FAILS),
            attendance_history=(0.0, 0.0, 1.0, None, 5.0, 9.0),
        ),
        "subsidy_lapsed": one(
            masked_name="王*", band=Band.CHECK_IN, similar=PerHundred(6, 3, 10), reasons=(LAPSED,),
            strengths=(STEADY, GOOD),
        ),
        "parents_away": one(reasons=(FALLING, AWAY), strengths=(STEADY,), unknowns=(STALE,)),
        "sibling_left_for_the_counsellor_only": one(reasons=(RISING, SIBLING)),
        "new_at_the_school": one(
            masked_name="马**", band=Band.CHECK_IN, similar=PerHundred(5, 2, 11), reasons=(NEW,),
            unknowns=(Unknown("unknowns.new_student", {"months_at_school": 1.97}),),
            attendance_history=(None, None, None, None, 1.0, 2.0),
        ),
        "far_from_school_day_student": one(masked_name="䶮**", reasons=(FAR, MISSED), strengths=(GOOD,)),
        "background_alone": one(
            band=Band.CHECK_IN, similar=PerHundred(4, 2, 8), reasons=(REPEATED,), strengths=(STEADY,)
        ),
        "not_enough_information": one(
            **silent, attendance_history=(None,) * 6,
            unknowns=(Unknown("unknowns.attendance_not_reported"), Unknown("unknowns.no_marks"),
                      Unknown("unknowns.family_not_stated")),
        ),
        "by_the_rule_alone": one(risk=None, similar=None, reasons=(UNEXCUSED,)),
        "near_the_line_and_few_in_a_hundred": one(
            band=Band.CHECK_IN, near_line=True, similar=PerHundred(0, 0, 2), reasons=(MISSED,),
            strengths=(STEADY,),
        ),
        "primary_with_four_reasons": one(
            stage=Stage.PRIMARY, grade=5, class_name="五年级(1)班", number_tail="",
            reasons=(RISING, FAILS, FAR, REPEATED), strengths=(YUAN,),
        ),
    }  # fmt: skip


STUDENTS = golden_students()
GOLDEN = Path(__file__).with_name("golden")
RENEW = os.environ.get("GOLDEN") == "renew"
LINES = {"div", "p", "li", "h1", "h2", "tr", "hr", "header", "section", "footer", "figcaption", "main", "br"}


class Lines(HTMLParser):
    """The words of a page, one line for each block."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.style = tag == "style"
        if tag in LINES:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        self.style = False
        if tag in {"td", "th", "span", "h2"}:
            self.lines[-1] += " "

    def handle_data(self, data: str) -> None:
        if not self.style:
            self.lines[-1] += data


def words(html: str) -> list[str]:
    parser = Lines()
    parser.feed(html)
    return [line for line in (" ".join(line.split()) for line in parser.lines) if line]


@pytest.fixture
def sheets(published: PublishedSet, school: School, steps: Steps):
    def written(name: str, student: ScoredStudent) -> str:
        facts = replace(
            published.facts, features=ALL_FEATURES, probabilities=name != "by_the_rule_alone",
            wording_version="golden",
        )  # fmt: skip
        said: list[str] = []
        for audience in get_args(Audience):
            sheet = compose(student, replace(published, facts=facts), school, audience=audience, steps=steps)
            assert sheet is not None
            for language in LANGUAGES:
                said += [f"=== {audience}, {language}", *words(to_html(sheet, language)), ""]
        return "\n".join(said)

    return written


@pytest.mark.parametrize("name", STUDENTS)
def test_the_sheets_of_a_typical_student_say_what_they_said(sheets, name: str) -> None:
    file = GOLDEN / f"{name}.txt"
    now = sheets(name, STUDENTS[name])
    if RENEW:
        file.write_text(now, encoding="utf-8")
    assert now == file.read_text(encoding="utf-8")


def test_one_number_that_is_told_otherwise_is_noticed(sheets) -> None:
    name = "absence_rose_and_marks_fell"
    student = STUDENTS[name]
    reason = replace(student.reasons[0], values={**student.reasons[0].values, "absence_days_28d": 8.0})
    planted = sheets(name, replace(student, reasons=(reason, *student.reasons[1:])))
    assert planted != (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_there_are_twelve_and_no_file_of_another() -> None:
    assert len(STUDENTS) == 12
    assert sorted(file.stem for file in GOLDEN.iterdir()) == sorted(STUDENTS)
