"""What every step of a term's work takes, by the size of the county, and what an audit of it can say.

A county of each size is made over six school years; the commands work on it as a data team would call them,
each in a process of its own. The folder is kept, so that its model can be looked at afterwards.

    python benchmarks/county_steps.py FOLDER --students 20000 200000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from county_knowable import Cost, configured, costs_table, measured

from riskmodel.documents.tables import groups_head, groups_row, places_head, places_row
from riskmodel.evaluation.audit import read_audit
from riskmodel.evaluation.gates import read_gates_found
from riskmodel.evaluation.gates_report import gates_table
from riskmodel.evaluation.report import markdown_table, overall_head, overall_rows, read_evaluation

STEPS = ("county", "intake", "features", "train", "publish", "audit")
"""Published before the gates are asked: they may refuse, and what each step takes is asked here."""
SEED = 20260901
RECIPE = "hazard_average"
SCHOOL_YEARS = 6
WEEKS = (8,)
"""One day of each term: six years of three would not fit the memory that a small server has."""
TEST = ({"term": "2025-2026-1", "week": 8},)
"""A week that was learnt from: risks of another week of the term are not calibrated."""


def run_steps(
    students: int,
    folder: Path,
    *,
    steps: Sequence[str] = STEPS,
    recipe: str | None = RECIPE,
    school_years: int = SCHOOL_YEARS,
) -> tuple[Cost, ...]:
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
            recipe=recipe,
            school_years=school_years,
            weeks=WEEKS,
            test=TEST,
        )
    for step in steps[len(costs) :]:
        costs.append(measured(step, folder / "county.yaml"))
        print(f"{students:,}: {costs[-1]}", file=sys.stderr, flush=True)
        kept.write_text(json.dumps([asdict(cost) for cost in costs]))
    return tuple(costs)


def report(done: dict[int, tuple[Cost, ...]], folder: Path) -> Iterator[str]:
    """Tell what each step took, and what the audit and the gates say at each size."""
    yield from costs_table({f"{students:,} students": costs for students, costs in done.items()})
    for students in done:
        yield from ("", f"## {students:,} students", "", *_audited(folder / str(students)))


def _audited(folder: Path) -> Iterator[str]:
    """Tell every figure by group, the gaps, and every gate, each with its interval."""
    (model,) = (folder / "workspace" / "models").glob("*/audit.json")
    audit = read_audit(model.read_text(encoding="utf-8"))
    evaluation = read_evaluation((model.parent / "evaluation.json").read_text(encoding="utf-8"))
    gates = read_gates_found((model.parent / "gates.json").read_text(encoding="utf-8"))
    counts = f"{evaluation.rows:,} student-dates, {evaluation.events:,} left"
    learnt = f"{evaluation.training_events:,} who left, {len(audit.training_dates)} as-of dates"
    yield f"{counts}; learnt from {learnt}"
    yield ""
    yield markdown_table(overall_head("en"), overall_rows(evaluation, "en"))
    yield ""
    yield markdown_table(places_head("en"), [places_row(each, "en") for each in audit.places])
    yield ""
    yield markdown_table(groups_head("en"), [groups_row(each, "en") for each in audit.groups])
    yield ""
    yield gates_table(gates, "en")


def main() -> None:
    """Do the steps for each size, one county after the other, and print the tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--students", type=int, nargs="+", default=[20_000, 200_000])
    told = asked.parse_args()
    done = {students: run_steps(students, told.folder / str(students)) for students in told.students}
    print("\n".join(report(done, told.folder)))


if __name__ == "__main__":
    main()
