"""Explanations, lists as files, booklets: whatever form, the same scope and no formula."""

from __future__ import annotations

import csv
import io
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient

from riskmodel.domain import Band, School, ScoredTerm
from riskmodel.store.publishing import publish
from riskmodel.wording import text
from serve.exports import csv_file
from serve.making import MOST_WAITING, Maker
from serve.problems import Problem

from .conftest import FACTS, NOW, SCHOOLS, make_student

FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", '=HYPERLINK("http://x")']


def ask(client: TestClient, county: Any, path: str, accept: str = "*/*", who: str = "school a1") -> Any:
    return client.get(path, headers={"Authorization": county.keys[who], "Accept": accept})


def test_an_explanation_is_told_as_data_in_both_languages(client: TestClient, county: Any) -> None:
    told = ask(client, county, "/v1/students/a1-0/explanation").json()
    assert told["has_sheet"] is True
    assert told["student"] == ask(client, county, "/v1/students/a1-0/risk").json()
    assert [one["days_absent"] for one in told["history"]] == [1.0, None, 3.0]
    assert told["first_steps"][0]["zh"].startswith("单独聊一次")
    assert [one["code"] for one in told["feedback_codes"]][-1] == "feedback.F5"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_same_explanation_is_a_page_and_a_pdf(client: TestClient, county: Any, language: str) -> None:
    path = f"/v1/students/a1-0/explanation?lang={language}"
    page = ask(client, county, path, "text/html,*/*;q=0.8")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store, private"
    assert f'<html lang="{language}' in page.text
    made = ask(client, county, path, "application/pdf")
    assert made.headers["content-type"] == "application/pdf"
    assert "a1-0" not in made.headers["content-disposition"]
    [sheet] = PdfReader(io.BytesIO(made.content)).pages
    assert "王**" in sheet.extract_text()
    again = client.get(path, headers={"Authorization": county.keys["school a1"], "Accept": "application/pdf",
                                      "If-None-Match": made.headers["etag"]})  # fmt: skip
    assert again.status_code == 304


def test_what_a_school_may_not_read_stands_in_no_form_of_an_explanation(
    client: TestClient, county: Any
) -> None:
    told = {
        who: {
            form: ask(client, county, "/v1/students/a1-0/explanation", form, who)
            for form in ("application/json", "text/html", "application/pdf")
        }
        for who in ("school a1", "counsellor a1")
    }
    for who, forms in told.items():
        reasons = forms["application/json"].json()["student"]["reasons"]
        assert len(reasons) == (1 if who == "school a1" else 2)
        assert (text("sheet.withheld", "zh") in forms["text/html"].text) == (who == "school a1")
        pdf = PdfReader(io.BytesIO(forms["application/pdf"].content)).pages[0].extract_text()
        assert (text("sheet.withheld", "zh")[-8:] in pdf.replace("\n", "")) == (who == "school a1")


def test_who_needs_no_sheet_is_an_answer_as_data_and_no_page(own_client: TestClient, own_county: Any) -> None:
    usual = replace(make_student("usual", "a1"), band=Band.USUAL_CARE, listed=False)
    schools = tuple(School(one, f"学校{one}", "镇") for one in SCHOOLS)
    publish(own_county.store, ScoredTerm(FACTS, schools, (usual,)), published_at=NOW, published_by="x")
    told = ask(own_client, own_county, "/v1/students/usual/explanation").json()
    assert told["has_sheet"] is False
    assert "常规关怀" in told["why_no_sheet"]["zh"]
    for form in ("text/html", "application/pdf"):
        answer = ask(own_client, own_county, "/v1/students/usual/explanation", form)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_sheet")


def test_a_foreign_student_is_explained_in_no_form(client: TestClient, county: Any) -> None:
    for form in ("application/json", "text/html", "application/pdf"):
        answers = [ask(client, county, f"/v1/students/{one}/explanation", form) for one in ("b1-0", "none")]
        assert [one.status_code for one in answers] == [404, 404]
        assert answers[0].content == answers[1].content


def test_a_list_is_a_csv_that_a_spreadsheet_reads(client: TestClient, county: Any) -> None:
    answer = ask(client, county, "/v1/schools/a1/students.csv?sort=student_id")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert head[:4] == ["学生编号", "学校编号", "学校", "年级"]
    own = sorted(one for one, school in county.students.items() if school == "a1")
    assert [row[0] for row in rows] == own
    english = ask(client, county, "/v1/schools/a1/students.csv?lang=en&listed=true")
    head, *rows = csv.reader(io.StringIO(english.content.decode("utf-8-sig")))
    assert head[0] == "Student id"
    assert {row[7] for row in rows} == {"yes"}
    assert ask(client, county, "/v1/schools/b1/students.csv").status_code == 404


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_of_a_csv_is_a_formula(cell: str) -> None:
    [_, row] = csv.reader(io.StringIO(csv_file([[cell, "x"]], "zh").decode("utf-8-sig"), newline=""))
    assert row == [f"'{cell}", "x"]


