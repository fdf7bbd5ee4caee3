import html as html_module
import io
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
import typst
from pypdf import PdfReader

from riskmodel.domain import (
    Audience,
    Band,
    FeatureInfo,
    Language,
    PerHundred,
    PublishedSet,
    School,
    ScoredStudent,
    Statement,
    Unknown,
)
from riskmodel.errors import RiskmodelError
from riskmodel.sheets import fonts as fonts_module
from riskmodel.sheets import typesetting
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.fonts import find_fonts
from riskmodel.sheets.grid import hundred
from riskmodel.sheets.page import page
from riskmodel.sheets.render import printed_sheet, to_html, to_pdf
from riskmodel.sheets.steps import Steps
from riskmodel.wording import LANGUAGES, codes, slots, text

BOTH_AUDIENCES: tuple[Audience, ...] = ("class_teacher", "counsellor")


@pytest.fixture
def make(published: PublishedSet, school: School, steps: Steps):
    def made(student: ScoredStudent, audience: Audience = "counsellor", facts=published) -> Sheet:
        sheet = compose(student, facts, school, audience=audience, steps=steps)
        assert sheet is not None
        return sheet

    return made


def solid(words: str) -> str:
    """Leave out white space: a PDF knows positions, not spaces."""
    return re.sub(r"\s", "", words)


def pdf_words(pdf: bytes) -> str:
    return solid("".join(leaf.extract_text() for leaf in PdfReader(io.BytesIO(pdf)).pages))


