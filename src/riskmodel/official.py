"""Official figures: rates of a place in a span of time, the counts they rest on, and the targets beside them.

Types only, and the interval of a rate: what the model wing counts and the people wing reports on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

Level = Literal["region", "county", "township", "school"]
LEVELS: tuple[Level, ...] = ("region", "county", "township", "school")
"""Places, each made of those of the next level. The region is everything that the records hold."""

SpanKind = Literal["year", "within_year", "term"]
By = Literal["all", "stage", "grade", "sex", "group", "reason"]

_Z = 1.959963984540054
"""The normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class IndicatorRule:
    """What a region's official figures rest on, from a day on: ages, boundaries of the year, thresholds.

    Attributes
    ----------
    version, valid_from, source
        Name of this dated rule; the first day of a span for which it holds; the regulation that it states.
    year_begins
        Month and day from which a term belongs to the next school year.
    counted_after_days
        Students are counted so many days after a term's start: once those expected back have come.
    age_on
        Month and day, in the year in which the school year begins, on which ages are told.
    primary_ages, junior_ages
        First and last age of the two age groups, in completed years.
    hide_below
        Counts of 1 to this less one are not shown to others.
    few_below
        A rate over fewer students rests on few: it is shown with its interval, and compared with nobody's.
    """

    version: str
    valid_from: date
    source: str
    year_begins: tuple[int, int] = (8, 15)
    counted_after_days: int = 30
    age_on: tuple[int, int] = (8, 31)
    primary_ages: tuple[int, int] = (6, 11)
    junior_ages: tuple[int, int] = (12, 14)
    hide_below: int = 5
    few_below: int = 100


@dataclass(frozen=True)
class Span:
    """From one day on which students are counted to another.

    Attributes
    ----------
    name
        A school year (`2025-2026`) or a term.
    kind
        `year`: to the count of the next school year; `within_year`: to the end of the year's last term;
        `term`: to the count of the next term.
    complete
        Whether the last day had come by the day of knowledge; else the span ends with that day.
    """

    name: str
    kind: SpanKind
    first_day: date
    last_day: date
    complete: bool


@dataclass(frozen=True)
class Place:
    """A place: what lies below its level is empty."""

    level: Level
    county: str = ""
    township: str = ""
    school_id: str = ""


@dataclass(frozen=True)
class Ratio:
    """A rate as the two counts that it is made of. It is never clipped."""

    numerator: int
    denominator: int

    @property
    def rate(self) -> float | None:
        """The rate; None where nobody stands below."""
        return self.numerator / self.denominator if self.denominator > 0 else None


@dataclass(frozen=True)
class OfficialFigure:
    """One rate of one place in one span, with the counts behind it.

    Attributes
    ----------
    formula, version
        Which named formula, and which version of it.
    by, stage, value
        The slice: `all` of the place; of a `stage`; and within it of a grade, a sex, a group or a reason
        (`value`). `stage` is empty where the slice holds all stages.
    numerator, denominator
        None where hidden.
    unaccounted, already_gone
        Students in no rate: of whom the records do not tell what became, and who had left before they were
        counted, which was recorded later. None where hidden.
    hidden
        Whether counts are withheld, because few people stand behind them or because another withheld count
        could be had by subtraction.
    """

    formula: str
    version: str
    span: Span
    place: Place
    by: By
    stage: str
    value: str
    numerator: int | None
    denominator: int | None
    unaccounted: int | None = None
    already_gone: int | None = None
    hidden: bool = False

    @property
    def rate(self) -> float | None:
        """The rate; None where it is hidden or nobody stands below."""
        if self.numerator is None or self.denominator is None:
            return None
        return Ratio(self.numerator, self.denominator).rate

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the rate; None where it is no share of its denominator (flows)."""
        if self.numerator is None or self.denominator is None:
            return None
        return wilson(self.numerator, self.denominator)


def wilson(numerator: int, denominator: int) -> tuple[float, float] | None:
    """Return Wilson's 95 % interval of a share.

    Source: E. B. Wilson (1927), Probable inference, JASA 22:209-212. None where the rate is no share: nobody
    stands below, or it lies outside 0 to 1.
    """
    if denominator <= 0 or not 0 <= numerator <= denominator:
        return None
    share, spread = numerator / denominator, _Z * _Z / denominator
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / denominator + spread / (4 * denominator)) / (1 + spread)
    low = 0.0 if numerator == 0 else middle - half
    high = 1.0 if numerator == denominator else middle + half
    return low, high


@dataclass(frozen=True)
class Target:
    """What a plan asks of a rate, from a day to a day.

    Attributes
    ----------
    name
        Its code; a region's own targets bring their words along (`texts`).
    formula
        The formula that it is held against.
    stage
        `primary`, `junior`, or empty for all.
    at_least, at_most
        One of the two is given: the share that must be reached, or not be passed.
    """

    name: str
    formula: str
    stage: str
    valid_from: date
    valid_to: date | None
    source: str
    at_least: Fraction | None = None
    at_most: Fraction | None = None
    texts: Mapping[str, str] | None = None

    def holds_on(self, day: date) -> bool:
        """Tell whether it is in force on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def distance(self, of: Ratio) -> int | None:
        """Return how far a rate is from the target, in students; None where nobody stands below.

        Positive or 0: met, and so many students may still go the wrong way. Negative: not met, and so many
        fewer leavers, or more students retained, would have met it.
        """
        if of.denominator <= 0:
            return None
        if self.at_most is not None:
            return math.floor(self.at_most * of.denominator) - of.numerator
        assert self.at_least is not None  # noqa: S101  one of the two is given
        return of.numerator - math.ceil(self.at_least * of.denominator)


@dataclass(frozen=True)
class AgainstTarget:
    """A figure beside what the plan asks. `distance` as `Target.distance`; None where hidden."""

    target: Target
    figure: OfficialFigure
    distance: int | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nobody can say."""
        return None if self.distance is None else self.distance >= 0


@dataclass(frozen=True)
class Fault:
    """Something wrong with the counts themselves.

    Attributes
    ----------
    code
        `school_missing`, `school_shrunk`, `school_withdrawn`, `merged`, `merged_still_counted`,
        `spell_twice`, `two_schools`, `same_child`, `term_twice`; the sentence is `indicators.faults.<code>`.
    day
        The day of the count.
    school_id, beside
        The school, and the other school (or the terms) that it is about; empty where there is none.
    students
        How many it is about.
    spans
        Names of the spans whose rates rest on that count.
    """

    code: str
    day: date
    school_id: str
    beside: str
    students: int
    spans: tuple[str, ...] = ()
