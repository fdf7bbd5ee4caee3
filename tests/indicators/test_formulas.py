"""Worked examples of the published definitions, reckoned by hand."""

from __future__ import annotations

from collections import Counter
from datetime import date
from fractions import Fraction

import pytest

from riskmodel.indicators.formulas import (
    FORMULAS,
    OUTCOMES,
    disabled_enrolment_rate,
    enrolment_rate,
    enrolment_rate_counted,
    nine_year_retention,
    nine_year_retention_corrected,
    yearly_retention,
    yearly_retention_corrected,
)
from riskmodel.indicators.formulas import dropout_rate_v1 as v1
from riskmodel.indicators.formulas import dropout_rate_v2 as v2
from riskmodel.official import Ratio, Target, wilson

# A junior school. 1,000 on the roll when the year began. By the next count: 7 withdrew, 4 are suspended with
# papers, 3 went to a school that never confirmed, 20 to schools of other counties, 2 died, 1 emigrated, 2 are
# taught at home, 1 did not come back after summer; 320 graduated; 640 are on a roll, 5 of them at another
# of the county's schools. 12 came from elsewhere, 3 came back from suspension, 330 are new from the primary
# schools.
YEAR = Counter(
    enrolled=1000, dropped_out=7, suspended=4, transfer_unconfirmed=3, transferred_out=20, died=2,
    emigrated=1, home_teaching=2, not_back=1, graduated=320, in_school=640, moved_out=5,
    transferred_in=12, returned=3, promoted_in=330,
)  # fmt: skip


def test_the_example_leaves_nobody_out() -> None:
    assert sum(YEAR[name] for name in OUTCOMES) == YEAR["enrolled"]


def test_the_first_formula_counts_suspension_and_transfers_that_nobody_confirms_and_not_deaths() -> None:
    assert v1(YEAR) == Ratio(7 + 4 + 3, 1000)
    assert v1(YEAR).rate == pytest.approx(0.014)


def test_the_second_formula_counts_deaths_and_nets_the_flows() -> None:
    # suspended 4 + withdrawn 7 + died 2 + transferred 20 and 5
    # + other: 1 emigrated, 3 unconfirmed, 1 not back = 43, less transferred in 12 and back 3
    assert v2(YEAR) == Ratio(43 - 15, 1000)


def test_the_second_formula_can_be_negative() -> None:
    assert v2(YEAR | Counter(transferred_in=100)).rate == pytest.approx(-0.06)


def test_yearly_retention_may_pass_one_and_is_not_clipped() -> None:
    # 640 on a roll, 5 of them elsewhere, 320 graduated, 2 at home: 957 stayed; 345 came.
    assert yearly_retention(YEAR) == Ratio(957 + 345, 1000)
    assert yearly_retention(YEAR).rate == pytest.approx(1.302)


def test_yearly_retention_corrected_takes_off_who_went_and_died_and_adds_who_came() -> None:
    # below: 1000 + 345 came - (5 + 20 + 1) went - 2 died = 1317; missing above: 7 + 4 + 3 + 1
    assert yearly_retention_corrected(YEAR) == Ratio(1302, 1317)
    assert 1317 - 1302 == 7 + 4 + 3 + 1


def test_nine_year_retention_as_a_published_table_has_it_over_one_hundred() -> None:
    # 616 entered, 626 graduated: the 101.6 % of a published school table; with flows: 616 + 60 - 30 - 1.
    cohort = Counter(entrants=616, graduates=626, came_in=60, went_out=30, died=1)
    assert nine_year_retention(cohort).rate == pytest.approx(1.0162, abs=1e-4)
    assert nine_year_retention_corrected(cohort) == Ratio(626, 645)


def test_the_age_group_found_in_school_over_the_registered_one_and_heads_over_the_registered_one() -> None:
    group = Counter(registered=1000, found_in_school=985, on_the_rolls=1026)
    assert enrolment_rate(group).rate == pytest.approx(0.985)
    assert enrolment_rate_counted(group).rate == pytest.approx(1.026)
    disabled = Counter(disabled_registered=40, disabled_in_school=38)
    assert disabled_enrolment_rate(disabled) == Ratio(38, 40)


def test_every_formula_has_a_name_of_its_own_a_version_and_a_source() -> None:
    assert len({one.name for one in FORMULAS}) == len(FORMULAS)
    assert all(one.version and "Source:" in (one.compute.__doc__ or "") for one in FORMULAS)


def test_a_rate_over_nobody_is_not_known() -> None:
    assert v1(Counter()).rate is None


@pytest.mark.parametrize(
    ("leavers", "students", "distance"),
    [(15, 1000, 3), (18, 1000, 0), (19, 1000, -1), (0, 0, None), (9, 500, 0), (1, 55, -1)],
)
def test_the_distance_from_a_ceiling_is_told_in_students(
    leavers: int, students: int, distance: int | None
) -> None:
    target = Target("t", "dropout_rate", "junior", date(2020, 1, 1), None, "", at_most=Fraction("0.018"))
    assert target.distance(Ratio(leavers, students)) == distance


def test_the_distance_from_a_floor_is_exact_where_a_float_would_err() -> None:
    target = Target("t", "enrolment_rate", "", date(2020, 1, 1), None, "", at_least=Fraction("0.95"))
    assert target.distance(Ratio(950, 1000)) == 0
    assert target.distance(Ratio(949, 1000)) == -1
    assert target.distance(Ratio(951, 1001)) == 0  # 0.95 of 1001 is 950.95: 951 are asked


def test_wilson_is_that_of_the_textbook() -> None:
    # Newcombe (1998), Table I: 81 of 263 is 0.2553 to 0.3662; 1 of 29 is 0.0061 to 0.1718; 0 of 20 to 0.1611
    for found, wanted in (
        (wilson(81, 263), (0.2553, 0.3662)), (wilson(1, 29), (0.0061, 0.1718)),
        (wilson(0, 20), (0.0, 0.1611)),
    ):  # fmt: skip
        assert found == pytest.approx(wanted, abs=5e-5)
    assert wilson(30, 29) is None
    assert wilson(0, 0) is None
