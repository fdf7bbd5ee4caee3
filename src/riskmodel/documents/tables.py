"""Rows of the audit's tables as words: places, groups, models that were made in another way."""

from __future__ import annotations

from riskmodel.domain import Language
from riskmodel.evaluation.audit import Audit, OtherModel
from riskmodel.evaluation.capacity import Places
from riskmodel.evaluation.gates_report import group_title
from riskmodel.evaluation.groups import GroupFigures
from riskmodel.evaluation.report import figure
from riskmodel.wording import text


def _say(code: str, language: Language, **slots: object) -> str:
    return text(f"report.{code}", language, **slots)


def places_head(language: Language) -> list[str]:
    """Return the titles of the columns of `places_row`."""
    named = ("listed", "listed_left", "precision", "ceiling", "found", "recall", "lift")
    columns = [text(f"evaluation.column.{name}", language) for name in named]
    share = _say("column.listed_share", language)
    return [
        _say("column.within", language),
        columns[0],
        share,
        *columns[1:],
        _say("column.to_contact", language),
    ]


def places_row(places: Places, language: Language) -> list[str]:
    """Return what lists drawn up in one way were worth."""
    return [
        _say(f"within.{places.within}", language),
        f"{places.listed:,}",
        "–" if places.listed_share is None else f"{places.listed_share * 100:.1f} %",
        f"{places.listed_left:,}",
        figure(places.precision, 1, percent=True),
        f"{places.ceiling * 100:.1f} %",
        f"{places.found:,} / {places.events:,}",
        figure(places.recall, 1, percent=True),
        figure(places.lift, 1),
        figure(places.to_contact, 1),
    ]


def groups_head(language: Language) -> list[str]:
    """Return the titles of the columns of `groups_row`."""
    names = (
        "group",
        "students",
        "left",
        "recall",
        "false_alarms",
        "precision",
        "over_expected",
        "calibrated",
    )
    return [_say(f"column.{name}", language) for name in names]


def groups_row(group: GroupFigures, language: Language) -> list[str]:
    """Return a group's figures; what is hidden is so named."""
    hidden = _say("hidden", language)
    return [
        group_title(group.grouping, group.group, language),
        hidden if group.students is None else f"{group.students:,}",
        hidden if group.events is None else f"{group.events:,}",
        figure(group.recall, 1, percent=True),
        figure(group.false_alarms, 1, percent=True),
        figure(group.precision, 1, percent=True),
        figure(group.observed_over_expected, 2),
        _say(f"calibrated.{group.calibrated}", language),
    ]


def other_name(kind: str, other: OtherModel, language: Language) -> str:
    """Return what people call a model that was made in another way."""
    return _say(f"other.{kind}", language, number=other.name.split()[-1])


def others_of(audit: Audit) -> list[tuple[str, OtherModel]]:
    """Return the models that were made in another way, each with its kind."""
    kinds = {"learning": audit.learning, "aged": audit.aged, "seeds": audit.seeds}
    return [(kind, other) for kind, others in kinds.items() for other in others]


def others_head(language: Language) -> list[str]:
    """Return the titles of the columns of `others_rows`."""
    names = ("made", "learnt_dates", "learnt_left", "auc", "auc_less", "recall", "same_list")
    return [_say(f"column.{name}", language) for name in names]


def others_rows(audit: Audit, language: Language) -> list[list[str]]:
    """Return a row per model that was made in another way, beside the judged one."""
    return [
        [
            other_name(kind, other, language),
            str(other.training_dates),
            f"{other.training_events:,}",
            figure(other.auc, 3),
            figure(other.auc_less, 3, sign="+"),
            figure(other.recall, 1, percent=True),
            f"{other.same_list:.2f}",
        ]
        for kind, other in others_of(audit)
    ]
