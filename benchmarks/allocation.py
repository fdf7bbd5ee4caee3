"""Greedy and linear programme side by side, with the bound: time and memory of 50,000 and 500,000 students.

`python benchmarks/allocation.py 50000 500000`. The county is drawn here: five discretionary programmes that
compete for yuan, hours of schools and places, of students whose risk and facts are independent draws. What is
shown is how long it takes and how far the lists stay below what is possible, not whom they would reach
(`riskmodel target evaluate`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from riskmodel.targeting import allocation, linear
from riskmodel.targeting.programmes import ProgrammesFile

PER_SCHOOL = 167
"""Students of a school: 50,000 are 300 schools."""


def programmes(students: int, method: str) -> ProgrammesFile:
    """Return five programmes with budgets that grow with the county."""

    def one(number: int, eligible: str, effect: float, **more: Any) -> dict[str, Any]:
        assumed = {
            "low": effect / 2,
            "middle": effect,
            "high": effect * 1.5,
            "source": "drawn for a benchmark",
        }
        name = {"zh": f"项目{number}", "en": f"programme {number}"}
        kind = {
            "id": f"p{number}",
            "kind": "discretionary",
            "name": name,
            "eligible": eligible,
            "effect": assumed,
        }
        return kind | more

    return ProgrammesFile.model_validate(
        {
            "config_version": 1,
            "method": method,
            "budget": {"yuan": 8 * students, "hours_per_school": 40, "programmes_per_student": 2},
            "programmes": [
                one(1, 'hardship != "none"', 0.30, cost_yuan=1000, answers=["money"]),
                one(2, 'band in ["reach_out", "check_in"] || parents_away == "both"', 0.10, cost_hours=6),
                one(3, "boards == false && distance_km >= 5.0", 0.12, cost_yuan=300, places=students // 160),
                one(4, 'parents_away != "none"', 0.05, cost_hours=2, cost_yuan=50),
                one(5, 'stage == "junior"', 0.04, cost_yuan=120, cost_hours=1, places=students // 50),
            ],
        }
    )


def county(students: int, *, seed: int) -> pd.DataFrame:
    """Draw facts and risks."""
    draw = np.random.default_rng(seed)
    risk = np.clip(draw.beta(0.5, 40, students), 0, 1)
    schools = draw.integers(0, max(1, students // PER_SCHOOL), students)

    def coded(values: list[Any], weights: list[float]) -> pd.Series[Any]:
        return pd.Series(np.array(values, dtype=object)[draw.choice(len(values), students, p=weights)])

    families = np.array(["attendance", "study", "home", "money", "travel"])
    first = families[draw.integers(0, len(families), students)]
    facts = pd.DataFrame(
        {
            "student_id": [f"s{number:07d}" for number in range(students)],
            "school_id": [f"A{number:05d}" for number in schools],
            "stage": coded(["primary", "junior"], [0.6, 0.4]),
            "boards": coded([True, False], [0.4, 0.6]),
            "parents_away": coded(["none", "one", "both", None], [0.6, 0.2, 0.15, 0.05]),
            "hardship": coded(["none", "low_income", "monitored", None], [0.8, 0.1, 0.05, 0.05]),
            "distance_km": np.round(draw.gamma(2, 2, students), 1),
            "risk": risk,
            "band": np.select([risk > 0.08, risk > 0.03], ["reach_out", "check_in"], "usual_care"),
            "listed": risk > 0.03,
            "reason_families": [[name] if at > 0.03 else [] for name, at in zip(first, risk, strict=True)],
        }
    )
    facts.attrs["as_of_date"] = date(2026, 6, 22)
    return facts


def measure(students: int, method: str, seed: int) -> str:
    """Allocate once and return a row of the table; peak memory is this process's own."""
    facts, told = county(students, seed=seed), programmes(students, method)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    solving: list[float] = []

    def timed(*given: Any) -> linear.Solved:
        began = time.perf_counter()
        found = linear.solve(*given)
        solving.append(time.perf_counter() - began)
        return found

    cpu, wall = time.process_time(), time.perf_counter()
    with patch.object(allocation, "solve", timed):
        found = allocation.allocate(facts, told)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    pairs = int(found.items["order"].notna().sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {students:,} | {facts['school_id'].nunique():,} | {method} | {pairs:,} | {cpu:.1f} | {wall:.1f} "
        f"| {np.mean(solving):.1f} | {before:.0f} | {peak:.0f} | {found.benefit:.2f} | {found.bound:.2f} "
        f"| {1 - found.gap:.2%} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("students", nargs="*", type=int, default=[50_000])
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, seed {told.seed}")
    head = (
        "students schools method pairs CPU_s wall_s a_solving,_wall_s MB_before MB_peak benefit bound share"
    )
    print("| " + " | ".join(head.split()).replace("_", " ") + " |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    alone = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=alone, max_tasks_per_child=1) as processes:
        for students in told.students:
            for method in ("greedy", "linear"):
                print(processes.submit(measure, students, method, told.seed).result(), flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
