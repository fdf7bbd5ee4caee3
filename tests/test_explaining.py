"""What the data team is shown of one student is what production made, and stands in the files it names."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.bundle import ModelBundle, bundle_files, write_bundle
from riskmodel.cli import app
from riskmodel.domain import Band, ScoredStudent
from riskmodel.models.training import train
from riskmodel.pipelines import (
    Run,
    explain_student,
    explaining,
    make_county,
    publish_scores,
    publishing,
    take_in_records,
    tell_explanation,
)
from riskmodel.pipelines.bundles import signing_key
from riskmodel.pipelines.inputs import labels_of, matrix_of
from riskmodel.pipelines.publishing import BUREAU, current_bundle
from riskmodel.pipelines.run import dates_of, model_version, silent
from riskmodel.records.asking.tracing import TracedRow
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import open_store
from riskmodel.store.reading import schools, students
from riskmodel.wording import LANGUAGES, text

pytestmark = pytest.mark.slow
CURRENT = date(2025, 6, 16)
NO_DATE_OF_THE_CONFIGURATION = date(2025, 3, 20)
CLOSING = {"end_date", "exit_reason", "to_school_id", "expected_return", "recorded_on"}


@dataclass(frozen=True)
class County:
    config: Path
    run: Run
    store: RecordStore
    bundle: ModelBundle
    published: tuple[ScoredStudent, ...]

    def one(self, which: Callable[[ScoredStudent], bool] = lambda _: True) -> ScoredStudent:
        return next(student for student in self.published if which(student))


def configured(folder: Path, **changed: Any) -> Path:
    workspace = folder / "workspace"
    content: dict[str, Any] = {
        "config_version": 1, "region": "explained", "workspace": str(workspace), "seed": 7,
        "county": {
            "students": 1200, "school_years": 2,
            "primary_leavers_a_year": 0.19, "junior_leavers_a_year": 0.19,
        },
        "sources": [{"name": "county", "path": str(workspace / "county" / "records")}],
        "as_of": {"weeks": [12], "current": {"term": "2024-2025-2", "week": 16}},
        "horizon": {"days": 90}, "bands": {"reach_out": 0.15, "check_in": 0.08}, "capacity": {"share": 0.02},
    } | changed  # fmt: skip
    (folder / "regions").mkdir(exist_ok=True)
    rule = {"version": "explained-2023", "valid_from": date(2023, 9, 1), "source": "an example"}
    (folder / "regions" / "explained.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule]}), encoding="utf-8"
    )
    file = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def command(config: Path, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--config", str(config)])


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> County:
    config = configured(tmp_path_factory.mktemp("explained"))
    run = Run.of(config, say=silent)
    with run.workspace.opened(), pytest.MonkeyPatch.context() as patch:
        make_county(run)
        take_in_records(run)
        store = RecordStore.open(run.workspace.records)
        dates, version = dates_of(run, store), model_version(run, store)
        known = labels_of(run, store, dates.training, label_date=dates.current.as_of_date)
        trained = train(matrix_of(run, store, dates.training), known, seed=7, bag=2)
        key = signing_key(run)
        files = bundle_files(
            trained, model_version=version, data_hash=store.content_hash, key=key, horizon=run.horizon
        )
        write_bundle(run.workspace.models / version / "bundle", files)
        # What MLflow holds is no part of this.
        patch.setattr(publishing, "keep", lambda *_: None)
        patch.setattr(publishing, "send", lambda *_: True)
        publish_scores(run)
    published = open_store(run.workspace.store)
    found = [
        student
        for school in schools(published, BUREAU)
        for student in students(published, BUREAU, school.school_id, limit=500).students
    ]
    assert dates_of(run, store).current.as_of_date == CURRENT
    return County(config, run, store, current_bundle(run), tuple(found))


@lru_cache
def cells(folder: Path, name: str) -> list[dict[str, Any]]:
    if name.endswith(".parquet"):
        return pq.read_table(folder / name).to_pylist()
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def same(cell: Any, value: object) -> bool:
    """Compare a cell as it stands in the file with the value that was told."""
    if value is None or cell is None:
        return cell in (None, "") and value in (None, "")
    if isinstance(value, bool):
        return str(cell).lower() == str(value).lower()
    return float(cell) == value if isinstance(value, int | float) else str(cell) == str(value)


# --- equal to production


def test_risk_and_band_are_those_that_were_published_bit_for_bit(county: County) -> None:
    for band in (Band.REACH_OUT, Band.USUAL_CARE):
        published = county.one(lambda one, band=band: one.band == band)
        told = explain_student(county.run, published.student_id)
        assert published.risk is not None
        assert (told.risk, told.band) == (published.risk, published.band)
        values = {feature.name: feature.value for feature in told.features}
        blocks = tuple(values[f"absence_days_block_{block}"] for block in range(1, 7))
        assert blocks == published.attendance_history


def test_contributions_and_base_add_up_to_the_margin_and_the_margin_gives_the_risk(county: County) -> None:
    told = explain_student(county.run, county.one().student_id)
    added = [feature.contribution for feature in told.features if feature.contribution is not None]

    assert told.base is not None
    assert county.bundle.model is not None
    assert len(added) == len(county.bundle.feature_names)
    assert sum(added) + told.base == pytest.approx(told.margin, abs=1e-9)
    values = [feature.value for feature in told.features if feature.contribution is not None]
    X = np.array([[np.nan if value is None else value for value in values]])
    assert county.bundle.model.scorer.contributions(X)[0].tolist() == [*added, told.base]
    assert county.bundle.model.calibrator.risk(told.margin) == told.risk


def test_a_date_that_is_made_for_itself_has_the_bits_of_one_that_was_made_with_others(county: County) -> None:
    shared = next(as_of for as_of in dates_of(county.run, county.store).all if as_of.as_of_date != CURRENT)
    asked = county.run.configuration.as_of.model_copy(update={"weeks": (4,)})
    configuration = county.run.configuration.model_copy(update={"as_of": asked})
    other = replace(county.run, configuration=configuration)
    assert shared not in dates_of(other, county.store).all

    alone, together = (matrix_of(run, county.store, (shared,)).frame for run in (other, county.run))

    assert alone.equals(together)


def test_a_day_that_no_configuration_names_is_explained_and_said_to_be_no_prediction(county: County) -> None:
    student = county.one().student_id
    told = explain_student(county.run, student, as_of_date=NO_DATE_OF_THE_CONFIGURATION)

    assert told.as_of_date == NO_DATE_OF_THE_CONFIGURATION
    assert told.term == "2024-2025-2"
    assert told.knows_later_outcomes
    assert not explain_student(county.run, student).knows_later_outcomes


def test_the_current_date_is_meant_where_none_is_named(county: County) -> None:
    student = county.one().student_id
    assert explain_student(county.run, student) == explain_student(county.run, student, as_of_date=CURRENT)


# --- the rows behind it


def test_the_rows_that_are_named_hold_the_values(county: County) -> None:
    told = explain_student(county.run, county.one(lambda one: one.listed).student_id)
    folder = county.run.workspace.county / "records"

    def differs(row: TracedRow) -> list[str]:
        stands = cells(folder, row.file)[row.row - 2]
        names = row.values.keys() - (CLOSING if row.implied else set())
        return [name for name in names if name in stands and not same(stands[name], row.values[name])]

    assert {"students", "enrolments", "attendance", "grades", "family"} <= {row.table for row in told.rows}
    assert [(row.file, row.row, differs(row)) for row in told.rows if differs(row)] == []
    own = [cells(folder, row.file)[row.row - 2] for row in told.rows]
    assert {stands["student_id"] for stands in own if "student_id" in stands} == {told.student_id}


def test_a_row_that_was_known_later_is_not_listed(county: County) -> None:
    student = county.one(lambda one: one.listed).student_id
    now = explain_student(county.run, student).rows
    then = explain_student(county.run, student, as_of_date=NO_DATE_OF_THE_CONFIGURATION).rows
    later = {
        (row.file, row.row)
        for row in now
        if row.known_from is not None and row.known_from > NO_DATE_OF_THE_CONFIGURATION
    }

    assert later
    assert not later & {(row.file, row.row) for row in then if not row.implied}
    assert all(row.known_from is None or row.known_from <= CURRENT for row in now)


# --- what the command prints


def test_the_command_prints_all_of_it_for_machines(county: County) -> None:
    published = county.one(lambda one: one.listed)
    ran = command(county.config, "explain", published.student_id, "--as-of", str(CURRENT), "--json")

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["risk"] == published.risk
    assert told["band"] == published.band
    assert {"name", "value", "contribution", "source"} <= told["features"][0].keys()
    assert {"table", "source", "file", "row", "known_from", "values"} <= told["rows"][0].keys()


def test_the_command_prints_it_for_people_in_both_languages(county: County) -> None:
    published = county.one(lambda one: one.listed)
    ran = command(county.config, "explain", published.student_id)

    assert ran.exit_code == 0, ran.output
    assert ran.stderr == ""
    for language in LANGUAGES:
        band = text(f"bands.{published.band}.name", language)
        assert text("steps.explained_risk", language, risk=published.risk, band=band) in ran.stdout
        for name in county.bundle.feature_names:
            assert text(f"features.{name}", language) in ran.stdout
    assert re.search(r"county/grades\.\w+:\d+  20", ran.stdout)


def test_explaining_the_current_date_writes_and_logs_nothing(
    county: County, caplog: pytest.LogCaptureFixture
) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        # SQLite makes and removes two files of its own beside a store that is read.
        own = ("LOCK", "published.db-wal", "published.db-shm")
        files = (file for file in county.run.workspace.root.rglob("*") if file.is_file())
        return {
            file: (file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.name not in own
        }

    before = state()
    with caplog.at_level(0):
        assert command(county.config, "explain", county.one().student_id).exit_code == 0

    assert state() == before
    assert caplog.records == []


def test_without_probabilities_the_rule_is_told_and_no_contribution(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "current_bundle", lambda *_: replace(county.bundle, model=None))
    said: list[str] = []

    told = explain_student(county.run, county.one().student_id)
    tell_explanation(replace(county.run, say=lambda code, **_: said.append(code)), told)

    assert told.risk is told.base is None
    assert {feature.contribution for feature in told.features} == {None}
    assert {"explained_no_risk", "explained_rule"} <= set(said)
    assert not {"explained_risk", "explained_margin", "explained_contributions"} & set(said)


# --- what cannot be explained


def refused(config: Path, student: str, *options: str) -> str:
    ran = command(config, "explain", student, *options)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert student not in ran.stderr
    return str(ran.stderr)


def test_an_unknown_student_is_refused_in_both_languages(county: County) -> None:
    said = refused(county.config, "s-nobody")
    assert all(text("errors.student_not_recorded", language) in said for language in LANGUAGES)


def test_a_student_who_is_not_in_the_cohort_on_the_day_is_refused(county: County) -> None:
    early = date(2023, 10, 10)
    student = county.one(lambda one: one.grade == 1).student_id

    said = refused(county.config, student, "--as-of", str(early))

    for language in LANGUAGES:
        assert text("errors.student_outside_cohort", language, as_of_date=early) in said


def test_a_day_that_the_records_do_not_reach_is_refused(county: County) -> None:
    said = refused(county.config, county.one().student_id, "--as-of", "2031-01-01")
    for language in LANGUAGES:
        complete_to = county.store.last_complete_date(["enrolments"])
        assert text("errors.as_of_date_past_data", language, complete_to=complete_to) in said


def test_a_configuration_without_a_model_is_refused(county: County) -> None:
    untrained = configured(county.config.parent, seed=8)
    said = refused(untrained, county.one().student_id)
    assert all(text("errors.model_not_trained", language) in said for language in LANGUAGES)


def test_a_workspace_without_records_is_refused(tmp_path: Path) -> None:
    said = refused(configured(tmp_path), "s-nobody")
    assert all(text("errors.record_store_missing", language) in said for language in LANGUAGES)
