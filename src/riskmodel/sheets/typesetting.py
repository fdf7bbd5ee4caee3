"""Words set as a PDF by typst: one door for sheets, lists and reports, so that all keep the same promises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from riskmodel.errors import RiskmodelError
from riskmodel.sheets.fonts import find_fonts

_MUCH = 40_000
"""Characters of words, those of some seven sheets: what more was set is forgotten at once."""
_REMEMBERED = 10
"""Compilations of which typst keeps what it laid out: with the tenth booklet its memory stops growing."""
_TOO_LONG = "sheet_too_long"
"""What a template panics with where the words do not fit."""


def as_json(words: object) -> str:
    """Write words as a template reads them.

    A separator of lines or paragraphs within a name is a space: it could push a sheet over its page.
    """
    return json.dumps(words, ensure_ascii=False).translate({0x2028: " ", 0x2029: " "})


def set_pdf(template: bytes, words: Mapping[str, str], **settings: str) -> bytes:
    """Set a PDF: the same bytes from the same words.

    Parameters
    ----------
    words
        What is printed, by the name under which the template reads it; each as `as_json` wrote it.
    settings
        What the template is told beside, and does not print. It is told `families` always.

    Raises
    ------
    RiskmodelError
        If no font with Chinese is there, a character has no glyph, or the words do not fit even when set most
        tightly.
    """
    import typst

    fonts = find_fonts()
    for told in words.values():
        fonts.require(told)
    inputs = {**words, **settings, "families": json.dumps(fonts.families)}
    try:
        made, warnings = _compiler().compile_with_warnings(
            input=template, format="pdf", sys_inputs=inputs, timestamp=0, pdf_tags=False
        )
    except typst.TypstError as error:
        if _TOO_LONG in error.message:
            raise RiskmodelError("sheet_too_long") from None
        raise RiskmodelError("sheet_not_made", problem=error.message) from error
    finally:
        if sum(map(len, words.values())) > _MUCH:
            _forget()
    if warnings:
        raise RiskmodelError("sheet_not_made", problem=warnings[0].message)
    return bytes(made)


def _forget() -> None:
    # A booklet is 100 MB of layout, ten of them more than a small server has. Nothing asks typst to let go of
    # them but later compilations; a page without a word takes 5 ms.
    for _ in range(_REMEMBERED + 1):
        _compiler().compile(input=b"", format="pdf")


@lru_cache(maxsize=1)
def _compiler() -> Any:
    # Made once: reading the fonts takes longer than a page.
    import typst

    return typst.Compiler(font_paths=find_fonts().handle)
