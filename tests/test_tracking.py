import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from riskmodel.errors import WorkspaceError
from riskmodel.figures import AtCapacity, Evaluation, Interval, ModelFigures
from riskmodel.tracking import (
    Tracking,
    TrialRow,
    champion_version,
    log_files,
    log_training,
    open_tracking,
    set_candidate,
    set_champion,
    tracking_command,
)

CANARY = "canary-student-4711"


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory):
    """MLflow's tables, built once: building them takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow-template")
    open_tracking(folder)
    return folder / "mlflow.db"


@pytest.fixture
def tracking(mlflow_template, tmp_path) -> Tracking:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    shutil.copy(mlflow_template, folder / "mlflow.db")
    return open_tracking(folder)


def figures(name: str) -> ModelFigures:
    found = AtCapacity(
        0.05, 50, 7, Interval(0.14, 0.08, 0.2), Interval(0.35, 0.2, 0.5), Interval(7, 4, 9), 0.4
    )
    half, slope = Interval(0.5), Interval(0.97, 0.8, 1.1)
    return ModelFigures(name, Interval(0.81, 0.77, 0.85), half, None, slope, None, (found,))


MODEL = {"trees.txt": "tree"}
EVALUATION = Evaluation(
    test_dates=(date(2025, 10, 20),), rows=1000, students=1000, events=20, training_rows=4000,
    training_events=130, unaccounted=3, unknown=0, already_gone=2, seed=1,
    models=(figures("gbm"), figures("logistic")),
    paired_auc_difference={"logistic": Interval(0.01, -0.01, 0.03)}, left_rows=20, resamples=1000,
)  # fmt: skip


def log(
    tracking: Tracking,
    tmp_path: Path,
    model_version: str = "v1",
    model_texts: dict[str, str] = MODEL,
    trials: Sequence[TrialRow] = (),
) -> str:
    configuration = tmp_path / "demo.yaml"
    configuration.write_text("config_version: 1\n", encoding="utf-8")
    picture = tmp_path / "calibration.png"
    picture.write_bytes(b"a picture")
    return log_training(
        tracking,
        region="a-county",
        parameters={"learning_rate": 0.05, "seed": 1},
        evaluation=EVALUATION,
        data_manifest={"records_hash": "abc", "complete_to": date(2026, 1, 9), "students": 1000},
        configuration_file=configuration,
        pictures=[picture],
        model_texts=model_texts,
        model_version=model_version,
        tags={"rule_version": "a-county-2024"},
        texts={"report.md": "# figures"},
        trials=trials,
    )


def artifact(tracking: Tracking, run_id: str, path: str) -> bytes:
    return (tracking.folder / "artifacts" / "a-county" / run_id / "artifacts" / path).read_bytes()


def aliases(tracking: Tracking) -> dict[str, int]:
    known = tracking.client.get_registered_model("riskmodel-a-county").aliases
    return {alias: int(version) for alias, version in known.items()}


def test_a_training_is_a_run_of_its_region_with_parameters_figures_and_intervals(tracking, tmp_path):
    run = tracking.client.get_run(log(tracking, tmp_path))

    assert tracking.client.get_experiment(run.info.experiment_id).name == "a-county"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"learning_rate": "0.05", "seed": "1"}
    assert run.data.tags["model_version"] == "v1"
    assert run.data.tags["rule_version"] == "a-county-2024"
    metrics = run.data.metrics
    assert (metrics["auc"], metrics["auc_low"], metrics["auc_high"]) == (0.81, 0.77, 0.85)
    assert (metrics["events"], metrics["training_events"], metrics["already_gone"]) == (20, 130, 2)
    assert metrics["precision_at_5_percent"] == 0.14
    assert metrics["precision_ceiling_at_5_percent"] == 0.4
    assert metrics["found_at_5_percent"] == 7
    assert metrics["logistic.auc"] == 0.81
    assert metrics["auc_less_logistic_low"] == -0.01
    assert "brier" not in metrics


def audited(tracking: Tracking, tmp_path: Path, *, candidate: bool, model_version: str = "v1") -> None:
    file = tmp_path / "gates.json"
    file.write_text("[]", encoding="utf-8")
    told = {"region": "a-county", "model_version": model_version}
    log_files(tracking, **told, files=[file], under="audit")
    set_candidate(tracking, **told, candidate=candidate)


def test_a_model_that_no_gate_refuses_is_the_candidate_and_one_that_is_refused_later_no_more(
    tracking, tmp_path
):
    run_id = log(tracking, tmp_path)
    audited(tracking, tmp_path, candidate=True)
    assert aliases(tracking) == {"challenger": 1, "candidate": 1}
    assert artifact(tracking, run_id, "audit/gates.json") == b"[]"

    audited(tracking, tmp_path, candidate=False)
    assert aliases(tracking) == {"challenger": 1}
    (entry,) = tracking.client.search_model_versions("name = 'riskmodel-a-county'")
    assert entry.tags["candidate"] == "false"


def test_a_refused_model_leaves_another_candidate_as_it_is(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    audited(tracking, tmp_path, candidate=True)
    log(tracking, tmp_path, "v2")
    audited(tracking, tmp_path, candidate=False, model_version="v2")
    assert aliases(tracking) == {"challenger": 2, "candidate": 1}


def test_a_candidate_that_is_published_is_the_champion_and_no_candidate(tracking, tmp_path):
    log(tracking, tmp_path)
    audited(tracking, tmp_path, candidate=True)
    assert champion_version(tracking, region="a-county") is None
    set_champion(tracking, region="a-county", model_version="v1")
    assert aliases(tracking) == {"champion": 1}
    assert champion_version(tracking, region="a-county") == "v1"


def test_a_region_of_which_nothing_was_ever_logged_has_no_champion(tracking):
    assert champion_version(tracking, region="elsewhere") is None


def test_an_audit_of_a_model_that_was_never_logged_is_refused(tracking, tmp_path):
    with pytest.raises(WorkspaceError) as refused:
        audited(tracking, tmp_path, candidate=True)
    assert refused.value.code == "model_not_tracked"


def test_trials_of_a_search_are_runs_under_the_training(tracking, tmp_path):
    trials = [
        TrialRow("trial-0", {"depth": 3}, {"log_loss": 0.2}, chosen=False),
        TrialRow("trial-1", {"depth": 2}, {"log_loss": 0.1}, chosen=True),
    ]
    run_id = log(tracking, tmp_path, trials=trials)

    experiment = tracking.client.get_run(run_id).info.experiment_id
    nested = tracking.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    told = {run.info.run_name: (run.data.params, run.data.metrics, run.data.tags["chosen"]) for run in nested}
    assert told == {
        "trial-0": ({"depth": "3"}, {"log_loss": 0.2}, "false"),
        "trial-1": ({"depth": "2"}, {"log_loss": 0.1}, "true"),
    }
    assert {run.info.status for run in nested} == {"FINISHED"}


def test_data_manifest_configuration_pictures_texts_and_model_text_are_kept(tracking, tmp_path):
    run_id = log(tracking, tmp_path)

    manifest = json.loads(artifact(tracking, run_id, "data/manifest.json"))
    assert manifest == {"records_hash": "abc", "complete_to": "2026-01-09", "students": 1000}
    assert artifact(tracking, run_id, "configuration/demo.yaml") == b"config_version: 1\n"
    assert artifact(tracking, run_id, "pictures/calibration.png") == b"a picture"
    assert artifact(tracking, run_id, "report.md") == b"# figures"
    assert artifact(tracking, run_id, "model/trees.txt") == b"tree"
    [data] = tracking.client.get_run(run_id).inputs.dataset_inputs
    assert data.dataset.name == "records-a-county"


def test_more_parameters_than_mlflow_takes_at_once_are_all_logged(tracking, tmp_path):
    parameters = {f"feature_{number}": number for number in range(230)}
    (tmp_path / "c.yaml").touch()
    run_id = log_training(
        tracking, region="a-county", parameters=parameters, evaluation=None, data_manifest={},
        configuration_file=tmp_path / "c.yaml", pictures=[], model_texts={}, model_version="v", tags={},
    )  # fmt: skip
    assert len(tracking.client.get_run(run_id).data.params) == 230


def test_each_training_is_a_version_and_the_newest_is_the_challenger(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    run_id = log(tracking, tmp_path, "v2")

    assert aliases(tracking) == {"challenger": 2}
    version = tracking.client.get_model_version_by_alias("riskmodel-a-county", "challenger")
    assert version.run_id == run_id
    assert Path(version.source, "trees.txt").read_bytes() == b"tree"


def test_without_a_model_the_training_is_still_a_version(tracking, tmp_path):
    run_id = log(tracking, tmp_path, model_texts={})
    version = tracking.client.get_model_version("riskmodel-a-county", "1")
    assert version.source == tracking.client.get_run(run_id).info.artifact_uri


def test_the_published_version_becomes_champion_and_the_one_before_is_kept(tracking, tmp_path):
    for model_version in ("v1", "v2"):
        log(tracking, tmp_path, model_version)
        set_champion(tracking, region="a-county", model_version=model_version)
    assert aliases(tracking) == {"previous": 1, "champion": 2}

    set_champion(tracking, region="a-county", model_version="v2")
    assert aliases(tracking) == {"previous": 1, "champion": 2}

    set_champion(tracking, region="a-county", model_version="v1")
    assert aliases(tracking) == {"previous": 2, "champion": 1}


def test_a_version_that_was_never_logged_cannot_become_champion(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    with pytest.raises(WorkspaceError, match="v7"):
        set_champion(tracking, region="a-county", model_version="v7")
    with pytest.raises(WorkspaceError, match="v1"):
        set_champion(tracking, region="another", model_version="v1")
    assert aliases(tracking) == {"challenger": 1}


def test_a_run_that_breaks_off_is_marked_failed_and_registers_nothing(tracking, tmp_path):
    with pytest.raises(FileNotFoundError):
        log_training(
            tracking, region="a-county", parameters={}, evaluation=None, data_manifest={},
            configuration_file=tmp_path / "missing.yaml", pictures=[], model_texts={}, model_version="v1",
            tags={},
        )  # fmt: skip
    experiment = tracking.client.get_experiment_by_name("a-county")
    [run] = tracking.client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert tracking.client.search_registered_models() == []


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="MLflow"):
        open_tracking(tmp_path)


def test_no_id_of_a_student_reaches_the_database_or_the_artifacts(tracking, tmp_path):
    from riskmodel.evaluation.metrics import evaluate
    from riskmodel.evaluation.report import evaluation_json, evaluation_report

    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "student_id": [f"{CANARY}-{number}" for number in range(40)],
            "as_of_date": pd.Timestamp("2025-10-20"),
            "outcome": ["left", *["stayed"] * 9] * 4,
        }
    )
    evaluation = evaluate(
        {"gbm": (range(40), None)}, frame, seed=1, training_rows=1, training_events=1, resamples=20
    )
    (tmp_path / "c.yaml").touch()
    log_training(
        tracking, region="a-county", parameters={}, evaluation=evaluation, data_manifest={"students": 40},
        configuration_file=tmp_path / "c.yaml", pictures=[], model_texts=MODEL, model_version="v", tags={},
        texts={"e.json": evaluation_json(evaluation), "e.md": evaluation_report(evaluation, "zh")},
    )  # fmt: skip
    files = [path for path in tracking.folder.rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []


def test_the_command_to_look_names_the_database_and_keeps_telemetry_off(tmp_path):
    command = tracking_command(tmp_path)
    assert f"sqlite:///{tmp_path}/mlflow.db" in command
    assert command.startswith("MLFLOW_DISABLE_TELEMETRY=true ")


NO_TELEMETRY = """
import socket, sys, threading
from pathlib import Path

