"""Figures with their intervals and counts: what an evaluation says, and everybody who shows it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

FEWEST_SCHOOLS = 20
"""Of fewer, intervals that draw schools are too narrow themselves (Cameron, Gelbach and Miller 2008)."""
BLOCKS = 400
"""Into so many blocks students are dealt, to be drawn together: as many numbers as a county has schools."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval. Both ends are missing where nothing could be resampled."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AtCapacity:
    """How lists of the top `share` of the cohort did: one list per as-of date, from that date's cohort.

    Attributes
    ----------
    listed, listed_left, listed_not_judged
        Student-dates on the lists; of them, those that left; and those that took a place although nobody
        can judge them (already gone, unaccounted).
    found
        Leavers, each once, who left from at least one list.
    precision, recall, lift
        `listed_left` / `listed`; `found` / events; precision over that of lists drawn by lot.
    precision_ceiling
        The best precision that lists of this length could have: on one date min(1, events / listed).
    """

    share: float
    listed: int
    found: int
    precision: Interval
    recall: Interval
    lift: Interval
    precision_ceiling: float
    listed_left: int = 0
    listed_not_judged: int = 0


@dataclass(frozen=True)
class ModelFigures:
    """One row of the table that every training prints: a model, or a baseline, on the same rows.

    Figures that a ranking rule cannot have (Brier, calibration) are None.
    """

    name: str
    auc: Interval
    average_precision: Interval
    brier: Interval | None
    calibration_slope: Interval | None
    observed_over_expected: Interval | None
    at_capacity: tuple[AtCapacity, ...]
    calibration_intercept: Interval | None = None

    def numbers(self) -> dict[str, float]:
        """Return every figure by a flat, lasting name.

        An interval `auc` gives `auc`, `auc_low` and `auc_high`; a list of the top 5 % gives
        `precision_at_5_percent` and its kin. What is missing has no name.
        """
        named = {
            "auc": self.auc,
            "average_precision": self.average_precision,
            "brier": self.brier,
            "calibration_slope": self.calibration_slope,
            "calibration_intercept": self.calibration_intercept,
            "observed_over_expected": self.observed_over_expected,
        }
        flat: dict[str, float | None] = {}
        for at in self.at_capacity:
            end = f"at_{at.share * 100:g}_percent"
            named |= {f"precision_{end}": at.precision, f"recall_{end}": at.recall, f"lift_{end}": at.lift}
            flat |= {f"listed_{end}": at.listed, f"found_{end}": at.found}
            flat |= {f"precision_ceiling_{end}": at.precision_ceiling}
        for name, figure in named.items():
            if figure is not None:
                flat |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        return {name: value for name, value in flat.items() if value is not None}


@dataclass(frozen=True)
class TransferFigures:
    """How the first model does with unconfirmed transfers counted in one way.

    `rows` and `events` are those judged then; of the rows `unconfirmed_rows` are in question.
    """

    counted: Literal["left_out", "stayed", "left"]
    unconfirmed_rows: int
    rows: int
    events: int
    auc: Interval
    average_precision: Interval


@dataclass(frozen=True)
class Evaluation:
    """How models did on as-of dates whose outcomes are known, with counts.

    `rows` counts student-dates judged, `left_rows` those of them that left; `students` and `events` count
    people, each once. `unaccounted`, `unknown` and `already_gone` rows are not judged and are counted
    apart. Intervals come from `resamples` bootstrap samples of `resampled` drawn with `seed`.
    """

    test_dates: tuple[date, ...]
    rows: int
    students: int
    events: int
    training_rows: int
    training_events: int
    unaccounted: int
    unknown: int
    already_gone: int
    seed: int
    models: tuple[ModelFigures, ...]
    paired_auc_difference: Mapping[str, Interval]
    """AUC of the first model less that of each other, on the same resamples."""
    paired_average_precision_difference: Mapping[str, Interval] = field(default_factory=dict)
    left_rows: int = 0
    left_little_known: int = 0
    """Of `left_rows`, those of whom too little was known for a place on any list."""
    resamples: int = 0
    resampled: Literal["students", "schools"] = "students"
    unconfirmed_transfers: tuple[TransferFigures, ...] = ()
    """Left out (as in all other figures), as staying, as leaving; empty where none is unconfirmed."""

    @property
    def base_rate(self) -> float:
        """Share of leavers on lists drawn by lot; who is already gone or unaccounted can be drawn too."""
        return self.left_rows / (self.rows + self.unaccounted + self.already_gone)
