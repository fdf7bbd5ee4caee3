"""500 random worlds: what is learnt from was known, and nobody stands on both sides of a school split."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from riskmodel import splits
from riskmodel.domain import AsOf, Term
from riskmodel.errors import NotEnoughData

WORLDS = 500


def days(count) -> timedelta:
    return timedelta(days=int(count))


class Splits:
    """A bureau's terms and dates, and the rows that stand on them, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        chance = np.random.default_rng(seed)
        start, terms = date(2018, 1, 1), []
        for number in range(int(chance.integers(3, 10))):
            start += days(chance.integers(60, 220))
            terms.append(Term(f"t{number}", start, start + days(chance.integers(60, 160))))
        horizon = None if chance.random() < 0.2 else int(chance.integers(20, 300))
        self.delay = int(chance.integers(0, 120))
        self.complete_to = terms[-1].end_date + days(chance.integers(-200, 200))
        self.candidates = splits.resolve(terms, weeks=(4, 8, 12), dates=(), horizon_days=horizon)
        rows = int(chance.integers(20, 200))
        schools, students = int(chance.integers(2, 12)), int(chance.integers(15, 120))
        self.students = np.array([f"c{n}" for n in chance.integers(0, students, rows)])
        # Some children change school, some have siblings in another, some carry two numbers in one household.
        self.schools = np.array([f"s{n}" for n in chance.integers(0, schools, rows)])
        home = {
            student: f"h{chance.integers(0, max(2, students // 2))}" for student in sorted(set(self.students))
        }
        self.households = np.array([home[student] for student in self.students])

    def wrongly_trained(self, choose) -> int:
        """Count pairs (training date, test date) of which the outcome was not known on the test date."""
        test = splits.test_dates(self.candidates, outcome_delay_days=self.delay, complete_to=self.complete_to)
        wrong = 0
        for as_of in test:
            training = choose(self.candidates, as_of, self)
            known = [learnt.horizon_end + days(self.delay) for learnt in training]
            wrong += sum(on > as_of.as_of_date or on > self.complete_to for on in known)
        return wrong

    def on_both_sides(self, folds) -> int:
        """Count schools, households and students that stand on both sides of a split."""
        return sum(
            len(np.intersect1d(ids[learn], ids[held]))
            for learn, held in folds
            for ids in (self.schools, self.households, self.students)
        )

    def folds(self):
        return splits.school_folds(self.schools, self.households, self.students)


def as_production_does(candidates: tuple[AsOf, ...], as_of: AsOf, world: Splits) -> tuple[AsOf, ...]:
    return splits.training_dates(
        candidates, predicted=as_of.as_of_date, outcome_delay_days=world.delay, complete_to=world.complete_to
    )


def without_embargo(candidates: tuple[AsOf, ...], as_of: AsOf, world: Splits) -> tuple[AsOf, ...]:
    return tuple(learnt for learnt in candidates if learnt.as_of_date < as_of.as_of_date)


def without_the_delay(candidates: tuple[AsOf, ...], as_of: AsOf, world: Splits) -> tuple[AsOf, ...]:
    return splits.training_dates(
        candidates, predicted=as_of.as_of_date, outcome_delay_days=0, complete_to=world.complete_to
    )


def at_random(world: Splits):
    fold = np.random.default_rng(0).integers(0, 5, len(world.schools))
    return [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in range(5)]


def without_households(world: Splits):
    alone = np.array([f"h{n}" for n in range(len(world.schools))])
    return splits.school_folds(world.schools, alone, world.students)


def test_nothing_is_learnt_that_was_not_known_and_nobody_stands_on_both_sides(count):
    tested = split = 0
    for seed in range(WORLDS):
        world = Splits(seed)
        tested += bool(splits.test_dates(world.candidates, outcome_delay_days=world.delay,
                                         complete_to=world.complete_to))  # fmt: skip
        assert world.wrongly_trained(as_production_does) == 0, seed
        try:
            folds = world.folds()
        except NotEnoughData:
            continue
        split += 1
        assert world.on_both_sides(folds) == 0, seed
        held = np.concatenate([held for _, held in folds])
        assert np.array_equal(np.sort(held), np.arange(len(world.schools))), seed
    assert tested > WORLDS / 2
    assert split > WORLDS / 2
    count("splits", worlds=WORLDS, with_test_dates=tested, with_school_folds=split, violations=0)


@pytest.mark.parametrize("planted", [without_embargo, without_the_delay])
def test_a_split_in_time_that_is_wrong_is_caught(planted, count):
    caught = sum(Splits(seed).wrongly_trained(planted) > 0 for seed in range(100))
    assert caught >= 10
    count(f"planted split caught: {planted.__name__.replace('_', ' ')}", worlds=caught, **{"of worlds": 100})


@pytest.mark.parametrize("planted", [at_random, without_households])
def test_a_split_by_school_that_is_wrong_is_caught(planted, count):
    caught = 0
    for seed in range(100):
        world = Splits(seed)
        try:
            caught += world.on_both_sides(planted(world)) > 0
        except NotEnoughData:
            continue
    assert caught >= 50
    count(f"planted split caught: {planted.__name__.replace('_', ' ')}", worlds=caught, **{"of worlds": 100})
