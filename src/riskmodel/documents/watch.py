"""The page of `riskmodel monitor`: what changed, means, who owns it, what to do; what was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from riskmodel.documents.page import Lines, Section, Table, to_html
from riskmodel.domain import Language
from riskmodel.evaluation.drift import LISTED, RISK, Alarm, Change, Kind
from riskmodel.evaluation.groups import SMALL_CELL
from riskmodel.evaluation.promises import ByHelp, ServedJudged
from riskmodel.evaluation.report import figure
from riskmodel.figures import Interval
from riskmodel.wording import has, text

MOST_FEATURES = 5
"""Features that an alarm names; the others are counted."""
NOTABLE = 15
"""Rows of the table of what moved most."""


@dataclass(frozen=True)
class Watched:
    """What was watched on a day.

    Attributes
    ----------
    earlier
        The same week of earlier terms, the latest first.
    learnt
        As-of dates that the model in use learnt from.
    schools
        Names by id.
    coverage
        By source, the share of its features that are known: now, and on each of `earlier`.
    school_coverage
        By school and source, now.
    """

    set_id: str
    model_version: str
    as_of_date: date
    earlier: tuple[date, ...]
    learnt: tuple[date, ...]
    schools: Mapping[str, str]
    students: int
    listed: int
    asked: int
    alarms: tuple[Alarm, ...]
    changes: tuple[Change, ...]
    coverage: Mapping[str, tuple[float, ...]]
    school_coverage: Mapping[str, Mapping[str, float]]
    judged: tuple[ServedJudged, ...]
    alarming: tuple[ServedJudged, ...]

    @property
    def quiet(self) -> bool:
        """Whether nobody has anything to do."""
        return not self.alarms and not self.alarming


def watch_page(told: Watched, language: Language) -> str:
    """Make the page."""
    below = text(
        "monitor.below", language, set_id=told.set_id, as_of_date=told.as_of_date, model=told.model_version,
        earlier=_days(told.earlier, language), learnt=_days(told.learnt, language),
    )  # fmt: skip
    sections = [
        Section(_say("section.alarms", language), _alarms(told, language)),
        Section(_say("section.promises", language), _promises(told, language)),
        Section(_say("section.coverage", language), [_coverage(told, language), *_schools(told, language)]),
        Section(_say("section.moved", language), [_moved(told, language)]),
        Section(_say("section.how", language), [Lines([_say("how", language)])]),
    ]
    return to_html(_say("title", language), below, sections, language)


def alarm_lines(told: Watched, language: Language) -> list[str]:
    """Say each alarm in one line, for a terminal and a log."""
    lines = [_what(told, alarm, language) for alarm in told.alarms]
    for judged in told.alarming:
        for held in judged.broken:
            lines.append(
                text("monitor.promise_what", language, figure=_say(f"figure.{held.figure}", language),
                     term=judged.term, promised=_figure(held.figure, held.promised),
                     served=_figure(held.figure, held.served))
            )  # fmt: skip
    return lines


def _alarms(told: Watched, language: Language) -> list[Table | Lines]:
    if told.quiet:
        quiet = text("monitor.quiet", language, asked=f"{told.asked:,}", students=f"{told.students:,}")
        return [Lines([quiet])]
    head = [_say(f"column.{name}", language) for name in ("what", "means", "owner", "do")]
    rows = [
        [_what(told, alarm, language), *(_about(alarm, part, language) for part in ("means", "owner", "do"))]
        for alarm in told.alarms
    ]
    promises = alarm_lines(told, language)[len(told.alarms) :]
    rows += [
        [line, *(_say(f"alarm.promise.{part}", language) for part in ("means", "owner", "do"))]
        for line in promises
    ]
    return [Table(head, rows, prose=True)]


def _about(alarm: Alarm, part: str, language: Language) -> str:
    of = _of(alarm)
    for code in (f"monitor.alarm.{of}_school.{part}", f"monitor.alarm.{of}.{part}"):
        if (alarm.school_id is not None or not code.split(".")[2].endswith("_school")) and has(
            code, language
        ):
            return text(code, language)
    raise AssertionError(f"no words for {of}.{part}")


def _of(alarm: Alarm) -> str:
    return "risk" if any(change.feature == RISK for change in alarm.changes) else str(alarm.kind)


def _what(told: Watched, alarm: Alarm, language: Language) -> str:
    """Say what changed, where, and from what to what."""
    where = (
        _say("county", language)
        if alarm.school_id is None
        else text("monitor.school", language, name=told.schools.get(alarm.school_id, alarm.school_id),
                  school_id=alarm.school_id)
    )  # fmt: skip
    loudest = sorted(alarm.changes, key=lambda change: -change.distance / max(change.limit, 1e-9))
    named = [_change(change, language) for change in loudest[:MOST_FEATURES]]
    if len(loudest) > MOST_FEATURES:
        named.append(text("monitor.and_more", language, more=len(loudest) - MOST_FEATURES))
    if alarm.schools:
        named.append(text("monitor.in_schools", language, schools=alarm.schools))
    source = text(f"monitor.source.{alarm.source}", language)
    return text(
        f"monitor.alarm.{_of(alarm)}.what", language, where=where, source=source,
        changes=text("monitor.separator", language).join(named),
    )  # fmt: skip


def _change(change: Change, language: Language) -> str:
    code = "monitor.change" if change.feature not in {None, RISK, LISTED} else "monitor.change_of_all"
    return text(
        code, language, feature=_feature(change.feature, language), before=_number(change, change.before),
        now=_number(change, change.now),
    )  # fmt: skip


def _feature(name: str | None, language: Language) -> str:
    """Say what a feature is; risk and list are no features, and are named as they are."""
    if name is None:
        return "–"
    code = f"features.{name}"
    return text(code, language) if has(code, language) else name


def _number(change: Change, value: float) -> str:
    if change.kind is Kind.VALUES:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if change.kind is Kind.STUDENTS:
        return f"{value:,.0f}"
    return f"{value * 100:.1f} %"


def _promises(told: Watched, language: Language) -> list[Table | Lines]:
    if not told.judged:
        return [Lines([_say("nothing_matured", language)])]
    names = ("term", "model", "dates", "figure", "promised", "served", "kept")
    head = [_say(f"column.{name}", language) for name in names]
    rows = [
        [
            judged.term, judged.model_version, _days(judged.dates, language),
            _say(f"figure.{held.figure}", language), _figure(held.figure, held.promised),
            _figure(held.figure, held.served), _say(f"kept.{held.kept}", language),
        ]
        for judged in told.judged
        for held in judged.held
    ]  # fmt: skip
    counts = [
        text(
            "monitor.counts", language, term=judged.term, rows=f"{judged.rows:,}",
            events=f"{judged.events:,}", listed=f"{judged.listed:,}", listed_left=f"{judged.listed_left:,}",
        )
        for judged in told.judged
    ]  # fmt: skip
    return [Table(head, rows), Lines([*counts, *_by_help(told, language), _say("no_effect", language)])]


def _by_help(told: Watched, language: Language) -> list[str]:
    """Say what came of those for whom something was done, and of the others: never as an effect."""
    lines = (_of_help(judged.term, each, language) for judged in told.judged for each in judged.by_help)
    return list(dict.fromkeys(lines))  # that two groups are hidden is said once


def _of_help(term: str, each: ByHelp, language: Language) -> str:
    if each.students is None or each.events is None:
        return text("monitor.help_hidden", language, term=term, small=SMALL_CELL)
    return text(
        "monitor.helped" if each.helped else "monitor.not_helped", language, term=term,
        students=f"{each.students:,}", events=f"{each.events:,}", rows=f"{each.rows:,}",
        left=f"{each.left:,}", expected=f"{each.expected:.1f}",
        figure=_figure("observed_over_expected", each.observed_over_expected),
    )  # fmt: skip


def _figure(name: str, value: object) -> str:
    if not isinstance(value, Interval):
        return "–"
    whole = name == "observed_over_expected"
    return figure(value, 2 if whole else 1, percent=not whole)


def _coverage(told: Watched, language: Language) -> Table:
    head = [_say("column.source", language), str(told.as_of_date), *map(str, told.earlier)]
    rows = [
        [text(f"monitor.source.{source}", language), *(f"{share * 100:.1f} %" for share in shares)]
        for source, shares in told.coverage.items()
    ]
    return Table(head, rows)


def _schools(told: Watched, language: Language) -> list[Table | Lines]:
    """Tell the schools of which least is known."""
    sources = list(told.coverage)
    least = sorted(told.school_coverage, key=lambda school: min(told.school_coverage[school].values()))
    head = [_say("column.school", language), *(text(f"monitor.source.{name}", language) for name in sources)]
    rows = [
        [
            told.schools.get(school, school),
            *(f"{told.school_coverage[school][name] * 100:.0f} %" for name in sources),
        ]
        for school in least[:NOTABLE]
    ]
    return [Lines([_say("least_known", language)]), Table(head, rows)]


def _moved(told: Watched, language: Language) -> Table:
    """Tell what moved most in the county beside its limit, alarm or not."""
    county = [change for change in told.changes if change.school_id is None and change.limit > 0]
    most = sorted(county, key=lambda change: -change.distance / change.limit)[:NOTABLE]
    names = ("kind", "feature", "before", "now", "distance", "limit")
    head = [_say(f"column.{name}", language) for name in names]
    rows = [
        [
            _say(f"kind.{change.kind}", language), _feature(change.feature, language),
            _number(change, change.before), _number(change, change.now), f"{change.distance:.3f}",
            f"{change.limit:.3f}",
        ]
        for change in most
    ]  # fmt: skip
    return Table(head, rows, words=2)


def _days(days: Sequence[date], language: Language) -> str:
    return text("monitor.separator", language).join(map(str, days)) or "–"


def _say(code: str, language: Language) -> str:
    return text(f"monitor.{code}", language)
