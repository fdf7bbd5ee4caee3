"""Attendance, per reported school day of the student's own spells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .known import Known

HISTORY_DAYS = 168
BLOCKS = {f"block_{n}": (28 * (6 - n), 28 * (6 - n) + 27) for n in range(1, 7)}
AGES = {
    "7d": (0, 6), "14d": (0, 13), "28d": (0, 27), "prior_28d": (28, 55), "56d": (0, 55), **BLOCKS,
    "history": (0, HISTORY_DAYS - 1),
}  # fmt: skip


def features(known: Known) -> pd.DataFrame:
    """Shares, days, runs and changes of absence."""
    days = _school_days(known)
    daily = _daily(known)
    own = _own_days(known, days)
    absent, unexcused = _sums(known, daily, "days_absent"), _sums(known, daily, "days_unexcused")
    late = _sums(known, daily, "times_late")
    reported = own[list(absent)]
    is_reported = reported > 0
    absent, unexcused, late = (
        sums.reindex(known.students).fillna(0).where(is_reported) for sums in (absent, unexcused, late)
    )
    silent = daily[daily["days_unexcused"].isna() & (daily["days_absent"] > 0)]
    unexcused = unexcused.mask(_sums(known, silent, "days_absent").reindex(known.students) > 0)
    share = absent / np.maximum(absent, reported)
    unexcused_share = unexcused / np.maximum(unexcused, reported)
    runs = _runs(days, daily)
    last_absence = daily[daily["days_absent"] > 0].groupby("student_id")["age"].min()
    made = {f"absence_share_{window}": share[window] for window in ("7d", "14d", "28d", "56d", "term")}
    made |= {
        "absence_share_change_28d": share["28d"] - share["prior_28d"],
        "absence_share_change_term": share["term"] - share["previous_term"],
        "unexcused_absence_share_28d": unexcused_share["28d"],
        "unexcused_absence_share_56d": unexcused_share["56d"],
        "longest_absence_run_56d": _or_zero(
            runs[runs["age"] < 56].groupby("student_id")["run"].max(), is_reported["56d"]
        ),
        "running_absence_run": _or_zero(
            runs[runs["is_last"]].groupby("student_id")["run"].max(), is_reported["history"]
        ),
        "days_since_absence": last_absence.reindex(known.students)
        .fillna(HISTORY_DAYS)
        .clip(upper=HISTORY_DAYS)
        .where(is_reported["history"]),
        "times_late_56d": late["56d"],
        "unreported_share_56d": 1
        - reported["56d"] / own["school_days_56d"].where(own["school_days_56d"] > 0),
    }
    told = ("14d", "28d", "prior_28d", "56d", "term", "previous_term", *BLOCKS)
    made |= {f"absence_days_{window}": absent[window] for window in told}
    made |= {
        "unexcused_absence_days_56d": unexcused["56d"],
        "reported_days_56d": reported["56d"],
        "attendance_report_age_days": own["days_since_report"],
    }
    return pd.DataFrame(made, index=known.students)


def _or_zero(values: pd.Series, is_known: pd.Series) -> pd.Series:
    return values.reindex(is_known.index).fillna(0).where(is_known)


def _windows(known: Known, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Tell of each row, by its `date` and `age`, in which windows it lies."""
    lies = {window: rows["age"].between(*ages) for window, ages in AGES.items()}
    return lies | {
        "term": rows["date"] >= known.term_start,
        "previous_term": rows["date"].between(*known.previous_term),
    }


def _followed_from(known: Known) -> pd.Timestamp:
    """First day that is looked at: 168 days back, and to the start of the former term."""
    starts = [
        known.as_of_date - pd.Timedelta(days=HISTORY_DAYS - 1),
        known.term_start,
        known.previous_term[0],
    ]
    return min(day for day in starts if not pd.isna(day))


def _school_days(known: Known) -> pd.DataFrame:
    """School days that are looked at, and whether they were reported."""
    days = known["school_days"]
    days = days[days["date"].between(_followed_from(known), known.as_of_date)]
    days = days.merge(known["reported_days"].assign(reported=True), how="left", on=["school_id", "date"])
    days["reported"] = days["reported"].notna()
    return days.assign(age=known.age(days["date"])).sort_values(["school_id", "date"], ignore_index=True)


