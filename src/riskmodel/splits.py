"""Splits that a forecast could have had: forward in time, with an embargo, and by school.

A model that predicts for a date may learn only from dates whose outcomes were known on that date: the
horizon and the outcome delay had passed (the embargo). Within training, schools are held out whole, and
no student and no household stands on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import AsOf, Term
from riskmodel.errors import NotEnoughData, Where

Rows = NDArray[np.intp]
"""Positions of rows, ascending."""
Ids = NDArray[np.str_] | NDArray[np.int32]
"""Whose each row is: texts, or places among the sorted texts."""
Delay = int | Callable[[AsOf], int]
"""Days after a horizon that records take to tell what happened; or those of each date's own rule."""


def delay_of(outcome_delay_days: Delay, as_of: AsOf) -> timedelta:
    """Return the delay that holds for an as-of date."""
    own = outcome_delay_days if isinstance(outcome_delay_days, int) else outcome_delay_days(as_of)
    return timedelta(days=own)


def resolve(
    terms: Sequence[Term], *, weeks: Sequence[int], dates: Sequence[date], horizon_days: int | None
) -> tuple[AsOf, ...]:
    """Return the as-of dates that a configuration asks for, by date and term, each once.

    Parameters
    ----------
    terms
        All terms that are known; they may overlap.
    weeks
        Weeks of every term. Week n ends on `start_date` + 7n days; one that ends after its term is left
        out.
    dates
        Days. Each belongs to the term that holds it (of several the one begun last), else to the last
        one begun before it; a day before all terms is left out.
    horizon_days
        Days after the as-of date in which leaving counts. None: to the end of the term, and for a day in
        a break to the end of the next one; a date with no day of it left is left out.
    """
    in_order = sorted(terms, key=lambda term: (term.start_date, term.term))
    found = [
        AsOf(day, end, term.term)
        for day, term in [*_ends_of_weeks(in_order, weeks), *_with_their_terms(in_order, dates)]
        if (end := _horizon_end(in_order, term, day, horizon_days)) is not None
    ]
    return tuple(sorted(set(found), key=lambda as_of: (as_of.as_of_date, as_of.term)))


def training_dates(
    candidates: Sequence[AsOf], *, predicted: date, outcome_delay_days: Delay, complete_to: date
) -> tuple[AsOf, ...]:
    """Return the candidates whose outcomes were known on the as-of date that is predicted.

    Known: the last day of the horizon and `outcome_delay_days` after it lie on or before `predicted`,
    and on or before the last complete date of the data.
    """
    return _known(candidates, outcome_delay_days=outcome_delay_days, known_to=min(predicted, complete_to))


def test_dates(
    candidates: Sequence[AsOf], *, outcome_delay_days: Delay, complete_to: date
) -> tuple[AsOf, ...]:
    """Return the candidates of the latest term that have outcomes known at the end of the data.

    Candidates of that term whose outcomes are not known yet are left out. Empty where no outcome of any
    term is known.
    """
    known = _known(candidates, outcome_delay_days=outcome_delay_days, known_to=complete_to)
    latest = max(known, key=lambda as_of: (as_of.as_of_date, as_of.term), default=None)
    return tuple(as_of for as_of in known if latest is not None and as_of.term == latest.term)


def last_of_earlier_term(candidates: Sequence[AsOf], test: Sequence[AsOf]) -> AsOf | None:
    """Return the latest candidate before all test dates that is of none of their terms: last term's list."""
    first = min((as_of.as_of_date for as_of in test), default=date.min)
    terms = {as_of.term for as_of in test}
    earlier = (as_of for as_of in candidates if as_of.as_of_date < first and as_of.term not in terms)
    return max(earlier, key=lambda as_of: (as_of.as_of_date, as_of.term), default=None)


def check_reach(as_of: AsOf, *, complete_to: date, outcome_delay_days: int) -> None:
    """Refuse an as-of date whose outcomes the data cannot know yet.

    Raises
    ------
    NotEnoughData
        If the horizon and the outcome delay end after the last complete date of the data.
    """
    known_on = as_of.horizon_end + timedelta(days=outcome_delay_days)
    if known_on > complete_to:
        raise NotEnoughData(
            "horizon_past_data",
            Where(key=as_of.as_of_date.isoformat()),
            horizon_end=as_of.horizon_end,
            outcome_delay_days=outcome_delay_days,
            known_on=known_on,
            complete_to=complete_to,
        )


def check_known(as_of: AsOf, *, complete_to: date) -> None:
    """Refuse an as-of date up to which the data do not tell everything.

    Raises
    ------
    NotEnoughData
        If the as-of date lies after the last complete date of the data.
    """
    if as_of.as_of_date > complete_to:
        raise NotEnoughData(
            "as_of_date_past_data", Where(key=as_of.as_of_date.isoformat()), complete_to=complete_to
        )


