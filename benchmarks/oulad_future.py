"""Proof on the Open University data that nothing after the as-of date reaches a feature or a score.

Copies of the raw folder are written from which the future is cut away; the same pipeline then makes features
and scores from the copies, and every value must be the same, to the last bit. First the alarm is tried: with
one more day let through (day 57 instead of 56) the same comparison must find differences.

    python benchmarks/oulad_future.py FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd

from riskmodel.config import AsOfDates
from riskmodel.domain import MATRIX_KEYS
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    from riskmodel.pipelines import Run

# Each process of the runner imports this file anew: what takes seconds to import waits inside the functions.

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "oulad.yaml"
DAY = 56
WHOLE = 10_000
"""A last day that no presentation reaches."""

EARLIER_COHORTS = ("school_leaving_share_earlier", "township_leaving_share_earlier")
"""How many left in earlier presentations. On day 56 of 2014B it was known who had left 2013B after its day
56: a cut at day 56 of every presentation takes that away, the cut at the calendar day leaves it."""


@dataclass(frozen=True)
class _RawTable:
    """How a raw table is cut: which rows stay, and which cells of theirs are blanked.

    `relation` joins `cut` (per module and presentation its `days` and `last_day`); `kept` and `known` are
    conditions on it: unknown counts as kept, and as not known.
    """

    name: str
    relation: str
    kept: str = "true"
    blanked: str | None = None
    known: str = "true"

    def counts(self) -> str:
        gone = f"NOT coalesce({self.kept}, true)"
        cells = f"count({self.blanked}) FILTER (NOT {gone} AND NOT coalesce({self.known}, false))"
        return (
            f"SELECT count(*), count(*) FILTER ({gone}), {cells if self.blanked else 0} FROM {self.relation}"
        )

    def rows(self) -> str:
        blank = f"REPLACE (CASE WHEN {self.known} THEN {self.blanked} END AS {self.blanked})"
        columns = f"told.* {blank if self.blanked else ''}"
        return f"SELECT {columns} FROM {self.relation} WHERE coalesce({self.kept}, true)"


_CUT = "JOIN cut USING (code_module, code_presentation)"
_RAW_TABLES = (
    # Plans, known in advance.
    _RawTable("courses", f"courses AS told {_CUT}"),
    _RawTable("assessments", f"assessments AS told {_CUT}"),
    _RawTable("studentVle", f"studentVle AS told {_CUT}", kept="CAST(told.date AS INTEGER) <= last_day"),
    _RawTable(
        "studentAssessment",
        f"studentAssessment AS told JOIN assessments USING (id_assessment) {_CUT}",
        kept="TRY_CAST(told.date_submitted AS INTEGER) <= last_day",
    ),
    _RawTable(
        "studentRegistration",
        f"studentRegistration AS told {_CUT}",
        kept="TRY_CAST(date_registration AS INTEGER) <= last_day",
        blanked="date_unregistration",
        known="TRY_CAST(date_unregistration AS INTEGER) <= last_day",
    ),
    # Who registers later is not known either. A result is dated at the end of the presentation.
    _RawTable(
        "studentInfo",
        f"""studentInfo AS told {_CUT}
            JOIN studentRegistration USING (code_module, code_presentation, id_student)""",
        kept="TRY_CAST(date_registration AS INTEGER) <= last_day",
        blanked="final_result",
        known="days <= last_day",
    ),
)


@dataclass(frozen=True)
class Removed:
    """What a cut took from a raw table: whole rows, and cells of the rows that stay."""

    table: str
    rows_before: int
    rows: int
    cells: int


def cut_copy(raw: Path, out: Path, *, last_day: Mapping[str, int], one_in: int = 1) -> list[Removed]:
    """Write a copy of the raw folder in which each presentation ends after its last day.

    Parameters
    ----------
    last_day
        Per presentation the last day that is kept. A presentation that is not named is left out.
    one_in
        Only the students whose number can be divided by it: a smaller proof.
    """
    out.mkdir(parents=True)
    removed = []
    with duckdb.connect(config=duckdb_settings()) as connection:
        for raw_table in _RAW_TABLES:
            file = _raw_file(raw, raw_table.name)
            read = (
                "read_parquet($file)" if file.suffix == ".parquet" else "read_csv($file, all_varchar = true)"
            )
            told = connection.sql(f"FROM {read}", params={"file": str(file)})
            if "id_student" in told.columns:
                told = told.filter(f"CAST(id_student AS INTEGER) % {one_in} = 0")
            told.create_view(raw_table.name)
        connection.execute("CREATE TABLE last_days (code_presentation VARCHAR, last_day INTEGER)")
        connection.executemany(
            "INSERT INTO last_days VALUES (?, ?)", [list(each) for each in last_day.items()]
        )
        connection.execute(
            """CREATE TABLE cut AS
               SELECT code_module, code_presentation, last_day,
                      CAST(module_presentation_length AS INTEGER) AS days
               FROM courses JOIN last_days USING (code_presentation)"""
        )
        for raw_table in _RAW_TABLES:
            removed.append(Removed(raw_table.name, *connection.execute(raw_table.counts()).fetchall()[0]))
            file, kept = out / _raw_file(raw, raw_table.name).name, connection.sql(raw_table.rows())
            kept.write_parquet(str(file)) if file.suffix == ".parquet" else kept.write_csv(str(file))
    return removed


def _raw_file(folder: Path, name: str) -> Path:
    """Return the file of a raw table; of two the one that the mapping reads."""
    return next(file for end in ("parquet", "csv") if (file := folder / f"{name}.{end}").exists())


def taken_in(data: Path, workspace: Path) -> Run:
    """Take a raw folder into a workspace of its own, told by the configuration that `make oulad` uses."""
    from riskmodel.pipelines import Run, take_in_records
    from riskmodel.pipelines.run import silent

    run = Run.of(CONFIG, say=silent, data=data)
    source = run.configuration.sources[0]
    source = source.model_copy(update={"mapping": ROOT / "configs" / "sources" / "oulad.yaml"})
    told = run.configuration.model_copy(update={"workspace": workspace, "sources": (source,)})
    run = replace(run, configuration=told)
    with run.workspace.opened():
        take_in_records(run)
    return run


def features_of(run: Run) -> dict[str, pd.DataFrame]:
    """Build the features of every date of the configuration; one frame per term."""
    from riskmodel.features.build import read_matrix
    from riskmodel.pipelines.inputs import matrix_files

    files = matrix_files(run, RecordStore.open(run.workspace.records))
    return {file.stem.rsplit("-", 1)[1]: read_matrix([file]).frame for file in files}


def one_day_later(run: Run) -> Run:
    """Return the run with one more day let through: what a window that reaches past the date would see."""
    from riskmodel.pipelines.run import dates_of

    store = RecordStore.open(run.workspace.records)
    dates = dates_of(run, store)
    asked = AsOfDates(
        dates=tuple(_next(as_of.as_of_date) for as_of in dates.all),
        test=tuple(_next(as_of.as_of_date) for as_of in dates.test),
        current=_next(dates.current.as_of_date),
    )
    return replace(run, configuration=run.configuration.model_copy(update={"as_of": asked}))


def scores_of(run: Run, folder: Path) -> pd.DataFrame:
    """Train on what was known on the test date and score its cohort, as `riskmodel train` does.

    One row per student, sorted: `student_id`, `margin`, `risk`.
    """
    from riskmodel.bundle import bundle_files, read_bundle, write_bundle
    from riskmodel.pipelines.inputs import matrix_of
    from riskmodel.pipelines.judging import train_on
    from riskmodel.pipelines.run import dates_of
    from riskmodel.pipelines.searching import learnt_for_test
    from riskmodel.scoring import score
    from riskmodel.signing import SigningKey

    store = RecordStore.open(run.workspace.records)
    dates = dates_of(run, store)
    trained = train_on(run, learnt_for_test(run, store, dates), recipe=run.recipe, bag=0)
    key = SigningKey.make()
    write_bundle(folder, bundle_files(trained, model_version="proof", data_hash=store.content_hash, key=key))
    tested = matrix_of(run, store, dates.test)
    margin, risk = score(tested, read_bundle(folder, version="proof", public_key=key.public))
    if risk is None:
        raise SystemExit("too few events to train on: no probabilities to compare")
    return pd.DataFrame({"student_id": tested.frame["student_id"], "margin": margin, "risk": risk})


@dataclass(frozen=True)
class Compared:
    """Two frames held against each other, bit for bit."""

    what: str
    students: int
    columns: int
    values: int
    differing: int
    differing_students: int
    where: tuple[str, ...]


def compare(what: str, whole: pd.DataFrame, cut: pd.DataFrame, *, only: Collection[str] = ()) -> Compared:
    """Hold the numbers of two frames against each other by their bits; missing equals missing only.

    A student, or a key column, that is in one and not the same in the other differs in every number.
    `only` names the columns to compare; empty: all.
    """
    numbers = [name for name in whole if whole[name].dtype == np.float64 and (not only or name in only)]
    keys = [name for name in whole if name in (*MATRIX_KEYS, "student_id")]
    if list(whole) != list(cut):
        raise SystemExit(f"{what}: the columns are not the same")
    both = whole[[*keys, *numbers]].merge(
        cut[[*keys, *numbers]], on=keys, how="outer", indicator=True, validate="one_to_one"
    )
    alone = (both["_merge"] != "both").to_numpy()
    ours, theirs = (
        both[[f"{name}_{side}" for name in numbers]].to_numpy(np.float64).view(np.uint64) for side in "xy"
    )
    differs = (ours != theirs) | alone[:, None]
    return Compared(
        what,
        students=len(both),
        columns=len(numbers),
        values=differs.size,
        differing=int(differs.sum()),
        differing_students=int(differs.any(axis=1).sum()),
        where=tuple(name for name, any_of in zip(numbers, differs.any(axis=0), strict=True) if any_of),
    )


@dataclass(frozen=True)
class Proof:
    """All that was found: what each cut removed, where the alarm had to ring, what had to be the same.

    `taken_away` is what differs rightly: see EARLIER_COHORTS.
    """

    removed: Mapping[str, Sequence[Removed]]
    alarms: Sequence[Compared]
    same: Sequence[Compared]
    taken_away: Sequence[Compared]

    @property
    def holds(self) -> bool:
        """Whether the alarm rang each time, and nothing differed that had to be the same."""
        return all(each.differing for each in self.alarms) and not any(each.differing for each in self.same)


def prove(raw: Path, folder: Path, *, presentations: Collection[str], one_in: int = 1) -> Proof:
    """Cut, build, train and compare, in a folder of its own.

    Parameters
    ----------
    presentations, one_in
        What of the raw folder is used: see `cut_copy`.
    """
    removed, alarms, same, taken_away = {}, [], [], []

    def world(name: str, last_day: Mapping[str, int]) -> Run:
        removed[name] = cut_copy(raw, folder / name, last_day=last_day, one_in=one_in)
        run = taken_in(folder / name, folder / f"workspace-{name}")
        shutil.rmtree(folder / name)
        return run

    whole = world("whole", dict.fromkeys(presentations, WHOLE))
    features, scores = features_of(whole), scores_of(whole, folder / "model-whole")

    every = world("day 56 of every presentation", dict.fromkeys(presentations, DAY))
    cut = features_of(every)
    for term, frame in features.items():
        what = f"features of {term}, cut at {DAY} everywhere"
        # The first presentation has no earlier one: there all features are the same.
        of_earlier = EARLIER_COHORTS if term != min(features) else ()
        rest = [name for name in frame if name not in of_earlier]
        same.append(compare(what, frame, cut[term], only=rest))
        if of_earlier:
            what = f"how many left earlier, as known on day {DAY} of {term}, cut at {DAY} everywhere"
            taken_away.append(compare(what, frame, cut[term], only=of_earlier))
    late, cut_late = features_of(one_day_later(whole)), features_of(one_day_later(every))
    alarms += [
        compare(f"features of {term}, one day more let through", frame, cut_late[term])
        for term, frame in late.items()
    ]
    shutil.rmtree(every.workspace.root)

    alone = world("day 56 of 2014B alone", dict.fromkeys(presentations, WHOLE) | {"2014B": DAY})
    cut = features_of(alone)
    same.append(compare("features of 2014B, cut at 56 in 2014B alone", features["2014B"], cut["2014B"]))
    found = scores_of(alone, folder / "model-alone")
    same.append(compare("scores of 2014B, cut at 56 in 2014B alone", scores, found))
    late_scores = [
        scores_of(one_day_later(run), folder / f"model-late-{n}") for n, run in enumerate((whole, alone))
    ]
    alarms.append(compare("scores of 2014B, one day more let through", *late_scores))
    shutil.rmtree(alone.workspace.root)

    on_day = _last_days_on(whole, presentations)
    if set(on_day.values()) - {WHOLE, DAY}:
        run = world("the calendar day of 2014B's day 56", on_day)
        cut = features_of(run)
        same.append(compare("features of 2014B, cut at the calendar day", features["2014B"], cut["2014B"]))
        # Also what a hazard learns of presentations that were still running had to be known by then.
        found = scores_of(run, folder / "model-calendar")
        same.append(compare("scores of 2014B, cut at the calendar day", scores, found))
    return Proof(removed, alarms, same, taken_away)


def _last_days_on(run: Run, presentations: Collection[str]) -> dict[str, int]:
    """Return the last day of each presentation that had come on the test date."""
    from riskmodel.pipelines.run import dates_of

    store = RecordStore.open(run.workspace.records)
    today = dates_of(run, store).test[0].as_of_date
    return {
        term.term: WHOLE if term.end_date <= today else (today - term.start_date).days
        for term in store.terms()
        if term.term in presentations
    }


def _next(day: date) -> date:
    return day + timedelta(days=1)


def report(proof: Proof) -> str:
    """Tell the proof as Markdown tables."""
    lines = ["| cut | table | rows | rows removed | cells blanked |", "|---|---|---:|---:|---:|"]
    for cut, tables in proof.removed.items():
        lines += [
            f"| {cut} | {each.table} | {each.rows_before:,} | {each.rows:,} | {each.cells:,} |"
            for each in tables
            if each.rows or each.cells
        ]
    lines += ["", "| compared | students | columns | values | that differ | students that differ |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    titled = {
        "the alarm": proof.alarms,
        "must be the same": proof.same,
        "known, and taken away by the cut": proof.taken_away,
    }
    for title, rows in titled.items():
        for each in rows:
            lines.append(
                f"| {title}: {each.what} | {each.students:,} | {each.columns} | {each.values:,} "
                f"| {each.differing:,} | {each.differing_students:,} |"
            )
    lines += [
        "",
        *(f"differs: {each.what}: {', '.join(each.where)}" for each in proof.same if each.differing),
    ]
    lines.append("The proof holds." if proof.holds else "THE PROOF FAILS.")
    return "\n".join(lines)


def main() -> None:
    """Run the whole proof; exit code 1 if anything differs, or the alarm is silent."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("data", type=Path, help="the folder of the Open University data")
    asked.add_argument("--one-in", type=int, default=1, help="only students whose number it divides")
    asked.add_argument("--presentations", nargs="*", default=("2013B", "2013J", "2014B"))
    told = asked.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="oulad-proof-") as folder:
        proof = prove(told.data.resolve(), Path(folder), presentations=told.presentations, one_in=told.one_in)
    print(report(proof))
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(0 if proof.holds else 1)


if __name__ == "__main__":
    main()
