"""Which recipe goes forward: better where nothing is judged, and nothing against it where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.challengers import WORSE, Challenged, choice_lines, choose, gain_of
from riskmodel.figures import Interval

ROWS = 4000
BETTER, MUCH_BETTER, UNSURE = (
    Interval(0.02, 0.01, 0.03),
    Interval(0.04, 0.02, 0.06),
    Interval(0.02, -0.01, 0.05),
)


def found(**gains: Interval) -> dict[str, Challenged]:
    return {name: Challenged("", gain, 100, 20) for name, gain in gains.items()}


def test_without_a_gain_beyond_the_interval_the_recipe_stays_and_the_judged_rows_are_not_asked():
    def never(_name: str) -> tuple[str, ...]:
        raise AssertionError("asked of the judged rows")

    choice = choose("mine", found(other=UNSURE), never)
    assert choice.chosen == "mine"
    assert choice.challengers[0].against is None


def test_the_best_of_those_that_are_better_goes_forward():
    asked = []
    choice = choose("mine", found(good=BETTER, best=MUCH_BETTER), lambda name: asked.append(name) or ())
    assert choice.chosen == "best"
    assert asked == ["best"]


def test_what_is_said_against_the_best_lets_the_next_one_forward():
    against = {"best": (WORSE, "too_good"), "good": ()}
    choice = choose("mine", found(good=BETTER, best=MUCH_BETTER), against.__getitem__)
    assert choice.chosen == "good"
    assert {one.recipe: one.against for one in choice.challengers} == {
        "good": (),
        "best": (WORSE, "too_good"),
    }


def test_where_something_is_said_against_all_the_recipe_stays():
    assert choose("mine", found(good=BETTER), lambda _: (WORSE,)).chosen == "mine"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_of_each_challenger_it_is_said_why_or_why_not(language):
    against = {"best": (WORSE, "too_good"), "good": ()}
    gains = found(good=BETTER, best=MUCH_BETTER, unsure=UNSURE)
    lines = choice_lines(choose("mine", gains, against.__getitem__), language)
    assert len(lines) == 3
    assert all("mine" in line for line in lines)
    assert "{" not in "".join(lines)
    stays = choice_lines(choose("mine", found(unsure=UNSURE), against.__getitem__), language)
    assert len(stays) == 2


def scored(risk: np.ndarray, left: np.ndarray) -> pd.DataFrame:
    keys = {"as_of_date": pd.Timestamp("2025-10-20"), "student_id": [f"s{n}" for n in range(ROWS)]}
    return pd.DataFrame({**keys, "left": left.astype(int), "risk": risk})


def test_a_gain_in_log_loss_is_found_with_an_interval_over_schools_and_noise_is_none():
    chance = np.random.default_rng(1)
    margin = chance.normal(-2.5, 1.2, ROWS)
    risk = 1 / (1 + np.exp(-margin))
    left = chance.random(ROWS) < risk
    schools = scored(risk, left)[["as_of_date", "student_id"]].assign(
        school_id=[f"A{number % 50}" for number in range(ROWS)]
    )
    flat = scored(np.full(ROWS, left.mean()), left)
    told = gain_of(scored(risk, left), flat, schools)
    assert told.gain.low > 0
    assert (told.rows, told.events) == (ROWS, int(left.sum()))
    back = gain_of(flat, scored(risk, left), schools)
    assert back.gain.value == pytest.approx(-told.gain.value)
    nudged = np.clip(risk * np.exp(chance.normal(0, 0.02, ROWS)), 1e-6, 1 - 1e-6)
    even = gain_of(scored(nudged, left), scored(risk, left), schools)
    assert even.gain.low < 0 < even.gain.high
