"""Programmes as a bureau writes them down: `configs/programmes.yaml`, typed; an unknown key is refused.

An entitlement is for everybody whom its rule covers: no place, no budget and no score stands in its way, and
a rule that would let one in is refused at reading. A discretionary programme has places, hours or yuan that
end, and takes those who need it most.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from riskmodel.domain import Family, Language
from riskmodel.errors import ConfigurationError, Where
from riskmodel.settings_files import read_settings
from riskmodel.targeting.rules import DAY_FACTS, SCORE_FACTS, Rule, rule

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Effect(_Strict):
    """What the programme is assumed to do: the share of leaving that it prevents, as a range with a source.

    Never a claim of ours: it only weighs programmes against each other in the linear programme.
    """

    low: Share
    middle: Share
    high: Share
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Effect:
        if not self.low <= self.middle <= self.high:
            raise ValueError("low <= middle <= high")
        return self


class GroupFloor(_Strict):
    """A share of a programme's places for students of whom a rule holds."""

    who: Rule
    share: Share

    @model_validator(mode="before")
    @classmethod
    def _rules(cls, told: object) -> object:
        return (
            told | {"who": rule(told["who"], DAY_FACTS)} if isinstance(told, dict) and "who" in told else told
        )


class Floors(_Strict):
    """Places that are dealt out before the rest goes by need."""

    each_school: int = Field(default=0, ge=0)
    groups: tuple[GroupFloor, ...] = ()


class Programme(_Strict):
    """One programme.

    Attributes
    ----------
    eligible, served
        Rules over the facts of the day (see `rules`): who may have it, and who has it already.
    cost_yuan, amount
        Yuan a student for the run, or the name of a dated table of yearly amounts, of which `share_of_year`
        is paid.
    cost_hours
        Hours of the school's counsellor a student.
    places
        In the whole bureau; None: as far as yuan and hours go. Places of single schools stand in the file
        of capacities.
    answers
        Families of reasons that the programme answers: a student with such a reason comes first.
    floors
        At least so many of its places go to each school that has eligible students, and at least such a
        share of them to students of whom a rule holds, before the rest goes by need.
    """

    id: Name
    kind: Literal["entitlement", "discretionary"]
    name: Mapping[Language, str]
    eligible: Rule
    served: Rule | None = None
    cost_yuan: float = Field(default=0, ge=0)
    amount: str | None = None
    share_of_year: Share = 1
    cost_hours: float = Field(default=0, ge=0)
    places: int | None = Field(default=None, ge=0)
    answers: tuple[Family, ...] = ()
    effect: Effect | None = None
    floors: Floors = Floors()

    @model_validator(mode="before")
    @classmethod
    def _rules(cls, told: object) -> object:
        if not isinstance(told, dict):
            return told
        known = DAY_FACTS if told.get("kind") == "entitlement" else {**DAY_FACTS, **SCORE_FACTS}
        read = {key: rule(told[key], known) for key in ("eligible", "served") if told.get(key) is not None}
        return told | read

    @model_validator(mode="after")
    def _whole(self) -> Programme:
        if set(self.name) != {"zh", "en"}:
            raise ValueError("name: {zh: …, en: …}")
        if self.kind == "entitlement" and (self.places is not None or self.cost_hours or self.effect):
            raise ValueError(
                "应享项目没有名额、工时和效果 / an entitlement has no places, hours or effect: it is for all"
            )
        if self.kind == "discretionary" and self.effect is None:
            raise ValueError("effect: {low, middle, high, source}")
        if self.amount is not None and self.cost_yuan:
            raise ValueError("cost_yuan 与 amount 只写一个 / give either cost_yuan or amount")
        return self


class YearlyAmount(_Strict):
    """Yuan a year for those of whom `when` holds."""

    when: Rule
    yuan: float = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _rules(cls, told: object) -> object:
        return (
            told | {"when": rule(told["when"], DAY_FACTS)}
            if isinstance(told, dict) and "when" in told
            else told
        )


class DatedAmounts(_Strict):
    """Amounts that hold from a day on; the first row whose rule holds is the student's."""

    valid_from: date
    source: str = Field(min_length=1)
    yearly: tuple[YearlyAmount, ...] = Field(min_length=1)


