import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.backtest import (
    LeadTime,
    TermJudged,
    backtest_json,
    churn,
    lead_time,
    pool,
    read_term,
    summarise,
    term_json,
)
from riskmodel.evaluation.backtest_report import backtest_report
from riskmodel.evaluation.capacity import top_lists
from riskmodel.evaluation.pictures import terms_picture

OCTOBER, APRIL = "2024-10-28", "2025-04-14"


def rows_of(*rows):
    """(as-of date, student, outcome, day of leaving or None, listed)."""
    frame = pd.DataFrame(rows, columns=["as_of_date", "student_id", "outcome", "left_on", "listed"])
    for column in ("as_of_date", "left_on"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return frame, frame["listed"].to_numpy(dtype=bool)


def test_lead_time_runs_from_the_first_list_of_a_leaver_to_leaving():
    lead = lead_time(
        *rows_of(
            ("2024-10-01", "late", "left", "2024-11-10", False),
            ("2024-11-01", "late", "left", "2024-11-10", True),  # 9 days
            ("2024-10-01", "early", "left", "2024-11-10", True),  # 40 days, not 9
            ("2024-11-01", "early", "left", "2024-11-10", True),
            ("2024-11-01", "also", "left", "2024-11-21", True),  # 20 days
            ("2024-10-01", "missed", "left", "2024-10-05", False),
            ("2024-10-01", "stayed", "stayed", None, True),
            ("2024-10-01", "gone", "already_gone", "2024-09-20", True),
        )
    )
    assert lead == LeadTime(leavers=4, found=3, lower=14.5, median=20.0, upper=30.0)


def test_a_list_from_which_leaving_lay_beyond_the_horizon_does_not_lengthen_the_lead():
    lead = lead_time(
        *rows_of(
            ("2024-03-01", "s", "stayed", None, True),
            ("2024-10-01", "s", "left", "2024-10-11", True),
        )
    )
    assert (lead.leavers, lead.found, lead.median) == (1, 1, 10.0)


def test_without_a_found_leaver_there_is_no_lead_time():
    lead = lead_time(*rows_of(("2024-10-01", "s", "left", "2024-10-11", False)))
    assert lead == LeadTime(leavers=1, found=0, lower=None, median=None, upper=None)


def test_churn_counts_who_enters_who_is_dropped_and_who_of_them_is_no_longer_enrolled():
    stayed = ("stayed", None)
    rows, listed = rows_of(
        (APRIL, "a", *stayed, True), (APRIL, "d", *stayed, True), (APRIL, "b", *stayed, False),
        (OCTOBER, "a", *stayed, True), (OCTOBER, "b", *stayed, True), (OCTOBER, "c", *stayed, True),
        (OCTOBER, "d", *stayed, False),
    )  # fmt: skip
    (change,) = churn(rows, listed)
    assert (change.earlier, change.later) == (date(2024, 10, 28), date(2025, 4, 14))
    assert (change.listed_earlier, change.listed_later) == (3, 2)
    assert (change.entered, change.dropped, change.gone) == (1, 2, 1)
    assert change.jaccard == pytest.approx(1 / 4)


def test_lists_hold_the_top_share_of_each_date_rounded_up_and_a_missing_score_ranks_last():
    rows = pd.DataFrame(
        {
            "as_of_date": pd.to_datetime([OCTOBER] * 5 + [APRIL] * 2),
            "student_id": list("abcdeab"),
        }
    )
    score = np.array([0.1, 0.9, math.nan, 0.5, 0.2, 0.3, 0.4])
    assert top_lists(rows, score, share=0.3).tolist() == [False, True, False, True, False, False, True]
    assert top_lists(rows, score, share=1.0).all()


def scored(day, outcomes, **columns):
    frame = pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(day).as_unit("s"),
            "student_id": list(outcomes),
            "school_id": "k",
            "stage": ["primary" if student < "f" else "junior" for student in outcomes],
            "outcome": list(outcomes.values()),
            "left_on": pd.Timestamp(day).as_unit("s") + pd.Timedelta(days=30),
        }
    )
    return frame.assign(**columns)


def two_terms():
    first = {name: "left" if name in "ag" else "stayed" for name in "abcdefgh"}
    second = {name: "left" if name in "ah" else "stayed" for name in "abcdefgh"}
    likely = np.linspace(0.4, 0.05, 8)
    return {
        "t1": scored(OCTOBER, first, lightgbm_score=np.log(likely) + 9, lightgbm_risk=likely,
                     school_rate_score=1.0, constant_score=0.0, constant_risk=0.25),
        "t2": scored(APRIL, second, lightgbm_score=np.log(likely), lightgbm_risk=likely,
                     last_term_score=likely, school_rate_score=1.0, constant_score=0.0, constant_risk=0.125),
    }  # fmt: skip


def many(count):
    """Return both terms so many times over, with students of their own each time."""
    return {
        term: pd.concat(
            [frame.assign(student_id=frame["student_id"] + str(number)) for number in range(count)],
            ignore_index=True,
        )
        for term, frame in two_terms().items()
    }


def test_pooled_terms_rank_by_risk_and_what_a_term_lacks_is_missing():
    frames = two_terms()
    rows, models = pool(list(frames.values()))
    assert list(models) == ["lightgbm", "last_term", "school_rate", "constant"]
    assert len(rows) == 16
    score, risk = models["lightgbm"]
    assert np.array_equal(score, risk)
    assert np.isnan(models["last_term"][0][:8]).all()
    assert models["last_term"][1] is None
    assert not models["constant"][0].any()
    assert set(models["constant"][1]) == {0.25, 0.125}


