from math import isnan

import pytest


@pytest.fixture(scope="module")
def made(make_world):
    """Students of one school that reported every day; what each is for stands in the tests."""
    world = make_world()
    days = world.school_days(40)
    for student in ("often", "never", "halves", "monthly", "mixed", "told", "silent", "late"):
        world.enrol(student)
    world.absent("often", *days[0:3], *days[10:12])
    world.absent("halves", *days[:2], days_absent=0.5)
    october = {"start_date": "2025-10-01", "end_date": "2025-10-31"}
    world.add("attendance", student_id="monthly", days_absent=11.5, days_unexcused=2.3, **october)
    world.add("attendance", student_id="mixed", days_absent=10, **october)
    world.absent("mixed", "2025-10-30")
    world.absent("told", "2025-10-30", days_unexcused=1)
    world.absent("silent", "2025-10-30")
    world.absent("late", "2025-10-30", days_absent=0, times_late=2)
    world.enrol("new", start_date="2025-10-20")
    world.absent("new", days[0])
    world.enrol("long", start_date="2025-02-17")
    world.absent("long", *days[:2], days[20], "2025-03-03", "2025-05-20")
    world.enrol("back", start_date="2025-09-01")
    world.absent("back", "2025-10-28", "2025-10-29")
    return world.features()


def test_shares_are_of_reported_school_days(made) -> None:
    often = made.loc["often"]

    assert often["absence_share_7d"] == pytest.approx(3 / 5)
    assert often["absence_share_14d"] == pytest.approx(3 / 10)
    assert often["absence_share_28d"] == pytest.approx(5 / 20)
    assert often["absence_share_56d"] == pytest.approx(5 / 40)
    assert often["absence_share_term"] == pytest.approx(5 / 45)
    assert often["absence_days_28d"] == 5
    assert often["reported_days_56d"] == 40
    assert often["days_since_absence"] == 0
    assert often["longest_absence_run_56d"] == 3


def test_a_reported_day_without_a_row_is_a_day_present(made) -> None:
    never = made.loc["never"]

    assert never["absence_share_28d"] == 0
    assert never["absence_days_28d"] == 0
    assert never["longest_absence_run_56d"] == 0
    assert never["days_since_absence"] == 168


def test_a_day_that_was_not_reported_is_not_a_day_present(world) -> None:
    world.tables["attendance_reports"] = []
    world.add("attendance_reports", school_id="north", start_date="2025-09-01", end_date="2025-09-30")
    world.enrol("a")
    world.enrol("b", school_id="south")
    world.absent("a", "2025-09-30")

    made = world.features()

    # The last 56 days hold 17 school days of September (from the 8th), the last 28 none.
    assert isnan(made.loc["a", "absence_share_28d"])
    assert isnan(made.loc["a", "absence_days_28d"])
    assert made.loc["a", "absence_share_56d"] == pytest.approx(1 / 17)
    assert made.loc["a", "unreported_share_56d"] == pytest.approx(1 - 17 / 40)
    assert made.loc["a", "attendance_report_age_days"] == 31
    about = ("absence_", "unexcused_absence", "times_late", "longest", "running", "days_since_absence")
    told = [name for name in made if name.startswith(about)]
    assert len(told) >= 30
    assert made.loc["b", told].isna().all()
    assert made.loc["b", "unreported_share_56d"] == 1


def test_without_the_table_nothing_of_attendance_is_known(world) -> None:
    del world.tables["attendance"]
    world.enrol("a")

    a = world.of("a")

    assert isnan(a["absence_share_28d"])
    assert isnan(a["running_absence_run"])
    assert a["unreported_share_56d"] == 1


def test_only_days_of_own_spells_are_counted(made) -> None:
    new = made.loc["new"]

    assert new["reported_days_56d"] == 10
    assert new["absence_share_56d"] == pytest.approx(1 / 10)
    assert isnan(new["absence_days_prior_28d"])
    assert isnan(new["absence_share_change_28d"])
    assert isnan(new["absence_share_change_term"])


def test_change_is_against_the_28_days_before_and_against_the_term_before(made) -> None:
    long = made.loc["long"]

    assert long["absence_share_change_28d"] == pytest.approx(2 / 20 - 1 / 20)
    assert long["absence_days_prior_28d"] == 1
    assert long["absence_days_previous_term"] == 2
    spring_days = 95  # 17 February to 27 June 2025, Monday to Friday
    assert long["absence_share_change_term"] == pytest.approx(3 / 45 - 2 / spring_days)


def test_six_blocks_of_28_days_tell_the_history_oldest_first(made) -> None:
    blocks = [made.loc["long", f"absence_days_block_{n}"] for n in range(1, 7)]

    assert blocks[0] == 1, "20 May"
    assert blocks[4:] == [1, 2]
    assert isnan(blocks[2]), "the summer break"


