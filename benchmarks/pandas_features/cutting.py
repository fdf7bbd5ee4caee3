"""What was stored of a table, cut at a day in pandas: known by then, each key's latest statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

LATEST = ["statement_on", "implied", "delivery", "origin", "file", "row"]
LATEST_IS_LOW = [False, True, False, False, False, False]
STORED = ["known_from", "known_until", *LATEST]


def cut(
    stored: Mapping[str, pd.DataFrame], keys: Mapping[str, Sequence[str]], day: pd.Timestamp
) -> dict[str, pd.DataFrame]:
    """Return each table's rows that hold on a day."""
    held = {name: _held(frame, list(keys[name]), day) for name, frame in stored.items()}
    held["attendance"] = _attendance(held["attendance"], day)
    return held


def _held(frame: pd.DataFrame, key: list[str], day: pd.Timestamp) -> pd.DataFrame:
    known = frame[(frame["known_from"] <= day) & ~(frame["known_until"] <= day)]
    several = known.duplicated(key, keep=False)
    if not several.any():
        return known
    # An ended spell is said later than its beginning, on the same day too.
    ended = ["end_date"] if "exit_reason" in frame else []
    order, low = (
        [*LATEST[:2], *ended, *LATEST[2:]],
        [*LATEST_IS_LOW[:2], *([True] * len(ended)), *LATEST_IS_LOW[2:]],
    )
    last = known[several].sort_values(order, ascending=low, na_position="last").drop_duplicates(key)
    return pd.concat([known[~several], last])


def _attendance(rows: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return rows that have ended; where daily rows lie inside a longer one, the daily rows hold."""
    rows = rows[rows["end_date"] <= day].reset_index(drop=True)
    long = rows["start_date"] < rows["end_date"]
    inside = (
        rows.loc[long, ["student_id", "start_date", "end_date"]]
        .reset_index()
        .merge(rows.loc[~long, ["student_id", "start_date"]], on="student_id", suffixes=("", "_of_day"))
    )
    inside = inside[inside["start_date_of_day"].between(inside["start_date"], inside["end_date"])]
    return rows.drop(index=inside["index"].unique())
