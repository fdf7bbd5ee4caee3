"""Recipes through the whole line: a hazard, a mean, a search, and the simpler model if nothing beats it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sqlalchemy import func, select
from typer.testing import CliRunner

from riskmodel.bundle import ModelBundle
from riskmodel.cli import app
from riskmodel.domain import AsOf, Band, FeatureMatrix
from riskmodel.errors import ConfigurationError, LeakSuspected, WorkspaceError
from riskmodel.features import PROTECTED
from riskmodel.pipelines.auditing import audit_model
from riskmodel.pipelines.bundles import read_used
from riskmodel.pipelines.gating import check_gates
from riskmodel.pipelines.inputs import labels_of, matrix_of
from riskmodel.pipelines.judging import learnt_on
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.reporting import check_cards, check_report, write_report
from riskmodel.pipelines.run import Run, dates_of, silent
from riskmodel.pipelines.term import prepare_term
from riskmodel.records.store import RecordStore
from riskmodel.scoring import score
from riskmodel.store.engine import open_store
from riskmodel.store.reading import current_set, schools, students
from riskmodel.store.sets import published_sets
from riskmodel.store.tables import SETS
from riskmodel.tracking import open_tracking
from riskmodel.wording import LANGUAGES, text

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[1] / "configs"
WIDE = {
    "calibration_slope": [0.1, 10],
    "observed_over_expected": [0.1, 10],
    "group_observed_over_expected": [0.1, 10],
    "same_first": 0,
    "same_three": 0,
    "same_list": 0,
}
"""Limits that a county of two thousand meets: what is tried here is what happens then."""


DECIDED = {"use": ["disability_registered"], "decided": "Education bureau, notice 12 of 2026"}


@dataclass(frozen=True)
class Bureau:
    """A small county's workspace, in which several configurations are trained."""

    folder: Path

    def configured(self, name: str, **told: object) -> Path:
        workspace = self.folder / "workspace"
        content = {
            "config_version": 1,
            "region": "here",
            "workspace": str(workspace),
            "seed": 7,
            "county": {
                "school_years": 2,
                "students": 2000,
                "primary_leavers_a_year": 0.18,
                "junior_leavers_a_year": 0.19,
            },
            "sources": [{"name": "county", "path": str(workspace / "county" / "records")}],
            "as_of": {"weeks": [4, 12], "current": {"term": "2024-2025-2", "week": 16}},
            "horizon": {"days": 90},
            "bands": {"reach_out": 0.15, "check_in": 0.08},
            "capacity": {"share": 0.02},
            **told,
        }
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file

    def gates(self, **limits: object) -> None:
        told = yaml.safe_load((CONFIGS / "gates.yaml").read_text(encoding="utf-8")) | limits
        (self.folder / "gates.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")

    def recipe(self, name: str, **told: object) -> str:
        file = self.folder / "recipes" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump({"config_version": 1, **told}), encoding="utf-8")
        return name

    def trained(self, config: Path) -> tuple[str, ModelBundle]:
        """Train; return what was said, and the bundle that is used."""
        before = set((self.folder / "workspace" / "models").glob("*"))
        said = run(config, "train")
        (model,) = set((self.folder / "workspace" / "models").glob("*")) - before
        return said, read_used(Run.of(config, say=silent), model)


def run(config: Path, *command: str) -> str:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    folder = tmp_path_factory.mktemp("recipes")
    rule = {"version": "here-2023", "valid_from": date(2023, 9, 1), "source": "an example"}
    (folder / "regions").mkdir()
    (folder / "regions" / "here.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule]}), encoding="utf-8"
    )
    bureau = Bureau(folder)
    config = bureau.configured("plain")
    for step in ("county", "intake"):
        run(config, step)
    return bureau


