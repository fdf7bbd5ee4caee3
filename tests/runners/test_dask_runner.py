"""On a cluster the results are those of one machine; and whatever fails, nothing is half done."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import cloudpickle
import pandas as pd
import pytest

from riskmodel.bundle import bundle_files, read_bundle, write_bundle
from riskmodel.domain import FeatureMatrix, Labels, LeftOut, ScoredStudent
from riskmodel.errors import ConfigurationError, RiskmodelError, WorkspaceError
from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import StudentStageTask
from riskmodel.models.training import train
from riskmodel.pipelines.scoring_parts import stand_part
from riskmodel.records.keeping.durable import HALF, remove_halves
from riskmodel.records.store import RecordStore
from riskmodel.runners import RunnerName, cluster
from riskmodel.runners.dask import DaskRunner, connected
from riskmodel.runners.local import LocalRunner
from riskmodel.scoring import draw_lines, stand, tell
from riskmodel.signing import SigningKey
from riskmodel.wording import LANGUAGES

from .small_county import AS_OF, BANDS, CAPACITY, LABEL_DATE, RULE, Stages, county

pytestmark = pytest.mark.slow
FULL = os.environ.get("RISKMODEL_CLUSTER") == "full"
in_full = pytest.mark.skipif(not FULL, reason="make cluster-proof")
# Workers cannot import a test: what it plants in them is sent whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

HERE = LocalRunner(processes=1)


@pytest.fixture
def runner(address: str, tmp_path: Path) -> Iterator[DaskRunner]:
    with connected(address, folder=tmp_path, patience_seconds=120) as made:
        made.client.wait_for_workers(2, timeout=120)  # one that was killed before may not be back
        yield made


class Alone(NamedTuple):
    """What one process makes from one bucket, and the model that scores everywhere."""

    matrix: pd.DataFrame
    labels: pd.DataFrame
    model: Path
    public_key: str
    scored: tuple[ScoredStudent, ...]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    folder = tmp_path_factory.mktemp("alone")
    stages = Stages(county(folder, buckets=1), folder / "out")
    matrix, labels = stages.matrix(HERE, stages.students(HERE)), stages.labels(HERE)
    with mock.patch("riskmodel.models.training.MINIMUM_TRAINING_EVENTS", 20):
        learnt = FeatureMatrix(matrix, ALL_FEATURES)
        trained = train(learnt, Labels(labels, LABEL_DATE, RULE.version), seed=1, bag=2, folds=2)
    key, model = SigningKey.make(), folder / "model"
    write_bundle(model, bundle_files(trained, model_version="model", data_hash="d" * 64, key=key))
    later = matrix[matrix["as_of_date"].dt.date == AS_OF[1].as_of_date].reset_index(drop=True)
    bundle = read_bundle(model, version="model", public_key=key.public)
    whole = replace(learnt, frame=later)
    standing = stand(whole, bundle)
    lines = draw_lines([standing], capacity_share=CAPACITY)
    return Alone(matrix, labels, model, key.public, tell(whole, bundle, standing, lines, bands=BANDS))


def by_id(students: Sequence[ScoredStudent]) -> list[ScoredStudent]:
    return sorted(students, key=lambda one: one.student_id)


def in_order(matrix: pd.DataFrame) -> pd.DataFrame:
    return matrix.sort_values(["as_of_date", "student_id"], ignore_index=True)


def assert_equal(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Hold what is counted to be equal, and what is reckoned to be so to 1e-9."""
    one, other = in_order(one), in_order(other)
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=0, atol=1e-9)
    counts = [name for name in one if name.endswith(("_days", "_count")) or one[name].dtype.kind in "iOUM"]
    pd.testing.assert_frame_equal(one[counts], other[counts], check_exact=True)


def plant(runner: DaskRunner, function: Callable[..., None], *told: object) -> None:
    """Let a function change something in each worker; a worker that is started again does not know it."""
    runner.client.run(function, *told)


# --- the same results


