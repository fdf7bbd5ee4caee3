"""What was known on a day, as frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

TABLES = (
    "cohort", "terms", "schools", "students", "enrolments", "attendance", "school_days", "reported_days",
    "grades", "family", "subsidies",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What was known on the as-of date.

    `tables` has the tables of the record contract, each key once, and `cohort`, `school_days` and
    `reported_days`; dates are `datetime64`. `delivered`: names of the tables that were sent at all.
    """

    as_of_date: pd.Timestamp
    term_start: pd.Timestamp
    outcome_delay_days: int
    tables: Mapping[str, pd.DataFrame]
    delivered: frozenset[str]

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self.tables[table]

    @property
    def students(self) -> pd.Index:
        """Ids of the cohort, in the order of the result."""
        return pd.Index(self["cohort"]["student_id"])

    @property
    def previous_term(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last day of the last term that ended before the current one; NaT where there is none."""
        terms = self["terms"]
        before = terms[terms["end_date"] < self.term_start]
        last = before["end_date"].max()
        return before.loc[before["end_date"] == last, "start_date"].max(), last

    def having(self, tables: Mapping[str, pd.DataFrame]) -> Known:
        """Return the same with these tables in the place of their namesakes."""
        return replace(self, tables={**self.tables, **tables})

    def without(self, names: Collection[str]) -> Known:
        """Return the same without some tables."""
        return replace(self, tables={name: of for name, of in self.tables.items() if name not in names})

    def age(self, dates: pd.Series) -> pd.Series:
        """Days before the as-of date."""
        return (self.as_of_date - dates).dt.days

    def of_cohort(self, table: str) -> pd.DataFrame:
        """Rows of a table that tell of students of the cohort."""
        return self[table].merge(self["cohort"][["student_id"]], on="student_id")


def read_known(connection: Any, *, delivered: tuple[str, ...], outcome_delay_days: int) -> Known:
    """Read what a connection of `riskmodel.records.asof.BucketReader.at` shows."""
    tables = {name: dated(connection.sql(f"SELECT * FROM {name}").df()) for name in TABLES}
    as_of = dated(connection.sql("SELECT * FROM as_of").df()).iloc[0]
    return Known(
        as_of["as_of_date"], pd.Timestamp(as_of["term_start"]), outcome_delay_days, tables,
        frozenset(delivered),
    )  # fmt: skip


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its columns of days as `datetime64`."""
    dates = [name for name in frame if name in DATES]
    return frame.astype(dict.fromkeys(dates, "datetime64[s]"))


DATES = frozenset(
    (
        "as_of_date", "date", "start_date", "end_date", "term_start", "term_end", "open_from", "open_to",
        "birth_date", "recorded_on", "exam_date", "expected_return", "known_from", "known_until",
        "statement_on",
    )
)  # fmt: skip
