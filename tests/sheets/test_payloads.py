"""A hundred hostile texts in every text field: shown as text in HTML, PDF, XLSX and CSV, and run nowhere."""
# ruff: noqa: E501  a payload is not folded

import csv
import io
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from pypdf import PdfReader

from riskmodel.errors import RiskmodelError
from riskmodel.sheets.compose import compose
from riskmodel.sheets.render import printed_sheet, to_html, to_pdf
from riskmodel.sheets.school_list import list_to_csv, list_to_html, list_to_workbook, school_list

SCRIPTS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "\"><b onclick='x'>",
    "javascript:alert(1)", "<iframe src=//x>", "</title><script>x</script>", "{{7*7}}", "{% raw %}", "${7*7}",
    "<style>*{}</style>", "<!-- -->", "]]><x>", "&lt;script&gt;", "<a href='javascript:x'>", "<meta http-equiv=x>",
    '#panic("x")', "$x$", "@ref", "*b* _i_ `c` \\", "#import \"x\"", "<base href=//x>", "<form action=//x>", "%0d%0a", "\\u003cx",
)  # fmt: skip
FORMULAS = tuple(
    f"{start}{rest}"
    for start in ("=", "+", "-", "@", "＝", " =")
    for rest in ("1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', "SUM(A1:A9)", "IMPORTXML(x)", "A1", "2", "'", '"')
)  # fmt: skip
BIDI = tuple(
    f"{mark}王{mark}abc"
    for mark in (
        "\u202e", "\u202d", "\u202a", "\u202b", "\u2066", "\u2067", "\u2068", "\u200f", "\u200e", "\u061c",
        "\u200b", "\u2060", "\ufeff", "\u200d", "\u00ad", "\u2028", "\u2029", "\u0301", "\u0338", "\u20dd", "\ufe0f",
    )
)  # fmt: skip
ACTIONS = (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/OpenAction")
PAYLOADS = SCRIPTS + FORMULAS + BIDI


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


def tags(html: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = Tags()
    parser.feed(html)
    return parser.seen


@pytest.fixture
def poisoned(student, published, school, steps, hours):
    def made(payload: str):
        child = replace(student, class_name=payload, masked_name=payload, number_tail=payload)
        place = replace(school, name=payload)
        sheet = compose(child, published, place, audience="counsellor", steps=steps)
        return sheet, school_list([child], published, place, hours=hours)

    return made


def test_there_are_a_hundred() -> None:
    assert len(set(PAYLOADS)) >= 100


def test_no_payload_adds_an_element_or_an_attribute_to_html(poisoned) -> None:
    plain_sheet, plain_list = poisoned("plain")
    sheet_tags, list_tags = tags(to_html(plain_sheet, "zh")), tags(list_to_html(plain_list, "zh"))
    for payload in PAYLOADS:
        sheet, given = poisoned(payload)
        assert tags(to_html(sheet, "zh")) == sheet_tags, payload
        assert tags(list_to_html(given, "zh")) == list_tags, payload


def test_no_payload_becomes_a_formula_or_a_link_in_a_workbook(poisoned) -> None:
    for payload in PAYLOADS:
        with zipfile.ZipFile(io.BytesIO(list_to_workbook(poisoned(payload)[1], "zh"))) as book:
            parts = {name: book.read(name).decode() for name in book.namelist()}
        assert not any("<f>" in part or "<f " in part for part in parts.values()), payload
        assert not any("hyperlink" in part.lower() for name, part in parts.items() if "sheet" in name), (
            payload
        )


def test_no_cell_of_the_csv_begins_a_formula(poisoned) -> None:
    for payload in PAYLOADS:
        content = list_to_csv(poisoned(payload)[1], "zh").decode("utf-8-sig")
        for row in csv.reader(io.StringIO(content)):
            for cell in row:
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), payload


@pytest.mark.parametrize("payload", [*SCRIPTS[:2], SCRIPTS[16], SCRIPTS[20], FORMULAS[1]])
def test_a_pdf_prints_a_payload_and_holds_no_action(poisoned, payload: str) -> None:
    pdf = to_pdf(printed_sheet(poisoned(payload)[0], "zh"))
    read = "".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())
    assert "".join(payload.split()) in read
    assert not [action for action in ACTIONS if action in pdf]


def test_no_payload_becomes_an_action_of_a_pdf_and_what_no_font_holds_is_refused(poisoned) -> None:
    refused = []
    for payload in PAYLOADS:
        try:
            pdf = to_pdf(printed_sheet(poisoned(payload)[0], "zh"))
        except RiskmodelError as error:
            refused.append((error.code, payload))
        else:
            assert not [action for action in ACTIONS if action in pdf], payload
    assert {code for code, _ in refused} <= {"sheet_glyph_missing"}
    assert {payload for _, payload in refused} <= set(BIDI)
