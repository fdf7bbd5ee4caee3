"""The picture of "N of 100": a ten by ten grid of dots, one drawing for HTML and PDF."""

from __future__ import annotations

from functools import lru_cache

_INK, _PALE = "#141414", "#787878"
_RADIUS = 3.5


@lru_cache(maxsize=256)
def hundred(low: int, high: int) -> str:
    """Draw 100 dots as SVG: `low` of them filled, half filled up to `high`, the others open.

    Half a dot for each student within the range of error makes the ink about that of the estimate.
    """
    dots = "".join(_dot(number, low, high) for number in range(100))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" aria-hidden="true">{dots}</svg>'


def _dot(number: int, low: int, high: int) -> str:
    x, y = 5 + 10 * (number % 10), 5 + 10 * (number // 10)
    fill = _INK if number < low else "none"
    stroke = _INK if number < high else _PALE
    ring = f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="{fill}" stroke="{stroke}" stroke-width="0.7"/>'
    if not low <= number < high:
        return ring
    half = f"M{x} {y - _RADIUS}a{_RADIUS} {_RADIUS} 0 0 0 0 {2 * _RADIUS}z"
    return f'{ring}<path d="{half}" fill="{_INK}"/>'
