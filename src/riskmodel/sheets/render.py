"""A sheet as HTML, and pages as PDF. Both print the same words in the same order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from riskmodel.domain import Language
from riskmodel.errors import RiskmodelError
from riskmodel.html_templates import templates
from riskmodel.sheets.compose import Sheet
from riskmodel.sheets.fonts import find_fonts
from riskmodel.sheets.page import page

_TOO_LONG = "sheet_too_long"


def to_html(sheet: Sheet, language: Language) -> str:
    """Make one self-contained HTML file for A4 in black and white. It loads and runs nothing."""
    return templates("riskmodel.sheets").get_template("sheet.html.j2").render(page(sheet, language))


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What one PDF holds, as plain data: it can be sent to the process that sets it.

    Attributes
    ----------
    pages
        In their order; each is a kind that `pages.typ` draws, and its words.
    wide
        A4 lying on its side.
    back
        The words of a page that follows each of the others, and is held once in the file.
    """

    title: str
    language: Language
    pages: Sequence[tuple[str, Mapping[str, Any]]]
    wide: bool = False
    back: Mapping[str, Any] | None = None


def printed_sheet(sheet: Sheet, language: Language) -> Printed:
    """Say what the PDF of one sheet holds."""
    words = page(sheet, language)
    return Printed(title=words["labels"]["title"], language=language, pages=[("sheet", words)])


def to_pdf(printed: Printed) -> bytes:
    """Set a PDF, a sheet being exactly one A4 page; the same bytes from the same words.

    Raises
    ------
    RiskmodelError
        If no font with Chinese is there, a character has no glyph, or the words of a sheet do not fit even
        when set most tightly.
    """
    import typst

    fonts = find_fonts()
    as_json = _as_json(printed.pages)
    fonts.require(as_json)
    inputs = {
        "pages": as_json,
        "families": json.dumps(fonts.families),
        "language": printed.language,
        "title": printed.title,
        "wide": "yes" if printed.wide else "no",
        "back": "[]" if printed.back is None else _back(_as_json(printed.back), printed.language),
    }
    try:
        made, warnings = _compiler().compile_with_warnings(
            input=_template(), format="pdf", sys_inputs=inputs, timestamp=0, pdf_tags=False
        )
    except typst.TypstError as error:
        if _TOO_LONG in error.message:
            raise RiskmodelError("sheet_too_long") from None
        raise RiskmodelError("sheet_not_made", problem=error.message) from error
    if warnings:
        raise RiskmodelError("sheet_not_made", problem=warnings[0].message)
    return bytes(made)


def _as_json(told: object) -> str:
    # A separator of lines or paragraphs within a name is a space: it could push a sheet over its page.
    return json.dumps(told, ensure_ascii=False).translate({0x2028: " ", 0x2029: " "})


@lru_cache(maxsize=8)
def _back(words: str, language: Language) -> str:
    """Set a back page alone; every booklet of a language has the same."""
    made = to_pdf(Printed(title="", language=language, pages=[("back", json.loads(words))]))
    return json.dumps(list(made))


@lru_cache(maxsize=1)
def _template() -> bytes:
    room = resources.files("riskmodel.sheets")
    return b"\n".join(room.joinpath(f"{part}.typ").read_bytes() for part in ("paper", "sheet", "pages"))


@lru_cache(maxsize=1)
def _compiler() -> Any:
    # Made once: reading the fonts takes longer than a page.
    import typst

    return typst.Compiler(font_paths=find_fonts().handle)
