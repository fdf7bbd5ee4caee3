"""The only door to MLflow: an experiment per region, a run per training, a registered model with aliases.

Everything lies in one folder: `mlflow.db` (SQLite) and `artifacts/`. Only aggregates go in: no row, no
name and no id of a student. The registered versions are for people to compare and to point at; nothing
is ever loaded from MLflow (its loaders run code), a model is read from its bundle.

MLflow's telemetry is switched off before MLflow is imported.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from riskmodel.errors import Where, WorkspaceError
from riskmodel.figures import Evaluation

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_PARAMETERS_PER_BATCH = 100
"""MLflow takes no more parameters (or tags) in one call."""


@dataclass(frozen=True)
class Tracking:
    """An open tracking folder."""

    folder: Path
    client: MlflowClient


@dataclass(frozen=True)
class TrialRow:
    """One trial of a search, as it is logged."""

    name: str
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    chosen: bool


def open_tracking(folder: Path) -> Tracking:
    """Open the tracking folder, making it on first use (some seconds: MLflow builds its tables).

    Raises
    ------
    WorkspaceError
        If the database is of another MLflow version, damaged, or in use by another program.
    """
    _quieten_mlflow()
    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    uri = _database_uri(folder)
    with _readable_errors(folder):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return Tracking(folder, client)


def tracking_command(folder: Path) -> str:
    """Return the command that a person runs to look at the runs in a browser."""
    quiet = " ".join(f"{name}={value}" for name, value in _QUIET.items())
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", _database_uri(folder)]
    return f"{quiet} {shlex.join(command)}"


def log_training(
    tracking: Tracking,
    *,
    region: str,
    parameters: Mapping[str, object],
    evaluation: Evaluation | None,
    data_manifest: Mapping[str, object],
    configuration_file: Path,
    pictures: Sequence[Path],
    model_texts: Mapping[str, str],
    model_version: str,
    tags: Mapping[str, str],
    texts: Mapping[str, str] | None = None,
    trials: Sequence[TrialRow] = (),
) -> str:
    """Log one training and register its model as the region's challenger; return the run id.

    Parameters
    ----------
    evaluation
        None where nothing could be judged.
    data_manifest
        Hashes, counts and dates of what the model was trained on; written as JSON.
    model_texts
        The model's parts, file name to text; empty where too few events were known for a model.
    model_version
        Names the run, and tags the registered version (see `set_champion`).
    texts
        Further artifacts, file name to content: the report for people, the figures for machines.
    trials
        Of a search: each becomes a run nested under this one.

    Raises
    ------
    WorkspaceError
        If the database is in use or damaged. A run that could not be completed is marked FAILED.
    """
    client = tracking.client
    with _readable_errors(tracking.folder):
        run = client.create_run(_experiment(tracking, region), run_name=model_version)
        run_id, artifacts = run.info.run_id, run.info.artifact_uri
        try:
            _log_values(client, run_id, parameters, evaluation, {**tags, "model_version": model_version})
            _log_data(client, run_id, region, data_manifest)
            client.log_artifact(run_id, str(configuration_file), "configuration")
            for picture in pictures:
                client.log_artifact(run_id, str(picture), "pictures")
            for name, content in (texts or {}).items():
                client.log_text(run_id, content, name)
            for name, content in model_texts.items():
                client.log_text(run_id, content, f"model/{name}")
            for trial in trials:
                _log_trial(client, run_id, region=region, tracking=tracking, trial=trial)
            source = f"{artifacts}/model" if model_texts else artifacts
            _register(client, region, source=source, run_id=run_id, model_version=model_version)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
    return str(run_id)


def _log_trial(
    client: MlflowClient, parent: str, *, tracking: Tracking, region: str, trial: TrialRow
) -> None:
    """Log one trial of a search as a run under the training's run."""
    from mlflow.entities import Metric, Param, RunTag

    tags = {"mlflow.parentRunId": parent}
    run = client.create_run(_experiment(tracking, region), run_name=trial.name, tags=tags)
    moment = int(run.info.start_time or 0)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, moment, 0) for name, value in trial.metrics.items()],
        params=[Param(name, str(value)) for name, value in trial.parameters.items()],
        tags=[RunTag("chosen", str(trial.chosen).lower())],
    )
    client.set_terminated(run.info.run_id)


def log_files(
    tracking: Tracking, *, region: str, model_version: str, files: Sequence[Path], under: str
) -> None:
    """Add files to the run of a training that was logged before, in a folder of their own.

    Raises
    ------
    WorkspaceError
        If no training of that model version was logged for the region.
    """
    with _readable_errors(tracking.folder):
        entry = _newest(tracking, registered_model_name(region), model_version)
        for file in files:
            tracking.client.log_artifact(entry.run_id, str(file), under)


def set_candidate(tracking: Tracking, *, region: str, model_version: str, candidate: bool) -> None:
    """Note whether no gate refused a version: as its tag, and as the alias `candidate`.

    Raises
    ------
    WorkspaceError
        If no training of that model version was logged for the region.
    """
    client, name = tracking.client, registered_model_name(region)
    with _readable_errors(tracking.folder):
        entry = _newest(tracking, name, model_version)
        client.set_model_version_tag(name, entry.version, "candidate", str(candidate).lower())
        known = client.get_registered_model(name).aliases
        if candidate:
            client.set_registered_model_alias(name, "candidate", str(entry.version))
        elif str(known.get("candidate")) == str(entry.version):
            client.delete_registered_model_alias(name, "candidate")


