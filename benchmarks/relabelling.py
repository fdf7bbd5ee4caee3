"""Proof that a school which relabels leavers as transfers is found, and that honest border schools are not.

    make relabelling                     20 counties with such a school, 20 without, 100 schools each
    python benchmarks/relabelling.py --counties 5 --first-seed 1

Two school years of enrolments, taken in as any delivery is and compared by `riskmodel reconcile`'s own code.
How often children move, go elsewhere and are confirmed is what the fictional county says (`EXITS` in
`riskmodel.county.simulation`): the figures were written here before the first run. Fifteen schools lie at the
border: four times as many of their children go to schools outside, of which the county has no records. The
planted school calls 8 to 12 leavers transfers: of each two, one to a school of the county that knows nothing
of the child, and one whom nobody confirms. A leaver who is said to be confirmed by a school outside the
county can be seen in no record of the county: that is for the province's register to ask.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from riskmodel.county.simulation import EXITS
from riskmodel.domain import RegionRule
from riskmodel.official import IndicatorRule
from riskmodel.reconcile.registers import Compared, compare
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

AS_OF = date(2025, 11, 14)
FIRST = date(2023, 9, 1)
TERMS = (("2023-2024-1", "2023-09-01", "2024-01-19"), ("2023-2024-2", "2024-02-26", "2024-07-05"),
         ("2024-2025-1", "2024-09-02", "2025-01-17"), ("2024-2025-2", "2025-02-17", "2025-07-04"),
         ("2025-2026-1", "2025-09-01", "2026-01-23"))  # fmt: skip
BORDER = 0.15
"""Share of the schools that lie near the border."""
_OUTSIDE, _INSIDE = 4.0, 1 / 3
"""How often children go outside, at the border and elsewhere, beside the fictional county's rate."""
SETTLES, FORGOTTEN = 0.5, 0.01
"""Share of unconfirmed transfers that somebody confirms later; of arrivals that nobody ever writes down."""
ELSEWHERE = "x900-01"
RULE = RegionRule(version="relabelling", valid_from=date(2020, 1, 1), source="benchmark")
AGES = IndicatorRule(version="relabelling", valid_from=date(2020, 1, 1), source="benchmark")
Row = dict[str, Any]


@dataclass
class County:
    """The rows of a county, and who is what in it."""

    spells: list[Row]
    schools: list[str]
    border: set[str]
    gaming: str


def county(seed: int, *, schools: int = 100, planted: bool = True) -> County:
    """Live two school years of transfers."""
    chance = random.Random(seed)  # noqa: S311
    named = [f"a{number:03}" for number in range(schools)]
    border = set(chance.sample(named, round(BORDER * schools)))
    made = County([], named, border, chance.choice(named) if planted else "")
    children = iter(range(1_000_000))
    for school in named:
        pupils, near = chance.randint(150, 900), _OUTSIDE if school in border else _INSIDE
        years = (AS_OF - FIRST).days / 365
        for kind, factor in (("moved", 1.0), ("transferred", near), ("transfer_unconfirmed", near)):
            expected = pupils * years * EXITS[kind] * factor
            for _ in range(_poisson(expected, chance)):
                _transfer(made, f"s{next(children)}", school, kind, chance)
        for _ in range(5):
            made.spells.append(_spell(f"s{next(children)}", school, FIRST, chance))
        if school == made.gaming:
            for number in range(chance.randint(8, 12)):
                to = chance.choice(named) if number % 2 else ""
                reason = "transferred" if to else "transfer_unconfirmed"
                _leave(made, f"s{next(children)}", school, reason, to, chance)
    return made


def _poisson(mean: float, chance: random.Random) -> int:
    count, waited = 0, chance.expovariate(1)
    while waited < mean:
        count, waited = count + 1, waited + chance.expovariate(1)
    return count


def _spell(child: str, school: str, start: date, chance: random.Random, **more: Any) -> Row:
    recorded = start + timedelta(days=min(10, int(chance.expovariate(1 / 2))))
    return {"student_id": child, "school_id": school, "start_date": start, "grade": 3,
            "recorded_on": recorded, **more}  # fmt: skip


