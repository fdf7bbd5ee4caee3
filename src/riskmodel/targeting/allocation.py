"""One run: facts of the day, programmes and what there is to give, answered for every student."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import AidAnswer
from riskmodel.targeting.greedy import Given, all_there_is, give_by_order, give_floors
from riskmodel.targeting.linear import Solved, give_by_programme, solve
from riskmodel.targeting.lots import draw_lots
from riskmodel.targeting.need import ANSWERS, WAITS, Bools, Floats, Ints, Pairs, needs_of
from riskmodel.targeting.programmes import ProgrammesFile, SchoolCapacity

if TYPE_CHECKING:
    import pandas as pd

Scenario = Literal["low", "middle", "high"]
SCENARIOS: tuple[Scenario, ...] = ("low", "middle", "high")
_BUREAU = -1
"""In the place of a school's number: a waiting list of the whole bureau."""


@dataclass(frozen=True)
class Prices:
    """Students kept, under the assumed middle effects, by one more of each limit.

    `hour`: at the school where it is worth least, as a median, and at the one where it is worth most.
    `places` by programme, where the bureau has a limit of them.
    """

    thousand_yuan: float
    hour: tuple[float, float, float]
    places: Mapping[str, float]


@dataclass(frozen=True)
class Allocation:
    """What a run answered.

    Attributes
    ----------
    items
        One row per student and programme, sorted by programme in the file's order and `student_id`:
        `programme`, `student_id`, `school_id`, `answer`, `order` (place in the order of the programme's
        eligible, from 1; missing where nothing was compared), `waiting` (place on the waiting list, from 1),
        `waiting_at` (whose list: `school`, where its hours or its own places are used up, else `bureau`),
        `yuan`, `hours` (of those taken, and of entitlements not received), `yuan_left` (after this line),
        `by_floor`, `lot_group` (who was drawn with whom, numbered from 1; missing where not drawn), `stable`
        (taken in all three scenarios of assumed effects; missing where not taken).
    benefit, bound
        Students kept under the assumed middle effects, by this list and at most by any.
    by_scenario
        The same two for each scenario, of the method that was used.
    """

    items: pd.DataFrame
    benefit: float
    bound: float
    by_scenario: Mapping[Scenario, tuple[float, float]]
    prices: Prices

    @property
    def gap(self) -> float:
        """How far the list stays below the bound, as a share of it; 0 where there is nothing to give."""
        return 0.0 if self.bound <= 0 else max(0.0, 1 - self.benefit / self.bound)


def allocate(
    facts: pd.DataFrame, told: ProgrammesFile, *, by_school: Mapping[str, SchoolCapacity] | None = None
) -> Allocation:
    """Answer for every student and programme.

    Parameters
    ----------
    facts
        See `needs_of`.
    by_school
        Capacities of single schools; None: there is no file of them.

    Returns
    -------
    Allocation
        The same for the same inputs, to the bit.
    """
    needs = needs_of(facts, told)
    pairs = needs.pairs
    schools = np.unique(facts["school_id"].to_numpy(dtype=str)).tolist()
    there_is = all_there_is(told, schools=schools, students=len(facts), by_school=by_school or {})
    after_floors = copy.deepcopy(there_is)
    by_floor = give_floors(pairs, told, after_floors)
    effects = _effects(pairs, told)
    given: dict[Scenario, Given] = {}
    solved: dict[Scenario, Solved] = {}
    for scenario in SCENARIOS:
        benefit = pairs.risk * effects[scenario] * ~by_floor
        solved[scenario] = solve(pairs, benefit, after_floors)
        if told.method == "linear":
            given[scenario] = give_by_programme(
                pairs, benefit, solved[scenario], copy.deepcopy(after_floors), by_floor
            )
    if told.method == "greedy":
        same = give_by_order(pairs, copy.deepcopy(after_floors), by_floor)
        given = dict.fromkeys(SCENARIOS, same)
    ours = given["middle"]
    own_places = [places is not None for places in there_is.school_places]
    lot_group = np.zeros(len(pairs), dtype=np.int64)
    if told.lottery.enabled:
        ids = facts["student_id"].to_numpy(dtype=str)
        drawing = draw_lots(pairs, ours, told, student_ids=ids, by_floor=by_floor, own_places=own_places)
        pairs, lot_group = drawing.pairs, drawing.group
    stable = np.logical_and.reduce([given[scenario].taken for scenario in SCENARIOS])
    worth = {
        scenario: (
            float((pairs.risk * effects[scenario])[given[scenario].taken].sum()),
            solved[scenario].bound + float((pairs.risk * effects[scenario])[by_floor].sum()),
        )
        for scenario in SCENARIOS
    }
    return Allocation(
        items=_items(
            facts,
            told,
            needs.answers,
            needs.yuan,
            pairs,
            ours,
            by_floor=by_floor,
            stable=stable,
            lot_group=lot_group,
            own_places=own_places,
        ),
        benefit=worth["middle"][0],
        bound=worth["middle"][1],
        by_scenario=worth,
        prices=_prices(solved["middle"], told),
    )


