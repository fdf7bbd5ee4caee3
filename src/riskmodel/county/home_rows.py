"""What is told of children at home: family statements, subsidies, and the bureau's own follow-up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.children import HARDSHIPS, Children
from riskmodel.county.lateness import lognormal_days
from riskmodel.county.simulation import Columns, History, days_of
from riskmodel.county.writing import Coded, Rows, YesNo

_CARERS = np.array(["both_parents", "one_parent", "grandparents"])
_AWAY = np.array(["none", "one", "both"])
_SURVEYED = 0.85
_REASONS = np.array(["家庭经济困难", "学习困难", "上学路远", "疾病或残疾"])


def family_rows(children: Children, history: History, rng: np.random.Generator) -> Rows:
    """Return a full statement at the start of a school year, and short ones when something changes."""
    told = history.family.columns()
    known = _known(told, history, rng)
    surveyed = ~told["whole"] | np.isin(told["grade"], (1, 7)) | (told["week"] == 0)
    keep = np.flatnonzero(surveyed | (rng.random(len(known)) < _SURVEYED))
    told, known = {name: values[keep] for name, values in told.items()}, known[keep]
    siblings, sibling_known = _sibling_statements(children, history, rng)
    rows = np.r_[np.arange(len(known)), np.full(len(siblings), -1)]
    child = np.r_[told["child"], siblings]
    day = np.r_[known, sibling_known]
    about_sibling = rows < 0
    first = _first_of_key(child, day, about_sibling)
    rows, child, day, about_sibling = rows[first], child[first], day[first], about_sibling[first]
    whole = ~about_sibling & told["whole"][rows]
    silent = _silent_schools(children, rng)
    school = told["school"][rows]
    home = children.household[child]
    away = np.where(about_sibling | silent["parents_away"][school], -1, told["away"][rows])
    left = np.isin(child, siblings) & (_first_day(child, siblings, sibling_known) <= day)
    return {
        "student_id": Coded(child, children.student_id),
        "recorded_on": day,
        "carer": Coded(np.where(about_sibling, -1, told["away"][rows]), _CARERS),
        "parents_away": Coded(away, _AWAY),
        "hardship": Coded(np.where(whole, children.h_hardship[home], -1), HARDSHIPS),
        "disability": Coded(np.where(whole, children.disability[child], -1), np.array(["none", "physical"])),
        "siblings": np.where(whole, children.siblings[child], np.nan),
        "sibling_left_school": YesNo(left, known=whole | about_sibling),
        "distance_km": np.where(whole & ~silent["distance_km"][school], told["km"][rows], np.nan),
        "carer_schooling_years": np.where(
            whole & ~silent["carer_schooling_years"][school], children.h_schooling[home], np.nan
        ),
        "migrant_child": YesNo(home % 40 == 0, known=whole),
    }


def _silent_schools(children: Children, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """Return, for some columns, the schools whose forms do not have them."""
    count = len(children.places.stage)
    shares = {"parents_away": 0.05, "distance_km": 0.06, "carer_schooling_years": 0.15}
    return {name: rng.random(count) < share for name, share in shares.items()}


def _known(told: Columns, history: History, rng: np.random.Generator) -> NDArray[np.datetime64]:
    ends = days_of(week.end_date for week in history.weeks)[told["week"]]
    count = len(ends)
    late = lognormal_days(count, 14, 0.5, 60, rng)
    return np.where(told["whole"], ends - rng.integers(0, 5, count), ends + late)


def _sibling_statements(
    children: Children, history: History, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.datetime64]]:
    """Return who has a brother or sister who left while they were in class, and when that was told."""
    left, spells = history.leavings.columns(), history.spells.columns()
    if not left:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype="datetime64[D]")
    order = np.argsort(children.household, kind="stable")
    home = children.household[order]
    low, high = (np.searchsorted(home, children.household[left["child"]], side) for side in ("left", "right"))
    first = np.full(len(children.household), np.datetime64("2200-01-01", "D"))
    np.minimum.at(first, spells["child"], spells["start"])
    last = np.full(len(first), np.datetime64("1900-01-01", "D"))
    np.maximum.at(last, spells["child"], spells["start"])
    told = left["end"] + lognormal_days(len(left["end"]), 18, 0.5, 68, rng)
    who, when = [], []
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        for child in order[a:b]:
            if child != left["child"][i] and first[child] <= left["end"][i] <= last[child] + 300:
                who.append(int(child))
                when.append(told[i])
    return np.array(who, dtype=np.intp), np.array(when, dtype="datetime64[D]")


def _first_of_key(
    child: NDArray[np.intp], day: NDArray[np.datetime64], preferred: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return one row per child and day, in the order of the days."""
    order = np.lexsort((~preferred, child, day))
    same = (child[order][1:] == child[order][:-1]) & (day[order][1:] == day[order][:-1])
    return order[np.r_[True, ~same]]


def _first_day(
    child: NDArray[np.intp], siblings: NDArray[np.intp], known: NDArray[np.datetime64]
) -> NDArray[np.datetime64]:
    first = np.full(int(child.max(initial=0)) + 1, np.datetime64("2200-01-01", "D"))
    np.minimum.at(first, siblings, known)
    return first[child]


