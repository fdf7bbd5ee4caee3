"""The vocabulary: frozen types that pass between stages. No I/O, and no heavy import at run time.

A word means one thing everywhere. `as_of_date`: the day whose knowledge counts. `horizon`: the days after
it in which leaving counts, `horizon_end` the last of them. `cohort`: the students who could leave.
`label`: what became of one of them. `margin`: the model's raw log-odds. `risk`: a calibrated probability
in [0, 1]. `contribution`: log-odds that a feature, or a family of features, adds to the margin.
`capacity`: how many students people have time for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.design import Design

Language = Literal["zh", "en"]
Audience = Literal["class_teacher", "counsellor"]
"""Who may read a fact. The counsellor reads all that the class teacher reads, and more."""
CHINA_TIME = timezone(timedelta(hours=8))
"""One zone for the whole country, with no summer time since 1991."""


class Stage(StrEnum):
    """Stage of schooling, told by the grade of the spell (1 to 6, 7 to 9, above)."""

    PRIMARY = "primary"
    JUNIOR = "junior"
    BEYOND = "beyond"


class Band(StrEnum):
    """What a school is asked to do, named for the help and never for the student."""

    REACH_OUT = "reach_out"
    CHECK_IN = "check_in"
    USUAL_CARE = "usual_care"
    NOT_ENOUGH_INFORMATION = "not_enough_information"


class Outcome(StrEnum):
    """What became of a student of the cohort within the horizon, as known on the label date."""

    STAYED = "stayed"
    LEFT = "left"
    UNKNOWN = "unknown"
    """Censored: the horizon and the outcome delay have not passed. Never 0."""
    UNACCOUNTED = "unaccounted"
    """A transfer nobody confirmed, or no spell where one was due. Reported apart."""
    ALREADY_GONE = "already_gone"
    """Left on or before the as-of date, recorded after it. Neither trained on nor counted as found."""


@dataclass(frozen=True)
class Term:
    """A term of the bureau's calendar. Both ends are included."""

    term: str
    start_date: date
    end_date: date


@dataclass(frozen=True)
class AsOf:
    """A day from which to look ahead.

    `term` is the term in which the day lies (where terms overlap: the one that was asked for), and
    `horizon_end` the last day, included, on which leaving counts.
    """

    as_of_date: date
    horizon_end: date
    term: str


@dataclass(frozen=True)
class UnexcusedAbsenceRule:
    """Leaving by absence: so many consecutive reported school days, all unexcused."""

    consecutive_school_days: int


@dataclass(frozen=True)
class RegionRule:
    """What counts as leaving in a region, from a day on. Names and thresholds differ from place to place.

    Attributes
    ----------
    version
        Name of this dated rule, printed wherever a label is used.
    valid_from
        First as-of date for which the rule holds.
    source
        The regulation, or the decision, that the rule states.
    dropped_out_exit, verified_by_ledger
        Whether a spell that ends `dropped_out`, and a ledger event `verified_dropout`, are leaving.
    suspension_overrun_days
        Days past `expected_return` with no new spell after which a suspension is leaving; None: never.
    unexcused_absence
        None: absence alone is never leaving.
    break_days
        Days after a term's start (and the whole break before it) in which a student whose last spell
        ended `continued`, `graduated` below the last compulsory grade or `transferred` still belongs to
        the cohort; after them, who is expected and has no spell is unaccounted.
    last_compulsory_grade
        9 in China; graduation from it is not leaving.
    outcome_delay_days
        Days after the horizon that outcomes take to be recorded. Before that a label is unknown.
    spells_begun_in_term
        Limit the cohort to spells begun in the as-of date's term (a course that runs for one term).
    """

    version: str
    valid_from: date
    source: str
    dropped_out_exit: bool = True
    verified_by_ledger: bool = True
    suspension_overrun_days: int | None = 30
    unexcused_absence: UnexcusedAbsenceRule | None = None
    break_days: int = 30
    last_compulsory_grade: int = 9
    outcome_delay_days: int = 70
    spells_begun_in_term: bool = False


@dataclass(frozen=True)
class LeftOut:
    """Whose records are neither learnt from nor scored, whatever the day: what counts is what is known now.

    Attributes
    ----------
    students
        Whose guardian objects, as the published store keeps it.
    needs_consent
        Sources whose legal basis is consent: a child of whom such a source tells anything needs one.
    """

    students: tuple[str, ...] = ()
    needs_consent: tuple[str, ...] = ()


NOBODY = LeftOut()
"""Nobody is left out, but for who objects in the records themselves."""


FeatureRole = Literal["model", "audit", "fact"]
"""`model`: the model may use it. `audit`: only for checking groups. `fact`: only for words on a sheet."""
Kind = Literal["can_act", "needs_others", "background"]
"""Whether a school can act on it, needs others for it, or it is background."""
Unit = Literal[
    "days", "weeks", "months", "years", "share", "points", "count", "km", "yuan", "flag", "code",
    "standard_deviations",
]  # fmt: skip
Family = Literal[
    "attendance", "study", "home", "money", "travel", "mobility", "age_and_grade", "season", "school"
]
SEASON = "days_since_term_start"
"""The feature that says where in the term a day lies: the weights of a line vary with it."""