@pytest.fixture(scope="module")
def full(bureau: Bureau) -> tuple[Path, str, ModelBundle]:
    """A hazard's mean of trees and line, searched, and the plain recipe as its challenger."""
    recipe = bureau.recipe(
        "full", learns="hazard", parts=["trees", "linear"], search={"trials": 2, "minutes": 5}
    )
    bureau.gates(**WIDE)
    config = bureau.configured("full", recipe=recipe, challengers=[bureau.recipe("fixed")])
    return (config, *bureau.trained(config))


def test_a_hazard_learns_from_a_date_whose_horizon_is_still_running(
    full: tuple[Path, str, ModelBundle],
) -> None:
    config, _, _ = full
    asked = Run.of(config, say=silent)
    dates = dates_of(asked, RecordStore.open(asked.workspace.records))
    assert dates.running
    assert not set(dates.running) & set(dates.training)
    assert all(as_of.horizon_end > dates.current.as_of_date for as_of in dates.running)


def test_the_search_says_what_it_tried_and_its_trials_stand_under_the_training(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    _, said, _ = full
    assert "search: 2 settings" in said
    client = open_tracking(bureau.folder / "workspace" / "mlflow").client
    experiment = client.get_experiment_by_name("here")
    nested = client.search_runs([experiment.experiment_id], "tags.`mlflow.parentRunId` != ''")
    chosen = {run.info.run_name: run.data.tags["chosen"] for run in nested}
    assert set(chosen) == {"trial-0", "trial-1", "full", "fixed"}
    assert sorted(chosen[name] for name in ("trial-0", "trial-1")) == ["false", "true"]
    assert (chosen["full"], chosen["fixed"]) == ("true", "false")
    aucs = {run.info.run_name: run.data.metrics.get("auc") for run in nested}
    assert aucs["full"] != aucs["fixed"]


def test_a_challenger_is_judged_on_the_same_rows_and_why_it_goes_forward_or_not_is_kept(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    _, said, bundle = full
    choice = json.loads(
        (bureau.folder / "workspace" / "models" / bundle.model_version / "choice.json").read_text("utf-8")
    )
    assert (choice["chosen"], choice["configured"]) == ("full", "full")
    (challenger,) = choice["challengers"]
    assert challenger["recipe"] == "fixed"
    assert challenger["events"] >= 100
    assert text("challengers.stays", "en", configured="full") in said
    assert bundle.manifest["recipe"]["name"] == "full"


def test_what_is_published_explains_itself_exactly(full: tuple[Path, str, ModelBundle]) -> None:
    config, _, bundle = full
    asked = Run.of(config, say=silent)
    store = RecordStore.open(asked.workspace.records)
    matrix = matrix_of(asked, store, (dates_of(asked, store).current,))
    assert bundle.model is not None
    assert set(bundle.model.scorer.texts) == {"trees.txt", "linear.json"}
    added = bundle.model.scorer.contributions(matrix.frame[list(bundle.feature_names)].to_numpy(float))
    assert added.sum(axis=1) == pytest.approx(score(matrix, bundle).margin, abs=1e-9)


def test_the_fixed_parameters_stand_beside_another_recipe(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    _, _, bundle = full
    folder = bureau.folder / "workspace" / "models" / bundle.model_version
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    names = [model["name"] for model in evaluation["models"]]
    assert names[:3] == ["full", "lightgbm_fixed", "logistic"]
    assert {"lightgbm_fixed", "logistic"} <= set(evaluation["paired_auc_difference"])


@pytest.fixture(scope="module")
def champion(bureau: Bureau) -> tuple[str, ModelBundle]:
    """Another model of the same records, trained and published: what was said, and its bundle."""
    capacity = {"share": 0.05, "equal_recall_by": "stage"}
    config = bureau.configured("simpler", publish_simpler=True, capacity=capacity, protected_features=DECIDED)
    trained = bureau.trained(config)
    run(config, "publish")
    return trained


def test_the_simpler_model_is_published_where_it_is_not_beaten_if_configured(
    bureau: Bureau, champion: tuple[str, ModelBundle]
) -> None:
    said, simpler = champion
    assert "LightGBM is not better than the logistic regression beyond the interval" in said
    assert simpler.model is not None
    assert set(simpler.model.scorer.texts) == {"linear.json"}
    assert_listed_by_cutoffs(bureau, simpler, share=0.05)


def assert_listed_by_cutoffs(bureau: Bureau, bundle: ModelBundle, *, share: float) -> None:
    """Places went by risk over the cut-off of the group; bands and their lists by risk alone."""
    found = bundle.manifest["cutoffs"]
    assert found["by"] == "stage"
    assert len(set(found["cutoffs"].values())) == 2
    store = open_store(bureau.folder / "workspace" / "store")
    everybody = [
        student
        for school in schools(store, BUREAU)
        for student in students(store, BUREAU, school.school_id, limit=500).students
    ]
    known = [student for student in everybody if student.risk is not None]
    known.sort(key=lambda student: -(student.risk or 0) / found["cutoffs"][student.stage])
    places = {student.student_id for student in known[: math.ceil(share * len(everybody))]}
    help_ = {student.student_id for student in known if student.band in (Band.REACH_OUT, Band.CHECK_IN)}
    assert {student.student_id for student in everybody if student.listed} == places | help_
    by_risk = sorted(known, key=lambda student: -(student.risk or 0))
    assert places != {student.student_id for student in by_risk[: len(places)]}


def test_a_column_that_tells_the_outcome_stops_a_training_before_anything_is_fitted(bureau: Bureau) -> None:
    asked = Run.of(bureau.folder / "plain.yaml", say=silent)
    store = RecordStore.open(asked.workspace.records)
    dates = dates_of(asked, store)
    day = dates.current.as_of_date

    def leaky(wanted: Sequence[AsOf]) -> FeatureMatrix:
        matrix, told = (
            matrix_of(asked, store, wanted),
            labels_of(asked, store, dates.training, label_date=day),
        )
        keys = ["as_of_date", "student_id"]
        outcome = matrix.frame[keys].merge(told.frame, on=keys, how="left")["outcome"]
        left = (outcome == "left").to_numpy(float)
        return replace(matrix, frame=matrix.frame.assign(absence_share_28d=left))

    with pytest.raises(LeakSuspected, match="absence_share_28d"):
        learnt_on(asked, store, day, training=dates.training, running=(), read=leaky)


def test_an_audit_of_what_was_judged_is_kept_and_read_again(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    config, _, _ = full
    bureau.gates()
    said: list[str] = []
    asked = Run.of(config, say=lambda code, **_: said.append(code))
    audit = audit_model(asked, bootstraps=2)
    assert audit is not None
    # The judged model learnt from the term before only: there is no shorter past, and no older one.
    assert [one.name for one in audit.seeds] == ["seed 1", "seed 2"]
    assert all(-0.1 < one.auc_less.value < 0.1 and 0 < one.same_list < 1 for one in audit.seeds)
    assert {one.grouping for one in audit.groups} >= {"sex", "stage", "township", "boarding", "left_behind"}
    assert max(audit.training_dates) < audit.label_date <= min(audit.test_dates)
    assert audit.known_schools == 1
    assert audit.stability is not None
    assert audit.stability.bootstraps == 2
    assert 0.3 < audit.stability.same_first <= 1
    assert audit_model(asked, bootstraps=2) == audit
    assert said.count("audited") == 1


def test_a_report_a_card_and_a_datasheet_are_written_in_every_language_and_name_no_student(
    full: tuple[Path, str, ModelBundle], champion: tuple[str, ModelBundle]
) -> None:
    config, _, made = full
    asked = Run.of(config, say=silent)
    run(config, "report")
    folder = asked.workspace.models / made.model_version
    pages = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.html")}
    kinds = ("report", "card", "datasheet")
    assert set(pages) == {f"{kind}.{language}.html" for kind in kinds for language in LANGUAGES}
    rows = pd.read_parquet(folder / "judged-scores.parquet")
    assert rows["enough_known"].dtype == bool
    for page in pages.values():
        assert not any(student in page for student in rows["student_id"].unique())
        assert "http:" not in page
        assert "https:" not in page
    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    # What is used has learnt from the judged dates by now: the champion stands as it was judged.
    assert comparison["champion"] == f"{champion[1].model_version}-judged"
    assert comparison["champion"] in pages["report.zh.html"]
    assert comparison["entered"]["rows"] == comparison["dropped"]["rows"]
    client = open_tracking(asked.workspace.tracking).client
    (logged,) = client.search_runs(
        [client.get_experiment_by_name("here").experiment_id], f"tags.model_version = '{made.model_version}'"
    )
    assert len(client.list_artifacts(logged.info.run_id, "report")) == 6


def test_a_protected_trait_is_learnt_from_by_written_decision_only_and_the_card_quotes_it(
    bureau: Bureau, full: tuple[Path, str, ModelBundle], champion: tuple[str, ModelBundle]
) -> None:
    _, bundle = champion
    assert not set(PROTECTED) & set(full[2].feature_names)
    assert set(PROTECTED) & set(bundle.feature_names) == {"disability_registered"}
    run(bureau.folder / "simpler.yaml", "report")
    models = bureau.folder / "workspace" / "models"
    for language in LANGUAGES:
        card = (models / bundle.model_version / f"card.{language}.html").read_text(encoding="utf-8")
        assert DECIDED["decided"] in card
        assert text("features.disability_registered", language) in card
        assert text("card.protected.none", language) not in card
    run(full[0], "report")
    usual = (models / full[2].model_version / "card.zh.html").read_text(encoding="utf-8")
    assert text("card.protected.none", "zh") in usual


def test_a_card_of_which_a_digit_was_changed_is_not_published(full: tuple[Path, str, ModelBundle]) -> None:
    config, _, made = full
    run(config, "report")
    card = Run.of(config, say=silent).workspace.models / made.model_version / "card.en.html"
    as_written = card.read_text(encoding="utf-8")
    evaluation = json.loads((card.parent / "evaluation.json").read_text(encoding="utf-8"))
    auc = f"{evaluation['models'][0]['auc']['value']:.3f}"
    assert auc in as_written
    card.write_text(as_written.replace(auc, "0.999", 1), encoding="utf-8")
    with pytest.raises(WorkspaceError) as refused:
        check_cards(card.parent)
    assert refused.value.code == "card_differs"
    assert all("0.999" in refused.value.text(language) for language in LANGUAGES)
    card.write_text(as_written, encoding="utf-8")
    check_cards(card.parent)


def test_a_model_of_which_no_gate_was_asked_is_let_through_and_that_is_said(
    full: tuple[Path, str, ModelBundle], tmp_path: Path
) -> None:
    said: list[str] = []
    asked = Run.of(full[0], say=lambda code, **_: said.append(code))
    check_gates(asked, tmp_path, scored=date(2025, 4, 1))
    assert said == ["gates_not_asked"]


def test_a_model_that_a_gate_refuses_is_not_published_and_one_let_through_is(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    config, _, made = full
    asked = Run.of(config, say=silent)
    bureau.gates(**WIDE, newest_outcomes_days=1)
    audit_model(asked, bootstraps=2)
    ran = CliRunner().invoke(app, ["publish", "--config", str(config)])
    assert ran.exit_code == 1
    assert text("gates.name.not_stale", "en") in ran.output
    assert text("gates.name.not_stale", "zh") in ran.output
    client = open_tracking(asked.workspace.tracking).client
    assert "challenger" not in client.get_registered_model("riskmodel-here").aliases

    bureau.gates(**WIDE)
    audit_model(asked, bootstraps=2)
    entry = client.get_model_version_by_alias("riskmodel-here", "challenger")
    assert entry.tags["model_version"] == made.model_version
    assert {file.path for file in client.list_artifacts(entry.run_id, "audit")} >= {
        "audit/audit.json",
        "audit/gates.json",
    }
    assert "✗" not in run(config, "publish")


def test_a_model_grows_old_until_the_day_that_is_scored_and_is_refused_then(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    config, _, made = full
    said: list[str] = []
    asked = Run.of(config, say=lambda _code, **told: said.append(str(told.get("gate"))))
    folder = asked.workspace.models / made.model_version
    bureau.gates(**WIDE)
    audit_model(asked, bootstraps=2)
    day = dates_of(asked, RecordStore.open(asked.workspace.records)).current.as_of_date
    check_gates(asked, folder, scored=day)
    said.clear()
    with pytest.raises(WorkspaceError):
        check_gates(asked, folder, scored=day + timedelta(days=2000))
    assert len(said) == len(LANGUAGES)
    # Of what another version of the program has found, or what is gone, the age is asked still.
    audit = folder / "audit.json"
    as_it_was = audit.read_bytes()
    try:
        audit.write_text('{"another": "form"}', encoding="utf-8")
        check_gates(asked, folder, scored=day)
        with pytest.raises(WorkspaceError):
            check_gates(asked, folder, scored=day + timedelta(days=2000))
        audit.unlink()
        with pytest.raises(WorkspaceError):
            check_gates(asked, folder, scored=day + timedelta(days=2000))
    finally:
        audit.write_bytes(as_it_was)


def refused_by(config: Path, *command: str) -> str:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert ran.exit_code == 1, ran.output
    return ran.output


def broken(_folder: Path) -> None:
    raise KeyboardInterrupt


def test_two_people_approve_a_model_and_none_without_them_takes_its_place(
    bureau: Bureau,
    champion: tuple[str, ModelBundle],
    full: tuple[Path, str, ModelBundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, _, made = full
    simpler = bureau.folder / "simpler.yaml"
    store = open_store(bureau.folder / "workspace" / "store")
    asked = Run.of(config, say=silent)
    bureau.gates(**WIDE)
    (before, *_) = (
        each.set_id for each in published_sets(store) if each.facts.model_version == champion[1].model_version
    )
    assert text("errors.approval_nothing_to_read", "en") in refused_by(
        simpler, "promote", "--by", "甲", "--by", "乙"
    )
    audit_model(asked, bootstraps=2)
    with monkeypatch.context() as broken_off:
        broken_off.setattr("riskmodel.pipelines.reporting.check_cards", broken)
        with pytest.raises(KeyboardInterrupt):
            write_report(asked)
    with pytest.raises(WorkspaceError) as refused:
        check_report(asked.workspace.models / made.model_version)
    assert refused.value.code == "approval_report_is_older"
    run(config, "report")
    prepared = asked.workspace.terms / "2024-2025-2" / made.model_version
    prepared.mkdir(parents=True)
    (prepared / "configuration.yaml").write_text("as it was prepared", encoding="utf-8")
    once = ("promote", "--by", "甲", "--by", " 甲 ")
    assert text("errors.approval_needs_two", "zh", count=1) in refused_by(config, *once)
    # A review takes days; meanwhile a word of the configuration, or the records, change.
    as_it_was = config.read_bytes()
    config.write_bytes(as_it_was + b"# a word that changes nothing\n")
    two = ("promote", "--by", "甲", "--by", "乙")
    another = text("steps.model_of_earlier_records", "en", version=made.model_version)
    assert another in run(config, *two)
    assert json.loads((prepared / "approval.json").read_text(encoding="utf-8"))["names"] == ["甲", "乙"]
    assert (prepared / "configuration.yaml").read_text(encoding="utf-8") == "as it was prepared"
    assert text("errors.model_unknown", "en") in refused_by(config, "publish", "--model", "../models")
    assert another in run(config, "publish")
    first = current_set(store).set_id
    # Of records and configuration this model's name tells nothing any more: students are scored again.
    assert another in run(config, "publish")
    assert current_set(store).set_id != first
    config.write_bytes(as_it_was)
    assert current_set(store).facts.model_version == made.model_version
    assert text("errors.not_approved", "en") in refused_by(simpler, "publish")
    assert current_set(store).facts.model_version == made.model_version

    said = run(config, "rollback", "--by", "丙", "--to", before)
    assert "丙" in said
    assert current_set(store).facts.model_version == champion[1].model_version
    client = open_tracking(asked.workspace.tracking).client
    entry = client.get_model_version_by_alias("riskmodel-here", "champion")
    assert entry.tags["model_version"] == champion[1].model_version

    bureau.gates(**WIDE, newest_outcomes_days=1)
    assert text("gates.name.not_stale", "en") in refused_by(config, "publish")
    bureau.gates(**WIDE, newest_outcomes_days=1000)
    audit_model(asked, bootstraps=2)
    assert text("errors.approval_of_other_gates", "en") in refused_by(config, "publish")
    assert text("errors.approval_report_is_older", "en") in refused_by(config, *two)


def test_limits_that_cannot_be_stop_an_audit_before_anything_is_fitted(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    bureau.gates(auc_low=2)
    said: list[str] = []
    with pytest.raises(ConfigurationError) as refused:
        audit_model(Run.of(full[0], say=lambda code, **_: said.append(code)), bootstraps=1)
    assert refused.value.code == "gates_invalid"
    assert said == []


def test_a_term_whose_model_could_not_be_judged_asks_nobody_to_approve_it(
    bureau: Bureau, full: tuple[Path, str, ModelBundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskmodel.pipelines.term.audit_model", lambda run, *, bootstraps: None)
    said: list[str] = []
    prepare_term(Run.of(full[0], say=lambda code, **_: said.append(code)), term="2024-2025-2", bootstraps=2)
    assert said[-1] == "term_not_judged"


def test_a_term_whose_model_a_gate_refused_asks_nobody_to_approve_it(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    bureau.gates(**WIDE | {"auc_low": 0.9999})
    said: list[str] = []
    prepare_term(Run.of(full[0], say=lambda code, **_: said.append(code)), term="2024-2025-2", bootstraps=2)
    assert "gates_refuse" in said
    assert said[-1] == "term_refused"


def test_a_term_is_prepared_up_to_the_approval_and_kept_in_one_folder(
    bureau: Bureau, full: tuple[Path, str, ModelBundle]
) -> None:
    config, _, made = full
    store = open_store(bureau.folder / "workspace" / "store", create=True)
    with store.reading() as connection:
        before = connection.scalar(select(func.count()).select_from(SETS))
    bureau.gates(**WIDE)
    said: list[str] = []
    asked = Run.of(config, say=lambda code, **_: said.append(code))
    with pytest.raises(ConfigurationError, match="2023-2024-1"):
        prepare_term(asked, term="2023-2024-1", bootstraps=2)
    folder = prepare_term(asked, term="2024-2025-2", bootstraps=2)
    assert said[-1] == "term_waits"
    assert folder == asked.workspace.root / "terms" / "2024-2025-2" / made.model_version
    names = {file.name for file in folder.iterdir()}
    assert names >= {
        "configuration.yaml", "region.yaml", "gates.yaml", "recipe.yaml", "manifest.json", "evaluation.json",
        "audit.json", "gates.json", "report.zh.html", "card.en.html", "backtest-report.zh.md", "data.json",
        "choice.json", "challenger-fixed.yaml", "lists.csv",
    }  # fmt: skip
    assert (folder / "configuration.yaml").read_bytes() == config.read_bytes()
    listed = pd.read_csv(folder / "lists.csv", dtype=str)
    assert listed["school_id"].is_monotonic_increasing
    assert len(listed) >= 20
    assert set(listed["band"]) <= {band.value for band in Band}
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(SETS)) == before


def test_a_model_that_was_not_trained_is_not_audited_which_is_said(bureau: Bureau) -> None:
    assert "riskmodel train" in run(bureau.configured("untrained", seed=8), "audit")
