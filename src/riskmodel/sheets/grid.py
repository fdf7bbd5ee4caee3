"""The picture of "N of 100": a ten by ten grid of dots, one drawing for HTML and PDF."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_INK, _PALE, _PAPER = "#141414", "#787878", "#ffffff"
_DOT = "h.01"
_LEFT_HALF = "a3.5 3.5 0 0 0 0 7z"


@lru_cache(maxsize=256)
def hundred(low: int, high: int) -> str:
    """Draw 100 dots as SVG: `low` of them filled, half filled up to `high`, the others open.

    Half a dot for each student within the range of error makes the ink about that of the estimate. A dot is
    the round end of a line, and an open one has paper upon it: arcs would be half of a sheet's bytes as PDF.
    """
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" aria-hidden="true"'
        ' fill="none" stroke-linecap="round" stroke-width="7.7">'
        f'<path class="stayed" stroke="{_PALE}" d="{_dots(range(high, 100), 5, _DOT)}"/>'
        f'<path class="ring" stroke="{_INK}" d="{_dots(range(high), 5, _DOT)}"/>'
        f'<path class="open" stroke="{_PAPER}" stroke-width="6.3" d="{_dots(range(low, 100), 5, _DOT)}"/>'
        f'<path class="error" stroke="none" fill="{_INK}" d="{_dots(range(low, high), 1.5, _LEFT_HALF)}"/>'
        "</svg>"
    )


def _dots(numbers: Iterable[int], top: float, shape: str) -> str:
    return "".join(f"M{5 + 10 * (number % 10)} {top + 10 * (number // 10):g}{shape}" for number in numbers)
