"""What schools tell of their classes: attendance, which periods they reported, grades."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskmodel.county.calendar import DAY, SpecialDay, Week
from riskmodel.county.children import Children
from riskmodel.county.places import Places
from riskmodel.county.simulation import Columns, History, days_of, exam_of
from riskmodel.county.writing import Coded, Rows

PERIOD_WEEKS = 4
_MAIN = ("chinese", "mathematics", "english")
_SUBJECTS = {
    **dict.fromkeys((1, 2), _MAIN[:2]),
    **dict.fromkeys((3, 4, 5, 6), _MAIN),
    7: (*_MAIN, "history", "geography", "biology", "politics"),
    8: (*_MAIN, "history", "geography", "biology", "politics", "physics"),
    9: (*_MAIN, "physics", "chemistry", "history", "politics"),
}
SUBJECTS = np.array([*_SUBJECTS[8], "chemistry"])
_SUBJECT_SPREAD, _MARK_SPREAD, _USUAL_MARK = 0.45, 0.12, 0.70


class Reporting:
    """How each school reports: by the day or by counts of four weeks, how late, which weeks never."""

    def __init__(self, places: Places, weeks: list[Week], rng: np.random.Generator) -> None:
        schools = len(places.stage)
        self.by_period = rng.random(schools) < 0.10
        late = rng.random(schools) < 0.12
        skips = np.where(rng.random(schools) < 0.12, 0.10, 0.005)
        self.periods, self.period_of = _periods(weeks)
        weekly = np.where(
            late[:, None],
            rng.integers(2, 18, (schools, len(weeks))),
            rng.integers(0, 3, (schools, len(weeks))),
        )
        self.week_end = days_of(max(week.school_days, default=week.end_date) for week in weeks)
        self.week_start = days_of(min(week.school_days, default=week.end_date) for week in weeks)
        self.week_known = self.week_end[None, :] + weekly
        self.period_known = self.periods[:, 1][None, :] + rng.integers(1, 9, (schools, len(self.periods)))
        self.skipped = rng.random((schools, len(weeks))) < skips[:, None]
        self.period_skipped = rng.random((schools, len(self.periods))) < skips[:, None] / 2
        self.has_days = np.array([bool(week.school_days) for week in weeks])

    def told(self, school: NDArray[np.intp], week: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return whether the school ever told about the week."""
        period = self.period_of[week]
        return ~np.where(
            self.by_period[school], self.period_skipped[school, period], self.skipped[school, week]
        )