def subsidy_rows(children: Children, history: History, rng: np.random.Generator) -> Rows:
    """Return grants: living cost by the term; nutrition, boarding and others by the school year.

    Living cost: 625 yuan a term for a boarder in primary, 750 in junior, half for others (the national
    base from spring 2024); nutrition: 5 yuan a school day.
    """
    aid, year = history.aid.columns(), history.family.columns()
    year = {name: values[year["whole"]] for name, values in year.items()}
    home = children.household[year["child"]]
    starts = days_of(week.term.start_date for week in history.weeks)
    ends = days_of(week.term.end_date for week in history.weeks)
    full = np.where(aid["grade"] >= 7, 750.0, 625.0)
    yearly = [
        ("nutrition", children.h_rural[home], 1000.0),
        ("boarding", year["boards"] & children.poor[year["child"]], 400.0),
        ("orphan", HARDSHIPS[children.h_hardship[home]] == "orphan", 12_000.0),
        ("disability", children.disability[year["child"]], 1200.0),
    ]
    rows = [np.flatnonzero(chosen) for _, chosen, _ in yearly]
    child = np.r_[aid["child"], *(year["child"][r] for r in rows)]
    week = np.r_[aid["week"], *(year["week"][r] for r in rows)]
    amounts = [np.full(len(r), amount) for r, (_, _, amount) in zip(rows, yearly, strict=True)]
    kinds = [np.full(len(r), i + 1) for i, r in enumerate(rows)]
    programme = np.r_[np.zeros(len(full), dtype=np.int64), *kinds]
    start = starts[week]
    known = start + rng.integers(5, 24, len(start))
    closed = np.flatnonzero(programme == 0)
    ended = ends[week[closed]]
    row = np.r_[np.arange(len(child)), closed]
    amount = np.r_[full * np.where(aid["boards"], 1.0, 0.5), *amounts]
    return {
        "student_id": Coded(child[row], children.student_id),
        "programme": Coded(programme[row], np.array(["living_cost", *(name for name, _, _ in yearly)])),
        "start_date": start[row],
        "amount_yuan": amount[row],
        "end_date": np.r_[np.full(len(child), np.datetime64("NaT", "D")), ended],
        "recorded_on": np.r_[known, ended + 1],
    }


def ledger_rows(children: Children, history: History, rng: np.random.Generator) -> Rows:
    """Return the follow-up of most who left, and of a few who were only absent for long."""
    left = history.leavings.columns()
    starts = days_of(week.school_days[0] if week.school_days else week.end_date for week in history.weeks)
    pieces: list[Follow] = []
    if left:
        pieces += _follow_up(left, starts, rng)
    absences = history.absences.columns()
    long = np.flatnonzero((absences["days"] >= 4) & (rng.random(len(absences["days"])) < 0.02))
    seen = starts[absences["week"][long]] + 8
    for event, wait in (("suspected", 0), ("visited", 3), ("verified_not_dropout", 9), ("closed", 11)):
        pieces.append(
            (event, absences["child"][long], seen + wait, np.full(len(long), np.datetime64("NaT", "D")), 1)
        )
    child = np.concatenate([piece[1] for piece in pieces])
    day = np.concatenate([piece[2] for piece in pieces])
    events = np.concatenate([np.full(len(piece[1]), piece[0]) for piece in pieces])
    left_on = np.concatenate([piece[3] for piece in pieces])
    late = np.concatenate([np.full(len(piece[1]), piece[4]) for piece in pieces])
    _, first = np.unique(
        np.char.add(np.char.add(child.astype(str), events), day.astype(str)), return_index=True
    )
    first = first[np.argsort(day[first], kind="stable")]
    return {
        "student_id": children.student_id[child[first]],
        "event_date": day[first],
        "event": events[first],
        "left_on": left_on[first],
        "reason": Coded(
            np.where(events[first] == "verified_dropout", _reason(children, child[first]), -1), _REASONS
        ),
        "recorded_on": day[first] + late[first],
    }


def _reason(children: Children, child: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
    """Return what is written down as the reason: what a visitor sees first, not the hazard's cause."""
    home = children.household[child]
    signs = [children.disability[child], children.poor[child], children.h_km[home] > 8]
    seen = np.select(signs, [3, 0, 2], 1)
    # A few are written down with no reason.
    return np.where(children.first_class[child] < 0.1, -1, seen)


Follow = tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], int]


def _follow_up(left: Columns, starts: NDArray[np.datetime64], rng: np.random.Generator) -> list[Follow]:
    count = len(left["child"])
    followed = rng.random(count) < 0.7
    verified = followed & (rng.random(count) < 0.75)
    back = left["back_week"]
    returned = followed & (back >= 0) & (back < len(starts))
    suspected = left["end"] + rng.integers(6, 20, count)
    visited = suspected + rng.integers(2, 12, count)
    checked = visited + rng.integers(3, 25, count)
    home = np.where(returned, starts[np.clip(back, 0, len(starts) - 1)], np.datetime64("2200-01-01", "D"))
    verified &= checked < home
    nothing = np.full(count, np.datetime64("NaT", "D"))
    events = (
        ("suspected", followed, suspected, nothing, 1),
        ("visited", followed & (visited < home), visited, nothing, 2),
        ("verified_dropout", verified, checked, left["end"] + 1, 5),
        ("returned", returned, home + 1, nothing, 3),
        ("closed", returned, home + 20, nothing, 3),
    )
    return [(name, left["child"][who], day[who], on[who], late) for name, who, day, on, late in events]
