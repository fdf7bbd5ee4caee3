"""How the cost of each step grows with the students, and what a province and the country would need.

Counties of each size are made over some school years and worked at by the commands (see `county_steps.py`),
by the fixed recipe, each in a process of its own. What was measured is kept in the folder: a run that was
broken off goes on, and another size may be added later. Printed are a table, the law `cost = a x students^b`
of each step with what it says of a million students, and, from stated assumptions, cores, memory, disk and
yuan; the picture goes into the folder.

    python benchmarks/growth.py FOLDER --students 2000 5000 10000 20000
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from county_knowable import Cost
from county_steps import run_steps

STEPS = ("county", "intake", "features", "train", "publish")
WORKED_AT = STEPS[1:]
"""The county stands for a bureau's files, which are there."""
PLACES = {"a province": 5e6, "the country": 150e6}
YUAN_A_CORE_HOUR = 0.35
"""Assumed: a general cloud machine of 4 GB a core at 0.3 to 0.4 yuan a core-hour on demand; not looked up."""
MILLION = 1e6


@dataclass(frozen=True)
class Law:
    """`a x students^b`, fitted to logarithms by least squares."""

    a: float
    b: float

    @classmethod
    def of(cls, students: Sequence[int], costs: Sequence[float]) -> Law:
        """Fit the law."""
        b, log_a = np.polyfit(np.log(students), np.log(costs), 1)
        return cls(float(np.exp(log_a)), float(b))

    def at(self, students: float) -> float:
        """Return the cost of so many students."""
        return self.a * students**self.b


def measured(folder: Path, sizes: Sequence[int], *, years: int) -> dict[int, dict[str, Cost]]:
    """Measure each size that was not measured before, the smallest first; return what each step took."""
    return {
        students: {
            cost.step: cost
            for cost in run_steps(
                students, folder / str(students), steps=STEPS, recipe=None, school_years=years
            )
        }
        for students in sorted(sizes)
    }


def told(found: Mapping[int, Mapping[str, Cost]], bytes_of: Mapping[int, int]) -> Iterator[str]:
    """Tell what was measured, the laws, and what they say of more students."""
    sizes = list(found)
    yield "| step | " + " | ".join(f"{students:,}" for students in sizes) + " |"
    yield "|---|" + "---:|" * len(sizes)
    for step in STEPS:
        cells = (found[students][step] for students in sizes)
        yield (
            f"| {step} | "
            + " | ".join(
                f"{cost.wall_seconds:.0f} / {cost.cpu_seconds:.0f} / {cost.peak_mb:.0f}" for cost in cells
            )
            + " |"
        )
    yield "| workspace, MB | " + " | ".join(f"{bytes_of[students] / 1e6:.0f}" for students in sizes) + " |"
    yield "\nwall s / CPU s / peak MB of the largest process\n"
    if len(sizes) < 2:
        return
    yield "| step | CPU s = | a million students, CPU s | peak MB = | a million, MB |"
    yield "|---|---|---:|---|---:|"
    total = dict.fromkeys(PLACES, 0.0)
    for step in WORKED_AT:
        cpu = Law.of(sizes, [found[students][step].cpu_seconds for students in sizes])
        memory = Law.of(sizes, [found[students][step].peak_mb for students in sizes])
        yield (
            f"| {step} | {cpu.a:.2g} n^{cpu.b:.2f} | {cpu.at(MILLION):,.0f} "
            f"| {memory.a:.2g} n^{memory.b:.2f} | {memory.at(MILLION):,.0f} |"
        )
        for place, students in PLACES.items():
            # In parts of a million, each worked at for itself: the law is stretched no further.
            total[place] += cpu.at(MILLION) * students / MILLION
    disk = Law.of(sizes, [bytes_of[students] for students in sizes]).at(MILLION)
    yield ""
    yield f"| | core-hours a term | cores, 8 h | disk, TB | yuan at {YUAN_A_CORE_HOUR} a core-hour |"
    yield "|---|---:|---:|---:|---:|"
    for place, students in PLACES.items():
        hours = total[place] / 3600
        yield (
            f"| {place}, {students / MILLION:.0f} million | {hours:,.0f} | {np.ceil(hours / 8):,.0f} "
            f"| {disk * students / MILLION / 1e12:.2f} | {hours * YUAN_A_CORE_HOUR:,.0f} |"
        )


def picture(file: Path, found: Mapping[int, Mapping[str, Cost]]) -> None:
    """Draw processor time and memory of each step against students, both on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for step in WORKED_AT:
        cpu = [costs[step].cpu_seconds for costs in found.values()]
        peak = [costs[step].peak_mb for costs in found.values()]
        time.plot(list(found), cpu, marker="o", label=step)
        memory.plot(list(found), peak, marker="o", label=step)
    for axes, title in ((time, "CPU seconds"), (memory, "peak memory of the largest process, MB")):
        axes.set(xscale="log", yscale="log", xlabel="students", title=title)
        axes.set_xticks(list(found), labels=[f"{students:,}" for students in found])
        axes.minorticks_off()
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
    figure.savefig(file, dpi=110)


def main() -> None:
    """Measure, and print what docs/scale.md says."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("folder", type=Path)
    asked.add_argument("--students", type=int, nargs="+", default=[2_000, 5_000, 10_000, 20_000])
    asked.add_argument("--years", type=int, default=2, help="school years of records")
    given = asked.parse_args()
    found = measured(given.folder, given.students, years=given.years)
    bytes_of = {
        students: sum(file.stat().st_size for file in _kept(given.folder / str(students)))
        for students in found
    }
    for line in told(found, bytes_of):
        print(line)
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    picture(given.folder / "growth.png", found)
    plain = {students: [vars(cost) for cost in costs.values()] for students, costs in found.items()}
    (given.folder / "growth.json").write_text(json.dumps(plain, indent=1))


def _kept(folder: Path) -> Iterator[Path]:
    """Yield what a bureau would keep: records, features, models, the published store; not the county."""
    for name in ("records", "features", "labels", "models", "store"):
        yield from (file for file in (folder / "workspace" / name).rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