def _own_days(known: Known, days: pd.DataFrame) -> pd.DataFrame:
    """Count the reported days of the student's own spells, by window; equal stays are counted once.

    Where spells overlap, a day belongs to the one begun last; one that lies within another does not count.
    """
    spells = known.of_cohort("enrolments").sort_values(["student_id", "start_date", "school_id"])
    spells["first"] = spells["start_date"]
    spells["last"] = spells["end_date"].fillna(known.as_of_date).clip(upper=known.as_of_date)
    spells = spells[spells["last"] == spells.groupby("student_id")["last"].cummax()]
    next_first = spells.groupby("student_id")["first"].shift(-1)
    overlaps = next_first <= spells["last"]
    spells = spells.assign(last=spells["last"].mask(overlaps, next_first - pd.Timedelta(days=1)))
    spells = spells[["student_id", "school_id", "first", "last"]]
    stays = spells[["school_id", "first", "last"]].drop_duplicates().reset_index(drop=True)
    stays["stay"] = stays.index
    each = stays.merge(days, on="school_id")
    each = each[each["date"].between(each["first"], each["last"])]
    counts = pd.DataFrame(
        {window: lies & each["reported"] for window, lies in _windows(known, each).items()}
        | {"school_days_56d": each["age"] < 56}
    )
    by_stay = counts.groupby(each["stay"]).sum()
    by_stay["days_since_report"] = each[each["reported"]].groupby("stay")["age"].min()
    whose = spells.merge(stays, on=["school_id", "first", "last"])[["student_id", "stay"]]
    by_student = whose.merge(by_stay, left_on="stay", right_index=True).groupby("student_id")
    own = by_student[list(counts)].sum().join(by_student["days_since_report"].min())
    return own.reindex(known.students)


def _daily(known: Known) -> pd.DataFrame:
    """Absences by day: a total for several days is spread evenly over the school days within it."""
    told = known["attendance"].merge(known["cohort"][["student_id", "school_id"]], on="student_id")
    told = told[told["end_date"] >= _followed_from(known)]
    is_long = told["start_date"] < told["end_date"]
    totals = told[is_long].reset_index(drop=True)
    totals["total"] = totals.index
    within = totals[["total", "school_id", "start_date", "end_date"]].merge(
        known["school_days"], on="school_id"
    )
    within = within[within["date"].between(within["start_date"], within["end_date"])]
    parts = totals.merge(within[["total", "date"]], how="left", on="total")
    parts["date"] = parts["date"].fillna(parts["end_date"])
    counted = ["days_absent", "days_unexcused", "times_late"]
    parts[counted] = parts[counted].div(parts.groupby("total")["date"].transform("size"), axis=0)
    daily = pd.concat([told[~is_long].assign(date=told["end_date"]), parts])
    daily = daily[["student_id", "school_id", "date", *counted]].reset_index(drop=True)
    return daily.assign(age=known.age(daily["date"]))


def _sums(known: Known, daily: pd.DataFrame, column: str) -> pd.DataFrame:
    """Add a column up by student and window."""
    lies = _windows(known, daily)
    return pd.DataFrame({w: daily[here].groupby("student_id")[column].sum() for w, here in lies.items()})


def _runs(days: pd.DataFrame, daily: pd.DataFrame) -> pd.DataFrame:
    """Count up the days of each run: whole days absent, on reported days that follow each other."""
    reported = days[days["reported"]].copy()
    reported["nth"] = reported.groupby("school_id").cumcount()
    reported["is_last"] = ~reported.duplicated("school_id", keep="last")
    whole = daily.groupby(["student_id", "school_id", "date"], as_index=False)["days_absent"].sum()
    whole = whole[whole["days_absent"] > 0.99].merge(
        reported[["school_id", "date", "age", "nth", "is_last"]], on=["school_id", "date"]
    )
    whole = whole.sort_values(["student_id", "nth"])
    begins = (whole.groupby("student_id")["nth"].diff() != 1).cumsum()
    return whole.assign(run=whole.groupby(begins).cumcount() + 1)
