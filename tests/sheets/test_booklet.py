import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from riskmodel.domain import Band, PerHundred
from riskmodel.errors import RiskmodelError
from riskmodel.sheets.booklet import back_page, cover_pages, printed_booklet
from riskmodel.sheets.compose import compose
from riskmodel.sheets.render import Printed, to_pdf
from riskmodel.wording import LANGUAGES, text


def solid(words: str) -> str:
    return "".join(words.split())


@pytest.fixture
def make(student, published, school, steps):
    def made(count: int):
        students = [replace(student, student_id=f"st-{number:04}") for number in range(count)]
        sheets = [compose(one, published, school, audience="class_teacher", steps=steps) for one in students]
        return [sheet for sheet in sheets if sheet is not None]

    return made


@pytest.fixture
def mixed_class(student, published, school, steps):
    """Sixty with the longest names and advice among them, no two risks alike."""
    silent = replace(student, band=Band.NOT_ENOUGH_INFORMATION, risk=None, similar=None, masked_name="欧阳**")
    drawn = [
        silent if n % 3 == 0 else replace(student, similar=PerHundred(n, n - 1, n + 20)) for n in range(60)
    ]
    numbered = [replace(one, student_id=f"st-{number:04}") for number, one in enumerate(drawn)]
    return [compose(one, published, school, audience="counsellor", steps=steps) for one in numbered]


def leaves(pdf: bytes) -> list[str]:
    return [solid(leaf.extract_text()) for leaf in PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_booklet_has_a_cover_and_each_sheet_its_back(make, language) -> None:
    sheets = make(3)
    pages = leaves(to_pdf(printed_booklet(sheets, language)))
    assert len(pages) == 2 + 2 * 3
    assert all(sheet.sheet_code in pages[0] for sheet in sheets)
    assert [sheet.sheet_code in page for sheet, page in zip(sheets, pages[2::2], strict=True)] == [True] * 3
    said = [solid(one) for part in back_page(language)["parts"] for one in (part["head"], *part["sentences"])]
    for back in pages[1::2]:
        assert [words for words in said if words not in back] == []


def test_the_cover_says_what_it_is_for_until_when_and_that_it_is_no_ledger(make) -> None:
    cover = leaves(to_pdf(printed_booklet(make(2), "zh")))[0]
    for words in (text("sheet.not_the_ledger", "zh"), text("sheet.limits", "zh"), "2026年1月31日到期", "2张"):
        assert solid(words) in cover


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_class_of_sixty_has_a_cover_of_one_page_and_less_than_half_a_megabyte(
    mixed_class, language
) -> None:
    pdf = to_pdf(printed_booklet(mixed_class, language))
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 2 + 2 * 60
    assert len(pdf) < 500_000


def test_a_cover_that_would_need_a_second_page_is_refused(make) -> None:
    [cover] = cover_pages(make(1), "en")
    pages = [("cover", cover | {"rows": cover["rows"] * 160})]
    with pytest.raises(RiskmodelError) as refused:
        to_pdf(Printed(title="", language="en", pages=pages, back=back_page("en")))
    assert refused.value.code == "sheet_too_long"


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_a_page_cannot_name_all_the_booklet_has_more_covers(make, language) -> None:
    printed = printed_booklet(make(1) * 250, language)
    covers = [words for kind, words in printed.pages if kind == "cover"]
    assert [len(cover["rows"]) for cover in covers] == [100, 100, 50]
    assert [row[0] for cover in covers for row in cover["rows"]] == [str(n) for n in range(1, 251)]
    read = leaves(to_pdf(replace(printed, pages=printed.pages[:4])))
    assert len(read) == 2 * 4, "each cover has its back, or the sheets would stand on the wrong leaves"
    assert solid(text("booklet.count", language, count=250)) in read[4]


def test_the_same_booklet_gives_the_same_bytes(make) -> None:
    assert to_pdf(printed_booklet(make(2), "zh")) == to_pdf(printed_booklet(make(2), "zh"))


def test_booklets_that_were_set_are_not_kept_in_memory(make) -> None:
    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def set_one(number: int) -> float:
        named = [replace(sheet, sheet_code=f"{number}-{place}") for place, sheet in enumerate(make(25))]
        to_pdf(printed_booklet(named, "zh"))
        return resident()

    held = [set_one(number) for number in range(7)]
    assert held[-1] - held[1] < 120, "each takes 80 MB, and typst would keep ten"
