"""The model card and the datasheet: what a model and its records are for, what they can do, what they cannot.

After Mitchell et al. 2019 (model cards) and Gebru et al. 2021 (datasheets). Every figure is marked with its
source (`marked`), so that a card that does not fit its run is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from riskmodel.documents.marked import Facts, sentence
from riskmodel.documents.page import Lines, Section, Table, to_html
from riskmodel.domain import Language
from riskmodel.evaluation.gates import GateFound
from riskmodel.evaluation.gates_report import digits_of, gate_name, group_name, grouping_name
from riskmodel.evaluation.report import model_name
from riskmodel.figures import ModelFigures
from riskmodel.wording import codes, slots, text

Parts = Sequence[Table | Lines]


def card_page(
    facts: Facts, models: Sequence[ModelFigures], gates: Sequence[GateFound], language: Language
) -> str:
    """Return the model card as one HTML file.

    Parameters
    ----------
    facts
        `evaluation`, `audit` (or None), `gates`, `manifest` and what `pipelines.reporting` keeps beside.
    models
        Those of the evaluation's table, in its order.
    gates
        In the order of the facts.
    """

    def lines(code: str) -> Lines:
        return _lines(f"card.{code}", facts, language)

    sections: dict[str, Parts] = {
        "model": [lines("model"), Lines([_protected(facts, language)])],
        "uses": [lines("uses")],
        "forbidden": [lines("forbidden_uses")],
        "figures": [lines("figures"), _methods(facts, models, language)],
    }
    if facts.has("audit"):
        sections |= {
            "lists": [lines("lists"), _places(facts, language)],
            "groups": [lines("groups"), _groups(facts, language)],
            "others": [lines("others"), _others(facts, language)],
        }
    sections |= {
        "gates": [_gates(facts, gates, language) if gates else lines("not_audited")],
        "limits": [lines("limits")],
    }
    return _page("card", sections, facts, language)


def _protected(facts: Facts, language: Language) -> Markup:
    """Say whether the model has learnt from sex, ethnicity or disability, and by whose decision."""
    if not facts["protected"]:
        return sentence("card.protected.none", language)
    names = text("evaluation.and", language).join(
        text(f"features.{name}", language) for name in facts["protected"]
    )
    return sentence("card.protected.used", language, features=names, decided=facts.number("decided"))


def datasheet_page(facts: Facts, language: Language) -> str:
    """Return the datasheet of the records as one HTML file; `facts` also hold `coverage`."""
    tables = Table(
        [text("report.column.table", language), text("report.column.rows", language)],
        [[text(f"sources.{table}", language), facts.number(f"coverage.rows.{table}")]
         for table in facts["coverage.rows"]],
    )  # fmt: skip
    terms = range(len(facts["coverage.reported"]))
    reported = Table(
        [text("report.column.term", language), text("report.column.reported", language)],
        [[facts.number(f"coverage.reported.{n}.term"),
          facts.number(f"coverage.reported.{n}.share", 1, percent=True)] for n in terms],
    )  # fmt: skip
    beside: dict[str, Parts] = {"what": [tables], "coverage": [reported]}
    sections: dict[str, Parts] = {
        code: [_lines(f"datasheet.{code}", facts, language), *beside.get(code, [])]
        for code in ("why", "what", "coverage", "labels", "persons", "upkeep")
    }
    return _page("datasheet", sections, facts, language)


def _page(name: str, sections: dict[str, Parts], facts: Facts, language: Language) -> str:
    found = [
        Section(text(f"{name}.section.{code}", language), parts) for code, parts in sections.items() if parts
    ]
    below = sentence(f"{name}.below", language, version=facts.number("manifest.model_version"))
    return to_html(text(f"{name}.title", language), below, found, language)


FIGURES = {
    "version": ("manifest.model_version", 0, False),
    "records": ("records", 0, False),
    "recipe": ("manifest.recipe.name", 0, False),
    "seed": ("seed", 0, False),
    "rule": ("manifest.rule_version", 0, False),
    "label_date": ("manifest.label_date", 0, False),
    "horizon": ("horizon", 0, False),
    "columns": ("columns", 0, False),
    "used_rows": ("manifest.training.rows", 0, False),
    "used_students": ("manifest.training.students", 0, False),
    "used_events": ("manifest.training.events", 0, False),
    "unaccounted": ("manifest.training.unaccounted", 0, False),
    "already_gone": ("manifest.training.already_gone", 0, False),
    "unknown": ("manifest.training.unknown", 0, False),
    "training_events": ("evaluation.training_events", 0, False),
    "dates": ("dates", 0, False),
    "students": ("evaluation.students", 0, False),
    "rows": ("evaluation.rows", 0, False),
    "events": ("evaluation.events", 0, False),
    "resamples": ("evaluation.resamples", 0, False),
    "interval": ("constants.interval_percent", 0, False),
    "minimum": ("constants.minimum_training_events", 0, False),
    "few": ("constants.few_events", 0, False),
    "small_cell": ("constants.small_cell", 0, False),
    "share": ("audit.share", 1, True),
    "known_schools": ("audit.known_schools", 1, True),
    "near_line": ("audit.near_line", 0, True),
    "unseen_auc": ("audit.unseen_schools.models.0.auc", 3, False),
    "same_first": ("audit.stability.same_first", 0, True),
    "same_three": ("audit.stability.same_three", 2, False),
    "cohort": ("coverage.students", 0, False),
    "without_marks": ("coverage.without_marks", 0, False),
    "without_family": ("coverage.without_family_statement", 0, False),
    "complete_to": ("coverage.complete_to", 0, False),
    "missing_tables": ("coverage.missing", 0, False),
}
"""Slot of a sentence: path, digits, and whether it is a share told in per cent."""


def _lines(prefix: str, facts: Facts, language: Language) -> Lines:
    """Return all sentences of a prefix, figures marked; one whose figure is not there is left out."""
    lines = []
    for code in codes(f"{prefix}.", language):
        wanted = {slot: FIGURES[slot] for slot in slots(code, language)}
        if all(facts.has(path) for path, _, _ in wanted.values()):
            told = {
                slot: facts.number(path, digits, percent=percent)
                for slot, (path, digits, percent) in wanted.items()
            }
            lines.append(sentence(code, language, **told))
    return Lines(lines)


def _methods(facts: Facts, models: Sequence[ModelFigures], language: Language) -> Table:
    """Return every method of the evaluation, baselines with the school's rate alone among them."""
    columns = ("model", "auc", "average_precision", "calibration_slope", "observed_over_expected")
    rows: list[list[str | Markup]] = [
        [
            model_name(model, language),
            facts.number(f"evaluation.models.{n}.auc", 3),
            facts.number(f"evaluation.models.{n}.average_precision", 3),
            facts.number(f"evaluation.models.{n}.calibration_slope", 2),
            facts.number(f"evaluation.models.{n}.observed_over_expected", 2),
        ]
        for n, model in enumerate(models)
    ]
    return Table([text(f"evaluation.column.{name}", language) for name in columns], rows)


