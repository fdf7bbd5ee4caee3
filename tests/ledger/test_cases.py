from collections.abc import Callable
from datetime import date, timedelta

import pytest

from riskmodel.ledger.cases import Case, Entry, Home, Kept, StepRefused, fold, in_force
from riskmodel.ledger.codes import CLOSINGS, Kind

DAY = date(2026, 3, 2)
Make = Callable[..., Entry]
Keep = Callable[..., list[Kept]]


def later(days: int) -> date:
    return DAY + timedelta(days=days)


def test_a_case_opens_as_one_to_be_verified_in_its_home(entry: Make, kept: Keep) -> None:
    case = fold(kept(entry("opened")))
    assert case is not None
    assert (case.state, case.kind, case.since, case.home) == ("to_verify", "suspected", DAY, Home("school-0"))
    assert fold([]) is None


@pytest.mark.parametrize(("kind", "becomes"), [("suspected", "dropped_out"), ("school_age", "school_age")])
def test_who_is_verified_as_out_moves_ledgers_unless_no_school_ever_had_them(
    entry: Make, kept: Keep, kind: Kind, becomes: Kind
) -> None:
    case = fold(kept(entry("opened", kind=kind), entry("verified_out", later(5))))
    assert case is not None
    assert (case.kind, case.state, case.since) == (becomes, "persuading", later(5))


def test_rounds_count_visits_and_the_last_day_is_the_latest_not_the_last_told(
    entry: Make, kept: Keep
) -> None:
    case = fold(kept(entry("opened"), entry("visited", later(9)), entry("visited", later(4))))
    assert case is not None
    assert (case.rounds, case.last_visit_on) == (2, later(9))


def test_a_refused_closing_goes_back_to_where_it_was_proposed(entry: Make, kept: Keep) -> None:
    proposed = [entry("opened"), entry("returned", later(3)), entry("closing_proposed", later(9))]
    closing = fold(kept(*proposed))
    assert closing is not None
    assert (closing.state, closing.code) == ("closing", "in_school")
    back = fold(kept(*proposed, entry("closing_refused", later(10))))
    assert back is not None
    assert (back.state, back.code, back.proposed_by) == ("returned", None, "")


def test_a_correction_stands_in_the_place_of_what_it_corrects(entry: Make, kept: Keep) -> None:
    told = kept(
        entry("opened"),
        entry("visited", later(2)),
        entry("verified_out", later(5)),
        entry("visited", later(1), corrects=2, why="日期写错"),
        entry("verified_out", later(5), corrects=3, withdrawn=True, why="看错人"),
        entry("visited", later(3), corrects=4, why="还是写错"),
    )
    case = fold(told)
    assert case is not None
    assert (case.state, case.kind, case.rounds, case.last_visit_on) == ("to_verify", "suspected", 1, later(3))
    assert [one.number for one in in_force(told)] == [1, 6]


def test_a_correction_that_leaves_later_steps_without_ground_is_refused(entry: Make, kept: Keep) -> None:
    told = kept(
        entry("opened"),
        entry("verified_not_out", later(2)),
        entry("closing_proposed", later(3)),
        entry("verified_not_out", later(2), corrects=2, withdrawn=True, why="错"),
    )
    with pytest.raises(StepRefused, match="ledger_step"):
        fold(told)


@pytest.mark.parametrize("verified", [True, False])
def test_who_left_again_has_left_as_one_verified_and_is_placed_nowhere(
    entry: Make, kept: Keep, verified: bool
) -> None:
    out = [entry("verified_out", later(2))] if verified else []
    back = entry("returned", later(5), placement="other_school", to_school_id="school-9")
    again = entry("left_again", later(20), left_on=later(15))
    case = fold(kept(entry("opened"), *out, back, entry("followed_up", later(12)), again))
    assert case is not None
    assert (case.kind, case.state, case.left_on, case.reasons) == (
        "dropped_out", "persuading", later(15), ("work",),
    )  # fmt: skip
    assert (case.placement, case.placed_at, case.returned_on, case.followed_up) == (None, "", None, ())


@pytest.mark.parametrize(("week", "first"), [(1, 1), (2, 8), (8, 50)])
def test_a_follow_up_is_told_once_its_week_after_the_return_has_begun(
    entry: Make, kept: Keep, week: int, first: int
) -> None:
    told = [entry("opened"), entry("returned")]
    case = fold(kept(*told, entry("followed_up", later(first), week=week)))
    assert case is not None
    assert case.followed_up == (week,)
    for in_school in (True, False):
        early = entry("followed_up", later(first - 1), week=week, in_school=in_school)
        with pytest.raises(StepRefused, match="ledger_follow_up_early"):
            fold(kept(*told, early))


def test_no_state_begins_before_the_one_before_it(entry: Make, kept: Keep) -> None:
    with pytest.raises(StepRefused, match="ledger_day_before"):
        fold(kept(entry("opened"), entry("verified_out", later(-1))))


def test_the_first_of_the_duty_chain_who_is_named_owns_the_case(entry: Make, kept: Keep) -> None:
    def owner(**duties: str) -> str:
        case: Case | None = fold(kept(entry("opened"), entry("assigned", duties=duties)))
        assert case is not None
        return case.owner

    assert owner(headteacher="张", class_teacher="李", county_head="王") == "李"
    assert owner(village_head="赵", township_head="孙") == "赵"
    assert owner(county_head="王") == ""


def test_every_close_code_can_be_reached_and_none_closes_who_cannot_be_found() -> None:
    assert all(closing.of for closing in CLOSINGS.values())
    assert not any("to_verify" in closing.of for closing in CLOSINGS.values())
    assert not {"lost_contact", "not_found", "unreachable"} & set(CLOSINGS)
