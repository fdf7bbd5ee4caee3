"""A periodic report of a place, composed from what is told: the same for screen, paper and workbook.

Places stand by name and never by a rate; schools are compared in a funnel plot only, without names. What is
named is what people do: whether a school's data are there, and whether the listed were contacted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from riskmodel.domain import Language
from riskmodel.official import AgainstTarget, By, OfficialFigure, Place, Ratio, Span, SpanKind, Target
from riskmodel.official_words import (
    distance_words,
    fault_words,
    formula_words,
    limit_words,
    percent,
    place_words,
    rate_words,
    span_words,
    target_words,
)
from riskmodel.reports.done import done_sections
from riskmodel.reports.page import Lines, Page, Plots, Section, Table, rows
from riskmodel.reports.plots import Point, SchoolPoint, funnel, trend
from riskmodel.reports.told import ReportKind, Told
from riskmodel.wording import has, text
from riskmodel.wording.statements import format_date, grade_name

STAGES = ("primary", "junior")
FEWEST_POINTS = 5
"""Of fewer schools a funnel shows no pattern."""
_LEAVING = "dropout_rate"
_WHO = ("sex", "group")
Say = Callable[..., str]


def report_page(told: Told, kind: ReportKind, place: Place, language: Language) -> Page:
    """Compose the report of a kind about a place."""
    say: Say = partial(_say, language)
    composer = _Composer(told, place, language, say, yearly=kind == "province")
    sections = (
        composer.targets(), composer.others(), composer.trends(), composer.parts(), composer.schools(),
        composer.groups(), composer.reasons(), composer.grades(), composer.faults(),
        *done_sections(told, kind, place, language), composer.definitions(),
    )  # fmt: skip
    name = composer.name(place)
    since = told.since
    below = [say("known", day=format_date(told.as_of_date, language))]
    below += [say("since", day=format_date(since, language))] if since else [say("first")]
    return Page(language, say(f"titles.{kind}", place=name), say("separator").join(below), sections,
                composer.figures())  # fmt: skip


def _say(language: Language, code: str, **slots: object) -> str:
    return text(f"periodic.{code}", language, **slots)


class _Composer:
    """The sections about rates."""

    def __init__(self, told: Told, place: Place, language: Language, say: Say, *, yearly: bool) -> None:
        self.told, self.place, self.language, self.say = told, place, language, say
        self.yearly = yearly

    def name(self, place: Place) -> str:
        return place_words(place, self.language, school=self.told.names.get(place.school_id, ""))

    def figure(
        self, formula: str, span: Span | None, place: Place, *, by: By = "all", stage: str = "",
        value: str = "",
    ) -> OfficialFigure | None:  # fmt: skip
        if span is None:
            return None
        return self.told.figures.get((formula, span.name, span.kind, place, by, stage, value))

    def of_target(self, target: Target, place: Place) -> OfficialFigure | None:
        kind: SpanKind = "within_year" if target.formula.startswith("yearly") else "year"
        by: By = "stage" if target.stage else "all"
        spans = [span for span in self.told.spans if span.kind == kind]
        if not target.formula.startswith("nine"):
            spans = spans[-1:]
        # The class that finished grade 9 last: that of the running year has not yet.
        told = (self.figure(target.formula, span, place, by=by, stage=target.stage)
                for span in reversed(spans))  # fmt: skip
        return next((one for one in told if one is not None), None)

    def targets(self) -> Section:
        """Tell actual beside target, what changed, and what stands in no rate."""
        lines = []
        for target in self.told.targets:
            figure = self.of_target(target, self.place)
            if figure is None and self.place.level == "school":
                continue  # another stage's, or of a catchment: not asked of a school
            if figure is None:
                why = "nine_years_missing" if target.formula.startswith("nine") else "register_missing"
                why = why if target.formula.startswith(("nine", "enrol", "dis")) else "nobody"
                lines.append((target_words(target, self.language), limit_words(target, self.language),
                              self.say(why), "", "", "", ""))  # fmt: skip
                continue
            distance = None
            if figure.numerator is not None and figure.denominator is not None:
                distance = target.distance(Ratio(figure.numerator, figure.denominator))
            one = AgainstTarget(target, figure, distance)
            name, latest = target_words(target, self.language), self.told.latest(figure.span.kind)
            if latest is not None and figure.span.name != latest.name:
                name = self.say("of_span", what=name, span=span_words(figure.span, self.language))
            lines.append((
                name, limit_words(target, self.language),
                self.mark(figure) + self.said(figure), self.counts(figure),
                distance_words(one, self.language), self.change(figure), self.beside(figure),
            ))  # fmt: skip
        head = tuple(self.say(f"heads.{name}") for name in
                     ("target", "asked", "actual", "counts", "distance", "change", "beside"))  # fmt: skip
        span = self.told.latest("year")
        notes = [self.say("span", span=span_words(span, self.language))] if span else []
        notes.append(self.say("mark_meaning"))
        return Section(
            self.say("sections.targets"), (Table(head, rows(lines), prose=True), Lines(tuple(notes)))
        )

    def others(self) -> Section:
        """Tell the official rates that no target asks about: both formulas, raw and corrected."""
        asked = {(target.formula, target.stage) for target in self.told.targets}
        latest = {(span.name, span.kind) for kind in ("year", "within_year")
                  if (span := self.told.latest(kind))}  # fmt: skip
        own = [
            one for one in self.told.by_place.get(self.place, ())
            if (one.span.name, one.span.kind) in latest
            and one.by in ("all", "stage") and (one.formula, one.stage) not in asked
        ]  # fmt: skip
        staged = {one.formula for one in own if one.stage} | {target.formula for target in self.told.targets}
        lines = [
            (formula_words(one.formula, one.version, self.language), self.say(f"stages.{one.stage or 'all'}"),
             self.mark(one) + self.said(one), self.counts(one), self.beside(one))
            for one in sorted(own, key=lambda one: (one.formula, one.stage != "primary"))
            if one.stage or one.formula not in staged
        ]  # fmt: skip
        head = tuple(self.say(f"heads.{name}") for name in ("target", "which", "actual", "counts", "beside"))
        return Section(self.say("sections.others"), (Table(head, rows(lines), prose=True),))

    def said(self, figure: OfficialFigure) -> str:
        return self.say("withheld") if figure.hidden else rate_words(figure, self.language)

    def counts(self, figure: OfficialFigure) -> str:
        if figure.numerator is None:
            return self.say(
                "of_withheld", below=figure.denominator if figure.denominator is not None else "—"
            )
        return f"{figure.numerator:,} / {figure.denominator or 0:,}"

    def beside(self, figure: OfficialFigure) -> str:
        said = []
        register = figure.formula.startswith(("enrol", "dis"))
        nine = figure.formula.startswith("nine")
        for attribute in ("unaccounted", "already_gone"):
            count = getattr(figure, attribute)
            name = "not_found" if register and attribute == "unaccounted" else attribute
            if count is None and not nine and not (register and attribute == "already_gone"):
                said.append(self.say(f"{name}_withheld"))
            elif count:
                said.append(self.say(name, students=count))
        return self.say("separator").join(said) or self.say("none")

    def change(self, figure: OfficialFigure) -> str:
        former = self.former(figure)
        if former is None or former.rate is None or figure.rate is None:
            return "—"
        points, students = figure.rate - former.rate, (figure.numerator or 0) - (former.numerator or 0)
        if not points and not students:
            return self.say("unchanged")
        return self.say("change", change=("+" if points > 0 else "") + percent(points),
                        students=f"{students:+d}".replace("-", "−"))  # fmt: skip

    def former(self, figure: OfficialFigure) -> OfficialFigure | None:
        """Find a figure as the last report told it: of the same span, or (yearly) of the year before."""
        alike = [
            one for one in self.told.before_by_place.get(figure.place, ())
            if (one.formula, one.by, one.stage, one.value, one.span.kind)
            == (figure.formula, figure.by, figure.stage, figure.value, figure.span.kind)
        ]  # fmt: skip
        same = [one for one in alike if one.span.name == figure.span.name]
        if same or not self.yearly:
            return same[0] if same else None
        return max(alike, key=lambda one: one.span.first_day, default=None)

    def mark(self, figure: OfficialFigure) -> str:
        return "※ " if (figure.place, figure.span.name) in self.told.doubted else ""

    def trends(self) -> Section:
        """Draw school years beside the target, and terms, which have none of their own."""
        drawn = []
        for target in self.told.targets:
            if target.formula != _LEAVING or target.at_most is None:
                continue
            for kind in ("year", "term"):
                points = [self._point(span, target) for span in self.told.spans if span.kind == kind][-6:]
                if not any(one.rate is not None for one in points):
                    continue
                limit = float(target.at_most) if kind == "year" else None
                drawn.append(trend(
                    self.say(f"plots.by_{kind}", what=target_words(target, self.language)), points,
                    limit=limit, limit_words=limit_words(target, self.language),
                ))  # fmt: skip
        notes = (self.say("trend_meaning"),) if drawn else ()
        return Section(self.say("sections.trends"), (Plots(tuple(drawn)), Lines(notes)))

    def _point(self, span: Span, target: Target) -> Point:
        figure = self.figure(target.formula, span, self.place, by="stage", stage=target.stage)
        name = span.name if span.kind == "year" else self._term(span)
        if figure is None or figure.rate is None:
            return Point(name, None)
        low, high = figure.interval or (None, None)
        return Point(name, figure.rate, low, high, unfinished=not span.complete)

    def _term(self, span: Span) -> str:
        told = re.fullmatch(r"(\d{4})-(\d{4})-([12])", span.name)
        if told is None:
            return span.name
        return self.say(f"terms.{told[3]}", year=told[int(told[3])][2:])

    def parts(self) -> Section:
        """List the places that this one is made of, by name: counts, and rates with their intervals."""
        span, lines = self.told.latest("year"), []
        for part in self.told.parts(self.place):
            line = [self.name(part)]
            for stage in STAGES:
                figure = self.figure(_LEAVING, span, part, by="stage", stage=stage)
                line += ["—", "—"] if figure is None else [f"{figure.denominator or 0:,}", self._rate(figure)]
            whole = self.figure(_LEAVING, span, part)
            line.append("—" if whole is None else self.beside(whole))
            lines.append(tuple(line))
        head = ("place", "primary_students", "primary_rate", "junior_students", "junior_rate", "beside")
        table = Table(tuple(self.say(f"heads.{name}") for name in head), rows(lines), prose=True)
        notes = (self.say("by_name"), self.say("few", below=self.told.few_below)) if lines else ()
        return Section(self.say("sections.parts"), (table, Lines(notes)))

    def _rate(self, figure: OfficialFigure) -> str:
        little = not figure.hidden and (figure.denominator or 0) < self.told.few_below
        few = self.say("few_mark") if little else ""
        return self.mark(figure) + self.said(figure) + few

    def schools(self) -> Section:
        """Draw all schools of the place in a funnel, without names."""
        if self.place.level == "school":
            return Section("", ())
        span, drawn, few = self.told.latest("year"), [], False
        for stage in STAGES:
            own = self.figure(_LEAVING, span, self.place, by="stage", stage=stage)
            points = []
            for school in self.told.within(self.place):
                figure = self.figure(_LEAVING, span, self.told.places[school], by="stage", stage=stage)
                if figure is not None and figure.denominator:
                    points.append(self._school_point(figure))
            if own is None or own.rate is None or len(points) < FEWEST_POINTS:
                continue
            if sum(one.leavers is not None for one in points) < FEWEST_POINTS:
                few = True  # an empty field says nothing
                continue
            words = (self.say("plots.hidden_schools"),)
            drawn.append(funnel(self.say(f"plots.funnel_{stage}"), points, rate=max(own.rate, 1e-4),
                                along=self.say("plots.students"), words=words))  # fmt: skip
        notes = [self.say("funnel_meaning")] if drawn else []
        notes += [self.say("funnel_few", least=FEWEST_POINTS)] if few else []
        return Section(self.say("sections.schools"), (Plots(tuple(drawn)), Lines(tuple(notes))))

    def _school_point(self, figure: OfficialFigure) -> SchoolPoint:
        return SchoolPoint(figure.denominator or 0, figure.numerator)

    def groups(self) -> Section:
        """Tell who: by sex and by group."""
        span, lines = self.told.latest("year"), []
        kinds = {(key[4], key[6]) for key in self.told.figures if key[3] == self.place and key[4] in _WHO}
        for by, value in sorted(kinds, key=lambda kind: (kind[0] != "sex", kind[1])):
            line = [self.say(f"values.{value}")]
            for stage in STAGES:
                one = self.figure(_LEAVING, span, self.place, by=by, stage=stage, value=value)
                line += ["—", "—"] if one is None else [self._students(one), self._rate(one)]
            lines.append(tuple(line))
        head = ("group", "primary_students", "primary_rate", "junior_students", "junior_rate")
        notes = (self.say("groups_meaning"),) if lines else ()
        table = Table(tuple(self.say(f"heads.{name}") for name in head), rows(lines))
        return Section(self.say("sections.groups"), (table, Lines(notes)))

    def _students(self, figure: OfficialFigure) -> str:
        return self.say("withheld") if figure.denominator is None else f"{figure.denominator:,}"

    def reasons(self) -> Section:
        """Count by what the ledger names as the reason."""
        span, lines = self.told.latest("year"), []
        for key, figure in self.told.figures.items():
            if span and key[:5] == (_LEAVING, span.name, span.kind, self.place, "reason"):
                code = f"periodic.reasons.{figure.value or 'not_told'}"
                name = text(code, self.language) if has(code, self.language) else figure.value
                count = self.say("withheld") if figure.numerator is None else f"{figure.numerator:,}"
                lines.append((name, count))
        head = (self.say("heads.reason"), self.say("heads.leavers"))
        return Section(self.say("sections.reasons"), (Table(head, rows(sorted(lines))),))

    def grades(self) -> Section:
        """Tell the yearly retention of each grade, raw and corrected for moves."""
        span, lines = self.told.latest("within_year"), []
        for grade in range(1, 10):
            stage = "primary" if grade <= 6 else "junior"
            told = [self.figure(name, span, self.place, by="grade", stage=stage, value=str(grade))
                    for name in ("yearly_retention", "yearly_retention_corrected")]  # fmt: skip
            if any(told):
                students = next(f"{one.denominator or 0:,}" for one in told if one is not None)
                lines.append((grade_name(grade, self.language), students,
                              *("—" if one is None else self._rate(one) for one in told)))  # fmt: skip
        head = tuple(
            self.say(f"heads.{name}") for name in ("grade", "students", "retention", "retention_corrected")
        )
        notes = (self.say("over_one"),) if lines else ()
        return Section(self.say("sections.grades"), (Table(head, rows(lines)), Lines(notes)))

    def faults(self) -> Section:
        """List what is wrong with the counts themselves."""
        own = set(self.told.within(self.place))
        latest = {span.name for kind in ("year", "term") if (span := self.told.latest(kind))}
        lines = [
            fault_words(fault, self.language, self.told.names) for fault in self.told.faults
            if latest & set(fault.spans) and (not fault.school_id or {fault.school_id, fault.beside} & own)
        ]  # fmt: skip
        return Section(self.say("sections.faults"), (Lines(tuple(lines) or (self.say("no_faults"),)),))

    def definitions(self) -> Section:
        """Tell which formulas are meant."""
        named = dict.fromkeys(
            (figure.formula, figure.version)
            for figure in self.told.figures.values()
            if figure.place == self.place
        )
        lines = [formula_words(*one, self.language) for one in named]
        lines.append(self.say("hidden_meaning", most=self.told.hide_below - 1))
        return Section(self.say("sections.definitions"), (Lines(tuple(lines)),))

    def figures(self) -> Table:
        """List every figure of the place as numbers, for the workbook."""
        head = ("formula", "span", "kind", "by", "stage", "value", "numerator", "denominator", "rate", "low",
                "high", "unaccounted", "already_gone")  # fmt: skip
        lines = []
        for figure in self.told.figures.values():
            if figure.place == self.place:
                low, high = figure.interval or (None, None)
                lines.append((figure.formula, figure.span.name, figure.span.kind, figure.by, figure.stage,
                              figure.value, figure.numerator, figure.denominator, figure.rate, low, high,
                              figure.unaccounted, figure.already_gone))  # fmt: skip
        told = tuple(tuple("" if one is None else str(one) for one in line) for line in lines)
        return Table(tuple(self.say(f"heads.{name}") for name in head), told)
