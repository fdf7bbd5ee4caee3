"""Bad models, planted where such mistakes are made, go through the real training, audit and publishing.

A county is made once; each fault is planted in the code that trains (or told in the configuration), the model
is trained, audited and taken to the gates, and publishing is tried. A fault is caught where the training
itself stops, or a gate refuses for the reason that is meant; the same county without a fault is let through.

    python benchmarks/planted_models.py                  all of them
    python benchmarks/planted_models.py --only stale     some of them
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import yaml

from riskmodel.domain import MATRIX_KEYS, FeatureMatrix, Labels, Matrix, Outcome
from riskmodel.errors import RiskmodelError
from riskmodel.evaluation.gates import GateFound, Verdict, read_gates_found
from riskmodel.models.training import TrainedModel
from riskmodel.pipelines import judging
from riskmodel.pipelines.auditing import audit_model
from riskmodel.pipelines.gating import GATES
from riskmodel.pipelines.publishing import publish_scores
from riskmodel.pipelines.records import build_features, make_county, take_in_records
from riskmodel.pipelines.run import Run, complete_to, dates_of, model_version
from riskmodel.pipelines.training import train_model
from riskmodel.records.store import RecordStore

ROOT = Path(__file__).parents[1]
STUDENTS = 8000
BOOTSTRAPS = 5
GIVEN: dict[str, Any] = {
    "config_version": 1,
    "region": "demo",
    "seed": 20261124,
    "as_of": {"weeks": [4, 12], "current": {"term": "2025-2026-2", "week": 16}},
    "horizon": {"days": 180},
    "bands": {"reach_out": 0.15, "check_in": 0.08},
    "capacity": {"share": 0.05},
}
LEAVERS = {"primary_leavers_a_year": 0.03, "junior_leavers_a_year": 0.09}
"""More than a real county has, so that a small one has leavers enough for the gates to say no."""
SHOWN = 4
"""Gates that are named of one model: a model that is bad through and through is refused by dozens."""


@dataclass(frozen=True)
class Fault:
    """A way to make a bad model: what it does, and the gates of which one must refuse.

    `learnt` changes what is learnt from, `trained` the model that came of it, `told` the configuration.
    """

    gates: tuple[str, ...]
    learnt: Callable[[FeatureMatrix, Labels], tuple[FeatureMatrix, Labels]] | None = None
    trained: Callable[[TrainedModel], TrainedModel] | None = None
    told: dict[str, Any] | None = None
    patched: Callable[[], Any] | None = None


def _outcomes(labels: Labels, change: Callable[[pd.DataFrame], pd.Series]) -> Labels:
    return replace(labels, frame=labels.frame.assign(outcome=change(labels.frame)))


def labels_flipped(matrix: FeatureMatrix, labels: Labels) -> tuple[FeatureMatrix, Labels]:
    """Take staying for leaving: a column of a source was read the wrong way round."""
    other = {Outcome.LEFT.value: Outcome.STAYED.value, Outcome.STAYED.value: Outcome.LEFT.value}
    return matrix, _outcomes(labels, lambda frame: frame["outcome"].replace(other))


def nothing_to_learn_from(matrix: FeatureMatrix, labels: Labels) -> tuple[FeatureMatrix, Labels]:
    """Lose every value on the way: all are alike."""
    empty = matrix.frame.assign(**dict.fromkeys(matrix.model_features, 0.0))
    return replace(matrix, frame=empty), labels


def class_weights(matrix: FeatureMatrix, labels: Labels) -> tuple[FeatureMatrix, Labels]:
    """Let each leaver stand there twenty times, as a recipe for rare outcomes says, and correct nothing."""
    left = labels.frame[labels.frame["outcome"] == Outcome.LEFT]
    keys = left[["as_of_date", "student_id"]]
    rows = matrix.frame.merge(keys, on=["as_of_date", "student_id"])
    more = range(19)
    copies = [rows.assign(student_id=rows["student_id"] + f"/{n}") for n in more]
    told = [left.assign(student_id=left["student_id"] + f"/{n}") for n in more]
    return (
        replace(matrix, frame=pd.concat([matrix.frame, *copies], ignore_index=True)),
        replace(labels, frame=pd.concat([labels.frame, *told], ignore_index=True)),
    )


def few_schools(matrix: FeatureMatrix, labels: Labels) -> tuple[FeatureMatrix, Labels]:
    """Learn from the records of a third of the schools: the others' never came."""
    schools = sorted(matrix.frame["school_id"].unique())
    some = matrix.frame["school_id"].isin(schools[::3])
    return replace(matrix, frame=matrix.frame[some].reset_index(drop=True)), labels


