"""The optimum of many pairs is solved on few of them, and is that of all; whole places waste no hours."""

from __future__ import annotations

from copy import deepcopy
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from riskmodel.targeting import linear
from riskmodel.targeting.allocation import allocate
from riskmodel.targeting.greedy import Left
from riskmodel.targeting.linear import give_by_programme, solve
from riskmodel.targeting.need import Pairs
from riskmodel.targeting.rounding import choose_whole

HOURS = np.array([0.0, 6.0, 2.0, 1.0])
YUAN = np.array([1000.0, 0.0, 50.0, 120.0])


def county(students: int, *, schools: int, seed: int) -> tuple[Pairs, np.ndarray, Left]:
    """Draw pairs that compete for yuan, hours of schools, places and two programmes a student."""
    draw = np.random.default_rng(seed)
    student, programme = np.nonzero(draw.random((students, 4)) < 0.6)
    school = draw.integers(0, schools, students)[student]
    risk = draw.beta(0.5, 5, students)[student]
    pairs = Pairs(
        student=student,
        programme=programme,
        school=school,
        risk=risk,
        yuan=YUAN[programme],
        hours=HOURS[programme],
        group=np.zeros(len(student), dtype=np.int64),
    )
    left = Left(
        yuan=20.0 * students,
        hours=np.full(schools, 20.0),
        places=[np.inf, np.inf, np.inf, students / 20],
        school_places=[None] * 4,
        programmes=np.zeros(students, dtype=np.int64),
        most=2,
    )
    return pairs, risk * np.array([0.3, 0.1, 0.05, 0.04])[programme], left


@pytest.mark.parametrize("schools", [2, 30])
def test_the_optimum_of_many_pairs_is_that_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, schools: int
) -> None:
    pairs, benefit, left = county(400, schools=schools, seed=schools)
    at_once = solve(pairs, benefit, left)
    monkeypatch.setattr(linear, "_AT_ONCE", 50)
    by_columns = solve(pairs, benefit, left)
    assert by_columns.bound == pytest.approx(at_once.bound, rel=1e-9)
    assert by_columns.share @ benefit == pytest.approx(at_once.share @ benefit, rel=1e-6)
    few = np.arange(len(pairs)) % 20 == 0
    monkeypatch.setattr(linear, "_first_columns", lambda *_: few.copy())
    assert benefit[few].sum() < 0.5 * at_once.bound  # so what is found depends on what is added
    assert solve(pairs, benefit, left).bound == pytest.approx(at_once.bound, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_chosen_at_a_school_is_worth_most_of_all_that_fits(seed: int) -> None:
    pairs, worth, left = county(5, schools=1, seed=seed)
    left.hours[:] = 7.0
    left.programmes[0] = 1  # one of two is given already
    chosen = choose_whole(pairs, np.ones(len(pairs), dtype=bool), worth, left)

    def fits(rows: tuple[int, ...]) -> bool:
        given = np.bincount(pairs.student[list(rows)], minlength=5) + left.programmes
        return bool(pairs.hours[list(rows)].sum() <= 7.0 and given.max() <= 2)

    rows = range(len(pairs))
    most = max(worth[list(one)].sum() for count in range(9) for one in combinations(rows, count) if fits(one))
    assert fits(tuple(np.flatnonzero(chosen)))
    assert worth[chosen].sum() == pytest.approx(most)


def test_whole_places_waste_less_than_half_of_what_filling_alone_wastes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs, benefit, left = county(600, schools=30, seed=1)
    found = solve(pairs, benefit, left)
    none = np.zeros(len(pairs), dtype=bool)

    def short_of_the_bound() -> float:
        given = give_by_programme(pairs, benefit, found, deepcopy(left), none)
        return float(found.bound - benefit[given.taken].sum())

    whole = short_of_the_bound()
    monkeypatch.setattr(linear, "choose_whole", lambda *_: none)
    filled = short_of_the_bound()
    assert 0 <= whole < filled / 2


def test_programmes_of_which_no_good_is_assumed_have_a_bound_of_nothing(
    facts: Any, programmes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "_AT_ONCE", 5)
    told = programmes({"effect": {"low": 0.0, "middle": 0.0, "high": 0.0, "source": "x"}, "places": 3})
    found = allocate(facts(*({"risk": 0.1 * number} for number in range(9))), told)
    assert found.bound == found.benefit == 0
    assert found.items["answer"].eq("taken").sum() == 3
