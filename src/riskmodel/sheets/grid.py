"""The picture of "N of 100": a ten by ten grid of dots, one drawing for HTML and PDF."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_INK, _PALE = "#141414", "#787878"
_CIRCLE = "a3.5 3.5 0 0 0 0 7a3.5 3.5 0 0 0 0-7z"
_LEFT_HALF = "a3.5 3.5 0 0 0 0 7z"


@lru_cache(maxsize=256)
def hundred(low: int, high: int) -> str:
    """Draw 100 dots as SVG: `low` of them filled, half filled up to `high`, the others open.

    Half a dot for each student within the range of error makes the ink about that of the estimate.
    """
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" aria-hidden="true"'
        ' fill="none" stroke-width="0.7">'
        f'<path class="stayed" stroke="{_PALE}" d="{_dots(range(high, 100), _CIRCLE)}"/>'
        f'<path class="ring" stroke="{_INK}" d="{_dots(range(high), _CIRCLE)}"/>'
        f'<path class="left" fill="{_INK}" d="{_dots(range(low), _CIRCLE)}"/>'
        f'<path class="error" fill="{_INK}" d="{_dots(range(low, high), _LEFT_HALF)}"/>'
        "</svg>"
    )


def _dots(numbers: Iterable[int], shape: str) -> str:
    return "".join(f"M{5 + 10 * (number % 10)} {1.5 + 10 * (number // 10)}{shape}" for number in numbers)
