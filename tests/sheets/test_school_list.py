import csv
import io
from dataclasses import replace

import pytest
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from riskmodel.domain import Band
from riskmodel.sheets.school_list import (
    list_page,
    list_to_csv,
    list_to_html,
    list_to_pdf,
    list_to_workbook,
    school_list,
)
from riskmodel.wording import LANGUAGES, text


@pytest.fixture
def students(student):
    def one(number, band, **changes):
        return replace(
            student, student_id=f"st-{number}", band=band, masked_name=f"王{'*' * number}", **changes
        )

    return (
        one(1, Band.CHECK_IN), one(2, Band.REACH_OUT, near_line=True), one(3, Band.REACH_OUT),
        one(4, Band.USUAL_CARE), one(5, Band.NOT_ENOUGH_INFORMATION), one(6, Band.REACH_OUT, listed=False),
    )  # fmt: skip


@pytest.fixture
def given(students, published, school, hours):
    return school_list(students, published, school, hours=hours)


def test_the_order_is_by_advice_and_those_near_the_line_stand_last_in_it(given) -> None:
    assert [row.student.student_id for row in given.rows] == ["st-3", "st-2", "st-1", "st-5"]


def test_the_line_is_drawn_where_the_hours_run_out(given) -> None:
    assert [(row.hours_so_far, row.within_hours) for row in given.rows] == [
        (1.5, True), (3.0, True), (3.5, False), (4.0, False),
    ]  # fmt: skip
    [leaf] = list_page(given, "zh")["leaves"]
    assert [row["kind"] for row in leaf] == ["row", "row", "line", "row", "row"]
    assert "可用谈话时数 3，全部谈完约需 4" in list_page(given, "zh")["hours"]


def test_with_hours_for_all_no_line_is_drawn(students, published, school, hours) -> None:
    given = school_list(students, published, school, hours=replace(hours, available=4.0))
    assert all(row["kind"] == "row" for row in list_page(given, "zh")["leaves"][0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_shows_no_reason_no_number_of_a_hundred_and_no_risk(given, language) -> None:
    html, pdf = list_to_html(given, language), list_to_pdf(given, language)
    read = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    for said in (html, read):
        assert "0.137" not in said
        assert "st-" not in said
        for word in ("近28天", "days absent", "100"):
            assert word not in said.replace("100%", "")
    assert text("sheet.not_the_ledger", language) in html


def test_the_pdf_lies_on_its_side_with_25_students_a_page(students, published, school, hours) -> None:
    many = [replace(students[2], student_id=f"st-{number:03}") for number in range(60)]
    given = school_list(many, published, school, hours=hours)
    for language in LANGUAGES:
        pages = PdfReader(io.BytesIO(list_to_pdf(given, language))).pages
        assert len(pages) == 3
        assert pages[0].mediabox.width > pages[0].mediabox.height


def test_html_pdf_workbook_and_csv_hold_the_same_students(given) -> None:
    pdf = "".join(page.extract_text() for page in PdfReader(io.BytesIO(list_to_pdf(given, "zh"))).pages)
    book = CalamineWorkbook.from_filelike(io.BytesIO(list_to_workbook(given, "zh")))
    rows = book.get_sheet_by_index(0).to_python()
    lines = list(csv.reader(io.StringIO(list_to_csv(given, "zh").decode("utf-8-sig"))))
    assert lines[0] == rows[0]
    assert (
        [row[2] for row in rows[1:]] == [line[2] for line in lines[1:]] == ["王***", "王**", "王*", "王*****"]
    )
    assert [row[3] for row in rows[1:]] == ["0417"] * 4
    assert [row[7] for row in rows[1:]] == [1.5, 3.0, 3.5, 4.0]
    for row in rows[1:]:
        assert row[2] in pdf
        assert row[2] in list_to_html(given, "zh")