def _periods(weeks: list[Week]) -> tuple[NDArray[np.datetime64], NDArray[np.intp]]:
    """Cut terms into periods of four weeks: first and last school day of each, and each week's period."""
    keys = [(week.term.term, (week.number - 1) // PERIOD_WEEKS) for week in weeks]
    order = list(dict.fromkeys(keys))
    of_week = np.array([order.index(key) for key in keys])
    bounds = []
    for number in range(len(order)):
        days = [
            day for week, own in zip(weeks, of_week, strict=True) if own == number for day in week.school_days
        ]
        bounds.append((min(days), max(days)))
    return np.array(bounds, dtype="datetime64[D]"), of_week


def report_rows(places: Places, reporting: Reporting) -> Rows:
    """Return the rows of `attendance_reports`."""
    daily = np.argwhere(~reporting.by_period[:, None] & ~reporting.skipped & reporting.has_days[None, :])
    counts = np.argwhere(reporting.by_period[:, None] & ~reporting.period_skipped)
    return {
        "school_id": Coded(np.r_[daily[:, 0], counts[:, 0]], places.school_ids()),
        "start_date": np.r_[reporting.week_start[daily[:, 1]], reporting.periods[counts[:, 1], 0]],
        "end_date": np.r_[reporting.week_end[daily[:, 1]], reporting.periods[counts[:, 1], 1]],
        "recorded_on": np.r_[reporting.week_known[tuple(daily.T)], reporting.period_known[tuple(counts.T)]],
    }


def local_days(places: Places, weeks: list[Week], rng: np.random.Generator) -> list[SpecialDay]:
    """Invent, for two schools, a market day off that the Saturday makes up for."""
    found = []
    whole = [week for week in weeks if len(week.school_days) == 5 and week.school_days[-1].weekday() == 0]
    for school in rng.choice(len(places.stage), 2, replace=False):
        week = whole[int(rng.integers(len(whole)))]
        free = next(day for day in week.school_days if day.weekday() == 2)
        found.append(SpecialDay(free, False, "虚构集市放假", int(school)))
        found.append(SpecialDay(free + 3 * DAY, True, "集市调休上课", int(school)))
    return found


def attendance_rows(
    children: Children,
    history: History,
    reporting: Reporting,
    local: list[SpecialDay],
    rng: np.random.Generator,
) -> Rows:
    """Return absences: a row per run of days, or one per student and period where schools only count."""
    a = history.absences.columns()
    told = reporting.told(a["school"], a["week"])
    counted = reporting.by_period[a["school"]]
    daily = _daily({name: v[told & ~counted] for name, v in a.items()}, history.weeks, reporting, local, rng)
    whole = _counted({name: v[told & counted] for name, v in a.items()}, history, reporting)
    both = {name: np.concatenate([daily[name], whole[name]]) for name in daily}
    order = np.argsort(both["recorded_on"], kind="stable")
    both = {name: values[order] for name, values in both.items()}
    return {**both, "student_id": Coded(both["student_id"], children.student_id)}


def _daily(
    a: Columns, weeks: list[Week], reporting: Reporting, local: list[SpecialDay], rng: np.random.Generator
) -> Columns:
    days = np.full((len(weeks), 6), np.datetime64("NaT", "D"))
    for week in weeks:
        days[week.index, : len(week.school_days)] = days_of(week.school_days)
    count = (~np.isnat(days)).sum(axis=1)
    span = np.maximum(np.ceil(a["days"]), 1).astype(np.int64)
    first = (rng.random(len(span)) * (count[a["week"]] - span + 1)).astype(np.int64)
    table = days[a["week"]]
    for free, extra in zip(local[::2], local[1::2], strict=True):
        week = next(week for week in weeks if free.day in week.school_days)
        moved = sorted({*week.school_days, extra.day} - {free.day})
        table[(a["school"] == free.school) & (a["week"] == week.index), : len(moved)] = days_of(moved)
    rows = np.arange(len(span))
    start, end = table[rows, first], table[rows, first + span - 1]
    known = reporting.week_known[a["school"], a["week"]]
    soon = end + rng.integers(0, 3, len(end))
    return {
        "student_id": a["child"], "start_date": start, "end_date": end, "days_absent": a["days"],
        "days_unexcused": a["unexcused"], "times_late": a["late"].astype(np.float64),
        "recorded_on": np.maximum(np.minimum(soon, known), end),
    }  # fmt: skip


def _counted(a: Columns, history: History, reporting: Reporting) -> Columns:
    period = reporting.period_of[a["week"]]
    key = a["spell"].astype(np.int64) * len(reporting.periods) + period
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    spells, closings = history.spells.columns(), history.closings.columns()
    spell_end = np.full(len(spells["start"]), np.datetime64("2200-01-01", "D"))
    spell_end[closings["spell"]] = closings["end"]
    spell, period, school = a["spell"][first], period[first], a["school"][first]
    return {
        "student_id": a["child"][first],
        "start_date": np.maximum(reporting.periods[period, 0], spells["start"][spell]),
        "end_date": np.minimum(reporting.periods[period, 1], spell_end[spell]),
        **{
            name: np.bincount(group, weights=a[own], minlength=len(first)) if len(first) else np.zeros(0)
            for name, own in (
                ("days_absent", "days"),
                ("days_unexcused", "unexcused"),
                ("times_late", "late"),
            )
        },
        "recorded_on": reporting.period_known[school, period],
    }


def grade_rows(children: Children, history: History, rng: np.random.Generator) -> list[Rows]:
    """Return the marks, exam by exam: the subjects of the grade, set and marked school by school."""
    exams = history.exams.columns()
    places = children.places
    full_main = np.where(rng.random(len(places.stage)) < 0.3, 150.0, 120.0)
    prompt = rng.integers(3, 12, len(places.stage))
    pieces = []
    bounds = np.flatnonzero(np.r_[True, exams["week"][1:] != exams["week"][:-1]])
    for start, stop in zip(bounds, [*bounds[1:], len(exams["week"])], strict=True):
        here = {name: values[start:stop] for name, values in exams.items()}
        week = history.weeks[int(here["week"][0])]
        pieces.append(_exam(children, here, week, full_main, prompt, rng))
    return pieces


def _exam(
    children: Children, here: Columns, week: Week, full_main: NDArray[np.float64], prompt: NDArray[np.int64],
    rng: np.random.Generator,
) -> Rows:  # fmt: skip
    exam = str(exam_of(week))
    taught = np.zeros((10, len(SUBJECTS)), dtype=bool)
    for grade, subjects in _SUBJECTS.items():
        taught[grade] = np.isin(SUBJECTS, _MAIN if exam == "monthly" else subjects)
    own = taught[here["grade"]]
    noise = rng.standard_normal(own.shape, dtype=np.float32) * own
    noise = (noise - noise.sum(axis=1, keepdims=True) / own.sum(axis=1, keepdims=True)) * _SUBJECT_SPREAD
    paper = rng.normal(_USUAL_MARK, 0.06, (len(full_main), 10, len(SUBJECTS))).astype(np.float32)
    share = paper[here["school"], here["grade"]] + _MARK_SPREAD * (here["mark"][:, None] + noise)
    row, subject = np.nonzero(own)
    junior_main = (here["grade"][row] >= 7) & (subject < len(_MAIN))
    full = np.where(junior_main, full_main[here["school"][row]], 100.0)
    score = np.round(np.clip(share[row, subject], 0, 1) * full * 2) / 2
    exempt = rng.random(len(row)) < 0.002
    status = np.where(exempt, 2, np.where(here["sat"][row], 0, 1))
    day = np.datetime64(week.school_days[-1])
    return {
        "student_id": Coded(here["child"][row], children.student_id),
        "subject": Coded(subject, SUBJECTS),
        "exam_date": np.full(len(row), day),
        "exam": Coded(np.zeros(len(row), dtype=np.int64), np.array([exam])),
        "score": np.where(status == 0, score, np.nan),
        "full_score": full,
        "status": Coded(status, np.array(["sat", "absent", "exempt"])),
        "recorded_on": day + prompt[here["school"][row]],
    }
