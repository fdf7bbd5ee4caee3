"""What a report is made of, in one language: sections of tables, sentences and plots.

It becomes plain data, so that it can be kept, served and printed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from riskmodel.domain import Language


@dataclass(frozen=True)
class Table:
    """Titles of columns, and rows of as many cells; `prose`: cells are sentences and begin at the left."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    prose: bool = False

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"kind": "table", "head": list(self.head), "rows": [list(row) for row in self.rows],
                "prose": self.prose}  # fmt: skip


@dataclass(frozen=True)
class Lines:
    """Sentences."""

    lines: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"kind": "lines", "lines": list(self.lines)}


@dataclass(frozen=True)
class Plots:
    """Drawings side by side, as SVG."""

    drawn: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"kind": "plots", "drawn": list(self.drawn)}


@dataclass(frozen=True)
class Section:
    """A title, and what stands below it."""

    title: str
    parts: tuple[Table | Lines | Plots, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing stands below the title."""
        return not any(getattr(part, "rows", ()) or getattr(part, "lines", ()) or getattr(part, "drawn", ())
                       for part in self.parts)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A report in one language; `figures` are the numbers of its tables for the workbook."""

    language: Language
    title: str
    below: str
    sections: tuple[Section, ...]
    figures: Table = field(default_factory=lambda: Table((), ()))

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, which `render` takes."""
        return {
            "language": self.language,
            "title": self.title,
            "below": self.below,
            "sections": [
                {"title": section.title, "parts": [part.plain() for part in section.parts]}
                for section in self.sections
                if not section.empty
            ],
            "figures": self.figures.plain(),
        }


def rows(cells: Sequence[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    """Return rows of text."""
    return tuple(tuple(str(cell) for cell in row) for row in cells)
