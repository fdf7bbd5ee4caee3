from math import isnan

import pytest


@pytest.fixture(scope="module")
def made(make_world):
    world = make_world()
    for start, grade in (("2023-09-01", 6), ("2024-09-02", 7)):
        end = {"2023-09-01": "2024-07-05", "2024-09-02": "2025-08-31"}[start]
        world.enrol("usual", start_date=start, grade=grade, end_date=end, exit_reason="continued")
    world.enrol("usual", grade=8)
    world.enrol("promoted", school_id="south", grade=6, start_date="2024-09-02", end_date="2025-07-04",
                exit_reason="graduated")  # fmt: skip
    world.enrol("promoted", grade=7)
    world.enrol("moved", school_id="south", grade=7, start_date="2024-09-02", end_date="2025-03-07",
                exit_reason="transferred", to_school_id="north")  # fmt: skip
    world.enrol("moved", grade=7, start_date="2025-03-10", end_date="2025-08-31", exit_reason="continued")
    world.enrol("moved", grade=8)
    world.enrol("repeats", grade=8, start_date="2024-09-02", end_date="2025-08-31", exit_reason="continued")
    world.enrol("repeats", grade=8)
    world.enrol("classes", grade=8, end_date="2025-10-10", exit_reason="continued", class_name="1")
    world.enrol("classes", grade=8, start_date="2025-10-11", class_name="2")
    world.enrol(
        "came back", grade=7, start_date="2024-09-02", end_date="2024-12-01", exit_reason="dropped_out"
    )
    world.enrol("came back", grade=8)
    world.enrol("suspended", grade=7, start_date="2024-09-02", end_date="2025-05-30", exit_reason="suspended",
                expected_return="2025-09-01")  # fmt: skip
    world.enrol("suspended", grade=8)
    world.enrol("away", grade=7, start_date="2024-09-02", end_date="2025-01-17", exit_reason="continued")
    world.enrol("away", grade=8)
    for reason in ("transferred", "emigrated", "home_teaching", "suspended", "transfer_unconfirmed"):
        more = {"to_school_id": "far"} if reason == "transferred" else {}
        world.enrol(f"back: {reason}", grade=6, start_date="2023-09-01", end_date="2024-01-15",
                    exit_reason=reason, **more)  # fmt: skip
        world.enrol(f"back: {reason}", grade=8)
    world.enrol(
        "closed late", grade=8, start_date="2025-02-17", end_date="2025-09-19", exit_reason="dropped_out"
    )
    world.enrol("closed late", school_id="south", grade=8)
    world.enrol("older")
    world.tables["students"][-1]["birth_date"] = world.DAY.replace(year=2009, month=9, day=1)
    return world.features()


def test_a_usual_path_is_no_move_no_repeat_and_no_time_away(made) -> None:
    none = ["grades_repeated", "transfers_730d", "returned_before", "suspended_before"]

    assert (made.loc["usual", none] == 0).all()
    assert (made.loc["promoted", none] == 0).all()
    assert (made.loc["classes", none] == 0).all()
    assert made.loc["usual", "months_at_school"] == pytest.approx(791 / 30.4375)
    assert made.loc["classes", "days_since_spell_start"] == 20
    assert made.loc["usual", "grade_level"] == 8


def test_moves_repeats_and_time_away_are_counted(made) -> None:
    assert made.loc["moved", "transfers_730d"] == 1
    assert made.loc["moved", "months_at_school"] == pytest.approx(235 / 30.4375)
    assert made.loc["repeats", "grades_repeated"] == 1
    assert made.loc["came back", "returned_before"] == 1
    assert made.loc["suspended", "suspended_before"] == 1
    assert made.loc["suspended", "returned_before"] == 0, "the summer break is no time away"
    assert made.loc["away", "returned_before"] == 1


def test_who_was_taught_elsewhere_was_not_away_from_school(made) -> None:
    for reason in ("transferred", "emigrated", "home_teaching", "suspended"):
        assert made.loc[f"back: {reason}", "returned_before"] == 0, reason
    assert made.loc["back: transfer_unconfirmed", "returned_before"] == 1
    assert made.loc["back: suspended", "suspended_before"] == 1


def test_who_was_on_another_roll_when_the_former_one_was_closed_as_left_was_not_away(made) -> None:
    assert made.loc["closed late", "returned_before"] == 0
    assert made.loc["closed late", "transfers_730d"] == 1


def test_age_is_taken_on_the_first_of_september(made) -> None:
    # Born on 1 November 2011 and in grade 8, where the oldest of those who began at six turn 14 on that day.
    assert -0.2 < made.loc["usual", "years_over_grade_age"] < -0.1
    assert made.loc["older", "years_over_grade_age"] == pytest.approx(2, abs=0.01)


def test_the_end_of_the_running_spell_changes_nothing(make_world) -> None:
    running, announced = make_world(), make_world()
    for world, end in ((running, {}), (announced, {"end_date": "2025-10-31", "exit_reason": "dropped_out"})):
        world.enrol("a", **end)
        world.enrol("b")

    assert announced.features().equals(running.features())


def test_who_has_not_come_after_the_summer_is_of_the_age_of_last_years_grade(world) -> None:
    for number in range(8):
        world.enrol(f"sixth {number}", grade=6)
        world.tables["students"][-1]["birth_date"] = world.DAY.replace(year=2014, month=1, day=1 + number)
    world.enrol("not come", grade=6, start_date="2024-09-02", end_date="2025-06-27", exit_reason="graduated")
    world.tables["students"][-1]["birth_date"] = world.DAY.replace(year=2013, month=3, day=10)
    in_june = world.features(("2025-06-27", "2024-2025-2")).loc["not come"]
    made = world.features(("2025-09-26", "2025-2026-1"))
    assert made.loc["not come", "years_over_grade_age"] == in_june["years_over_grade_age"] < 0
    assert isnan(made.loc["not come", "years_older_than_grade"])
    assert made.loc["sixth 0", "years_older_than_grade"] == pytest.approx(3 / 365.25, abs=0.01)
    assert made.loc["not come", "school_grade_students"] == 9
