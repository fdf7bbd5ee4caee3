"""All kinds, all seeds, all pairs, all clean deliveries: run, count, print."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import kinds_cells, kinds_files, kinds_people, kinds_shape, kinds_values
from .clean import clean_delivery
from .judging import Verdict, judge, judge_clean
from .kinds import VARIANTS, make_case, make_pair
from .planted import PLANTED, unseen

KINDS = range(1, 51)
SEEDS, PAIRS, CLEAN = 40, 300, 200
MODULES = (kinds_cells, kinds_files, kinds_people, kinds_shape, kinds_values)


@dataclass(frozen=True)
class Task:
    """One case by its name: a kind's number, `pair` or `clean`, and a seed."""

    group: str
    seed: int


def tasks(*, seeds: int = SEEDS, pairs: int = PAIRS, clean: int = CLEAN) -> list[Task]:
    """Return all cases of a run."""
    told = [Task(f"{number:02}", seed) for number in KINDS if number in VARIANTS for seed in range(seeds)]
    told += [Task("pair", seed) for seed in range(pairs)]
    return told + [Task("clean", seed) for seed in range(clean)]


def judged(task: Task) -> tuple[Task, Verdict]:
    """Judge one case in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if task.group == "clean":
            style = "local" if task.seed % 2 else "plain"
            return task, judge_clean(clean_delivery(task.seed, style=style), Path(folder))
        case = make_pair(task.seed) if task.group == "pair" else make_case(int(task.group), task.seed)
        return task, judge(case, Path(folder))


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="corpus")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--clean", type=int, default=CLEAN)
    parser.add_argument("--kinds", default="")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    chosen = tasks(seeds=asked.seeds, pairs=asked.pairs, clean=asked.clean)
    if asked.kinds:
        wanted = {f"{int(each):02}" if each.isdigit() else each for each in asked.kinds.split(",")}
        chosen = [task for task in chosen if task.group in wanted]
    chosen.sort(key=lambda task: task.seed)
    alarms = unseen()
    print("\n".join(alarms) or f"all {len(PLANTED)} planted faults were seen", flush=True)
    with ProcessPoolExecutor(asked.processes) as pool:
        results = []
        for task, verdict in pool.map(judged, chosen, chunksize=4):
            results.append((task, verdict))
            if not verdict.is_sound:
                print(f"{task.group} seed {task.seed}: {verdict}", flush=True)
            if len(results) % 250 == 0:
                print(f"{len(results):,} of {len(chosen):,} cases", flush=True)
    return max(_report(results), int(bool(alarms)))


def _report(results: Sequence[tuple[Task, Verdict]]) -> int:
    measures = ("missed", "misplaced", "false", "silent", "crashed")
    by_group: dict[str, Counter[str]] = {}
    for task, verdict in results:
        counts = by_group.setdefault(task.group, Counter())
        counts["cases"] += 1
        counts["sound"] += verdict.is_sound
        counts.update({each: bool(getattr(verdict, each)) for each in measures})
    print("\n| kind | cases | sound | " + " | ".join(measures) + " |")
    print("|---|---|---|" + "---|" * len(measures))
    total: Counter[str] = Counter()
    for group, counts in by_group.items():
        total.update(counts)
        print(
            f"| {group} | " + " | ".join(str(counts[each]) for each in ("cases", "sound", *measures)) + " |"
        )
    print("| all | " + " | ".join(str(total[each]) for each in ("cases", "sound", *measures)) + " |")
    return 0 if total["sound"] == total["cases"] else 1
