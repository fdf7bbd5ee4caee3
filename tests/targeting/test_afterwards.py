"""After a term: a planted effect is found again, and none is claimed where there is none, or no lot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from riskmodel.targeting.afterwards import afterwards_table, what_became
from riskmodel.wording import LANGUAGES

COUNTIES = 40
"""Simulated counties of one test."""


def lottery(seed: int, *, kept_by_a_place: float, students: int = 600, drawn: bool = True) -> pd.DataFrame:
    """Draw places at 20 schools that have them for a third or two thirds of those at the line.

    At schools with more places more students leave anyway: who does not compare within schools is misled.
    `kept_by_a_place` is the share of those who would leave that a place keeps.
    """
    chance = np.random.default_rng(seed)
    school = chance.integers(0, 20, students)
    rich = school % 2 == 0
    place = np.zeros(students, dtype=bool)
    for one in np.unique(school):
        mine = np.flatnonzero(school == one)
        place[chance.permutation(mine)[: round(len(mine) * (2 / 3 if one % 2 == 0 else 1 / 3))]] = True
    would_leave = chance.random(students) < np.where(rich, 0.45, 0.25)
    leaves = would_leave & ~(place & (chance.random(students) < kept_by_a_place))
    return pd.DataFrame(
        {
            "run_id": "alloc-1", "programme": "counselling",
            "student_id": [f"s{number}" for number in range(students)],
            "answer": np.where(place, "taken", "hours_used_up"),
            "lot_group": school + 1 if drawn else None, "given": place,
            "outcome": np.where(leaves, "left", "stayed"),
        }
    )  # fmt: skip


def found_in(counties: list[pd.DataFrame]) -> list[Any]:
    return [what_became(one).drawn[0].fewer_left for one in counties]


def test_a_planted_effect_is_found_again_and_its_interval_holds_the_truth_as_often_as_it_says() -> None:
    planted = [lottery(seed, kept_by_a_place=0.5) for seed in range(COUNTIES)]
    truth = 100 * 0.35 * 0.5
    found = found_in(planted)
    assert abs(np.mean([one.value for one in found]) - truth) < 2
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.88
    assert np.mean([one.low > 0 for one in found]) >= 0.8


def test_no_effect_is_claimed_without_one() -> None:
    found = found_in([lottery(seed, kept_by_a_place=0.0) for seed in range(100, 100 + COUNTIES)])
    assert abs(np.mean([one.value for one in found])) < 2
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.88


def test_comparing_across_schools_would_have_been_misled() -> None:
    """The planted trap is one: places are where more leave anyway."""
    gaps = []
    for seed in range(20):
        rows = lottery(seed, kept_by_a_place=0.0)
        left = rows["outcome"] == "left"
        gaps.append(100 * (left[rows["given"]].mean() - left[~rows["given"]].mean()))
    assert np.mean(gaps) > 4


def test_without_a_lottery_no_effect_is_told_however_large_the_difference() -> None:
    told = what_became(lottery(1, kept_by_a_place=1.0, drawn=False))
    assert told.drawn == ()
    for language, words in zip(LANGUAGES, ("因此不估计任何效果", "no effect is estimated"), strict=True):
        assert words in afterwards_table(told, {}, language)
        assert "95%" not in afterwards_table(told, {}, language)


def test_what_became_is_counted_for_every_answer_and_small_cells_are_hidden() -> None:
    rows = lottery(1, kept_by_a_place=0.0, drawn=False)
    rows.loc[:4, ["answer", "given", "outcome"]] = ["already_helped", False, "stayed"]
    rows.loc[5, "outcome"] = "unknown"
    told = what_became(rows)
    assert sum(one.students for one in told.became) == len(rows)
    assert sum(one.unknown for one in told.became) == 1
    [few] = [one for one in told.became if one.answer == "already_helped"]
    assert (few.students, few.stayed) == (5, 5)
    line = next(each for each in afterwards_table(told, {}, "en").splitlines() if "already helped" in each)
    assert "left too few to show, stayed too few to show" in line


def test_a_student_of_two_runs_counts_once_and_a_single_leaver_is_not_shown() -> None:
    rows = lottery(1, kept_by_a_place=0.0, drawn=False).head(40).assign(answer="taken", outcome="stayed")
    rows.loc[0, "outcome"] = "left"
    told = what_became(pd.concat([rows, rows.assign(run_id="alloc-2", outcome="stayed")]))
    [one] = told.became
    assert (one.students, one.left, one.stayed) == (40, 1, 39)
    assert "left too few to show, stayed too few to show" in afterwards_table(told, {}, "en")


def test_who_was_drawn_twice_counts_in_the_first_draw_alone() -> None:
    rows = lottery(1, kept_by_a_place=0.5)
    again = rows.assign(run_id="alloc-2", answer="taken", outcome="left")
    assert what_became(pd.concat([rows, again])).drawn == what_became(rows).drawn


def test_a_few_leavers_of_one_side_of_a_lottery_hide_both_and_the_difference_that_would_tell_them() -> None:
    rows = lottery(1, kept_by_a_place=0.0).assign(outcome="stayed")
    taken, others = (np.flatnonzero((rows["answer"] == "taken") == side) for side in (True, False))
    rows.loc[[*taken[:3], *others[:30]], "outcome"] = "left"
    told = what_became(rows)
    table = afterwards_table(told, {}, "en")
    assert told.drawn[0].left == (3, 30)
    assert "it is not told" in table
    assert "interval" not in table


def test_few_drawn_tell_no_difference_and_more_tell_it_with_its_interval() -> None:
    rows = lottery(1, kept_by_a_place=1.0)
    few = what_became(rows.head(30))
    assert few.drawn[0].fewer_left is None
    assert "no effect is estimated" in afterwards_table(few, {}, "en")
    whole = afterwards_table(what_became(rows), {"counselling": {"zh": "辅导", "en": "Talks"}}, "zh")
    assert "辅导" in whole
    assert "95% 区间" in whole


def test_where_hardly_anybody_left_the_interval_is_no_point() -> None:
    """By the residuals of a regression alone it would be: nobody left, so nothing differs from the mean."""
    rows = lottery(1, kept_by_a_place=0.0).assign(outcome="stayed")
    nobody = what_became(rows).drawn[0]
    assert nobody.left == (0, 0)
    assert nobody.fewer_left is not None
    assert nobody.fewer_left.value == 0
    assert nobody.fewer_left.low < -1
    assert nobody.fewer_left.high > 1


def test_groups_in_which_all_or_none_got_a_place_compare_nothing() -> None:
    rows = lottery(1, kept_by_a_place=1.0)
    all_or_none = rows["lot_group"] <= 10
    rows.loc[all_or_none, "answer"] = "taken"
    told = what_became(rows).drawn[0]
    assert told.with_place + told.without == int((~all_or_none).sum())
