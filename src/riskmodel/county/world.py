"""Write a fictional county: its records as a bureau would deliver them, and the truth behind them.

The design, in order:

1. `places`, `children`: townships, schools, households and children of one county of some 20,000
   students. More students are more such counties ("blocks"), written one after another, so that memory
   does not grow. A block draws from generators of its own.
2. `causes`: the written-down weekly hazard of leaving. Its causes are functions of recorded quantities;
   the one thing that no record shows is a noise drawn anew each student-week.
3. `dynamics`: how the recorded state moves. It depends on nothing but itself (absence excites itself
   through absence that is recorded, marks follow recorded marks), so that the best that records allow can
   be computed by futures from that state.
4. `simulation`: the history, week by week (weeks of the contract: week n ends on start + 7n days).
5. `register_rows`, `class_rows`, `home_rows`, `lateness`: what of the history came to be recorded, where
   and how late. Rows recorded after the last day of the last term are not there.
6. `truth`: per student in class on an as-of date, the true and the knowable probability.

The intercepts of the two stages are found on the first block itself: lived through without noise in the
count (the sum of the weekly chances), scaled until the yearly rates are the asked ones, then lived again.
What this leaves out: school closures, changes of hardship, migration of whole families, and any effect of
help.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from riskmodel.county import class_rows, home_rows, register_rows, truth
from riskmodel.county.calendar import Week, weeks_of
from riskmodel.county.causes import written_down
from riskmodel.county.children import Children, draw_children
from riskmodel.county.places import build_places
from riskmodel.county.simulation import History, simulate
from riskmodel.county.writing import TableFiles, known_until
from riskmodel.domain import Stage

BLOCK_STUDENTS = 20_000
RATES: Mapping[Stage, float] = {Stage.PRIMARY: 0.006, Stage.JUNIOR: 0.018}
"""Leaving a year, by stage: the plan's limits."""
_FIRST_GUESS = {Stage.PRIMARY: -11.5, Stage.JUNIOR: -10.5}
_CALIBRATIONS = 3
_PLACES, _CHILDREN, _LATENESS = 11, 12, 13

Dates = Sequence[tuple[date, date]]


@dataclass(frozen=True)
class CountyReport:
    """What was written.

    Attributes
    ----------
    students, enrolled_at_start
        All children who ever had a spell; those of the first school year.
    leavers
        Leavings by stage (a child who left, returned and left again counts twice).
    rates
        Leavings a year, by stage, over those enrolled when the school years began.
    rows
        Rows per table.
    """

    students: int
    enrolled_at_start: int
    schools: int
    leavers: Mapping[Stage, int]
    rates: Mapping[Stage, float]
    rows: Mapping[str, int]


def write_county(
    folder: Path, *, students: int = BLOCK_STUDENTS, counties: int | None = None,
    first_school_year: int = 2023, school_years: int = 3, seed: int, truth_dates: Dates = (),
    rates: Mapping[Stage, float] = RATES, progress: Callable[[str], None] | None = None,
) -> CountyReport:  # fmt: skip
    """Write `folder/records` (files of the contract) and `folder/truth` (no pipeline reads it).

    Parameters
    ----------
    students
        Enrolled in the first school year.
    counties
        Over how many counties they are spread; None: one for each 20,000 of them.
    seed
        Same seed, same bytes.
    truth_dates
        Pairs of as-of date and last day of the horizon for which probabilities are computed. Asking for
        them does not change the records.
    rates
        Asked leaving a year, by stage.
    progress
        Told a line per block of some 20,000 students.
    """
    blocks = counties or max(1, math.ceil(students / BLOCK_STUDENTS))
    years = range(first_school_year, first_school_year + school_years)
    horizon = max((end for _, end in truth_dates), default=date(first_school_year, 1, 1))
    weeks = weeks_of(range(first_school_year, max(years.stop, horizon.year + 1)))
    lived = [week for week in weeks if week.year in years]
    records, truths = TableFiles(folder / "records"), _TruthFiles(folder / "truth")
    intercepts: dict[Stage, float] = {}
    leavers, enrolled = dict.fromkeys(RATES, 0), dict.fromkeys(RATES, 0)
    counted = known = started = schools = 0
    for block in range(blocks):
        size = students // blocks + (block < students % blocks)
        children = _children(block, size, counted, first_school_year, school_years, seed)
        intercepts = intercepts or calibrated(children, lived, rates, seed=seed)
        wanted = frozenset(truth.snapshot_week(lived, day).index for day, _ in truth_dates)
        history = simulate(children, lived, intercepts=intercepts, seed=seed, snapshot_weeks=wanted)
        _write_records(records, children, history, first=block == 0, seed=seed)
        truths.write(children, history, weeks, truth_dates, intercepts, seed)
        counted += len(children.entry_year)
        known += len(np.unique(history.spells.columns()["child"]))
        started += size
        schools += len(children.places.stage)
        for (stage, _), number in history.enrolled.items():
            enrolled[stage] += number
        for stage, number in _leavings(history).items():
            leavers[stage] += number
        if progress:
            progress(f"{started}/{students}")
    records.close()
    truths.close(intercepts)
    return CountyReport(
        students=known, enrolled_at_start=started, schools=schools, leavers=leavers,
        rates={stage: leavers[stage] / max(enrolled[stage], 1) for stage in RATES}, rows=records.counts,
    )  # fmt: skip