def _places(facts: Facts, language: Language) -> Table:
    columns = (
        "report.column.within", "evaluation.column.listed", "report.column.listed_share",
        "evaluation.column.precision", "evaluation.column.recall", "evaluation.column.lift",
        "report.column.to_contact",
    )  # fmt: skip
    rows: list[list[str | Markup]] = [
        [
            text(f"report.within.{facts[f'audit.places.{n}.within']}", language),
            facts.number(f"audit.places.{n}.listed"),
            facts.number(f"audit.places.{n}.listed_share", 1, percent=True),
            facts.number(f"audit.places.{n}.precision", 1, percent=True),
            facts.number(f"audit.places.{n}.recall", 1, percent=True),
            facts.number(f"audit.places.{n}.lift", 1),
            facts.number(f"audit.places.{n}.to_contact", 1),
        ]
        for n in range(len(facts["audit.places"]))
    ]
    return Table([text(code, language) for code in columns], rows)


def _groups(facts: Facts, language: Language) -> Table:
    names = ("group", "students", "left", "recall", "false_alarms", "over_expected", "calibrated")
    rows: list[list[str | Markup]] = []
    for n, group in enumerate(facts["audit.groups"]):
        grouping, name = group["grouping"], group["group"]
        hidden = text("report.hidden", language)
        at = f"audit.groups.{n}"
        # A township goes by its own name, which may hold a digit.
        named = group_name(grouping, name, language)
        named = facts.number(f"{at}.group") if named == name else named
        rows.append([
            sentence("gates.of", language, gate=grouping_name(grouping, language), of=named),
            hidden if group["students"] is None else facts.number(f"{at}.students"),
            hidden if group["events"] is None else facts.number(f"{at}.events"),
            facts.number(f"{at}.recall", 1, percent=True),
            facts.number(f"{at}.false_alarms", 1, percent=True),
            facts.number(f"{at}.observed_over_expected", 2),
            text(f"report.calibrated.{group['calibrated']}", language),
        ])  # fmt: skip
    return Table([text(f"report.column.{name}", language) for name in names], rows)


def _others(facts: Facts, language: Language) -> Table:
    rows: list[list[str | Markup]] = [
        [
            sentence(f"report.other.{kind}", language, number=facts.number(f"numbers.{kind}.{n}")),
            facts.number(f"audit.{kind}.{n}.training_events"),
            facts.number(f"audit.{kind}.{n}.auc", 3),
            facts.number(f"audit.{kind}.{n}.auc_less", 3),
            facts.number(f"audit.{kind}.{n}.same_list", 2),
        ]
        for kind, numbers in facts["numbers"].items()
        for n in range(len(numbers))
    ]
    names = ("made", "learnt_left", "auc", "auc_less", "same_list")
    return Table([text(f"report.column.{name}", language) for name in names], rows)


def _gates(facts: Facts, gates: Sequence[GateFound], language: Language) -> Table:
    names = ("gate", "value", "events", "verdict")
    rows: list[list[str | Markup]] = [
        [
            facts.naming(gate_name(found, language), f"gates.{n}.of"),
            facts.number(f"gates.{n}.value", digits_of(found)),
            facts.number(f"gates.{n}.events"),
            text(f"gates.verdict.{found.verdict}", language),
        ]
        for n, found in enumerate(gates)
    ]
    return Table([text(f"gates.column.{name}", language) for name in names], rows)
