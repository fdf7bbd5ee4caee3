"""A sheet in the words of one language, as plain data: both templates print it, neither writes prose."""

from __future__ import annotations

from typing import Any

from riskmodel.domain import Band, Language, Statement
from riskmodel.sheets.compose import Sheet
from riskmodel.sheets.grid import hundred
from riskmodel.wording import text
from riskmodel.wording.statements import (
    band_name,
    format_date,
    format_value,
    grade_name,
    kind_name,
    source_note,
    statement_text,
    term_name,
    unknown_text,
)

_LABELS = (
    "title", "internal", "page", "reasons", "dots", "withheld", "strengths", "add_strengths",
    "no_strengths", "unknowns", "steps", "owner", "goal", "next_look", "feedback", "note", "signed", "date",
    "history", "not_reported", "near_line", "limits", "not_the_ledger",
)  # fmt: skip
_NO_REASONS = {Band.NOT_ENOUGH_INFORMATION: "sheet.no_reasons_known"}
_NOT_REPORTED = "—"


def page(sheet: Sheet, language: Language) -> dict[str, Any]:
    """Say everything that stands on the sheet. Keys and structure are the same in every language."""
    return {
        "language": language,
        "labels": {label: text(f"sheet.{label}", language) for label in _LABELS},
        "header": _header(sheet, language),
        "band": {
            "mark": text(f"bands.{sheet.band}.mark", language),
            "name": band_name(sheet.band, language),
            "suggested": text(
                "sheet.suggested", language, meaning=text(f"bands.{sheet.band}.meaning", language)
            ),
        },
        "near_line": sheet.near_line,
        "similar": _similar(sheet, language),
        "grid": _grid(sheet, language),
        "no_reasons": text(_NO_REASONS.get(sheet.band, "sheet.no_reasons"), language),
        "groups": [
            {
                "kind": kind_name(group.kind, language),
                "reasons": [_reason(statement, sheet, language) for statement in group.statements],
            }
            for group in sheet.reasons
        ],
        "withheld": sheet.withheld,
        "history": _history(sheet, language),
        "strengths": [statement_text(strength, sheet.units, language) for strength in sheet.strengths],
        "unknowns": [unknown_text(unknown, sheet.units, language) for unknown in sheet.unknowns],
        "steps": [step.text(language) for step in sheet.steps],
        "feedback": [_option(code, sheet, language) for code in sheet.feedback],
        "answer": answer_text(sheet, language),
        "caveats": [text(code, language) for code in sheet.caveats],
        "run": text("sheet.run", language, set_id=sheet.set_id, sheet=sheet.sheet_code),
    }


def _option(code: str, sheet: Sheet, language: Language) -> dict[str, Any]:
    """One way to say that the sheet is wrong; a reason that does not fit is named by its family."""
    named = sheet.told_families if code == "feedback.F4" else ()
    families = [text(f"families.{family}", language) for family in named]
    return {"code": code.removeprefix("feedback."), "text": text(code, language), "families": families}


def answer_text(sheet: Sheet, language: Language) -> str:
    """Say what came of data that the school called wrong; empty where there is no answer to tell."""
    told = sheet.answered
    if told is None:
        return ""
    what = text(f"families.{told.family}" if told.family else "sheet.answer.all", language)
    day = format_date(told.on, language, as_of=sheet.as_of_date)
    return text(f"sheet.answer.{told.answer}", language, family=what, date=day)


def _header(sheet: Sheet, language: Language) -> dict[str, str]:
    tail = text("sheet.number_tail", language, tail=sheet.number_tail) if sheet.number_tail else ""
    return {
        "audience": text(f"sheet.audience.{sheet.audience}", language),
        "term": term_name(sheet.term, language),
        "data_to": text("sheet.data_to", language, date=format_date(sheet.as_of_date, language)),
        "valid_until": text("sheet.valid_until", language, date=format_date(sheet.valid_until, language)),
        "school": sheet.school_name,
        "name": sheet.masked_name,
        "class": class_title(sheet, language),
        "tail": tail,
    }


def class_title(sheet: Sheet, language: Language) -> str:
    """Say grade and class, the grade once."""
    return class_words(sheet.grade, sheet.class_name, language)


def class_words(grade: int, class_name: str, language: Language) -> str:
    """Say a class with its grade, the grade once."""
    name = grade_name(grade, language)
    return class_name if class_name.startswith(name) else f"{name} {class_name}".strip()


def _similar(sheet: Sheet, language: Language) -> list[str]:
    if sheet.similar is None:
        if sheet.band is Band.NOT_ENOUGH_INFORMATION or sheet.probabilities:
            return [text("sheet.not_enough", language)]
        return [text("sheet.no_similar", language)]
    numbers = {
        "point": sheet.similar.point,
        "low": sheet.similar.low,
        "high": sheet.similar.high,
        "stayed": 100 - sheet.similar.point,
        "horizon": _horizon(sheet.horizon_days, language),
    }
    code = "sheet.similar" if sheet.similar.point >= 1 else "sheet.similar_few"
    return [text(code, language, **numbers), text("sheet.similar_note", language)]


def _grid(sheet: Sheet, language: Language) -> dict[str, Any] | None:
    if sheet.similar is None:
        return None
    legend = [text(f"sheet.grid.{part}", language) for part in ("left", "error", "stayed")]
    title = text("sheet.grid.title", language)
    return {"picture": hundred(sheet.similar.low, sheet.similar.high), "title": title, "legend": legend}


def _horizon(days: int, language: Language) -> str:
    if 350 <= days <= 380:
        return text("horizon.year", language)
    months = round(days / 30.4)
    return (
        text("horizon.months", language, months=months)
        if months >= 2
        else text("horizon.days", language, days=days)
    )


def _reason(statement: Statement, sheet: Sheet, language: Language) -> dict[str, str]:
    return {
        "dots": "●" * statement.dots + "○" * (3 - statement.dots),
        "text": statement_text(statement, sheet.units, language),
        "source": source_note(statement, language, as_of=sheet.as_of_date),
    }


def _history(sheet: Sheet, language: Language) -> list[dict[str, str]]:
    blocks = []
    for block in sheet.history:
        start = format_date(block.start_date, language, as_of=sheet.as_of_date)
        days = block.days_absent
        said = _NOT_REPORTED if days is None else format_value(days, "days", language)
        blocks.append({"start": text("sheet.history_start", language, date=start), "days": said})
    return blocks