def test_a_workbook_holds_ids_as_text_and_no_formula(own_client: TestClient, own_county: Any) -> None:
    students = [
        replace(make_student(f"110101200001011{number:04}", "a1", number), class_name=name, masked_name=name)
        for number, name in enumerate(FORMULAS)
    ]
    schools = tuple(School(one, f"学校{one}", "镇") for one in SCHOOLS)
    publish(own_county.store, ScoredTerm(FACTS, schools, tuple(students)), published_at=NOW, published_by="x")
    answer = ask(own_client, own_county, "/v1/schools/a1/students.xlsx?sort=student_id")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        sheets = [packed.read(name).decode() for name in packed.namelist() if "worksheets/sheet" in name]
        strings = packed.read("xl/sharedStrings.xml").decode()
        names = packed.read("xl/workbook.xml").decode()
    assert len(sheets) == 3
    assert not [sheet for sheet in sheets if "<f>" in sheet or "<hyperlink" in sheet]
    assert "1101012000010110000" in strings
    assert all(f'name="{name}"' in names for name in ("名单", "字段说明", "使用界限"))
    assert 'orientation="landscape"' in sheets[0]
    assert 'state="frozen"' in sheets[0]
    again = ask(own_client, own_county, "/v1/schools/a1/students.xlsx?sort=student_id")
    assert again.headers["etag"] == answer.headers["etag"]


def test_a_booklet_holds_a_sheet_for_each_listed_student_of_the_class(
    client: TestClient, county: Any
) -> None:
    listed = ask(client, county, "/v1/schools/a1/students?listed=true").json()["students"]
    grade, name = listed[0]["grade"], listed[0]["class_name"]
    listed = [one for one in listed if (one["grade"], one["class_name"]) == (grade, name)]
    wanted = [one for one in listed if one["band"] != "usual_care"]
    path = f"/v1/schools/a1/booklet?grade={grade}&class={name}"
    for more, copy in (("", "班主任"), ("&audience=counsellor", "心理辅导教师")):
        answer = ask(client, county, path + more, who="counsellor a1")
        cover, first_back, *rest = (
            page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages
        )
        assert all(copy in page for page in (cover, *rest[::2]))
        assert {first_back} == set(rest[1::2])
        assert len(rest) == 2 * len(wanted) > 0
    refused = ask(client, county, path + "&audience=counsellor")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    nobody = ask(client, county, "/v1/schools/a1/booklet?grade=12&class=1")
    assert (nobody.status_code, nobody.json()["code"]) == (409, "no_sheet")
    assert ask(client, county, "/v1/schools/b1/booklet?grade=7&class=1").json()["code"] == "not_found"


def test_a_child_that_dies_is_a_problem_for_one_request_and_is_started_again() -> None:
    maker = Maker()
    task = {"made_at": "2026-11-02T00:00:00", "tables": []}
    try:
        with pytest.raises(Problem) as refused:
            maker.make("no such task")
        assert refused.value.code == "not_made_now"
        table = {"name": "t", "head": ["h"], "widths": [8], "rows": [["x"]], "narrow": True}
        assert maker.make("workbook", **{**task, "tables": [table]})[:2] == b"PK"
    finally:
        maker.close()


def test_of_many_who_want_files_some_are_told_to_come_later_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that waits keeps a thread: a key that asks for many would hold all other answers up."""
    maker, begun, let = Maker(), threading.Event(), threading.Event()

    def slow(task: object) -> bytes:
        begun.set()
        let.wait(20)
        return b"made"

    monkeypatch.setattr(maker, "_ask", slow)
    with ThreadPoolExecutor(MOST_WAITING) as pool:
        made = [pool.submit(maker.make, "workbook") for _ in range(MOST_WAITING)]
        assert begun.wait(20)
        while maker._places._value:
            time.sleep(0.01)
        with pytest.raises(Problem) as refused:
            maker.make("workbook")
        let.set()
        assert [one.result(20) for one in made] == [b"made"] * MOST_WAITING
    assert refused.value.code == "not_made_now"
    assert maker.make("workbook") == b"made"