def test_days_at_two_schools_are_counted_by_what_each_reported_and_runs_pass_over_what_was_not(world) -> None:
    world.tables["attendance_reports"] = []
    world.add("attendance_reports", school_id="north", start_date="2025-09-01", end_date="2025-10-15")
    world.add("attendance_reports", school_id="north", start_date="2025-10-17", end_date="2025-10-30")
    world.enrol(
        "moved", school_id="south", end_date="2025-10-17", exit_reason="transferred", to_school_id="north"
    )
    world.enrol("moved", school_id="north", start_date="2025-10-20")
    world.enrol("stayed")
    world.absent("stayed", "2025-09-26", "2025-09-29", "2025-09-30")  # Friday, Monday, Tuesday
    world.absent("stayed", "2025-10-29", "2025-10-30")

    made = world.features()

    assert made.loc["moved", "reported_days_56d"] == 9
    assert made.loc["stayed", "longest_absence_run_56d"] == 3
    assert made.loc["stayed", "running_absence_run"] == 2, "the 31st is not reported: the run stands"


def test_a_run_ends_with_a_day_present(made) -> None:
    assert made.loc["back", "longest_absence_run_56d"] == 2
    assert made.loc["back", "running_absence_run"] == 0
    assert made.loc["long", "running_absence_run"] == 2


def test_half_days_count_as_halves_and_make_no_run(made) -> None:
    assert made.loc["halves", "absence_days_28d"] == 1
    assert made.loc["halves", "longest_absence_run_56d"] == 0


def test_a_monthly_row_is_spread_over_its_school_days(made) -> None:
    monthly = made.loc["monthly"]

    # 23 school days in October 2025, of which 20 lie in the last 28 days: half a day each.
    assert monthly["absence_days_term"] == pytest.approx(11.5)
    assert monthly["absence_days_28d"] == pytest.approx(10)
    assert monthly["absence_share_28d"] == pytest.approx(0.5)
    assert monthly["unexcused_absence_days_56d"] == pytest.approx(2.3)
    assert monthly["longest_absence_run_56d"] == 0


def test_daily_rows_hold_where_they_lie_within_a_monthly_one(made) -> None:
    assert made.loc["mixed", "absence_days_28d"] == 1


def test_unexcused_is_not_known_where_nobody_said_it(made) -> None:
    assert made.loc["told", "unexcused_absence_share_28d"] == pytest.approx(1 / 20)
    assert isnan(made.loc["silent", "unexcused_absence_share_28d"])
    assert made.loc["never", "unexcused_absence_share_28d"] == 0


def test_a_row_that_only_tells_a_lateness_is_no_absence(made) -> None:
    assert made.loc["late", "times_late_56d"] == 2
    assert made.loc["late", "absence_days_28d"] == 0
    assert made.loc["late", "days_since_absence"] == 168


def test_with_school_every_day_a_week_has_seven_days_and_no_share_is_above_one(world) -> None:
    for number in range(1, 32):
        world.add("calendar", date=f"2025-10-{number:02d}", school_id="", is_school_day=True)
    world.tables["attendance_reports"] = []
    world.add("attendance_reports", school_id="north", start_date="2025-09-01", end_date="2025-10-31")
    world.add("attendance_reports", school_id="south", start_date="2025-10-31", end_date="2025-10-31")
    world.enrol("a")
    world.absent("a", "2025-10-25", "2025-10-26")  # Saturday and Sunday
    world.enrol("b", school_id="south")
    world.absent("b", "2025-10-30", "2025-10-31")

    made = world.features()

    assert made.loc["a", "absence_share_7d"] == pytest.approx(2 / 7)
    assert made.loc["a", "longest_absence_run_56d"] == 2
    assert made.loc["b", "absence_share_7d"] == 1, "two days absent, one day reported"


def test_a_day_counts_once_where_spells_overlap_and_by_the_one_begun_last(world) -> None:
    world.tables["attendance_reports"] = []
    world.add("attendance_reports", school_id="north", start_date="2025-10-01", end_date="2025-10-31")
    world.add("attendance_reports", school_id="south", start_date="2025-10-20", end_date="2025-10-31")
    world.enrol("moved", school_id="north")
    world.enrol("moved", school_id="south", start_date="2025-10-13")
    world.enrol("guest", school_id="north")
    world.enrol("guest", school_id="south", start_date="2025-10-13", end_date="2025-10-17",
                exit_reason="transferred", to_school_id="north")  # fmt: skip

    made = world.features()

    assert made.loc["moved", "reported_days_56d"] == 8 + 10, "north to the 10th, south from the 20th"
    assert made.loc["guest", "reported_days_56d"] == 23


def test_a_total_is_spread_over_days_before_those_that_are_looked_at_too(world) -> None:
    # 168 days back is 17 May; the term before began in February, so that days from 17 February are looked at.
    world.add("calendar", date="2025-02-10", school_id="", is_school_day=True)
    world.enrol("a", start_date="2025-02-10")
    world.add("attendance", student_id="a", start_date="2025-02-10", end_date="2025-02-17", days_absent=2)

    assert world.of("a")["absence_days_previous_term"] == 1