def calibrated(
    children: Children, weeks: Sequence[Week], rates: Mapping[Stage, float], *, seed: int
) -> dict[Stage, float]:
    """Return the intercepts with which the world's expected yearly leaving is `rates`."""
    intercepts = dict(_FIRST_GUESS)
    for _ in range(_CALIBRATIONS):
        history = simulate(children, weeks, intercepts=intercepts, seed=seed, keep_records=False)
        for stage, rate in rates.items():
            expected = sum(value for (own, _), value in history.expected.items() if own == stage)
            enrolled = sum(value for (own, _), value in history.enrolled.items() if own == stage)
            intercepts[stage] += math.log(rate * enrolled / expected)
    return intercepts


def _children(block: int, size: int, before: int, first_year: int, years: int, seed: int) -> Children:
    places = build_places(block, size, np.random.default_rng([seed, block, _PLACES]))
    return draw_children(
        places, first_year=first_year, years=years, enrolled=size, first_number=before, seed=seed,
        rng=np.random.default_rng([seed, block, _CHILDREN]),
    )  # fmt: skip


def _write_records(
    files: TableFiles, children: Children, history: History, *, first: bool, seed: int
) -> None:
    places, weeks = children.places, history.weeks
    end = np.datetime64(weeks[-1].term.end_date)
    streams = np.random.SeedSequence([seed, places.county, _LATENESS]).spawn(10)
    rng = iter([np.random.default_rng(stream) for stream in streams])
    if first:
        files.write("terms", register_rows.term_rows(weeks))
        files.write("calendar", register_rows.calendar_rows(weeks))
    local = class_rows.local_days(places, weeks, next(rng))
    reporting = class_rows.Reporting(places, weeks, next(rng))
    files.write("schools", register_rows.school_rows(places))
    files.write("calendar", register_rows.local_rows(places, local))
    late = {
        "students": [register_rows.student_rows(children, history.spells.columns(), next(rng))],
        "enrolments": [register_rows.enrolment_rows(children, history, next(rng))],
        "attendance": [class_rows.attendance_rows(children, history, reporting, local, next(rng))],
        "attendance_reports": [class_rows.report_rows(places, reporting)],
        "grades": class_rows.grade_rows(children, history, next(rng)),
        "family": [home_rows.family_rows(children, history, next(rng))],
        "subsidies": [home_rows.subsidy_rows(children, history, next(rng))],
        "ledger_events": [home_rows.ledger_rows(children, history, next(rng))],
        "population": [register_rows.population_rows(children, history, next(rng))],
    }
    for name, pieces in late.items():
        for rows in pieces:
            files.write(name, known_until(rows, end))


def _leavings(history: History) -> dict[Stage, int]:
    left = history.leavings.columns()
    junior = int((left["grade"] >= 7).sum()) if left else 0
    return {Stage.PRIMARY: len(left["grade"]) - junior if left else 0, Stage.JUNIOR: junior}


class _TruthFiles:
    """`probabilities.parquet`, `leavings.parquet` and `causes.yaml`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(
        self, children: Children, history: History, weeks: list[Week], dates: Dates,
        intercepts: Mapping[Stage, float], seed: int,
    ) -> None:  # fmt: skip
        left = history.leavings.columns()
        if left:
            self._add("leavings", children, left["child"], left_on=left["end"] + 1, grade=left["grade"])
        noise = truth.drawn_noise(children, len(weeks), seed) if dates else []
        for as_of_date, horizon_end in dates:
            day, until = np.datetime64(as_of_date), np.datetime64(horizon_end)
            after = truth.snapshot_week(history.weeks, as_of_date)
            gone = np.zeros(len(children.entry_year), dtype=bool)
            went = np.full(len(gone), np.datetime64("NaT", "D"))
            if left:
                left_on = left["end"] + 1
                gone[left["child"][(left["week"] > after.index) & (left_on <= day)]] = True
                within = np.flatnonzero((left_on > day) & (left_on <= until))[::-1]
                went[left["child"][within]] = left_on[within]
            found = truth.probabilities(
                children, history.snapshots[after.index], after=after, weeks=weeks, as_of_date=as_of_date,
                horizon_end=horizon_end, noise=noise, gone=gone, intercepts=intercepts, seed=seed,
            )  # fmt: skip
            self._add(
                "probabilities", children, found.child, as_of_date=np.full(len(found.child), day),
                horizon_end=np.full(len(found.child), until), true_probability=found.true_probability,
                knowable_probability=found.knowable_probability, simulation_error=found.simulation_error,
                left_on=went[found.child],
            )  # fmt: skip

    def _add(self, name: str, children: Children, child: NDArray[np.intp], **columns: NDArray[Any]) -> None:
        piece = pa.table(
            {"student_id": pa.array(children.student_id[child].tolist(), pa.string()), **columns}
        )
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", piece.schema)
        self._writers[name].write_table(piece)

    def close(self, intercepts: Mapping[Stage, float]) -> None:
        for writer in self._writers.values():
            writer.close()
        text = yaml.safe_dump(written_down(intercepts), allow_unicode=True, sort_keys=False)
        (self.folder / "causes.yaml").write_text(text, encoding="utf-8")
