"""The history of one fictional county, week by week: what happened, not yet what was recorded.

Each purpose draws from a generator of its own, and always for all children, so that asking for truths
changes no history, and another intercept changes only who leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskmodel.county import causes, dynamics
from riskmodel.county.calendar import WEEKS_PER_YEAR, Week
from riskmodel.county.children import Children
from riskmodel.county.dynamics import State
from riskmodel.domain import Stage

EXITS: Mapping[str, float] = {
    "moved": 0.010, "transferred": 0.008, "transfer_unconfirmed": 0.0010, "suspended": 0.0020,
    "home_teaching": 0.0004, "emigrated": 0.0003, "died": 0.0001,
}  # fmt: skip
"""Share of the students in class, a year, who end a spell for another reason than leaving."""
GONE_A_WEEK = (sum(EXITS.values()) - EXITS["moved"]) / WEEKS_PER_YEAR
_RETURNS, _RETURN_WEEKS = 0.25, (3, 26)
_OVERRUN = 0.08
PURPOSES = ("dynamics", "noise", "leaving", "exits", "returns")
_EXAM_WEEKS = {"monthly": (6, 15), "midterm": (10,), "final": (19,)}

Columns = dict[str, NDArray[Any]]


@dataclass
class Gathered:
    """Columns gathered in pieces; `columns()` joins them."""

    pieces: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, count: int, **columns: object) -> None:
        """Add `count` rows; a single value holds for all of them."""
        for name, values in columns.items():
            self.pieces[name].append(np.broadcast_to(np.asarray(values), (count,)))

    def columns(self) -> Columns:
        """Return each column as one array."""
        return {name: np.concatenate(parts) for name, parts in self.pieces.items()}


@dataclass
class History:
    """All that happened. Children, schools and spells are positions; days are `datetime64[D]`."""

    weeks: list[Week]
    spells: Gathered = field(default_factory=Gathered)
    closings: Gathered = field(default_factory=Gathered)
    absences: Gathered = field(default_factory=Gathered)
    exams: Gathered = field(default_factory=Gathered)
    aid: Gathered = field(default_factory=Gathered)
    family: Gathered = field(default_factory=Gathered)
    leavings: Gathered = field(default_factory=Gathered)
    snapshots: dict[int, State] = field(default_factory=dict)
    expected: dict[tuple[Stage, int], float] = field(default_factory=dict)
    enrolled: dict[tuple[Stage, int], int] = field(default_factory=dict)


def days_of(days: Iterable[date]) -> NDArray[np.datetime64]:
    """Return dates as an array of days."""
    return np.array(list(days), dtype="datetime64[D]")


def generators(seed: int, county: int) -> dict[str, np.random.Generator]:
    """Return one generator per purpose."""
    return {name: np.random.default_rng([seed, county, i]) for i, name in enumerate(PURPOSES)}


def simulate(
    children: Children, weeks: Sequence[Week], *, intercepts: Mapping[Stage, float], seed: int,
    snapshot_weeks: frozenset[int] = frozenset(), keep_records: bool = True,
) -> History:  # fmt: skip
    """Live through `weeks`. Without `keep_records` only the leavings and their expected number are kept."""
    return _World(children, list(weeks), intercepts, seed, keep_records).live(snapshot_weeks)


class _World:
    def __init__(
        self, children: Children, weeks: list[Week], intercepts: Mapping[Stage, float], seed: int, keep: bool
    ) -> None:
        self.children, self.weeks, self.intercepts, self.keep = children, weeks, intercepts, keep
        self.rng = generators(seed, children.places.county)
        self.state = dynamics.first_state(children, weeks[0].year, self.rng["dynamics"])
        self.history = History(weeks)
        count = len(children.entry_year)
        self.spell = np.full(count, -1)
        self.spell_count = 0
        self.comes_back = np.full(count, -1)
        self.left = np.zeros(count, dtype=bool)
        self.moving = np.zeros(count, dtype=bool)

    def live(self, snapshot_weeks: frozenset[int]) -> History:
        for week in self.weeks:
            if week.opens_year:
                self._open_year(week)
            if week.number == 1:
                self._open_term(week)
            self._come_back(week)
            self._family(week)
            self._leave(week)
            self._exits(week)
            self._absences(week)
            self._exam(week)
            if week.index in snapshot_weeks:
                self.history.snapshots[week.index] = self.state.copy()
        return self.history

    def _open(self, who: NDArray[np.intp], day: date) -> None:
        state, count = self.state, len(who)
        self.spell[who] = self.spell_count + np.arange(count)
        self.spell_count += count
        self.history.spells.add(
            count, child=who, school=state.school[who], grade=state.grade[who], boards=state.boards[who],
            start=np.datetime64(day),
        )  # fmt: skip

    def _close(self, who: NDArray[np.intp], reason: NDArray[np.str_] | str, **more: object) -> None:
        columns: dict[str, object] = {"to_school": -1, "expected_return": np.datetime64("NaT", "D"), **more}
        self.history.closings.add(
            len(who), spell=self.spell[who], reason=np.asarray(reason, dtype="<U20"), **columns
        )
        self.spell[who] = -1

    def _open_year(self, week: Week) -> None:
        state, places = self.state, self.children.places
        entrants = self.children.entry_year == week.year
        if week.index == 0:
            entrants = (week.year - 8 <= self.children.entry_year) & (self.children.entry_year <= week.year)
        else:
            before, grade, school = state.present.copy(), state.grade.copy(), state.school.copy()
            moves = dynamics.open_year(state, self.children, self.rng["dynamics"])
            ends = (grade == 9) & ~state.present
            ends |= (grade == 6) & (state.grade == 7) & (places.stage[school] == "primary")
            reason = np.where(moves, "transferred", np.where(ends, "graduated", "continued"))
            to_school = np.where(moves, state.school, -1)
            who = np.flatnonzero(before & (self.spell >= 0))
            self._close(who, reason[who], end=np.datetime64(self.weeks[week.index - 1].term.end_date),
                        to_school=to_school[who])  # fmt: skip
            self._open(np.flatnonzero(state.present), week.term.start_date)
        state.present |= entrants
        self._open(np.flatnonzero(entrants), week.term.start_date)
        self._tell_family(np.flatnonzero(entrants | (self.spell >= 0)), week, whole=True)
        for stage, here in self._by_stage(state.present):
            self.history.enrolled[stage, week.year] = int(here.sum())

    def _by_stage(self, who: NDArray[np.bool_]) -> list[tuple[Stage, NDArray[np.bool_]]]:
        junior = self.state.grade >= dynamics.JUNIOR
        return [(Stage.PRIMARY, who & ~junior), (Stage.JUNIOR, who & junior)]

    def _open_term(self, week: Week) -> None:
        dynamics.open_term(self.state, self.children, self.rng["dynamics"])
        granted = np.flatnonzero(self.state.present & self.state.aid)
        self.history.aid.add(len(granted), child=granted, week=week.index, boards=self.state.boards[granted],
                             grade=self.state.grade[granted])  # fmt: skip

    def _come_back(self, week: Week) -> None:
        if not week.school_days:
            return
        back = np.flatnonzero(((self.comes_back >= 0) & (self.comes_back <= week.index)) | self.moving)
        self.comes_back[back] = -1
        self.moving[back] = False
        self.state.present[back] = True
        self.state.returned[back] |= self.left[back]
        self._open(back, week.school_days[0])

    def _family(self, week: Week) -> None:
        tide = dynamics.family_tide(week)
        changed = dynamics.step_family(self.state, self.rng["dynamics"], tide=tide)
        self._tell_family(
            np.flatnonzero(changed[self.children.household] & self.state.present), week, whole=False
        )

    def _tell_family(self, who: NDArray[np.intp], week: Week, *, whole: bool) -> None:
        if self.keep:
            away = self.state.h_away[self.children.household[who]]
            self.history.family.add(len(who), child=who, week=week.index, whole=whole, away=away,
                                    km=self.state.km[who], school=self.state.school[who],
                                    boards=self.state.boards[who], grade=self.state.grade[who])  # fmt: skip

    def _leave(self, week: Week) -> None:
        state, count = self.state, len(self.left)
        mean = causes.hazard(dynamics.measures(state, self.children, week), week, self.intercepts)
        for stage, here in self._by_stage(state.present):
            key = (stage, week.year)
            self.history.expected[key] = self.history.expected.get(key, 0.0) + float(mean[here].sum())
        drawn = self.rng["leaving"].random(count, dtype=np.float32)
        which = self.rng["leaving"].random(count, dtype=np.float32)
        chance = np.minimum(mean * causes.noise(count, self.rng["noise"]), 0.95)
        who = np.flatnonzero(state.present & (drawn < chance))
        if not len(who):
            return
        last = days_of(week.last_days)
        end = last[(which[who] * len(last)).astype(np.intp)]
        state.present[who] = False
        self.left[who] = True
        leaving = np.zeros(count, dtype=bool)
        leaving[who] = True
        dynamics.leave(state, self.children, leaving)
        rng = self.rng["returns"]
        returns = (rng.random(len(who)) < _RETURNS) & (week.index + 2 < len(self.weeks))
        self.comes_back[who] = np.where(returns, week.index + rng.integers(*_RETURN_WEEKS, len(who)), -1)
        self.history.leavings.add(len(who), child=who, spell=self.spell[who], end=end, week=week.index,
                                  back_week=self.comes_back[who], grade=state.grade[who])  # fmt: skip
        self._close(who, "dropped_out", end=end)

    def _exits(self, week: Week) -> None:
        state, count = self.state, len(self.left)
        drawn = self.rng["exits"].random(count, dtype=np.float32)
        if not week.school_days:
            return
        kinds = np.array([*EXITS, ""])
        steps = np.cumsum(list(EXITS.values())) / WEEKS_PER_YEAR
        kind = np.searchsorted(steps, drawn, side="right")
        late_in_year = not week.autumn and week.number >= 17
        who = np.flatnonzero(state.present & (kind < len(EXITS)) & ~(late_in_year & (kind == 0)))
        moved = np.zeros(count, dtype=bool)
        moved[who[kind[who] == 0]] = True
        dynamics.move(state, self.children, moved, self.rng["exits"])
        suspended = who[kinds[kind[who]] == "suspended"]
        due = np.full(count, np.datetime64("NaT", "D"))
        back = self._next_term_week(week)
        if back is not None:
            due[suspended] = np.datetime64(back.term.start_date)
            overrun = self.rng["exits"].random(len(suspended)) < _OVERRUN
            self.comes_back[suspended] = back.index + np.where(overrun, 7, 0)
        reason = np.where(moved, "transferred", kinds[kind])
        self._close(who, reason[who], end=np.datetime64(week.school_days[-1]), expected_return=due[who],
                    to_school=np.where(moved, state.school, -1)[who])  # fmt: skip
        state.present[who] = False
        self.moving |= moved

    def _next_term_week(self, week: Week) -> Week | None:
        later = (other for other in self.weeks[week.index + 1 :] if other.number == 1)
        return next(later, None)

    def _absences(self, week: Week) -> None:
        happened = dynamics.step_absence(
            self.state,
            self.children,
            days=len(week.school_days),
            winter=week.winter,
            rng=self.rng["dynamics"],
        )
        if self.keep and week.school_days:
            told = self.state.present & ((happened.days > 0) | (happened.late > 0))
            who = np.flatnonzero(told)
            self.history.absences.add(
                len(who), child=who, spell=self.spell[who], school=self.state.school[who], week=week.index,
                days=happened.days[who], unexcused=happened.unexcused[who], late=happened.late[who],
            )  # fmt: skip

    def _exam(self, week: Week) -> None:
        exam = exam_of(week)
        if exam is None:
            return
        state = self.state
        sitting = state.present if exam != "monthly" else state.present & (state.grade >= dynamics.JUNIOR)
        sat = dynamics.step_marks(state, self.children, sitting, self.rng["dynamics"])
        if self.keep:
            who = np.flatnonzero(sitting)
            self.history.exams.add(
                len(who), child=who, school=state.school[who], grade=state.grade[who], week=week.index,
                mark=state.mark[who], sat=sat[who],
            )  # fmt: skip


def exam_of(week: Week) -> str | None:
    """Return the exam that is held on the last school day of the week, if any."""
    if len(week.school_days) < 2:
        return None
    return next((exam for exam, numbers in _EXAM_WEEKS.items() if week.number in numbers), None)
