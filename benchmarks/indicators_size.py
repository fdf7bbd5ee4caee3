"""Time and memory of the official figures and the periodic reports, beside a script over the same CSV files.

A region of counties of 20,000 students is made and taken in once (the folder is kept); then `riskmodel
indicators` and `riskmodel reports` run as a user would call them. Beside them stands what a bureau's clerk
would otherwise write: pandas over the CSV files, for one rate of the latest complete school year by county
and stage. It must come to the same counts.

    python benchmarks/indicators_size.py FOLDER --students 500000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pandas as pd
from county_knowable import ROOT, Cost, configured, costs_table, measured

SEED = 20260901
SCHOOL_YEARS = 2
ONCE, STEPS = ("county", "intake"), ("indicators", "reports")
KEYS = ["county", "stage"]
FAR = pd.Timestamp("2200-01-01")


def made(folder: Path, students: int) -> list[Cost]:
    """Make the region and take it in, unless it is there; return what that took."""
    kept = folder / "costs.json"
    costs = [Cost(**cost) for cost in json.loads(kept.read_text())] if kept.exists() else []
    if not costs:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        configured(SEED, folder, students=students, times_leavers=1, school_years=SCHOOL_YEARS)
        shutil.copy(ROOT / "configs" / "targets.yaml", folder)
    for step in ONCE[len(costs) :]:
        costs.append(measured(step, folder / "county.yaml"))
        print(f"{costs[-1]}", file=sys.stderr, flush=True)
        kept.write_text(json.dumps([asdict(cost) for cost in costs]))
    return costs


def leavers_by_pandas(records: Path, *, first: date, last: date, known: date) -> pd.DataFrame:
    """Count students and leavers (v1) between two days by county and stage, from the CSV files alone."""
    days = {"start_date", "end_date", "recorded_on", "event_date"}

    def told(name: str) -> pd.DataFrame:
        rows = pd.read_csv(records / f"{name}.csv", dtype=str)
        for column in days & set(rows.columns):
            rows[column] = pd.to_datetime(rows[column])
        if "recorded_on" in rows:
            rows = rows[rows["recorded_on"] <= pd.Timestamp(known)].sort_values("recorded_on", kind="stable")
        return rows

    spells = told("enrolments").drop_duplicates(["student_id", "school_id", "start_date"], keep="last")
    events = told("ledger_events")
    events = events[events["event"].isin(["verified_dropout", "verified_not_dropout", "returned"])]

    def standing(on: date) -> pd.DataFrame:
        day = pd.Timestamp(on)
        begun = spells[spells["start_date"] <= day].assign(until=lambda rows: rows["end_date"].fillna(FAR))
        begun["running"] = begun["until"] >= day
        begun["by_end"] = begun["until"].where(~begun["running"], FAR)
        order = ["running", "by_end", "start_date", "school_id"]
        spell = begun.sort_values(order).drop_duplicates("student_id", keep="last")
        word = events[events["event_date"] <= day].sort_values(["event_date", "recorded_on"], kind="stable")
        word = word.drop_duplicates("student_id", keep="last")[["student_id", "event", "event_date"]]
        spell = spell.merge(word, on="student_id", how="left")
        verified = (spell["event"] == "verified_dropout") & (spell["start_date"] <= spell["event_date"])
        back = (spell["event"] == "returned") & (spell["event_date"] > spell["end_date"])
        settled = spell["exit_reason"].isin(["died", "emigrated", "home_teaching"])
        ended = ~spell["running"] & (spell["exit_reason"] == "dropped_out") & ~back
        lost = ~spell["running"] & spell["exit_reason"].isin(["suspended", "transfer_unconfirmed"])
        spell["left"] = verified & (spell["running"] | ~settled) | ended | lost
        spell["counted"] = spell["running"] & ~verified
        return spell

    here = standing(first).query("counted")[["student_id", "school_id", "grade"]]
    there = standing(last)[["student_id", "left"]]
    schools = told("schools").set_index("school_id")["county"]
    rows = here.merge(there, on="student_id", how="left")
    rows["county"] = rows["school_id"].map(schools)
    rows["stage"] = rows["grade"].astype(int).map(lambda grade: "primary" if grade <= 6 else "junior")
    return rows.groupby(KEYS)["left"].agg(leavers="sum", students="size").reset_index()


def ours(folder: Path) -> tuple[pd.DataFrame, date, date, date]:
    """Read the same counts from what `riskmodel indicators` wrote, and the days they are of."""
    day = max((folder / "workspace" / "indicators").iterdir())  # reports count earlier days as well
    found = pd.read_parquet(day / "figures.parquet")
    found = found.query("formula == 'dropout_rate' and span_kind == 'year' and complete")
    found = found.query("level == 'county' and by == 'stage'")
    found = found[found["span"] == found["span"].max()]
    counts = found.rename(columns={"numerator": "leavers", "denominator": "students"})
    first, last = found["first_day"].iloc[0], found["last_day"].iloc[0]
    return counts[[*KEYS, "leavers", "students"]], first, last, date.fromisoformat(day.name)


def measured_script(folder: Path, first: date, last: date, known: date) -> tuple[Cost, pd.DataFrame]:
    """Run the script in a process of its own; return what it took, and its counts."""
    out, days = folder / "by_pandas.csv", [each.isoformat() for each in (first, last, known)]
    begun = time.monotonic()
    command = [sys.executable, __file__, str(folder), "--by-pandas", *days]
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the script failed")
    cpu = used.ru_utime + used.ru_stime
    cost = Cost("pandas over the CSV files, one rate", time.monotonic() - begun, cpu, used.ru_maxrss / 1024)
    return cost, pd.read_csv(out)


def main() -> None:
    """Print what each step took, and whether both ways come to the same counts."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--students", type=int, default=500_000)
    asked.add_argument("--by-pandas", nargs=3, type=date.fromisoformat, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.by_pandas:
        first, last, known = told.by_pandas
        records = told.folder / "workspace" / "county" / "records"
        counts = leavers_by_pandas(records, first=first, last=last, known=known)
        counts.to_csv(told.folder / "by_pandas.csv", index=False)
        return
    folder = told.folder / str(told.students)
    costs = made(folder, told.students)
    for step in STEPS:
        costs.append(measured(step, folder / "county.yaml"))
        print(f"{costs[-1]}", file=sys.stderr, flush=True)
    counts, first, last, known = ours(folder)
    cost, rival = measured_script(folder, first, last, known)
    print("\n".join(costs_table({f"{told.students:,} students": [*costs, cost]})))
    both = counts.merge(rival, on=KEYS, suffixes=("", "_pandas"), how="outer")
    same = (both["leavers"] == both["leavers_pandas"]) & (both["students"] == both["students_pandas"])
    differing = both[~same]
    print(f"{len(both)} counts of {int(counts['leavers'].sum()):,} leavers, {len(differing)} differ")
    if len(differing):
        print(differing.to_string(index=False))
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; the machine was shared")


if __name__ == "__main__":
    main()
