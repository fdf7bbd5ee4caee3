"""What a page is made of, and the page: one HTML file that loads nothing, and prints on A4."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from riskmodel.domain import Language
from riskmodel.html_templates import templates

Words = str | Markup


@dataclass(frozen=True)
class Table:
    """A table: titles of the columns, and rows of as many cells. What is not Markup is escaped.

    `prose`: its cells are sentences, which begin at the left; figures stand at the right, and an interval
    stays on one line. `words`: so many columns, from the first, name things and begin at the left.
    """

    head: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    prose: bool = False
    words: int = 1
    kind = "table"


@dataclass(frozen=True)
class Lines:
    """Sentences, each a point of a list."""

    lines: Sequence[Words]
    kind = "lines"


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows in words."""

    png: bytes
    alt: str
    kind = "picture"

    @property
    def encoded(self) -> str:
        """The picture as text, for the page to hold it."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Section:
    """A title, and what stands below it."""

    title: str
    parts: Sequence[Table | Lines | Picture]


def to_html(title: str, below: Words, sections: Sequence[Section], language: Language) -> str:
    """Make the page."""
    return (
        templates("riskmodel.documents")
        .get_template("page.html.j2")
        .render(title=title, below=below, sections=sections, language=language)
    )
