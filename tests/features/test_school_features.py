from math import isnan

import pytest


@pytest.fixture(scope="module")
def made(make_world):
    world = make_world()
    # The year that counts ends 70 days before the as-of date: 22 August 2024 to 22 August 2025.
    for number in range(8):
        earlier = {
            "grade": 7,
            "start_date": "2024-09-02",
            "end_date": "2025-06-30",
            "exit_reason": "continued",
        }
        if number == 7:
            earlier |= {"end_date": "2025-03-14", "exit_reason": "dropped_out", "recorded_on": "2025-04-01"}
        world.enrol(f"n{number}", **earlier)
        world.enrol(f"s{number}", school_id="south", grade=7, start_date="2024-09-02", end_date="2025-06-30",
                    exit_reason="continued")  # fmt: skip
        if number < 7:
            world.enrol(f"n{number}")
            world.absent(f"n{number}", *world.school_days(20)[: number // 2])
            world.sat(f"n{number}", "2025-10-22", 60 + number)
    world.enrol("old", grade=5, start_date="2023-09-01", end_date="2024-06-28", exit_reason="continued")
    for number in range(3):
        world.enrol(f"s{number}", school_id="south")
    world.enrol(
        "late", school_id="south", start_date="2025-09-01", end_date="2025-10-01", exit_reason="dropped_out"
    )
    return world.features()


def test_a_percentile_is_the_middle_of_the_equal_ones(made) -> None:
    # Days absent of the seven: 0, 0, 1, 1, 2, 2, 3.
    places = made.loc[[f"n{n}" for n in range(7)], "absence_percentile_28d"]

    assert places.tolist() == pytest.approx([1 / 7, 1 / 7, 3 / 7, 3 / 7, 5 / 7, 5 / 7, 6.5 / 7])
    assert made.loc["n0", "marks_percentile_365d"] == pytest.approx(0.5 / 7)
    assert made.loc["n6", "absence_share_above_grade_28d"] == pytest.approx(3 / 20 - 1 / 20)
    assert made.loc["n6", "grade_median_absence_days_28d"] == 1
    assert made.loc["n0", "grade_median_marks_last_round"] == 63


def test_few_others_are_nobody_to_compare_with(made) -> None:
    assert isnan(made.loc["s0", "absence_percentile_28d"])
    assert isnan(made.loc["s0", "grade_median_absence_days_28d"])
    assert made.loc["s0", "school_students"] == 3


def test_earlier_leavers_count_shrunk_to_the_countys_share(made) -> None:
    county = 1 / 16

    assert made.loc["n0", "school_leaving_share_earlier"] == pytest.approx((1 + 200 * county) / 208)
    assert made.loc["s0", "school_leaving_share_earlier"] == pytest.approx(200 * county / 208)
    assert made.loc["s0", "township_leaving_share_earlier"] == pytest.approx(county)


def test_who_was_on_another_roll_when_the_former_one_was_closed_as_left_is_no_leaver(world) -> None:
    for number in range(8):
        world.enrol(
            f"n{number}", grade=7, start_date="2024-08-01", end_date="2025-06-30", exit_reason="continued"
        )
        world.enrol(f"n{number}")
    world.enrol("moved", grade=7, start_date="2024-08-01", end_date="2025-03-14", exit_reason="dropped_out")
    world.enrol("moved", school_id="south", grade=7, start_date="2025-02-17")

    assert world.of("n0")["school_leaving_share_earlier"] == 0


def test_without_records_of_the_whole_earlier_year_nothing_is_said_of_it(world) -> None:
    world.enrol("a")
    world.enrol("b", start_date="2025-02-17", end_date="2025-05-30", exit_reason="dropped_out")

    assert isnan(world.of("a")["school_leaving_share_earlier"])


def test_percentiles_compare_within_one_term_where_two_share_a_day(world) -> None:
    world.add("terms", term="other", start_date="2025-10-01", end_date="2026-03-01")
    for number in range(6):
        world.enrol(f"n{number}")

    made = world.features(("2025-10-31", "2025-2026-1"), ("2025-10-31", "other"))

    assert len(made) == 12
    assert made["school_students"].eq(6).all()
    assert made["absence_share_term"].eq(0).all()
