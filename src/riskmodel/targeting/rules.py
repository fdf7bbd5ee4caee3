"""Rules over the facts of a day, in the Common Expression Language (cel.dev); never run as code.

    stage in ["primary", "junior"] && hardship != "none"
    boards == false && distance_km >= 5.0

A fact that is not known is left out, and CEL then answers "cannot say" unless the rule holds, or fails,
whatever it would be: `hardship != "none" || disability != "none"` holds where one of the two is known to. So
a gap in the records never reads as a no.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

DAY_FACTS: Mapping[str, object] = {
    "stage": "primary", "grade": 1, "boards": True, "township": "", "household": "rural",
    "carer": "both_parents", "parents_away": "none", "hardship": "none", "disability": "none", "siblings": 0,
    "sibling_left_school": False, "distance_km": 1.5, "migrant_child": False, "receiving": ["nutrition"],
    "given": ["counselling"],
}  # fmt: skip
"""Facts that every rule may name, each with an example of its type: what the records knew on the day, the
programmes whose grants run (`receiving`), and what people wrote down as given (`given`)."""

CODES: Mapping[str, frozenset[str]] = {
    "stage": frozenset({"primary", "junior", "beyond"}),
    "household": frozenset({"rural", "urban"}),
    "carer": frozenset({"both_parents", "one_parent", "grandparents", "other", "institution"}),
    "parents_away": frozenset({"none", "one", "both"}),
    "hardship": frozenset({
        "none", "low_income", "near_low_income", "monitored", "lifted_out", "extreme_poverty", "orphan",
        "de_facto_unsupported", "other",
    }),
    "disability": frozenset({
        "none", "physical", "hearing", "sight", "speech", "intellectual", "mental", "multiple",
    }),
    "band": frozenset({"reach_out", "check_in", "usual_care", "not_enough_information"}),
    "reason_families": frozenset({
        "attendance", "study", "home", "money", "travel", "mobility", "age_and_grade", "school",
    }),
}  # fmt: skip
"""Codes of facts that have a list of them: a word in quotes that is none of them is a slip, and would never
hold."""

SCORE_FACTS: Mapping[str, object] = {"band": "check_in", "listed": True, "reason_families": ["attendance"]}
"""Facts that come from a score: no rule of an entitlement may name them."""

YES, NO, UNKNOWN = 1, 0, -1


@dataclass(frozen=True)
class Rule:
    """A rule that was read and tried on an example of every fact."""

    text: str
    facts: tuple[str, ...]
    _program: Any = field(repr=False, compare=False)

    def answers(self, facts: pd.DataFrame) -> NDArray[np.int8]:
        """Answer for each row: `YES`, `NO`, or `UNKNOWN` where facts are missing that would decide.

        Each combination of the facts that the rule names is asked once.
        """
        if not len(facts):
            return np.zeros(0, dtype=np.int8)
        if not self.facts:
            return np.full(len(facts), self._ask({}), dtype=np.int8)
        named = facts[list(self.facts)]
        keys = list(zip(*(_hashable(named[name].to_numpy(dtype=object)) for name in self.facts), strict=True))
        asked: dict[tuple[Any, ...], int] = {}
        for key in keys:
            if key not in asked:
                asked[key] = self._ask(dict(zip(self.facts, key, strict=True)))
        return np.fromiter((asked[key] for key in keys), dtype=np.int8, count=len(keys))

    def _ask(self, told: Mapping[str, Any]) -> int:
        known = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in told.items()
            if value is not None
        }
        try:
            return YES if self._program.execute(known) else NO
        except RuntimeError:
            if len(known) == len(told):
                raise
            return UNKNOWN


def rule(text: object, known: Mapping[str, object]) -> Rule:
    """Read a rule and try it.

    Parameters
    ----------
    known
        Facts that the rule may name, each with an example.

    Raises
    ------
    ValueError
        If it is no CEL, names another fact, compares what cannot be compared, or does not answer yes or no.
    """
    if not isinstance(text, str):
        raise ValueError("a rule is text")
    try:
        import cel  # half a second, at each command that asks no rule

        program = cel.compile(text)
    except ValueError as problem:
        raise ValueError(f"规则读不懂 / cannot be read: {text} ({str(problem).splitlines()[0]})") from None
    strange = sorted(set(program.variables()) - set(known))
    if strange:
        raise ValueError(f"没有这个事实 / no such fact: {', '.join(strange)}; {', '.join(sorted(known))}")
    facts = tuple(sorted(program.variables()))
    try:
        answer = program.execute({name: known[name] for name in facts})
    except (RuntimeError, TypeError, ValueError) as problem:
        raise ValueError(
            f"规则不能计算 / cannot be worked out: {text} ({str(problem).splitlines()[0]})"
        ) from None
    _check_words(text, facts)
    if not isinstance(answer, bool):
        raise ValueError(f"规则须答是或否 / must answer yes or no: {text}")
    return Rule(text, facts, program)


def _check_words(text: str, facts: tuple[str, ...]) -> None:
    """Refuse words in quotes that none of the named facts can be."""
    if not all(
        name in CODES for name in facts if isinstance({**DAY_FACTS, **SCORE_FACTS}[name], (str, list))
    ):
        return
    codes = frozenset().union(*(CODES.get(name, frozenset()) for name in facts))
    strange = sorted(set(re.findall(r"""["']([^"']*)["']""", text)) - codes)
    if strange:
        raise ValueError(f"没有这个代码 / no such code: {', '.join(strange)}; {', '.join(sorted(codes))}")


def _hashable(values: NDArray[Any]) -> list[Any]:
    """Make lists tuples, numbers of numpy those of Python, and every kind of missing None."""
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(value)
    if isinstance(value, np.generic):
        value = value.item()
    missing = value is None or value != value or type(value).__name__ == "NAType"
    return None if missing else value