attempts = []
def refuse(*asked, **_):
    attempts.append(asked)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse

from riskmodel.tracking import log_training, open_tracking
folder = Path(sys.argv[1])
configuration = folder / "c.yaml"
configuration.touch()
tracking = open_tracking(folder)
log_training(
    tracking, region="a-county", parameters={}, evaluation=None, data_manifest={}, pictures=[], tags={},
    configuration_file=configuration, model_texts={"trees.txt": "tree"}, model_version="v1",
)
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None, "a telemetry client is active"
threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
assert threads == [], threads
assert attempts == [], attempts
print("quiet")
"""


def test_no_telemetry_leaves_the_machine_where_no_ci_variable_hides_it(mlflow_template, tmp_path):
    shutil.copy(mlflow_template, tmp_path / "mlflow.db")
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", NO_TELEMETRY, str(tmp_path)], env=told, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "quiet\n"
    assert "INFO" not in done.stderr


def test_the_database_holds_what_was_logged_after_the_program_ends(tracking, tmp_path):
    run_id = log(tracking, tmp_path)
    with sqlite3.connect(tracking.folder / "mlflow.db") as database:
        [(status,)] = database.execute("SELECT status FROM runs WHERE run_uuid = ?", (run_id,)).fetchall()
    assert status == "FINISHED"
