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
    DataUsed,
    Entry,
    NestedRun,
    Tracking,
    deliver,
    evaluation_metrics,
    open_tracking,
    tracking_command,
)

pytestmark = pytest.mark.slow

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


FILES = {
    "model/trees.txt": "tree",
    "configuration/demo.yaml": "config_version: 1\n",
    "data/manifest.json": '{"students": 1000}',
    "pictures/calibration.png": "a picture",
    "report.md": "# figures",
}
EVALUATION = Evaluation(
    test_dates=(date(2025, 10, 20),), rows=1000, students=1000, events=20, training_rows=4000,
    training_events=130, unaccounted=3, unknown=0, already_gone=2, seed=1,
    models=(figures("gbm"), figures("logistic")),
    paired_auc_difference={"logistic": Interval(0.01, -0.01, 0.03)}, left_rows=20, resamples=1000,
)  # fmt: skip


def training(
    model_version: str = "v1",
    *,
    parameters: dict[str, str] | None = None,
    nested: Sequence[NestedRun] = (),
    evaluation: Evaluation | None = EVALUATION,
) -> Entry:
    return Entry(
        kind="training",
        region="a-county",
        model_version=model_version,
        parameters=parameters or {"learning_rate": "0.05", "seed": "1"},
        metrics=evaluation_metrics(evaluation) if evaluation else {},
        tags={"rule_version": "a-county-2024", "bundle": "b" * 64},
        data=(DataUsed(context="training", digest="abc", profile={"students": "1000"}),),
        nested=tuple(nested),
    )


def files(tmp_path: Path, told: dict[str, str] = FILES) -> Path:
    folder = tmp_path / "files"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in told.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def log(tracking: Tracking, tmp_path: Path, model_version: str = "v1", entry_id: str = "", **told) -> str:
    entry = training(model_version, **told)
    return deliver(tracking, entry, files(tmp_path), entry_id=entry_id or f"entry of {model_version}")


def audited(tracking: Tracking, tmp_path: Path, *, let_through: bool, model_version: str = "v1") -> None:
    told = {"region": "a-county", "model_version": model_version}
    found = files(tmp_path, {"audit/gates.json": "[]"})
    deliver(tracking, Entry(kind="files", **told), found, entry_id="files")
    deliver(tracking, Entry(kind="gates", **told, let_through=let_through), tmp_path, entry_id="gates")


def publish(tracking: Tracking, tmp_path: Path, model_version: str, region: str = "a-county") -> None:
    entry = Entry(kind="published", region=region, model_version=model_version)
    deliver(tracking, entry, tmp_path, entry_id="published")


def home(tracking: Tracking) -> Path:
    return Path(tracking.place).parent


def artifact(tracking: Tracking, run_id: str, path: str) -> bytes:
    return (home(tracking) / "artifacts" / "a-county" / run_id / "artifacts" / path).read_bytes()


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


def test_a_model_that_no_gate_refuses_is_the_challenger_and_one_that_is_refused_later_no_more(
    tracking, tmp_path
):
    run_id = log(tracking, tmp_path)
    assert aliases(tracking) == {}
    audited(tracking, tmp_path, let_through=True)
    assert aliases(tracking) == {"challenger": 1}
    assert artifact(tracking, run_id, "audit/gates.json") == b"[]"

    audited(tracking, tmp_path, let_through=False)
    assert aliases(tracking) == {}
    (entry,) = tracking.client.search_model_versions("name = 'riskmodel-a-county'")
    assert entry.tags["gates"] == "refused"


