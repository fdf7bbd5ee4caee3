from datetime import date
from math import isnan

import pytest

from riskmodel.features import ALL_FEATURES


@pytest.fixture(scope="module")
def made(make_world):
    world = make_world()
    for student in ("left", "returned", "partly", "carer", "nothing"):
        world.enrol(student)
    world.add(
        "family", student_id="left", recorded_on="2024-09-10", parents_away="none", carer="both_parents"
    )
    world.add("family", student_id="left", recorded_on="2025-03-01", siblings=2)
    world.add("family", student_id="left", recorded_on="2025-08-01", parents_away="both")
    world.add("family", student_id="returned", recorded_on="2024-09-10", parents_away="none")
    world.add("family", student_id="returned", recorded_on="2025-08-01", parents_away="both")
    world.add("family", student_id="returned", recorded_on="2025-10-01", parents_away="none")
    world.add(
        "family", student_id="partly", recorded_on="2025-10-01", sibling_left_school=False, hardship="none"
    )
    world.add("family", student_id="carer", recorded_on="2025-10-01", carer="grandparents",
              parents_away="one", hardship="low_income", sibling_left_school=True, migrant_child=True,
              carer_schooling_years=6, disability="hearing", distance_km=8)  # fmt: skip
    world.add("subsidies", student_id="left", programme="living_cost", amount_yuan=500,
              start_date="2025-02-17", end_date="2025-06-30")  # fmt: skip
    for start, end in (("2025-02-17", "2025-06-30"), ("2025-09-10", None)):
        world.add("subsidies", student_id="returned", programme="living_cost", amount_yuan=625,
                  start_date=start, end_date=end, recorded_on=end or start)  # fmt: skip
    world.add("subsidies", student_id="partly", programme="nutrition", amount_yuan=100,
              start_date="2025-02-17", end_date="2025-06-30")  # fmt: skip
    world.enrol("boarder", start_date="2025-02-17", end_date="2025-08-31", exit_reason="continued")
    world.enrol("boarder", boards=True)
    world.enrol("day", start_date="2025-02-17", end_date="2025-08-31", exit_reason="continued", boards=True)
    world.enrol("day")
    for student in ("boarder", "day"):
        world.add("family", student_id=student, recorded_on="2025-09-05", distance_km=12)
    world.enrol("unsaid", boards=None)
    return world.features()


def test_the_last_known_value_of_a_column_holds(made) -> None:
    left = made.loc["left"]

    assert left["parents_away"] == 2
    assert left["carer_not_parents"] == 0
    assert left["siblings"] == 2
    assert left["home_statement_age_days"] == 91
    assert isnan(left["sibling_left_school"])


def test_parents_leaving_is_a_change_and_not_a_state(made) -> None:
    assert made.loc["left", "parents_left_180d"] == 1
    assert made.loc["left", "months_since_parents_left"] == pytest.approx(91 / 30.4375)
    assert made.loc["returned", "parents_left_180d"] == 0
    assert isnan(made.loc["returned", "months_since_parents_left"])
    assert made.loc["carer", "parents_away"] == 1
    assert made.loc["carer", "parents_left_180d"] == 0, "a first statement is no change"
    assert isnan(made.loc["partly", "parents_left_180d"])


def test_flags_are_told_only_where_somebody_stated_them(made) -> None:
    carer = made.loc["carer"]
    flags = [
        "carer_not_parents",
        "sibling_left_school",
        "migrant_child",
        "hardship_registered",
        "disability_registered",
    ]

    assert (carer[flags] == 1).all()
    assert carer["carer_schooling_years"] == 6
    assert made.loc["partly", "sibling_left_school"] == 0
    assert made.loc["partly", "hardship_registered"] == 0
    assert made.loc["nothing", flags].isna().all()


def test_a_grant_of_last_term_that_did_not_go_on_has_lapsed(made) -> None:
    assert made.loc["left", "living_aid_lapsed"] == 1
    assert made.loc["left", "days_since_living_aid_lapsed"] == 123
    assert made.loc["left", "aid_grants_running"] == 0
    assert made.loc["left", "aid_yuan_365d"] == 500
    assert made.loc["returned", "living_aid_lapsed"] == 0
    assert made.loc["returned", "aid_grants_running"] == 1
    assert made.loc["returned", "aid_yuan_365d"] == 1250
    assert made.loc["partly", "living_aid_lapsed"] == 0, "another programme"
    assert made.loc["nothing", "aid_grants_running"] == 0


def test_need_without_aid_is_known_only_where_both_are(made) -> None:
    assert made.loc["carer", "hardship_without_aid"] == 1
    assert made.loc["partly", "hardship_without_aid"] == 0
    assert isnan(made.loc["nothing", "hardship_without_aid"])


def test_distance_counts_for_those_who_do_not_board(made) -> None:
    assert made.loc["carer", "distance_without_boarding_km"] == 8
    assert made.loc["boarder", "distance_km"] == 12
    assert made.loc["boarder", "distance_without_boarding_km"] == 0
    assert made.loc["day", "distance_without_boarding_km"] == 12
    assert made.loc["day", "distance_statement_age_days"] == 56


def test_what_was_told_long_ago_stays_as_old_beside_a_new_statement_about_something_else(make_world) -> None:
    world = make_world()
    world.enrol("k")
    world.add("family", student_id="k", recorded_on="2023-01-10", parents_away="both", carer="grandparents",
              hardship="low_income", sibling_left_school=True, migrant_child=True)  # fmt: skip
    world.add("family", student_id="k", recorded_on="2025-10-28", siblings=1)
    told = world.of("k")
    days = (date(2025, 10, 31) - date(2023, 1, 10)).days
    for name in ("parents_away", "carer", "sibling_left", "migrant_child", "hardship"):
        assert told[f"{name}_age_days"] == days
    assert told["home_statement_age_days"] == (date(2025, 10, 31) - date(2025, 10, 28)).days
    dated = {one.name: one.freshness for one in ALL_FEATURES if one.source == "family" and one.reason}
    assert "home_statement_age_days" not in dated.values()


def test_a_change_of_boarding_is_told_and_what_nobody_said_is_not(made) -> None:
    changes = ["boards", "boarding_began_365d", "boarding_ended_365d"]

    assert made.loc["boarder", changes].tolist() == [1, 1, 0]
    assert made.loc["day", changes].tolist() == [0, 0, 1]
    assert made.loc["carer", changes].tolist() == [0, 0, 0]
    assert made.loc["unsaid", changes].isna().all()


def test_without_the_tables_nothing_of_home_and_aid_is_known(world) -> None:
    world.enrol("a")

    a = world.of("a")

    absent = ["parents_away", "siblings", "hardship_registered", "aid_grants_running", "living_aid_lapsed",
              "aid_yuan_365d", "hardship_without_aid", "distance_km", "home_statement_age_days"]  # fmt: skip
    assert a[absent].isna().all()
