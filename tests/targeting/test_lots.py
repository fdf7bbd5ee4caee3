"""Lots at the line: who is clearly above or below is not drawn, no limit moves, a planted effect is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from riskmodel.domain import AidAnswer
from riskmodel.targeting import lots
from riskmodel.targeting.afterwards import what_became
from riskmodel.targeting.allocation import allocate

from .conftest import facts_of

SEEDS = 100


def crowd(count: int, **more: Any) -> list[dict[str, Any]]:
    """Give so many students of falling need."""
    return [{"risk": 0.9 - number / 1000} | more for number in range(count)]


def taken(items: pd.DataFrame) -> pd.Series[bool]:
    return items["answer"] == AidAnswer.TAKEN.value


def by_lot(seed: int = 1, share: float = 0.2) -> dict[str, Any]:
    return {"enabled": True, "seed": seed, "share": share}


def test_who_is_clearly_above_or_below_the_line_is_not_drawn(facts, programmes) -> None:
    people = facts(*crowd(30))
    picked = set()
    for seed in range(6):
        items = allocate(people, programmes({"places": 10}, lottery=by_lot(seed))).items
        assert items["lot_group"].notna().tolist() == [False] * 8 + [True] * 4 + [False] * 18
        assert taken(items).tolist()[:8] == [True] * 8
        assert taken(items).sum() == 10
        picked.add(tuple(taken(items)))
    assert len(picked) > 1


def test_seven_of_a_hundred_are_seven(facts, programmes) -> None:
    items = allocate(facts(*crowd(120)), programmes({"places": 100}, lottery=by_lot(share=0.07))).items
    assert items["lot_group"].notna().sum() == 14


def test_the_order_says_who_waits_first_of_those_who_drew_no_place(facts, programmes) -> None:
    items = allocate(facts(*crowd(30)), programmes({"places": 10}, lottery=by_lot())).items
    drawn = items[items["lot_group"].notna()]
    assert sorted(drawn["order"]) == [9, 10, 11, 12]
    assert drawn.loc[taken(drawn), "order"].max() == 10
    assert sorted(drawn["waiting"].dropna()) == [1, 2]


def test_everybody_who_is_drawn_has_the_same_chance(facts, programmes) -> None:
    people = facts(*crowd(12))
    won = np.zeros(12)
    for seed in range(SEEDS):
        won += taken(allocate(people, programmes({"places": 6}, lottery=by_lot(seed, 0.5))).items).to_numpy()
    assert won[:3].tolist() == [SEEDS] * 3
    assert won[9:].tolist() == [0] * 3
    assert np.abs(won[3:9] / SEEDS - 0.5).max() < 4 * 0.5 / SEEDS**0.5


def test_hours_are_drawn_for_within_the_school_and_yuan_between_all(facts, programmes) -> None:
    people = facts(*crowd(10, school_id="A"), *crowd(10, school_id="B"))
    hours = allocate(
        people, programmes({"cost_hours": 5}, budget={"yuan": 0, "hours_per_school": 20}, lottery=by_lot())
    ).items
    groups = hours.dropna(subset=["lot_group"]).groupby("lot_group")
    assert groups["school_id"].nunique().tolist() == [1, 1]
    assert taken(hours).groupby(hours["school_id"]).sum().tolist() == [4, 4]
    yuan = allocate(people, programmes({"cost_yuan": 100}, lottery=by_lot())).items
    assert set(yuan["lot_group"].dropna()) == {1}
    assert set(yuan.dropna(subset=["lot_group"])["school_id"]) == {"A", "B"}


def test_places_of_other_cost_are_drawn_apart(facts, programmes) -> None:
    """Else a lot could turn one dear place into a cheap one, and the money would not add up."""
    yearly = [{"when": "boards", "yuan": 300}, {"when": "true", "yuan": 100}]
    told = programmes(
        {"amount": "a", "places": 8},
        amounts={"a": [{"valid_from": "2024-02-01", "source": "x", "yearly": yearly}]},
        budget={"yuan": 5000},
        lottery=by_lot(share=1),
    )
    people = facts(*[{"risk": 0.9 - n / 100, "boards": n % 2 == 0} for n in range(20)])
    with_lots = allocate(people, told).items
    without = allocate(
        people, told.model_copy(update={"lottery": told.lottery.model_copy(update={"enabled": False})})
    )
    assert (
        with_lots.loc[taken(with_lots), "yuan"].sum() == without.items.loc[taken(without.items), "yuan"].sum()
    )
    boards = dict(zip(people["student_id"], people["boards"], strict=True))
    for _, rows in with_lots.dropna(subset=["lot_group"]).groupby("lot_group"):
        assert len({boards[one] for one in rows["student_id"]}) == 1


def test_floors_are_not_drawn_for_nor_who_has_enough_programmes(facts, programmes) -> None:
    told = programmes({"places": 4, "floors": {"each_school": 2}}, lottery=by_lot(share=1))
    items = allocate(facts(*crowd(10)), told).items
    assert not (items["by_floor"] & items["lot_group"].notna()).any()
    assert items["lot_group"].notna().sum() == 4
    two = programmes(
        {"id": "a", "places": 3}, {"id": "b", "places": 3},
        budget={"yuan": 0, "programmes_per_student": 1}, lottery=by_lot(share=1),
    )  # fmt: skip
    items = allocate(facts(*crowd(12)), two).items
    has = items[taken(items)].groupby("student_id").size()
    assert has.max() == 1
    refused = set(items.loc[items["answer"] == AidAnswer.ENOUGH_PROGRAMMES.value, "student_id"])
    assert not refused & set(items.loc[items["lot_group"].notna(), "student_id"])
    assert not items.dropna(subset=["lot_group"])["student_id"].duplicated().any()


def test_the_same_seed_draws_the_same(facts, programmes) -> None:
    first, second = (
        allocate(facts(*crowd(30)), programmes({"places": 9}, lottery=by_lot(7))).items for _ in "ab"
    )
    assert first.equals(second)


# --- what a lottery tells, from the allocation on


def lived(seed: int, programmes: Any, *, kept_by_a_place: float) -> pd.DataFrame:
    """Allocate counselling in 12 schools by a need that tells who leaves, and let a term pass."""
    chance = np.random.default_rng(seed)
    need = np.sort(chance.beta(2, 4, 1200))[::-1]
    people = facts_of(*[{"risk": risk, "school_id": f"A{chance.integers(0, 12)}"} for risk in need.tolist()])
    told = programmes(
        {"id": "counselling", "cost_hours": 1},
        budget={"yuan": 0, "hours_per_school": 40},
        lottery=by_lot(seed, 0.6),
    )
    items = allocate(people, told).items
    would = chance.random(1200) < people["risk"].to_numpy()
    kept = taken(items).to_numpy() & (chance.random(1200) < kept_by_a_place)
    return items.assign(
        run_id="alloc-1", given=taken(items), would=would, outcome=np.where(would & ~kept, "left", "stayed")
    )


def test_a_planted_effect_is_found_where_setting_side_by_side_would_have_misled(programmes) -> None:
    truths, found, naive = [], [], []
    for seed in range(24):
        items = lived(seed, programmes, kept_by_a_place=0.6)
        drawn = items[items["lot_group"].notna()]
        truths.append(60 * drawn["would"].mean())
        found.append(what_became(items).drawn[0].fewer_left)
        left = items["outcome"] == "left"
        naive.append(100 * (left[~taken(items)].mean() - left[taken(items)].mean()))
    assert all(one is not None for one in found)
    assert abs(np.mean([one.value for one in found]) - np.mean(truths)) < 2
    assert np.mean([one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]) >= 0.9
    assert abs(np.mean(naive) - np.mean(truths)) > 8


def test_lots_that_follow_need_would_be_noticed(programmes, monkeypatch) -> None:
    """Planted: the lot goes by the student's number, and numbers follow need."""
    monkeypatch.setattr(lots, "fixed_number", lambda text: int(text.rsplit("s", 1)[1]))
    found = [
        what_became(lived(seed, programmes, kept_by_a_place=0.0)).drawn[0].fewer_left for seed in range(24)
    ]
    assert np.mean([one.low <= 0 <= one.high for one in found]) < 0.8
