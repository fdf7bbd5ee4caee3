"""A guardian objects: from then on the child stands on no list, no sheet and in no booklet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from riskmodel.workspace import Workspace, file_stem
from serve.app import create_app
from serve.settings import Settings

from .test_one_sheet import Bureau


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    made = Bureau(tmp_path)
    yield made
    made.store.close()


def naming(bureau: Bureau, masked_name: str) -> set[str]:
    """Return the files of the workspace's sheets that hold a name in plain text."""
    files = [file for file in (bureau.workspace / "sheets").rglob("*") if file.suffix in (".html", ".csv")]
    return {file.name for file in files if masked_name in file.read_text(encoding="utf-8-sig")}


def test_sheets_lists_and_booklets_of_the_school_go_and_are_written_again_without_the_child(
    bureau: Bureau,
) -> None:
    folder = bureau.write()
    assert {"list.zh.html", "list.zh.csv", "index.html", "g8-c02-001.zh.html"} <= naming(bureau, "王*")
    done = bureau.run("object", "s1", "--by", "王主任")
    assert done.exit_code == 0, done.output
    assert not folder.exists(), "booklets are pictures of many children at once: all go"
    assert bureau.set_id in done.output
    bureau.write()
    assert naming(bureau, "王*") == set()
    assert "g8-c02-001.zh.html" in naming(bureau, "李**")


def test_what_was_written_of_a_former_set_for_a_former_school_goes_too(bureau: Bureau) -> None:
    first, *others = bureau.term.students
    there = replace(first, school_id="b")
    bureau.publish(replace(bureau.term, students=(there, *others)))
    former = bureau.write("b")
    kept = bureau.write("a")
    bureau.publish(replace(bureau.term, students=tuple(others)))
    assert bureau.run("object", "s1", "--by", "x").exit_code == 0
    assert not former.exists()
    assert kept.exists(), "no sheet of that school held the child"


def test_an_objection_that_holds_removes_what_lies_there_of_the_child_again(bureau: Bureau) -> None:
    kept = bureau.write().rename(bureau.workspace / "copied")
    bureau.run("object", "s1", "--by", "x")
    folder = Workspace(bureau.workspace).sheets_of(bureau.set_id, "a")
    folder.parent.mkdir(parents=True, exist_ok=True)
    kept.rename(folder)
    assert bureau.run("object", "s1", "--by", "x").exit_code == 0
    assert not folder.exists()


def test_it_is_kept_when_the_same_children_are_published_anew(bureau: Bureau) -> None:
    bureau.run("object", "s1", "--by", "x")
    bureau.publish(bureau.term)
    bureau.write()
    assert naming(bureau, "王*") == set()
    assert bureau.run("object", "s1", "--by", "y", "--lift").exit_code == 0
    bureau.write()
    assert "g8-c02-001.zh.html" in naming(bureau, "王*")


def test_the_line_of_the_child_goes_from_the_lists_of_models_and_terms_and_no_other(bureau: Bureau) -> None:
    head, own, others = "school_id,class_name,student_id\n", "a,3,s1\n", "a,s1,s10\ns1,3,s2\n"
    lists = [bureau.workspace / place / "lists.csv" for place in ("models/m", "terms/2025-2026-1/m")]
    for file in lists:
        file.parent.mkdir(parents=True)
        file.write_text(head + own + others, encoding="utf-8-sig")
    done = bureau.run("object", "s1", "--by", "x")
    assert done.exit_code == 0, done.output
    assert [file.read_text(encoding="utf-8-sig") for file in lists] == [head + others] * 2
    assert all(str(file) in done.output for file in lists)


@pytest.mark.parametrize("school_id", ["../../../escaped", "/escaped", "a*", ".."])
def test_a_school_whatever_its_id_holds_has_its_folder_within_the_workspace(
    bureau: Bureau, school_id: str
) -> None:
    first, *_ = bureau.term.students
    school = replace(bureau.term.schools[0], school_id=school_id)
    bureau.publish(replace(bureau.term, schools=(school,), students=(replace(first, school_id=school_id),)))
    made = bureau.run("sheets", "--school", school_id)
    assert made.exit_code == 0, made.output
    folder = bureau.workspace / "sheets" / bureau.set_id / file_stem(school_id)
    assert (folder / "list.zh.pdf").is_file()
    assert not list(bureau.workspace.parent.glob("escaped*"))
    bureau.run("object", "s1", "--by", "x")
    assert not folder.exists()


def test_the_store_that_is_served_holds_the_objection_at_once(bureau: Bureau) -> None:
    with TestClient(create_app(Settings(workspace=bureau.workspace))) as client:
        client.headers["Authorization"] = f"Bearer {bureau.keys['school']}"
        booklet = "/v1/schools/a/booklet?grade=8&class=3"
        assert client.get("/v1/students/s1/explanation").status_code == 200
        before = client.get(booklet)
        assert before.status_code == 200
        bureau.run("object", "s1", "--by", "x")
        assert client.get("/v1/students/s1/explanation").status_code == 404
        assert client.get(booklet).headers["etag"] != before.headers["etag"]
        listed = client.get("/v1/schools/a/students").json()["students"]
        assert "s1" not in [one["student_id"] for one in listed]
