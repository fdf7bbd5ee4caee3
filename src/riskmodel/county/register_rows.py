"""What the bureau's register tells: schools, terms, calendar, students, enrolments, population."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.calendar import SpecialDay, Week, special_days
from riskmodel.county.children import GRADES, HARDSHIPS, Children
from riskmodel.county.lateness import days_after, exits_recorded, lognormal_days
from riskmodel.county.people import SURNAMES
from riskmodel.county.places import Places
from riskmodel.county.simulation import Columns, History, days_of
from riskmodel.county.writing import Coded, Rows

_CLASS_SIZE = 45
_TEMPORARY = 0.004
_MISTYPED = 0.06
"""Share of the rows of the household register without a roll number in which the pen slipped."""
_RARE = np.array(list("䶮㛃堃犇淼"))
_IN_RELIEF = ("monitored", "lifted_out")

ELSEWHERE = "x900-01"
"""A school outside the county, of which no table tells."""


def school_rows(places: Places) -> Rows:
    """Return the rows of `schools`."""
    count = len(places.stage)
    return {
        "school_id": places.school_ids(),
        "name": places.school_names(),
        "county": np.full(count, places.county_name),
        "township": places.township_names(),
        "stage": places.stage,
        "kind": places.kind,
    }


def term_rows(weeks: list[Week]) -> Rows:
    """Return the rows of `terms`."""
    terms = {week.term.term: week.term for week in weeks}.values()
    return {
        "term": np.array([term.term for term in terms]),
        "start_date": days_of(term.start_date for term in terms),
        "end_date": days_of(term.end_date for term in terms),
    }


def calendar_rows(weeks: list[Week]) -> Rows:
    """Return the days of `calendar` that hold for all schools."""
    return _special(special_days(list({week.term.term: week.term for week in weeks}.values())), None)


def local_rows(places: Places, local: list[SpecialDay]) -> Rows:
    """Return the days of `calendar` that hold for one school."""
    return _special(local, places.school_ids())


def _special(days: list[SpecialDay], school_ids: NDArray[np.str_] | None) -> Rows:
    schools = np.array([-1 if day.school is None else day.school for day in days])
    return {
        "date": days_of(day.day for day in days),
        "school_id": Coded(schools, np.array([""]) if school_ids is None else school_ids),
        "is_school_day": np.array([day.is_school_day for day in days]),
        "reason": np.array([day.reason for day in days]),
    }


def student_rows(children: Children, spells: Columns, rng: np.random.Generator) -> Rows:
    """Return `students`; a few were first known under a temporary number and get a second statement."""
    first = np.full(len(children.entry_year), np.datetime64("2200-01-01", "D"))
    np.minimum.at(first, spells["child"], spells["start"])
    known = np.flatnonzero(first < np.datetime64("2200-01-01"))
    temporary = known[rng.random(len(known)) < _TEMPORARY]
    body = np.char.add(
        "L", np.array([number[:14] for number in children.roll_number[temporary]], dtype="<U14")
    )
    tail = [str(number).zfill(4) for number in rng.integers(0, 10_000, len(temporary))]
    interim = np.char.add(body, np.array(tail, dtype="<U4"))
    numbers = np.char.add("G", children.roll_number)
    child = np.r_[known, temporary]
    roll = np.r_[numbers[known], numbers[temporary]]
    roll[np.isin(known, temporary).nonzero()[0]] = interim
    later = first[temporary] + rng.integers(30, 200, len(temporary))
    return {
        "student_id": children.student_id[child],
        "roll_number": roll,
        "name": children.name[child],
        "sex": np.where(children.male[child], "M", "F"),
        "birth_date": children.born[child],
        "ethnicity": children.ethnicity[child],
        "household": np.where(children.h_rural[children.household[child]], "rural", "urban"),
        "household_id": household_ids(children)[children.household[child]],
        "recorded_on": np.r_[first[known], later],
    }


def household_ids(children: Children) -> NDArray[np.str_]:
    """Return an id per household, distinct between counties."""
    numbers = np.arange(len(children.h_km)).astype(str)
    return np.char.add(f"h{children.places.county + 1:03d}", np.char.zfill(numbers, 6))


def enrolment_rows(children: Children, history: History, rng: np.random.Generator) -> Rows:
    """Return openings, closings, and later statements about transfers that settled."""
    spells, closings = history.spells.columns(), history.closings.columns()
    opened = days_after(spells["start"], rng, mean=2, most=10)
    closed = np.maximum(exits_recorded(closings, rng), opened[closings["spell"]] + 1)
    count = len(spells["child"])
    blank = np.full(count, -1)
    unsettled = closings["reason"] == "transfer_unconfirmed"
    settled = np.flatnonzero(unsettled & (rng.random(len(unsettled)) < 0.5))
    close = np.r_[np.arange(len(closed)), settled]
    spell = np.r_[np.arange(count), closings["spell"][close]]
    reasons = np.unique(closings["reason"])
    reason = np.searchsorted(reasons, np.r_[closings["reason"], np.full(len(settled), "transferred")])
    school_ids = children.places.school_ids()
    # A receiving school that confirms is named, also where it lies in another county.
    to_school = closings["to_school"][close]
    to_school = np.where((reasons[reason] == "transferred") & (to_school < 0), len(school_ids), to_school)
    nothing = np.full(count, np.datetime64("NaT", "D"))
    class_name = _class_names(children, spells)
    return {
        "student_id": Coded(spells["child"][spell], children.student_id),
        "school_id": Coded(spells["school"][spell], school_ids),
        "start_date": spells["start"][spell],
        "grade": spells["grade"][spell],
        "class_name": Coded(class_name.positions[spell], class_name.texts),
        "boards": spells["boards"][spell],
        "end_date": np.r_[nothing, closings["end"][close]],
        "exit_reason": Coded(np.r_[blank, reason], reasons),
        "to_school_id": Coded(np.r_[blank, to_school], np.append(school_ids, ELSEWHERE)),
        "expected_return": np.r_[nothing, closings["expected_return"][close]],
        "recorded_on": np.r_[
            opened, closed, closed[settled] + lognormal_days(len(settled), 40, 0.4, 120, rng)
        ],
    }


def _class_names(children: Children, spells: Columns) -> Coded:
    """Divide each school-grade into classes of 45 at most; a child keeps its place among them."""
    place = spells["school"].astype(np.int64) * (GRADES + 1) + spells["grade"]
    year = spells["start"].astype("datetime64[Y]").astype(np.int64)
    autumn = (spells["start"].astype("datetime64[M]").astype(np.int64) % 12) == 8
    _, cohort = np.unique(np.where(autumn, place * 4000 + year, -1), return_inverse=True)
    size = np.zeros(int(place.max()) + 1, dtype=np.int64)
    np.maximum.at(size, place, np.where(autumn, np.bincount(cohort)[cohort], 0))
    classes = np.maximum(np.ceil(size[place] / _CLASS_SIZE), 1)
    number = np.minimum(children.first_class[spells["child"]] * classes, classes - 1).astype(np.int64)
    most = int(classes.max())
    texts = np.array([f"{i + 1}班" for i in range(most)])
    return Coded(number, texts)


def population_rows(children: Children, history: History, rng: np.random.Generator) -> Rows:
    """Return the registers of the last school year.

    Households with their pupils, and a few children who never enrolled; some rows without a roll number were
    written down wrongly. The register of disabled children. That of poverty relief, with those who left in
    the year before.
    """
    year = history.weeks[-1].year
    start = np.datetime64(next(week.term.start_date for week in history.weeks if week.year == year))
    spells = history.spells.columns()
    pupil = np.unique(spells["child"][spells["start"] == start])
    extra = max(1, round(0.004 * len(pupil)))
    housed = np.r_[pupil, rng.choice(pupil, extra, replace=False)]
    left = np.setdiff1d(_left_since(history, start - 365), pupil)
    here = np.r_[housed, left]
    new = (np.arange(len(here)) >= len(pupil)) & (np.arange(len(here)) < len(housed))
    name = children.name[here]
    name[new] = np.char.add(
        rng.choice(SURNAMES, extra), np.array([text[1:] for text in name[new]], dtype="<U2")
    )
    known = np.zeros(len(here), dtype=bool)
    known[: len(pupil)] = rng.random(len(housed))[: len(pupil)] < 0.9
    numbers = np.where(known, np.char.add("G", children.roll_number[here]), "")
    order = np.r_[rng.permutation(len(housed)), np.arange(len(housed), len(here))]
    person = np.char.add(f"p{children.places.county + 1:03d}", np.char.zfill(order.astype(str), 7))
    townships = children.places.township_names()
    first_school = np.array(
        [np.argmax(children.places.township == t) for t in range(children.h_township.max() + 1)]
    )
    name, born = _mistyped(
        name, children.born[here] + np.where(new, 11, 0), can_be=~known & (np.arange(len(here)) < len(pupil)),
        rng=rng,
    )  # fmt: skip
    relieved = np.isin(HARDSHIPS[children.h_hardship[children.household[here]]], _IN_RELIEF) & ~new
    # The registers of disabled children and of poverty relief tell of the same people again.
    parts = (np.arange(len(housed)), np.flatnonzero(children.disability[housed]), np.flatnonzero(relieved))
    row, sizes = np.concatenate(parts), [len(part) for part in parts]
    return {
        "source": np.repeat(["household", "disability", "poverty_relief"], sizes),
        "person_id": np.char.add(np.repeat(["", "d", "r"], sizes), person[row]),
        "name": name[row],
        "sex": np.where(children.male[here[row]], "M", "F"),
        "birth_date": born[row],
        "county": np.full(len(row), children.places.county_name),
        "township": townships[first_school[children.h_township[children.household[here[row]]]]],
        "roll_number": Coded(np.where(known, np.arange(len(here)), -1)[row], numbers),
        "recorded_on": np.full(len(row), start + 20),
    }


def _left_since(history: History, day: np.datetime64) -> NDArray[np.intp]:
    """Return who left on a day or later, each once."""
    left = history.leavings.columns()
    if not left:
        return np.zeros(0, dtype=np.intp)
    return np.unique(left["child"][left["end"] >= day])


def _mistyped(
    name: NDArray[np.str_], born: NDArray[np.datetime64], *, can_be: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.str_], NDArray[np.datetime64]]:  # fmt: skip
    """Return names and birthdays as the pen slipped: a rare character, a day too late, day for month, a dot.

    The dot is that of names of minorities: one register writes it, and another does not.
    """
    kind = rng.integers(4, size=len(name))
    wrong = can_be & (rng.random(len(name)) < _MISTYPED)
    name, born = name.astype("<U4"), born.copy()
    dotted = np.flatnonzero(wrong & (kind == 3))
    name[dotted] = [f"{text[:-1]}·{text[-1:]}" for text in name[dotted]]
    rare = np.flatnonzero(wrong & (kind == 0))
    name[rare] = np.char.add(
        np.array([text[:-1] for text in name[rare]], dtype="<U3"), rng.choice(_RARE, len(rare))
    )
    born[wrong & (kind == 1)] += 1
    month = born.astype("datetime64[M]")
    day = (born - month.astype("datetime64[D]")).astype(np.int64) + 1
    swapped = np.flatnonzero(wrong & (kind == 2) & (day <= 12))
    of_year = month.astype("datetime64[Y]").astype("datetime64[M]") + (day - 1)
    born[swapped] = (of_year.astype("datetime64[D]") + month.astype(np.int64) % 12)[swapped]
    return name, born
