"""The official rates: each formula a named, versioned, sourced function of counts. No rate is clipped.

What the counts mean (`Counts`), for a place and a span:

- `enrolled`: on a compulsory grade's roll on the span's first day, as known now;
- what became of them by the last day, each in one of: `in_school` (on a roll, or in a break and not yet due),
  `graduated` (the last compulsory grade), `dropped_out` (by the region's rule), `suspended`,
  `transfer_unconfirmed`, `transferred_out` (confirmed, out of the records), `died`, `emigrated`,
  `home_teaching`, `not_back` (expected and on no roll when due), `unexplained` (the roll does not say why);
- of those `in_school`, who is so at another place: `moved_out` by transfer, `promoted_out` by having ended a
  school or gone on to one of the other stage, whatever the old school wrote (else the stages of the parts
  of a place would not add up to the place's);
- who is at the place on the last day and was not on the first: `entered` (grade 1), `promoted_in`,
  `transferred_in`, `returned` (had been on a roll before).

Two published formulas of the yearly dropout rate conflict: on death, on suspension, on net flows. Neither is
the right one, so both are there, and a target names the one it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from riskmodel.official import By, Ratio, SpanKind

Counts = Mapping[str, int]

OUTCOMES = (
    "in_school", "graduated", "dropped_out", "suspended", "transfer_unconfirmed", "transferred_out", "died",
    "emigrated", "home_teaching", "not_back", "unexplained",
)  # fmt: skip
"""What became of those enrolled: each of them in exactly one."""
MOVES = ("moved_out", "promoted_out")
ARRIVALS = ("entered", "promoted_in", "transferred_in", "returned")
UNACCOUNTED = ("transfer_unconfirmed", "not_back", "unexplained")


def dropout_rate_v1(counts: Counts) -> Ratio:
    """Dropouts in the year over enrolment at its start.

    Graduation, promotion, repetition, confirmed transfer and death are no dropouts; suspension, withdrawal
    and a transfer that no other school confirms are.

    Source: 教育学名词 (2013), 年辍学率: year = start of last school year to start of this one.
    """
    return Ratio(
        counts["dropped_out"] + counts["suspended"] + counts["transfer_unconfirmed"], counts["enrolled"]
    )


def dropout_rate_v2(counts: Counts) -> Ratio:
    """[(suspended + withdrawn + died + transferred out + other decrease) - (transferred in + other increase)]
    over enrolment at the start of last year; by school, then summed. It can be negative.

    Other decrease: emigrated, unconfirmed, not back, unexplained. Other increase: back from suspension or
    from having left. New first graders, promotion and graduation are neither. Within a larger place a
    transfer from one of its schools to another is a decrease and an increase, and cancels.

    Source: the "two basics" statistics, after 文新华 (年辍学率的计算).
    It conflicts with v1 on death and flows.
    """  # noqa: D205  a formula is no sentence
    less = sum(
        counts[name]
        for name in (
            "suspended", "dropped_out", "died", "transferred_out", "moved_out", "emigrated",
            "transfer_unconfirmed", "not_back", "unexplained",
        )
    )  # fmt: skip
    return Ratio(less - counts["transferred_in"] - counts["returned"], counts["enrolled"])


def yearly_retention(counts: Counts) -> Ratio:
    """Year-end over year-start enrolment of the place. Over 1 is normal where more come than go.

    Who has graduated or is taught at home by the year's end has been retained.

    Source: 年巩固率, local statistics bulletins: 学年末在校生数 ÷ 学年初在校生数.
    """
    return Ratio(_retained(counts) + _arrived(counts), counts["enrolled"])


def yearly_retention_corrected(counts: Counts) -> Ratio:
    """Year-end enrolment over year-start enrolment + in - out - deaths.

    Source: the flow correction of the nine-year rate (含正常流动生), used for a year;
    ours where it is silent.
    """
    out = counts["moved_out"] + counts["promoted_out"] + counts["transferred_out"] + counts["emigrated"]
    below = counts["enrolled"] + _arrived(counts) - out - counts["died"]
    return Ratio(_retained(counts) + _arrived(counts), below)


def nine_year_retention(counts: Counts) -> Ratio:
    """Graduates of the last compulsory grade over those who entered grade 1 nine years earlier.

    Source: 九年巩固率, 国家中长期教育改革和发展规划纲要 (2010-2020), 主要目标.
    """
    return Ratio(counts["graduates"], counts["entrants"])


def nine_year_retention_corrected(counts: Counts) -> Ratio:
    """Graduates over entrants + came in - went out - died, over the nine years.

    In and out: confirmed transfers, moves between the places, repeaters (out of one cohort, into the next),
    emigration, teaching at home. Who dropped out, is suspended, unconfirmed or not back stays below.

    Source: the published definition says 含正常流动生 and gives no formula; this is the usual reading.
    """
    below = counts["entrants"] + counts["came_in"] - counts["went_out"] - counts["died"]
    return Ratio(counts["graduates"], below)


def enrolment_rate(counts: Counts) -> Ratio:
    """Children of the age group who are in school, of those whom the register knows in the catchment.

    Any grade counts, and any school; early finishers, who are taught at home, and confirmed transfers to
    elsewhere count; a suspended child does not until it returns. Who died or emigrated is taken off the
    register.

    Source: 适龄人口入学率, 普及义务教育评估验收暂行办法 (1994), by 常住户口 of the catchment.
    """
    return Ratio(counts["found_in_school"], counts["registered"])


def enrolment_rate_counted(counts: Counts) -> Ratio:
    """Children of the age group on the rolls of the place's schools over those in the register.

    Over 1 is normal where children come from elsewhere: it counts heads and compares no names.

    Source: 净入学率 as statistics bulletins print it.
    """
    return Ratio(counts["on_the_rolls"], counts["registered"])


def disabled_enrolment_rate(counts: Counts) -> Ratio:
    """Children of the disability register, of compulsory age, who are in school or taught at home.

    Source: 三类残疾儿童少年入学率, 普及义务教育评估验收暂行办法 (1994); 送教上门 counts: 特殊教育提升计划.
    """
    return Ratio(counts["disabled_in_school"], counts["disabled_registered"])


@dataclass(frozen=True)
class Formula:
    """A formula by its name.

    Attributes
    ----------
    name, version
        Printed with every figure; a change of meaning is a new version.
    kind
        Which spans it is computed for.
    by
        Which slices it is defined for, beside the whole.
    adverse
        Whether the numerator counts what should not happen (else what is missing to the denominator does).
    """

    name: str
    version: str
    kind: tuple[SpanKind, ...]
    by: tuple[By, ...]
    adverse: bool
    compute: Callable[[Counts], Ratio]


_ALL_SLICES: tuple[By, ...] = ("all", "stage", "grade", "sex", "group")
FORMULAS: tuple[Formula, ...] = (
    Formula("dropout_rate", "v1", ("year", "term"), (*_ALL_SLICES, "reason"), True, dropout_rate_v1),
    Formula("dropout_rate_net", "v2", ("year",), ("all", "stage"), True, dropout_rate_v2),
    Formula("yearly_retention", "v1", ("within_year",), ("all", "stage", "grade"), False, yearly_retention),
    Formula("yearly_retention_corrected", "v1", ("within_year",), ("all", "stage", "grade"), False,
            yearly_retention_corrected),
    Formula("nine_year_retention", "v1", ("year",), ("all", "sex"), False, nine_year_retention),
    Formula("nine_year_retention_corrected", "v1", ("year",), ("all", "sex"), False,
            nine_year_retention_corrected),
    Formula("enrolment_rate", "v1", ("year",), ("all", "stage", "sex"), False, enrolment_rate),
    Formula("enrolment_rate_counted", "v1", ("year",), ("all", "stage", "sex"), False,
            enrolment_rate_counted),
    Formula("disabled_enrolment_rate", "v1", ("year",), ("all", "stage"), False, disabled_enrolment_rate),
)  # fmt: skip
FORMULA = {formula.name: formula for formula in FORMULAS}


def _retained(counts: Counts) -> int:
    stayed = counts["in_school"] + counts["graduated"] + counts["home_teaching"]
    return stayed - counts["moved_out"] - counts["promoted_out"]


def _arrived(counts: Counts) -> int:
    return sum(counts[name] for name in ARRIVALS)