def test_a_refused_model_leaves_another_challenger_as_it_is(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    audited(tracking, tmp_path, let_through=True)
    log(tracking, tmp_path, "v2")
    audited(tracking, tmp_path, let_through=False, model_version="v2")
    assert aliases(tracking) == {"challenger": 1}


def test_a_challenger_that_is_published_is_the_champion_and_no_challenger(tracking, tmp_path):
    log(tracking, tmp_path)
    audited(tracking, tmp_path, let_through=True)
    publish(tracking, tmp_path, "v1")
    assert aliases(tracking) == {"champion": 1}


def test_an_audit_of_the_champion_makes_no_challenger_of_it(tracking, tmp_path):
    log(tracking, tmp_path)
    publish(tracking, tmp_path, "v1")
    audited(tracking, tmp_path, let_through=True)
    assert aliases(tracking) == {"champion": 1}

    log(tracking, tmp_path, entry_id="v1 trained anew")
    audited(tracking, tmp_path, let_through=True)
    assert aliases(tracking) == {"champion": 1}


def test_a_model_that_was_logged_twice_is_one_and_takes_no_alias_from_the_one_before(tracking, tmp_path):
    for model_version in ("v1", "v2"):
        log(tracking, tmp_path, model_version)
        audited(tracking, tmp_path, let_through=True, model_version=model_version)
        publish(tracking, tmp_path, model_version)
    log(tracking, tmp_path, "v2", entry_id="v2 trained anew")
    publish(tracking, tmp_path, "v2")
    assert aliases(tracking) == {"previous": 1, "champion": 3}


def test_a_publishing_that_broke_off_between_two_aliases_is_told_to_its_end(tracking, tmp_path):
    log(tracking, tmp_path)
    audited(tracking, tmp_path, let_through=True)
    tracking.client.set_registered_model_alias("riskmodel-a-county", "champion", "1")
    publish(tracking, tmp_path, "v1")
    assert aliases(tracking) == {"champion": 1}


def test_an_audit_of_a_model_that_was_never_logged_is_refused(tracking, tmp_path):
    with pytest.raises(WorkspaceError) as refused:
        audited(tracking, tmp_path, let_through=True)
    assert refused.value.code == "model_not_tracked"


def test_trials_of_a_search_are_runs_under_the_training(tracking, tmp_path):
    nested = [
        NestedRun(name="trial-0", parameters={"depth": "3"}, metrics={"log_loss": 0.2}, chosen=False),
        NestedRun(name="trial-1", parameters={"depth": "2"}, metrics={"log_loss": 0.1}, chosen=True),
    ]
    run_id = log(tracking, tmp_path, nested=nested)

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

    assert artifact(tracking, run_id, "configuration/demo.yaml") == b"config_version: 1\n"
    assert artifact(tracking, run_id, "pictures/calibration.png") == b"a picture"
    assert artifact(tracking, run_id, "report.md") == b"# figures"
    assert artifact(tracking, run_id, "model/trees.txt") == b"tree"
    assert json.loads(artifact(tracking, run_id, "data/manifest.json")) == {"students": 1000}
    [data] = tracking.client.get_run(run_id).inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("records-a-county", "abc")
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "training")]


def test_more_parameters_than_mlflow_takes_at_once_are_all_logged(tracking, tmp_path):
    run_id = log(tracking, tmp_path, parameters={f"feature_{number}": "1" for number in range(230)})
    assert len(tracking.client.get_run(run_id).data.params) == 230


