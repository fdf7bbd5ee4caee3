"""What goes out: the shape of every answer. A field that does not stand here is never shown.

What a field means, in both languages, stands in the wording files under `api.fields.<name>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riskmodel.domain import (
    ActionKind,
    ActionResult,
    AidAnswer,
    Audience,
    Band,
    Family,
    Kind,
    Language,
    Stage,
    Unit,
)
from riskmodel.official import Level
from riskmodel.store.actions import LONGEST, MOST_AT_ONCE, MOST_HOURS, MOST_YUAN
from riskmodel.store.allocations import State, WaitingAt
from riskmodel.store.feedback import Code as FeedbackCode
from riskmodel.store.paging import ORDER_NAMES, USUAL_ORDER
from riskmodel.store.principals import Role
from riskmodel.store.tickets import Answer as TicketAnswer

StudentId = Annotated[str, Field(min_length=1, max_length=64)]
RollNumber = Annotated[str, Field(min_length=1, max_length=40)]


def _comma(names: Iterable[str], *, signed: bool = False) -> str:
    """Return the pattern of names separated by commas."""
    one = f"{'-?' if signed else ''}({'|'.join(names)})"
    return f"^{one}(,{one})*$"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Shape):
    """One sentence in both languages."""

    zh: str
    en: str


class SetOut(_Shape):
    """Which published set an answer comes from: one set for the whole answer."""

    set_id: str
    published_at: datetime
    region: str
    term: str
    as_of_date: date
    horizon_end: date
    valid_until: date
    data_complete_to: date
    expired: bool


class ModelOut(_Shape):
    """What made the result."""

    version: str
    rule_version: str
    wording_version: str
    probabilities: bool


class PerHundredOut(_Shape):
    """Of 100 students in similar circumstances, about so many left."""

    point: Annotated[int, Field(ge=0, le=100)]
    low: Annotated[int, Field(ge=0, le=100)]
    high: Annotated[int, Field(ge=0, le=100)]
    text: Words


class StatementOut(_Shape):
    """A reason or a strength."""

    code: str
    family: Family
    family_label: Words
    kind: Kind
    dots: Literal[1, 2, 3]
    text: Words
    values: dict[str, float | None]
    source: str
    source_date: date | None


class UnknownOut(_Shape):
    """Something that the system does not know."""

    code: str
    text: Words


class ListedStudent(_Shape):
    """A student as a school's list shows them: no probability, so that the list is no ranking."""

    student_id: str
    stage: Stage
    grade: int
    class_name: str
    masked_name: str
    band: Band
    band_label: Words
    listed: bool
    near_line: bool

    model_config = ConfigDict(json_schema_extra={"required": ["student_id"]})
    """`fields` may leave out all but the id."""


class StudentRisk(_Shape):
    """Everything that is shown of one student."""

    student_id: str
    school_id: str
    stage: Stage
    grade: int
    class_name: str
    masked_name: str
    risk: Annotated[float, Field(ge=0, le=1)] | None
    band: Band
    band_label: Words
    band_meaning: Words
    listed: bool
    near_line: bool
    similar_per_100: PerHundredOut | None
    reasons: tuple[StatementOut, ...]
    strengths: tuple[StatementOut, ...]
    withheld: Words | None
    unknowns: tuple[UnknownOut, ...]
    model: ModelOut
    set: SetOut
    notice: Words


class SchoolOut(_Shape):
    """A school."""

    school_id: str
    name: str
    township: str


class ClassOut(_Shape):
    """A class of a school."""

    grade: int
    class_name: str
    student_count: int
    listed_count: int


class SchoolAnswer(_Shape):
    """A school and its classes."""

    school: SchoolOut
    classes: tuple[ClassOut, ...]
    set: SetOut


class SetAnswer(_Shape):
    """A published set, and what made it."""

    set: SetOut
    model: ModelOut
    current: bool


class SetList(_Shape):
    """The sets that were ever current, the last to become so first."""

    sets: tuple[SetAnswer, ...]


class PastRisk(_Shape):
    """What one set told of a student."""

    school_id: str
    grade: int
    class_name: str
    risk: Annotated[float, Field(ge=0, le=1)] | None
    band: Band
    band_label: Words
    listed: bool
    near_line: bool
    similar_per_100: PerHundredOut | None
    model: ModelOut
    set: SetOut