@dataclass(frozen=True, kw_only=True)
class FeatureInfo:
    """What travels of a feature's declaration once its value is computed.

    Attributes
    ----------
    name
        The column, in full words with its unit or window: `absence_days_28d`.
    family
        Contributions are summed by family before anybody reads them.
    direction
        1: more goes along with more risk; -1: with less; 0: not said.
    kind, audience
        Whether the school can act on it, and who may read it.
    source
        The table of the record contract whose rows it is made from.
    reason, strength
        Wording codes of the sentence for a positive and for a negative contribution; None: never said.
        The sentence's slots are names of features.
    reason_range, strength_range
        The sentence is only said where the value lies within (both ends included), so that a reason
        never reads like its opposite.
    freshness
        Name of the `fact` feature that holds the days from the newest row behind the value to the as-of
        date; None: not told. A statement takes its date from it.
    """

    name: str
    unit: Unit
    family: Family
    source: str
    direction: Literal[-1, 0, 1] = 0
    kind: Kind = "background"
    audience: Audience = "class_teacher"
    role: FeatureRole = "model"
    reason: str | None = None
    strength: str | None = None
    reason_range: tuple[float, float] = (float("-inf"), float("inf"))
    strength_range: tuple[float, float] = (float("-inf"), float("inf"))
    freshness: str | None = None


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of the cohort at one or more as-of dates.

    `frame` has one row per (`as_of_date`, `student_id`), sorted by the two (among many students by part of
    the schools before the student), with the columns of `MATRIX_KEYS` and then one float64 column per
    feature, NaN where not known. Dates are `datetime64[s]`, ids text, `grade` integer.
    """

    frame: pd.DataFrame
    features: tuple[FeatureInfo, ...]

    @property
    def model_features(self) -> tuple[str, ...]:
        """Names of the columns that a model may use, in the order of the declarations."""
        return tuple(f.name for f in self.features if f.role == "model")

    @property
    def columns(self) -> frozenset[str]:
        """Names of all columns."""
        return frozenset(self.frame.columns)

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Return some columns of all rows."""
        return self.frame[list(names)]

    def design(self, names: Sequence[str]) -> Design:
        """Return the numbers of some columns."""
        from riskmodel.design import ArrayDesign  # and with it numpy, which nothing that serves has need of

        return ArrayDesign(self.frame[list(names)].to_numpy(dtype="float64"))


class Matrix(Protocol):
    """What can be learnt from: a FeatureMatrix, or one whose rows stay in their files."""

    @property
    def features(self) -> tuple[FeatureInfo, ...]:
        """Declarations of the feature columns."""
        ...

    @property
    def model_features(self) -> tuple[str, ...]:
        """Names of the columns that a model may use, in the order of the declarations."""
        ...

    @property
    def columns(self) -> frozenset[str]:
        """Names of all columns."""
        ...

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read some columns of all rows."""
        ...

    def design(self, names: Sequence[str]) -> Design:
        """Return the numbers of some columns."""
        ...


MATRIX_KEYS = (
    "as_of_date", "student_id", "household_id", "school_id", "township", "stage", "grade",
    "class_name", "masked_name", "number_tail",
)  # fmt: skip
"""Columns of a FeatureMatrix that say whose row it is. `household_id` falls back to the student's own
id; `masked_name` shows the family name only; `number_tail` is the last four of the roll number."""


@dataclass(frozen=True)
class Labels:
    """What became of the cohort, as known on the label date.

    `frame` has one row per (`as_of_date`, `student_id`), sorted by the two: `outcome` (a value of
    Outcome), `left_on` (first day away; missing unless left or already gone), `cause` (which part of the
    rule said so), `returned_on` (missing: did not return within the horizon),
    `arrived_on` (when one who is unaccounted turned up after the due day), `term` of the as-of date, and
    `horizon_end` (the last day on which leaving counts).
    """

    frame: pd.DataFrame
    label_date: date
    rule_version: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One reason or one strength of a student: a family's contribution, told by its strongest member.

    `contribution` is the family's sum in log-odds, `dots` its size in three steps (never a percentage),
    `values` fill the slots of the sentence `code`. `source_date` is the newest day of the rows behind it.
    """

    family: Family
    code: str
    kind: Kind
    audience: Audience
    contribution: float
    dots: Literal[1, 2, 3]
    values: Mapping[str, float | None]
    source: str
    source_date: date | None


