"""The guides for those who read sheets: their Markdown pages as PDF, with the fonts of the sheets."""

from __future__ import annotations

import re
from typing import Any

from riskmodel.domain import Language
from riskmodel.sheets.render import Printed, to_pdf

_KINDS = {"# ": "title", "## ": "head", "- ": "item"}


def guide_to_pdf(markdown: str, language: Language) -> bytes:
    """Set a page of Markdown as A4.

    Known are headings, paragraphs of one line, items and **strong** words; everything else stands as it is
    written, and nothing is read as typst's markup.

    Raises
    ------
    RiskmodelError
        As `render.to_pdf` does.
    """
    parts = [_part(line) for line in markdown.splitlines() if line.strip()]
    title = next(("".join(run["text"] for run in part["runs"]) for part in parts), "")
    return to_pdf(Printed(title=title, language=language, pages=[("guide", {"parts": parts})]))


def _part(line: str) -> dict[str, Any]:
    start = next((start for start in _KINDS if line.startswith(start)), "")
    words = re.split(r"\*\*(.+?)\*\*", line.removeprefix(start))
    runs = [{"strong": number % 2 == 1, "text": each} for number, each in enumerate(words) if each]
    return {"kind": _KINDS.get(start, "text"), "mark": "•", "runs": runs}
