"""School years and terms as spans from one count of students to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from riskmodel.domain import Term
from riskmodel.official import IndicatorRule, Span, SpanKind


def spans_of(
    terms: Sequence[Term], as_of_date: date, rule_on: Callable[[date], IndicatorRule]
) -> tuple[Span, ...]:
    """Return every span whose first count had come by a day, oldest first.

    A span that had not ended by then ends with the day, and is not complete.

    Parameters
    ----------
    rule_on
        The region's rule that holds on a day.
    """
    ordered = sorted(terms, key=lambda term: term.start_date)
    counted = [(term, _count_day(term, rule_on)) for term in ordered]
    spans = []
    for (term, first), after in zip(counted, [*counted[1:], None], strict=True):
        if first <= as_of_date:
            spans.append(_span(term.term, "term", first, after[1] if after else None, as_of_date))
    years: dict[int, list[tuple[Term, date]]] = {}
    for term, first in counted:
        years.setdefault(_year_of(term, rule_on(term.start_date)), []).append((term, first))
    for year, of_year in sorted(years.items()):
        name, first = f"{year}-{year + 1}", of_year[0][1]
        if first <= as_of_date:
            following = years.get(year + 1)
            spans.append(_span(name, "year", first, following[0][1] if following else None, as_of_date))
            last = max(term.end_date for term, _ in of_year)
            # A year of which only the autumn term is known yet has not ended with that term.
            ends = last if len(of_year) > 1 or following else None
            spans.append(_span(name, "within_year", first, ends, as_of_date))
    return tuple(sorted(spans, key=lambda span: (span.first_day, span.kind, span.name)))


def _count_day(term: Term, rule_on: Callable[[date], IndicatorRule]) -> date:
    return term.start_date + timedelta(days=rule_on(term.start_date).counted_after_days)


def _year_of(term: Term, rule: IndicatorRule) -> int:
    """Return the calendar year in which the term's school year begins."""
    begun = (term.start_date.month, term.start_date.day) >= rule.year_begins
    return term.start_date.year if begun else term.start_date.year - 1


def _span(name: str, kind: SpanKind, first: date, last: date | None, as_of_date: date) -> Span:
    complete = last is not None and last <= as_of_date
    ends = last if last is not None and complete else as_of_date
    return Span(name, kind, first, max(first, ends), complete)