class RiskHistory(_Shape):
    """What was told of a student, set by set, the last to become current first."""

    student_id: str
    risks: tuple[PastRisk, ...]
    notice: Words


class RiskQuery(_Shape):
    """Of which set: the current one where neither is given; of a term, the set that was current last."""

    set_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    term: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class LanguageQuery(_Shape):
    """In which language a page is."""

    lang: Language = "zh"


class BatchAsked(_Shape):
    """Ids of students."""

    student_ids: Annotated[tuple[StudentId, ...], Field(min_length=1, max_length=1000)]


class BatchItem(_Shape):
    """The answer for one id: foreign and missing are the same."""

    found: bool
    student: StudentRisk | None


class StudentBatch(_Shape):
    """An answer for each id, in the order in which they were asked."""

    answers: tuple[BatchItem, ...]
    set: SetOut


class LookupAsked(_Shape):
    """Roll numbers. They are read from the body only, and kept nowhere."""

    roll_numbers: Annotated[tuple[RollNumber, ...], Field(min_length=1, max_length=1000)]


class FoundStudent(_Shape):
    """Whom a roll number belongs to."""

    student_id: str
    school_id: str
    grade: int
    class_name: str
    masked_name: str


class LookupItem(_Shape):
    """The answer for one roll number."""

    found: bool
    student: FoundStudent | None


class LookupAnswer(_Shape):
    """An answer for each roll number, in the order in which they were asked; no number is repeated."""

    answers: tuple[LookupItem, ...]
    set: SetOut


class CodeOut(_Shape):
    """A code and its words."""

    code: str
    text: Words


class BandOut(_Shape):
    """A band: what a school is asked to do."""

    code: Band
    name: Words
    meaning: Words
    mark: str


class SlotOut(_Shape):
    """A place in a sentence for a value: `{name}`."""

    name: str
    unit: Unit | None
    label: Words | None


class HistoryOut(_Shape):
    """Absent days in the 28 days from `start_date` on; None where nothing was reported."""

    start_date: date
    days_absent: float | None


class AnsweredOut(_Shape):
    """The intake's latest answer to data that the school called wrong."""

    family: Family | None
    answer: TicketAnswer
    answered_on: date
    text: Words


class Explanation(_Shape):
    """What stands on a student's sheet."""

    student: StudentRisk
    has_sheet: bool
    why_no_sheet: Words | None
    history: tuple[HistoryOut, ...]
    first_steps: tuple[Words, ...]
    answered: AnsweredOut | None
    feedback_codes: tuple[CodeOut, ...]
    caveats: tuple[CodeOut, ...]


class ExplanationQuery(RiskQuery):
    """Of which set, and in which language a page or a PDF is; JSON tells both languages."""

    lang: Language = "zh"


class SentenceOut(_Shape):
    """A sentence that can be said of a student, its slots in braces."""

    code: str
    use: Literal["reason", "strength", "unknown"]
    family: Family | None
    kind: Kind | None
    audience: Audience
    text: Words
    slots: tuple[SlotOut, ...]


class ReasonBook(_Shape):
    """The whole vocabulary: a program can say the same facts in its own way."""

    bands: tuple[BandOut, ...]
    families: tuple[CodeOut, ...]
    kinds: tuple[CodeOut, ...]
    sentences: tuple[SentenceOut, ...]
    first_steps: tuple[CodeOut, ...]
    feedback_codes: tuple[CodeOut, ...]
    wording_version: str
    set: SetOut


class CardOut(_Shape):
    """Which model, and where its card can be read."""

    model: ModelOut
    set: SetOut
    pages: dict[Language, str]
    notice: Words


class SchoolList(_Shape):
    """The schools that the key may see."""

    schools: tuple[SchoolOut, ...]
    set: SetOut


class StudentPage(_Shape):
    """A page of a school's students; `next` is None on the last."""

    school: SchoolOut
    students: tuple[ListedStudent, ...]
    next: str | None
    set: SetOut
    notice: Words


ClassName = Annotated[str, Field(max_length=50)]
"""Empty: the children of whom no class is recorded. They are kept so, and can be asked for."""


