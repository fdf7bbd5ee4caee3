from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from riskmodel.domain import AsOf, Outcome, RegionRule, UnexcusedAbsenceRule
from riskmodel.labels import COLUMNS, LabelTask, count_outcomes, label_bucket, read_labels, tables_of

from .conftest import lay_down

RULE = RegionRule("test", date(2020, 1, 1), "test", outcome_delay_days=70)
AS_OF = AsOf(date(2024, 10, 28), date(2024, 12, 31), "2024-2025-1")
LATER = AsOf(date(2024, 11, 25), date(2025, 1, 31), "2024-2025-1")
KNOWN_ON = date(2025, 3, 11)  # the last day of the horizon of AS_OF, and 70 days
END = date(2025, 6, 30)


def spell(student: str, end: date | None = None, exit_reason: str | None = None, **told: object):
    opening = {"student_id": student, "school_id": "J", "start_date": date(2024, 9, 2), "grade": 7}
    rows = [opening | {"recorded_on": date(2024, 9, 2)}]
    if end is not None:
        rows.append(opening | {"end_date": end, "exit_reason": exit_reason, "recorded_on": end} | told)
    return rows


def county(*spells, **more):
    rows = [row for spell_rows in spells for row in spell_rows]
    return {
        "schools": [{"school_id": "J", "name": "J", "county": "C", "stage": "junior"}],
        "terms": [
            {"term": "2024-2025-1", "start_date": date(2024, 9, 2), "end_date": date(2025, 1, 17)},
            {"term": "2024-2025-2", "start_date": date(2025, 2, 17), "end_date": date(2025, 7, 4)},
        ],
        "students": [{"student_id": student} for student in sorted({row["student_id"] for row in rows})],
        "enrolments": rows,
    } | more


LEAVES = spell("leaves", date(2024, 12, 5), "dropped_out")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("bound", ["label_date", "complete_to"])
def test_a_label_is_unknown_until_horizon_and_delay_have_passed(became, bound, known):
    bounds = {"label_date": END, "complete_to": END} | {bound: KNOWN_ON - timedelta(days=not known)}
    found = became(county(spell("stays"), LEAVES), [(AS_OF, RULE)], **bounds)
    assert found[AS_OF.as_of_date, "stays"] == ("stayed" if known else "unknown")
    outcome = "left" if known else "unknown"
    assert found[AS_OF.as_of_date, "leaves"] == f"{outcome} 2024-12-06 dropped_out_exit"


def test_the_date_that_is_predicted_knows_nothing_of_what_was_recorded_after_it(became):
    told = county(spell("s", date(2024, 12, 5), "dropped_out", recorded_on=KNOWN_ON + timedelta(days=1)))
    found = became(told, [(AS_OF, RULE)], label_date=KNOWN_ON, complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "stayed"}
    found = became(told, [(AS_OF, RULE)], label_date=KNOWN_ON + timedelta(days=1), complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "left 2024-12-06 dropped_out_exit"}


def test_a_leaving_is_told_from_its_own_day_on_while_the_label_is_still_unknown(became):
    for day, said in (
        (date(2024, 12, 5), "unknown"),
        (date(2024, 12, 6), "unknown 2024-12-06 dropped_out_exit"),
    ):
        found = became(county(LEAVES), [(AS_OF, RULE)], label_date=day, complete_to=END)
        assert found == {(AS_OF.as_of_date, "leaves"): said}


def test_expected_back_is_unknown_until_the_day_on_which_it_is_due(became):
    told = county(spell("s", date(2024, 12, 20), "continued"))
    asked = [(AS_OF, replace(RULE, outcome_delay_days=0))]
    found = became(told, asked, label_date=date(2025, 3, 18), complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "unknown"}
    found = became(told, asked, label_date=date(2025, 3, 19), complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "unaccounted not_back"}


def test_expected_back_stays_unknown_while_no_next_term_is_known(became):
    told = county(spell("s", date(2024, 12, 20), "continued"))
    told["terms"] = told["terms"][:1]
    found = became(told, [(AS_OF, RULE)], label_date=END, complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "unknown"}


def test_a_cause_that_the_rule_does_not_name_is_no_leaving(became):
    verified = {"event_date": date(2024, 12, 20), "event": "verified_dropout"}
    days = [date(2024, 11, 4) + timedelta(days=n) for n in range(12)]
    away = {"days_absent": 1, "days_unexcused": 1, "student_id": "absent"}
    told = county(
        LEAVES,
        spell("verified"),
        spell("suspended", date(2024, 11, 1), "suspended", expected_return=date(2024, 11, 15)),
        spell("absent"),
        ledger_events=[verified | {"student_id": "verified", "recorded_on": date(2024, 12, 20)}],
        attendance=[away | {"start_date": day, "end_date": day, "recorded_on": day} for day in days],
    )
    nothing = replace(RULE, dropped_out_exit=False, verified_by_ledger=False, suspension_overrun_days=None)
    everything = replace(RULE, unexcused_absence=UnexcusedAbsenceRule(10))
    found = became(told, [(AS_OF, everything), (LATER, nothing)], label_date=END, complete_to=END)
    assert {student: said for (day, student), said in found.items() if day == AS_OF.as_of_date} == {
        "absent": "left 2024-11-15 unexcused_absence, back 2024-11-18",
        "leaves": "left 2024-12-06 dropped_out_exit",
        "suspended": "left 2024-12-15 suspension_overrun",
        "verified": "left 2024-12-20 verified_by_ledger",
    }
    assert {said for (day, _), said in found.items() if day == LATER.as_of_date} == {"stayed"}


