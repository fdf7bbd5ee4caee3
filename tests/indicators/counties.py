"""Small fictional counties through the real intake, and their figures counted in both ways."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from riskmodel.county.world import write_county
from riskmodel.domain import RegionRule, Stage
from riskmodel.indicators.table import Rules, count, figures
from riskmodel.official import IndicatorRule, OfficialFigure
from riskmodel.records.contract import table
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore
from riskmodel.runners.local import LocalRunner

LEAVING = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
RULE = IndicatorRule(version="test", valid_from=date(2000, 1, 1), source="a test")
RULES = Rules(indicators=lambda _: RULE, leaving=lambda _: LEAVING)
NEEDED = {"schools", "terms", "students", "enrolments", "family", "ledger_events", "population"}
FIRST_YEAR = 2017


def county(folder: Path, *, seed: int, students: int = 240, years: int = 3) -> Path:
    """Write a county that many leave; return the folder of its files."""
    write_county(
        folder, students=students, school_years=years, first_school_year=FIRST_YEAR, seed=seed,
        rates={Stage.PRIMARY: 0.03, Stage.JUNIOR: 0.08},
    )  # fmt: skip
    for file in (folder / "records").iterdir():
        if file.stem not in NEEDED:
            file.unlink()
    return folder / "records"


def write_tables(folder: Path, tables: dict[str, list[dict[str, object]]]) -> Path:
    """Write rows as the files of a bureau, a CSV per table with all columns of the contract."""
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        header = [column.name for column in table(name).columns]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(rows)
    return folder


def taken_in(files: Path, store: Path, delivered_on: date) -> RecordStore:
    """Take the files in, as a bureau would."""
    take_in([SourceFiles("county", files)], store=store, delivered_on=delivered_on, force=True)
    return RecordStore.open(store)


def official(store: RecordStore, day: date, folder: Path) -> list[OfficialFigure]:
    """Count with the package."""
    return list(figures(count(store, day, RULES, runner=LocalRunner(processes=1), folder=folder).cells))


def keyed(found: list[OfficialFigure]) -> dict[tuple[object, ...], tuple[int | None, ...]]:
    """Return figures as the clerk writes them."""
    told = {}
    for one in found:
        place = (
            one.place.level,
            *(part for part in (one.place.county, one.place.township, one.place.school_id)),
        )
        place = place[: {"region": 1, "county": 2, "township": 3, "school": 4}[one.place.level]]
        key = (one.formula, one.span.name, one.span.kind, place, one.by, one.stage, one.value)
        told[key] = (one.numerator, one.denominator, one.unaccounted, one.already_gone)
    return told
