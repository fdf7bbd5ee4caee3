"""The whole line, as a newcomer runs it: a small county, from its records to a school's question."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sqlalchemy import Engine, event
from typer.testing import CliRunner

from riskmodel.cli import TERM_OF_WORK, app
from riskmodel.domain import Audience, Band, Language
from riskmodel.errors import RiskmodelError, Where
from riskmodel.records.store import RecordStore
from riskmodel.store.audit import open_audit
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set, schools, students
from riskmodel.tracking import open_tracking, registered_model_name
from riskmodel.wording import LANGUAGES, slots, text

pytestmark = pytest.mark.slow
BUREAU = Principal(key_id="test", role="bureau")
MADE = (
    "county_made",
    "records_taken",
    "features_built",
    "labels_made",
    "trained",
    "figures",
    "tracked",
    "published",
)
REUSED = ("county_reused", "records_reused", "features_reused", "model_reused", "published_reused")
TO_OPEN = ("open_docs", "open_keys", "open_list", "open_student", "open_sheet", "open_mlflow")


def configured(folder: Path, **county: Any) -> Path:
    """Write a configuration of a small county, and its region's rules."""
    workspace = folder / "workspace"
    content = {
        "config_version": 1,
        "region": "line",
        "workspace": str(workspace),
        "seed": 7,
        "county": {"school_years": 2, **county},
        "sources": [{"name": "county", "path": str(workspace / "county" / "records")}],
        "as_of": {"weeks": [12], "current": {"term": "2024-2025-2", "week": 16}},
        "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08},
        "capacity": {"share": 0.02},
    }
    rule = {"version": "line-2023", "valid_from": date(2023, 9, 1), "source": "an example"}
    (folder / "regions").mkdir()
    (folder / "line.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "regions" / "line.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule]}), encoding="utf-8"
    )
    return folder / "line.yaml"


def told(output: str, code: str, language: Language = "en") -> list[dict[str, str]]:
    """Return the slots of each line of the output that says this sentence."""
    names = slots(f"steps.{code}", language)
    sentence = text(f"steps.{code}", language, **{name: f"{{{name}}}" for name in names})
    pattern, named = "", set()
    for literal, name, _, _ in Formatter().parse(sentence):
        pattern += re.escape(literal)
        if name:
            pattern += f"(?P={name})" if name in named else f"(?P<{name}>.*?)"
            named.add(name)
    return [found.groupdict() for found in re.finditer(f"^(?:▸|  ?) ?{pattern}$", output, re.MULTILINE)]


WATCH = """
import os, sys

FORBIDDEN = ("mlflow.pyfunc", "mlflow.lightgbm", "mlflow.sklearn", "skops", "dill")
SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle")
# What goes between a run's own processes is pickled by Python itself.
OWN = ("/multiprocessing/", "/concurrent/futures/")
notes = os.open(os.environ["RISKMODEL_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

def told(event, args):
    if event == "pickle.find_class":
        frame, files = sys._getframe(1), []
        while frame is not None:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        if not any(own in file for own in OWN for file in files):
            os.write(notes, f"unpickled {args[0]}.{args[1]} by {files[1:4]}\\n".encode())
    elif event == "import" and args[0] in FORBIDDEN:
        os.write(notes, f"imported {args[0]}\\n".encode())
    elif event == "open" and isinstance(args[0], str) and args[0].endswith(SUFFIXES):
        os.write(notes, f"opened {args[0]}\\n".encode())

sys.addaudithook(told)
os.write(notes, b"watched\\n")
"""
"""A hook of Python itself, which nothing can take off again, in every process of a run (`sitecustomize`)."""