def test_a_method_without_risks_in_one_term_ranks_by_its_score():
    frames = two_terms()
    frames["t1"] = frames["t1"].drop(columns="lightgbm_risk")
    _, models = pool(list(frames.values()))
    score, risk = models["lightgbm"]
    assert risk is None
    assert score[0] == pytest.approx(math.log(0.4) + 9)


def judged_term(name, **given):
    known = {"as_of_dates": (date(2024, 10, 28),), "training_dates": 2, "training_events": 150,
             "by_model": True, "evaluation": None}  # fmt: skip
    return TermJudged(term=name, **(known | given))


@pytest.fixture
def found():
    terms = [judged_term("t1"), judged_term("t2")]
    return summarise(terms, two_terms(), capacity_share=0.25, seed=1, resamples=50)


def test_leavers_of_several_terms_count_once_pooled_and_by_stage(found):
    assert (found.pooled.events, found.pooled.left_rows) == (3, 4)
    terms = [judged_term("t1"), judged_term("t2")]
    whole = summarise(terms, many(20), capacity_share=0.25, seed=1, resamples=50)
    assert (whole.by_stage["primary"].events, whole.by_stage["junior"].events) == (20, 40)
    assert whole.hidden == ()
    assert found.pooled.models[0].at_capacity[0].found == found.lead_time.found == 1
    assert found.lead_time.leavers == 3
    assert [change.jaccard for change in found.churn] == [1.0]


def test_terms_of_the_rule_alone_are_not_pooled_with_those_of_a_model(found):
    terms = [judged_term("t1", by_model=False), judged_term("t2")]
    apart = summarise(terms, two_terms(), capacity_share=0.25, seed=1, resamples=50)
    assert apart.pooled_terms == ("t2",)
    assert apart.pooled.rows == 8
    rule_only = [replace(term, by_model=False) for term in terms]
    together = summarise(rule_only, two_terms(), capacity_share=0.25, seed=1, resamples=50)
    assert together.pooled_terms == ("t1", "t2")


def test_where_nobody_of_a_stage_left_the_report_says_so():
    frames = many(20)
    for frame in frames.values():
        frame.loc[frame["stage"] == "junior", "outcome"] = "stayed"
    terms = [judged_term("t1"), judged_term("t2")]
    found = summarise(terms, frames, capacity_share=0.25, seed=1, resamples=50)
    assert found.by_stage["junior"] is None
    assert "Nobody is known to have left" in backtest_report(found, "en")


def test_a_stage_of_a_few_leavers_is_hidden_with_the_one_that_would_give_it_away():
    terms, frames = [judged_term("t1"), judged_term("t2")], many(30)
    for frame in frames.values():
        some = frame["student_id"].isin(["a1", "a2", "a3"])
        frame.loc[(frame["stage"] == "primary") & ~some, "outcome"] = "stayed"
    found = summarise(terms, frames, capacity_share=0.25, seed=1, resamples=50)
    assert found.hidden == ("primary", "junior")
    assert found.by_stage == {"primary": None, "junior": None}
    for language, said in (("en", "not shown"), ("zh", "不显示")):
        assert backtest_report(found, language).count(said) == 2


def test_a_stage_of_fewer_than_twenty_leavers_has_no_figures_and_the_other_has():
    terms = [judged_term("t1"), judged_term("t2")]
    found = summarise(terms, many(15), capacity_share=0.25, seed=1, resamples=50)
    assert found.hidden == ("primary",)
    assert found.by_stage["junior"].events == 30


@pytest.mark.parametrize("outcome", ["unaccounted", "left"])
def test_a_stage_of_which_nobody_can_be_judged_does_not_stop_the_others(outcome):
    frames = many(20)
    for frame in frames.values():
        frame.loc[frame["stage"] == "junior", "outcome"] = outcome
    terms = [judged_term("t1"), judged_term("t2")]
    found = summarise(terms, frames, capacity_share=0.25, seed=1, resamples=50)
    assert found.by_stage["junior"] is None
    assert found.pooled is not None


def test_a_term_is_read_back_as_it_was_written(found):
    term = judged_term("t1", evaluation=found.pooled)
    assert read_term(term_json(term)) == term


def test_both_reports_tell_every_method_lead_time_churn_and_terms_without_a_model(found):
    rule = judged_term("t0", by_model=False, training_events=12, evaluation=found.pooled)
    told = replace(found, terms=(rule, *found.terms))
    chinese, english = (backtest_report(told, language) for language in ("zh", "en"))
    for said in ("t0: fewer than 100", "Last term's list", "School's earlier rate alone", "Junior school",
                 "median 30, quartiles 30 to 30", "| 1.00 ", "1 / 3", "t1: Nobody is known"):  # fmt: skip
        assert said in english
    for said in ("t0：当时已知离校的学生不足 100 名", "上学期的名单", "中位数 30", "初中"):
        assert said in chinese
    assert "{" not in chinese + english


def test_machines_get_terms_and_pooled_figures(found):
    told = json.loads(backtest_json(found))
    assert told["pooled"]["events"] == 3
    assert "training_events" not in told["pooled"]
    assert told["terms"][0]["training_events"] == 150
    assert told["lead_time"]["median"] == 30.0


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_picture_by_term_is_drawn_with_and_without_intervals(found, judged, tmp_path, language):
    no_intervals = replace(
        found.pooled, models=tuple(replace(model, auc=replace(model.auc, low=None, high=None))
                                   for model in found.pooled.models)
    )  # fmt: skip
    file = terms_picture(tmp_path / "p.png", terms={"t1": judged, "t2": no_intervals}, language=language)
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert file.stat().st_size > 10_000
