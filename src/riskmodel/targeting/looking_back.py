"""Whom places would have reached, had they gone by one order or another, on days whose outcomes are known.

Reached is a student who got a place and left within the horizon: one for whom help would have come in time.
That help would have kept anybody is not said: nobody was helped by these lists.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from riskmodel.domain import Band, Language, Outcome
from riskmodel.figures import BLOCKS, FEWEST_SCHOOLS, Interval
from riskmodel.hiding import Sum, withheld
from riskmodel.targeting.greedy import all_there_is, give_by_order, give_floors
from riskmodel.targeting.need import Floats, Pairs, needs_of
from riskmodel.targeting.programmes import ProgrammesFile, SchoolCapacity
from riskmodel.wording import has, text

if TYPE_CHECKING:
    import pandas as pd

ORDERS = ("model", "absence_rule", "school_rate", "last_term", "lots")
RESAMPLES = 1_000
SMALL_CELL = 10
_TOTAL = -1
GROUP = "group_"
"""Columns of groups by which equity is told: what a place reached, and the share of leavers that got one."""
SIZES = (200, 600)
"""Students of a school from which it is told as a middle one, and as a large one."""


@dataclass(frozen=True)
class Reached:
    """What one order reached: of 100 places, how many went to students who left; with places and leavers.

    `group`: a grouping and its value, as the wording calls them; None: all. `places` are of all dates;
    `students` those who got one, and `leavers`, are people, each once. `of_leavers`: the share of the
    group's leavers that got a place before. Figures of small groups are None (see `reached_per_100`).
    """

    order: str
    group: tuple[str, str] | None
    places: int | None
    students: int | None
    leavers: int | None
    per_100: Interval | None
    of_leavers: Interval | None


def past_places(
    facts: pd.DataFrame,
    scores: pd.DataFrame,
    told: ProgrammesFile,
    *,
    by_school: Mapping[str, SchoolCapacity],
    bands: tuple[float, float],
    seed: int,
) -> pd.DataFrame:
    """Deal out the places of one past day by every order.

    Parameters
    ----------
    facts
        Of the day (`records.asking.facts`), with `attrs["as_of_date"]`.
    scores
        Rows of the day with `student_id`, `outcome`, the model's `risk`, a score `<order>` for each other
        order that was judged, and columns `group_<grouping>`.
    bands
        Risk from which to reach out, and from which to check in.

    Returns
    -------
    DataFrame
        One row per student of whom the outcome is known (left or stayed): `student_id`, `school_id`, `left`,
        the groups (and the school's size), and for each order the places that the student got.
    """
    import pandas as pd

    judged = scores[scores["outcome"].isin([Outcome.LEFT.value, Outcome.STAYED.value])]
    known = facts.merge(judged.drop(columns=["school_id", "stage"], errors="ignore"), on="student_id")
    reach_out, check_in = bands
    known["band"] = np.select(
        [known["risk"] >= reach_out, known["risk"] >= check_in],
        [Band.REACH_OUT.value, Band.CHECK_IN.value],
        Band.USUAL_CARE.value,
    )
    empty: pd.Series[Any] = pd.Series([[] for _ in range(len(known))], dtype=object)
    known = known.assign(listed=known["risk"] >= check_in, reason_families=empty, given=empty)
    known.attrs["as_of_date"] = facts.attrs["as_of_date"]
    pairs = needs_of(known, told).pairs
    schools = np.unique(known["school_id"].to_numpy(dtype=str)).tolist()
    there_is = all_there_is(told, schools=schools, students=len(known), by_school=by_school)
    places: dict[str, Any] = {name: known[name] for name in ("student_id", "school_id")}
    places["left"] = known["outcome"] == Outcome.LEFT.value
    places |= {name: known[name].astype(str) for name in map(str, known) if name.startswith(GROUP)}
    in_school = known.groupby("school_id")["student_id"].transform("size").to_numpy()
    places[f"{GROUP}school_size"] = np.select(
        [in_school < SIZES[0], in_school < SIZES[1]], ["small", "middle"], "large"
    )
    lots = np.random.default_rng(seed).permutation(len(known)).astype(np.float64)
    for order in ORDERS:
        if order == "lots":
            by = lots
        elif order == "model":
            by = known["risk"].to_numpy(dtype=np.float64)
        elif order in known:
            by = known[order].to_numpy(dtype=np.float64)
        else:
            continue
        ordered = _by(pairs, by, lots)
        left = copy.deepcopy(there_is)
        taken = give_by_order(ordered, left, give_floors(ordered, told, left)).taken
        places[order] = np.bincount(ordered.student[taken], minlength=len(known))
    return pd.DataFrame(places)


def _by(pairs: Pairs, score: Floats, lots: Floats) -> Pairs:
    order = np.lexsort((lots[pairs.student], -np.nan_to_num(score[pairs.student], nan=-np.inf)))
    return replace(pairs, **{name: getattr(pairs, name)[order] for name in vars(pairs)})


def reached_per_100(places: pd.DataFrame, *, seed: int) -> tuple[Reached, ...]:
    """Count what each order reached, with intervals that resample schools, or students of few schools.

    Of the model's order by group, too. A group with fewer than ten leavers, or students who got a place, is
    hidden, and with it whatever would give it away by subtraction (`riskmodel.hiding`). Who leaves within the
    horizons of several dates is one leaver, reached by a place of any of these.
    """
    _, school = np.unique(places["school_id"].to_numpy(dtype=str), return_inverse=True)
    students = places["student_id"].to_numpy(dtype=str)
    _, first, student = np.unique(students, return_index=True, return_inverse=True)
    schools, chance = int(school.max()) + 1, np.random.default_rng(seed)
    draws = np.hstack(
        [chance.multinomial(units, np.full(units, 1 / units), size=RESAMPLES) for units in (schools, BLOCKS)]
    )
    weights = np.vstack([np.ones(draws.shape[1], dtype=int), draws])
    left = places["left"].to_numpy(dtype=bool)

    def people(rows: Any) -> Any:
        return np.bincount(student, rows) > 0

    def reached(order: str, group: tuple[str, str] | None, mine: Any) -> Reached:
        got = places[order].to_numpy(dtype=np.float64) * mine
        leavers = people(left & mine)
        few = np.unique(school[mine]).size < FEWEST_SCHOOLS
        unit = schools + student % BLOCKS if few else school
        return Reached(
            order, group, int(got.sum()), int(people(got > 0).sum()), int(leavers.sum()),
            per_100=_ratio(unit, weights, got * left, got, times=100),
            of_leavers=_ratio(unit[first], weights, people((got > 0) & left), leavers),
        )  # fmt: skip

    everybody = np.ones(len(places), dtype=bool)
    found = [reached(order, None, everybody) for order in ORDERS if order in places]
    for column in (name for name in map(str, places) if name.startswith(GROUP)):
        values = places[column].to_numpy(dtype=str)
        each = [
            reached("model", (column.removeprefix(GROUP), value), values == value)
            for value in np.unique(values).tolist()
        ]
        found += _hide(each)
    return tuple(found)


def _hide(groups: list[Reached]) -> list[Reached]:
    """Withhold groups: the totals are told beside them, of places and of leavers alike."""
    people = ("students", "leavers")
    counts = [{n: getattr(one, name) or 0 for n, one in enumerate(groups)} for name in people]
    hidden = {n for n in range(len(groups)) if min(count[n] for count in counts) < SMALL_CELL}
    known = -1
    while len(hidden) > known:
        known = len(hidden)
        for count in counts:
            if not any(count[n] for n in hidden):
                continue  # that those have none gives nobody away
            whole = {**count, _TOTAL: sum(count.values())}
            tied = [Sum(_TOTAL, tuple(count))]
            hidden |= withheld(whole, tied, below=SMALL_CELL, also=hidden, worth=lambda n: int(n == _TOTAL))
            hidden.discard(_TOTAL)
    nothing: dict[str, Any] = dict.fromkeys(("places", "students", "leavers", "per_100", "of_leavers"))
    return [replace(one, **nothing) if n in hidden else one for n, one in enumerate(groups)]


def _ratio(unit: Any, weights: Any, above: Any, below: Any, *, times: float = 1) -> Interval | None:
    if not np.any(below):
        return None

    def sums(values: Any) -> Any:
        return weights @ np.bincount(unit, np.asarray(values, dtype=np.float64), minlength=weights.shape[1])

    under = sums(below)
    shares = np.full(len(weights), np.nan)
    np.divide(times * sums(above), under, out=shares, where=under > 0)
    low, high = np.nanquantile(shares[1:], [0.025, 0.975])
    return Interval(float(shares[0]), float(low), float(high))


def reached_table(reached: tuple[Reached, ...], language: Language) -> str:
    """Say it as a table of text."""
    lines = [text("targeting.back.head", language)]
    for one in reached:
        if one.group is not None and one.places is None:
            lines.append(text("targeting.back.few", language, name=_name(one, language)))
            continue
        lines.append(
            text(
                "targeting.back.line", language, name=_name(one, language), places=one.places,
                leavers=one.leavers, per_100=_told(one.per_100, "{:.1f}"),
                share=_told(one.of_leavers, "{:.0%}"),
            )
        )  # fmt: skip
    return "\n".join([*lines, text("targeting.back.note", language)])


def _name(one: Reached, language: Language) -> str:
    if one.group is None:
        return text(f"targeting.back.orders.{one.order}", language)
    grouping, value = one.group
    code = "values.not_known" if value == "not_known" else f"groups.{grouping}.{value}"
    named = text(code, language) if has(code, language) else value  # a township goes by its own name
    return text(
        "targeting.back.of_group", language, grouping=text(f"groups.{grouping}.name", language), group=named
    )


def _told(figure: Interval | None, form: str) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return "—"
    return f"{form.format(figure.value)} [{form.format(figure.low)}, {form.format(figure.high)}]"