def watched(folder: Path) -> dict[str, str]:
    """Return the environment in which every Python process writes forbidden doings into `notes`."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "RISKMODEL_NOTES": str(folder / "notes")}


def run_whole(config: Path, port: int) -> str:
    command = ["run", "--config", str(config), "--no-serve", "--port", str(port)]
    env = watched(config.parent / "watch")
    ran = subprocess.run(
        [sys.executable, "-m", "riskmodel", *command], capture_output=True, text=True, env=env
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def run_one(config: Path, *command: str) -> str:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert ran.exit_code == 0, ran.output
    assert ran.stderr == ""
    return ran.stdout


@dataclass(frozen=True)
class Line:
    """A county after two runs, and what they said."""

    config: Path
    workspace: Path
    port: int
    first: str
    second: str

    def keys(self, output: str) -> dict[str, str]:
        """Return the demo keys that a run printed, by school; the bureau's under its role."""
        return {line["label"] or line["role"]: line["key"] for line in told(output, "open_keys")}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    config = configured(
        tmp_path_factory.mktemp("line"),
        students=2000,
        primary_leavers_a_year=0.18,
        junior_leavers_a_year=0.19,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first, second = run_whole(config, port), run_whole(config, port)
    return Line(config, config.parent / "workspace", port, first, second)


@pytest.fixture(scope="module")
def server(line: Line) -> Iterator[Line]:
    command = [sys.executable, "-m", "serve", "--workspace", str(line.workspace), "--port", str(line.port)]
    log = line.workspace.parent / "server.log"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            for _ in range(200):
                if process.poll() is not None or _answers(line.port):
                    break
                time.sleep(0.1)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield line
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return ask(port, "/readyz")[0] == 200
    except urllib.error.URLError:
        return False


def ask(port: int, path: str, key: str | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


# --- what the runs say


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_says_what_it_did(line: Line, language: Language) -> None:
    for code in (*MADE, "sheets_written", *TO_OPEN):
        assert told(line.first, code, language), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_second_run_says_what_it_uses_again_and_makes_nothing_anew(line: Line, language: Language) -> None:
    for code in (*REUSED, *TO_OPEN):
        assert told(line.second, code, language), code
    for code in MADE:
        assert not told(line.second, code, language), code
    assert told(line.second, "published_reused")[0] == {"set_id": told(line.first, "published")[0]["set_id"]}


def test_the_county_is_large_enough_for_probabilities(line: Line) -> None:
    assert all(int(trained["events"]) >= 100 for trained in told(line.first, "trained"))


def test_help_lists_the_commands_in_the_order_of_a_term_of_work() -> None:
    commands = CliRunner().invoke(app, ["--help"]).stdout.partition("Commands:")[2]

    told = [line.split()[0] for line in commands.splitlines() if line.startswith("  ") and line[2] != " "]
    assert told == list(TERM_OF_WORK)


# --- what a school may see


def test_a_printed_command_shows_the_school_its_own_student(server: Line) -> None:
    printed = told(server.second, "open_student")[0]

    status, body = ask(server.port, f"/v1/students/{printed['student_id']}/risk", printed["key"])

    answer = json.loads(body)
    assert status == 200
    assert printed["port"] == str(server.port)
    assert answer["student_id"] == printed["student_id"]
    assert 0 < answer["risk"] < 1
    assert answer["listed"]
    assert answer["reasons"]
    assert answer["model"]["version"] == told(server.second, "model_reused")[0]["version"]


def test_a_printed_command_shows_the_school_its_list(server: Line) -> None:
    printed = told(server.second, "open_list")[0]

    status, body = ask(
        server.port, f"/v1/schools/{printed['school_id']}/students?listed=true", printed["key"]
    )

    assert status == 200
    assert all(student["listed"] for student in json.loads(body)["students"])


def test_the_keys_of_the_former_run_are_refused_like_wrong_ones(server: Line) -> None:
    student = told(server.first, "open_student")[0]["student_id"]
    former, fresh = server.keys(server.first), server.keys(server.second)

    assert former.keys() == fresh.keys()
    refusals = {ask(server.port, f"/v1/students/{student}/risk", key) for key in (*former.values(), "wrong")}
    assert [status for status, _ in refusals] == [401]
    assert ask(server.port, f"/v1/students/{student}/risk", fresh["bureau"])[0] == 200


def test_another_school_gets_the_answer_of_a_missing_student_and_nobody_gets_none(server: Line) -> None:
    printed = told(server.second, "open_student")[0]
    keys = server.keys(server.second)
    (other,) = (key for label, key in keys.items() if label != "bureau" and key != printed["key"])

    foreign = ask(server.port, f"/v1/students/{printed['student_id']}/risk", other)
    missing = ask(server.port, "/v1/students/s-nobody/risk", other)

    assert foreign[0] == 404
    assert foreign == missing
    assert ask(server.port, f"/v1/students/{printed['student_id']}/risk")[0] == 401


def test_each_look_is_written_down_without_the_student(server: Line) -> None:
    printed = told(server.second, "open_student")[0]
    file = server.workspace / "store" / "audit.db"

    def looks() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return connection.execute(
                "SELECT key_id, route, status, shown FROM look ORDER BY number"
            ).fetchall()

    before = looks()
    ask(server.port, f"/v1/students/{printed['student_id']}/risk", printed["key"])
    ask(server.port, "/v1/students/s-nobody/risk", printed["key"])
    key_id, route = printed["key"].split("_")[1], "/v1/students/{student_id}/risk"

    assert looks()[len(before) :] == [(key_id, route, 200, 1), (key_id, route, 404, 0)]
    audit = open_audit(file.parent)
    assert audit.verify().broken_at is None
    audit.close()
    assert printed["student_id"].encode() not in file.read_bytes()
    assert printed["student_id"] not in (server.workspace.parent / "server.log").read_text(encoding="utf-8")


def test_a_key_is_made_listed_and_revoked_while_the_server_runs(server: Line) -> None:
    school = told(server.second, "open_list")[0]["school_id"]
    made = run_one(server.config, "keys", "make", "--role", "school", "--school", school, "--label", "教务处")
    key = told(made, "key_made")[0]["key"]
    key_id = key.split("_")[1]

    assert ask(server.port, f"/v1/schools/{school}/students", key)[0] == 200
    listed = run_one(server.config, "keys", "list")
    assert key_id in listed
    assert "教务处" in listed
    assert key not in listed
    assert told(run_one(server.config, "keys", "revoke", key_id), "key_revoked") == [{"key_id": key_id}]
    assert ask(server.port, f"/v1/schools/{school}/students", key)[0] == 401


# --- what lies in the workspace


def test_the_listed_of_two_schools_have_sheets_in_both_languages(line: Line) -> None:
    store = open_store(line.workspace / "store")
    folder = line.workspace / "sheets" / current_set(store).set_id
    written = sorted(path.name for path in folder.iterdir())

    assert len(written) == 2
    for school_id in written:
        listed = students(store, BUREAU, school_id, listed=True, limit=500).students
        count = sum(student.band is not Band.USUAL_CARE for student in listed)
        for language in LANGUAGES:
            for audience in get_args(Audience):
                pages = list((folder / school_id / audience).glob(f"g*.{language}.html"))
                prints = list((folder / school_id / audience).glob(f"g*.{language}.pdf"))
                assert len(pages) == count > 0
                assert 0 < len(prints) <= count
                assert all(text("sheet.limits", language) in one.read_text(encoding="utf-8") for one in pages)
                assert all(pdf.read_bytes().startswith(b"%PDF-") for pdf in prints)
            assert (folder / school_id / f"list.{language}.xlsx").is_file()


def test_sheets_of_another_school_are_written_when_it_is_named(line: Line) -> None:
    store = open_store(line.workspace / "store")
    folder = line.workspace / "sheets" / current_set(store).set_id
    third = next(
        school.school_id
        for school in schools(store, BUREAU)
        if not (folder / school.school_id).exists()
        and students(store, BUREAU, school.school_id, listed=True, limit=1).students
    )

    output = run_one(line.config, "sheets", "--school", third)

    assert told(output, "sheets_written")[0]["schools"] == "1"
    assert list((folder / third / "counsellor").glob("*.pdf"))


def test_the_training_stands_in_mlflow_with_all_that_belongs_to_it(line: Line) -> None:
    client = open_tracking(line.workspace / "mlflow").client
    (run,) = client.search_runs([client.get_experiment_by_name("line").experiment_id])
    version = told(line.first, "trained")[-1]["version"]

    def artifacts(folder: str) -> set[str]:
        return {Path(entry.path).name for entry in client.list_artifacts(run.info.run_id, folder)}

    assert run.info.status == "FINISHED"
    assert {"auc", "average_precision", "brier", "calibration_slope", "logistic.auc"} <= set(run.data.metrics)
    assert artifacts("pictures") == {"calibration.png", "precision_at_k.png", "contributions_by_family.png"}
    (model,) = (line.workspace / "models").iterdir()
    assert artifacts("model") == {file.name for file in (model / "bundle").iterdir()}
    manifest = (model / "bundle" / "manifest.json").read_bytes()
    assert run.data.tags["bundle"] == hashlib.sha256(manifest).hexdigest()
    assert run.data.tags.keys() >= {"configuration", "records", "version.python", "version.lightgbm"}
    assert len(run.inputs.dataset_inputs) == 2
    assert artifacts("data") == {"manifest.json"}
    assert artifacts("configuration") == {"line.yaml"}
    champion = client.get_model_version_by_alias(registered_model_name("line"), "champion")
    assert (champion.run_id, champion.tags["model_version"]) == (run.info.run_id, version)


def test_the_bundle_is_text_through_and_through(line: Line) -> None:
    (model,) = (line.workspace / "models").iterdir()
    files = sorted((model / "bundle").iterdir())

    assert {file.suffix for file in files} == {".txt", ".json", ".sig"}
    for file in files:
        file.read_text(encoding="utf-8")


def test_no_process_from_records_to_sheets_unpickles_anything_or_loads_a_model_by_mlflow(line: Line) -> None:
    notes = (line.config.parent / "watch" / "notes").read_text(encoding="utf-8").splitlines()
    assert notes.count("watched") > 2, "processes that a run starts are watched too"
    assert [note for note in notes if note != "watched"] == []


def test_the_processes_of_a_runner_are_watched_and_unpickle_only_what_is_their_own(tmp_path: Path) -> None:
    started = "from pathlib import Path; from riskmodel.runners.local import LocalRunner as R; {}"
    asked = started.format("R(processes=2).map(Path, ['a', 'b'])")
    subprocess.run([sys.executable, "-c", asked], env=watched(tmp_path / "watch"), check=True)
    notes = (tmp_path / "watch" / "notes").read_text(encoding="utf-8").splitlines()
    assert notes.count("watched") > 2
    assert [note for note in notes if note != "watched"] == []


def test_the_watch_sees_a_pickle_that_is_read_and_a_loader_of_mlflow(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Path("a class to be found")))
    planted = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')); import mlflow.pyfunc"
    env = watched(tmp_path / "watch")
    subprocess.run([sys.executable, "-c", planted, tmp_path / "model.pkl"], env=env, check=True)
    notes = (tmp_path / "watch" / "notes").read_text(encoding="utf-8")
    assert "unpickled pathlib" in notes
    assert "imported mlflow.pyfunc" in notes
    assert "opened" in notes


def test_no_name_and_no_roll_number_of_the_records_stands_in_what_is_made_from_them(line: Line) -> None:
    (students,) = (line.workspace / "county" / "records").glob("students*")
    rows = csv.DictReader(io.StringIO(students.read_text(encoding="utf-8-sig")))
    secrets = {row[column] for row in rows for column in ("name", "roll_number") if len(row[column]) > 2}
    assert len(secrets) > 2000
    canary = re.compile("|".join(map(re.escape, sorted(secrets))))
    folders = ("features", "labels", "models", "mlflow", "store", "sheets")
    files = [file for name in folders for file in (line.workspace / name).rglob("*") if file.is_file()]
    assert {".parquet", ".db", ".json", ".html"} <= {file.suffix for file in files}
    assert [file.name for file in files if canary.search(readable(file))] == []
    assert canary.search(readable(next((line.workspace / "records").rglob("students/*.parquet"))))


def readable(file: Path) -> str:
    """Return a file's name and bytes as text; of Parquet, which packs them, all values and the metadata."""
    if file.suffix != ".parquet":
        return f"{file.name} {file.read_bytes().decode('utf-8', errors='replace')}"
    table = pq.read_table(file)
    values = [
        value for column in table.columns if pa.types.is_string(column.type) for value in column.to_pylist()
    ]
    return " ".join(filter(None, [file.name, str(table.schema.metadata), *values]))


@pytest.mark.parametrize(
    ("step", "code"),
    list(zip(("county", "intake", "features", "train", "publish"), REUSED, strict=True)),
)
def test_each_step_can_be_run_alone_and_uses_again_what_is_there(line: Line, step: str, code: str) -> None:
    output = run_one(line.config, step)

    assert all(told(output, code, language) for language in LANGUAGES)
    assert len(output.splitlines()) == 2


# --- what cannot be done


def refused(config: Path, *command: str) -> str:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert ran.exit_code == 1, ran.output
    assert ran.stdout == ""
    return ran.stderr


def sentences(code: str, where: Where | None = None, **named: object) -> str:
    error = RiskmodelError(code, where, **named)
    return "".join(f"✗ {error.text(language)}\n" for language in LANGUAGES)


def test_sheets_of_a_school_that_is_not_published_are_refused(line: Line) -> None:
    before = sorted(line.workspace.glob("sheets/*/*"))

    assert refused(line.config, "sheets", "--school", "nowhere") == sentences(
        "school_not_published", Where(key="nowhere")
    )
    assert sorted(line.workspace.glob("sheets/*/*")) == before


@pytest.fixture
def unpublished(line: Line) -> Iterator[Line]:
    """Let the next publishing believe that it is the first of this model."""
    marker = line.workspace / "store" / "PUBLISHED_FROM"
    said = marker.read_text(encoding="utf-8")
    marker.unlink()
    yield line
    if not marker.exists():
        marker.write_text(said, encoding="utf-8")


def set_of(line: Line) -> str:
    return current_set(open_store(line.workspace / "store")).set_id


def test_nothing_is_published_while_another_program_holds_the_store(
    unpublished: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(open_store, wait_seconds=0.1)
    monkeypatch.setattr("riskmodel.pipelines.publishing.open_store", impatient)
    before = set_of(unpublished)

    with held(unpublished.workspace / "store" / "published.db"):
        said = refused(unpublished.config, "publish")

    assert said == sentences("store_locked", Where(file="published.db"))
    assert set_of(unpublished) == before


def test_a_tracking_that_another_program_holds_stops_nothing_and_is_told_later(unpublished: Line) -> None:
    file, before = unpublished.workspace / "mlflow" / "mlflow.db", set_of(unpublished)

    with held(file, "EXCLUSIVE"), impatient_mlflow():
        said = run_one(unpublished.config, "publish")

    assert sentences("tracking_unusable", Where(file=str(file))).split("✗ ")[1].strip() in said
    assert set_of(unpublished) != before
    assert len(list((unpublished.workspace / "untracked").iterdir())) == 1
    run_one(unpublished.config, "track")
    assert list((unpublished.workspace / "untracked").iterdir()) == []


def test_a_publishing_that_could_not_keep_what_mlflow_is_to_be_told_is_not_done(
    unpublished: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = unpublished.workspace / "untracked"
    waiting.rmdir()
    waiting.touch()  # no folder can be made there
    broken = CliRunner().invoke(app, ["publish", "--config", str(unpublished.config)])
    waiting.unlink()
    assert (broken.exit_code, "untracked" in broken.stderr) == (1, True), broken.output
    delivered: list[str] = []
    monkeypatch.setattr(
        "riskmodel.pipelines.outbox.deliver", lambda _tracking, entry, *_, **__: delivered.append(entry.kind)
    )
    run_one(unpublished.config, "publish")
    assert delivered == ["published"]
    run_one(unpublished.config, "publish")
    assert delivered == ["published"], "what stands is not told again"


@contextmanager
def impatient_mlflow() -> Iterator[None]:
    """Let MLflow wait for a lock a moment instead of its fixed twenty seconds."""

    def shortened(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 100"), parameters

    event.listen(Engine, "before_cursor_execute", shortened, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", shortened)


@contextmanager
def held(file: Path, lock: str = "IMMEDIATE") -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {lock}")
        yield
        connection.execute("ROLLBACK")


# --- what was planted, and the same training again

EVIL = "import pathlib; pathlib.Path({mark!r}).write_text('ran')"


class Evil:
    """A pickle that writes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (EVIL.format(mark=str(self.mark)),)


def test_artefacts_that_would_run_code_are_never_run_wherever_they_lie(
    unpublished: Line, tmp_path: Path
) -> None:
    workspace, mark = unpublished.workspace, tmp_path / "ran"
    pickle.loads(pickle.dumps(Evil(mark)))  # noqa: S301
    assert mark.read_text() == "ran", "the plant works where something reads it"
    mark.unlink()
    (model,) = (workspace / "models").iterdir()
    planted = []
    for folder in (workspace / "models", model, *workspace.glob("mlflow/artifacts/*/*/artifacts/model")):
        for name in ("model.pkl", "python_model.pkl", "model.joblib", "explainer.cloudpickle"):
            (folder / name).write_bytes(pickle.dumps(Evil(mark)))
            planted.append(folder / name)
        loader = "flavors: {python_function: {loader_module: evil, code: code}}"
        (folder / "MLmodel").write_text(loader, encoding="utf-8")
        (folder / "code").mkdir()
        (folder / "code" / "evil.py").write_text(EVIL.format(mark=str(mark)), encoding="utf-8")
        planted += [folder / "MLmodel", folder / "code"]
    env = watched(tmp_path / "watch")
    command = [sys.executable, "-m", "riskmodel", "publish", "--config", str(unpublished.config)]
    ran = subprocess.run(command, capture_output=True, text=True, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not mark.exists()
    # Within the bundle itself nothing foreign is even let lie.
    (workspace / "store" / "PUBLISHED_FROM").unlink()
    (model / "bundle" / "python_model.pkl").write_bytes(pickle.dumps(Evil(mark)))
    planted.append(model / "bundle" / "python_model.pkl")
    before = set_of(unpublished)
    again = CliRunner().invoke(app, ["publish", "--config", str(unpublished.config)])
    for each in planted:
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    assert again.exit_code == 1
    assert "python_model.pkl" in again.stderr
    assert (set_of(unpublished), mark.exists()) == (before, False)


def test_a_recipe_with_a_tag_that_would_run_code_is_refused(line: Line, tmp_path: Path) -> None:
    config = tmp_path / "line.yaml"
    told = yaml.safe_load(line.config.read_text(encoding="utf-8")) | {"recipe": "evil"}
    config.write_text(yaml.safe_dump(told), encoding="utf-8")
    shutil.copytree(line.config.parent / "regions", tmp_path / "regions")
    (tmp_path / "recipes").mkdir()
    tag = f"config_version: !!python/object/apply:builtins.exec [{EVIL.format(mark=str(tmp_path / 'ran'))!r}]"
    (tmp_path / "recipes" / "evil.yaml").write_text(tag, encoding="utf-8")
    assert "evil.yaml" in refused(config, "train")
    assert not (tmp_path / "ran").exists()


def test_another_process_trains_the_same_bundle_byte_for_byte(line: Line) -> None:
    """Data, configuration, seed and code are the same; process, time and the order of sets are not."""
    (model,) = (line.workspace / "models").iterdir()
    first = line.workspace.parent / "first"
    shutil.copytree(model, first)
    shutil.rmtree(model)
    try:
        command = [sys.executable, "-m", "riskmodel", "train", "--config", str(line.config)]
        env = os.environ | {"PYTHONHASHSEED": "4711", "OMP_NUM_THREADS": "4"}
        ran = subprocess.run(command, capture_output=True, text=True, env=env)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for bundle in ("bundle", "judged"):
            files = {file.name: file.read_bytes() for file in (first / bundle).iterdir()}
            again = {file.name: file.read_bytes() for file in (model / bundle).iterdir()}
            assert {"trees.txt", "manifest.sig"} <= set(files)
            assert again == files
    finally:
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(first, model)


# --- other counties


def test_another_county_takes_the_place_of_the_records_of_the_former(tmp_path: Path) -> None:
    config = configured(tmp_path, students=600)
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    for step in ("county", "intake"):
        run_one(config, step)

    content["county"]["students"] = 500
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    said = {step: run_one(config, step) for step in ("county", "intake")}

    made, taken = told(said["county"], "county_made")[0], told(said["intake"], "records_taken")[0]
    assert (taken["rows"], taken["students"]) == (made["rows"], made["students"])
    assert len(RecordStore.open(tmp_path / "workspace" / "records").manifest.deliveries) == 1
