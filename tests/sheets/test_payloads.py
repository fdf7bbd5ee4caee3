"""A hundred hostile texts in every text field: shown as text in HTML, PDF, XLSX and CSV, and run nowhere."""
# ruff: noqa: E501  a payload is not folded

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import typst
from pypdf import PdfReader
from pypdf.generic import NameObject

from riskmodel.errors import RiskmodelError
from riskmodel.sheets.fonts import find_fonts
from riskmodel.sheets.render import printed_sheet, to_html, to_pdf
from riskmodel.sheets.school_list import list_to_csv, list_to_html, list_to_workbook

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
ACTIONS = frozenset(
    ("/JavaScript", "/JS", "/Launch", "/URI", "/OpenAction", "/AA", "/GoToR", "/SubmitForm", "/Annots")
)
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


def names_in(told: object) -> Iterator[str]:
    """Go through an object of a PDF, what is held within it included."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield str(key)
            yield from names_in(value)
    elif isinstance(told, list):
        for value in told:
            yield from names_in(value)
    elif isinstance(told, NameObject):
        yield str(told)


def actions(pdf: bytes) -> set[str]:
    """Return what a reader of the PDF could be made to do: whatever names an action, in any object of it."""
    reader = PdfReader(io.BytesIO(pdf))
    numbers = {number for known in reader.xref.values() for number in known} | set(reader.xref_objStm)
    objects = (reader.get_object(number) for number in numbers)
    return {name for told in objects for name in names_in(told)} & ACTIONS


def test_no_payload_becomes_an_action_of_a_pdf_and_what_no_font_holds_is_refused(poisoned) -> None:
    printed, refused = [], []
    for payload in PAYLOADS:
        told = printed_sheet(poisoned(payload)[0], "zh")
        try:
            find_fonts().require(json.dumps(told.pages, ensure_ascii=False))
        except RiskmodelError:
            refused.append(payload)
        else:
            printed.append((payload, told))
    assert set(refused) <= set(BIDI)
    # All in one PDF: each is a page of its own, and a hundred compilations would tell no more.
    pdf = to_pdf(replace(printed[0][1], pages=[page for _, told in printed for page in told.pages]))
    assert actions(pdf) == set()
    leaves = PdfReader(io.BytesIO(pdf)).pages
    assert len(leaves) == len(printed)
    for (payload, _), leaf in list(zip(printed, leaves, strict=True))[::16]:
        if payload not in BIDI:  # what has no width of its own is not read back
            assert "".join(payload.split()) in "".join(leaf.extract_text().split()), payload
    with pytest.raises(RiskmodelError) as missing:
        to_pdf(printed_sheet(poisoned(refused[0])[0], "zh"))
    assert missing.value.code == "sheet_glyph_missing"


def test_a_planted_link_is_found_as_an_action() -> None:
    linked = typst.compile(b'#link("http://x")[x]', format="pdf")
    assert "/URI" in actions(bytes(linked))
