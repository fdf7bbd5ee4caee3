"""Typed, versioned configuration, read from YAML. An unknown key is refused.

Only `cli` and `pipelines` know this module: a stage takes plain keyword arguments.
"""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, TypeVar, cast, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from riskmodel.domain import Audience, Family, Language, RegionRule, Step, UnexcusedAbsenceRule
from riskmodel.errors import ConfigurationError, Where
from riskmodel.ledger.deadlines import LedgerRule
from riskmodel.official import IndicatorRule, Target
from riskmodel.recipe import PRIOR_SD, Recipe, Search, TreeParameters
from riskmodel.settings_files import read_settings
from riskmodel.wording import LANGUAGES, forbidden_in


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where records come from: a folder of files or a database, and a mapping file where its shape differs.

    `url` is the SQLAlchemy URL of a database. Leave its password out and let the driver find it (for
    PostgreSQL in `~/.pgpass` or PGPASSWORD). `legal_basis` says on what ground the bureau uses the source:
    with `consent`, a child of whom it tells anything is learnt from and scored only where one is in force
    (table `consents`). Which ground holds is a question for the bureau's counsel.
    """

    name: str
    path: Path = Path()
    url: str | None = None
    mapping: Path | None = None
    reporting_delay_days: int = Field(default=0, ge=0)
    complete_to: date | None = None
    keyed_by: Literal["student_id", "roll_number"] = "student_id"
    legal_basis: Literal["statutory_duty", "consent"] = "statutory_duty"

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.url is None) == ("path" not in self.model_fields_set):
            raise ValueError("give either path or url")
        return self


class CountySize(_Strict):
    """The fictional county that stands in where no real data may go (`riskmodel county`)."""

    students: int = Field(default=20_000, ge=500, le=2_000_000)
    counties: int | None = Field(default=None, ge=1, le=50)
    first_school_year: int = 2023
    school_years: int = Field(default=3, ge=1, le=9)
    primary_leavers_a_year: float = Field(default=0.006, gt=0, lt=0.2)
    junior_leavers_a_year: float = Field(default=0.018, gt=0, lt=0.2)


class WeekOfTerm(_Strict):
    """The end of a week of a term: `start_date` + 7 x week days."""

    term: str
    week: int = Field(ge=1, le=60)


class AsOfDates(_Strict):
    """From which days to look ahead.

    `weeks` of every term, and `dates`, are the candidates that are stacked for training; of them, those
    count whose outcomes were known on the day that is predicted. `test` defaults to the candidates of
    the latest term whose outcomes are known at the end of the data. `current` is the day to score.
    """

    weeks: tuple[Annotated[int, Field(ge=1, le=60)], ...] = ()
    dates: tuple[date, ...] = ()
    test: tuple[WeekOfTerm | date, ...] = ()
    current: WeekOfTerm | date


class HorizonDays(_Strict):
    """So many days after the as-of date."""

    days: int = Field(ge=7, le=730)


class Bands(_Strict):
    """Limits of calibrated risk from which a band begins."""

    reach_out: float = Field(gt=0, lt=1)
    check_in: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Bands:
        if self.check_in >= self.reach_out:
            raise ValueError("check_in 须小于 reach_out / check_in must be below reach_out")
        return self


class Capacity(_Strict):
    """How many students people have time for: a share of the cohort of the current date.

    `equal_recall_by` names a grouping of students (those of the audit) whose groups take their places by
    cut-offs of their own, so that each group's leavers are found as often; None: by risk alone.
    """

    share: float = Field(gt=0, le=1)
    equal_recall_by: Literal[
        "sex", "stage", "township", "rural", "boarding", "left_behind", "migrant", "disability", "hardship",
        "ethnicity",
    ] | None = None  # fmt: skip


class SchoolHours(_Strict):
    """A school's hours for first talks while a set is valid, and what one student is reckoned to take."""

    available: float = Field(default=40.0, gt=0)
    reach_out: float = Field(default=1.5, gt=0)
    check_in: float = Field(default=0.5, gt=0)


class ProtectedFeatures(_Strict):
    """A bureau's written decision that a model may learn from sex, ethnicity or disability.

    `decided` says who decided, when, and where it is written; the model card quotes it.
    """

    use: tuple[Literal["sex_female", "ethnicity_not_han", "disability_registered"], ...] = Field(min_length=1)
    decided: str = Field(min_length=1)


class ReferenceFigures(_Strict):
    """Figures that others published on the same rows, printed beside ours."""

    name: str
    auc: float
    auc_low: float | None = None
    auc_high: float | None = None
    average_precision: float | None = None
    precision_at_10: float | None = None
    brier: float | None = None
    calibration_slope: float | None = None


_Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionDays(_Strict):
    """How long each kind of thing is kept; what has no number is kept until a person removes it.

    `sets`: published scores, from their publishing, with their sheets (never the current set, nor the one
    that a rollback would bring back). `actions`: from the day on which they were done. `matrices`: features
    and labels, which can be made anew. `models`: of no set that is kept. `allocations`: runs of aid with
    their lists, from their making (never the newest approved one: who waits keeps the place in time by it).
    The log of looks is kept as a whole: a chain of hashes cannot lose its beginning.
    """

    sets: _Days | None = None
    actions: _Days | None = None
    matrices: _Days | None = None
    models: _Days | None = None
    allocations: _Days | None = None


def _server(url: str) -> str:
    """Let through the address of a server and nothing else that MLflow would open: no file, no database."""
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not set(url) & set(" \\@#?%;") and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or ".." in url:
        raise ValueError(
            "须为 http:// 或 https:// 的地址，不带用户名、密码和参数 / must be an http:// or https:// "
            "address without user, password or parameters"
        )
    return url.rstrip("/")


class RunConfiguration(_Strict):
    """One file says what a run does."""

    config_version: Literal[1]
    region: str
    workspace: Path
    seed: int = 1
    sources: tuple[Source, ...] = Field(min_length=1)
    county: CountySize | None = None
    as_of: AsOfDates
    horizon: HorizonDays | Literal["end_of_term"]
    bands: Bands
    capacity: Capacity
    sheets_for_schools: int = Field(default=2, ge=0)
    valid_days: int = Field(default=90, ge=1)
    ticket_school_days: int = Field(default=10, ge=1, le=60)
    school_hours: SchoolHours = SchoolHours()
    recipe: str | None = None
    challengers: tuple[str, ...] = ()
    publish_simpler: bool = False
    protected_features: ProtectedFeatures | None = None
    retention_days: RetentionDays = RetentionDays()
    signing_key: Path | None = None
    tracking: Annotated[str, AfterValidator(_server)] | None = None
    reference: tuple[ReferenceFigures, ...] = ()

    @model_validator(mode="after")
    def _challengers_differ(self) -> RunConfiguration:
        if len({self.recipe, *self.challengers}) <= len(self.challengers):
            raise ValueError(
                "challengers 中有重复，或就是 recipe / a recipe stands twice in challengers, or is recipe"
            )
        return self


