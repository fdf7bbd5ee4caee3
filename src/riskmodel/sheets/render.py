"""A sheet as HTML, and pages as PDF. Both print the same words in the same order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def to_pdf(sheet: Sheet, language: Language) -> bytes:
    """Make a PDF of exactly one A4 page, the same bytes from the same sheet.

    Raises
    ------
    RiskmodelError
        If no font with Chinese is there, a character has no glyph, or the words do not fit even when set
        most tightly.
    """
    words = page(sheet, language)
    return pages_to_pdf([("sheet", words)], language, title=words["labels"]["title"])


def pages_to_pdf(
    pages: Sequence[tuple[str, Mapping[str, Any]]],
    language: Language,
    *,
    title: str,
    wide: bool = False,
    back: bytes | None = None,
) -> bytes:
    """Make one PDF of pages in their order; each is a kind that `pages.typ` draws, and its data.

    Parameters
    ----------
    wide
        A4 lying on its side.
    back
        A page, itself a PDF, that follows each of the others and is held once in the file.

    Raises
    ------
    RiskmodelError
        As `to_pdf` does.
    """
    import typst

    fonts = find_fonts()
    as_json = json.dumps([{"kind": kind, "data": data} for kind, data in pages], ensure_ascii=False)
    fonts.require(as_json)
    inputs = {
        "pages": as_json,
        "families": json.dumps(fonts.families),
        "language": language,
        "title": title,
        "wide": "yes" if wide else "no",
        "back": json.dumps(list(back or b"")),
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


@lru_cache(maxsize=1)
def _template() -> bytes:
    room = resources.files("riskmodel.sheets")
    return b"\n".join(room.joinpath(f"{part}.typ").read_bytes() for part in ("paper", "sheet", "pages"))


@lru_cache(maxsize=1)
def _compiler() -> Any:
    # Made once: reading the fonts takes longer than a page.
    import typst

    return typst.Compiler(font_paths=find_fonts().handle)
