"""A sheet as HTML, and pages as PDF. Both print the same words in the same order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from riskmodel.domain import Language
from riskmodel.html_templates import templates
from riskmodel.sheets.compose import Sheet
from riskmodel.sheets.page import page
from riskmodel.sheets.typesetting import as_json, set_pdf


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
    return set_pdf(
        _template(),
        {"pages": as_json(printed.pages)},
        language=printed.language,
        title=printed.title,
        wide="yes" if printed.wide else "no",
        back="[]" if printed.back is None else _back(as_json(printed.back), printed.language),
    )


@lru_cache(maxsize=8)
def _back(words: str, language: Language) -> str:
    """Set a back page alone; every booklet of a language has the same."""
    made = to_pdf(Printed(title="", language=language, pages=[("back", json.loads(words))]))
    return json.dumps(list(made))


@lru_cache(maxsize=1)
def _template() -> bytes:
    room = resources.files("riskmodel.sheets")
    return b"\n".join(room.joinpath(f"{part}.typ").read_bytes() for part in ("paper", "sheet", "pages"))
