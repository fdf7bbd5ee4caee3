"""Why children of the fictional county leave: the written-down weekly hazard.

    hazard(student, week) = exp(intercept[stage] + sum of causes) * (school days of the week / 5) * noise

`noise` is lognormal with mean one, drawn anew for every student and week, and no record shows it. Every
other cause is a function of what the records tell (attendance, marks, family, subsidies, enrolments,
schools), so that the probability with the noise averaged out is the best that records allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.calendar import Week
from riskmodel.domain import Stage

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Coefficients:
    """Log-hazard per unit of each cause; `WHAT` says what the unit is."""

    absence: float = 1.05
    absence_rise: float = 4.00
    unexcused: float = 0.50
    marks_low: float = 0.55
    marks_fall: float = 0.85
    missed_exam: float = 0.60
    absence_and_marks_fall: float = 0.45
    one_parent_away: float = 0.25
    both_parents_away: float = 0.55
    parents_just_left: float = 1.40
    hardship: float = 0.25
    subsidy_lapsed: float = 1.30
    distance: float = 0.35
    distance_in_winter: float = 0.20
    over_age: float = 0.70
    sibling_left: float = 1.40
    moved: float = 0.50
    returned: float = 1.00
    grade_8: float = 0.35
    grade_9: float = 0.45
    upper_primary: float = 0.40
    new_school_year: float = 1.10
    first_junior_year: float = 1.00
    after_new_year: float = 1.40
    noise_sd: float = 1.10


COEFFICIENTS = Coefficients()

WHAT: Mapping[str, str] = {
    "absence": "log1p(S / 0.03); S: share of school days absent, fading over 8 school weeks",
    "absence_rise": "F - S where positive (at most 0.5); F: the same share, fading over 2.5 school weeks",
    "unexcused": "log1p(U / 0.01); U: share of school days absent unexcused, fading over 8 school weeks",
    "marks_low": "-(mean mark against the class, in standard deviations), within -2 and 2.5",
    "marks_fall": "fall of that mark below its own level of earlier exams, where positive (at most 2.5)",
    "missed_exam": "the last exam was missed",
    "absence_and_marks_fall": "interaction: log1p(S / 0.03) times the fall",
    "one_parent_away": "one parent works away",
    "both_parents_away": "both parents work away",
    "parents_just_left": "a parent left; 1 in that week, fading over 12 weeks",
    "hardship": "household of hardship",
    "subsidy_lapsed": "hardship, living-cost subsidy in the term before and none in this one (interaction)",
    "distance": "log1p(km) where the student does not board",
    "distance_in_winter": "interaction: the same from December to February",
    "over_age": "years above the age of the grade (at most 2)",
    "sibling_left": "a sibling left; 1 in that week, fading over 52 school weeks",
    "moved": "changed school; 1 in that week, fading over 20 school weeks",
    "returned": "left before and came back",
    "grade_8": "grade 8",
    "grade_9": "grade 9",
    "upper_primary": "grades 5 and 6",
    "new_school_year": "first week of a school year (never came)",
    "first_junior_year": "the same, into grade 7: added to it",
    "after_new_year": "last week of the autumn term (does not come back after New Year)",
    "noise_sd": "standard deviation of the log of the noise that no record shows",
}


@dataclass(frozen=True)
class Measures:
    """The causes of one week, by student, as `WHAT` describes them."""

    grade: NDArray[np.int16]
    slow: Array
    fast: Array
    unexcused: Array
    mark: Array
    fall: Array
    missed: NDArray[np.bool_]
    away: NDArray[np.int16]
    just_left: Array
    poor: NDArray[np.bool_]
    lapsed: NDArray[np.bool_]
    way: Array
    over_age: NDArray[np.int16]
    sibling_left: Array
    moved: Array
    returned: NDArray[np.bool_]
    place: Array


def log_hazard(measures: Measures, week: Week, c: Coefficients = COEFFICIENTS) -> Array:
    """Return the sum of causes, without the intercept of the stage and without noise."""
    m = measures
    absence = np.log1p(m.slow * np.float32(1 / 0.03))
    fall = np.clip(m.fall, 0, 2.5)
    x: Array = m.place + c.absence * absence
    x += c.absence_rise * np.clip(m.fast - m.slow, 0, 0.5)
    x += c.unexcused * np.log1p(m.unexcused * np.float32(100))
    x -= c.marks_low * np.clip(m.mark, -2.5, 2)
    x += (c.marks_fall + c.absence_and_marks_fall * absence) * fall
    x += np.array([0, c.one_parent_away, c.both_parents_away], dtype=np.float32)[m.away]
    x += c.parents_just_left * m.just_left + c.sibling_left * m.sibling_left + c.moved * m.moved
    x += c.missed_exam * m.missed + c.hardship * m.poor + c.subsidy_lapsed * m.lapsed
    x += (c.distance + c.distance_in_winter * week.winter) * m.way
    x += c.over_age * m.over_age + c.returned * m.returned
    by_grade = np.zeros(10, dtype=np.float32)
    by_grade[[5, 6]] = c.upper_primary
    by_grade[[8, 9]] = c.grade_8, c.grade_9
    if week.opens_year:
        by_grade += c.new_school_year
        by_grade[7] += c.first_junior_year
    if week.closes_autumn:
        by_grade += c.after_new_year
    x += by_grade[m.grade]
    return x


def hazard(measures: Measures, week: Week, intercepts: Mapping[Stage, float]) -> Array:
    """Return the chance to leave in the week of a student in class, noise averaged out."""
    base = np.where(measures.grade >= 7, intercepts[Stage.JUNIOR], intercepts[Stage.PRIMARY])
    x = log_hazard(measures, week) + base.astype(np.float32)
    return np.minimum(np.exp(x) * np.float32(len(week.school_days) / 5), np.float32(0.5))


def noise(count: int, rng: np.random.Generator, c: Coefficients = COEFFICIENTS) -> Array:
    """Draw a week's noise: lognormal, mean one."""
    sd = np.float32(c.noise_sd)
    drawn: Array = np.exp(sd * rng.standard_normal(count, dtype=np.float32) - sd * sd / 2)
    return drawn


def written_down(intercepts: Mapping[Stage, float]) -> dict[str, object]:
    """Return formula, intercepts and coefficients, for the folder of truths."""
    return {
        "hazard": "exp(intercept + sum of coefficient * measure) * school_days / 5 * noise, a week",
        "noise": "lognormal, mean one, new for every student and week; no record shows it",
        "intercepts": {stage.value: round(value, 4) for stage, value in intercepts.items()},
        "causes": {
            name: {"coefficient": value, "measure": WHAT[name]}
            for name, value in asdict(COEFFICIENTS).items()
        },
        "places": "normal differences of schools and townships (places.py: 0.25 and 0.15)",
    }