def test_each_training_is_a_version_with_the_hashes_of_its_run(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    run_id = log(tracking, tmp_path, "v2")

    version = tracking.client.get_model_version("riskmodel-a-county", "2")
    assert version.run_id == run_id
    assert version.tags == {"model_version": "v2", "rule_version": "a-county-2024", "bundle": "b" * 64}
    assert Path(version.source, "trees.txt").read_bytes() == b"tree"


def test_without_a_model_the_training_is_still_a_version(tracking, tmp_path):
    run_id = deliver(tracking, training(evaluation=None), tmp_path / "nothing", entry_id="e")
    version = tracking.client.get_model_version("riskmodel-a-county", "1")
    assert version.source == tracking.client.get_run(run_id).info.artifact_uri


def test_the_published_version_becomes_champion_and_the_one_before_is_kept(tracking, tmp_path):
    for model_version in ("v1", "v2"):
        log(tracking, tmp_path, model_version)
        publish(tracking, tmp_path, model_version)
    assert aliases(tracking) == {"previous": 1, "champion": 2}

    publish(tracking, tmp_path, "v2")
    assert aliases(tracking) == {"previous": 1, "champion": 2}

    publish(tracking, tmp_path, "v1")
    assert aliases(tracking) == {"previous": 2, "champion": 1}


def test_a_version_that_was_never_logged_cannot_become_champion(tracking, tmp_path):
    log(tracking, tmp_path, "v1")
    with pytest.raises(WorkspaceError, match="v7"):
        publish(tracking, tmp_path, "v7")
    with pytest.raises(WorkspaceError, match="v1"):
        publish(tracking, tmp_path, "v1", region="another")
    assert aliases(tracking) == {}


def test_a_training_that_was_logged_whole_is_not_logged_again(tracking, tmp_path):
    assert log(tracking, tmp_path) == log(tracking, tmp_path)
    assert len(tracking.client.search_model_versions("name = 'riskmodel-a-county'")) == 1


def test_whatever_step_a_delivery_breaks_off_at_the_next_one_logs_the_training_whole(tracking, tmp_path):
    """The run that was begun is marked FAILED; one FINISHED run remains, and aliases follow it."""
    steps = 0

    def until(end: int) -> bool:
        nonlocal steps
        steps += 1
        return steps <= end

    broken = 0
    for end in range(1, 100):
        steps, version = 0, f"v{end}"
        entry = training(version, nested=[NestedRun(name="t", parameters={}, metrics={}, chosen=True)])
        told = {"entry_id": version, "go_on": lambda end=end: until(end)}
        try:
            deliver(tracking, entry, files(tmp_path), **told)
            break
        except WorkspaceError:
            broken += 1
        run_id = deliver(tracking, entry, files(tmp_path), entry_id=version)
        found = tracking.client.search_runs(
            [tracking.client.get_experiment_by_name("a-county").experiment_id],
            f"tags.model_version = '{version}'",
        )
        finished = [run for run in found if run.info.status == "FINISHED"]
        assert [run.info.run_id for run in finished] == [run_id]
        assert {run.info.status for run in found} <= {"FINISHED", "FAILED"}
        assert artifact(tracking, run_id, "model/trees.txt") == b"tree"
        publish(tracking, tmp_path, version)
        champion = tracking.client.get_model_version_by_alias("riskmodel-a-county", "champion")
        assert champion.run_id == run_id
    assert broken >= 10


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
    told = files(
        tmp_path, {"e.json": evaluation_json(evaluation), "e.md": evaluation_report(evaluation, "zh")}
    )
    deliver(tracking, training("v", evaluation=evaluation), told, entry_id="e")
    found = [path for path in home(tracking).rglob("*") if path.is_file()]
    assert len(found) >= 3
    assert [path.name for path in found if CANARY.encode() in path.read_bytes()] == []


def test_the_command_to_look_names_the_database_and_keeps_telemetry_off(tmp_path):
    command = tracking_command(tmp_path)
    assert f"sqlite:///{tmp_path}/mlflow.db" in command
    assert command.startswith("MLFLOW_DISABLE_TELEMETRY=true ")
    assert tracking_command(tmp_path, server="http://here:5000") == "http://here:5000"


NO_TELEMETRY = """
import socket, sys, threading
from pathlib import Path

attempts = []
def refuse(*asked, **_):
    attempts.append(asked)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse

from riskmodel.tracking import Entry, deliver, open_tracking
folder = Path(sys.argv[1])
(folder / "files").mkdir()
(folder / "files" / "c.yaml").touch()
tracking = open_tracking(folder)
deliver(
    tracking, Entry(kind="training", region="a-county", model_version="v1"), folder / "files", entry_id="e"
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
    with sqlite3.connect(tracking.place) as database:
        [(status,)] = database.execute("SELECT status FROM runs WHERE run_uuid = ?", (run_id,)).fetchall()
    assert status == "FINISHED"
