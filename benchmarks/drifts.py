"""That `riskmodel monitor` notices what goes wrong with records, and is quiet where nothing does.

Ordinary terms: fictional counties, each term from the fifth on held against the earlier ones. Planted drifts:
the files of a county's last term are spoilt as bureaus spoil them, taken in with `--force`, and made into
features; what the intake itself refuses is counted apart. Limits were chosen on seeds 101 and 102 alone
(docs/decisions/0009).

    python benchmarks/drifts.py FOLDER --ordinary 201 202 203 204 205 --planted 206
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import yaml

from riskmodel.county.world import write_county
from riskmodel.domain import AsOf, FeatureMatrix
from riskmodel.errors import RecordsRefused
from riskmodel.evaluation.drift import Alarm, Day, alarms_of, measure
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.monitoring import MOST_EARLIER
from riskmodel.pipelines.records import take_in_records
from riskmodel.pipelines.run import Run, candidates_of
from riskmodel.records.store import RecordStore
from riskmodel.runners import local

ROOT = Path(__file__).parents[1]
STUDENTS, FIRST_YEAR, YEARS, WEEK = 1500, 2023, 4, 10
FIRST_WATCHED = 4
"""Terms before it only serve to compare with."""
SCHOOL = 0
"""Which of the county's schools is spoilt, where one is."""

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Term:
    """What is spoilt: rows recorded since `start`, of all schools or of `school`."""

    start: date
    school: str


