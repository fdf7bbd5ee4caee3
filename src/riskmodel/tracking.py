"""The only door to MLflow: an experiment per region, a run per training, a registered model with aliases.

It is the database and the folder of the workspace, or a server that the configuration names. Only aggregates
go in: no row, no name and no id of a student. The registered versions are for people to compare and to point
at: nothing is ever read back or loaded from MLflow (its loaders run code), a model is read from its bundle.

What is to be logged is an `Entry` and a folder of files; `deliver` logs it, and can be called again with what
was interrupted. MLflow's telemetry is switched off before MLflow is imported.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from riskmodel.errors import Where, WorkspaceError
from riskmodel.figures import Evaluation, ModelFigures

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""Seconds for an answer of a server, and how often it is asked again; an office may set its own."""
_PARAMETERS_PER_BATCH = 100
"""MLflow takes no more parameters (or tags) in one call."""
_ENTRY = "riskmodel.entry"


@dataclass(frozen=True)
class Tracking:
    """Where to log. `place` is the database's file or the server's address."""

    client: MlflowClient
    place: str
    artifacts: Path | None
    """Of the embedded one; None: the server keeps them."""


@dataclass(frozen=True, kw_only=True)
class NestedRun:
    """A run under a training: a trial of a search, or a recipe that was judged beside the chosen one."""

    name: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class DataUsed:
    """Records that a training learnt from (`training`) or was judged on (`evaluation`)."""

    context: Literal["training", "evaluation"]
    digest: str
    profile: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be logged of a model version; its files lie in a folder beside.

    Attributes
    ----------
    kind
        `training`: a run, with everything below, and a registered version. `files`: files for the run of a
        training. `gates`: whether no gate refused it (`let_through`); then it is the `challenger`, unless it
        is the champion. `published`: it is the `champion`, and what was before it is `previous`.
    tags
        Of the run and of the registered version: hashes of data, configuration and bundle among them.
    """

    kind: Literal["training", "files", "gates", "published"]
    region: str
    model_version: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    data: tuple[DataUsed, ...] = ()
    nested: tuple[NestedRun, ...] = ()
    let_through: bool | None = None


def open_tracking(folder: Path, *, server: str | None = None) -> Tracking:
    """Open the tracking folder, making it on first use (some seconds: MLflow builds its tables), or a server.

    Raises
    ------
    WorkspaceError
        If the database is of another MLflow version, damaged, or in use by another program, or the server
        does not answer.
    """
    _quieten_mlflow()
    from mlflow import MlflowClient

    if server is None:
        folder.mkdir(parents=True, exist_ok=True)
    uri = server or _database_uri(folder)
    place = server or str(folder / "mlflow.db")
    with _readable_errors(place):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return Tracking(client, place, None if server else folder.resolve() / "artifacts")


def tracking_command(folder: Path, *, server: str | None = None) -> str:
    """Return the command that a person runs to look at the runs in a browser; of a server, its address."""
    if server is not None:
        return server
    quiet = " ".join(f"{name}={value}" for name, value in _QUIET.items())
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", _database_uri(folder)]
    return f"{quiet} {shlex.join(command)}"


def deliver(
    tracking: Tracking, entry: Entry, files: Path, *, entry_id: str, go_on: Callable[[], bool] = lambda: True
) -> str:
    """Log an entry; return the id of the run that it belongs to.

    Parameters
    ----------
    files
        A folder whose tree becomes artifacts of the run; it need not exist.
    entry_id
        Marks the run of a training: delivered again, what was logged whole is found, and what was not is
        marked FAILED and logged anew.
    go_on
        Asked before each step; False ends it there.

    Raises
    ------
    WorkspaceError
        If the tracking cannot be used (`tracking_unusable`), or no training of that model version was logged
        for the region (`model_not_tracked`).
    """
    with _readable_errors(tracking.place):
        steps = _Steps(tracking, entry, files, go_on)
        if entry.kind == "training":
            return steps.training(entry_id)
        version = steps.newest()
        if entry.kind == "files":
            steps.client.log_artifacts(version.run_id, str(files))
        elif entry.kind == "gates":
            steps.gates(version)
        else:
            steps.published(version)
        return str(version.run_id)


def registered_model_name(region: str) -> str:
    """Return the name under which a region's models are registered."""
    return f"riskmodel-{region}"


def evaluation_metrics(evaluation: Evaluation) -> dict[str, float]:
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


def model_metrics(model: ModelFigures) -> dict[str, float]:
    """Name the figures of one model."""
    return dict(model.numbers())


