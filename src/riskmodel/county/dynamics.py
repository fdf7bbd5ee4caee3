"""How the recorded state of the children moves from week to week.

The world and its truth step through the same functions, so that the truth's futures are futures of this
world. All that moves is in `State`, and all of it is told by the records.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.calendar import Week
from riskmodel.county.causes import Array, Measures
from riskmodel.county.children import Children

FAST, SLOW = np.float32(1 / 2.5), np.float32(1 / 8)
"""Weights of the newest week in the two shares of absence."""
_AWAY_FADES, _SIBLING_FADES, _MOVE_FADES = np.exp([-1 / 12, -1 / 52, -1 / 20]).astype(np.float32)
_SUMMER_MOVES, _REPEATS = 0.008, 0.006
_AWAY_START = (0.62, 0.23, 0.15)
JUNIOR = 7


@dataclass
class State:
    """The recorded state at the end of a week: arrays by child, and by household where said `h_`."""

    present: NDArray[np.bool_]
    grade: NDArray[np.int16]
    school: NDArray[np.intp]
    boards: NDArray[np.bool_]
    km: Array
    fast: Array
    slow: Array
    unexcused: Array
    mark: Array
    level: Array
    missed: NDArray[np.bool_]
    aid: NDArray[np.bool_]
    aid_before: NDArray[np.bool_]
    moved: Array
    returned: NDArray[np.bool_]
    own_left: Array
    h_away: NDArray[np.int16]
    h_just_left: Array
    h_left: Array

    def copy(self) -> State:
        """Return a state that can move on by itself."""
        return State(*(getattr(self, field.name).copy() for field in fields(self)))

    def take(self, who: NDArray[np.intp]) -> State:
        """Return the state of some of the children; households stay."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return State(**{name: v.copy() if name.startswith("h_") else v[who] for name, v in own.items()})


@dataclass(frozen=True)
class Absences:
    """A week's absences by child, in days."""

    days: Array
    unexcused: Array
    late: NDArray[np.int16]


def first_state(children: Children, first_year: int, rng: np.random.Generator) -> State:
    """Return the state before the first week, absence and families having settled."""
    count, houses = len(children.entry_year), len(children.h_km)
    mark = rng.normal(_expected_mark(children), 0.9).astype(np.float32)
    zero = np.zeros(count, dtype=np.float32)
    no = np.zeros(count, dtype=bool)
    grade = np.clip(first_year - children.entry_year + 1, 1, 9).astype(np.int16)
    places = children.places
    junior = (grade >= JUNIOR) & (places.stage[children.primary_school] == "primary")
    school = np.where(junior, places.junior_of[children.primary_school], children.primary_school)
    aid = children.poor & (rng.random(count) < 0.75)
    state = State(
        present=no.copy(), grade=grade, school=school, boards=no.copy(), km=_way(children, junior),
        fast=zero + 0.02, slow=zero + 0.02, unexcused=zero + 0.003, mark=mark, level=mark.copy(),
        missed=no.copy(), aid=aid, aid_before=aid.copy(), moved=zero.copy(), returned=no.copy(),
        own_left=zero.copy(), h_away=rng.choice(3, p=_AWAY_START, size=houses).astype(np.int16),
        h_just_left=np.zeros(houses, dtype=np.float32), h_left=np.zeros(houses, dtype=np.float32),
    )  # fmt: skip
    state.boards = _boards(state, places.kind[school] == "boarding", rng)
    for _ in range(30):
        step_family(state, rng, tide=1.0)
        step_absence(state, children, days=5, winter=False, rng=rng)
    return state


