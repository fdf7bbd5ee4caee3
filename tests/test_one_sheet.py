"""One sheet, whichever way it is read: the files of `riskmodel sheets`, and the same over HTTP, are equal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.domain import Band, FeatureInfo, School, ScoredStudent, ScoredTerm, Stage, Statement, TermFacts
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.store.engine import Store, open_store
from riskmodel.store.feedback import Said, record_feedback
from riskmodel.store.keys import make_key
from riskmodel.store.publishing import publish
from riskmodel.store.tickets import close_ticket
from serve.app import create_app
from serve.settings import Settings

CONFIGS = Path(__file__).parents[1] / "configs"
DAY = date(2026, 10, 31)
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
LATE = Statement(
    "attendance",
    "reasons.lateness",
    "can_act",
    "class_teacher",
    0.9,
    3,
    {"times_late_56d": 4.0},
    "attendance",
    DAY,
)
SIBLING = replace(
    LATE, family="home", code="reasons.sibling_left", kind="background", audience="counsellor", values={}
)


class Bureau:
    """A published set of one school, the bureau's files, and keys to ask with."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.config, self.actions = folder / "here.yaml", folder / "actions.yaml"
        told = {
            "config_version": 1, "region": "here", "workspace": str(self.workspace),
            "sources": [{"name": "a", "path": "a"}], "as_of": {"current": DAY}, "horizon": {"days": 90},
            "bands": {"reach_out": 0.2, "check_in": 0.1}, "capacity": {"share": 0.1},
        }  # fmt: skip
        rule = {"version": "1", "valid_from": date(2023, 9, 1), "source": "x"}
        (folder / "regions").mkdir()
        self.config.write_text(yaml.safe_dump(told))
        rules = yaml.safe_dump({"config_version": 1, "rules": [rule]})
        (folder / "regions" / "here.yaml").write_text(rules)
        shutil.copy(CONFIGS / "actions.yaml", self.actions)
        self.workspace.mkdir()
        (self.workspace / "FORMAT").write_text("1\n")
        self.store: Store = open_store(self.workspace / "store", create=True)
        facts = TermFacts(
            region="here", term="2026-2027-1", as_of_date=DAY, horizon_end=date(2027, 1, 29),
            valid_until=date(2027, 1, 29), model_version="m", rule_version="1", wording_version="w",
            records_hash="0", data_complete_to=DAY, probabilities=False,
            features=(
                FeatureInfo(name="times_late_56d", unit="count", family="attendance", source="attendance"),
            ),
        )  # fmt: skip
        first = ScoredStudent(
            student_id="s1", school_id="a", stage=Stage.JUNIOR, grade=8, class_name="3", masked_name="王*",
            number_tail="0417", risk=None, band=Band.REACH_OUT, listed=True, reasons=(LATE, SIBLING),
            attendance_history=(0.0, None, 2.0),
        )  # fmt: skip
        second = replace(first, student_id="s2", masked_name="李**", band=Band.CHECK_IN, reasons=(LATE,))
        other = replace(first, student_id="s3", masked_name="赵*", class_name="")
        unlisted = replace(first, student_id="s4", masked_name="钱*", listed=False)
        schools = (School("a", "甲校", "镇"), School("b", "乙校", "镇"))
        self.term = ScoredTerm(facts, schools, (first, second, other, unlisted))
        self.set_id = self.publish(self.term)
        self.keys = {
            role: make_key(self.store, role=role, school_ids=("a",), label="k", made_at=NOW)
            for role in ("school", "counsellor")
        }  # fmt: skip

    def publish(self, term: ScoredTerm) -> str:
        self.set_id = publish(self.store, term, published_at=NOW, published_by="x")
        return self.set_id

    def run(self, *command: str) -> Any:
        return CliRunner().invoke(app, [*command, "--config", str(self.config)], catch_exceptions=False)

    def say_wrong(self, student_id: str, *, family: Any, answer: str) -> None:
        said = Said(student_id=student_id, code="F1", family=family, noted_on=DAY)
        [kept] = record_feedback(self.store, BUREAU, [said], at=NOW)
        assert kept.ticket_id is not None
        close_ticket(self.store, BUREAU, kept.ticket_id, answer=answer, at=NOW)

    def write(self, school_id: str = "a") -> Path:
        made = self.run("sheets", "--school", school_id)
        assert made.exit_code == 0, made.output
        return self.workspace / "sheets" / self.set_id / school_id


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    made = Bureau(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def ask(bureau: Bureau) -> Iterator[Any]:
    with TestClient(create_app(Settings(workspace=bureau.workspace), clock=lambda: NOW)) as client:

        def asked(role: str, path: str, accept: str = "*/*") -> Any:
            headers = {"Authorization": f"Bearer {bureau.keys[role]}", "Accept": accept}
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer

        yield asked


AUDIENCES = {"class_teacher": "school", "counsellor": "counsellor"}
"""Who reads the copy of an audience over HTTP."""


def test_files_and_answers_are_the_same_to_the_byte(bureau: Bureau, ask: Any) -> None:
    bureau.say_wrong("s1", family="attendance", answer="corrected")
    bureau.say_wrong("s2", family=None, answer="stands")
    folder = bureau.write()
    for audience, role in AUDIENCES.items():
        for language in ("zh", "en"):
            for student_id, stem in (("s1", "g8-c02-001"), ("s2", "g8-c02-002"), ("s3", "g8-c01-001")):
                path = f"/v1/students/{student_id}/explanation?lang={language}"
                written = (folder / audience / f"{stem}.{language}.html").read_bytes()
                assert ask(role, path, "text/html").content == written
        for class_name, stem in (("3", "g8-c02"), ("", "g8-c01")):
            path = f"/v1/schools/a/booklet?grade=8&class={class_name}&audience={audience}"
            assert ask(role, path).content == (folder / audience / f"{stem}.zh.pdf").read_bytes()


def test_the_data_hold_the_bureaus_steps_and_the_intakes_answer_as_the_page_does(
    bureau: Bureau, ask: Any
) -> None:
    bureau.say_wrong("s1", family="attendance", answer="corrected")
    page = (bureau.write() / "class_teacher" / "g8-c02-001.zh.html").read_text(encoding="utf-8")
    told = ask("school", "/v1/students/s1/explanation", "application/json").json()
    library = yaml.safe_load(bureau.actions.read_text(encoding="utf-8"))["steps"]
    assert library["attendance"][0]["zh"] in [step["zh"] for step in told["first_steps"]]
    assert all(step["zh"] in page for step in told["first_steps"])
    assert told["answered"]["answer"] == "corrected"
    assert told["answered"]["family"] == "attendance"
    assert told["answered"]["text"]["zh"] in page


def test_an_answer_tells_the_class_teacher_nothing_of_what_is_withheld(bureau: Bureau, ask: Any) -> None:
    bureau.say_wrong("s1", family="home", answer="stands")
    seen = {
        role: ask(role, "/v1/students/s1/explanation", "application/json").json()["answered"]
        for role in ("school", "counsellor")
    }
    assert seen["counsellor"]["family"] == "home"
    assert seen["school"]["family"] is None
    assert "家庭" in seen["counsellor"]["text"]["zh"]
    assert "家庭" not in seen["school"]["text"]["zh"]


def test_what_the_bureau_edits_is_read_both_ways_from_the_next_writing_on(bureau: Bureau, ask: Any) -> None:
    bureau.write()
    library = yaml.safe_load(bureau.actions.read_text(encoding="utf-8"))
    library["steps"]["attendance"][0]["zh"] = "先一起吃顿饭，听学生说说近况"
    bureau.actions.write_text(yaml.safe_dump(library, allow_unicode=True), encoding="utf-8")
    told = ask("school", "/v1/students/s2/explanation", "text/html")
    assert "吃顿饭" not in told.text
    written = (bureau.write() / "class_teacher" / "g8-c02-002.zh.html").read_bytes()
    assert "吃顿饭".encode() in written
    assert ask("school", "/v1/students/s2/explanation", "text/html").content == written


def test_without_a_library_both_ways_hold_the_three_general_steps(bureau: Bureau, ask: Any) -> None:
    bureau.actions.unlink()
    written = (bureau.write() / "class_teacher" / "g8-c02-002.zh.html").read_bytes()
    answer = ask("school", "/v1/students/s2/explanation", "application/json").json()
    assert len(answer["first_steps"]) == 3
    assert ask("school", "/v1/students/s2/explanation", "text/html").content == written


def test_who_is_not_listed_is_explained_on_request_and_stands_in_no_booklet(bureau: Bureau, ask: Any) -> None:
    assert "钱*" in ask("school", "/v1/students/s4/explanation", "text/html").text
    folder = bureau.write()
    assert not [page for page in folder.rglob("*.html") if "钱*" in page.read_text(encoding="utf-8")]


def test_a_key_for_a_place_of_which_nothing_is_published_is_made_and_said_to_see_nobody(
    bureau: Bureau,
) -> None:
    def said(*place: str) -> str:
        role = "class_teacher" if place[0] == "--class" else "school"
        made = bureau.run("keys", "make", "--role", role, "--label", "k", *place)
        assert made.exit_code == 0, made.output
        return made.output

    assert "a/8/3班" in (wrong := said("--class", "a/8/3班"))
    assert "are written: 3\n" in wrong
    assert "c" in said("--school", "c").split("has no school ")[1]
    for right in (said("--class", "a/8/3"), said("--school", "b")):
        assert "sees nobody" not in right
