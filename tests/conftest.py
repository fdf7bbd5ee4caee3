"""A bureau of a few rows: tables written as CSV and taken in, for tests of any room."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# Tests ask far more often than any school; those about the limit set it themselves.
os.environ.setdefault("RISKMODEL_REQUESTS_PER_MINUTE", "10000000")

# A commit is right or wrong: the same examples each time. `make explore` takes others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: no worker shall be left alone with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


Rows = Sequence[Mapping[str, Any]]
Bureau = Callable[..., Any]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

SCHOOL = {"school_id": "A", "name": "甲校", "county": "甲县", "township": "东乡", "stage": "nine_year"}
TERMS = [
    {"term": "2024-2025-1", "start_date": "2024-09-02", "end_date": "2025-01-17"},
    {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
]


def write_csv(file: Path, rows: Rows, header: Sequence[str] = ()) -> Path:
    """Write rows as a CSV whose header is every column that any of them has; None and missing are empty."""
    file.parent.mkdir(parents=True, exist_ok=True)
    header = list(header) or list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in header])
    return file


def complete(tables: Mapping[str, Rows]) -> dict[str, list[dict[str, Any]]]:
    """Fill in the least that a delivery needs: schools, terms, and every student that a row names.

    A student whom no spell names gets one in school A, grade 7, from 2024-09-02.
    """
    told = {name: [dict(row) for row in rows] for name, rows in tables.items()}
    named = sorted(
        {str(row["student_id"]) for rows in told.values() for row in rows if row.get("student_id")}
    )
    if "students" not in told:
        told["students"] = [{"student_id": student} for student in named or ["s1"]]
    if "enrolments" not in told:
        told["enrolments"] = [
            {"student_id": row["student_id"], "school_id": "A", "start_date": "2024-09-02", "grade": 7}
            for row in told["students"]
        ]
    if "schools" not in told:
        ids = sorted({"A"} | {str(row["school_id"]) for row in told["enrolments"]})
        told["schools"] = [SCHOOL | {"school_id": school, "name": f"学校{school}"} for school in ids]
    told.setdefault("terms", TERMS)
    return told


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> Path:
    """Write each table as `<table>.csv`; one without rows has the contract's header."""
    for name, rows in tables.items():
        from riskmodel.records.contract import table

        header = [] if rows else [column.name for column in table(name).columns]
        write_csv(folder / f"{name}.csv", rows, header=header)
    return folder


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """Give `bureau(tables, delivered_on=…, store=…, name=…, **source options) -> RecordStore`.

    Rows are dicts of canonical columns; what is left out of schools, terms, students and enrolments is
    filled in. Each call is a delivery into `store` (a folder; default: a new one). With `raw=True`
    nothing is filled in; `force=True` overrules doubts.
    """
    from riskmodel.records.deliveries.shipment import SourceFiles
    from riskmodel.records.intake import take_in
    from riskmodel.records.store import RecordStore

    numbers = itertools.count(1)

    def deliver(
        tables: Mapping[str, Rows],
        *,
        delivered_on: date = date(2026, 1, 1),
        store: Path | None = None,
        name: str = "bureau",
        raw: bool = False,
        force: bool = False,
        **options: Any,
    ) -> RecordStore:
        number = next(numbers)
        folder = write_tables(tmp_path / f"delivery-{number}", tables if raw else complete(tables))
        target = store or tmp_path / f"store-{number}"
        take_in([SourceFiles(name, folder, **options)], store=target, delivered_on=delivered_on, force=force)
        return RecordStore.open(target)

    return deliver


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@pytest.fixture(scope="session", autouse=True)
def own_key_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let this test run, and every program that it starts, sign models with keys of its own."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def bundled() -> Callable[..., Any]:
    """Give `bundled(folder, trained) -> ModelBundle`: written, and read back."""
    from riskmodel.bundle import bundle_files, read_bundle, write_bundle
    from riskmodel.signing import SigningKey

    key = SigningKey.make()

    def write_and_read(folder: Path, trained: Any) -> Any:
        files = bundle_files(trained, model_version=folder.name, data_hash="d" * 64, key=key)
        write_bundle(folder, files)
        return read_bundle(folder, version=folder.name, public_key=key.public)

    return write_and_read


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Import a script of `benchmarks/` by its name: `script("oulad_future")`."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return load
