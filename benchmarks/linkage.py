"""How well two registers are linked, and at what cost: invented children with errors of the pen.

    python benchmarks/linkage.py 50000 1000000

No row has a roll number. Of the right register 1 row in 100 has another (rare) character in the name, 1 in
100 a wrong digit in the birthday, up to 1 in 100 day and month swapped, 1 in 20 another township; minority
names have four kinds of dots; twins share birthday and surname; 15 in 1,000 children are on no roll.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa

from riskmodel.county.people import names
from riskmodel.reconcile.linking import link

RARE = list("䶮㛃堃犇淼")
Row = tuple[str, str, str, str, str]


def registers(count: int, *, seed: int) -> tuple[list[Row], list[Row], set[tuple[str, str]]]:
    """Return a household register, the rolls, and who is who."""
    chance = np.random.default_rng(seed)
    household = np.sort(chance.integers(0, max(1, count // 2), count))
    name = names(household, chance).astype("<U12")
    born = np.datetime64("2011-09-01") + chance.integers(0, 365 * 9, count)
    twins = np.flatnonzero(household[1:] == household[:-1])
    twins = twins[chance.random(len(twins)) < 0.03]
    born[twins + 1] = born[twins]
    dotted = chance.random(count) < 0.05
    name[dotted] = np.char.add(name[dotted], np.char.add("·", name[::-1][dotted]))
    male, township = chance.random(count) < 0.5, chance.integers(0, 20, count)
    left: list[Row] = [
        (f"r{i}", str(name[i]), str(born[i]), "M" if male[i] else "F", f"t{township[i]}")
        for i in range(count)
    ]
    right, truth = [], set()
    for i in np.flatnonzero(chance.random(count) < 0.985):
        right.append((f"s{i}", *_mistyped(left[i], chance)))
        truth.add((f"r{i}", f"s{i}"))
    return left, right, truth


def _mistyped(row: Row, chance: np.random.Generator) -> tuple[str, str, str, str]:
    _, name, born, sex, township = row
    drawn = chance.random()
    if drawn < 0.01:
        name = name[:-1] + chance.choice(RARE)
    elif drawn < 0.02:
        at = int(chance.choice([3, 6, 8, 9]))
        changed = f"{born[:at]}{(int(born[at]) + 1) % 10}{born[at + 1 :]}"
        try:
            np.datetime64(changed)
            born = changed
        except ValueError:
            pass
    elif drawn < 0.03 and int(born[8:]) <= 12:
        born = f"{born[:5]}{born[8:]}-{born[5:7]}"
    name = name.replace("·", chance.choice(["·", "•", "．", " "]))
    return name, born, sex, f"t{chance.integers(20)}" if chance.random() < 0.05 else township


def measure(count: int) -> str:
    """Link two registers of about `count` rows, and tell how well."""
    left, right, truth = registers(count, seed=1)
    with duckdb.connect() as connection:
        for name, rows in (("left_people", left), ("right_people", right)):
            columns = dict(
                zip(("unique_id", "name", "born", "sex", "township"), zip(*rows, strict=True), strict=True)
            )
            connection.register("told", pa.table(columns))
            connection.execute(
                f"CREATE TABLE {name} AS SELECT unique_id, name, CAST(born AS DATE) AS birth_date, sex,"
                " township, CAST(NULL AS VARCHAR) AS roll_number FROM told"
            )
            connection.unregister("told")
        wall, cpu = time.perf_counter(), time.process_time()
        pairs = link(connection, "left_people", "right_people")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    right_pairs = Counter(one.is_near for one in pairs if (one.left, one.right) in truth)
    near = sum(one.is_near for one in pairs)
    taken = len(pairs) - near
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (
        f"| {count:,} | {right_pairs[False] / taken:.5f} ({taken - right_pairs[False]} wrong) "
        f"| {right_pairs[False] / len(truth):.4f} | {near:,} ({right_pairs[True]:,} right) "
        f"| {(right_pairs[False] + right_pairs[True]) / len(truth):.4f} "
        f"| {wall:.1f} | {cpu:.1f} | {peak:,} | {os.getloadavg()[0]:.1f} |"
    )


if __name__ == "__main__":
    print("| rows | precision | recall | asked of a person | recall with them | wall s | CPU s | MB | load |")
    print("|---|---|---|---|---|---|---|---|---|")
    for asked in sys.argv[1:]:
        print(measure(int(asked)), flush=True)
