"""The one report to look at: everything that is known of a model, in the order in which a person asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskmodel.documents.page import Lines, Picture, Section, Table, to_html
from riskmodel.documents.tables import (
    groups_head,
    groups_row,
    others_head,
    others_rows,
    places_head,
    places_row,
)
from riskmodel.domain import Language
from riskmodel.evaluation.audit import Audit
from riskmodel.evaluation.backtest import Backtest
from riskmodel.evaluation.challengers import Choice, choice_lines
from riskmodel.evaluation.comparison import Comparison, Moved
from riskmodel.evaluation.gates import GateFound, Verdict
from riskmodel.evaluation.gates_report import gates_head, gates_rows, group_name, grouping_name
from riskmodel.evaluation.report import (
    count_lines,
    differences,
    figure,
    list_head,
    list_rows,
    overall_head,
    overall_rows,
    verdict,
)
from riskmodel.figures import Evaluation, Interval
from riskmodel.wording import text

Parts = list[Table | Lines | Picture]


@dataclass(frozen=True)
class Coverage:
    """What the records hold that a model was made from.

    Attributes
    ----------
    rows
        Stored rows by table.
    missing_tables
        Tables of the contract that nobody delivered.
    reported
        By term, oldest first, the share of school days that schools reported.
    students, without_marks, without_family_statement
        The cohort of the day to score.
    complete_to
        Up to where the sources tell everything.
    """

    rows: Mapping[str, int]
    missing_tables: Sequence[str]
    reported: Mapping[str, float]
    students: int
    without_marks: int
    without_family_statement: int
    complete_to: str


@dataclass(frozen=True)
class Told:
    """All that a report tells of; what is None was not made.

    `pictures` by name, in the report's language.
    """

    model_version: str
    manifest: Mapping[str, Any]
    coverage: Coverage
    evaluation: Evaluation
    audit: Audit | None
    gates: Sequence[GateFound]
    backtest: Backtest | None
    comparison: Comparison | None
    choice: Choice | None
    pictures: Mapping[str, bytes]


def report_page(told: Told, language: Language) -> str:
    """Return the report as one HTML file."""
    found = [
        _section("short", [Lines(_short(told, language))], language),
        _section("gates", _gates(told, language), language),
        _section("comparison", _comparison(told, language), language),
        _section("coverage", _coverage(told.coverage, language), language),
        _section("figures", _figures(told, language), language),
        _section("lists", _lists(told, language), language),
        _section("calibration", _calibration(told, language), language),
        _section("groups", _groups(told, language), language),
        _section("others", _others(told, language), language),
        _section("terms", _terms(told, language), language),
        _section("reasons", _reasons(told, language), language),
    ]
    below = _say("below", language, version=told.model_version, records=told.manifest["data_hash"][:16])
    return to_html(_say("title", language), below, found, language)


def _say(code: str, language: Language, **slots: object) -> str:
    return text(f"report.{code}", language, **slots)


def _section(code: str, parts: Parts, language: Language) -> Section:
    return Section(_say(f"section.{code}", language), parts)


def _short(told: Told, language: Language) -> list[str]:
    """Say in natural frequencies what the lists are worth, and what the gates say."""
    lines = []
    verdicts = [each.verdict for each in told.gates]
    if not told.gates:
        lines.append(_say("not_audited", language))
    elif Verdict.REFUSED in verdicts:
        lines.append(_say("refused", language, count=verdicts.count(Verdict.REFUSED)))
    else:
        lines.append(_say("let_through", language, few=verdicts.count(Verdict.TOO_FEW)))
    if told.audit is not None:
        bureau = told.audit.places[0]
        lines.append(
            _say(
                "frequencies",
                language,
                share=f"{bureau.share * 100:g}",
                of_listed=_of_hundred(bureau.precision),
                of_leavers=_of_hundred(bureau.recall),
                by_lot=f"{100 * told.evaluation.base_rate:.1f}",
            )
        )
    lines += verdict(told.evaluation, language)
    lines.append(_say("no_effect", language))
    return lines


def _of_hundred(share: Interval) -> str:
    low, high = (None if end is None else 100 * end for end in (share.low, share.high))
    return figure(Interval(100 * share.value, low, high), 0)


def _gates(told: Told, language: Language) -> Parts:
    if not told.gates:
        return [Lines([_say("not_audited", language)])]
    return [Table(gates_head(language), gates_rows(told.gates, language))]


def _comparison(told: Told, language: Language) -> Parts:
    found = told.comparison
    chosen: Parts = [Lines(choice_lines(told.choice, language))] if told.choice else []
    if found is None:
        return [*chosen, Lines([_say("no_champion", language)])]
    ours, theirs = found.evaluation.models
    head = [_say("column.figure", language), *(_say(f"column.{name}", language) for name in
            ("challenger", "champion", "difference"))]  # fmt: skip
    listed = [model.at_capacity[0] for model in (ours, theirs)]
    rows = [
        [text("evaluation.column.auc", language), figure(ours.auc, 3), figure(theirs.auc, 3),
         figure(found.evaluation.paired_auc_difference["champion"], 3, sign="+")],
        [text("evaluation.column.average_precision", language), figure(ours.average_precision, 3),
         figure(theirs.average_precision, 3),
         figure(found.evaluation.paired_average_precision_difference.get("champion"), 3, sign="+")],
        [text("evaluation.column.precision", language),
         *(figure(at.precision, 1, percent=True) for at in listed), "–"],
        [text("evaluation.column.recall", language),
         *(figure(at.recall, 1, percent=True) for at in listed),
         figure(found.recall_less, 3, sign="+")],
        [text("evaluation.column.calibration_slope", language),
         *(figure(model.calibration_slope, 2) for model in (ours, theirs)), "–"],
        [text("evaluation.column.observed_over_expected", language),
         *(figure(model.observed_over_expected, 2) for model in (ours, theirs)), "–"],
    ]  # fmt: skip
    moved = [
        _say("both", language, rows=f"{found.both:,}"),
        _moved("entered", found.entered, language),
        _moved("dropped", found.dropped, language),
    ]
    return [
        *chosen,
        Lines([_say("champion", language, champion=found.champion)]),
        Table(head, rows),
        Lines(moved),
    ]


def _moved(code: str, moved: Moved, language: Language) -> str:
    families = text("evaluation.and", language).join(
        f"{text(f'families.{family}', language)} {count:,}" for family, count in moved.families.items()
    )
    return _say(code, language, rows=f"{moved.rows:,}", left=f"{moved.left:,}", families=families or "–")


def _coverage(found: Coverage, language: Language) -> Parts:
    missing = text("evaluation.and", language).join(
        text(f"sources.{table}", language) for table in found.missing_tables
    )
    lines = [
        _say("complete_to", language, day=found.complete_to),
        _say(
            "students",
            language,
            students=f"{found.students:,}",
            without_marks=f"{found.without_marks:,}",
            without_family=f"{found.without_family_statement:,}",
        ),
        *([_say("missing", language, tables=missing)] if missing else []),
    ]
    rows = [[text(f"sources.{table}", language), f"{count:,}"] for table, count in found.rows.items()]
    reported = [[term, f"{share:.1%}"] for term, share in found.reported.items()]
    return [
        Lines(lines),
        Table([_say("column.table", language), _say("column.rows", language)], rows),
        Table([_say("column.term", language), _say("column.reported", language)], reported),
    ]


def _figures(told: Told, language: Language) -> Parts:
    return [
        Lines(count_lines(told.evaluation, language)),
        Table(overall_head(language), overall_rows(told.evaluation, language)),
        Lines(differences(told.evaluation, language)),
    ]


def _lists(told: Told, language: Language) -> Parts:
    parts: Parts = [
        *_pictures(told, language, "precision"),
        Lines([text("evaluation.lists", language)]),
        Table(list_head(language), list_rows(told.evaluation, language), words=2),
    ]
    if told.audit is not None:
        parts += [
            Lines([_say("places", language)]),
            Table(places_head(language), [places_row(each, language) for each in told.audit.places]),
        ]
    return parts


def _calibration(told: Told, language: Language) -> Parts:
    return _pictures(told, language, "calibration") or [Lines([_say("no_probabilities", language)])]


def _groups(told: Told, language: Language) -> Parts:
    audit = told.audit
    if audit is None:
        return [Lines([_say("not_audited", language)])]
    gaps = [
        _say(
            "gap",
            language,
            grouping=grouping_name(gap.grouping, language),
            most=group_name(gap.grouping, gap.most, language),
            least=group_name(gap.grouping, gap.least, language),
            gap=figure(gap.gap, 1, percent=True),
        )
        for gap in audit.gaps
    ]
    cutoffs = [
        _say(
            "cutoffs",
            language,
            grouping=grouping_name(tried.grouping, language),
            before=figure(tried.before.gap, 1, percent=True),
            after=figure(tried.after.gap, 1, percent=True),
            found_before=tried.found_before,
            found_after=tried.found_after,
            changed=f"{tried.changed:,}",
            listed=f"{tried.listed:,}",
        )
        for tried in audit.cutoffs
    ]
    return [
        Lines([_say("groups", language)]),
        *_pictures(told, language, "groups"),
        Table(groups_head(language), [groups_row(each, language) for each in audit.groups]),
        Lines(gaps),
        *([Lines(cutoffs)] if cutoffs else []),
    ]


def _others(told: Told, language: Language) -> Parts:
    audit = told.audit
    if audit is None:
        return [Lines([_say("not_audited", language)])]
    lines = [_say("known_schools", language, share=f"{audit.known_schools:.1%}")]
    if audit.near_line is not None:
        lines.append(_say("near_line", language, share=f"{audit.near_line:.0%}"))
    if audit.unseen_schools is not None:
        unseen = audit.unseen_schools.models[0]
        lines.append(
            _say(
                "unseen_schools",
                language,
                auc=figure(unseen.auc, 3),
                events=f"{audit.unseen_schools.events:,}",
            )
        )
    rows = others_rows(audit, language)
    table = [Table(others_head(language), rows)] if rows else []
    return [Lines(lines), *_pictures(told, language, "others"), *table]


def _terms(told: Told, language: Language) -> Parts:
    found = told.backtest
    if found is None:
        return [Lines([_say("no_backtest", language)])]
    lead = found.lead_time
    lines = [text("backtest.how", language, terms=len(found.terms),
                  dates=sum(len(term.as_of_dates) for term in found.terms))]  # fmt: skip
    if lead.median is not None and lead.lower is not None and lead.upper is not None:
        lines.append(
            text(
                "backtest.lead",
                language,
                leavers=f"{lead.leavers:,}",
                found=f"{lead.found:,}",
                share=f"{found.capacity_share * 100:g}",
                median=f"{lead.median:.0f}",
                lower=f"{lead.lower:.0f}",
                upper=f"{lead.upper:.0f}",
            )
        )
    counts = ("listed_earlier", "listed_later", "entered", "dropped", "gone")
    head = [text(f"backtest.column.{name}", language) for name in ("earlier", "later", *counts, "jaccard")]
    rows = [
        [str(one.earlier), str(one.later), *(f"{getattr(one, name):,}" for name in counts),
         f"{one.jaccard:.2f}"]
        for one in found.churn
    ]  # fmt: skip
    churn: Parts = [Lines([text("backtest.churn", language)]), Table(head, rows)] if rows else []
    return [Lines(lines), *_pictures(told, language, "terms"), *churn]


def _reasons(told: Told, language: Language) -> Parts:
    parts: Parts = _pictures(told, language, "families", "features")
    stability = told.audit.stability if told.audit else None
    if stability is None:
        return [*parts, Lines([_say("reasons_not_looked", language)])]
    flipped = stability.flipped_by_a_day
    against = text("evaluation.and", language).join(
        text(f"features.{name}", language) for name in stability.against
    )
    lines = [
        _say(
            "same_reasons",
            language,
            first=f"{stability.same_first:.0%}",
            three=f"{stability.same_three:.2f}",
            listed=f"{stability.listed:,}",
            bootstraps=stability.bootstraps,
        ),
        *([] if flipped is None else [_say("flipped", language, share=f"{flipped:.1%}")]),
        _say("against", language, features=against) if against else _say("as_declared", language),
    ]
    return [*parts, Lines(lines)]


def _pictures(told: Told, language: Language, *names: str) -> Parts:
    drawn = [name for name in names if name in told.pictures]
    return [Picture(told.pictures[name], _say(f"picture.{name}", language)) for name in drawn]