def configured(folder: Path, seed: int) -> Path:
    """Write the configuration of a county."""
    file = folder / "drifts.yaml"
    (folder / "regions").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "configs" / "regions" / "demo.yaml", folder / "regions")
    last = f"{FIRST_YEAR + YEARS - 1}-{FIRST_YEAR + YEARS}-2"
    content = {
        "config_version": 1,
        "region": "demo",
        "workspace": str(folder / "workspace"),
        "seed": seed,
        "sources": [{"name": "county", "path": str(folder / "records")}],
        "as_of": {
            "weeks": [WEEK],
            "test": [{"term": f"{FIRST_YEAR}-{FIRST_YEAR + 1}-1", "week": WEEK}],
            "current": {"term": last, "week": WEEK},
        },
        "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08},
        "capacity": {"share": 0.02},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@dataclass(frozen=True)
class County:
    """A county's days, the earliest first, and where its files are."""

    folder: Path
    days: tuple[AsOf, ...]
    matrices: tuple[FeatureMatrix, ...]

    def alarms(self, number: int, matrix: FeatureMatrix | None = None) -> tuple[Alarm, ...]:
        """Watch a term, or what a spoilt one gives in its place."""
        earlier = self.matrices[max(0, number - MOST_EARLIER) : number][::-1]
        now = matrix or self.matrices[number]
        return alarms_of(measure(Day.of(now), [Day.of(each) for each in earlier]))


def quiet(code: str, **slots: object) -> None:
    """Say nothing."""


def make_county(folder: Path, seed: int, students: int = STUDENTS) -> County:
    """Write a county, take it in, and make the same week of all its terms into features."""
    config = configured(folder, seed)
    if not (folder / "records").exists():
        write_county(folder, students=students, first_school_year=FIRST_YEAR, school_years=YEARS, seed=seed)
    run = Run.of(config, say=quiet)
    with run.workspace.opened():
        take_in_records(run, delivered_on=date(FIRST_YEAR + YEARS, 8, 31))
        store = RecordStore.open(run.workspace.records)
        days = candidates_of(run, store.terms())
        matrix = matrix_of(run, store, days)
    parts = [_part(matrix, day.as_of_date) for day in days]
    return County(folder, days, tuple(parts))


def _part(matrix: FeatureMatrix, day: date) -> FeatureMatrix:
    rows = matrix.frame["as_of_date"].dt.date == day
    return FeatureMatrix(matrix.frame[rows].reset_index(drop=True), matrix.features)


def spoilt(county: County, spoil: Callable[[Tables, Term], None], folder: Path) -> FeatureMatrix:
    """Spoil what came in the last term, take it in, and make its day into features.

    Raises
    ------
    RecordsRefused
        If the intake refuses it even where a person insists.
    """
    day = county.days[-1]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(county.folder / "records", folder / "records")
    tables = {file.stem: _read(file) for file in (folder / "records").iterdir()}
    before = {name: frame.copy() for name, frame in tables.items()}
    spells = tables["enrolments"]
    school = sorted(spells["school_id"].unique())[SCHOOL]
    start = day.as_of_date - pd.Timedelta(days=7 * WEEK)
    spoil(tables, Term(start, school))
    for file in (folder / "records").iterdir():
        if not tables[file.stem].equals(before[file.stem]):
            _write(tables[file.stem], file)
    run = Run.of(configured(folder, 1), say=quiet)
    with run.workspace.opened():
        take_in_records(run, force=True, delivered_on=date(FIRST_YEAR + YEARS, 8, 31))
        return matrix_of(run, RecordStore.open(run.workspace.records), (day,))


def _read(file: Path) -> pd.DataFrame:
    if file.suffix == ".parquet":
        return pd.read_parquet(file, dtype_backend="pyarrow")
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def _write(frame: pd.DataFrame, file: Path) -> None:
    if file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    else:
        frame.to_csv(file, index=False)


# --- what bureaus do to files: each spoils rows of the term that begins on `start`, of all schools or of one


def _new(frame: pd.DataFrame, start: date) -> pd.Series[bool]:
    return pd.to_datetime(frame["recorded_on"]).dt.date >= start


def _at(tables: Tables, frame: pd.DataFrame, school: str) -> pd.Series[bool]:
    spells = tables["enrolments"]
    return frame["student_id"].isin(spells.loc[spells["school_id"] == school, "student_id"])


def _times(frame: pd.DataFrame, column: str, factor: float, rows: object = slice(None)) -> None:
    values = pd.to_numeric(frame.loc[rows, column], errors="coerce") * factor
    told = values.map(lambda value: "" if pd.isna(value) else f"{value:g}")
    frame.loc[rows, column] = told if frame[column].dtype == "str" else values


def metres(tables: Tables, term: Term) -> None:
    """Send distances in metres."""
    _times(tables["family"], "distance_km", 1000)


def metres_at_a_school(tables: Tables, term: Term) -> None:
    """Send distances in metres from one school."""
    _times(tables["family"], "distance_km", 1000, _at(tables, tables["family"], term.school))


def marks_of_150(tables: Tables, term: Term) -> None:
    """Say that papers are of 150, and send marks of 100."""
    frame = tables["grades"]
    frame.loc[_new(frame, term.start), "full_score"] = 150.0


def marks_of_150_at_a_school(tables: Tables, term: Term) -> None:
    """Say so at one school."""
    frame = tables["grades"]
    frame.loc[_new(frame, term.start) & _at(tables, frame, term.school), "full_score"] = 150.0


def marks_copied(tables: Tables, term: Term) -> None:
    """Send every subject's last marks once more as this term's."""
    frame = tables["grades"]
    keys = ["student_id", "subject", "exam"]
    old = frame[~_new(frame, term.start)].sort_values("exam_date").drop_duplicates(keys, keep="last")
    new = frame[_new(frame, term.start)].drop(columns=["score"])
    merged = new.merge(old[[*keys, "score"]], on=keys, how="left")
    found = merged["score"].notna() | (merged["status"] != "sat")
    tables["grades"] = pd.concat([frame[~_new(frame, term.start)], merged[found][list(frame.columns)]])


def marks_withheld(tables: Tables, term: Term) -> None:
    """Send every mark as `exempt`: the list of codes has changed."""
    frame = tables["grades"]
    rows = _new(frame, term.start)
    frame.loc[rows, "status"] = "exempt"
    frame.loc[rows, "score"] = pd.NA


def marks_lost(tables: Tables, term: Term) -> None:
    """Send no marks of the term."""
    tables["grades"] = tables["grades"][~_new(tables["grades"], term.start)]


def marks_zero_at_a_school(tables: Tables, term: Term) -> None:
    """Send 0 for who was absent, and for everybody else, from one school."""
    frame = tables["grades"]
    rows = _new(frame, term.start) & _at(tables, frame, term.school) & (frame["status"] == "sat")
    frame.loc[rows, "score"] = frame.loc[rows, "score"] * 0.1


def school_silent(tables: Tables, term: Term) -> None:
    """Stop reporting attendance at one school."""
    frame = tables["attendance"]
    tables["attendance"] = frame[~(_new(frame, term.start) & _at(tables, frame, term.school))]
    reports = tables["attendance_reports"]
    rows = (reports["school_id"] == term.school) & _new(reports, term.start)
    tables["attendance_reports"] = reports[~rows]


def everybody_silent(tables: Tables, term: Term) -> None:
    """Lose the attendance reports of the term."""
    tables["attendance"] = tables["attendance"][~_new(tables["attendance"], term.start)]
    tables["attendance_reports"] = tables["attendance_reports"][
        ~_new(tables["attendance_reports"], term.start)
    ]


def absences_lost(tables: Tables, term: Term) -> None:
    """Lose the absences and keep the reports: everybody is there every day."""
    tables["attendance"] = tables["attendance"][~_new(tables["attendance"], term.start)]


def absences_lost_at_a_school(tables: Tables, term: Term) -> None:
    """Say that nobody of one school is ever absent."""
    frame = tables["attendance"]
    tables["attendance"] = frame[~(_new(frame, term.start) & _at(tables, frame, term.school))]


def nothing_unexcused(tables: Tables, term: Term) -> None:
    """Fill the column of unexcused days with 0."""
    frame = tables["attendance"]
    frame.loc[_new(frame, term.start), "days_unexcused"] = 0.0


def all_unexcused(tables: Tables, term: Term) -> None:
    """Count every absence as unexcused."""
    frame = tables["attendance"]
    rows = _new(frame, term.start)
    frame.loc[rows, "days_unexcused"] = frame.loc[rows, "days_absent"]


def half_the_students(tables: Tables, term: Term) -> None:
    """Lose every second student of the roll."""
    frame = tables["enrolments"]
    students = sorted(frame["student_id"].unique())[::2]
    for name in ("enrolments", "attendance", "grades", "family", "subsidies", "ledger_events", "students"):
        rows = tables[name]
        tables[name] = rows[rows["student_id"].isin(students)]


def a_school_lost(tables: Tables, term: Term) -> None:
    """Lose one school's part of the roll."""
    gone = _at(tables, tables["enrolments"], term.school)
    students = set(tables["enrolments"].loc[gone, "student_id"])
    for name in ("enrolments", "attendance", "grades", "family", "subsidies", "ledger_events", "students"):
        rows = tables[name]
        tables[name] = rows[~rows["student_id"].isin(students)]


def a_year_older(tables: Tables, term: Term) -> None:
    """Shift every birth by a year, and drop the roll numbers that would tell."""
    frame = tables["students"]
    born = pd.to_datetime(frame["birth_date"]) - pd.DateOffset(years=1)
    frame["birth_date"] = born.dt.strftime("%Y-%m-%d").fillna("")
    frame["roll_number"] = ""


def everybody_boards_at_a_school(tables: Tables, term: Term) -> None:
    """Fill `boards` with true at one school."""
    frame = tables["enrolments"]
    frame.loc[frame["school_id"] == term.school, "boards"] = "true"


def nobody_boards(tables: Tables, term: Term) -> None:
    """Fill `boards` with false."""
    tables["enrolments"]["boards"] = "false"


def no_parents_away(tables: Tables, term: Term) -> None:
    """Lose the codes of parents who are away."""
    tables["family"]["parents_away"] = "none"


def no_hardship(tables: Tables, term: Term) -> None:
    """Lose the codes of hardship."""
    tables["family"]["hardship"] = "none"


def subsidies_lost(tables: Tables, term: Term) -> None:
    """Send no subsidies at all."""
    tables["subsidies"] = tables["subsidies"][:0]


def subsidies_in_jiao(tables: Tables, term: Term) -> None:
    """Send amounts in tenths of a yuan."""
    _times(tables["subsidies"], "amount_yuan", 10)


def carers_all_alike(tables: Tables, term: Term) -> None:
    """Fill the carers' schooling with nine years."""
    tables["family"]["carer_schooling_years"] = "9"


def no_family_at_a_school(tables: Tables, term: Term) -> None:
    """Lose one school's family statements."""
    tables["family"] = tables["family"][~_at(tables, tables["family"], term.school)]


DRIFTS: tuple[Callable[[Tables, Term], None], ...] = (
    metres, metres_at_a_school, marks_of_150, marks_of_150_at_a_school, marks_copied, marks_withheld,
    marks_lost, marks_zero_at_a_school, school_silent, everybody_silent, absences_lost,
    absences_lost_at_a_school, nothing_unexcused, all_unexcused, half_the_students, a_school_lost,
    a_year_older, everybody_boards_at_a_school, nobody_boards, no_parents_away, no_hardship,
    subsidies_lost, subsidies_in_jiao, carers_all_alike, no_family_at_a_school,
)  # fmt: skip


def told(alarms: tuple[Alarm, ...]) -> str:
    """Name alarms in short."""
    return "; ".join(
        f"{alarm.kind} {alarm.source}{' at a school' if alarm.school_id else ''}"
        f" ({', '.join(sorted({str(change.feature) for change in alarm.changes})[:2])})"
        for alarm in alarms
    )


def main() -> None:
    """Print a row per ordinary term and per planted drift."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("folder", type=Path)
    asked.add_argument("--ordinary", type=int, nargs="*", default=[])
    asked.add_argument("--planted", type=int, nargs="*", default=[])
    given = asked.parse_args()
    local.os.cpu_count = lambda: 1  # small counties: a process of its own for each bucket costs more
    begun, cpu = time.monotonic(), time.process_time()
    terms, loud = 0, 0
    for seed in given.ordinary:
        county = make_county(given.folder / str(seed), seed)
        for number in range(FIRST_WATCHED, len(county.days)):
            alarms = county.alarms(number)
            terms, loud = terms + 1, loud + len(alarms)
            print(f"ordinary {seed} {county.days[number].term}: {told(alarms) or 'quiet'}", flush=True)
    if terms:
        print(f"{terms} ordinary terms of {len(given.ordinary)} counties: {loud} alarm(s)")
    for seed in given.planted:
        county = make_county(given.folder / str(seed), seed)
        found = refused = 0
        for spoil in DRIFTS:
            try:
                matrix = spoilt(county, spoil, given.folder / f"{seed}-{spoil.__name__}")
            except RecordsRefused as refusal:
                refused += 1
                codes = ", ".join(sorted(refusal.by_code))
                print(f"planted {seed} {spoil.__name__}: refused by the intake ({codes})", flush=True)
                continue
            alarms = county.alarms(len(county.days) - 1, matrix)
            found += bool(alarms)
            print(f"planted {seed} {spoil.__name__}: {told(alarms) or 'NOT FOUND'}", flush=True)
            shutil.rmtree(given.folder / f"{seed}-{spoil.__name__}")
        print(f"{seed}: {found} of {len(DRIFTS)} planted drifts found, {refused} refused by the intake")
    load = os.getloadavg()[0]
    print(f"{time.monotonic() - begun:.0f} s, {time.process_time() - cpu:.0f} CPU s, load {load:.1f}")


if __name__ == "__main__":
    main()