def html_words(html: str) -> str:
    return solid(html_module.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", "", html, flags=re.DOTALL)))


def spoken(sheet: Sheet, language: Language) -> list[str]:
    """Everything that must be read on the sheet, in its order."""
    said = page(sheet, language)
    labels = said["labels"]
    words = [labels["title"], labels["internal"], *said["header"].values()]
    words += [said["band"]["name"], said["band"]["suggested"], *said["similar"], labels["reasons"]]
    for group in said["groups"]:
        words += [
            part for reason in group["reasons"] for part in (reason["dots"], reason["text"], reason["source"])
        ]
    words += [part for block in said["history"] for part in block.values()]
    words += [labels["strengths"], *said["strengths"], labels["unknowns"], *said["unknowns"]]
    words += [labels["steps"], *said["steps"], labels["owner"], labels["goal"], labels["next_look"]]
    words += [option["text"] for option in said["feedback"]] + [option["code"] for option in said["feedback"]]
    return [*words, *said["caveats"], labels["limits"], labels["not_the_ledger"], said["run"], labels["page"]]


@pytest.mark.parametrize("audience", BOTH_AUDIENCES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_fullest_sheet_is_on_exactly_one_a4_page(fullest, make, language, audience) -> None:
    sheet = make(fullest, audience)
    pdf = to_pdf(printed_sheet(sheet, language))
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) == 1
    assert (round(float(pages[0].mediabox.width)), round(float(pages[0].mediabox.height))) == (595, 842)
    read = pdf_words(pdf)
    assert [words for words in spoken(sheet, language) if solid(words) not in read] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_and_pdf_say_the_same(student, make, language) -> None:
    sheet = make(student)
    in_html, in_pdf = html_words(to_html(sheet, language)), pdf_words(to_pdf(printed_sheet(sheet, language)))
    for words in spoken(sheet, language):
        assert solid(words) in in_html
        assert solid(words) in in_pdf


def longest(prefix: str, language: Language, count: int) -> list[str]:
    return sorted(
        codes(prefix), key=lambda code: -len(text(code, language, **dict.fromkeys(slots(code), "1.5")))
    )[:count]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_sentences_of_the_wording_files_fit_one_page(fullest, published, make, language) -> None:
    def values(code: str) -> dict[str, float | None]:
        return dict.fromkeys(slots(code), 100.5)

    def saying(told: Sequence[Statement], prefix: str) -> tuple[Statement, ...]:
        chosen = zip(told, longest(prefix, language, len(told)), strict=True)
        return tuple(replace(statement, code=code, values=values(code)) for statement, code in chosen)

    reasons, strengths = saying(fullest.reasons, "reasons."), saying(fullest.strengths, "strengths.")
    unknowns = [Unknown(code, values(code)) for code in longest("unknowns.", language, 4)]
    names = {name for fact in (*reasons, *strengths, *unknowns) for name in fact.values}
    features = tuple(FeatureInfo(name=name, unit="points", family="study", source="grades") for name in names)
    full = replace(fullest, reasons=reasons, strengths=strengths, unknowns=tuple(unknowns))
    sheet = make(full, facts=replace(published, facts=replace(published.facts, features=features)))
    pdf = to_pdf(printed_sheet(sheet, language))
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
    read = pdf_words(pdf)
    assert [words for words in spoken(sheet, language) if solid(words) not in read] == []


def test_the_numbers_on_the_sheet_are_those_of_the_facts(student, make) -> None:
    read = pdf_words(to_pdf(printed_sheet(make(student), "zh")))
    assert "近28天缺勤9天，此前28天为2.5天；同年级多数同学为1天。（考勤，10月30日）" in read
    assert "数学期中62分，比上学期期末变化−18分；同期全班平均变化−3分。" in read
    assert "每100人中约有14人（大致在8到22人之间）在一年内离开学校，其余约86人继续就读。" in read
    assert "登记显示监护人在外地7个月，目前由祖父母照料。（家庭登记，2024年9月12日）" in read


def test_the_grid_shows_the_interval(student, make) -> None:
    picture = hundred(8, 22)
    drawn = {name: path.count("M") for name, path in re.findall(r'class="(\w+)".*? d="(.*?)"', picture)}
    assert drawn == {"stayed": 78, "ring": 22, "open": 92, "error": 14}
    assert picture in to_html(make(student), "zh")
    assert "<svg" not in to_html(make(replace(student, similar=None)), "zh")


def test_no_more_than_a_few_in_a_hundred_reads_as_such(student, make) -> None:
    sheet = make(replace(student, similar=PerHundred(0, 0, 2)))
    assert "每100人中不到1人（至多大致2人）" in to_html(sheet, "zh")
    assert "fewer than 1 (at most about 2)" in to_html(sheet, "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("audience", BOTH_AUDIENCES)
def test_no_forbidden_word_and_no_percentage_stands_on_a_sheet(fullest, make, language, audience) -> None:
    html = to_html(make(fullest, audience), language)
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
    forbidden = [text(code, language) for code in codes("forbidden.", language)]
    mark = r"\b" if language == "en" else ""
    found = [word for word in forbidden if re.search(f"{mark}{re.escape(word)}{mark}", words, re.IGNORECASE)]
    assert found == []
    assert not re.search(r"概率|probab|log-odds|SHAP|%", words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_withheld_from_the_class_teacher_is_in_neither_form(fullest, make, language) -> None:
    secret = solid(text("test.sibling", language))
    teacher, counsellor = make(fullest, "class_teacher"), make(fullest, "counsellor")
    neutral = solid(text("sheet.withheld", language))
    for read in (html_words(to_html(teacher, language)), pdf_words(to_pdf(printed_sheet(teacher, language)))):
        assert secret not in read
        assert neutral in read
    for read in (
        html_words(to_html(counsellor, language)),
        pdf_words(to_pdf(printed_sheet(counsellor, language))),
    ):
        assert secret in read
        assert neutral not in read


def test_both_languages_have_the_same_structure(fullest, make) -> None:
    def shape(node: object) -> object:
        if isinstance(node, dict):
            return {key: shape(child) for key, child in node.items()}
        return [shape(child) for child in node] if isinstance(node, list) else type(node)

    sheet = make(fullest)
    assert shape(page(sheet, "zh")) == shape(page(sheet, "en"))


def test_strengths_are_asked_for_where_the_records_show_none(student, make) -> None:
    assert text("sheet.no_strengths", "zh") in to_html(make(replace(student, strengths=())), "zh")
    assert text("sheet.no_strengths", "zh") not in to_html(make(student), "zh")


def test_a_sheet_without_enough_information_says_so(student, make) -> None:
    silent = replace(student, band=Band.NOT_ENOUGH_INFORMATION, risk=None, similar=None, reasons=(),
                     attendance_history=(None,) * 6)  # fmt: skip
    read = pdf_words(to_pdf(printed_sheet(make(silent), "zh")))
    assert solid(text("caveats.B4", "zh")) in read
    assert solid(text("sheet.not_enough", "zh")) in read
    assert "100人中" not in read


def test_a_sheet_by_the_rule_alone_says_why_there_is_no_number(student, published, make) -> None:
    facts = replace(published, facts=replace(published.facts, probabilities=False))
    sheet = make(replace(student, risk=None, similar=None), facts=facts)
    assert text("sheet.no_similar", "en") in html_module.unescape(to_html(sheet, "en"))


HOSTILE = '<script>alert(1)</script>#panic("x") $x$ @ref *b* \\ "quoted" & {{ 7*7 }}'


def test_text_from_the_records_is_never_read_as_markup(student, make) -> None:
    sheet = make(replace(student, class_name=HOSTILE, masked_name="李*#**"))
    html = to_html(sheet, "zh")
    assert "<script>" not in html
    assert solid(HOSTILE) in html_words(html)
    assert solid(HOSTILE) in pdf_words(to_pdf(printed_sheet(sheet, "zh")))
    assert "李*#**" in pdf_words(to_pdf(printed_sheet(sheet, "zh")))


@pytest.mark.parametrize("surname", ["䶮", "㛃", "𬱖"])
def test_rare_surnames_are_printed_and_can_be_read_back(student, make, surname) -> None:
    assert f"{surname}**" in pdf_words(
        to_pdf(printed_sheet(make(replace(student, masked_name=f"{surname}**")), "zh"))
    )


def test_a_character_that_no_font_holds_is_an_error_and_is_not_told(student, make) -> None:
    nowhere = "\U0010fffd"
    with pytest.raises(RiskmodelError) as refused:
        to_pdf(printed_sheet(make(replace(student, masked_name=f"{nowhere}**")), "zh"))
    assert refused.value.code == "sheet_glyph_missing"
    assert nowhere not in str(refused.value)


def test_without_any_font_for_chinese_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_module, "FAMILIES", ("No Such Family",))
    with pytest.raises(RiskmodelError) as refused:
        find_fonts.__wrapped__()
    assert refused.value.code == "sheet_font_missing"


def test_a_warning_of_typst_is_an_error(student, make, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(find_fonts(), families=("No Such Family", "Noto Sans SC"))
    monkeypatch.setattr(typesetting, "find_fonts", lambda: wrong)
    with pytest.raises(RiskmodelError) as refused:
        to_pdf(printed_sheet(make(student), "zh"))
    assert refused.value.code == "sheet_not_made"


def test_what_cannot_fit_one_page_is_refused(student, make) -> None:
    with pytest.raises(RiskmodelError) as refused:
        to_pdf(printed_sheet(make(replace(student, class_name="三班" * 3000)), "zh"))
    assert refused.value.code == "sheet_too_long"


def test_the_same_sheet_gives_the_same_bytes(student, make) -> None:
    assert to_pdf(printed_sheet(make(student), "zh")) == to_pdf(printed_sheet(make(student), "zh"))


def test_the_pdf_says_nothing_of_the_student_outside_its_page(student, make) -> None:
    reader = PdfReader(io.BytesIO(to_pdf(printed_sheet(make(student), "zh"))))
    assert "李" not in str(reader.metadata)
    assert reader.metadata is not None
    assert reader.metadata.title == text("sheet.title", "zh")


def test_the_characters_of_a_font_are_read_as_its_maker_wrote_them() -> None:
    held = find_fonts().characters
    assert set(map(ord, "李优◆◇○●？□✓−—“”𬱖")) <= held
    assert 0x10FFFD not in held


def test_only_the_families_that_were_found_are_asked_of_typst() -> None:
    fonts = find_fonts()
    assert isinstance(fonts.handle, typst.Fonts)
    assert set(fonts.families) <= set(fonts.handle.families())
