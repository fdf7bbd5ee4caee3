"""The periodic reports: what they say and leave out, as page, PDF and workbook, in both languages."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from riskmodel.domain import Term
from riskmodel.official import Fault, OfficialFigure, Place, Span, Target
from riskmodel.pipelines.periodic import former_day
from riskmodel.reports.compose import report_page
from riskmodel.reports.plots import Point, SchoolPoint, funnel, trend
from riskmodel.reports.render import to_html, to_pdf, to_workbook
from riskmodel.reports.told import KINDS, LEVEL_OF, Covered, ReportKind, Told, Work, by_key
from riskmodel.wording import LANGUAGES, forbidden_in

YEAR = Span("2025-2026", "year", date(2025, 10, 1), date(2026, 5, 15), False)
FORMER = Span("2024-2025", "year", date(2024, 10, 1), date(2025, 10, 1), True)
COUNTY = Place("county", "甲县")
SCHOOLS = {f"s{n}": Place("school", "甲县", "东乡" if n < 4 else "西乡", f"s{n}") for n in range(8)}
TARGET = Target(
    "junior_leaving", "dropout_rate", "junior", date(2020, 1, 1), None, "plan", at_most=Fraction("0.018"),
    texts={"zh": "初中年辍学率", "en": "junior students leaving in a year"},
)  # fmt: skip


def figure(
    place: Place, left: int | None, students: int, *, span: Span = YEAR, **more: Any
) -> OfficialFigure:
    usual: dict[str, Any] = {
        "by": "stage",
        "stage": "junior",
        "value": "",
        "unaccounted": 7,
        "already_gone": 0,
    }
    return OfficialFigure("dropout_rate", "v1", span, place, numerator=left, denominator=students,
                          hidden=left is None, **(usual | more))  # fmt: skip


def told(**changes: Any) -> Told:
    figures = [
        figure(Place("region"), 21, 1000), figure(COUNTY, 21, 1000), figure(COUNTY, 17, 980, span=FORMER),
        figure(Place("township", "甲县", "西乡"), 6, 400), figure(Place("township", "甲县", "东乡"), 15, 600),
        *(figure(place, None if n % 2 else 6, 60 + 20 * n) for n, place in enumerate(SCHOOLS.values())),
        figure(COUNTY, 9, 300, by="group", value="left_behind"),
        figure(COUNTY, 12, None, by="reason", stage="", value="=1+1"),  # type: ignore[arg-type]
    ]  # fmt: skip
    usual: dict[str, Any] = {
        "as_of_date": date(2026, 5, 15), "since": date(2026, 2, 15), "spans": (FORMER, YEAR),
        "figures": by_key(figures), "before": by_key([figure(COUNTY, 18, 1000)]), "targets": (TARGET,),
        "few_below": 100, "hide_below": 5, "faults": (), "doubted": frozenset(), "places": SCHOOLS,
        "names": {name: f"学校{name}" for name in SCHOOLS},
        "covered": tuple(Covered(name, 80, 60, 60 if n else 0, 70, n == 0) for n, name in enumerate(SCHOOLS)),
        "work": tuple(Work(name, 10, 0 if n == 2 else 6, 1, 2, 1, 3.0) for n, name in enumerate(SCHOOLS)),
        "expected": {("s1", "moved_up"): 12, ("s1", "transfer"): 2},
    }  # fmt: skip
    return Told(**(usual | changes))


def place_of(kind: ReportKind) -> Place:
    return {"school": SCHOOLS["s0"], "county": COUNTY, "region": Place("region")}[LEVEL_OF[kind]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_page_a_pdf_and_a_workbook_in_both_languages(kind: ReportKind) -> None:
    for language in LANGUAGES:
        page = report_page(told(), kind, place_of(kind), language).plain()
        html = to_html(page)
        assert page["title"] in html
        assert "<script" not in html
        assert forbidden_in(html, language) == ()
        if kind == "county":
            pdf = to_pdf(page)
            assert pdf == to_pdf(page)
            assert len(PdfReader(io.BytesIO(pdf)).pages) >= 1
            book = CalamineWorkbook.from_filelike(
                io.BytesIO(to_workbook(page, datetime(2026, 5, 15, tzinfo=UTC)))
            )
            assert len(book.sheet_names) == len(page["sections"]) + 1


def text_of(place: Place = COUNTY, kind: ReportKind = "county", **changes: Any) -> str:
    return to_html(report_page(told(**changes), kind, place, "en").plain())


def test_a_county_reads_actual_target_distance_change_and_what_stands_in_no_rate() -> None:
    said = text_of()
    assert "2.1% (1.38%–3.19%)" in said
    assert "not met: 3 above 1.8%" in said
    assert "+0.3% (+3 students)" in said
    assert "7 unaccounted for" in said


def test_schools_stand_in_a_funnel_without_names_and_places_by_name() -> None:
    said = text_of()
    before_circular = said.split("Circular")[0]
    assert "学校s1" not in before_circular
    assert before_circular.index("东乡") < before_circular.index("西乡")


def test_the_circular_names_missing_data_and_missing_contact_and_no_rate() -> None:
    circular = text_of().split("Circular")[1].split("Definitions")[0]
    assert "sent neither attendance nor marks this term (1): 学校s0" in circular
    assert "recorded no contact since the list was published (1): 学校s2" in circular
    assert "2.1%" not in circular


def test_a_fault_is_told_and_marks_the_figures_that_rest_on_it() -> None:
    fault = Fault("school_missing", date(2025, 10, 1), "s3", "", 12, ("2025-2026",))
    said = text_of(faults=(fault,), doubted=frozenset({(COUNTY, "2025-2026")}))
    assert "※ 2.1%" in said
    assert "学校s3 has not one student" in said
    assert "※ 2.1%" not in text_of()


def test_the_ledgers_stand_in_the_reports_of_schools_and_counties_and_small_counts_in_the_schools_own() -> (
    None
):
    ledgers = {
        ("s0", "东乡", "suspected", "to_verify"): 7, ("s1", "东乡", "suspected", "to_verify"): 4,
        ("s0", "东乡", "dropped_out", "persuading"): 2, ("", "西乡", "school_age", "to_verify"): 6,
        ("", "他乡", "school_age", "to_verify"): 9,
    }  # fmt: skip

    def lines(kind: ReportKind, **changes: Any) -> list[tuple[str, ...]]:
        page = report_page(told(ledgers=ledgers, **changes), kind, place_of(kind), "zh")
        shown = [one for one in page.plain()["sections"] if one["title"] == "三本台账"]
        return [tuple(row) for one in shown for row in one["parts"][0]["rows"]]

    assert lines("county") == [
        ("适龄儿童台账", "待核实", "6"), ("疑似辍学学生台账", "待核实", "11"),
        ("辍学学生台账", "劝返中", "少于 5"),
    ]  # fmt: skip
    assert lines("school") == [("疑似辍学学生台账", "待核实", "7"), ("辍学学生台账", "劝返中", "2")]
    assert lines("province") == []
    two = {**SCHOOLS, "t0": Place("school", "乙县", "西乡", "t0")}
    assert ("适龄儿童台账", "待核实", "6") not in lines("county", places=two), "two townships of one name"


def test_small_counts_stand_nowhere_and_a_cell_is_no_formula() -> None:
    said = text_of()
    assert "fewer than 5" in said
    page = report_page(told(), "county", COUNTY, "zh").plain()
    book = CalamineWorkbook.from_filelike(io.BytesIO(to_workbook(page, datetime(2026, 5, 15, tzinfo=UTC))))
    cells = [
        cell for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python() for cell in row
    ]
    assert "=1+1" in cells


def test_nothing_published_is_said_and_not_counted_as_nothing_done() -> None:
    assert "No list has been published yet" in text_of(work=None)


def test_plots_escape_their_words_and_draw_nothing_for_what_is_withheld() -> None:
    drawn = trend("<b>&", [Point("a", None), Point("b", 0.01, 0.005, 0.02)], limit=0.018, limit_words="<i>")
    assert "<b>" not in drawn
    assert drawn.count("<circle") == 1
    schools = [SchoolPoint(100, None), SchoolPoint(200, 6)]
    assert funnel("t", schools, rate=0.02, along="n", words=()).count("<circle") == 1


def test_the_last_report_is_a_month_a_quarter_a_term_or_a_year_before() -> None:
    terms = [Term("a", date(2025, 9, 1), date(2026, 1, 16)), Term("b", date(2026, 2, 20), date(2026, 7, 3))]
    day = date(2026, 3, 31)
    found = {kind: former_day(kind, day, terms) for kind in KINDS}
    assert found == {"school": date(2026, 2, 28), "county": date(2025, 12, 31),
                     "prefecture": date(2026, 1, 16), "province": date(2025, 3, 31)}  # fmt: skip


def test_the_page_that_is_kept_says_the_same(tmp_path: Path) -> None:
    import json

    page = report_page(told(), "county", COUNTY, "zh").plain()
    assert to_html(json.loads(json.dumps(page))) == to_html(page)
