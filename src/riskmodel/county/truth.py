"""The probability of leaving, by many futures of the world from the state that records tell.

A future goes on as if the student stayed; the chance to leave is then 1 less the product of the weeks'
chances to stay (averaging over leaving itself needs no luck). Other exits compete at their rates. With
mean-one noise that is new each week, averaging it out leaves the hazard without noise: the knowable
probability. The true one takes the noise that was really drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from riskmodel.county import causes, dynamics
from riskmodel.county.calendar import DAY, WEEKS_PER_YEAR, Week
from riskmodel.county.causes import Array
from riskmodel.county.children import Children
from riskmodel.county.dynamics import State
from riskmodel.county.simulation import EXITS, GONE_A_WEEK, exam_of, generators
from riskmodel.domain import Stage

FUTURES = 64
"""At 20,000 students and 180 days the simulation error is some 23 % of the probability in the middle, most
where it is small; the AUC of the knowable probability was 0.003 and 0.008 below that of 200 futures on two
dates (seed 5, 91 and 108 leavers)."""
_TRUTH_PURPOSE = 99


@dataclass(frozen=True)
class Truth:
    """Probabilities of the students in class on the as-of date. `child` are positions."""

    child: NDArray[np.intp]
    true_probability: Array
    knowable_probability: Array
    simulation_error: Array


def drawn_noise(children: Children, weeks: int, seed: int) -> list[Array]:
    """Return the noise of the world's weeks, and of weeks after its end, as the world draws it."""
    rng = generators(seed, children.places.county)["noise"]
    return [causes.noise(len(children.entry_year), rng) for _ in range(weeks)]


def snapshot_week(weeks: Sequence[Week], as_of_date: date) -> Week:
    """Return the last week that ends on or before the day."""
    return max((week for week in weeks if week.end_date <= as_of_date), key=lambda week: week.index)


def probabilities(
    children: Children, state: State, *, after: Week, weeks: Sequence[Week], as_of_date: date,
    horizon_end: date, noise: Sequence[Array], gone: NDArray[np.bool_],
    intercepts: Mapping[Stage, float], seed: int,
) -> Truth:  # fmt: skip
    """Return the chance of leaving in (`as_of_date`, `horizon_end`].

    Parameters
    ----------
    state, after
        The world's state at the end of the last week that ends on or before the as-of date. What
        happened on the days between is not looked at.
    weeks
        All weeks, also those after the end of the records: the calendar is known.
    gone
        Students who left between the end of that week and the as-of date.
    """
    in_class = state.present & ~gone
    if as_of_date > after.term.end_date and not after.autumn:
        in_class &= state.grade < 9
    who = np.flatnonzero(in_class)
    theirs, start = children.take(who), state.take(who)
    drawn = {week.index: noise[week.index][who] for week in weeks if week.index > after.index}
    ahead = [week for week in weeks if week.index > after.index and week.term.start_date <= horizon_end]

    def one(number: int) -> tuple[Array, Array]:
        key = [seed, children.places.county, _TRUTH_PURPOSE, as_of_date.toordinal(), number]
        future = _Future(theirs, start.copy(), intercepts, np.random.default_rng(key))
        return future.live(ahead, as_of_date, horizon_end, drawn)

    knowable, squared, true = (np.zeros(len(who), dtype=np.float64) for _ in range(3))
    with ThreadPoolExecutor(2) as pool:
        for with_mean, with_noise in pool.map(one, range(FUTURES)):
            knowable += with_mean
            squared += with_mean.astype(np.float64) ** 2
            true += with_noise
    mean = knowable / FUTURES
    spread = np.sqrt(np.maximum(squared / FUTURES - mean**2, 0) / (FUTURES - 1))
    return Truth(who, *(values.astype(np.float32) for values in (true / FUTURES, mean, spread)))


@dataclass
class _Future:
    children: Children
    state: State
    intercepts: Mapping[Stage, float]
    rng: np.random.Generator

    def live(
        self, ahead: Sequence[Week], as_of_date: date, horizon_end: date, noise: Mapping[int, Array]
    ) -> tuple[Array, Array]:
        state, children, rng = self.state, self.children, self.rng
        count = len(state.present)
        staying = [np.ones(count, dtype=np.float32) for _ in range(2)]
        left = [np.zeros(count, dtype=np.float32) for _ in range(2)]
        would_have_left = np.zeros(count, dtype=bool)
        for week in ahead:
            if week.opens_year:
                dynamics.open_year(state, children, rng)
            if week.number == 1:
                dynamics.open_term(state, children, rng)
            dynamics.step_family(state, rng, tide=dynamics.family_tide(week))
            mean = causes.hazard(dynamics.measures(state, children, week), week, self.intercepts)
            drawn = np.minimum(mean * noise[week.index], np.float32(0.95))
            over, within = _shares(week, as_of_date, horizon_end)
            here = state.present
            remains = np.float32(1 - GONE_A_WEEK * bool(week.school_days))
            for i, chance in enumerate((mean, drawn)):
                now = here * chance * within / (1 - chance * over)
                left[i] += staying[i] * now
                staying[i] *= (1 - now) * remains
            leaves = here & ~would_have_left & (rng.random(count, dtype=np.float32) < mean)
            would_have_left |= leaves
            dynamics.leave(state, children, leaves)
            self._go_on(week)
        return left[0], left[1]

    def _go_on(self, week: Week) -> None:
        state, children, rng = self.state, self.children, self.rng
        moves = rng.random(len(state.present), dtype=np.float32) < EXITS["moved"] / WEEKS_PER_YEAR
        if week.school_days:
            dynamics.move(state, children, state.present & moves, rng)
        dynamics.step_absence(state, children, days=len(week.school_days), winter=week.winter, rng=rng)
        exam = exam_of(week)
        if exam is not None:
            sitting = state.present if exam != "monthly" else state.present & (state.grade >= dynamics.JUNIOR)
            dynamics.step_marks(state, children, sitting, rng)


def _shares(week: Week, as_of_date: date, horizon_end: date) -> tuple[np.float32, np.float32]:
    """Return which shares of the week's leaving days are over, and are within the horizon."""
    leaving = [day + DAY for day in week.last_days]
    if not leaving:
        return np.float32(0), np.float32(0)
    over = sum(day <= as_of_date for day in leaving)
    within = sum(as_of_date < day <= horizon_end for day in leaving)
    return np.float32(over / len(leaving)), np.float32(within / len(leaving))
