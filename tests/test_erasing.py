"""What is held about one child, told whole; and a child who is erased: no byte is left, and it stays out."""

from __future__ import annotations

import csv
import io
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.domain import Action, Band, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.ledger.cases import Entry, Home
from riskmodel.records.store import RecordStore
from riskmodel.store.actions import record_actions
from riskmodel.store.audit import Look, open_audit
from riskmodel.store.engine import open_store
from riskmodel.store.idempotency import answer_once
from riskmodel.store.ledger import open_case
from riskmodel.store.ledger_check import check_ledger
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

CHILD, NUMBER, NAME = "CANARY-7c41", "L110101201501011234", "欧阳探雀"
MARKS = (CHILD, NUMBER, NAME)
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
BUREAU = Principal("k", "bureau")
TABLES: dict[str, list[dict[str, Any]]] = {
    "students": [
        {"student_id": CHILD, "roll_number": NUMBER, "name": NAME},
        {"student_id": "other", "roll_number": "L110101201502021238", "name": "王明"},
    ],
    "population": [
        {
            "source": "household",
            "person_id": "p1",
            "name": NAME,
            "birth_date": "2015-01-01",
            "roll_number": NUMBER,
        },
        {"source": "household", "person_id": "p2", "name": "王明", "birth_date": "2015-02-02"},
    ],
    "attendance": [],
}


@dataclass
class Office:
    """A workspace in which a child has been everywhere that a child can be."""

    config: Path
    workspace: Path
    deliver: Callable[..., Any]

    def run(self, *command: str) -> Any:
        return CliRunner().invoke(app, [*command, "--config", str(self.config)])


def facts() -> TermFacts:
    return TermFacts(
        region="x", term="2026-2027-1", as_of_date=date(2026, 10, 31), horizon_end=date(2027, 1, 29),
        valid_until=date(2027, 1, 29), model_version="m", rule_version="r", wording_version="w",
        records_hash="h", data_complete_to=date(2026, 10, 30), probabilities=True, features=(),
    )  # fmt: skip


def scored(student_id: str, name: str) -> ScoredStudent:
    return ScoredStudent(
        student_id=student_id, school_id="A", stage=Stage.JUNIOR, grade=7, class_name="1", masked_name=name,
        number_tail="1234", risk=0.2, band=Band.REACH_OUT, listed=True,
    )  # fmt: skip


