"""Figures as they may be shown to others: small counts withheld, and what would give them away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from riskmodel.hiding import Sum, withheld
from riskmodel.indicators.formulas import FORMULA
from riskmodel.official import LEVELS, By, IndicatorRule, OfficialFigure, Place

Key = tuple[Place, By, str, str]
_HEADS_ONLY = frozenset({"yearly_retention", "nine_year_retention", "enrolment_rate_counted"})
"""Rates of heads on two days: what is missing to the denominator is nobody in particular."""
_OF_PEOPLE = frozenset({"sex", "group"})
"""Slices whose very size tells of people."""


def shown(
    found: Iterable[OfficialFigure], rule_of: Callable[[OfficialFigure], IndicatorRule]
) -> list[OfficialFigure]:
    """Return the figures with what others may not see left out, in the order given."""
    found = list(found)
    tables: dict[tuple[str, str, str], list[OfficialFigure]] = defaultdict(list)
    for figure in found:
        tables[figure.formula, figure.span.name, figure.span.kind].append(figure)
    told: dict[int, OfficialFigure] = {}
    for table in tables.values():
        told |= _table(table, rule_of(table[0]).hide_below)
    return [told[id(figure)] for figure in found]


def key_of(figure: OfficialFigure) -> Key:
    """Return what tells a figure from others of its formula and span."""
    return figure.place, figure.by, figure.stage, figure.value


def small_count(figure: OfficialFigure) -> int | None:
    """Return the count by which few people could be known: the leavers, or those missing to the whole."""
    if figure.numerator is None:
        return None
    if FORMULA[figure.formula].adverse:
        return figure.numerator
    if figure.formula in _HEADS_ONLY or figure.denominator is None:
        return 0
    return figure.denominator - figure.numerator


def sums_of(table: Sequence[OfficialFigure]) -> list[Sum[Key]]:
    """Tell how the cells of one formula and span are tied: by places, and by slices of a place."""
    there = {key_of(figure) for figure in table}
    parts: dict[Key, list[Key]] = defaultdict(list)
    kinds: dict[tuple[Key, str], list[Key]] = defaultdict(list)
    for key in there:
        place, by, stage, value = key
        upper = _above(place)
        if upper is not None and (upper, by, stage, value) in there:
            parts[upper, by, stage, value].append(key)
        total = _total(key)
        if total != key and total in there:
            kinds[total, by].append(key)
    sums = [Sum(total, tuple(sorted(own, key=repr))) for total, own in parts.items()]
    sums += [Sum(total, tuple(sorted(own, key=repr))) for (total, by), own in kinds.items() if by != "group"]
    return sorted(sums, key=repr)


def _table(table: Sequence[OfficialFigure], below: int) -> dict[int, OfficialFigure]:
    told = {}
    for one in table:
        if _too_fine(one):
            # Heads on two days name nobody; who is missing between them may.
            heads = one.formula in _HEADS_ONLY
            told[id(one)] = replace(
                one, numerator=one.numerator if heads else None, unaccounted=None, already_gone=None,
                hidden=not heads,
            )  # fmt: skip
    return _tied_table([one for one in table if not _too_fine(one)], below) | told


def _too_fine(figure: OfficialFigure) -> bool:
    """Tell what is counted for the data team only: a grade, a sex or a group of a township or school.

    Those who left are a handful there, known to everybody, and would take whole tables with them.
    """
    return figure.place.level in ("township", "school") and figure.by not in ("all", "stage")


def _tied_table(table: Sequence[OfficialFigure], below: int) -> dict[int, OfficialFigure]:
    by_key = {key_of(figure): figure for figure in table}
    sums = sums_of(table)
    small = {key: small_count(figure) or 0 for key, figure in by_key.items()}
    tight = {
        key for key in by_key if key[1] == "group" and 0 < small.get(_total(key), 0) - small[key] < below
    }
    sizes = {key: figure.denominator or 0 for key, figure in by_key.items()}
    people = {key: size if key[1] in _OF_PEOPLE else 0 for key, size in sizes.items()}
    hidden = withheld(small, sums, below=below, also=tight, worth=_worth)
    of_people = [one for one in sums if one.total[1] in _OF_PEOPLE]
    unsaid = withheld(people, of_people, below=below, worth=_worth)
    apart = {}
    for name in ("unaccounted", "already_gone"):
        counts = {key: getattr(figure, name) or 0 for key, figure in by_key.items()}
        apart[name] = withheld(counts, sums, below=below, worth=_worth)
    return {
        id(figure): replace(
            figure,
            numerator=None if key in hidden or key in unsaid else figure.numerator,
            denominator=None if key in unsaid else figure.denominator,
            unaccounted=None if key in apart["unaccounted"] else figure.unaccounted,
            already_gone=None if key in apart["already_gone"] else figure.already_gone,
            hidden=key in hidden or key in unsaid,
        )
        for key, figure in by_key.items()
    }


def _worth(key: Key) -> int:
    """Rank cells: the wider the place the dearer, and of a place its stages, which the plan asks about."""
    place, by, _, _ = key
    return -3 * LEVELS.index(place.level) + {"stage": 2, "all": 1}.get(by, 0)


def _above(place: Place) -> Place | None:
    if place.level == "school":
        return Place("township", place.county, place.township)
    if place.level == "township":
        return Place("county", place.county)
    return Place("region") if place.level == "county" else None


def _total(key: Key) -> Key:
    place, by, stage, _ = key
    if by in ("grade", "sex", "group") and stage:
        return place, "stage", stage, ""
    return place, "all", "", ""
