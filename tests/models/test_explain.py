from datetime import date
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from riskmodel import wording
from riskmodel.domain import FeatureInfo, FeatureMatrix, Unknown
from riskmodel.explain import FLOOR, enough_known, family_statements, unknowns

ABSENCE = FeatureInfo(
    name="absence_share_28d", unit="share", family="attendance", source="attendance", kind="can_act",
    reason="reasons.absence_recent", reason_range=(0.03, 1.0),
    strength="strengths.attendance_steady", strength_range=(0.0, 0.03),
    freshness="days_since_attendance_report",
)  # fmt: skip
UNEXCUSED = FeatureInfo(
    name="unexcused_absence_share_28d", unit="share", family="attendance", source="attendance",
    kind="can_act", reason="reasons.absence_unexcused", reason_range=(0.01, 1.0),
)  # fmt: skip
MARKS = FeatureInfo(
    name="marks_last_round", unit="points", family="study", source="grades", kind="can_act",
    reason="reasons.marks_low", reason_range=(0.0, 60.0),
)  # fmt: skip
SIBLING = FeatureInfo(
    name="sibling_left_school", unit="flag", family="home", source="family", kind="needs_others",
    audience="counsellor", reason="reasons.sibling_left", reason_range=(1.0, 1.0),
)  # fmt: skip
AID = FeatureInfo(
    name="living_aid_lapsed", unit="flag", family="money", source="subsidies", kind="can_act",
    reason="reasons.aid_lapsed", reason_range=(1.0, 1.0),
)  # fmt: skip
REPEATED = FeatureInfo(
    name="grades_repeated", unit="count", family="age_and_grade", source="enrolments",
    reason="reasons.repeated", reason_range=(1.0, 9.0),
)  # fmt: skip
SCHOOL = FeatureInfo(name="school_students", unit="count", family="school", source="enrolments")
REPORT = FeatureInfo(
    name="days_since_attendance_report", unit="days", family="attendance", source="attendance", role="fact"
)
DAYS = FeatureInfo(
    name="absence_days_28d", unit="days", family="attendance", source="attendance", role="fact"
)
FEATURES = (ABSENCE, UNEXCUSED, MARKS, SIBLING, AID, REPEATED, SCHOOL, REPORT, DAYS)
NAMES = tuple(feature.name for feature in FEATURES if feature.role == "model")
ALL_TRUE = MappingProxyType(
    {
        "absence_share_28d": 0.3, "unexcused_absence_share_28d": 0.1, "marks_last_round": 41.0,
        "sibling_left_school": 1.0, "living_aid_lapsed": 1.0, "grades_repeated": 1.0,
        "school_students": 400.0, "days_since_attendance_report": 3.0, "absence_days_28d": 6.0,
    }
)  # fmt: skip


def _explain(contributions: dict[str, float], *, values=(), bag=None):
    codes = [feature.reason for feature in FEATURES if feature.reason] + ["strengths.attendance_steady"]
    filled = dict.fromkeys((slot for code in codes for slot in wording.slots(code)), 1.0)
    row = {"as_of_date": pd.Timestamp("2025-11-14"), **filled, **ALL_TRUE, **dict(values)}
    frame = pd.DataFrame([row]).astype({"as_of_date": "datetime64[s]"})
    one = np.array([[*(contributions.get(name, 0.0) for name in NAMES), -4.0]])
    signs = np.ones(5) if bag is None else np.array(bag, dtype=float)
    bagged = one[None] * signs[:, None, None]
    return family_statements(one, bagged, rows=frame, names=NAMES, features=FEATURES)[0]


def test_a_family_is_told_by_its_strongest_member_with_its_values_and_its_day():
    said = _explain({"absence_share_28d": 0.3, "unexcused_absence_share_28d": 0.2})
    (reason,) = said.reasons
    assert reason.family == "attendance"
    assert reason.code == "reasons.absence_recent"
    assert reason.contribution == pytest.approx(0.5)
    assert reason.source_date == date(2025, 11, 11)
    assert set(reason.values) == wording.slots("reasons.absence_recent")
    assert reason.values["absence_days_28d"] == 6.0


def test_a_sentence_with_a_gap_is_not_said_and_the_next_member_speaks():
    gap = {"absence_days_28d": np.nan}
    (reason,) = _explain({"absence_share_28d": 0.3, "unexcused_absence_share_28d": 0.2}, values=gap).reasons
    assert reason.code == "reasons.absence_unexcused"
    assert not _explain({"absence_share_28d": 0.5}, values=gap).reasons


def test_a_sentence_without_a_freshness_fact_has_no_day():
    (undated,) = _explain({"marks_last_round": 0.3}).reasons
    assert undated.source_date is None


def test_a_sum_at_the_floor_is_no_reason_and_above_it_is_one():
    assert not _explain({"marks_last_round": FLOOR}).reasons
    assert _explain({"marks_last_round": FLOOR + 0.01}).reasons


def test_members_that_cancel_out_are_no_reason():
    said = _explain({"absence_share_28d": 0.9, "unexcused_absence_share_28d": -0.85})
    assert not said.reasons


