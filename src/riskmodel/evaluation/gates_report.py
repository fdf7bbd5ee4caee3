"""What the gates said, for people: a row per gate, those that refuse first."""

from __future__ import annotations

from collections.abc import Sequence

from riskmodel.domain import Language
from riskmodel.evaluation.gates import GateFound, Verdict
from riskmodel.evaluation.report import figure, markdown_table
from riskmodel.wording import has, text

_ORDER = (Verdict.REFUSED, Verdict.TOO_FEW, Verdict.MET)
_WHOLE_DAYS = ("knew_nothing_later", "not_stale")


def gates_table(found: Sequence[GateFound], language: Language) -> str:
    """Return what every gate said as a Markdown table."""
    return markdown_table(gates_head(language), gates_rows(found, language))


def gates_head(language: Language) -> list[str]:
    """Return the titles of the columns of `gates_rows`."""
    return [
        text(f"gates.column.{name}", language) for name in ("gate", "value", "limits", "events", "verdict")
    ]


def gates_rows(found: Sequence[GateFound], language: Language) -> list[list[str]]:
    """Return a row per gate: its name, figure, limits, leavers behind it, and what it says."""
    return [
        [
            gate_name(each, language),
            figure(each.value, digits_of(each)),
            _limits(each, language),
            "–" if each.events is None else f"{each.events:,}",
            text(f"gates.verdict.{each.verdict}", language),
        ]
        for each in sorted(found, key=lambda each: _ORDER.index(each.verdict))
    ]


def gate_name(found: GateFound, language: Language) -> str:
    """Return what a gate asks, and of which method or group."""
    name = text(f"gates.name.{found.gate}", language)
    if not found.of:
        return name
    if len(found.of) == 1:
        code = f"evaluation.model.{found.of[0]}"
        of = text(code, language) if has(code, language) else found.of[0]
    else:
        grouping, *groups = found.of
        of = text("gates.of_group", language, grouping=grouping_name(grouping, language),
                  groups=" – ".join(group_name(grouping, each, language) for each in groups))  # fmt: skip
    return text("gates.of", language, gate=name, of=of)


def grouping_name(grouping: str, language: Language) -> str:
    """Return what people call a way to divide students."""
    return text(f"groups.{grouping}.name", language)


def group_name(grouping: str, group: str, language: Language) -> str:
    """Return what people call a group; a township goes by its own name."""
    for code in (f"groups.{grouping}.{group}", f"values.{group}"):
        if has(code, language):
            return text(code, language)
    return group


def group_title(grouping: str, group: str, language: Language) -> str:
    """Return a group with the way in which students are divided."""
    named = group_name(grouping, group, language)
    return text("gates.of", language, gate=grouping_name(grouping, language), of=named)


def _limits(found: GateFound, language: Language) -> str:
    low, high = found.limits
    digits = digits_of(found)
    if low is not None and high is not None:
        return text("gates.between", language, low=f"{low:.{digits}f}", high=f"{high:.{digits}f}")
    if low is not None:
        return f"≥ {low:.{digits}f}"
    return f"≤ {high:.{digits}f}"


def digits_of(found: GateFound) -> int:
    """Return to how many decimals a gate's figure is told: days are whole."""
    return 0 if found.gate in _WHOLE_DAYS else 3
