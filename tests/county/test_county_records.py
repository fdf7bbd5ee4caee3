"""The files keep the contract, and hold what a bureau would not know in time, nor ever."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.county.people import check_characters
from riskmodel.county.world import write_county
from riskmodel.records.contract import Table

from .conftest import WRITTEN

END = pd.Timestamp(2026, 7, 10)


@pytest.mark.parametrize("contract", WRITTEN, ids=lambda contract: contract.name)
def test_every_file_keeps_the_contract(county, contract: Table):
    frame = county.tables[contract.name]
    assert list(frame.columns) == [column.name for column in contract.columns]
    assert len(frame) == county.report.rows[contract.name]
    known = [*contract.key, "recorded_on"] if "recorded_on" in frame else list(contract.key)
    assert not frame.duplicated(list(dict.fromkeys(known))).any()
    for column in contract.columns:
        values = frame[column.name]
        if column.required and not column.may_be_empty:
            assert values.notna().all(), column.name
        if column.codes:
            assert set(values.dropna()) <= set(column.codes), column.name
        if column.minimum is not None:
            assert (values.dropna() >= column.minimum).all(), column.name
    if "end_date" in frame and "start_date" in frame:
        assert not (frame["end_date"] < frame["start_date"]).any()


def test_nothing_is_recorded_after_the_last_day_of_the_last_term_or_before_it_happened(county):
    for name, frame in county.tables.items():
        if "recorded_on" not in frame:
            continue
        assert frame["recorded_on"].max() <= END, name
        for happened in {"end_date", "exam_date", "event_date"} & set(frame.columns):
            assert not (frame["recorded_on"] < frame[happened]).any(), (name, happened)


def test_no_mark_is_above_the_full_mark(county):
    grades = county.tables["grades"]
    assert (grades["score"].dropna() <= grades.loc[grades["score"].notna(), "full_score"]).all()
    assert grades.loc[grades["status"] != "sat", "score"].isna().all()


def _spells(county) -> pd.DataFrame:
    rows = county.tables["enrolments"].sort_values("recorded_on")
    return rows.groupby(["student_id", "school_id", "start_date"], as_index=False).last()


def test_every_absence_lies_within_a_spell_of_the_student(county):
    spells = _spells(county)
    last = np.minimum(spells["end_date"].fillna(END), END)
    late = pd.Series(END, index=spells.index).where(spells["end_date"].isna(), last)
    pairs = county.tables["attendance"].merge(
        spells.assign(until=late)[["student_id", "start_date", "until"]],
        on="student_id",
        suffixes=("", "_spell"),
    )
    inside = (pairs["start_date"] >= pairs["start_date_spell"]) & (pairs["end_date"] <= pairs["until"])
    held = inside.groupby([pairs["student_id"], pairs["start_date"], pairs["end_date"]]).any()
    assert len(held) == len(county.tables["attendance"])
    assert held.all()


def test_days_absent_are_at_most_the_school_days_of_the_row(county):
    attendance = county.tables["attendance"]
    span = (attendance["end_date"] - attendance["start_date"]).dt.days + 1
    assert (attendance["days_absent"] <= span).all()
    assert (attendance["days_unexcused"] <= attendance["days_absent"]).all()
    holidays = county.tables["calendar"].query("is_school_day == 'false' and school_id.isna()")["date"]
    single = attendance[attendance["start_date"] == attendance["end_date"]]
    assert not single["start_date"].isin(holidays).any()


def test_no_fact_about_a_student_is_dated_after_the_leaving_unless_the_student_came_back(county):
    left = county.leavings.assign(left_on=pd.to_datetime(county.leavings["left_on"]).astype("datetime64[s]"))
    returned = county.tables["enrolments"].groupby("student_id")["start_date"].max()
    gone = left[left["left_on"] > left["student_id"].map(returned)]
    assert len(gone) > 20
    for name, day in (("attendance", "end_date"), ("grades", "exam_date")):
        facts = county.tables[name].merge(gone, on="student_id")
        assert len(facts) > 100
        assert (facts[day] < facts["left_on"]).all(), name


def test_spells_of_one_student_do_not_overlap_and_none_is_open_in_a_summer(county):
    spells = _spells(county).sort_values(["student_id", "start_date"])
    following = spells.groupby("student_id")["start_date"].shift(-1)
    ended = spells[following.notna() & spells["end_date"].notna()]
    assert (ended["end_date"] < following[ended.index]).all()
    summer = pd.Timestamp(2025, 8, 1)
    open_then = spells[(spells["start_date"] < summer) & (spells["end_date"].fillna(END) > summer)]
    assert open_then["end_date"].isna().all()
    assert len(open_then) < 0.02 * len(spells)


def test_closings_of_those_who_left_come_weeks_late(county):
    rows = county.tables["enrolments"].query("exit_reason == 'dropped_out'")
    late = (rows["recorded_on"] - rows["end_date"]).dt.days
    assert 14 <= late.median() <= 28
    assert late.max() > 40
    assert late.max() <= 70


def test_all_kinds_of_turns_occur(county):
    reasons = set(county.tables["enrolments"]["exit_reason"].dropna())
    assert {"continued", "graduated", "transferred", "suspended", "dropped_out"} <= reasons
    assert set(county.tables["grades"]["status"]) == {"sat", "absent", "exempt"}
    assert set(county.tables["subsidies"]["programme"]) >= {"living_cost", "nutrition", "boarding"}
    assert {"suspected", "verified_dropout", "verified_not_dropout", "returned"} <= set(
        county.tables["ledger_events"]["event"]
    )
    assert county.tables["family"]["carer_schooling_years"].isna().any()
    assert county.tables["attendance"]["times_late"].sum() > 0


def test_roll_numbers_are_invented_and_their_check_characters_right(county):
    numbers = county.tables["students"]["roll_number"]
    assert set(numbers.str[0]) == {"G", "L"}
    assert (numbers.str[1:3] == "99").all()
    national = numbers[numbers.str[0] == "G"]
    assert (check_characters(national.str[1:18].to_numpy(dtype=str)) == national.str[18]).all()
    latest = county.tables["students"].groupby("student_id")["roll_number"].last()
    assert latest.is_unique


def test_the_check_character_of_the_textbook_number_is_x():
    assert check_characters(np.array(["11010519491231002"])).tolist() == ["X"]


def test_same_seed_gives_same_bytes_and_another_seed_others(tmp_path: Path):
    day = date(2023, 10, 27)
    for name, seed, dates in (("a", 1, ()), ("b", 1, ((day, date(2024, 4, 24)),)), ("c", 2, ())):
        write_county(tmp_path / name, students=800, school_years=1, seed=seed, truth_dates=dates)
    files = sorted(path.name for path in (tmp_path / "a" / "records").iterdir())
    assert len(files) == len(WRITTEN)
    read = {name: [(tmp_path / name / "records" / f).read_bytes() for f in files] for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"][files.index("students.csv")] != read["c"][files.index("students.csv")]
    assert read["a"][files.index("attendance.parquet")] != read["c"][files.index("attendance.parquet")]
