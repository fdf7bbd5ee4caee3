"""Figures that carry where they come from, so that a page can be held against the run that it tells of.

Each figure of a card is a `<data>` element that names its path in the run's own figures and how it is
written. `check_figures` reads a page, writes every figure anew, and finds what differs; a digit that stands
outside such an element differs by definition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup, escape

from riskmodel.domain import Language
from riskmodel.evaluation.report import figure
from riskmodel.figures import Interval
from riskmodel.wording import slots as slots_of
from riskmodel.wording import text

_DIGIT = re.compile(r"[0-9]")
_UNSEEN = ("style", "title", "script")


@dataclass(frozen=True)
class Differs:
    """A figure of a page that is not what the run says; `figure` is empty for a digit without a source."""

    figure: str
    written: str
    found: str


class Facts:
    """All figures of a run, by dotted path: `evaluation.models.0.auc`, `audit.groups.3.recall`."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def __getitem__(self, path: str) -> Any:
        """Return what stands at a path.

        Raises
        ------
        KeyError
            If there is nothing.
        """
        found: Any = self._facts
        for part in path.split("."):
            try:
                found = found[int(part)] if isinstance(found, list | tuple) else found[part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise KeyError(path) from None
        return found

    def has(self, path: str) -> bool:
        """Tell whether the run has a figure: it stands at the path, and is not None."""
        try:
            return self[path] is not None
        except KeyError:
            return False

    def number(self, path: str, digits: int = 0, *, percent: bool = False) -> Markup:
        """Return a figure with its source: a count, a share, an interval, a day or a name."""
        told = self.written(path, digits, percent=percent)
        unit = Markup(' data-percent="1"') if percent else ""
        return Markup('<data data-figure="{}" data-digits="{}"{}>{}</data>').format(path, digits, unit, told)

    def naming(self, sentence: str, path: str) -> Markup:
        """Return a sentence in which the names at a path are marked that hold a digit: 第2中心镇."""
        own = {
            str(escape(name)): self.number(f"{path}.{number}")
            for number, name in enumerate(self[path])
            if _DIGIT.search(name)
        }
        if not own:
            return escape(sentence)
        longest_first = "|".join(re.escape(name) for name in sorted(own, key=len, reverse=True))
        return Markup(re.sub(longest_first, lambda found: own[found[0]], escape(sentence)))  # noqa: S704

    def written(self, path: str, digits: int, *, percent: bool) -> str:
        """Return a figure as it is written."""
        value = self[path]
        if isinstance(value, Mapping):
            value = Interval(value["value"], value.get("low"), value.get("high"))
        if isinstance(value, int | float) and (percent or digits) and not isinstance(value, bool):
            value = Interval(float(value))
        if isinstance(value, Interval) or value is None:
            return figure(value, digits, percent=percent)
        return f"{value:,}" if isinstance(value, int | float) else str(value)


def sentence(code: str, language: Language, **given: object) -> Markup:
    """Return a sentence of the wording as HTML: its own words escaped, marked figures as they are."""
    as_it_is = text(code, language, **{name: f"{{{name}}}" for name in slots_of(code, language)})
    return escape(as_it_is).format(**given)


def check_figures(page: str, facts: Facts) -> tuple[Differs, ...]:
    """Find every figure of a page that is not what the run says."""
    reader = _Reader(facts)
    reader.feed(page)
    reader.close()
    return tuple(reader.found)


class _Reader(HTMLParser):
    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.facts, self.found = facts, list[Differs]()
        self.marked: dict[str, str | None] | None = None
        self.written = ""
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self.unseen += 1
        if tag == "data":
            self.marked, self.written = dict(attrs), ""

    def handle_data(self, data: str) -> None:
        if self.marked is not None:
            self.written += data
        elif not self.unseen and _DIGIT.search(data):
            self.found.append(Differs("", data.strip(), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.unseen -= 1
        if tag != "data" or self.marked is None:
            return
        path = self.marked.get("data-figure") or ""
        digits, percent = int(self.marked.get("data-digits") or 0), "data-percent" in self.marked
        try:
            is_ = self.facts.written(path, digits, percent=percent)
        except KeyError:
            is_ = ""
        if is_ != self.written:
            self.found.append(Differs(path, self.written, is_))
        self.marked = None
