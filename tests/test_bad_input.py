"""What cannot be: each a sentence in both languages with where and what to do, and nothing half-written."""

from __future__ import annotations

import fcntl
import hashlib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.errors import Where
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Role
from riskmodel.wording import LANGUAGES, text

pytestmark = pytest.mark.slow

CHILD, ROLL = "欧阳小草", "G199999201501010013"
"""What must never stand in an error."""
RECORDS = {
    "schools": "school_id,name,county,township,stage\nA,甲校,甲县,东乡,nine_year\n",
    "terms": "term,start_date,end_date\n"
    "2023-2024-1,2023-09-01,2024-01-19\n2024-2025-1,2024-09-02,2025-01-17\n",
    "students": f"student_id,name,roll_number\ns1,{CHILD},{ROLL}\ns2,{CHILD},\n",
    "enrolments": "student_id,school_id,start_date,grade,recorded_on\n"
    "s1,A,2024-09-02,7,2024-09-02\ns2,A,2024-09-02,8,2025-01-31\n",
    "attendance": "student_id,start_date,end_date,days_absent\ns1,2024-10-01,2024-10-01,1\n",
    "grades": "student_id,subject,exam_date,exam,score,full_score,status\n"
    "s1,english,2024-11-01,midterm,88,100,sat\n",
}