def _effects(pairs: Pairs, told: ProgrammesFile) -> dict[Scenario, Floats]:
    def of(scenario: Scenario) -> Floats:
        assumed = [0.0 if one.effect is None else getattr(one.effect, scenario) for one in told.programmes]
        return np.array(assumed, dtype=np.float64)[pairs.programme]

    return {scenario: of(scenario) for scenario in SCENARIOS}


def _prices(solved: Solved, told: ProgrammesFile) -> Prices:
    hours = solved.hour_prices if len(solved.hour_prices) else np.zeros(1)
    return Prices(
        thousand_yuan=1000 * solved.yuan_price,
        hour=(float(hours.min()), float(np.median(hours)), float(hours.max())),
        places={
            one.id: price
            for one, price in zip(told.programmes, solved.place_prices, strict=True)
            if price is not None
        },
    )


def _items(
    facts: pd.DataFrame,
    told: ProgrammesFile,
    answers: NDArray[np.int8],
    yuan: Floats,
    pairs: Pairs,
    given: Given,
    *,
    by_floor: Bools,
    stable: Bools,
    lot_group: Ints,
    own_places: Sequence[bool],
) -> pd.DataFrame:
    import pandas as pd

    whole = answers.astype(np.int64)
    whole[pairs.student, pairs.programme] = given.answers
    shape = whole.shape
    order, waiting, left, lots = (np.full(shape, np.nan) for _ in range(4))
    waiting_at = np.full(shape, None, dtype=object)
    flags = {name: np.zeros(shape, dtype=bool) for name in ("by_floor", "stable")}
    for number in range(len(told.programmes)):
        mine = np.flatnonzero(pairs.programme == number)
        order[pairs.student[mine], number] = np.arange(1, len(mine) + 1)
        waits = mine[np.isin(given.answers[mine], WAITS)]
        at_school = own_places[number] | (given.answers[waits] == ANSWERS.index(AidAnswer.HOURS_USED_UP))
        lists = pd.Series(np.where(at_school, pairs.school[waits], _BUREAU))
        waiting[pairs.student[waits], number] = 1 + lists.groupby(lists).cumcount().to_numpy()
        waiting_at[pairs.student[waits], number] = np.where(at_school, "school", "bureau")
    left[pairs.student, pairs.programme] = given.yuan_left
    lots[pairs.student, pairs.programme] = np.where(lot_group > 0, lot_group, np.nan)
    for name, values in (("by_floor", by_floor), ("stable", stable)):
        flags[name][pairs.student, pairs.programme] = values
    costs = np.isin(whole, [ANSWERS.index(AidAnswer.TAKEN), ANSWERS.index(AidAnswer.ENTITLED_NOT_RECEIVING)])
    hours = np.array([one.cost_hours for one in told.programmes])
    count = shape[0]
    return pd.DataFrame(
        {
            "programme": np.repeat([one.id for one in told.programmes], count),
            "student_id": np.tile(facts["student_id"].to_numpy(dtype=str), shape[1]),
            "school_id": np.tile(facts["school_id"].to_numpy(dtype=str), shape[1]),
            "answer": np.array([each.value for each in ANSWERS])[whole.T.ravel()],
            "order": order.T.ravel(),
            "waiting": waiting.T.ravel(),
            "waiting_at": pd.Series(waiting_at.T.ravel(), dtype=object),
            "yuan": np.where(costs, yuan, np.nan).T.ravel(),
            "hours": np.where(costs, hours, np.nan).T.ravel(),
            "yuan_left": left.T.ravel(),
            "lot_group": lots.T.ravel(),
            **{name: values.T.ravel() for name, values in flags.items()},
        }
    )