class ListQuery(_Shape):
    """Filters and order of a school's list. An unknown parameter is refused: a slip would show too many."""

    band: Band | None = None
    grade: Annotated[int, Field(ge=1, le=20)] | None = None
    class_name: ClassName | None = Field(default=None, alias="class")
    listed: bool | None = None
    sort: Annotated[str, Field(max_length=60, pattern=_comma(ORDER_NAMES, signed=True))] = USUAL_ORDER


class ExportQuery(ListQuery):
    """A whole list as a file, and in which language."""

    lang: Language = "zh"


class BookletQuery(_Shape):
    """Of which class, for whom, and in which language."""

    grade: Annotated[int, Field(ge=1, le=20)]
    class_name: ClassName = Field(alias="class")
    audience: Audience = "class_teacher"
    lang: Language = "zh"


class StudentQuery(ListQuery):
    """A page of a school's list, and which fields of each student."""

    fields: Annotated[str, Field(max_length=300, pattern=_comma(ListedStudent.model_fields))] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Annotated[str, Field(max_length=1000)] | None = None


_Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(3000, 1, 1))]


class LookQuery(_Shape):
    """From which day to which, both included; left out: the last 30 days."""

    since: _Day | None = None
    until: _Day | None = None


class LooksOut(_Shape):
    """How much one key looked."""

    key_id: str
    role: Role | None
    label: str | None
    requests: int
    looks: int
    students_seen: int
    missed: int
    by_purpose: dict[str, int]
    first: datetime
    last: datetime
    much: bool


class LookReport(_Shape):
    """How much each key looked, the busiest first."""

    since: date
    until: date
    keys: tuple[LooksOut, ...]


_Id = Annotated[str, Field(min_length=1, max_length=200)]


def _longest(name: str) -> Any:
    return Field(default=None, min_length=1, max_length=LONGEST[name])


class ActionIn(_Shape):
    """Something that was done for a student, as it is told."""

    student_id: _Id
    kind: ActionKind
    day: date
    done_by: Annotated[str, Field(min_length=1, max_length=LONGEST["done_by"])]
    action_id: str | None = _longest("action_id")
    programme: str | None = _longest("programme")
    amount_yuan: Annotated[float, Field(gt=0, le=MOST_YUAN)] | None = None
    hours: Annotated[float, Field(gt=0, le=MOST_HOURS)] | None = None
    result: ActionResult | None = None
    note: str | None = _longest("note")
    corrects: str | None = _longest("corrects")
    withdrawn: bool = False
    set_id: str | None = _longest("set_id")


class ActionsIn(_Shape):
    """What was done, for any number of students: all of it is kept, or nothing."""

    actions: Annotated[tuple[ActionIn, ...], Field(max_length=MOST_AT_ONCE)]


class ActionOut(_Shape):
    """An action as it is kept, with what had been served."""

    action_id: str
    student_id: str
    kind: ActionKind
    day: date
    done_by: str
    programme: str | None
    amount_yuan: float | None
    hours: float | None
    result: ActionResult | None
    note: str | None
    corrects: str | None
    withdrawn: bool
    is_in_force: bool
    recorded_at: datetime
    set_id: str
    band: Band
    listed: bool


class ActionList(_Shape):
    """Actions, oldest first; corrected ones stand among them."""

    actions: tuple[ActionOut, ...]


class ProgrammeOut(_Shape):
    """A programme of aid or care: an entitlement is for everybody whom its rule covers."""

    programme: str
    programme_kind: Literal["entitlement", "discretionary"]
    programme_name: Words


class AllocationOut(_Shape):
    """A run: what it rests on, and whether it was approved."""

    run_id: str
    set_id: str
    as_of_date: date
    made_at: datetime
    state: State
    approved_at: datetime | None
    approved_by: str | None
    method: Literal["greedy", "linear"]
    lottery: bool
    programmes: tuple[ProgrammeOut, ...]


class AllocationList(_Shape):
    """The runs that the key may see, the newest first."""

    allocations: tuple[AllocationOut, ...]
    aid_notice: Words