def _leave(made: County, child: str, school: str, reason: str, to: str, chance: random.Random) -> date:
    """End a spell on a day in two years, and write it down within three weeks."""
    end = FIRST + timedelta(days=chance.randrange(10, (AS_OF - FIRST).days - 5))
    opening = _spell(child, school, FIRST, chance)
    closed = {"end_date": end, "exit_reason": reason, "to_school_id": to,
              "recorded_on": end + timedelta(days=1 + min(20, int(chance.expovariate(1 / 5))))}  # fmt: skip
    made.spells += [opening, opening | closed]
    return end


def _transfer(made: County, child: str, school: str, kind: str, chance: random.Random) -> None:
    """Let a child go to another school of the county, or outside, and be confirmed, late or never."""
    if kind == "moved":
        to = chance.choice([one for one in made.schools if one != school])
        end = _leave(made, child, school, "transferred", to, chance)
        if chance.random() >= FORGOTTEN:
            made.spells.append(_spell(child, to, end + timedelta(days=chance.randint(1, 14)), chance))
        return
    end = _leave(made, child, school, kind, ELSEWHERE if kind == "transferred" else "", chance)
    if kind == "transfer_unconfirmed" and chance.random() < SETTLES:
        late = timedelta(days=min(120, int(40 * chance.lognormvariate(0, 0.4))))
        last = made.spells[-1]
        confirmed = {"exit_reason": "transferred", "to_school_id": ELSEWHERE, "recorded_on": end + late}
        if confirmed["recorded_on"] > last["recorded_on"]:
            made.spells.append(last | confirmed)


def compared(made: County, folder: Path) -> Compared:
    """Take the county's records in, and hold them against each other."""
    tables: dict[str, list[Row]] = {
        "schools": [{"school_id": one, "name": one, "county": "县", "township": f"镇{number % 10}",
                     "stage": "nine_year"} for number, one in enumerate(made.schools)],
        "terms": [dict(zip(("term", "start_date", "end_date"), one, strict=True)) for one in TERMS],
        "students": [{"student_id": one} for one in sorted({row["student_id"] for row in made.spells})],
        "enrolments": [row for row in made.spells if row["recorded_on"] <= AS_OF],
    }  # fmt: skip
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        (folder / "sent").mkdir(exist_ok=True)
        with (folder / "sent" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    source = SourceFiles("bureau", folder / "sent", complete_to=AS_OF)
    take_in([source], store=folder / "store", delivered_on=AS_OF, force=True)
    store = RecordStore.open(folder / "store")
    return compare(store, AS_OF, rule=RULE, ages=AGES, absent_school_days=3)


@dataclass
class Found:
    """What the comparisons of several counties told."""

    counties: int = 0
    planted: int = 0
    found: int = 0
    honest: int = 0
    false: int = 0
    false_at_the_border: int = 0
    transfers: int = 0
    unconfirmed: int = 0

    def add(self, seed: int, *, schools: int, planted: bool) -> None:
        """Live and compare one county."""
        made = county(seed, schools=schools, planted=planted)
        with tempfile.TemporaryDirectory() as folder:
            judged = compared(made, Path(folder)).schools
        told = {one.school_id for one in judged if one.is_told}
        self.counties += 1
        self.planted += planted
        self.found += made.gaming in told
        self.honest += schools - planted
        self.false += len(told - {made.gaming})
        self.false_at_the_border += len((told - {made.gaming}) & made.border)
        self.transfers += sum(one.transfers for one in judged)
        self.unconfirmed += sum(one.unconfirmed for one in judged)


def main() -> int:
    """Print what was found; 1 if a planted school was missed, or more than 1 honest one of 100 told of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--counties", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--schools", type=int, default=100)
    asked = parser.parse_args()
    result, seeds = Found(), range(asked.first_seed, asked.first_seed + asked.counties)
    for seed in seeds:
        for planted in (True, False):
            result.add(seed if planted else 10_000 + seed, schools=asked.schools, planted=planted)
        print(f"seed {seed}: {result}", flush=True)
    share = 100 * result.false / result.honest
    print(
        f"found {result.found} of {result.planted} planted; {result.false} of {result.honest} honest schools"
        f" told of ({share:.2f} of 100, {result.false_at_the_border} at the border);"
        f" CPU {sum(os.times()[:4]):.0f} s, load average {os.getloadavg()[0]:.1f}"
    )
    return int(result.found < result.planted or share > 1)


if __name__ == "__main__":
    sys.exit(main())
