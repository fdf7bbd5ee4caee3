"""Actual beside target, and the distance in students."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from riskmodel.official import AgainstTarget, OfficialFigure, Ratio, Target


def against(found: Iterable[OfficialFigure], targets: Sequence[Target]) -> Iterator[AgainstTarget]:
    """Yield every figure of a school year that a target in force on the span's last day asks about."""
    asked: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        asked.setdefault((target.formula, target.stage), []).append(target)
    for figure in found:
        if figure.by != ("stage" if figure.stage else "all") or figure.span.kind == "term":
            continue
        for target in asked.get((figure.formula, figure.stage), []):
            if target.holds_on(figure.span.last_day):
                yield AgainstTarget(target, figure, _distance(target, figure))


def _distance(target: Target, figure: OfficialFigure) -> int | None:
    if figure.numerator is None or figure.denominator is None:
        return None
    return target.distance(Ratio(figure.numerator, figure.denominator))