def hardship_not_recorded(matrix: FeatureMatrix, labels: Labels) -> tuple[FeatureMatrix, Labels]:
    """Learn that children in hardship never leave, since nobody recorded it."""
    keys = ["as_of_date", "student_id"]
    poor = matrix.frame.loc[matrix.frame["hardship_registered"] == 1, keys].assign(poor=True)
    told = labels.frame.merge(poor, on=keys, how="left")
    silent = (told["poor"].eq(True) & (told["outcome"] == Outcome.LEFT)).to_numpy()
    return matrix, _outcomes(labels, lambda frame: frame["outcome"].mask(silent, Outcome.STAYED.value))


def drawn_out(trained: TrainedModel) -> TrainedModel:
    """Give risks that are far too sure of themselves."""
    if trained.fitted is None:
        return trained
    line = trained.fitted.calibrator
    middle = np.log(trained.base_risk / (1 - trained.base_risk)) if trained.base_risk else 0.0
    if line.knots:
        drawn = tuple((margin, middle + 2.5 * (log_odds - middle)) for margin, log_odds in line.knots)
        sure = replace(line, knots=drawn)
    else:
        sure = replace(line, slope=2.5 * line.slope, intercept=middle + 2.5 * (line.intercept - middle))
    return replace(trained, fitted=replace(trained.fitted, calibrator=sure))


@contextmanager
def outcomes_of_today() -> Iterator[None]:
    """Learn from outcomes as they are known today, where only those known then may be used."""
    honest = judging.labels_of

    def told(run: Run, store: RecordStore, dates: Any, *, label_date: Any) -> Labels:
        today = complete_to(run, store, dates_of(run, store).current)
        return honest(run, store, dates, label_date=max(label_date, today))

    with mock.patch.object(judging, "labels_of", told):
        yield


@contextmanager
def a_leak(*, alarms: bool) -> Iterator[None]:
    """Let a column tell what became of the child, with and without the alarms that stop a training."""
    from riskmodel.pipelines import inputs, training

    honest = inputs.matrix_of

    def leaky(run: Run, store: RecordStore, dates: Any) -> FeatureMatrix:
        matrix = honest(run, store, dates)
        known = inputs.labels_of(
            run, store, dates, label_date=complete_to(run, store, dates_of(run, store).current)
        )
        keys = ["as_of_date", "student_id"]
        left = matrix.frame[keys].merge(known.frame, on=keys, how="left")["outcome"] == Outcome.LEFT
        return replace(matrix, frame=matrix.frame.assign(grade_level=left.to_numpy(dtype=float)))

    with (
        mock.patch.object(training, "matrix_of", leaky),
        mock.patch.object(training, "stored_matrix_of", leaky),
        mock.patch("riskmodel.pipelines.searching.stored_matrix_of", leaky),
        mock.patch("riskmodel.pipelines.refitting.matrix_of", leaky),
    ):
        if alarms:
            yield
        else:
            with mock.patch.object(judging, "check_leaks"):
                yield


FAULTS: dict[str, Fault] = {
    "labels flipped": Fault(("better_than_chance",), learnt=labels_flipped),
    "a leak": Fault(("training",), patched=lambda: a_leak(alarms=True)),
    "a leak, the alarms off": Fault(("too_good",), patched=lambda: a_leak(alarms=False)),
    "a constant": Fault(("better_than_chance", "training"), learnt=nothing_to_learn_from),
    "class weights": Fault(("observed_over_expected",), learnt=class_weights),
    "trained on the future": Fault(("knew_nothing_later",), patched=outcomes_of_today),
    "a third of the schools": Fault(("known_schools",), learnt=few_schools),
    "miscalibrated": Fault(("calibration_slope",), trained=drawn_out),
    "unstable": Fault(("same_list", "same_first", "same_three"), told={"recipe": "restless"}),
    "a group missed": Fault(("no_group_missed", "group_calibrated"), learnt=hardship_not_recorded),
    "stale": Fault(("not_stale",), told={"as_of": {**GIVEN["as_of"], "weeks": [], "dates": ["2023-11-20"],
                                                   "test": [{"term": "2025-2026-1", "week": 4}]}}),
}  # fmt: skip


@dataclass(frozen=True)
class Went:
    """What became of one model: where it was stopped (empty: it was published), and what refused it."""

    name: str
    wanted: tuple[str, ...]
    refused: tuple[GateFound, ...]
    stopped: str

    @property
    def caught(self) -> bool:
        """Whether it was stopped for the reason that is meant."""
        if not self.wanted:
            return not self.stopped
        gates = {each.gate for each in self.refused}
        return (self.stopped == "model_refused" and bool(gates & set(self.wanted))) or (
            "training" in self.wanted and self.stopped not in ("", "model_refused")
        )


