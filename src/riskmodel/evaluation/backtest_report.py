"""The backtest for people: every method on the same rows, pooled, by stage and by term, lead time, churn."""

from __future__ import annotations

from collections.abc import Sequence

from riskmodel.domain import Language
from riskmodel.evaluation.backtest import Backtest, LeadTime, TermJudged
from riskmodel.evaluation.report import bullets, count_lines, figure, figures, markdown_table, model_name
from riskmodel.figures import Evaluation
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.wording import text


def backtest_report(backtest: Backtest, language: Language) -> str:
    """Return the whole backtest as Markdown."""
    parts = [f"# {_say('title', language)}", bullets(_how(backtest, language))]
    parts += _judged(_say("pooled", language), backtest.pooled, language)
    for stage, evaluation in backtest.by_stage.items():
        title = _say(f"stage.{stage}", language)
        if stage in backtest.hidden:
            parts += [f"## {title}", _say("hidden", language)]
        else:
            parts += _judged(title, evaluation, language)
    parts += [f"## {_say('by_term', language)}", *_by_term(backtest.terms, language)]
    parts += [
        f"## {_say('lead_time', language)}",
        _lead(backtest.lead_time, language, share=backtest.capacity_share),
    ]
    parts += [f"## {_say('churn', language)}", _churn(backtest, language)]
    return "\n\n".join(parts) + "\n"


def _say(code: str, language: Language, **slots: object) -> str:
    return text(f"backtest.{code}", language, **slots)


def _how(backtest: Backtest, language: Language) -> list[str]:
    dates = sum(len(term.as_of_dates) for term in backtest.terms)
    lines = [_say("how", language, terms=len(backtest.terms), dates=dates)]
    by_rule = ", ".join(term.term for term in backtest.terms if not term.by_model)
    if by_rule:
        lines.append(_say("rule_only", language, terms=by_rule, minimum=MINIMUM_TRAINING_EVENTS))
    any_model = any(term.by_model for term in backtest.terms)
    said = "pooled_models" if any_model else "pooled_rule"
    lines.append(_say(said, language, terms=", ".join(backtest.pooled_terms)))
    return [*lines, _say("last_term", language)]


def _judged(title: str, evaluation: Evaluation | None, language: Language) -> list[str]:
    if evaluation is None:
        return [f"## {title}", _say("nobody_left", language)]
    counts = bullets(count_lines(evaluation, language, trained=False))
    return [f"## {title}", counts, *figures(evaluation, language)]


def _by_term(terms: Sequence[TermJudged], language: Language) -> list[str]:
    head = [
        _say("column.term", language),
        _say("column.training_events", language),
        *(
            text(f"evaluation.column.{name}", language)
            for name in ("model", "auc", "average_precision", "precision", "found", "recall")
        ),
    ]
    rows = [
        [
            term.term,
            f"{term.training_events:,}",
            model_name(model, language),
            figure(model.auc, 3),
            figure(model.average_precision, 3),
            figure(model.at_capacity[0].precision, 1, percent=True),
            f"{model.at_capacity[0].found:,} / {term.evaluation.events:,}",
            figure(model.at_capacity[0].recall, 1, percent=True),
        ]
        for term in terms
        if term.evaluation is not None
        for model in term.evaluation.models
    ]
    without = [f"{term.term}: {_say('nobody_left', language)}" for term in terms if term.evaluation is None]
    return [part for part in (markdown_table(head, rows) if rows else "", bullets(without)) if part]


def _lead(lead: LeadTime, language: Language, *, share: float) -> str:
    leavers, found = f"{lead.leavers:,}", f"{lead.found:,}"
    if lead.lower is None or lead.median is None or lead.upper is None:
        return _say("lead_none", language, leavers=leavers)
    days = {name: f"{getattr(lead, name):.0f}" for name in ("lower", "median", "upper")}
    return _say("lead", language, leavers=leavers, found=found, share=f"{share * 100:g}", **days)


def _churn(backtest: Backtest, language: Language) -> str:
    if not backtest.churn:
        return _say("no_churn", language)
    counts = ("listed_earlier", "listed_later", "entered", "dropped", "gone")
    head = [_say(f"column.{name}", language) for name in ("earlier", "later", *counts, "jaccard")]
    rows = [
        [
            str(change.earlier),
            str(change.later),
            *(f"{getattr(change, name):,}" for name in counts),
            f"{change.jaccard:.2f}",
        ]
        for change in backtest.churn
    ]
    return markdown_table(head, rows)
