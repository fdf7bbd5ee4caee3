"""What others see of a county with small schools: a school's few are hidden, the county's rate is not."""

from __future__ import annotations

from datetime import date

from riskmodel.indicators.showing import shown, sums_of
from riskmodel.official import By, IndicatorRule, OfficialFigure, Place, Span

RULE = IndicatorRule(version="test", valid_from=date(2000, 1, 1), source="a test", hide_below=5)
YEAR = Span("2024-2025", "year", date(2024, 10, 1), date(2025, 10, 1), True)
LEFT = {
    "a": ("东乡", {"junior": 14, "primary": 2}), "b": ("东乡", {"primary": 5}), "c": ("东乡", {"primary": 7}),
    "d": ("西乡", {"junior": 14}), "e": ("西乡", {"primary": 4}), "f": ("西乡", {"primary": 6}),
}  # fmt: skip
"""Leavers of each school by stage. A nine-year school has two of the lower one."""


def figures() -> list[OfficialFigure]:
    places: dict[Place, dict[str, int]] = {}
    for school, (township, stages) in LEFT.items():
        for place in (Place("region"), Place("county", "甲县"), Place("township", "甲县", township),
                      Place("school", "甲县", township, school)):  # fmt: skip
            counts = places.setdefault(place, {})
            for stage, left in stages.items():
                counts[stage] = counts.get(stage, 0) + left
    cells: list[tuple[Place, By, str, int]] = []
    for place, counts in places.items():
        cells += [
            (place, "all", "", sum(counts.values())),
            *((place, "stage", *one) for one in counts.items()),
        ]
    return [OfficialFigure("dropout_rate", "v1", YEAR, place, by, stage, "", left, 300, 0, 0)
            for place, by, stage, left in cells]  # fmt: skip


def test_a_countys_rates_stand_where_finer_ones_can_be_withheld_instead() -> None:
    told = {(one.place, one.stage): one for one in shown(figures(), lambda _: RULE)}
    for place in (Place("region"), Place("county", "甲县")):
        assert [told[place, stage].numerator for stage in ("", "junior", "primary")] == [52, 28, 24]
    for school, stage in (("a", "primary"), ("a", ""), ("e", "primary"), ("e", "")):
        of = Place("school", "甲县", LEFT[school][0], school)
        assert told[of, stage].hidden


def test_no_figure_is_tied_to_itself() -> None:
    ties = sums_of(figures())
    assert len(ties) > 10
    assert all(one.total not in one.parts for one in ties)