def _in_order(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise ValueError("两个限值须由小到大 / the first limit must be below the second")
    return limits


_Share = Annotated[float, Field(ge=0, le=1)]
_Range = Annotated[tuple[Annotated[float, Field(gt=0)], float], AfterValidator(_in_order)]


class GateLimits(_Strict):
    """What the gates ask of a model before anybody may use it: see `evaluation.gates.Limits`."""

    config_version: Literal[1]
    auc_low: _Share
    auc_suspicious: _Share
    beaten_by: tuple[Literal["logistic", "absence_rule", "last_term", "school_rate", "constant"], ...]
    observed_over_expected: _Range
    group_observed_over_expected: _Range
    calibration_slope: _Range
    recall_gap: _Share
    known_schools: _Share
    same_list: _Share
    same_first: _Share
    same_three: _Share
    flipped_by_a_day: _Share
    newest_outcomes_days: int = Field(ge=1)


class ActionStep(BaseModel):
    """One first step: a sentence in each language, and who may be told to take it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str]

    zh: str = Field(min_length=4, max_length=120)
    en: str = Field(min_length=4, max_length=200)
    audience: Audience = "class_teacher"

    @model_validator(mode="after")
    def _words(self) -> ActionStep:
        unknown = set(self.texts) - set(LANGUAGES)
        if unknown:
            raise ValueError(f"没有这种语言 / no such language: {', '.join(sorted(unknown))}")
        found = sorted(
            {word for language, said in self.texts.items() for word in forbidden_in(said, language)}
        )
        if found:
            raise ValueError(f"不能用的词 / forbidden words: {', '.join(found)}")
        return self

    @property
    def texts(self) -> dict[Language, str]:
        """The sentence by language."""
        more = cast(dict[Language, str], self.__pydantic_extra__ or {})
        return {"zh": self.zh, "en": self.en, **more}


class _ActionLibrary(_Strict):
    config_version: Literal[1]
    steps: dict[Family, Annotated[tuple[ActionStep, ...], Field(min_length=2)]]

    # Season is the same for everybody of a day: nobody's reason, and no step of anybody.
    @model_validator(mode="after")
    def _every_family(self) -> _ActionLibrary:
        missing = [each for each in get_args(Family) if each not in self.steps and each != "season"]
        if missing:
            raise ValueError(f"缺少类别 / families are missing: {', '.join(missing)}")
        return self


class _RecipeFile(_Strict):
    class Trees(_Strict):
        depth: int = Field(default=TreeParameters.depth, ge=1, le=8)
        rounds: int = Field(default=TreeParameters.rounds, ge=1, le=5000)
        learning_rate: float = Field(default=TreeParameters.learning_rate, gt=0, le=1)
        column_share: float = Field(default=TreeParameters.column_share, gt=0, le=1)
        leaf_rows: int = Field(default=TreeParameters.leaf_rows, ge=1)
        leaf_events: float = Field(default=TreeParameters.leaf_events, ge=0)
        l2: float = Field(default=TreeParameters.l2, ge=0)
        monotone: bool = TreeParameters.monotone

    class Linear(_Strict):
        prior_sd: float = Field(default=PRIOR_SD, gt=0, le=10)

    class Search(_Strict):
        trials: int = Field(ge=2, le=1000)
        minutes: float = Field(gt=0, le=600)

    config_version: Literal[1]
    learns: Literal["horizon", "hazard"] = "horizon"
    parts: tuple[Literal["trees", "linear"], ...] = Field(default=("trees",), min_length=1)
    trees: Trees = Trees()
    linear: Linear = Linear()
    search: Search | None = None
    sample_staying: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _searched_trees(self) -> _RecipeFile:
        if len(set(self.parts)) < len(self.parts):
            raise ValueError("parts 中有重复 / a part stands twice")
        if self.search and "trees" not in self.parts:
            raise ValueError("search 只用于 trees / search is for trees only")
        return self


_MonthDay = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
_Ages = tuple[Annotated[int, Field(ge=3, le=18)], Annotated[int, Field(ge=3, le=18)]]


class _RegionRules(_Strict):
    class Rule(_Strict):
        class Absence(_Strict):
            consecutive_school_days: int = Field(ge=1)

        version: str
        valid_from: date
        source: str
        dropped_out_exit: bool = True
        verified_by_ledger: bool = True
        suspension_overrun_days: int | None = 30
        unexcused_absence: Absence | None = None
        break_days: int = Field(default=30, ge=0)
        last_compulsory_grade: int = 9
        outcome_delay_days: int = Field(default=70, ge=0)
        spells_begun_in_term: bool = False

    class Indicators(_Strict):
        version: str
        valid_from: date
        source: str
        year_begins: _MonthDay = "08-15"
        counted_after_days: int = Field(default=30, ge=0, le=120)
        age_on: _MonthDay = "08-31"
        primary_ages: _Ages = (6, 11)
        junior_ages: _Ages = (12, 14)
        hide_below: int = Field(default=5, ge=1, le=100)
        few_below: int = Field(default=100, ge=1)

        @model_validator(mode="after")
        def _apart(self) -> _RegionRules.Indicators:
            if self.primary_ages[1] + 1 != self.junior_ages[0]:
                raise ValueError("两个年龄段须相接 / the two age groups must meet")
            return self

    class Ledger(_Strict):
        version: str
        valid_from: date
        source: str
        suspected_after_school_days: int = Field(ge=1, le=60)
        first_visit_days: int = Field(ge=1, le=90)
        verify_days: int = Field(ge=1, le=180)
        visit_every_days: int = Field(ge=1, le=180)
        follow_up_weeks: tuple[Annotated[int, Field(ge=1, le=52)], ...] = Field(min_length=1)
        closing_days: int = Field(ge=1, le=90)

    config_version: Literal[1]
    rules: tuple[Rule, ...] = Field(min_length=1)
    indicators: tuple[Indicators, ...] = ()
    ledger: tuple[Ledger, ...] = ()


class _TargetFile(_Strict):
    class One(_Strict):
        name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
        formula: Literal[
            "dropout_rate", "dropout_rate_net", "yearly_retention", "yearly_retention_corrected",
            "nine_year_retention", "nine_year_retention_corrected", "enrolment_rate",
            "enrolment_rate_counted", "disabled_enrolment_rate",
        ]  # fmt: skip
        stage: Literal["", "primary", "junior"] = ""
        valid_from: date
        valid_to: date | None = None
        source: str
        at_least: Decimal | None = Field(default=None, gt=0, le=2)
        at_most: Decimal | None = Field(default=None, ge=0, lt=1)
        zh: str = Field(min_length=2)
        en: str = Field(min_length=2)

        @model_validator(mode="after")
        def _one_limit(self) -> _TargetFile.One:
            if (self.at_least is None) == (self.at_most is None):
                raise ValueError("须写 at_least 或 at_most 之一 / give either at_least or at_most")
            return self

    config_version: Literal[1]
    targets: tuple[One, ...]


def read_configuration(file: Path) -> RunConfiguration:
    """Read a run's configuration. Paths in it are relative to the working directory.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not YAML, or a key is unknown, missing or out of range; all keys at
        once.
    """
    return read_settings(file, RunConfiguration, invalid="configuration_invalid")


def read_region_rules(file: Path) -> tuple[RegionRule, ...]:
    """Read a region's dated rules of what counts as leaving, oldest first."""
    rules = []
    for rule in read_settings(file, _RegionRules, invalid="configuration_invalid").rules:
        fields = rule.model_dump(exclude={"unexcused_absence"})
        absence = rule.unexcused_absence
        rules.append(
            RegionRule(
                **fields,
                unexcused_absence=UnexcusedAbsenceRule(absence.consecutive_school_days) if absence else None,
            )
        )
    return tuple(sorted(rules, key=lambda rule: rule.valid_from))


def read_indicator_rules(file: Path) -> tuple[IndicatorRule, ...]:
    """Read a region's dated rules of its official figures, oldest first; none where the region has none."""

    def month_day(said: str) -> tuple[int, int]:
        return int(said[:2]), int(said[3:])

    told = read_settings(file, _RegionRules, invalid="configuration_invalid").indicators
    rules = [
        IndicatorRule(
            **one.model_dump(exclude={"year_begins", "age_on"}),
            year_begins=month_day(one.year_begins),
            age_on=month_day(one.age_on),
        )
        for one in told
    ]
    return tuple(sorted(rules, key=lambda rule: rule.valid_from))


def read_ledger_rules(file: Path) -> tuple[LedgerRule, ...]:
    """Read a region's dated deadlines of cases, oldest first; none where the region has none."""
    told = read_settings(file, _RegionRules, invalid="configuration_invalid").ledger
    return tuple(sorted((LedgerRule(**one.model_dump()) for one in told), key=lambda rule: rule.valid_from))


def read_targets(file: Path) -> tuple[Target, ...]:
    """Read what a plan asks of the official figures, with a name in each language."""
    told = read_settings(file, _TargetFile, invalid="targets_invalid").targets
    return tuple(
        Target(
            **one.model_dump(exclude={"at_least", "at_most", "zh", "en"}),
            at_least=None if one.at_least is None else Fraction(one.at_least),
            at_most=None if one.at_most is None else Fraction(one.at_most),
            texts={"zh": one.zh, "en": one.en},
        )
        for one in told
    )


def targets_file(configuration_file: Path) -> Path:
    """Return the file of the targets: `targets.yaml` beside the configuration."""
    return configuration_file.parent / "targets.yaml"


def read_recipe(file: Path) -> Recipe:
    """Read a recipe: how a model is made. It is named for its file."""
    told = read_settings(file, _RecipeFile, invalid="configuration_invalid")
    return Recipe(
        name=file.stem,
        learns=told.learns,
        parts=told.parts,
        trees=TreeParameters(**told.trees.model_dump()),
        search=Search(**told.search.model_dump()) if told.search else None,
        prior_sd=told.linear.prior_sd,
        sample_staying=told.sample_staying,
    )


def read_gate_limits(file: Path) -> GateLimits:
    """Read what a bureau asks of a model before anybody may use it."""
    return read_settings(file, GateLimits, invalid="gates_invalid")


def gates_file(configuration_file: Path) -> Path:
    """Return the file of the gates: `gates.yaml` beside the configuration."""
    return configuration_file.parent / "gates.yaml"


def read_actions(file: Path) -> dict[Family, tuple[Step, ...]]:
    """Read a bureau's action library.

    Raises
    ------
    ConfigurationError
        With each key: a family that is none, fewer than two steps, a sentence that is missing, a word
        that may stand on no sheet.
    """
    told = read_settings(file, _ActionLibrary, invalid="actions_invalid")
    return {
        family: tuple(Step(step.texts, step.audience) for step in steps)
        for family, steps in told.steps.items()
    }


def actions_file(configuration_file: Path) -> Path:
    """Return the file of the action library: `actions.yaml` beside the configuration."""
    return configuration_file.parent / "actions.yaml"


def recipe_file(configuration_file: Path, name: str) -> Path:
    """Return the file of a recipe: `recipes/<name>.yaml` beside the configuration."""
    return configuration_file.parent / "recipes" / f"{name}.yaml"


def region_rules_file(configuration_file: Path, region: str) -> Path:
    """Return the file of a region's rules: `regions/<region>.yaml` beside the configuration."""
    return configuration_file.parent / "regions" / f"{region}.yaml"


_Rule = TypeVar("_Rule", RegionRule, IndicatorRule)


def rule_on(rules: tuple[_Rule, ...], as_of_date: date) -> _Rule:
    """Return the rule that holds on a day.

    Raises
    ------
    ConfigurationError
        If the first rule begins later.
    """
    holding = [rule for rule in rules if rule.valid_from <= as_of_date]
    if not holding:
        raise ConfigurationError("no_rule_for_date", Where(key="rules"), date=as_of_date)
    return holding[-1]


def configuration_hash(file: Path) -> str:
    """Return the sha256 of a configuration file, by which a run names what it was told."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
