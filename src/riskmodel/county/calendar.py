"""Terms, weeks and school days of the fictional county.

A week is the contract's: week n of a term ends on `start_date` + 7n days, so that as-of dates given as
weeks of a term fall on the end of a simulated week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from riskmodel.domain import Term

AUTUMN_WEEKS, SPRING_WEEKS = 20, 19
WEEKS_PER_YEAR = AUTUMN_WEEKS + SPRING_WEEKS
DAY = timedelta(days=1)

_HOLIDAYS = (
    *(((10, day), "国庆节") for day in range(1, 8)),
    ((1, 1), "元旦"),
    *(((4, day), "清明节") for day in (4, 5)),
    *(((5, day), "劳动节") for day in (1, 2, 3)),
    ((11, 8), "虚构县秋收假"),
    ((6, 12), "虚构县庙会"),
)  # fmt: skip


@dataclass(frozen=True)
class SpecialDay:
    """A day that differs from Monday to Friday, in one school or (`school` None) in all."""

    day: date
    is_school_day: bool
    reason: str
    school: int | None = None


@dataclass(frozen=True)
class Week:
    """One simulated week.

    Attributes
    ----------
    index
        Running number over all years, from 0.
    year
        The year in which the school year begins.
    number
        Week of the term, from 1.
    last_days
        The days that can be the last one attended by a student who leaves in this week, all equally
        likely: the school days; the first day of the school year for one who never came; the last day of
        the autumn term for one who does not come back after New Year.
    """

    index: int
    year: int
    term: Term
    number: int
    end_date: date
    school_days: tuple[date, ...]
    last_days: tuple[date, ...]

    @property
    def autumn(self) -> bool:
        """Whether the week lies in the autumn term."""
        return self.term.term.endswith("-1")

    @property
    def opens_year(self) -> bool:
        """Whether this is the first week of a school year."""
        return self.autumn and self.number == 1

    @property
    def closes_autumn(self) -> bool:
        """Whether New Year follows this week."""
        return self.autumn and self.number == AUTUMN_WEEKS

    @property
    def winter(self) -> bool:
        """Whether the way to school is a winter one (December to February)."""
        return self.end_date.month in (12, 1, 2)


def terms_of(year: int) -> tuple[Term, Term]:
    """Return the autumn and the spring term of the school year that begins in `year`."""
    autumn = _on_weekday(date(year, 9, 1))
    spring = _monday_from(date(year + 1, 2, 24))
    return (
        Term(f"{year}-{year + 1}-1", autumn, _friday_until(autumn + 7 * AUTUMN_WEEKS * DAY)),
        Term(f"{year}-{year + 1}-2", spring, _friday_until(spring + 7 * SPRING_WEEKS * DAY)),
    )


def special_days(terms: list[Term]) -> list[SpecialDay]:
    """Return holidays that fall on weekdays, and the Saturdays on which National Day is made up for."""
    days: list[SpecialDay] = []
    for term in terms:
        for (month, day), reason in _HOLIDAYS:
            for year in {term.start_date.year, term.end_date.year}:
                free = date(year, month, day)
                if term.start_date < free < term.end_date and free.weekday() < 5:
                    days.append(SpecialDay(free, False, reason))
        if term.term.endswith("-1"):
            year = term.start_date.year
            before = date(year, 9, 30)
            while before.weekday() != 5:
                before -= DAY
            after = date(year, 10, 8)
            while after.weekday() != 5:
                after += DAY
            days += [SpecialDay(day, True, "国庆节调休上课") for day in (before, after)]
    return sorted(days, key=lambda special: special.day)


def weeks_of(years: range) -> list[Week]:
    """Return all weeks of the school years that begin in `years`, in order."""
    weeks: list[Week] = []
    for year in years:
        for term in terms_of(year):
            differs = {special.day: special.is_school_day for special in special_days([term])}
            count = AUTUMN_WEEKS if term.term.endswith("-1") else SPRING_WEEKS
            for number in range(1, count + 1):
                weeks.append(_week(len(weeks), year, term, number, differs))
    return weeks


def _week(index: int, year: int, term: Term, number: int, differs: dict[date, bool]) -> Week:
    first = term.start_date if number == 1 else term.start_date + (7 * (number - 1) + 1) * DAY
    end = term.start_date + 7 * number * DAY
    span = [first + i * DAY for i in range((end - first).days + 1)]
    days = tuple(day for day in span if day <= term.end_date and differs.get(day, day.weekday() < 5))
    last = days
    if term.term.endswith("-1"):
        last = {1: (term.start_date,), AUTUMN_WEEKS: (term.end_date,)}.get(number, days)
    return Week(index, year, term, number, end, days, last)


def _on_weekday(day: date) -> date:
    return day if day.weekday() < 5 else _monday_from(day)


def _monday_from(day: date) -> date:
    return day + ((7 - day.weekday()) % 7) * DAY


def _friday_until(day: date) -> date:
    return day - ((day.weekday() - 4) % 7) * DAY