class AllocationItemOut(_Shape):
    """What one student was answered of one programme; the student as placed today. No score, no reason."""

    programme: str
    student_id: str
    school_id: str
    grade: int
    class_name: str
    masked_name: str
    answer: AidAnswer
    answer_label: Words
    place: int | None
    waiting: int | None
    waiting_at: WaitingAt | None
    waiting_since: date | None
    yuan: float | None
    place_hours: float | None
    yuan_left: float | None
    by_floor: bool
    drawn: bool
    stable: bool


class AllocationPage(_Shape):
    """A page of a run's items; `next` is None on the last."""

    allocation: AllocationOut
    items: tuple[AllocationItemOut, ...]
    next: str | None
    set: SetOut
    aid_notice: Words


class AllocationItemQuery(_Shape):
    """Which items of a run, and how many."""

    programme: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    answer: AidAnswer | None = None
    school_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    student_id: StudentId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Annotated[str, Field(max_length=1000)] | None = None


class FigureTarget(_Shape):
    """What a plan asks of a figure, and how far from it, in students; None where that is withheld."""

    target: str
    at_least: float | None
    at_most: float | None
    distance: int | None
    met: bool | None


class FigureOut(_Shape):
    """One official figure of a place, in a span, with the counts behind it; None where withheld."""

    formula: str
    formula_label: Words
    formula_version: str
    span: str
    span_kind: Literal["year", "within_year", "term"]
    first_day: date
    last_day: date
    complete: bool
    level: Level
    county: str
    township: str
    school_id: str
    by: Literal["all", "stage", "grade", "sex", "group", "reason"]
    stage: str
    value: str
    numerator: int | None
    denominator: int | None
    rate: float | None
    low: float | None
    high: float | None
    unaccounted: int | None
    already_gone: int | None
    count_withheld: bool
    targets: tuple[FigureTarget, ...]


class FigurePage(_Shape):
    """A page of the newest day's figures; `next` is None on the last, the day where nothing was counted."""

    as_of_date: date | None
    counted_at: datetime | None
    rule_versions: tuple[str, ...]
    figures: tuple[FigureOut, ...]
    next: str | None
    figures_notice: Words


class FigureQuery(_Shape):
    """Which figures, and how many."""

    formula: Literal[
        "dropout_rate", "dropout_rate_net", "yearly_retention", "yearly_retention_corrected",
        "nine_year_retention", "nine_year_retention_corrected", "enrolment_rate", "enrolment_rate_counted",
        "disabled_enrolment_rate",
    ] | None = None  # fmt: skip
    level: Level | None = None
    school_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Annotated[str, Field(pattern=r"^[0-9]{1,17}$")] | None = None


class ReportOut(_Shape):
    """A periodic report of a place."""

    report_id: str
    report_kind: Literal["school", "county", "prefecture", "province"]
    report_title: Words
    level: Level
    county: str
    township: str
    school_id: str
    as_of_date: date
    made_at: datetime


class ReportList(_Shape):
    """The reports that the key may see, the newest first; 500 at most."""

    reports: tuple[ReportOut, ...]
    figures_notice: Words


class ReportQuery(_Shape):
    """In which language."""

    lang: Literal["zh", "en"] = "zh"


class FeedbackIn(_Shape):
    """What a school says of a student's sheet. No free text: what is personal is said in person."""

    code: FeedbackCode
    family: Family | None = None


class FeedbackOut(_Shape):
    """One thing that was said of a student's sheet, and the intake's answer where data were called wrong."""

    feedback_id: str
    set_id: str
    code: FeedbackCode
    code_label: Words
    family: Family | None
    family_label: Words | None
    noted_on: date
    on_paper: bool
    ticket_id: int | None
    answer: TicketAnswer | None
    answered_on: date | None


class FeedbackList(_Shape):
    """Everything that was said of a student's sheets, oldest first."""

    student_id: str
    feedback: tuple[FeedbackOut, ...]
    set: SetOut


class Alive(_Shape):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(_Shape):
    """The store can be read, looks can be written down, and a set is current."""

    status: Literal["ready"] = "ready"
    set_id: str
    published_at: datetime
    age_days: int
    valid_until: date
    expired: bool


class ProblemOut(_Shape):
    """A problem as RFC 9457 writes it. It never repeats what was sent."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    parameters: tuple[str, ...] | None = None
