"""Labels: what became of the students of the cohorts, bucket by bucket, written, read and counted.

What counts as leaving is said in `outcomes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from riskmodel.domain import NOBODY, AsOf, Labels, LeftOut, Outcome, RegionRule
from riskmodel.outcomes import KNOWN_THEN, judge_cohort, tell_leavings
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "as_of_date", "term", "horizon_end", "student_id", "outcome", "left_on", "cause", "returned_on",
    "arrived_on",
)  # fmt: skip
"""Columns of `Labels.frame`. `cause`: the part of the rule that said left or already gone
(`dropped_out_exit`, `verified_by_ledger`, `suspension_overrun`, `unexcused_absence`), or why unaccounted
(`transfer_unconfirmed`, `unexplained`, `not_back`, `record_withdrawn`). `arrived_on`: first day of the
spell with which an unaccounted student turned up after the due day."""


@dataclass(frozen=True)
class LabelTask:
    """One bucket, and the as-of dates to label in it. Picklable.

    `rules` holds the region's rule of each as-of date, in the order of `as_of_dates`; `left_out` says whose
    records are not used.
    """

    store: Path
    bucket: int
    as_of_dates: tuple[AsOf, ...]
    rules: tuple[RegionRule, ...]
    label_date: date
    out: Path
    # Not told where a task is named, in a log of a cluster.
    left_out: LeftOut = field(default=NOBODY, repr=False)


def label_bucket(task: LabelTask) -> Path:
    """Write what became of the cohorts of one bucket, as known on the label date, to `task.out`.

    One row per as-of date and student of its cohort, with `COLUMNS`. Where the horizon and the outcome
    delay had not passed by the label date and the last complete date, every row of the as-of date is
    `unknown`; that someone is already known to have left then still stands in `left_on` and `cause`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    store = RecordStore.open(task.store)
    asked = list(zip(task.as_of_dates, task.rules, strict=True))
    with BucketReader(store, task.bucket, left_out=task.left_out) as reader:
        cohorts = [_cohort_then(reader, as_of, rule) for as_of, rule in asked]
        parts = []
        for rule in dict.fromkeys(task.rules):
            known_to = _known_to(store, rule, task.label_date)
            connection = reader.at(task.label_date, rule)
            tell_leavings(connection, rule, task.label_date)
            parts += [
                judge_cohort(connection, as_of, rule, cohort=cohort, known_to=known_to)
                for (as_of, own_rule), cohort in zip(asked, cohorts, strict=True)
                if own_rule == rule
            ]
    with whole_file(task.out) as beside:
        pq.write_table(pa.concat_tables(parts) if parts else _no_rows(), beside)
    return task.out


def read_labels(paths: Sequence[Path], *, label_date: date, rule_version: str) -> Labels:
    """Read what `label_bucket` wrote for all buckets.

    The frame has `COLUMNS`, one row per (`as_of_date`, `student_id`), sorted by the two; dates are
    `datetime64[s]`, and missing as the domain says.
    """
    frame = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    for column in ("as_of_date", "horizon_end", "left_on", "returned_on", "arrived_on"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    for column in ("term", "student_id", "outcome", "cause"):
        frame[column] = frame[column].astype("str")
    frame = frame.sort_values(["as_of_date", "student_id", "term"], ignore_index=True)
    return Labels(frame=frame[list(COLUMNS)], label_date=label_date, rule_version=rule_version)


@dataclass(frozen=True)
class OutcomeCounts:
    """How many rows and how many people stand behind labels.

    Attributes
    ----------
    rows
        Student-dates by outcome; every outcome is named.
    students
        People by outcome. One who has different outcomes on different dates counts under each of them.
    leavers, returned
        Students who left, and of them those who came back within a horizon, each once however many
        as-of dates hold them.
    """

    rows: Mapping[Outcome, int]
    students: Mapping[Outcome, int]
    leavers: int
    returned: int


def count_outcomes(labels: Labels) -> OutcomeCounts:
    """Count outcomes, each leaver once however many as-of dates hold the student."""
    by_outcome = {outcome: labels.frame[labels.frame["outcome"] == outcome.value] for outcome in Outcome}
    left = by_outcome[Outcome.LEFT]
    return OutcomeCounts(
        rows={outcome: len(rows) for outcome, rows in by_outcome.items()},
        students={outcome: rows["student_id"].nunique() for outcome, rows in by_outcome.items()},
        leavers=left["student_id"].nunique(),
        returned=left.loc[left["returned_on"].notna(), "student_id"].nunique(),
    )


def tables_of(rule: RegionRule) -> tuple[str, ...]:
    """Name the tables by which a rule judges: up to their last complete date outcomes can be known."""
    ledger = ("ledger_events",) if rule.verified_by_ledger else ()
    absence = ("attendance", "attendance_reports") if rule.unexcused_absence else ()
    return ("enrolments", *ledger, *absence)


def _known_to(store: RecordStore, rule: RegionRule, label_date: date) -> date:
    return min(label_date, store.last_complete_date(tables_of(rule)) or label_date)


def _cohort_then(reader: BucketReader, as_of: AsOf, rule: RegionRule) -> dict[str, pa.Table]:
    """Copy out the cohort, and the leavings that were known when it was formed."""
    connection = reader.at(as_of.as_of_date, rule, as_of.term)
    tell_leavings(connection, replace(rule, unexcused_absence=None), as_of.as_of_date)
    return {
        "cohort_then": connection.sql("SELECT student_id, spell_running FROM cohort").to_arrow_table(),
        "known_then": connection.sql(KNOWN_THEN).to_arrow_table(),
    }


def _no_rows() -> pa.Table:
    import pyarrow as pa

    dates = {"as_of_date", "horizon_end", "left_on", "returned_on", "arrived_on"}
    return pa.schema(
        [(name, pa.date32() if name in dates else pa.string()) for name in COLUMNS]
    ).empty_table()
