"""Whom places would have reached on a past day, by several orders, on a county of a few dozen."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.targeting.looking_back import past_places, reached_per_100, reached_table

from .conftest import facts_of


@pytest.fixture
def places(programmes) -> pd.DataFrame:
    """Deal 10 places at 4 schools of 20; 24 left, the first 12 of whom the model ranks first."""
    number = np.arange(80)
    facts = facts_of(*({"school_id": f"A{one % 4}", "boards": bool(one % 2)} for one in number))
    facts = facts.drop(columns=["risk", "band", "listed", "reason_families", "given"])
    facts.attrs["as_of_date"] = date(2026, 6, 22)
    scores = pd.DataFrame(
        {
            "student_id": facts["student_id"],
            "outcome": np.where((number < 12) | (number >= 68), "left", "stayed"),
            "risk": 1 / (2 + number),
            "absence_rule": -number.astype(float) % 7,
            "group_boarding": np.where(number % 2, "yes", "no"),
            "group_township": np.where(number < 30, "East", np.where(number < 34, "West", "North")),
        }
    )
    told = programmes({"places": 10})
    return past_places(facts, scores, told, by_school={}, bands=(0.2, 0.1), seed=1)


def counties(places: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the county so many times over, with students of its own each time."""
    each = [places.assign(student_id=places["student_id"] + f"-{number}") for number in range(count)]
    return pd.concat(each, ignore_index=True)


def test_every_order_deals_the_same_places_and_the_model_those_of_most_risk(places: pd.DataFrame) -> None:
    orders = [name for name in ("model", "absence_rule", "lots") if name in places]
    assert orders == ["model", "absence_rule", "lots"]
    assert {int(places[name].sum()) for name in orders} == {10}
    assert places.loc[places["model"] > 0, "left"].all()


def test_what_was_reached_has_an_interval(places: pd.DataFrame) -> None:
    found = {(one.order, one.group): one for one in reached_per_100(places, seed=1)}
    model, lots = found["model", None], found["lots", None]
    assert model.per_100 is not None
    assert lots.per_100 is not None
    assert model.per_100.value == 100 > lots.per_100.value
    assert model.of_leavers is not None
    assert model.of_leavers.low is not None
    assert model.of_leavers.low <= 10 / 24 <= (model.of_leavers.high or 0)


@pytest.mark.parametrize("schools", [1, 2])
def test_what_was_reached_at_one_school_or_two_is_no_surer_than_its_students_make_it(
    places: pd.DataFrame, schools: int
) -> None:
    alike = [f"A{one % schools}" for one in range(len(places))]
    found = [one for one in reached_per_100(places.assign(school_id=alike), seed=1) if one.order == "lots"]
    for figure in (found[0].per_100, found[0].of_leavers):
        assert figure.high - figure.low > 0.3 * figure.value > 0


def test_groups_are_told_with_what_their_places_reached_and_small_ones_are_hidden(
    places: pd.DataFrame,
) -> None:
    places = counties(places, 3)
    found = {one.group: one for one in reached_per_100(places, seed=1) if one.group}
    boards = found["boarding", "yes"]
    assert (boards.places, boards.leavers) == (15, 36)
    assert boards.per_100 is not None
    assert boards.per_100.value == 100
    assert boards.of_leavers is not None
    assert boards.of_leavers.value == pytest.approx(15 / 36)
    # West has none; North has places for none of its leavers; East alone remains, and is told.
    assert found["township", "West"].leavers is None
    assert found["township", "North"].per_100 is None
    assert found["township", "East"].leavers == 36
    assert found["school_size", "small"].places == 30


def test_a_leaver_of_three_dates_is_one_leaver_reached_by_a_place_of_any(places: pd.DataFrame) -> None:
    none = places.assign(model=0)
    once, thrice = (reached_per_100(dates, seed=1)[0] for dates in (places, pd.concat([places, none, none])))
    assert (thrice.places, thrice.students, thrice.leavers) == (10, 10, 24)
    assert thrice.of_leavers == once.of_leavers


def test_a_few_children_are_hidden_however_many_dates_tell_of_them(places: pd.DataFrame) -> None:
    dates = pd.concat([places] * 3, ignore_index=True)
    found = {one.group: one for one in reached_per_100(dates, seed=1) if one.group}
    assert found["boarding", "yes"].places is None


def test_a_single_small_group_takes_the_next_smallest_with_it(places: pd.DataFrame) -> None:
    places = counties(places, 3)
    places["group_boarding"] = np.where(places.index < 4, "yes", "no")
    found = {one.group: one for one in reached_per_100(places, seed=1) if one.group}
    assert found["boarding", "yes"].leavers is None
    assert found["boarding", "no"].leavers is None
    table = reached_table(reached_per_100(places, seed=1), "en")
    assert "Boarding, boards: too few to show" in table
    assert "Boarding, lives at home: too few to show" in table


def test_what_is_hidden_is_never_one_child_by_subtraction(places: pd.DataFrame) -> None:
    places = counties(places, 6)
    reached = places["model"].to_numpy() > 0
    township = np.full(len(places), "large", dtype=object)
    township[np.flatnonzero(reached)[:1]] = "one"
    township[np.flatnonzero(~reached)[:1]] = "two"
    township[np.flatnonzero(reached)[1:15]] = "middle"
    places["group_township"] = township
    found = [one for one in reached_per_100(places, seed=1) if one.group and one.group[0] == "township"]
    whole = next(one for one in reached_per_100(places, seed=1) if one.order == "model" and not one.group)
    for name in ("places", "leavers"):
        hidden = getattr(whole, name) - sum(getattr(one, name) or 0 for one in found)
        assert hidden == 0 or hidden >= 10, name
    assert {one.group[1] for one in found if one.group and one.places is None} >= {"one", "two", "middle"}


def test_the_table_never_says_that_help_works(places: pd.DataFrame) -> None:
    reached = reached_per_100(places, seed=1)
    assert "whether help works is not said" in reached_table(reached, "en")
    assert "不说明帮助有没有效果" in reached_table(reached, "zh")
