from math import isnan

import pytest


@pytest.fixture(scope="module")
def made(make_world):
    world = make_world()
    for student in ("falling", "missing", "excused", "once", "nothing"):
        world.enrol(student, start_date="2025-02-17")
    world.sat("falling", "2025-05-20", 80, 90)
    world.sat("falling", "2025-09-25", 70, 80)
    world.sat("falling", "2025-10-22", 55, 65)
    world.sat("falling", "2025-10-24", 90, subject="english", full_score=150)  # the same round: 60 of 100
    world.sat("missing", "2025-09-25", 70, 80)
    world.sat("missing", "2025-10-22", None, 40)
    world.sat("excused", "2025-10-22", 60)
    world.sat("excused", "2025-10-22", None, subject="english", status="exempt")
    world.sat("once", "2024-12-20", 75)
    return world.features()


def test_marks_are_points_of_the_full_score_and_a_round_is_all_within_a_week(made) -> None:
    falling = made.loc["falling"]

    assert falling["marks_last_round"] == pytest.approx((55 + 65 + 60) / 3)
    assert falling["marks_prior_round"] == 75
    assert falling["marks_change_round"] == pytest.approx(60 - 75)
    assert falling["worst_mark_last_round"] == 55
    assert falling["best_mark_last_round"] == 65
    assert falling["marks_spread_last_round"] == pytest.approx((50 / 3) ** 0.5)
    assert falling["fails_last_round"] == 1
    assert falling["days_since_exam"] == 7


def test_marks_change_against_the_term_before_and_slope_over_the_years(made) -> None:
    falling = made.loc["falling"]

    assert falling["marks_term"] == pytest.approx((70 + 80 + 55 + 65 + 60) / 5)
    assert falling["marks_previous_term"] == 85
    assert falling["marks_change_term"] == pytest.approx(66 - 85)
    assert -60 < falling["marks_slope"] < -40
    assert isnan(made.loc["missing", "marks_slope"]), "two rounds make no trend"


def test_a_missed_exam_is_no_mark_of_zero(made) -> None:
    missing = made.loc["missing"]

    assert missing["marks_last_round"] == 40
    assert missing["missed_exams_365d"] == 1
    assert missing["missed_exam_share_term"] == pytest.approx(1 / 4)
    assert missing["exams_sat_term"] == 3
    assert missing["fail_share_365d"] == pytest.approx(1 / 3)
    assert missing["fails_365d"] == 1


def test_an_exempt_exam_is_neither_a_mark_nor_missed(made) -> None:
    assert made.loc["excused", "missed_exams_365d"] == 0
    assert made.loc["excused", "missed_exam_share_term"] == 0
    assert made.loc["excused", "fails_last_round"] == 0


def test_what_no_exam_tells_is_not_known(made) -> None:
    assert made.loc["nothing"].filter(regex="^(marks|fails|missed|exams_sat|days_since_exam)").isna().all()
    assert isnan(made.loc["once", "marks_term"])
    assert isnan(made.loc["once", "marks_change_round"])
    assert made.loc["once", "exams_sat_term"] == 0