class Bureau:
    """A bureau of two children, its configuration, and what its workspace holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.workspace = folder / "workspace"
        self.config = folder / "mine.yaml"
        self.records.mkdir()
        (folder / "regions").mkdir()
        for table, rows in RECORDS.items():
            self.file(table).write_text(rows, encoding="utf-8")
        rule = {"version": "v1", "valid_from": date(2023, 9, 1), "source": "an example"}
        self.write("regions/here.yaml", {"config_version": 1, "rules": [rule]})
        self.configure()

    def file(self, table: str) -> Path:
        return self.records / f"{table}.csv"

    def write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")

    def configure(self, **changes: Any) -> None:
        content = {
            "config_version": 1,
            "region": "here",
            "workspace": str(self.workspace),
            "sources": [{"name": "bureau", "path": str(self.records)}],
            "as_of": {"weeks": [2], "current": date(2025, 1, 10)},
            "horizon": {"days": 14},
            "bands": {"reach_out": 0.1, "check_in": 0.05},
            "capacity": {"share": 0.5},
        }
        self.write("mine.yaml", content | changes)

    def does(self, *command: str) -> str:
        ran = CliRunner().invoke(app, [*command, "--config", str(self.config)])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def is_refused(self, *command: str) -> str:
        """Run a command that must be refused, and return what it said; nothing of a child is in it."""
        ran = CliRunner().invoke(app, [*command, "--config", str(self.config)])
        assert ran.exit_code == 1, ran.output
        assert isinstance(ran.exception, SystemExit), ran.exception
        assert ran.stderr.count("✗") == len(LANGUAGES)
        assert not any(word in ran.output for word in (CHILD, ROLL, "Traceback"))
        return ran.stderr + "\n"

    def content(self) -> Mapping[str, str]:
        """Return a hash of each file in the workspace."""
        return {
            str(file.relative_to(self.workspace)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(self.workspace.rglob("*"))
            if file.is_file()
        }


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path)


def assert_told(said: str, code: str, where: Mapping[str, Any] | None = None, **slots: object) -> None:
    """Hold what was said against the sentence, its place before it, in both languages."""
    for language in LANGUAGES:
        place = Where(**(where or {})).text(language)
        colon = text("where.colon", language) if place else ""
        assert f"{place}{colon}{text(f'errors.{code}', language, **slots)}" in said


# --- records: table, what stands there, what is sent instead; the sentence, its place, its slots

HEADER = RECORDS["enrolments"].splitlines()[0]
SENT: list[tuple[str, str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("enrolments", "2024-09-02,8", "2024-09-31,8", "value_no_date",
     {"row": 3, "letter": "C", "column": "start_date"}, {}),
    ("terms", "2025-01-17", "17.1.2025", "date_ambiguous",
     {"row": 3, "letter": "C", "column": "end_date"}, {}),
    ("attendance", "01,1\n", "01,one\n", "value_no_number",
     {"row": 2, "letter": "D", "column": "days_absent"}, {}),
    ("enrolments", ",7,", ",七又,", "value_no_integer", {"row": 2, "letter": "D", "column": "grade"}, {}),
    ("grades", ",88,", ",188,", "score_above_full", {"row": 2, "letter": "E", "column": "score"}, {}),
    ("enrolments", "s2,", "s3,", "student_id_unknown", {"row": 3, "letter": "A", "column": "student_id"}, {}),
    ("students", f"s2,{CHILD}", f"s1,{CHILD}小", "rows_contradict", {"row": 3},
     {"other_file": "students.csv", "other_row": 2, "columns": "student_id"}),
    ("enrolments", ",grade,", ",klass,", "column_missing", {"row": 1},
     {"column": "grade", "header": HEADER.replace("grade", "klass").replace(",", ", ")}),
    ("enrolments", ",start_date,", ",startdate,", "column_missing_but_near", {"row": 1},
     {"column": "start_date", "near": "startdate"}),
    ("students", "student_id,name,roll_number\n", "", "header_missing", {"row": 1},
     {"columns": "student_id"}),
    ("grades", ",sat\n", ",sat,\n", "row_too_long", {"row": 2}, {"cells": 8, "expected": 7}),
]  # fmt: skip


@pytest.mark.parametrize(("table", "old", "new", "code", "where", "slots"), SENT)
@pytest.mark.parametrize("taken_in_before", [False, True], ids=["first delivery", "later delivery"])
def test_a_delivery_with_a_problem_is_refused_whole(
    bureau: Bureau,
    taken_in_before: bool,
    table: str,
    old: str,
    new: str,
    code: str,
    where: dict[str, Any],
    slots: dict[str, Any],
) -> None:
    if taken_in_before:
        bureau.does("intake")
    before = bureau.content()
    assert old in RECORDS[table]
    bureau.file(table).write_text(RECORDS[table].replace(old, new), encoding="utf-8")

    said = bureau.is_refused("intake")

    assert_told(said, code, {"source": "bureau", "file": f"{table}.csv", **where}, **slots)
    if taken_in_before:
        assert bureau.content() == before
    else:
        assert set(bureau.content()) == {"FORMAT", "LOCK"}


def test_the_rows_of_the_table_are_good_before_they_are_spoilt(bureau: Bureau) -> None:
    bureau.does("intake")


def test_a_required_table_that_is_not_sent_is_named(bureau: Bureau) -> None:
    bureau.file("enrolments").unlink()

    assert_told(bureau.is_refused("intake"), "table_missing", {"source": "bureau"}, table="enrolments")
    assert not (bureau.workspace / "records").exists()


def test_an_empty_folder_and_one_that_is_not_there_are_named(bureau: Bureau, tmp_path: Path) -> None:
    empty, absent = tmp_path / "empty", tmp_path / "absent"
    empty.mkdir()

    for folder, code in ((empty, "folder_empty"), (absent, "folder_missing")):
        said = bureau.is_refused("intake", "--data", str(folder))
        assert_told(said, code, {"source": "bureau", "file": str(folder)})
    assert not (bureau.workspace / "records").exists()


# --- dates: what the configuration asks; the command; the sentence, its place, its slots

OF_TERMS = {"terms": "2023-2024-1, 2024-2025-1"}
DATES: list[tuple[dict[str, Any], str, str, dict[str, Any], dict[str, Any]]] = [
    ({"current": date(2023, 8, 31)}, "features", "as_of_date_outside_terms", {"key": "2023-08-31"}, OF_TERMS),
    ({"current": {"term": "2025-2026-1", "week": 4}}, "features", "as_of_date_outside_terms",
     {"key": "2025-2026-1 / 4"}, OF_TERMS),
    ({"current": date(2025, 2, 1)}, "features", "as_of_date_past_data", {"key": "2025-02-01"},
     {"complete_to": "2025-01-31"}),
    ({"current": date(2023, 10, 31)}, "features", "cohort_empty", {"key": "2023-10-31"}, {}),
    ({"current": date(2025, 1, 10), "test": [date(2024, 12, 20)]}, "features", "horizon_past_data",
     {"key": "2024-12-20"}, {"horizon_end": "2025-01-03", "outcome_delay_days": 70,
                            "known_on": "2025-03-14", "complete_to": "2025-01-31"}),
]  # fmt: skip


@pytest.mark.parametrize(("as_of", "step", "code", "where", "slots"), DATES)
def test_a_date_that_the_records_cannot_carry_is_refused(
    bureau: Bureau, as_of: dict[str, Any], step: str, code: str, where: dict[str, Any], slots: dict[str, Any]
) -> None:
    bureau.configure(as_of=as_of)
    bureau.does("intake")
    before = bureau.content()

    assert_told(bureau.is_refused(step), code, where, **slots)

    assert not (bureau.workspace / "models").exists()
    assert before.items() <= bureau.content().items()


def test_a_bureau_in_which_nobody_left_is_told_so_and_gets_its_list(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskmodel.runners.local.os.cpu_count", lambda: 1)  # no processes of their own
    rule = {"version": "v1", "valid_from": date(2023, 9, 1), "source": "an example", "outcome_delay_days": 0}
    bureau.write("regions/here.yaml", {"config_version": 1, "rules": [rule]})
    learnt, judged, current = date(2024, 10, 8), date(2024, 11, 8), date(2025, 1, 10)
    bureau.configure(as_of={"dates": [learnt], "test": [judged], "current": current})
    bureau.does("intake")

    said = bureau.does("train")

    reason = {"rows": 1, "dates": "2024-11-08"}
    for language in LANGUAGES:
        problem = text("errors.nobody_left", language, **reason)
        assert text("steps.not_judged_for", language, problem=problem) in said
    assert " 1 " in bureau.does("publish")


# --- configuration


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [(None, "configuration_missing", None), ("region: [", "configuration_not_yaml", 1)],
)
def test_a_configuration_that_cannot_be_read_is_named(
    bureau: Bureau, content: str | None, code: str, row: int | None
) -> None:
    bureau.config.unlink()
    if content is not None:
        bureau.config.write_text(content, encoding="utf-8")

    for command in ("run", "serve", "train"):
        assert_told(bureau.is_refused(command), code, {"file": str(bureau.config), "row": row})
    assert not bureau.workspace.exists()


def test_a_folder_is_no_configuration(bureau: Bureau) -> None:
    bureau.config.unlink()
    bureau.config.mkdir()

    assert_told(bureau.is_refused("run"), "configuration_missing", {"file": str(bureau.config)})


def test_an_unknown_key_and_a_missing_one_are_both_named(bureau: Bureau) -> None:
    bureau.write("mine.yaml", {"config_version": 1, "capcity": {}})

    said = bureau.is_refused("run")

    assert all(said.count(key) == len(LANGUAGES) for key in ("capcity", "bands", str(bureau.config)))
    assert text("errors.configuration_invalid", "zh", problems="|").split("|")[1] in said
    assert not bureau.workspace.exists()


def test_a_region_without_rules_is_named_with_the_file_that_is_looked_for(bureau: Bureau) -> None:
    bureau.configure(region="there")

    file = bureau.folder / "regions" / "there.yaml"
    assert_told(bureau.is_refused("run"), "configuration_missing", {"file": str(file)})


def test_bands_in_the_wrong_order_are_named(bureau: Bureau) -> None:
    bureau.configure(bands={"reach_out": 0.05, "check_in": 0.1})

    assert bureau.is_refused("run").count("check_in must be below reach_out") == len(LANGUAGES)


# --- workspace, locks, port


def test_a_workspace_of_another_version_is_left_as_it_is(bureau: Bureau) -> None:
    bureau.workspace.mkdir()
    (bureau.workspace / "FORMAT").write_text("0\n", encoding="utf-8")
    before, file = bureau.content(), str(bureau.workspace / "FORMAT")

    said = bureau.is_refused("run")

    assert_told(said, "workspace_of_another_version", {"file": file}, found="0", wanted="1")
    assert bureau.content() == before


def test_a_record_store_of_another_version_is_left_as_it_is(bureau: Bureau) -> None:
    bureau.does("intake")
    manifest = bureau.workspace / "records" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"format": 2', '"format": 9'))
    before = bureau.content()

    for step in ("intake", "features", "train", "publish"):
        said = bureau.is_refused(step)
        assert_told(said, "record_store_of_other_version", {"file": str(manifest)}, found=9, expected=2)
    assert bureau.content() == before


def test_a_file_in_the_place_of_the_workspace_is_left_as_it_is(bureau: Bureau) -> None:
    bureau.workspace.write_text("mine", encoding="utf-8")

    assert_told(bureau.is_refused("run"), "workspace_not_writable", {"file": str(bureau.workspace)})
    assert bureau.workspace.read_text(encoding="utf-8") == "mine"


def test_a_workspace_in_which_another_job_is_at_work_is_left_alone(bureau: Bureau) -> None:
    bureau.does("intake")
    with (bureau.workspace / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert_told(bureau.is_refused("features"), "workspace_in_use", {"file": str(bureau.workspace)})


def test_a_store_that_another_program_holds_gets_no_key(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(open_store, wait_seconds=0.1)
    monkeypatch.setattr("riskmodel.pipelines.publishing.open_store", impatient)
    make = ("keys", "make", "--role", "bureau", "--label", "office")
    bureau.does(*make)
    before = CliRunner().invoke(app, ["keys", "list", "--config", str(bureau.config)]).stdout
    file = bureau.workspace / "store" / "published.db"

    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_told(bureau.is_refused(*make), "store_locked", {"file": "published.db"})
        other.execute("ROLLBACK")

    assert CliRunner().invoke(app, ["keys", "list", "--config", str(bureau.config)]).stdout == before


def served(bureau: Bureau, port: int) -> str:
    """Start the server as a process of its own; it must refuse to."""
    command = [
        sys.executable,
        "-m",
        "riskmodel",
        "serve",
        "--config",
        str(bureau.config),
        "--port",
        str(port),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_a_port_in_use_is_said_before_anything_is_served(bureau: Bureau) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert_told(served(bureau, port), "port_in_use", {"key": "port"}, port=port)


def test_a_port_in_use_is_said_before_a_whole_run_is_done(bureau: Bureau) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = bureau.is_refused("run", "--port", str(port))

    assert_told(said, "port_in_use", {"key": "PORT"}, port=port)
    assert not (bureau.workspace / "records").exists()


# --- a step before the one that it needs


@pytest.mark.parametrize(
    ("command", "code", "place"),
    [
        (("features",), "record_store_missing", "records"),
        (("train",), "record_store_missing", "records"),
        (("publish",), "record_store_missing", "records"),
        (("sheets",), "store_absent", None),
        (("keys", "list"), "store_absent", None),
        (("keys", "revoke", "0123456789ab"), "store_absent", None),
    ],
)
def test_a_step_before_the_one_that_it_needs_says_which(
    bureau: Bureau, command: tuple[str, ...], code: str, place: str | None
) -> None:
    said = bureau.is_refused(*command)

    assert_told(said, code, {"file": str(bureau.workspace / place) if place else "published.db"})
    assert set(bureau.content()) == {"FORMAT", "LOCK"}


def test_publishing_before_training_says_so(bureau: Bureau) -> None:
    bureau.does("intake")
    before = bureau.content()

    said = bureau.is_refused("publish")

    assert_told(said, "model_not_trained", {"file": str(bureau.workspace / "models")})
    assert bureau.content() == before


def test_sheets_before_publishing_say_so(bureau: Bureau) -> None:
    bureau.does("keys", "make", "--role", "bureau", "--label", "office")

    assert_told(bureau.is_refused("sheets"), "nothing_published")


def test_serving_before_publishing_says_so(bureau: Bureau) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert_told(served(bureau, port), "store_absent", {"file": "published.db"})


# --- keys


@pytest.mark.parametrize(
    ("command", "code", "slots"),
    [
        (
            ("make", "--role", "chief", "--label", "x"),
            "role_unknown",
            {"roles": ", ".join(get_args(Role))},
        ),
        (("make", "--role", "school", "--label", "x"), "key_without_place", {}),
        (("revoke", "0123456789ab"), "key_unknown", {}),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    bureau: Bureau, command: tuple[str, ...], code: str, slots: dict[str, Any]
) -> None:
    bureau.does("keys", "make", "--role", "bureau", "--label", "office")
    before = CliRunner().invoke(app, ["keys", "list", "--config", str(bureau.config)]).stdout

    assert_told(bureau.is_refused("keys", *command), code, **slots)
    assert CliRunner().invoke(app, ["keys", "list", "--config", str(bureau.config)]).stdout == before