@dataclass(frozen=True)
class Step:
    """One thing that somebody can do first, in each language, and who may be told to."""

    texts: Mapping[Language, str]
    audience: Audience = "class_teacher"

    def text(self, language: Language) -> str:
        """Say it; in English where the bureau's file has no sentence in this language yet."""
        return self.texts.get(language) or self.texts["en"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that the system does not know about a student, and says so."""

    code: str
    values: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PerHundred:
    """Of 100 students in similar circumstances, about `point` left (roughly `low` to `high`)."""

    point: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ScoredStudent:
    """One student of a scored term: a student without a score is one too, with band and reason.

    `listed`: within capacity, or banded reach out or check in; only the listed have statements.
    `near_line`: in the list in some bagged models and not in others. `attendance_history`: absent days
    in the last six blocks of 28 days, oldest first, None where nothing was reported.
    """

    student_id: str
    school_id: str
    stage: Stage
    grade: int
    class_name: str
    masked_name: str
    number_tail: str
    risk: float | None
    band: Band
    listed: bool
    near_line: bool = False
    similar: PerHundred | None = None
    reasons: tuple[Statement, ...] = ()
    strengths: tuple[Statement, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    attendance_history: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class School:
    """A school as the published set names it."""

    school_id: str
    name: str
    township: str


@dataclass(frozen=True)
class TermFacts:
    """What is true of a whole scored term, and stands on every answer and sheet made from it.

    `probabilities` is False where too few events were known to train on: then no student has a `risk`
    and bands come from the absence rule. `data_complete_to` is the last day up to which every source
    tells everything. `features` is the dictionary by which statements are put into words.
    `records_delivery` numbers the last delivery of records that the term was scored from; `revises` names
    the set whose corrected students were scored again, all others being as they were there.
    """

    region: str
    term: str
    as_of_date: date
    horizon_end: date
    valid_until: date
    model_version: str
    rule_version: str
    wording_version: str
    records_hash: str
    data_complete_to: date
    probabilities: bool
    features: tuple[FeatureInfo, ...]
    records_delivery: int = 0
    revises: str | None = None

    @property
    def horizon_days(self) -> int:
        """Days after the as-of date on which leaving counts."""
        return (self.horizon_end - self.as_of_date).days

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """Unit of each feature by name, as sentences need it."""
        return {feature.name: feature.unit for feature in self.features}


@dataclass(frozen=True)
class ScoredTerm:
    """All students of the cohort on one as-of date, scored by one model: what is handed to the store."""

    facts: TermFacts
    schools: tuple[School, ...]
    students: tuple[ScoredStudent, ...]


@dataclass(frozen=True)
class PublishedSet:
    """A scored term as it was published. `set_id` stands on every answer that is read from it."""

    set_id: str
    published_at: datetime
    facts: TermFacts


class AidAnswer(StrEnum):
    """What a student is answered of a programme of aid. The first five need no comparison with others."""

    ENTITLED_RECEIVING = "entitled_receiving"
    ENTITLED_NOT_RECEIVING = "entitled_not_receiving"
    """应助未助: entitled, and no grant runs as far as is recorded. To be checked and granted, whatever the
    risk."""
    NOT_ELIGIBLE = "not_eligible"
    ALREADY_HELPED = "already_helped"
    NOT_ENOUGH_INFORMATION = "not_enough_information"
    TAKEN = "taken"
    PLACES_USED_UP = "places_used_up"
    HOURS_USED_UP = "hours_used_up"
    YUAN_USED_UP = "yuan_used_up"
    ENOUGH_PROGRAMMES = "enough_programmes"
    """Has as many programmes of this run as one student may have."""

    @property
    def waits(self) -> bool:
        """Whether the student stays on the programme's waiting list, from run to run."""
        return self in (AidAnswer.PLACES_USED_UP, AidAnswer.HOURS_USED_UP, AidAnswer.YUAN_USED_UP)


ActionKind = Literal["suggested", "contacted", "visited", "aid_given", "counselling_hours", "result"]
"""What was done for a student: a suggestion handed to somebody, a talk or call with the student or the
family, a visit at home, aid in money or kind, hours of counselling, and what came of it all."""
ActionResult = Literal[
    "reached", "not_reached", "accepted", "declined", "in_school", "returned", "transferred", "left",
    "no_need",
]  # fmt: skip
"""What came of an action. `left` is what a person says; it is never a label."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that was done for a student, as a person tells it.

    Attributes
    ----------
    day
        On which it was done.
    done_by
        Who did it, by name or office, as the school writes it.
    action_id
        The teller's own id of it, unique for the student: telling it again changes nothing. None: the store
        gives one.
    programme
        What aid was given out of; asked of `aid_given`.
    amount_yuan, hours
        What was given; `counselling_hours` asks for hours.
    result
        Asked of the kind `result`.
    corrects
        The action that this one takes the place of: nothing is ever overwritten.
    withdrawn
        With `corrects`: that one was not so at all, and nothing takes its place.
    set_id
        The published set that was before the teller's eyes; None: the current one.
    """

    student_id: str
    kind: ActionKind
    day: date
    done_by: str
    action_id: str | None = None
    programme: str | None = None
    amount_yuan: float | None = None
    hours: float | None = None
    result: ActionResult | None = None
    note: str | None = None
    corrects: str | None = None
    withdrawn: bool = False
    set_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ActionTaken:
    """An action as it is kept: with the set and the score that were served when it was told.

    `risk`, `band` and `listed` are those of the set `set_id`. `is_in_force` is False for one that another
    corrects, and for one that only withdraws.
    """

    action: Action
    action_id: str
    set_id: str
    school_id: str
    risk: float | None
    band: Band
    listed: bool
    recorded_at: datetime
    key_id: str
    is_in_force: bool
