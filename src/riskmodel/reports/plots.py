"""Plots as SVG, drawn once for the page and for the PDF: black and white, words as text, nothing loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_INK, _QUIET, _BAND = "#141414", "#555555", "#ececec"
_FONTS = "Noto Sans SC, Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 40.0, 42.0


@dataclass(frozen=True)
class Point:
    """A rate at a label; its interval where one is told. None: withheld or not known."""

    label: str
    rate: float | None
    low: float | None = None
    high: float | None = None
    unfinished: bool = False


@dataclass(frozen=True)
class SchoolPoint:
    """A school in a funnel: students, and how many of them left; None: withheld."""

    students: int
    leavers: int | None


def trend(
    title: str, points: Sequence[Point], *, limit: float | None = None, limit_words: str = "",
    width: float = 340.0, height: float = 210.0,
) -> str:  # fmt: skip
    """Draw rates over time, each with its interval, and the target as a dashed line."""
    told = [one.high if one.high is not None else one.rate for one in points if one.rate is not None]
    top = _round_up(max([*(value for value in told if value is not None), (limit or 0) * 1.25, 1e-4]))
    box = _Box(width, height, 0.0, top)
    drawn = [*box.frame(title), *box.rates()]
    step = (box.right - box.left) / max(len(points), 1)
    paths: list[list[str]] = [[]]
    labels: list[str] = []
    for number, one in enumerate(points):
        x = box.left + step * (number + 0.5)
        for below, word in enumerate(one.label.split(" ")):
            drawn.append(_text(x, box.bottom + 14 + 10 * below, word, anchor="middle", size=8.5))
        if one.rate is None:
            drawn.append(_text(x, box.bottom - 5, "—", anchor="middle", size=9, fill=_QUIET))
            paths.append([])  # what is withheld is not drawn over
            continue
        y = box.y(one.rate)
        if one.low is not None and one.high is not None:
            drawn.append(_line(x, box.y(one.low), x, box.y(one.high), stroke=_QUIET, width=1.2))
        paths[-1].append(f"{x:.1f},{y:.1f}")
        fill = "#ffffff" if one.unfinished else _INK
        drawn.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{fill}" stroke="{_INK}" stroke-width="1"/>'
        )
        labels.append(_text(x + 5, y - 5, _percent(one.rate), size=8.5, halo=True))
    for path in paths:
        if len(path) > 1:
            joined = f'<polyline points="{" ".join(path)}" fill="none" stroke="{_INK}" stroke-width="1"/>'
            drawn.insert(3, joined)
    if limit is not None:
        y = box.y(limit)
        drawn.append(_line(box.left, y, box.right, y, stroke=_INK, width=1, dash="5 3"))
        drawn.append(_line(box.left, 26, box.left + 22, 26, stroke=_INK, width=1, dash="5 3"))
        drawn.append(_text(box.left + 27, 29, limit_words, size=8.5))
    return _svg(width, height, title, [*drawn, *labels])


def funnel(
    title: str, schools: Sequence[SchoolPoint], *, rate: float, along: str, words: Sequence[str],
    width: float = 340.0, height: float = 230.0,
) -> str:  # fmt: skip
    """Draw each school's rate over its students, with the limits within which chance alone leaves most.

    No school is named: what lies within the lines differs by chance, and a school outside is one to look at,
    not one to rank. Limits: normal, with 2 and 3.09 standard errors around the place's own rate (95 % and
    99.8 %).

    Source: D. J. Spiegelhalter (2005), Funnel plots for comparing institutional performance,
    Stat. Med. 24:1185-1202.
    """
    most = max([one.students for one in schools] or [1])
    right = _round_up(most * 1.05)
    smallest = max(min([one.students for one in schools] or [1]), 5)
    highest = max([one.leavers / one.students for one in schools if one.leavers is not None] or [rate])
    middle = sorted(one.students for one in schools)[len(schools) // 2] if schools else 1
    outer = rate + 3.09 * math.sqrt(rate * (1 - rate) / max(middle, 5))
    top = _round_up(min(max(highest * 1.1, outer * 1.3, rate * 2, 0.01), 1.0))
    box = _Box(width, height, 0.0, top)

    def x(students: float) -> float:
        return box.left + (box.right - box.left) * students / right

    drawn = [*box.frame(title), *box.rates()]
    for quantile, dash in ((3.09, "2 3"), (2.0, "5 3")):
        for sign in (1, -1):
            curve = []
            for n in range(81):
                students = max(smallest * 0.8, 2) + (right - max(smallest * 0.8, 2)) * (n / 80) ** 1.6
                value = rate + sign * quantile * math.sqrt(rate * (1 - rate) / students)
                if 0 <= value <= top:
                    curve.append(f"{x(students):.1f},{box.y(value):.1f}")
            if len(curve) > 1:
                drawn.append(
                    f'<polyline points="{" ".join(curve)}" fill="none" stroke="{_QUIET}" '
                    f'stroke-width="0.9" stroke-dasharray="{dash}"/>'
                )
    drawn.append(_line(box.left, box.y(rate), box.right, box.y(rate), stroke=_INK, width=1))
    drawn.append(_text(box.right, box.y(rate) - 4, _percent(rate), anchor="end", size=8.5))
    for one in sorted(schools, key=lambda one: one.students):
        at = x(one.students)
        if one.leavers is None:
            # Where it lies is not told: a tick under the axis says only that there is such a school.
            drawn.append(_line(at, box.bottom, at, box.bottom + 4, stroke=_QUIET, width=1))
        else:
            y = box.y(min(one.leavers / one.students, top))
            drawn.append(f'<circle cx="{at:.1f}" cy="{y:.1f}" r="2.6" fill="{_INK}" fill-opacity="0.65"/>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(
            _text(x(right * share), box.bottom + 13, f"{right * share:g}", anchor="middle", size=8.5)
        )
    drawn.append(_text(box.right, box.bottom + 26, along, anchor="end", size=8.5, fill=_QUIET))
    for number, sentence in enumerate(words):
        drawn.append(_text(box.left, box.bottom + 26 + 11 * number, sentence, size=8, fill=_QUIET))
    return _svg(width, height, title, drawn)


class _Box:
    """The field of a plot, and where a rate lies in it."""

    def __init__(self, width: float, height: float, low: float, top: float) -> None:
        self.left, self.right = _LEFT, width - _RIGHT
        self.top, self.bottom = _TOP, height - _BOTTOM
        self._low, self._top = low, top

    def y(self, rate: float) -> float:
        return self.bottom - (self.bottom - self.top) * (rate - self._low) / (self._top - self._low)

    def frame(self, title: str) -> list[str]:
        return [
            _text(4, 14, title, size=10.5),
            _line(self.left, self.bottom, self.right, self.bottom, stroke=_INK, width=1),
        ]

    def rates(self) -> list[str]:
        drawn = []
        for share in (0, 0.25, 0.5, 0.75, 1):
            value = self._low + (self._top - self._low) * share
            if share:
                drawn.append(
                    _line(self.left, self.y(value), self.right, self.y(value), stroke=_BAND, width=0.8)
                )
            drawn.append(_text(self.left - 5, self.y(value) + 3, _percent(value), anchor="end", size=8.5))
        return ["".join(drawn)]


def _round_up(value: float) -> float:
    """Return the next value that divides well by four."""
    power: float = 10.0 ** math.floor(math.log10(value))
    for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10):
        if step * power >= value * (1 - 1e-12):
            return step * power
    return 10 * power


def _percent(rate: float) -> str:
    return f"{rate * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _text(
    x: float, y: float, said: str, *, anchor: str = "start", size: float = 9.0, fill: str = _INK,
    halo: bool = False,
) -> str:  # fmt: skip
    around = ' stroke="#ffffff" stroke-width="2.5" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{fill}"{around}>'
        f"{escape(said)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, *, stroke: str, width: float, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def _svg(width: float, height: float, title: str, drawn: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title, {chr(34): "&quot;"})}" font-family="{_FONTS}">'
        + "".join(drawn)
        + "</svg>"
    )