def test_each_as_of_date_is_judged_by_its_own_rule_in_any_order(became):
    lenient = replace(RULE, version="lenient", dropped_out_exit=False)
    told = county(spell("s", date(2024, 12, 5), "dropped_out"))
    asked = [(AS_OF, lenient), (LATER, RULE)]
    expected = {
        (AS_OF.as_of_date, "s"): "stayed",
        (LATER.as_of_date, "s"): "left 2024-12-06 dropped_out_exit",
    }
    for order in (asked, asked[::-1]):
        assert became(told, order, label_date=END, complete_to=END) == expected


def test_a_rule_uses_the_tables_that_it_judges_by():
    with_absence = replace(RULE, unexcused_absence=UnexcusedAbsenceRule(10))
    assert tables_of(replace(RULE, verified_by_ledger=False)) == ("enrolments",)
    assert tables_of(RULE) == ("enrolments", "ledger_events")
    assert tables_of(with_absence) == ("enrolments", "ledger_events", "attendance", "attendance_reports")


def test_a_leaver_whom_two_dates_hold_is_counted_once(label):
    returns = spell("returns", date(2024, 12, 5), "dropped_out")
    back = {"start_date": date(2024, 12, 16), "recorded_on": date(2024, 12, 16)}
    told = county(LEAVES, spell("stays"), [*returns, returns[0] | back])
    counts = count_outcomes(label(told, [(AS_OF, RULE), (LATER, RULE)], label_date=END, complete_to=END))
    assert counts.rows == dict.fromkeys(Outcome, 0) | {Outcome.STAYED: 2, Outcome.LEFT: 4}
    assert counts.students[Outcome.LEFT] == 2
    assert (counts.leavers, counts.returned) == (2, 1)


def test_labels_come_sorted_with_dates_as_dates_in_any_order_of_the_files(label, tmp_path):
    asked = [(LATER, RULE), (AS_OF, RULE)]
    frame = label(county(spell("b"), spell("a"), LEAVES), asked, label_date=END, complete_to=END).frame
    assert list(frame.columns) == list(COLUMNS)
    assert frame[["as_of_date", "student_id"]].apply(tuple, axis=1).is_monotonic_increasing
    for column in ("as_of_date", "left_on", "returned_on", "arrived_on"):
        assert frame[column].dtype == "datetime64[s]"
    halves = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    frame.iloc[::2].to_parquet(halves[0])
    frame.iloc[1::2].to_parquet(halves[1])
    for order in (halves, halves[::-1]):
        again = read_labels(order, label_date=END, rule_version="test").frame
        pd.testing.assert_frame_equal(again, frame)


def test_nobody_to_label_gives_an_empty_table_of_the_same_columns(label):
    told = county(spell("gone", date(2024, 9, 20), "dropped_out"))
    empty = label(told, [(AS_OF, RULE)], label_date=END, complete_to=END).frame
    full = label(county(LEAVES), [(AS_OF, RULE)], label_date=END, complete_to=END).frame
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)


def test_no_date_at_all_gives_an_empty_table_with_dates_as_dates(label, tmp_path):
    store = lay_down(tmp_path / "store", county(spell("s")), complete_to=END).folder
    path = label_bucket(LabelTask(store, 0, (), (), END, tmp_path / "none.parquet"))
    full = pq.read_schema(label_bucket(LabelTask(store, 0, (AS_OF,), (RULE,), END, tmp_path / "one.parquet")))
    assert pq.read_schema(path).equals(full)


def test_of_two_open_ends_the_one_that_is_due_holds(became):
    moved = [row | {"school_id": "K"} for row in spell("s", date(2024, 12, 20), "transfer_unconfirmed")]
    told = county(spell("s", date(2024, 12, 20), "continued"), moved)
    asked = [(AS_OF, replace(RULE, outcome_delay_days=0))]
    found = became(told, asked, label_date=date(2025, 3, 18), complete_to=END)
    assert found == {(AS_OF.as_of_date, "s"): "unaccounted transfer_unconfirmed"}


def test_a_task_goes_to_another_process():
    task = LabelTask(Path("records"), 0, (AS_OF,), (RULE,), END, Path("out"))
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301


def test_a_bureau_s_files_are_labelled_end_to_end(bureau, tmp_path):
    gone = {"student_id": "s2", "school_id": "A", "start_date": "2024-09-02", "grade": 7}
    opening = {"recorded_on": "2024-09-02"}
    closing = {"end_date": "2024-12-05", "exit_reason": "dropped_out", "recorded_on": "2024-12-20"}
    store = bureau(
        {"enrolments": [gone | opening, gone | closing, gone | opening | {"student_id": "s1"}]},
        delivered_on=END,
        complete_to=END,
    )
    paths = [
        label_bucket(LabelTask(store.folder, bucket, (AS_OF,), (RULE,), END, tmp_path / f"{bucket}.parquet"))
        for bucket in range(store.bucket_count)
    ]
    frame = read_labels(paths, label_date=END, rule_version="test").frame
    assert list(zip(frame["student_id"], frame["outcome"], strict=True)) == [("s1", "stayed"), ("s2", "left")]
