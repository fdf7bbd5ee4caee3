"""What a periodic report is told: figures as others may see them, coverage of the data, what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from riskmodel.official import By, Fault, Level, OfficialFigure, Place, Span, SpanKind, Target

ReportKind = Literal["school", "county", "prefecture", "province"]
KINDS: tuple[ReportKind, ...] = ("school", "county", "prefecture", "province")
"""Monthly, quarterly, once per term, once per year (教基厅函〔2024〕15号, 四个一)."""
LEVEL_OF: Mapping[ReportKind, Level] = {
    "school": "school", "county": "county", "prefecture": "region", "province": "region",
}  # fmt: skip

FigureKey = tuple[str, str, SpanKind, Place, By, str, str]


@dataclass(frozen=True)
class Covered:
    """What is there of a school in the term of the day; None where no such table was delivered."""

    school_id: str
    students: int
    school_days: int
    reported_days: int | None
    with_marks: int | None
    silent: bool


@dataclass(frozen=True)
class Work:
    """What was done for the listed students of a school since the set was published.

    `contacted`: of the listed, those for whom something was done (contact, visit, aid, hours); `aided`: those
    who were given aid or hours; `visits` and `aid` count actions of any student in the report's months.
    """

    school_id: str
    listed: int
    contacted: int
    aided: int
    visits: int
    aid: int
    hours: float


@dataclass(frozen=True)
class Told:
    """Everything that reports of one day are made of.

    Attributes
    ----------
    figures, before
        As others may see them, on the day and on the day of the last report.
    doubted
        Places and names of spans that a fault touches.
    work
        None where nothing was ever published: then nobody was listed.
    expected
        Students who are expected and not there, by school and reason.
    ledgers
        Cases by school, township, ledger and state, as written down by the day; None where there is no store.
    """

    as_of_date: date
    since: date | None
    spans: tuple[Span, ...]
    figures: Mapping[FigureKey, OfficialFigure]
    before: Mapping[FigureKey, OfficialFigure]
    targets: tuple[Target, ...]
    few_below: int
    hide_below: int
    faults: tuple[Fault, ...]
    doubted: frozenset[tuple[Place, str]]
    places: Mapping[str, Place]
    names: Mapping[str, str]
    covered: tuple[Covered, ...]
    work: tuple[Work, ...] | None
    expected: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ledgers: Mapping[tuple[str, str, str, str], int] | None = None

    @cached_property
    def by_place(self) -> Mapping[Place, Sequence[OfficialFigure]]:
        """The figures of each place."""
        return _by_place(self.figures.values())

    @cached_property
    def before_by_place(self) -> Mapping[Place, Sequence[OfficialFigure]]:
        """The figures of each place as the last report told them."""
        return _by_place(self.before.values())

    def within(self, place: Place) -> list[str]:
        """Return the schools of a place, by id."""
        return sorted(
            school for school, own in self.places.items()
            if place.level == "region"
            or (place.level == "county" and own.county == place.county)
            or (place.level == "township" and (own.county, own.township) == (place.county, place.township))
            or (place.level == "school" and school == place.school_id)
        )  # fmt: skip

    def parts(self, place: Place) -> list[Place]:
        """Return the places that a place is made of, by name: never by a rate."""
        if place.level == "region":
            return [Place("county", name) for name in sorted({own.county for own in self.places.values()})]
        if place.level == "county":
            names = {own.township for own in self.places.values() if own.county == place.county}
            return [Place("township", place.county, name) for name in sorted(names)]
        return []

    def latest(self, kind: SpanKind) -> Span | None:
        """Return the span of a kind that began last."""
        of_kind = [span for span in self.spans if span.kind == kind]
        return of_kind[-1] if of_kind else None


def _by_place(figures: Iterable[OfficialFigure]) -> Mapping[Place, Sequence[OfficialFigure]]:
    found: dict[Place, list[OfficialFigure]] = {}
    for one in figures:
        found.setdefault(one.place, []).append(one)
    return found


def by_key(found: Iterable[OfficialFigure]) -> dict[FigureKey, OfficialFigure]:
    """Index figures by what tells them apart."""
    return {
        (one.formula, one.span.name, one.span.kind, one.place, one.by, one.stage, one.value): one
        for one in found
    }
