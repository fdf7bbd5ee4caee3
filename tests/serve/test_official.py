"""Official figures and periodic reports over HTTP, by scope."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from .conftest import REPORT, County


def ask(client: TestClient, county: County, path: str, who: str = "school a1", accept: str = "*/*") -> Any:
    return client.get(path, headers={"Authorization": county.keys[who], "Accept": accept})


def test_a_school_reads_its_own_figures_and_another_school_none(client: TestClient, county: County) -> None:
    told = ask(client, county, "/v1/indicators").json()
    assert [(one["school_id"], one["numerator"]) for one in told["figures"]] == [("a1", 6)]
    assert told["rule_versions"] == ["test"]
    other = ask(client, county, "/v1/indicators", "school b1").json()
    assert other["figures"] == []


def test_a_report_is_a_page_a_pdf_and_a_workbook(client: TestClient, county: County) -> None:
    [listed] = ask(client, county, "/v1/reports").json()["reports"]
    assert listed["report_id"] == REPORT
    page = ask(client, county, f"/v1/reports/{REPORT}", accept="text/html")
    assert "甲校月报" in page.text
    pdf = ask(client, county, f"/v1/reports/{REPORT}", accept="application/pdf")
    assert pdf.content.startswith(b"%PDF")
    book = ask(client, county, f"/v1/reports/{REPORT}",
               accept="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")  # fmt: skip
    assert book.content.startswith(b"PK")


def test_another_schools_report_and_none_are_the_same_answer(client: TestClient, county: County) -> None:
    foreign = ask(client, county, f"/v1/reports/{REPORT}", "school b1")
    none = ask(client, county, "/v1/reports/rep-none", "school b1")
    assert foreign.status_code == none.status_code == 404
