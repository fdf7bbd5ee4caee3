"""Official figures put into words: places, spans, rates, and how far from the target in students."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from riskmodel.domain import Language
from riskmodel.official import AgainstTarget, Fault, OfficialFigure, Place, Span, Target
from riskmodel.wording import has, text
from riskmodel.wording.statements import format_date, term_name


def place_words(place: Place, language: Language, *, school: str = "") -> str:
    """Say a place; the region is everything that the records hold."""
    if place.level == "region":
        return text("indicators.levels.region", language)
    return school or place.school_id or place.township or place.county or text("values.not_known", language)


def span_words(span: Span, language: Language) -> str:
    """Say a span, and up to when it is told where it has not ended."""
    if span.kind == "term":
        name = term_name(span.name, language)
    else:
        name = text("indicators.school_year", language, year=span.name)
    if span.complete:
        return name
    return text("indicators.so_far", language, span=name, day=format_date(span.last_day, language))


def target_words(target: Target, language: Language) -> str:
    """Say the name of a target."""
    return (target.texts or {}).get(language) or target.name


def limit_words(target: Target, language: Language) -> str:
    """Say what a target asks."""
    if target.at_most is not None:
        return text("indicators.at_most", language, share=percent(target.at_most))
    return text("indicators.at_least", language, share=percent(target.at_least or Fraction(0)))


def percent(share: float | Fraction | None, places: int = 2) -> str:
    """Write a share in per cent, halves rounded away from zero and no zeros at the end: "0.6%", "101.25%"."""
    if share is None:
        return "—"
    exact = Fraction(share) if isinstance(share, Fraction) else Fraction(Decimal(repr(share)))
    number = Decimal(exact.numerator * 100) / Decimal(exact.denominator)
    said = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    plain = f"{abs(said):f}".rstrip("0").rstrip(".") if places else f"{abs(said):f}"
    return f"{'−' if said < 0 else ''}{plain}%"


def rate_words(figure: OfficialFigure, language: Language) -> str:
    """Say a rate with its interval; hidden ones say so."""
    if figure.hidden:
        return text("indicators.withheld", language)
    if figure.rate is None:
        return text("values.not_known", language)
    interval = figure.interval
    if interval is None:
        return percent(figure.rate)
    return text(
        "indicators.rate",
        language,
        rate=percent(figure.rate),
        low=percent(interval[0]),
        high=percent(interval[1]),
    )


def distance_words(one: AgainstTarget, language: Language) -> str:
    """Say how far from the target, in students: "3 more leavers pass 1.8 %"."""
    if one.distance is None:
        return "—" if one.figure.hidden else text("values.not_known", language)
    limit = one.target.at_most if one.target.at_most is not None else one.target.at_least
    way = "at_most" if one.target.at_most is not None else "at_least"
    state = "met" if one.distance >= 0 else "missed"
    count = one.distance + 1 if one.distance >= 0 else -one.distance
    return text(f"indicators.distance.{way}_{state}", language, students=count, limit=percent(limit))


def figure_words(one: AgainstTarget, language: Language) -> str:
    """Say rate, target, distance and what is in no rate."""
    figure = one.figure
    said = [rate_words(figure, language), limit_words(one.target, language)]
    said += [] if figure.hidden else [distance_words(one, language)]
    register = figure.formula.startswith(("enrol", "dis"))
    for attribute in ("unaccounted", "already_gone"):
        count = getattr(figure, attribute)
        name = "not_found" if register and attribute == "unaccounted" else attribute
        if count:
            said.append(text(f"indicators.beside.{name}", language, students=count))
        elif count is None and not (register and name == "already_gone"):
            said.append(text(f"indicators.beside.{name}_withheld", language))
    return text("indicators.separator", language).join(said)


def formula_words(name: str, version: str, language: Language) -> str:
    """Say the name of a formula, with its version."""
    code = f"indicators.formulas.{name}"
    return f"{text(code, language) if has(code, language) else name} ({version})"


def fault_words(fault: Fault, language: Language, names: Mapping[str, str] | None = None) -> str:
    """Say what is wrong with a count, and of which school; `names` by school id where they are to be said."""
    known = names or {}
    return text(
        f"indicators.faults.{fault.code}",
        language,
        day=format_date(fault.day, language),
        school=known.get(fault.school_id, fault.school_id),
        beside=known.get(fault.beside, fault.beside),
        students=fault.students,
    )
