import io
from dataclasses import replace

import pytest
from pypdf import PdfReader

from riskmodel.sheets.booklet import back_page, cover_page, to_booklet
from riskmodel.sheets.compose import compose
from riskmodel.wording import LANGUAGES, forbidden_in, text


def solid(words: str) -> str:
    return "".join(words.split())


@pytest.fixture
def make(student, published, school, steps):
    def made(count: int):
        students = [replace(student, student_id=f"st-{number:04}") for number in range(count)]
        sheets = [compose(one, published, school, audience="class_teacher", steps=steps) for one in students]
        return [sheet for sheet in sheets if sheet is not None]

    return made


def leaves(pdf: bytes) -> list[str]:
    return [solid(leaf.extract_text()) for leaf in PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_booklet_has_a_cover_and_each_sheet_its_back(make, language) -> None:
    sheets = make(3)
    pages = leaves(to_booklet(sheets, language))
    assert len(pages) == 2 + 2 * 3
    assert all(sheet.sheet_code in pages[0] for sheet in sheets)
    assert [sheet.sheet_code in page for sheet, page in zip(sheets, pages[2::2], strict=True)] == [True] * 3
    said = [solid(one) for part in back_page(language)["parts"] for one in (part["head"], *part["sentences"])]
    for back in pages[1::2]:
        assert [words for words in said if words not in back] == []


def test_the_cover_says_what_it_is_for_until_when_and_that_it_is_no_ledger(make) -> None:
    cover = leaves(to_booklet(make(2), "zh"))[0]
    for words in (text("sheet.not_the_ledger", "zh"), text("sheet.limits", "zh"), "2026年1月31日到期", "2张"):
        assert solid(words) in cover


def test_a_cover_is_one_page_even_for_a_whole_class_and_a_booklet_stays_small(make) -> None:
    assert len(leaves(to_booklet(make(60), "en"))) == 2 + 2 * 60
    assert len(to_booklet(make(30), "zh")) < 500_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_forbidden_word_stands_on_cover_or_back(make, language) -> None:
    said = f"{cover_page(make(1), language)} {back_page(language)}"
    assert forbidden_in(said, language) == ()
