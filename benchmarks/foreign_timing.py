"""Can a foreign child be told from none by the time of the answer? Both are asked in an order of chance.

Prints, for each route, the area under the curve of a judge who says "foreign" the longer the answer took (0.5
is a coin) with its 95 % interval, and the same for a planted delay, which must be seen.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

sys.path.insert(0, str(Path(__file__).parents[1]))

from serve.app import create_app
from serve.settings import Settings
from tests.isolation.asking import Asker, Request
from tests.isolation.world import NOW, SCHOOLS, make_world

DELAY = 0.003
ROUTES = ("/v1/students/{}/risk", "/v1/schools/{}/students")


def seconds(asker: Asker, request: Request) -> float:
    """Return how long one answer took."""
    began = time.perf_counter()
    answer = asker.ask(request)
    took = time.perf_counter() - began
    if answer.status != 404:
        raise SystemExit(f"expected 404, got {answer.status}")
    return took


def area(foreign: list[float], absent: list[float]) -> tuple[float, float]:
    """Return the area under the curve, and half the width of its interval where both are alike."""
    found = mannwhitneyu(foreign, absent).statistic / (len(foreign) * len(absent))
    half = 1.96 * np.sqrt((len(foreign) + len(absent) + 1) / (12 * len(foreign) * len(absent)))
    return float(found), float(half)


def main() -> None:
    """Ask, and print."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--each", type=int, default=2_000)
    each = asked.parse_args().each
    chance = random.Random(20261102)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        settings = Settings(workspace=Path(folder), requests_per_minute=10_000_000)
        asker = Asker(create_app(settings, clock=lambda: NOW))
        who = next(one for one in world.principals if one.name == f"school {SCHOOLS[0]}")
        headers = (("Authorization", who.header or ""),)
        children = sorted(one for one in world.now if one.startswith("st-b"))
        foreign_ids = {ROUTES[0]: children, ROUTES[1]: SCHOOLS[1:]}
        for route in ROUTES:
            kinds: dict[str, list[float]] = {"foreign": [], "absent": [], "planted": []}
            turns = [kind for kind in kinds for _ in range(each)]
            chance.shuffle(turns)
            for kind in turns:
                known = chance.choice(foreign_ids[route])
                one = known if kind == "foreign" else f"{known[:3]}{chance.randrange(10**6):06}"[: len(known)]
                began = time.perf_counter()
                took = seconds(asker, Request("GET", route.format(one), headers=headers))
                if kind == "planted":
                    time.sleep(DELAY)
                    took = time.perf_counter() - began
                kinds[kind].append(took)
            value, half = area(kinds["foreign"], kinds["absent"])
            rang, _ = area(kinds["planted"], kinds["absent"])
            usual = 1000 * float(np.median(kinds["absent"]))
            print(
                f"{route}: {each} foreign and {each} absent ids, area {value:.3f} (alike: 0.5 ± {half:.3f}); "
                f"planted {1000 * DELAY:.0f} ms: {rang:.3f}; median {usual:.1f} ms; "
                f"CPU {time.process_time():.0f} s, load {os.getloadavg()[0]:.1f}"
            )
        world.store.close()


if __name__ == "__main__":
    main()
