"""Fixtures of the proofs, and the table of what each proof counted.

`make validity` sets RISKMODEL_VALIDITY=full; without it every proof runs in a short form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskmodel.bundle import ModelBundle
from riskmodel.domain import FeatureMatrix, Labels, Outcome
from riskmodel.features import ALL_FEATURES
from riskmodel.models.training import train
from riskmodel.records.deliveries import generation

from .seeing import Bureau


@pytest.fixture(scope="session")
def drawn() -> tuple[FeatureMatrix, pd.DataFrame]:
    """Drawn rows of the real declarations, every feature of weight, and what became of each row."""
    chance, rows = np.random.default_rng(5), 1200
    names = [feature.name for feature in ALL_FEATURES]
    values = chance.integers(0, 30, (rows, len(names))).astype(float)
    margin = (values - 15) @ np.where(chance.random(len(names)) < 0.5, -1, 1) / 40 - 1
    keys = pd.DataFrame({
        "as_of_date": pd.Series([pd.Timestamp("2024-11-01")] * rows).astype("datetime64[s]"),
        "student_id": [f"t{n:04}" for n in range(rows)], "household_id": [f"h{n:04}" for n in range(rows)],
        "school_id": [f"s{n % 9}" for n in range(rows)], "township": "t", "stage": "junior", "grade": 7,
        "class_name": "1", "masked_name": "王**", "number_tail": "0000",
    })  # fmt: skip
    left = chance.random(rows) < 1 / (1 + np.exp(-margin))
    outcomes = keys[["as_of_date", "student_id"]].assign(
        outcome=np.where(left, Outcome.LEFT.value, Outcome.STAYED.value),
        horizon_end=keys["as_of_date"] + pd.Timedelta(days=180),
        left_on=(keys["as_of_date"] + pd.Timedelta(days=60)).where(left),
    )
    return FeatureMatrix(
        pd.concat([keys, pd.DataFrame(values, columns=names)], axis=1), ALL_FEATURES
    ), outcomes


@pytest.fixture(scope="session")
def bundle(
    drawn: tuple[FeatureMatrix, pd.DataFrame],
    bundled: Callable[..., ModelBundle],
    tmp_path_factory: pytest.TempPathFactory,
) -> ModelBundle:
    """A model in which every feature counts."""
    matrix, outcomes = drawn
    trained = train(matrix, Labels(outcomes, date(2025, 6, 1), "drawn"), seed=1, bag=2)
    return bundled(tmp_path_factory.mktemp("models") / "drawn", trained)


@pytest.fixture
def bureau_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bureau]:
    """Open a bureau whose store has so many buckets; one saves time."""

    def opened(buckets: int = 1) -> Bureau:
        monkeypatch.setattr(generation, "bucket_count_for", lambda students: buckets)
        folder = tmp_path / f"bureau-{buckets}"
        folder.mkdir(exist_ok=True)
        return Bureau(folder)

    return opened


COUNTED = {
    "test_what_became_of_one_who[": ("labels", "life histories, each as written by hand"),
    "test_alarms.py::": ("leak alarms", "checks: planted leaks named, honest data let through"),
}
"""Tests of other rooms, of which each is one count."""


# --- the table of counts: it travels with the test reports, so that parallel workers add up


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Count something of a proof: `count("future-poisoning", worlds=1)`."""

    def add(proof: str, **counts: int) -> None:
        request.node.user_properties.append(("validity", [proof, counts]))

    return add


def pytest_terminal_summary(terminalreporter: Any) -> None:
    proofs: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for report in terminalreporter.stats.get("passed", []):
        for kind, told in report.user_properties:
            if kind == "validity":
                for name, number in told[1].items():
                    proofs[told[0]][name.replace("_", " ")] += number
        for test, told in COUNTED.items():
            if test in report.nodeid and report.when == "call":
                proofs[told[0]][told[1]] += 1
    if proofs:
        terminalreporter.section("nothing from the future: what each proof counted")
    for proof, counts in sorted(proofs.items()):
        told = ", ".join(f"{number:,} {name}" for name, number in counts.items())
        terminalreporter.write_line(f"{proof}: {told}")