class Budget(_Strict):
    """What there is to give, for discretionary programmes together.

    `by_school`: a CSV of capacities with `school_id`, `hours` and a column `places:<programme>` for each
    programme whose places are those of schools: a school without such a cell has none. A school without a
    cell of hours has `hours_per_school`.
    """

    yuan: float = Field(ge=0)
    hours_per_school: float = Field(default=0, ge=0)
    by_school: Path | None = None
    programmes_per_student: int = Field(default=2, ge=1)


class Lottery(_Strict):
    """Whether the last places, and the first who wait for one, are drawn by lot; off by default.

    `share`: of the places of each line, so many are drawn. More of them tell sooner whether a programme
    works, and cost more need (`targeting/lots.py`).
    """

    enabled: bool = False
    seed: int = 20260901
    share: float = Field(default=0.2, gt=0, le=1)


class ProgrammesFile(_Strict):
    """`configs/programmes.yaml`."""

    config_version: Literal[1]
    budget: Budget
    method: Literal["greedy", "linear"] = "greedy"
    lottery: Lottery = Lottery()
    amounts: Mapping[str, tuple[DatedAmounts, ...]] = Field(default_factory=dict)
    programmes: tuple[Programme, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> ProgrammesFile:
        ids = [programme.id for programme in self.programmes]
        if len(set(ids)) != len(ids):
            raise ValueError("id 重复 / two programmes with one id")
        if self.lottery.enabled and self.method == "linear":
            raise ValueError(
                "lottery 只能与 greedy 同用 / the linear programme draws no lots: method: greedy"
            )
        unknown = {each.amount for each in self.programmes} - {None, *self.amounts}
        if unknown:
            raise ValueError(f"amount: {', '.join(sorted(map(str, unknown)))}")
        return self

    def amounts_on(self, name: str, day: date) -> DatedAmounts:
        """Return the amounts that hold on a day.

        Raises
        ------
        ConfigurationError
            If none has begun.
        """
        begun = [each for each in self.amounts[name] if each.valid_from <= day]
        if not begun:
            raise ConfigurationError("amounts_not_begun", Where(key=f"amounts.{name}"), day=day)
        return max(begun, key=lambda each: each.valid_from)


class SchoolCapacity(_Strict):
    """What one school has: hours of counselling, and places by programme; None: no limit of its own."""

    hours: float
    places: Mapping[str, int]


def read_programmes(file: Path) -> ProgrammesFile:
    """Read the programmes of a bureau.

    Raises
    ------
    ConfigurationError
        With each key that does not fit, or the rule that cannot be read.
    """
    return read_settings(file, ProgrammesFile, invalid="programmes_invalid")


def read_school_capacities(
    file: Path, programmes: ProgrammesFile, *, schools: Collection[str]
) -> dict[str, SchoolCapacity]:
    """Read the capacities of single schools from a CSV; see `Budget.by_school`.

    Raises
    ------
    ConfigurationError
        With row and column of the first cell that is no number (of places: no whole one), of a school that
        is none of `schools` or stands twice, or a header that names no programme.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except OSError:
        raise ConfigurationError("configuration_missing", Where(file=str(file))) from None
    except UnicodeDecodeError:
        raise ConfigurationError("capacities_not_utf8", Where(file=str(file))) from None
    known = {f"places:{programme.id}" for programme in programmes.programmes}
    found: dict[str, SchoolCapacity] = {}
    for number, row in enumerate(rows, start=2):
        strange = set(row) - known - {"school_id", "hours"}
        if strange or "school_id" not in row:
            named = ", ".join(sorted(map(str, strange))) or "school_id"
            raise ConfigurationError("capacities_header", Where(file=str(file), row=1, column=named))
        school_id = row["school_id"]
        if school_id not in schools or school_id in found:
            code = "capacities_school_twice" if school_id in found else "capacities_school_unknown"
            raise ConfigurationError(code, Where(file=str(file), row=number, column="school_id"))
        cells = {
            name: _number(file, number, name, row[name]) for name in row if name != "school_id" and row[name]
        }
        found[school_id] = SchoolCapacity(
            hours=cells.get("hours", programmes.budget.hours_per_school),
            places={name.removeprefix("places:"): int(cells[name]) for name in cells if name != "hours"},
        )
    return found


def _number(file: Path, row: int, column: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9 or (column != "hours" and not number.is_integer()):
        raise ConfigurationError("capacities_no_number", Where(file=str(file), row=row, column=column))
    return number
