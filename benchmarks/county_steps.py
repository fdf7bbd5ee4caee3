"""What every step of a term's work takes, by the size of the county, and what an audit of it can say.

A county of each size is made over six school years; the commands work on it as a data team would call them,
each in a process of its own. The folder is kept, so that its model can be looked at afterwards.

    python benchmarks/county_steps.py FOLDER --students 20000 200000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from county_knowable import Cost, configured, costs_table, measured

STEPS = ("county", "intake", "features", "train", "audit", "publish")
SEED = 20260901
RECIPE = "hazard_average"
SCHOOL_YEARS = 6
WEEKS = (10,)
"""One day of each term: six years of three would not fit the memory that a small server has."""


def run_steps(students: int, folder: Path) -> tuple[Cost, ...]:
    """Do all steps on a county, or only those that are still to be done; return what each took."""
    kept = folder / "costs.json"
    costs = [Cost(**cost) for cost in json.loads(kept.read_text())] if kept.exists() else []
    if not costs:
        folder.mkdir(parents=True)
        configured(
            SEED,
            folder,
            students=students,
            times_leavers=1,
            recipe=RECIPE,
            school_years=SCHOOL_YEARS,
            weeks=WEEKS,
        )
    for step in STEPS[len(costs) :]:
        costs.append(measured(step, folder / "county.yaml"))
        print(f"{students:,}: {costs[-1]}", file=sys.stderr, flush=True)
        kept.write_text(json.dumps([asdict(cost) for cost in costs]))
    return tuple(costs)


def report(done: dict[int, tuple[Cost, ...]]) -> Iterator[str]:
    """Tell what each step took."""
    yield from costs_table({f"{students:,} students": costs for students, costs in done.items()})


def main() -> None:
    """Do the steps for each size, one county after the other, and print the tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--students", type=int, nargs="+", default=[20_000, 200_000])
    told = asked.parse_args()
    done = {students: run_steps(students, told.folder / str(students)) for students in told.students}
    print("\n".join(report(done)))


if __name__ == "__main__":
    main()