def running_dates(
    candidates: Sequence[AsOf], *, predicted: date, outcome_delay_days: Delay, complete_to: date
) -> tuple[AsOf, ...]:
    """Return the candidates whose horizon was still running on the date that is predicted; see `observed`."""
    known_to = min(predicted, complete_to)
    return tuple(
        as_of
        for as_of in candidates
        if as_of.as_of_date < known_to - delay_of(outcome_delay_days, as_of) < as_of.horizon_end
    )


def observed(
    running: Sequence[AsOf], *, predicted: date, outcome_delay_days: Delay, complete_to: date
) -> tuple[AsOf, ...]:
    """End running horizons on the last day of which everything was known on the date that is predicted.

    That is `outcome_delay_days` before `predicted`, or before the last complete date of the data. Who had
    left by then left; who had not, had stayed so long, which is something.
    """
    known_to = min(predicted, complete_to)
    return tuple(
        replace(as_of, horizon_end=known_to - delay_of(outcome_delay_days, as_of)) for as_of in running
    )


def forward_folds(
    rows: NDArray[np.datetime64], dates: Sequence[AsOf], *, outcome_delay_days: Delay
) -> list[tuple[Rows, Rows]]:
    """Hold out each term in turn: (rows of dates whose outcomes were known before it, rows of the term).

    Parameters
    ----------
    rows
        As-of date of each row.
    dates
        The as-of dates that the rows are of.

    Returns
    -------
    Oldest first; a term before which nothing was known is not held out.
    """
    folds = []
    for term in dict.fromkeys(as_of.term for as_of in sorted(dates, key=lambda as_of: as_of.as_of_date)):
        held = [as_of.as_of_date for as_of in dates if as_of.term == term]
        earlier = _known(dates, outcome_delay_days=outcome_delay_days, known_to=min(held))
        if earlier:
            learn = [as_of.as_of_date for as_of in earlier]
            folds.append((np.flatnonzero(_is_of(rows, learn)), np.flatnonzero(_is_of(rows, held))))
    return folds


def _is_of(rows: NDArray[np.datetime64], days: Sequence[date]) -> NDArray[np.bool_]:
    return np.isin(rows.astype("datetime64[D]"), np.array(days, dtype="datetime64[D]"))


def school_folds(schools: Ids, households: Ids, students: Ids, *, folds: int = 5) -> list[tuple[Rows, Rows]]:
    """Deal whole schools into folds of like size: (training rows, held-out rows) for each.

    Every row is held out once. A row of another school whose student or household also stands in the
    held-out fold is on neither side. The same rows give the same folds, in any order of rows.

    Parameters
    ----------
    schools, households, students
        Ids, or their places in sorted order, one per row.
    folds
        How many; with fewer schools there is one fold for each.

    Raises
    ------
    NotEnoughData
        If there are fewer than two schools, or a fold would leave nobody to learn from.
    """
    names, school_of_row, sizes = np.unique(schools, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise NotEnoughData("one_school_cannot_be_held_out", schools=len(names))
    fold_of_row = _deal(sizes, folds=min(folds, len(names)))[school_of_row]
    split = []
    for fold in range(min(folds, len(names))):
        held_out = fold_of_row == fold
        related = np.isin(students, students[held_out]) | np.isin(households, households[held_out])
        split.append((np.flatnonzero(~held_out & ~related), np.flatnonzero(held_out)))
    if any(len(learn) == 0 for learn, _ in split):
        raise NotEnoughData("schools_share_all_households")
    return split


def _deal(sizes: NDArray[np.intp], *, folds: int) -> Rows:
    """Give each school, the largest first, to the fold with the fewest rows so far."""
    rows_in_fold = np.zeros(folds, dtype=np.intp)
    fold_of_school = np.empty(len(sizes), dtype=np.intp)
    for school in np.argsort(-sizes, kind="stable"):
        fold_of_school[school] = fold = int(np.argmin(rows_in_fold))
        rows_in_fold[fold] += sizes[school]
    return fold_of_school


def _known(candidates: Sequence[AsOf], *, outcome_delay_days: Delay, known_to: date) -> tuple[AsOf, ...]:
    return tuple(
        as_of for as_of in candidates if as_of.horizon_end + delay_of(outcome_delay_days, as_of) <= known_to
    )


def _ends_of_weeks(terms: Sequence[Term], weeks: Sequence[int]) -> Iterator[tuple[date, Term]]:
    for term in terms:
        for week in weeks:
            day = term.start_date + timedelta(days=7 * week)
            if day <= term.end_date:
                yield day, term


def _with_their_terms(terms: Sequence[Term], dates: Sequence[date]) -> Iterator[tuple[date, Term]]:
    for day in dates:
        begun = [term for term in terms if term.start_date <= day]
        holding = [term for term in begun if day <= term.end_date]
        if begun:
            yield day, (holding or begun)[-1]


def _horizon_end(terms: Sequence[Term], term: Term, day: date, horizon_days: int | None) -> date | None:
    if horizon_days is not None:
        return day + timedelta(days=horizon_days)
    if day > term.end_date:
        return next((later.end_date for later in terms if later.start_date > day), None)
    return term.end_date if day < term.end_date else None