def make_the_county(folder: Path, *, students: int = STUDENTS) -> None:
    """Make a county, take its records in, and build the features of every date."""
    run = _run(folder, "honest", {}, students=students)
    with run.workspace.opened():
        make_county(run)
        take_in_records(run)
        build_features(run)


def try_model(folder: Path, name: str, *, students: int = STUDENTS, bootstraps: int = BOOTSTRAPS) -> Went:
    """Train, audit and try to publish one model of the county: a fault's, or the honest one."""
    fault = FAULTS.get(name, Fault(()))
    run = _run(folder, name, fault.told or {}, students=students)
    refused: tuple[GateFound, ...] = ()
    with run.workspace.opened(), _planted(fault):
        try:
            build_features(run)
            train_model(run)
            audit_model(run, bootstraps=bootstraps)
            model = run.workspace.models / model_version(run, RecordStore.open(run.workspace.records))
            found = read_gates_found((model / GATES).read_text(encoding="utf-8"))
            refused = tuple(each for each in found if each.verdict is Verdict.REFUSED)
            publish_scores(run)
            stopped = ""
        except RiskmodelError as error:
            stopped = error.code
    return Went(name, fault.gates, refused, stopped)


def _run(folder: Path, name: str, told: dict[str, Any], *, students: int) -> Run:
    """Configure one model; all share the county's workspace."""
    workspace = folder / "workspace"
    recipes, regions = folder / "recipes", folder / "regions"
    recipes.mkdir(parents=True, exist_ok=True)
    regions.mkdir(exist_ok=True)
    (regions / "demo.yaml").write_bytes((ROOT / "configs" / "regions" / "demo.yaml").read_bytes())
    (folder / "gates.yaml").write_bytes((ROOT / "configs" / "gates.yaml").read_bytes())
    restless = {"depth": 8, "rounds": 40, "learning_rate": 0.9, "leaf_rows": 1, "l2": 0, "column_share": 0.2}
    (recipes / "restless.yaml").write_text(yaml.safe_dump({"config_version": 1, "trees": restless}))
    file = folder / f"{name.replace(' ', '-')}.yaml"
    content = {
        **GIVEN,
        "workspace": str(workspace),
        "sources": [{"name": "county", "path": str(workspace / "county" / "records")}],
        "county": {"students": students, "first_school_year": 2023, "school_years": 3, **LEAVERS},
        **told,
    }
    file.write_text(f"# {name}\n" + yaml.safe_dump(content), encoding="utf-8")
    return Run.of(file, say=lambda *_, **__: None)


@contextmanager
def _planted(fault: Fault) -> Iterator[None]:
    honest = judging.train

    def train(matrix: Matrix, labels: Labels, **asked: Any) -> TrainedModel:
        if fault.learnt:
            read = matrix.read([*MATRIX_KEYS, *(feature.name for feature in matrix.features)])
            matrix, labels = fault.learnt(FeatureMatrix(read, matrix.features), labels)
        trained = honest(matrix, labels, **asked)
        return fault.trained(trained) if fault.trained else trained

    with mock.patch.object(judging, "train", train):
        if fault.patched is None:
            yield
        else:
            with fault.patched():
                yield


def report(all_went: list[Went]) -> Iterator[str]:
    """Tell what became of each model as a Markdown table."""
    yield "| model | stopped by | gates that refused, with figure and interval | as meant |"
    yield "|---|---|---|---|"
    for went in all_went:
        more = f"; {len(went.refused) - SHOWN} more" if len(went.refused) > SHOWN else ""
        gates = "; ".join(_gate(each) for each in went.refused[:SHOWN]) + more or "–"
        stopped, meant = went.stopped or "nothing: published", "yes" if went.caught else "NO"
        yield f"| {went.name} | {stopped} | {gates} | {meant} |"


def _gate(found: GateFound) -> str:
    of = f" ({', '.join(found.of)})" if found.of else ""
    value = found.value
    if value is None or value.low is None or value.high is None:
        return f"{found.gate}{of} {value.value:.3g}" if value else found.gate
    return f"{found.gate}{of} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def main() -> None:
    """Try every model; end with 1 where one fared otherwise than meant."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    told = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="planted-") as temporary:
        folder = Path(temporary)
        make_the_county(folder)
        went = []
        for name in ("no fault", *told.only):
            went.append(try_model(folder, name))
            print(f"{name}: {went[-1].stopped or 'published'}", file=sys.stderr, flush=True)
    print("\n".join(report(went)))
    if not all(each.caught for each in went):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
