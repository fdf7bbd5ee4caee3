"""Each job beside what a user would pick instead and beside the least it can take, in one run.

The ways of a job alternate, each time in a process of its own; told are medians. Of processor and wall
seconds only the work counts, not what was read before it or loaded; the peak is that of the process, with
the libraries. Everything reckons in one thread. The table is printed and kept with its date, so that a later
run can be held against it.

    python benchmarks/bench.py --rows 200000 --students 50000 --county 5000
    python benchmarks/bench.py --jobs reasons --repeats 5 --against bench-2026-11-28.json

Intake has a run of its own (`make bench-intake`), and so has the endpoint (`make bench-serve`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypedDict

JOBS = ("features", "training", "reasons", "publishing")


class Measured(TypedDict):
    """What a way took: medians, seconds of so many things worked at, MB of its process."""

    count: int
    cpu: float
    wall: float
    peak_mb: float


def ways_of(job: str) -> list[str]:
    """Return the names of a job's ways, ours first."""
    return list(_ways(job))


def _ways(job: str) -> Mapping[str, object]:
    if job == "features":
        from sizes.feature_ways import FEATURE_WAYS

        return FEATURE_WAYS
    from sizes.ways import WAYS

    return WAYS[job]


def work_at(job: str, way: str, folder: Path) -> Measured:
    """Do a job by a way in this process."""
    work, count = _ways(job)[way](folder)  # type: ignore[operator]
    cpu, wall = _cpu(), time.monotonic()
    work()
    return Measured(count=count, cpu=_cpu() - cpu, wall=time.monotonic() - wall, peak_mb=_peak_mb())


def _cpu() -> float:
    """Return the processor seconds of this process and of those that it started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _peak_mb() -> float:
    """Return the most that this process had in memory, or the largest of those that it started."""
    return max(_own_peak_mb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def _own_peak_mb() -> float:
    """`ru_maxrss` would also know what the parent had."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(told["VmHWM"].split()[0]) / 1024


def _elsewhere(job: str, way: str, folder: Path) -> Measured:
    command = [sys.executable, __file__, "--work", job, way, str(folder)]
    limits = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **limits}, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: Measured = json.loads(done.stdout.splitlines()[-1])
    return told


def run_jobs(jobs: Sequence[str], folder: Path, *, repeats: int) -> dict[str, dict[str, Measured]]:
    """Do each job by each way, alternating, `repeats` times; return the medians."""
    found: dict[str, dict[str, Measured]] = {}
    for job in jobs:
        times: dict[str, list[Measured]] = {way: [] for way in ways_of(job)}
        for _ in range(repeats):
            for way, taken in times.items():
                taken.append(_elsewhere(job, way, folder))
        found[job] = {way: _median(taken) for way, taken in times.items()}
    return found


def _median(taken: Sequence[Measured]) -> Measured:
    return Measured(
        count=taken[0]["count"],
        cpu=median(one["cpu"] for one in taken),
        wall=median(one["wall"] for one in taken),
        peak_mb=median(one["peak_mb"] for one in taken),
    )


def table(
    found: Mapping[str, Mapping[str, Measured]],
    against: Mapping[str, Mapping[str, Measured]] | None = None,
) -> Iterator[str]:
    """Yield the table: each way's cost of a thousand things, and how many times ours it is."""
    yield "| job | way | of | CPU s | wall s | MB peak | CPU ms a thousand | times ours | formerly |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for job, ways in found.items():
        ours = _each(ways["ours"])
        for way, taken in ways.items():
            former = (against or {}).get(job, {}).get(way)
            yield (
                f"| {job} | {way} | {taken['count']:,} | {taken['cpu']:.2f} | {taken['wall']:.2f} "
                f"| {taken['peak_mb']:,.0f} | {_each(taken) * 1e6:,.1f} | {_each(taken) / ours:.2f} "
                f"| {f'{_each(former) * 1e6:,.1f}' if former else ''} |"
            )


def _each(taken: Measured) -> float:
    return taken["cpu"] / taken["count"]


def prepare(jobs: Sequence[str], folder: Path, *, rows: int, students: int, county: int) -> None:
    """Make the data of the jobs."""
    if "features" in jobs:
        from sizes import feature_ways

        feature_ways.prepare(folder, students=county)
    if set(jobs) - {"features"}:
        from sizes import ways

        ways.prepare(folder, rows=rows, students=students)


def main() -> None:
    """Make the data, do the jobs, print the table, and keep it."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=200_000, help="student-dates to learn from")
    asked.add_argument("--students", type=int, default=50_000, help="students to score and publish")
    asked.add_argument("--county", type=int, default=5_000, help="students of the county of the features")
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    asked.add_argument("--out", type=Path, default=Path("workspace-bench"), help="folder of the dated file")
    asked.add_argument("--against", type=Path, help="a dated file of a former run")
    asked.add_argument("--work", nargs=3, metavar=("JOB", "WAY", "FOLDER"), help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.work:
        job, way, folder = given.work
        print(json.dumps(work_at(job, way, Path(folder))))
        return
    against = json.loads(given.against.read_text())["jobs"] if given.against else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(given.jobs, folder, rows=given.rows, students=given.students, county=given.county)
        found = run_jobs(given.jobs, folder, repeats=given.repeats)
        if "features" in given.jobs:
            from sizes.feature_ways import check

            print(f"features: ours and pandas differ by {check(folder):.1e} at most\n")
    print("\n".join(table(found, against)))
    load = os.getloadavg()[0]
    print(f"\nmedians of {given.repeats}; one thread; {os.cpu_count()} cores, load {load:.1f}")
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / f"bench-{datetime.now(UTC):%Y-%m-%d-%H%M}.json"
    kept.write_text(json.dumps({"load": load, "repeats": given.repeats, "jobs": found}, indent=1))
    print(f"kept: {kept}")


if __name__ == "__main__":
    main()