@dataclass(frozen=True)
class _Steps:
    """The calls of one delivery."""

    tracking: Tracking
    entry: Entry
    files: Path
    go_on: Callable[[], bool]

    @property
    def client(self) -> MlflowClient:
        if not self.go_on():
            raise WorkspaceError("tracking_slow", Where(file=self.tracking.place))
        return self.tracking.client

    @property
    def name(self) -> str:
        return registered_model_name(self.entry.region)

    def training(self, entry_id: str) -> str:
        experiment = self._experiment()
        for left in self.client.search_runs([experiment], f"tags.`{_ENTRY}` = '{entry_id}'"):
            if left.info.status == "FINISHED":
                return str(left.info.run_id)
            if left.info.status != "FAILED":
                self.client.set_terminated(left.info.run_id, "FAILED")
        tags = {**self.entry.tags, "model_version": self.entry.model_version, _ENTRY: entry_id}
        run = self.client.create_run(experiment, run_name=self.entry.model_version, tags=tags)
        run_id = str(run.info.run_id)
        self._check_artifacts(run)
        self._log(run, self.entry.parameters, self.entry.metrics)
        self._log_data(run_id)
        if self.files.is_dir():
            self.client.log_artifacts(run_id, str(self.files))
        for nested in self.entry.nested:
            chosen = {"mlflow.parentRunId": run_id, "chosen": str(nested.chosen).lower()}
            under = self.client.create_run(experiment, run_name=nested.name, tags=chosen)
            self._log(under, nested.parameters, nested.metrics)
            self.client.set_terminated(under.info.run_id)
        self._register(run)
        # The last step: a run that is FINISHED was logged whole.
        self.client.set_terminated(run_id)
        return run_id

    def newest(self) -> ModelVersion:
        """Return the entry that was registered last for the model version: a training can be logged twice."""
        found = self._entries()
        if not found:
            raise WorkspaceError(
                "model_not_tracked", Where(file=self.tracking.place), version=self.entry.model_version
            )
        return max(found, key=lambda version: int(version.version))

    def gates(self, version: ModelVersion) -> None:
        told = "let through" if self.entry.let_through else "refused"
        self.client.set_model_version_tag(self.name, version.version, "gates", told)
        held = self._held()
        if self.entry.let_through and "champion" not in held:
            self.client.set_registered_model_alias(self.name, "challenger", str(version.version))
        elif "challenger" in held:
            self.client.delete_registered_model_alias(self.name, "challenger")

    def published(self, version: ModelVersion) -> None:
        champion, held = self._aliases().get("champion"), self._held()
        if champion is not None and "champion" not in held:
            self.client.set_registered_model_alias(self.name, "previous", str(champion))
        if champion != int(version.version):
            self.client.set_registered_model_alias(self.name, "champion", str(version.version))
        if "challenger" in held:
            self.client.delete_registered_model_alias(self.name, "challenger")

    def _entries(self) -> list[ModelVersion]:
        """Return all that was registered for the model version: they are one model, logged more than once."""
        versions = self.client.search_model_versions(f"name = '{self.name}'")
        return [one for one in versions if one.tags.get("model_version") == self.entry.model_version]

    def _held(self) -> set[str]:
        """Return the aliases that stand on any entry of the model version."""
        own = {int(one.version) for one in self._entries()}
        return {alias for alias, version in self._aliases().items() if version in own}

    def _aliases(self) -> dict[str, int]:
        known = self.client.get_registered_model(self.name).aliases
        return {alias: int(version) for alias, version in known.items()}

    def _experiment(self) -> str:
        region, artifacts = self.entry.region, self.tracking.artifacts
        known = self.client.get_experiment_by_name(region)
        if known is not None:
            return str(known.experiment_id)
        place = str(artifacts / region) if artifacts else None
        return str(self.client.create_experiment(region, artifact_location=place))

    def _check_artifacts(self, run: Run) -> None:
        """Let no server make this program write files anywhere but to itself."""
        if self.tracking.artifacts is None and not str(run.info.artifact_uri).startswith("mlflow-artifacts:"):
            raise WorkspaceError("tracking_artifacts_elsewhere", Where(file=self.tracking.place))

    def _log(self, run: Run, parameters: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        moment = int(run.info.start_time or 0)
        told = [Metric(name, value, moment, 0) for name, value in metrics.items()]
        self.client.log_batch(run.info.run_id, metrics=told)
        params = [Param(name, value) for name, value in parameters.items()]
        for start in range(0, len(params), _PARAMETERS_PER_BATCH):
            self.client.log_batch(run.info.run_id, params=params[start : start + _PARAMETERS_PER_BATCH])

    def _log_data(self, run_id: str) -> None:
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for used in self.entry.data:
            profile = json.dumps(used.profile, ensure_ascii=False, sort_keys=True)
            dataset = Dataset(
                f"records-{self.entry.region}", used.digest, "record_store", "{}", profile=profile
            )
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", used.context)]))
        if inputs:
            self.client.log_inputs(run_id, datasets=inputs)

    def _register(self, run: Run) -> None:
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            self.client.create_registered_model(self.name)
        source = str(run.info.artifact_uri)
        if (self.files / "model").is_dir():
            source = f"{source}/model"
        tags = {**self.entry.tags, "model_version": self.entry.model_version}
        self.client.create_model_version(self.name, source, run.info.run_id, tags=tags)


def _quieten_mlflow() -> None:
    """Switch telemetry off, chatter down to warnings, patience to seconds: before MLflow is imported."""
    os.environ.update(_QUIET)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It prints a traceback of each error that it also raises; we raise it on, with what to do.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # A server that is away is told by us, once.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def _database_uri(folder: Path) -> str:
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


@contextmanager
def _readable_errors(place: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    # OSError: what requests raises is one.
    except (MlflowException, SQLAlchemyError, OSError) as problem:
        raise WorkspaceError("tracking_unusable", Where(file=place)) from problem