def champion_version(tracking: Tracking, *, region: str) -> str | None:
    """Return the model version that was published last; None where nothing was."""
    client, name = tracking.client, registered_model_name(region)
    with _readable_errors(tracking.folder):
        known = client.search_registered_models(f"name = '{name}'")
        if not known or "champion" not in known[0].aliases:
            return None
        entry = client.get_model_version(name, str(known[0].aliases["champion"]))
        version: str | None = entry.tags.get("model_version")
        return version


def set_champion(tracking: Tracking, *, region: str, model_version: str) -> None:
    """Point the alias `champion` at the version that was published; `previous` keeps the one before.

    Publishing the champion again changes nothing.

    Raises
    ------
    WorkspaceError
        If no training of that model version was logged for the region.
    """
    client, name = tracking.client, registered_model_name(region)
    with _readable_errors(tracking.folder):
        chosen = int(_newest(tracking, name, model_version).version)
        known = client.get_registered_model(name).aliases
        aliases = {alias: int(version) for alias, version in known.items()}
        champion = aliases.get("champion")
        if champion == chosen:
            return
        if champion is not None:
            client.set_registered_model_alias(name, "previous", str(champion))
        client.set_registered_model_alias(name, "champion", str(chosen))
        for alias in ("challenger", "candidate"):
            if aliases.get(alias) == chosen:
                client.delete_registered_model_alias(name, alias)


def _newest(tracking: Tracking, name: str, model_version: str) -> ModelVersion:
    """Return the entry that was registered last for a model version: a training can be logged twice."""
    versions = tracking.client.search_model_versions(f"name = '{name}'")
    found = [entry for entry in versions if entry.tags.get("model_version") == model_version]
    if not found:
        raise WorkspaceError("model_not_tracked", Where(file=str(tracking.folder)), version=model_version)
    return max(found, key=lambda entry: int(entry.version))


def registered_model_name(region: str) -> str:
    """Return the name under which a region's models are registered."""
    return f"riskmodel-{region}"


def _quieten_mlflow() -> None:
    """Switch telemetry off and chatter down to warnings; both are read when MLflow is imported."""
    os.environ.update(_QUIET)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It prints a traceback of each error that it also raises; we raise it on, with what to do.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _database_uri(folder: Path) -> str:
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


@contextmanager
def _readable_errors(folder: Path) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as problem:
        raise WorkspaceError("tracking_unusable", Where(file=str(folder / "mlflow.db"))) from problem


def _experiment(tracking: Tracking, region: str) -> str:
    known = tracking.client.get_experiment_by_name(region)
    if known is not None:
        return str(known.experiment_id)
    artifacts = tracking.folder.resolve() / "artifacts" / region
    return str(tracking.client.create_experiment(region, artifact_location=str(artifacts)))


def _log_values(
    client: MlflowClient,
    run_id: str,
    parameters: Mapping[str, object],
    evaluation: Evaluation | None,
    tags: Mapping[str, str],
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    moment = int(client.get_run(run_id).info.start_time or 0)
    numbers = {} if evaluation is None else _metrics(evaluation)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, moment, 0) for name, value in numbers.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    params = [Param(name, str(value)) for name, value in parameters.items()]
    for start in range(0, len(params), _PARAMETERS_PER_BATCH):
        client.log_batch(run_id, params=params[start : start + _PARAMETERS_PER_BATCH])


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """Name every figure: the first model's without a prefix, a baseline's as `<baseline>.<figure>`."""
    counts = (
        "rows", "left_rows", "students", "events", "training_rows", "training_events", "unaccounted",
        "unknown", "already_gone",
    )  # fmt: skip
    named: dict[str, float] = {name: float(getattr(evaluation, name)) for name in counts}
    for number, model in enumerate(evaluation.models):
        prefix = f"{model.name}." if number else ""
        named |= {f"{prefix}{name}": value for name, value in model.numbers().items()}
    for other, difference in evaluation.paired_auc_difference.items():
        ends = {"": difference.value, "_low": difference.low, "_high": difference.high}
        named |= {f"auc_less_{other}{end}": value for end, value in ends.items() if value is not None}
    return named


def _log_data(client: MlflowClient, run_id: str, region: str, data_manifest: Mapping[str, object]) -> None:
    from mlflow.entities import Dataset, DatasetInput

    manifest = json.dumps(data_manifest, ensure_ascii=False, indent=2, sort_keys=True, default=str)
    client.log_text(run_id, manifest, "data/manifest.json")
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    dataset = Dataset(f"records-{region}", digest, "record_store", "{}", profile=manifest)
    client.log_inputs(run_id, datasets=[DatasetInput(dataset)])


def _register(client: MlflowClient, region: str, *, source: str, run_id: str, model_version: str) -> None:
    name = registered_model_name(region)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    entry = client.create_model_version(name, source, run_id, tags={"model_version": model_version})
    client.set_registered_model_alias(name, "challenger", str(entry.version))
