"""First steps: written by people, taken by the family of a reason; a bureau edits them in `actions.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from riskmodel.domain import Audience, Family, Statement, Step
from riskmodel.wording import LANGUAGES, codes, text

MOST_STEPS = 5


@dataclass(frozen=True)
class Steps:
    """The library. `talk` comes first on every sheet, `refer` last, `guardian` where no family is told."""

    talk: Step
    guardian: Step
    refer: Step
    of_family: Mapping[Family, tuple[Step, ...]] = field(default_factory=dict)

    @classmethod
    def general(cls, of_family: Mapping[Family, tuple[Step, ...]] | None = None) -> Steps:
        """Make a library of the three general steps of the wording files and what a bureau adds."""
        talk, guardian, refer = (
            Step({language: text(code, language) for language in LANGUAGES})
            for code in codes("first_steps.general.")
        )
        return cls(talk, guardian, refer, of_family or {})

    def first(self, reasons: Sequence[Statement], audience: Audience) -> tuple[Step, ...]:
        """Choose a talk first, help to refer last, and between them steps in turn from each family.

        Parameters
        ----------
        reasons
            Those that the audience reads: a step must not tell of a reason that is withheld.
        """
        families: list[Family] = list(dict.fromkeys(reason.family for reason in reasons))
        shelves = [
            [
                step
                for step in self.of_family.get(family, ())
                if audience == "counsellor" or step.audience == audience
            ]
            for family in families
        ]
        depth = max((len(shelf) for shelf in shelves), default=0)
        in_turn = [shelf[row] for row in range(depth) for shelf in shelves if row < len(shelf)]
        chosen = in_turn[: MOST_STEPS - 2] if in_turn else [self.guardian]
        return (self.talk, *chosen, self.refer)
