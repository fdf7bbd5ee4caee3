"""Where in the term a day lies: the same for everybody, and never told."""

from datetime import timedelta

from riskmodel.features.season import GROUP


def test_days_are_counted_from_the_terms_first_day_for_everybody(make_world) -> None:
    world = make_world()
    world.enrol("a")
    world.enrol("b", school_id="south", start_date=world.DAY - timedelta(days=3))
    started = max(row["start_date"] for row in world.tables["terms"] if row["start_date"] <= world.DAY)

    made = world.features()["days_since_term_start"]

    assert made.tolist() == [(world.DAY - started).days] * 2


def test_without_a_term_nothing_is_known_of_the_season(make_world) -> None:
    world = make_world()
    world.enrol("a")
    world.tables["terms"].clear()

    assert world.features()["days_since_term_start"].isna().all()


def test_nobody_is_told_the_season_as_a_reason_or_a_strength() -> None:
    assert {feature.family for feature in GROUP.features} == {"season"}
    assert not [feature for feature in GROUP.features if feature.reason or feature.strength]