@in_full
@pytest.mark.parametrize("buckets", [1, 8, 13])
def test_whatever_the_number_of_buckets_results_are_those_of_one_machine(
    runner: DaskRunner, alone: Alone, tmp_path: Path, buckets: int
) -> None:
    stages = Stages(county(tmp_path, buckets=buckets), tmp_path / "out")

    matrix, labels = stages.matrix(runner, stages.students(runner)), stages.labels(runner)

    assert_equal(matrix, alone.matrix)
    assert_equal(labels, alone.labels)
    assert by_id(stages.scored(runner, alone.model, alone.public_key)) == by_id(alone.scored)


@in_full
def test_a_runner_that_skips_a_bucket_is_noticed(runner: DaskRunner, alone: Alone, tmp_path: Path) -> None:
    stages = Stages(county(tmp_path, buckets=3), tmp_path / "out")
    with pytest.raises(AssertionError):
        assert_equal(stages.matrix(runner, stages.students(runner)[1:]), alone.matrix)


# --- a worker that is killed


def die_once_while_writing(marker: str) -> None:
    """Let the first worker that has written a file, and not yet named it, end as if its power had failed."""
    from riskmodel.records.keeping import durable

    settle = durable.settle

    def killed(*paths: Path) -> None:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return settle(*paths)
        return os.kill(os.getpid(), signal.SIGKILL)

    durable.settle = killed


def die_once_in_a_file_that_has_its_name_already(marker: str) -> None:
    """Plant the bug: a file is written under its own name, and its writer ends in the midst of it."""
    from riskmodel.features import build

    whole = build.whole_file

    @contextmanager
    def at_once(file: Path) -> Iterator[Path]:
        with whole(file) as beside:
            yield beside
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        file.write_bytes(file.read_bytes()[:1000])
        os.kill(os.getpid(), signal.SIGKILL)

    build.whole_file = at_once


def test_a_worker_killed_in_each_stage_is_made_up_for(
    runner: DaskRunner, alone: Alone, tmp_path: Path
) -> None:
    stages = Stages(county(tmp_path, buckets=2), tmp_path / "out")

    @contextmanager
    def killed(stage: str) -> Iterator[None]:
        if stage in ("labels", "scores") and not FULL:
            yield
            return
        before = set(runner.client.run(os.getpid).values())
        plant(runner, die_once_while_writing, str(tmp_path / stage))
        yield
        assert (tmp_path / stage).exists()
        assert len(before - set(runner.client.run(os.getpid).values())) == 1, "one was killed, and replaced"
        # Of the last stage the folder goes, with all that was in it.
        halves = list(stages.out.rglob(f"*{HALF}"))
        assert len(halves) == (stage != "reasons"), "what it had begun has a name that nobody reads"
        remove_halves(stages.out)

    with killed("students"):
        buckets = stages.students(runner)
    with killed("schools"):
        matrix = stages.matrix(runner, buckets)
    with killed("labels"):
        labels = stages.labels(runner)
    with killed("scores"):
        runner.map(stand_part, stages.parts(alone.model, alone.public_key))
    with killed("reasons"):
        scored = stages.scored(runner, alone.model, alone.public_key)

    assert_equal(matrix, alone.matrix)
    assert_equal(labels, alone.labels)
    assert by_id(scored) == by_id(alone.scored)
    assert 5 < sum(student.listed and bool(student.reasons) for student in scored) < 80
    schools = matrix.groupby("student_id")["school_id"].nunique()
    assert (schools == 2).sum() > 5, "students who change schools are among them"


@in_full
def test_a_file_that_is_written_under_its_own_name_is_noticed(
    runner: DaskRunner, alone: Alone, tmp_path: Path
) -> None:
    stages = Stages(county(tmp_path, buckets=3), tmp_path / "out")
    plant(runner, die_once_in_a_file_that_has_its_name_already, str(tmp_path / "killed"))
    with pytest.raises(Exception, match=r"[Pp]arquet|[Tt]hrift"):
        assert_equal(stages.matrix(runner, stages.students(runner)), alone.matrix)


# --- what cannot be made up for is said, and what is done is kept