@pytest.mark.parametrize(
    ("bag", "said"), [((1, 1, 1, 1, -1), 1), ((1, 1, 1, -1, -1), 0), ((0, 1, 1, 1, 1), 1)]
)
def test_four_of_five_bagged_models_must_have_the_sign(bag, said):
    assert len(_explain({"marks_last_round": 0.5}, bag=bag).reasons) == said


def test_what_is_not_known_is_never_a_reason():
    assert not _explain({"marks_last_round": 2.0}, values={"marks_last_round": np.nan}).reasons


def test_a_value_outside_its_range_hands_over_to_the_next_member_or_to_nobody():
    weights = {"absence_share_28d": 0.5, "unexcused_absence_share_28d": 0.2}
    (reason,) = _explain(weights, values={"absence_share_28d": 0.02}).reasons
    assert reason.code == "reasons.absence_unexcused"
    none = {"absence_share_28d": 0.02, "unexcused_absence_share_28d": 0.0}
    assert not _explain(weights, values=none).reasons


def test_a_member_that_lowers_the_margin_never_tells_a_reason():
    weights = {"absence_share_28d": -0.1, "unexcused_absence_share_28d": 0.5}
    assert not _explain(weights, values={"unexcused_absence_share_28d": 0.0}).reasons


def test_a_family_without_a_sentence_is_no_reason():
    assert not _explain({"school_students": 1.0}).reasons


def test_at_most_three_to_act_on_and_one_of_background_strongest_first():
    weights = {
        "absence_share_28d": 0.5, "marks_last_round": 0.9, "sibling_left_school": 0.7,
        "living_aid_lapsed": 0.3, "grades_repeated": 2.0,
    }  # fmt: skip
    reasons = _explain(weights).reasons
    assert [reason.family for reason in reasons] == ["age_and_grade", "study", "home", "attendance"]
    assert [reason.kind for reason in reasons].count("background") == 1


def test_a_fact_of_a_third_party_is_for_the_counsellor():
    (reason,) = _explain({"sibling_left_school": 0.7}).reasons
    assert reason.audience == "counsellor"


def test_dots_follow_fixed_steps():
    dots = [_explain({"marks_last_round": size}).reasons[0].dots for size in (0.2, 0.41, 0.81)]
    assert dots == [1, 2, 3]


def test_a_strength_lowers_the_margin_and_is_true_of_its_range():
    said = _explain({"absence_share_28d": -0.5}, values={"absence_share_28d": 0.0})
    assert not said.reasons
    (strength,) = said.strengths
    assert strength.code == "strengths.attendance_steady"
    assert strength.contribution == pytest.approx(-0.5)
    assert not _explain({"absence_share_28d": -0.5}).strengths


def test_the_base_belongs_to_no_family():
    assert not _explain({}).strengths


FACTS = {
    "absence_share_56d": 0.1, "unreported_share_56d": 0.0, "days_since_exam": 20.0,
    "home_statement_age_days": 100.0, "parents_away_age_days": 100.0, "months_at_school": 14.0,
}  # fmt: skip
NO = float("nan")


def _matrix(**changed: float) -> FeatureMatrix:
    return FeatureMatrix(pd.DataFrame([{**FACTS, **changed}]), ())


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({}, []),
        ({"absence_share_56d": NO, "unreported_share_56d": 1.0}, ["attendance_not_reported"]),
        ({"unreported_share_56d": 0.6}, ["attendance_mostly_not_reported"]),
        ({"days_since_exam": NO}, ["no_marks"]),
        ({"home_statement_age_days": NO}, ["family_not_stated"]),
        ({"home_statement_age_days": 366.0}, ["family_stale"]),
        ({"parents_away_age_days": 366.0}, ["parents_away_stale"]),
        ({"home_statement_age_days": 400.0, "parents_away_age_days": 400.0}, ["family_stale"]),
        ({"months_at_school": 1.5}, ["new_student"]),
        ({"days_since_exam": NO, "months_at_school": 0.5}, ["no_marks", "new_student"]),
    ],
)
def test_what_is_not_known_is_said(changed, codes):
    (said,) = unknowns(_matrix(**changed))
    assert [unknown.code for unknown in said] == [f"unknowns.{code}" for code in codes]
    for unknown in said:
        assert set(unknown.values) == wording.slots(unknown.code)


def test_an_unknown_carries_its_value():
    assert unknowns(_matrix(home_statement_age_days=400.0)) == (
        (Unknown("unknowns.family_stale", {"home_statement_age_days": 400.0}),),
    )


def test_enough_is_known_with_lately_reported_attendance_or_with_any_mark():
    assert enough_known(_matrix()).tolist() == [True]
    assert enough_known(_matrix(absence_share_56d=NO)).tolist() == [True]
    assert enough_known(_matrix(days_since_exam=NO)).tolist() == [True]
    assert enough_known(_matrix(absence_share_56d=NO, days_since_exam=NO)).tolist() == [False]