@pytest.fixture
def office(tmp_path: Path, bureau: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Office:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    workspace = tmp_path / "workspace"
    (tmp_path / "regions").mkdir()
    content = {
        "config_version": 1, "region": "line", "workspace": str(workspace), "seed": 7,
        "sources": [{"name": "bureau", "path": str(tmp_path)}],
        "as_of": {"weeks": [12], "current": {"term": "2024-2025-2", "week": 16}}, "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08}, "capacity": {"share": 0.02},
    }  # fmt: skip
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    rule = {"version": "1", "valid_from": date(2023, 9, 1), "source": "an example"}
    (tmp_path / "regions" / "line.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule]}), encoding="utf-8"
    )
    workspace.mkdir()
    (workspace / "FORMAT").write_text("1\n", encoding="utf-8")

    def deliver(**more: Any) -> Any:
        return bureau(TABLES | more, store=workspace / "records", name="bureau")

    deliver()
    publish_and_look(workspace)
    leave_files(workspace)
    return Office(tmp_path / "line.yaml", workspace, deliver)


def publish_and_look(workspace: Path) -> None:
    store = open_store(workspace / "store", create=True)
    term = ScoredTerm(
        facts(), (School("A", "甲校", "镇"),), (scored(CHILD, "欧阳**"), scored("other", "王**"))
    )
    publish(store, term, published_at=NOW, published_by="x")
    later = replace(term, facts=replace(facts(), term="2026-2027-2"))
    set_id = publish(store, later, published_at=NOW, published_by="x")
    for student in (CHILD, "other"):
        action = Action(
            student_id=student, kind="contacted", day=NOW.date(), done_by="李", note=f"{student}的家"
        )
        record_actions(store, BUREAU, [action], at=NOW)
        # A program that makes its own ids from the child's, as many do.
        case = Entry(
            event="opened", day=NOW.date(), by="李", why="三天未到", kind="suspected", found_by="school",
            home=Home("A"), entry_id=f"{student}/opened",
            child={"name": NAME if student == CHILD else "王明"},
        )  # fmt: skip
        open_case(store, BUREAU, student, case, at=NOW)
    answer_once(store, BUREAU, "k1", fingerprint="f", at=NOW, write=lambda: f'{{"student_id":"{CHILD}"}}')
    answer_once(store, BUREAU, f"{CHILD}-1", fingerprint="f", at=NOW, write=lambda: "{}")
    audit = open_audit(store.folder)
    for shown in ((CHILD, "other"), ("other",)):
        audit.record(
            Look(at=NOW, key_id="k", route="/r", method="GET", status=200, set_id=set_id, request_id="1",
                 purpose="care", shown=shown)
        )  # fmt: skip
    audit.close()
    store.close()


def leave_files(workspace: Path) -> None:
    """What steps leave behind: computed tables, pages, lists, sheets, workbooks."""
    rows = pa.table(
        {"student_id": pa.array([CHILD, "other"]).dictionary_encode(), "risk": [0.2, 0.1], "n": [1, None]}
    )
    for place in (
        "features/x/matrix-1.parquet",
        "models/m/judged-scores.parquet",
        "backtest/t/scores.parquet",
    ):
        (workspace / place).parent.mkdir(parents=True)
        pq.write_table(rows, workspace / place)
    for place, content in {
        "models/m/report.zh.html": f"<p>{CHILD} 与 other</p>",
        "terms/t/list.csv": f"student_id,name\n{CHILD},x\nother,王明\n",
        "sheets/set-1/A/booklet.pdf": "%PDF-1.7 a picture of many children",
        "sheets/set-1/B/booklet.pdf": "%PDF-1.7 another school",
        "allocations/run-1/A/aid.zh.pdf": "%PDF-1.7 a picture of many children",
        "allocations/run-1/B/aid.zh.pdf": "%PDF-1.7 another school",
        "check/2026-11-02/expected/A.csv": f"{NAME}\n王明\n",
        "mlflow/artifacts/1/notes.json": '{"students": 2}',
    }.items():
        (workspace / place).parent.mkdir(parents=True, exist_ok=True)
        (workspace / place).write_text(content, encoding="utf-8")
    # A killed labelling and a killed scoring.
    (workspace / "labels" / "x").mkdir(parents=True)
    pq.write_table(rows, workspace / "labels" / "x" / "bucket-000.parquet.1.writing", compression="zstd")
    (workspace / "features" / "x" / "scored-1").mkdir()
    (workspace / "features" / "x" / "scored-1" / "part-00000.json").write_text(
        f'[{{"student_id":"{CHILD}"}}]'
    )
    with zipfile.ZipFile(workspace / "terms" / "t" / "list.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/sharedStrings.xml", f"<si><t>{CHILD}</t></si>" * 50)
    with sqlite3.connect(workspace / "mlflow" / "mlflow.db") as file:
        file.execute("CREATE TABLE metric (value REAL)")
    file.close()


def found_in(folder: Path) -> dict[str, list[str]]:
    """Search every byte of every file, packed ones unpacked: written apart from the code that erases."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                content += b"".join(packed.read(name) for name in packed.namelist())
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            content += repr([table.column(name).combine_chunks() for name in table.column_names]).encode()
            content += repr(table.to_pydict()).encode()
        named = [mark for mark in MARKS if mark.encode() in content]
        if named:
            found[str(file.relative_to(folder))] = named
    return found


def ids(store: RecordStore, table: str) -> set[str]:
    return {
        one for file in store.files(table) for one in pq.read_table(file).column("student_id").to_pylist()
    }


def test_the_search_finds_the_child_everywhere_before(office: Office) -> None:
    found = found_in(office.workspace)
    rooms = {Path(file).parts[0] for file in found}
    assert {"records", "store", "features", "models", "backtest", "terms", "check"} <= rooms
    assert any(file.endswith((".db", "-wal")) for file in found)


def test_nothing_of_an_erased_child_is_left_in_any_byte_and_others_stay_whole(
    office: Office, tmp_path: Path
) -> None:
    before = {
        name: ids(RecordStore.open(office.workspace / "records"), name) for name in ("students", "enrolments")
    }
    assert all(CHILD in known for known in before.values())
    erased = office.run("erase", CHILD, "--by", "赵主任")
    assert erased.exit_code == 0, erased.output
    assert found_in(office.workspace) == {}
    assert found_in(tmp_path / "tmp") == {}
    assert not any(mark in erased.output for mark in MARKS)
    store = RecordStore.open(office.workspace / "records")
    assert {name: ids(store, name) for name in before} == {
        name: known - {CHILD} for name, known in before.items()
    }
    assert (store.student_count, store.manifest.rows["students"]) == (1, 1)
    rows = pq.read_table(office.workspace / "models" / "m" / "judged-scores.parquet").to_pydict()
    assert rows == {"student_id": ["other"], "risk": [0.1], "n": [None]}
    assert not list(office.workspace.rglob("*.writing"))
    assert not list(office.workspace.rglob("scored-*"))
    for lists in ("sheets/set-1", "allocations/run-1"):
        assert [school.name for school in (office.workspace / lists).iterdir()] == ["B"]
    assert (
        (office.workspace / "terms" / "t" / "list.csv").read_text(encoding="utf-8").endswith("other,王明\n")
    )
    published = open_store(office.workspace / "store")
    with published.reading() as connection:
        counted = {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("published_student", "action", "write_answer")
        }
    checked = check_ledger(published, BUREAU)
    published.close()
    assert (checked.sound, checked.cases, checked.chain.rows) == (True, 1, 3)
    assert counted == {"published_student": 2, "action": 1, "write_answer": 0}
    audit = open_audit(office.workspace / "store")
    assert audit.verify().broken_at is None
    audit.close()


def test_a_short_number_is_the_childs_only_where_children_are_named(office: Office) -> None:
    """`10023` is a child, a school, a count, a part of a leaf; 王芳 is a child, another one, an approver."""
    own, namesake = ({"student_id": one, "name": "王芳"} for one in ("10023", "100234"))
    office.deliver(students=[*TABLES["students"], own, namesake])
    pages = {
        "models/m/bundle/trees.txt": "leaf_value=0.1002345 10023",
        "models/m/bundle/manifest.sig": "signed",
        "models/m/approval.json": '{"names": ["王芳", "李强"], "decided": 10023}',
        "models/m/facts.json": '{"students": 10023, "school_id": "10023"}',
        "models/m/card.zh.html": "<td>10023</td>",
        "indicators/d/figures.csv": "school_id,numerator\n10023,10023\n",
        "lookup.key": "10023",
    }
    lists = {
        "models/m/lists.csv": "\ufeffschool_id,student_id,name\n{own}10023,100234,王芳\nA,5,10023\n",
        "monitor/x.jsonl": '{own}{{"student_id": "100234"}}\n{{"count": "10023"}}\n',
    }
    own_lines = ('A,10023,"王\n芳"\n', '{"student_id": "10023"}\n')
    for place, content in pages.items():
        (office.workspace / place).parent.mkdir(parents=True, exist_ok=True)
        (office.workspace / place).write_text(content, encoding="utf-8")
    for (place, content), line in zip(lists.items(), own_lines, strict=True):
        (office.workspace / place).parent.mkdir(parents=True, exist_ok=True)
        (office.workspace / place).write_text(content.format(own=line), encoding="utf-8")
    for name, cell in (("own", "<si><t>10023</t></si>"), ("counts", '<row r="10023"><v>10023</v></row>')):
        with zipfile.ZipFile(office.workspace / "terms" / "t" / f"{name}.xlsx", "w") as packed:
            packed.writestr("xl/x.xml", cell)
    with sqlite3.connect(office.workspace / "mlflow" / "mlflow.db") as file:
        file.execute("CREATE TABLE params (key TEXT, value TEXT)")
        file.execute("INSERT INTO params VALUES ('students', '10023')")
    file.close()
    matrix = office.workspace / "features" / "x" / "matrix-2.parquet"
    pq.write_table(pa.table({"student_id": ["10023", "100234"], "school_id": ["A", "10023"]}), matrix)
    erased = office.run("erase", "10023", "--by", "赵主任")
    assert erased.exit_code == 0, erased.output
    for place, content in pages.items():
        assert (office.workspace / place).read_text(encoding="utf-8") == content
    for place, content in lists.items():
        assert (office.workspace / place).read_text(encoding="utf-8") == content.format(own="")
    assert {one.stem for one in office.workspace.glob("terms/t/*.xlsx")} == {"list", "counts"}
    assert pq.read_table(matrix).to_pydict() == {"student_id": ["100234"], "school_id": ["10023"]}
    store = RecordStore.open(office.workspace / "records")
    assert ids(store, "students") == ids(store, "enrolments") == {CHILD, "other", "100234"}


def test_an_id_within_a_longer_one_is_another_childs(office: Office) -> None:
    other = f"{CHILD}0"
    office.deliver(students=[*TABLES["students"], {"student_id": other, "name": "王明"}])
    page = office.workspace / "terms" / "t" / "page.html"
    page.write_text(f"{CHILD}的家，{other}，X{CHILD}，{CHILD}-2", encoding="utf-8")
    erased = office.run("erase", CHILD, "--by", "赵主任")
    assert erased.exit_code == 0, erased.output
    assert page.read_text(encoding="utf-8") == f"×××的家，{other}，X{CHILD}，{CHILD}-2"
    assert ids(RecordStore.open(office.workspace / "records"), "students") == {"other", other}


def test_an_erased_child_stays_out_when_the_same_files_come_again(office: Office) -> None:
    assert office.run("erase", CHILD, "--by", "赵主任").exit_code == 0
    more = [*TABLES["students"], {"student_id": "third", "name": "李四"}]
    store = office.deliver(students=more)
    assert ids(store, "students") == ids(store, "enrolments") == {"other", "third"}
    assert found_in(office.workspace) == {}


def test_a_child_who_comes_again_under_another_id_is_known_by_the_roll_number(office: Office) -> None:
    assert office.run("erase", CHILD, "--by", "赵主任").exit_code == 0
    store = office.deliver(students=[TABLES["students"][1], {"student_id": "new-id", "roll_number": NUMBER}])
    assert "new-id" not in ids(store, "students")


def test_erasing_needs_a_name_and_a_child_and_is_no_harm_twice(office: Office) -> None:
    assert office.run("erase", CHILD, "--by", " ").exit_code == 1
    assert office.run("erase", "nobody", "--by", "赵主任").exit_code == 1
    assert CHILD in ids(RecordStore.open(office.workspace / "records"), "students")
    assert office.run("erase", CHILD, "--by", "赵主任").exit_code == 0
    assert office.run("erase", CHILD, "--by", "赵主任").exit_code == 1


def test_an_interrupted_erasure_is_finished_by_a_second_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from riskmodel.pipelines import children

    def fail(*_: object, **__: object) -> int:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(children, "erase_from_records", fail)
        assert office.run("erase", CHILD, "--by", "赵主任").exit_code != 0
    assert office.run("erase", CHILD, "--by", "赵主任").exit_code == 0
    assert found_in(office.workspace) == {}


def test_a_file_that_cannot_be_cleaned_is_named_and_nothing_is_called_done(office: Office) -> None:
    with sqlite3.connect(office.workspace / "mlflow" / "mlflow.db") as file:
        file.execute("CREATE TABLE tag (value TEXT)")
        file.execute("INSERT INTO tag VALUES (?)", (CHILD,))
    file.close()
    told = office.run("erase", CHILD, "--by", "赵主任")
    assert told.exit_code == 1
    assert "mlflow.db" in told.output


def test_everything_about_one_child_is_written_and_nothing_about_another(
    office: Office, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = office.run("export-child", CHILD, "--out", str(out))
    assert told.exit_code == 0, told.output
    files = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert {"published/published_student.csv", "published/action.csv", "looks.csv", "README.zh.txt"} <= files
    assert {"tables/models/m/judged-scores.csv", "tables/features/x/matrix-1.csv"} <= files
    assert sum(name.startswith("explanations/") for name in files) == 4
    assert any(name.startswith("tables/records/") and "population" in name for name in files)
    whole = "".join((out / name).read_text(encoding="utf-8-sig") for name in files)
    assert all(mark in whole for mark in MARKS)
    assert "王明" not in whole
    assert "other" not in whole
    with (out / "looks.csv").open(encoding="utf-8-sig", newline="") as looks:
        assert [row["shown"] for row in csv.DictReader(looks)] == ["True"]
    again = office.run("export-child", CHILD, "--out", str(out))
    assert again.exit_code == 1
    assert office.run("export-child", "nobody", "--out", str(tmp_path / "none")).exit_code == 1