def note(file: Path) -> Path:
    """Write some pages under a name, once."""
    from riskmodel.records.keeping.durable import whole_file

    if not file.exists():
        with whole_file(file) as beside:
            beside.write_bytes(b"x" * 100_000)
    return file


def fill(disk: bool) -> None:
    """Let a worker's disk be full, as the system says it when a file is put on it for good."""
    from riskmodel.records.keeping import durable

    def full(*paths: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept = vars(durable).setdefault("_kept", durable.settle)
    durable.settle = full if disk else kept


def said(error: RiskmodelError, *words: str) -> None:
    for language in LANGUAGES:
        assert len(error.text(language)) > 20
        assert "\n" not in error.text(language)
        assert all(word in error.text(language) for word in words)


def test_a_full_disk_is_said_and_the_next_run_goes_on(runner: DaskRunner, tmp_path: Path) -> None:
    files = [tmp_path / f"note-{number}" for number in range(4)]
    note(files[0])
    first = files[0].stat().st_mtime_ns
    plant(runner, fill, True)
    try:
        with pytest.raises(WorkspaceError) as raised:
            runner.map(note, files)
    finally:
        plant(runner, fill, False)

    assert raised.value.code == "worker_disk_full"
    said(raised.value, str(tmp_path))
    # A task that was begun as the first one failed may have ended well meanwhile, or be at it still, under a
    # name that nobody reads; none is there by half.
    there = [file for file in tmp_path.iterdir() if not file.name.endswith(HALF)]
    assert {file.stat().st_size for file in there} == {100_000}
    assert runner.map(note, files) == files
    assert files[0].stat().st_mtime_ns == first


def pretend(name: str, version: str) -> None:
    """Let a worker say that it is of another version; "": that it is of its own."""
    from riskmodel.runners import dask

    own = dict(dask.versions.__wrapped__())
    made = lambda: own | ({name: version} if version else {})  # noqa: E731
    made.__wrapped__ = dask.versions.__wrapped__
    dask.versions = made


@pytest.mark.parametrize("name", ["python", "riskmodel", "pandas", "duckdb", "lightgbm"])
def test_a_worker_of_another_version_is_told_apart(runner: DaskRunner, tmp_path: Path, name: str) -> None:
    plant(runner, pretend, name, "0.0.1")
    try:
        with pytest.raises(WorkspaceError) as raised:
            runner.check_workers(tmp_path)
        with pytest.raises(WorkspaceError) as later:
            runner.map(note, [tmp_path / "a"])
    finally:
        plant(runner, pretend, name, "")

    assert raised.value.code == later.value.code == "worker_of_another_version"
    said(raised.value, name, "0.0.1")
    assert list(tmp_path.iterdir()) == []


def lose(name: str) -> None:
    """Take a function away, as from a worker whose riskmodel is older."""
    from riskmodel.runners import dask

    setattr(dask, f"_{name}", dask.__dict__.pop(name))


def give_back(name: str) -> None:
    from riskmodel.runners import dask

    setattr(dask, name, getattr(dask, f"_{name}"))


def test_a_worker_without_the_program_is_told_apart(runner: DaskRunner, tmp_path: Path) -> None:
    plant(runner, lose, "look_around")
    try:
        with pytest.raises(WorkspaceError) as raised:
            runner.check_workers(tmp_path)
    finally:
        plant(runner, give_back, "look_around")

    assert raised.value.code == "worker_of_another_program"
    said(raised.value, "127.0.0.1")


def test_a_worker_that_does_not_see_the_folder_is_told_apart(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with connected(address, folder=gone, patience_seconds=1) as runner:
        # What this process writes, no worker sees; and what a worker says that it wrote, is not here.
        monkeypatch.setattr(Path, "write_text", lambda file, text, **_: gone.rename(tmp_path / "else"))
        with pytest.raises(WorkspaceError) as raised:
            runner.check_workers(gone)
        with pytest.raises(WorkspaceError) as later:
            runner.map(Path, [tmp_path / "never written"])

    assert raised.value.code == "worker_sees_no_folder"
    assert later.value.code == "result_not_seen"
    said(raised.value, str(gone))
    said(later.value, "never written")


@in_full  # three workers have to end and to come back: twenty seconds of waiting
def test_a_bucket_that_ends_one_worker_after_the_other_is_named(runner: DaskRunner) -> None:
    with pytest.raises(WorkspaceError) as raised:
        runner.map(os._exit, [1])

    assert raised.value.code == "bucket_ends_workers"
    said(raised.value, "_exit")


def test_an_error_of_a_task_comes_back_as_it_was_raised(runner: DaskRunner, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as raised:
        runner.map(RecordStore.open, [tmp_path])

    assert raised.value.code == "record_store_missing"


def test_a_file_that_a_worker_cannot_read_is_no_lost_scheduler(runner: DaskRunner, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as raised:
        runner.map(Path.read_bytes, [tmp_path / "none.parquet"])

    assert raised.value.code == "worker_reads_not"
    said(raised.value, "none.parquet")


def test_what_travels_tells_nobody_who_objects(tmp_path: Path) -> None:
    task = StudentStageTask(tmp_path, 0, (), tmp_path, left_out=LeftOut(("s001",)))
    assert "s001" not in repr(task)


# --- a scheduler of its own


@contextmanager
def program(name: str, *told: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program of Dask from when it has said something, and give the last word of that line."""
    command = [sys.executable, "-m", f"distributed.cli.{name}", *told, "--no-dashboard"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        yield process, next(line.split()[-1] for line in process.stderr if until in line)
    finally:
        process.kill()
        process.communicate()


def test_a_lost_scheduler_is_said_and_the_next_run_goes_on(tmp_path: Path) -> None:
    files = [tmp_path / f"note-{number}" for number in range(3)]
    with program("dask_scheduler", "--host", "127.0.0.1", "--port", "0", until="Scheduler at:") as started:
        process, address = started
        with pytest.raises(WorkspaceError) as nobody:
            connected(address, folder=tmp_path, patience_seconds=0.1).__enter__()
        told = [address, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "local")]
        with (
            program("dask_worker", *told, until="Registered to:"),
            connected(address, folder=tmp_path) as runner,
        ):
            assert runner.map(note, files[:1]) == files[:1]
            threading.Timer(1, process.kill).start()
            with pytest.raises(WorkspaceError) as raised:
                runner.map(rest, [60.0])
        with pytest.raises(WorkspaceError) as unreached:
            connected(address, folder=tmp_path).__enter__()

    codes = [each.value.code for each in (nobody, raised, unreached)]
    assert codes == ["cluster_without_workers", "scheduler_lost", "scheduler_not_reached"]
    for each in (nobody, raised, unreached):
        said(each.value, address)
    first = files[0].stat().st_mtime_ns
    assert HERE.map(note, files) == files
    assert files[0].stat().st_mtime_ns == first


def rest(seconds: float) -> Path:
    """Keep a worker busy."""
    time.sleep(seconds)
    return Path()


# --- who may be asked


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "10.0.0.5:8786", "ws://localhost:1", "tcp://a:1"])
def test_another_machine_is_asked_through_tls_only(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError) as raised, connected(address, folder=tmp_path):
        pass
    assert raised.value.code == "scheduler_not_encrypted"
    said(raised.value, address)


@pytest.mark.parametrize(("name", "scheduler"), [("dask", None), ("local", "tcp://127.0.0.1:1")])
def test_a_cluster_and_its_scheduler_are_named_together(
    tmp_path: Path, name: RunnerName, scheduler: str | None
) -> None:
    with pytest.raises(ConfigurationError) as raised, cluster(name, scheduler=scheduler, folder=tmp_path):
        pass
    assert raised.value.code == "runner_and_scheduler"


def test_without_a_cluster_the_work_is_done_here(tmp_path: Path) -> None:
    with cluster("local", scheduler=None, folder=tmp_path) as runner:
        assert runner is None


def test_where_dask_is_not_installed_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "riskmodel.runners.dask")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError) as raised, cluster("dask", scheduler="tls://a:1", folder=tmp_path):
        pass
    assert raised.value.code == "cluster_not_installed"