def measures(state: State, children: Children, week: Week) -> Measures:
    """Return the causes of the week."""
    h = children.household
    poor = children.poor
    over_age = np.clip(week.year - state.grade + 1 - children.due_year, 0, 2)
    return Measures(
        grade=state.grade, slow=state.slow, fast=state.fast, unexcused=state.unexcused, mark=state.mark,
        fall=state.level - state.mark, missed=state.missed, away=state.h_away[h],
        just_left=state.h_just_left[h], poor=poor, lapsed=poor & state.aid_before & ~state.aid,
        way=np.where(state.boards, np.float32(0), np.log1p(state.km)), over_age=over_age,
        sibling_left=np.clip(state.h_left[h] - state.own_left, 0, 1), moved=state.moved,
        returned=state.returned, place=children.places.effect[state.school],
    )  # fmt: skip


def open_year(state: State, children: Children, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Move everyone in class into the next grade and school; return who changed school on the way.

    Graduates of grade 9 are not in class any more. A few repeat their grade, a few move.
    """
    count = len(state.grade)
    here = state.present
    repeats = (
        here & (state.grade < 9) & (rng.random(count, dtype=np.float32) < _REPEATS * (state.mark < 0) * 2)
    )
    up = here & ~repeats
    state.present &= ~(up & (state.grade == 9))
    up &= state.present
    state.grade[up] += 1
    places = children.places
    junior = up & (state.grade == JUNIOR) & (places.stage[state.school] == "primary")
    moves: NDArray[np.bool_] = state.present & ~junior & (rng.random(count, dtype=np.float32) < _SUMMER_MOVES)
    state.school[junior] = places.junior_of[state.school[junior]]
    move(state, children, moves, rng)
    state.km = np.where(junior, _way(children, junior), state.km)
    drawn = _boards(state, places.kind[state.school] == "boarding", rng)
    state.boards = np.where(junior | moves, drawn, state.boards)
    state.fast *= np.float32(0.5)
    state.slow *= np.float32(0.6)
    state.unexcused *= np.float32(0.5)
    return moves


def move(state: State, children: Children, who: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Move students to another school of their stage, drawn by size."""
    places = children.places
    drawn = rng.random(len(who), dtype=np.float32)
    for grades, weight in (
        (state.grade < JUNIOR, places.weight),
        (state.grade >= JUNIOR, np.bincount(places.junior_of, minlength=len(places.stage)) * 1.0),
    ):
        movers = np.flatnonzero(who & grades)
        steps = np.cumsum(weight) / weight.sum()
        target = np.searchsorted(steps, drawn[movers])
        other = np.flatnonzero(weight > 0)
        same = target == state.school[movers]
        target[same] = other[(np.searchsorted(other, target[same]) + 1) % len(other)]
        state.school[movers] = target
    state.moved[who] = 1


def open_term(state: State, children: Children, rng: np.random.Generator) -> None:
    """Grant, renew or let lapse the living-cost subsidy of the term."""
    drawn = rng.random(len(state.aid), dtype=np.float32)
    state.aid_before = state.aid
    state.aid = children.poor & (drawn < np.where(state.aid_before, np.float32(0.90), np.float32(0.45)))


def step_family(state: State, rng: np.random.Generator, *, tide: float) -> NDArray[np.bool_]:
    """Let parents leave and come back; return the households where something changed."""
    drawn = rng.random(len(state.h_away), dtype=np.float32)
    leave: NDArray[np.bool_] = drawn < np.array([0.0022, 0.0035, 0.0], dtype=np.float32)[
        state.h_away
    ] * np.float32(tide)
    back = drawn > 1 - np.array([0.0, 0.006, 0.008], dtype=np.float32)[state.h_away]
    both = leave & (state.h_away == 0) & (drawn < np.float32(0.0007 * tide))
    state.h_just_left *= _AWAY_FADES
    state.h_just_left[leave] = 1
    state.h_just_left[back] = 0
    state.h_away = (state.h_away + leave + both - back).astype(np.int16)
    return leave | back


def family_tide(week: Week) -> float:
    """Return how much more often parents leave in this week: after New Year, and in September."""
    if not week.autumn and week.number <= 4:
        return 4.0
    return 1.5 if week.autumn and week.number <= 3 else 0.7


def step_absence(
    state: State, children: Children, *, days: int, winter: bool, rng: np.random.Generator
) -> Absences:
    """Draw a week's absences from the recorded state, and remember them in it."""
    count = len(state.fast)
    h = children.household
    expected = 0.0045 + 0.38 * state.fast + 0.44 * state.slow
    expected += 0.004 * np.clip(-state.mark, 0, 2.5) + 0.006 * np.clip(state.level - state.mark, 0, 2.5)
    expected += 0.030 * state.h_just_left[h] + 0.022 * (children.poor & state.aid_before & ~state.aid)
    expected += (0.0015 + 0.0015 * winter) * np.where(state.boards, 0, np.log1p(state.km))
    expected = np.minimum(expected, 0.75).astype(np.float32)
    burst = rng.standard_exponential(count, dtype=np.float32)
    amount = expected * days * burst * burst / 2
    half = rng.random(count, dtype=np.float32)
    absent = np.minimum(np.floor(amount + half), days).astype(np.float32)
    absent[(absent == 1) & (half > 0.93)] = 0.5
    wild = rng.random(count, dtype=np.float32)
    share = np.minimum(0.08 + 1.6 * state.slow + 1.0 * state.unexcused, 0.9)
    unexcused = np.minimum(np.floor(absent * share + wild), absent).astype(np.float32)
    late = (rng.random(count, dtype=np.float32) < 0.012 + 0.15 * state.fast).astype(np.int16)
    if days:
        state.fast += FAST * (absent / np.float32(days) - state.fast)
        state.slow += SLOW * (absent / np.float32(days) - state.slow)
        state.unexcused += SLOW * (unexcused / np.float32(days) - state.unexcused)
        state.moved *= _MOVE_FADES
        state.h_left *= _SIBLING_FADES
        state.own_left *= _SIBLING_FADES
    return Absences(absent, unexcused, late)


def step_marks(
    state: State, children: Children, sitting: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hold an exam for those it is for; return who sat it."""
    count = len(state.mark)
    missed = sitting & (rng.random(count, dtype=np.float32) < np.minimum(0.004 + 0.6 * state.fast, 0.6))
    sat: NDArray[np.bool_] = sitting & ~missed
    drift = (
        0.12 * _expected_mark(children)
        - 1.6 * (state.slow - 0.03)
        - 0.25 * state.h_just_left[children.household]
    )
    new = 0.88 * state.mark + drift + 0.42 * rng.standard_normal(count, dtype=np.float32)
    level = state.level + np.float32(0.35) * (state.mark - state.level)
    state.level = np.where(sat, level, state.level).astype(np.float32)
    state.mark = np.where(sat, np.clip(new, -3.2, 2.6), state.mark).astype(np.float32)
    state.missed = np.where(sitting, missed, state.missed)
    return sat


def leave(state: State, children: Children, who: NDArray[np.bool_]) -> None:
    """Remember in the household that a child left."""
    state.own_left[who] += 1
    np.add.at(state.h_left, children.household[who], 1)


def _expected_mark(children: Children) -> Array:
    years = children.h_schooling[children.household]
    return (0.16 * (years - 8.5) - 0.15 * children.poor).astype(np.float32)


def _way(children: Children, junior: NDArray[np.bool_]) -> Array:
    km = children.h_km[children.household]
    gap = children.places.gap_km[children.primary_school]
    return np.round(np.where(junior, 0.7 * km + gap, km), 1).astype(np.float32)


def _boards(state: State, boarding: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    drawn = rng.random(len(state.km), dtype=np.float32)
    chance = 1 / (1 + np.exp((5 - state.km) / 1.2))
    chance *= np.where(state.grade >= JUNIOR, np.where(boarding, 0.95, 0.6), 0.15)
    return np.asarray(drawn < chance, dtype=bool)
