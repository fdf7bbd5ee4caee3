from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.county.world import CountyReport, write_county
from riskmodel.domain import Stage
from riskmodel.records.contract import TABLES

WRITTEN = tuple(each for each in TABLES if each.name != "consents")
"""The county's bureau acts by statutory duty: it asks nobody's consent, and keeps no table of it."""
DATES = tuple((day, day + timedelta(days=180)) for day in (date(2024, 4, 22), date(2024, 10, 28)))


@dataclass(frozen=True)
class Written:
    folder: Path
    report: CountyReport
    tables: dict[str, pd.DataFrame]
    probabilities: pd.DataFrame
    leavings: pd.DataFrame


def read_records(folder: Path) -> dict[str, pd.DataFrame]:
    tables = {}
    for contract in WRITTEN:
        path = folder / f"{contract.name}.parquet"
        if path.exists():
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(folder / f"{contract.name}.csv", dtype=str)
        for column in contract.columns:
            if column.kind == "date":
                frame[column.name] = pd.to_datetime(frame[column.name]).astype("datetime64[s]")
            if column.kind in ("number", "integer"):
                frame[column.name] = pd.to_numeric(frame[column.name])
        tables[contract.name] = frame
    return tables


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("county")
    return written(folder, write_county(folder, students=3_000, seed=5))


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A county that many leave, so that its probabilities can be held against what happened."""
    folder = tmp_path_factory.mktemp("busy")
    rates = {Stage.PRIMARY: 0.05, Stage.JUNIOR: 0.10}
    return written(
        folder, write_county(folder, students=2_000, school_years=2, seed=7, truth_dates=DATES, rates=rates)
    )


def written(folder: Path, report: CountyReport) -> Written:
    truth = folder / "truth"
    found = truth / "probabilities.parquet"
    return Written(
        folder,
        report,
        read_records(folder / "records"),
        pd.read_parquet(found) if found.exists() else pd.DataFrame(),
        pd.read_parquet(truth / "leavings.parquet"),
    )
