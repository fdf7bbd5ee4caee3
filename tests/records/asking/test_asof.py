from __future__ import annotations

from datetime import date

import duckdb
import pytest

from riskmodel.domain import RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.contract import TABLES
from riskmodel.records.keeping.rows import bucket_of, column_types

pytestmark = pytest.mark.slow

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
SPELL = {"student_id": "s1", "school_id": "A", "start_date": "2024-09-02", "grade": 7}
ABSENT = {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}


def reader_of(store, student="s1"):
    return BucketReader(store, bucket_of(student, store.bucket_count))


def test_rows_recorded_after_the_as_of_date_are_invisible(bureau, ask):
    store = bureau({"attendance": [ABSENT | {"recorded_on": "2024-10-20"}]})
    assert ask(store, "SELECT days_absent FROM attendance", "2024-10-19") == []
    assert ask(store, "SELECT days_absent FROM attendance", "2024-10-20") == [(1.0,)]


def test_a_row_without_recorded_on_is_known_on_its_last_event_date_and_the_delay(bureau, ask):
    store = bureau({"attendance": [ABSENT]}, reporting_delay_days=3)
    assert ask(store, "FROM attendance", "2024-10-10") == []
    assert len(ask(store, "FROM attendance", "2024-10-11")) == 1


def test_an_opening_is_known_on_its_start_and_its_closing_when_the_bureau_learned_of_it(bureau, ask):
    closed = SPELL | {"end_date": "2024-12-20", "exit_reason": "dropped_out", "recorded_on": "2025-01-15"}
    store = bureau({"enrolments": [SPELL, closed]})
    sql = "SELECT end_date, exit_reason FROM enrolments"
    assert ask(store, sql, "2024-09-01") == []
    assert ask(store, sql, "2025-01-14") == [(None, None)]
    assert ask(store, sql, "2025-01-15") == [(date(2024, 12, 20), "dropped_out")]


def test_a_closing_alone_implies_that_the_opening_was_known_from_its_start(bureau, ask):
    closed = SPELL | {"end_date": "2024-12-20", "exit_reason": "dropped_out", "recorded_on": "2025-01-15"}
    store = bureau({"enrolments": [closed]})
    sql = "SELECT start_date, end_date, exit_reason, recorded_on FROM enrolments"
    assert ask(store, sql, "2024-09-01") == []
    assert ask(store, sql, "2024-09-02") == [(date(2024, 9, 2), None, None, None)]
    assert ask(store, sql, "2025-01-15")[0][1] == date(2024, 12, 20)


def test_one_who_never_came_has_a_closed_spell_and_no_implied_opening(bureau, ask):
    store = bureau({"enrolments": [SPELL | {"end_date": "2024-09-02"}]})
    assert ask(store, "SELECT end_date FROM enrolments", "2024-09-02") == [(date(2024, 9, 2),)]


def test_of_one_key_only_the_latest_statement_holds(bureau, ask):
    first = {"student_id": "s1", "recorded_on": "2024-09-10", "hardship": "low_income"}
    store = bureau({
        "attendance": [ABSENT | {"recorded_on": "2024-10-09"},
                       ABSENT | {"days_absent": 0, "recorded_on": "2024-10-15"}],
        "family": [first, first | {"recorded_on": "2024-11-10", "hardship": None, "siblings": 2}],
    })  # fmt: skip
    assert ask(store, "SELECT days_absent FROM attendance", "2024-10-14") == [(1.0,)]
    assert ask(store, "SELECT days_absent FROM attendance", "2024-10-15") == [(0.0,)]
    assert len(ask(store, "FROM family", "2024-12-01")) == 2  # statements of their own: all of them stay


def test_where_daily_rows_lie_inside_a_longer_one_the_daily_rows_hold(bureau, ask):
    month = {"student_id": "s1", "start_date": "2024-10-01", "end_date": "2024-10-31", "days_absent": 3}
    other = month | {"student_id": "s2"}
    store = bureau({"attendance": [ABSENT, month, other]})
    sql = "SELECT student_id, start_date, days_absent FROM attendance"
    assert ask(store, sql, "2024-11-01") == [
        ("s1", date(2024, 10, 8), 1.0), ("s2", date(2024, 10, 1), 3.0),
    ]  # fmt: skip


def test_a_row_counts_from_its_end_date_even_if_it_was_recorded_before(bureau, ask):
    store = bureau({"attendance": [ABSENT | {"end_date": "2024-10-09", "recorded_on": "2024-10-08"}]})
    assert ask(store, "FROM attendance", "2024-10-08") == []
    assert len(ask(store, "FROM attendance", "2024-10-09")) == 1


def test_school_days_are_monday_to_friday_within_terms_less_and_plus_the_calendar(bureau, ask):
    enrolled = [SPELL, SPELL | {"student_id": "s2", "school_id": "B"}]
    store = bureau({
        "enrolments": enrolled,
        "terms": [{"term": "t", "start_date": "2024-09-30", "end_date": "2024-10-13"}],
        "calendar": [
            {"date": "2024-10-01", "school_id": None, "is_school_day": False},
            {"date": "2024-10-12", "school_id": None, "is_school_day": True},
            {"date": "2024-10-12", "school_id": "B", "is_school_day": False},
            {"date": "2024-10-20", "school_id": "B", "is_school_day": True},
        ],
    })  # fmt: skip
    with reader_of(store) as reader:
        rows = reader.at(date(2024, 10, 8), RULE).execute("SELECT school_id, day(date) FROM school_days")
        days: dict[str, list[int]] = {"A": [], "B": []}
        for school, day in rows.fetchall():
            days[school].append(day)
    assert sorted(days["A"]) == [2, 3, 4, 7, 8, 9, 10, 11, 12, 30]
    assert sorted(days["B"]) == [2, 3, 4, 7, 8, 9, 10, 11, 20, 30]


def test_each_day_is_answered_as_by_a_reader_of_its_own_in_whatever_order_they_are_asked(bureau, tmp_path):
    folder, closed = tmp_path / "store", SPELL | {"end_date": "2024-10-09", "recorded_on": "2024-10-11"}
    said = {"student_id": "s1", "recorded_on": "2024-10-11", "siblings": 2}
    two_days = ABSENT | {"start_date": "2024-10-09", "end_date": "2024-10-10", "recorded_on": "2024-10-08"}
    tables = {"enrolments": [SPELL, closed], "attendance": [ABSENT, two_days]}
    tables["family"] = [said, said | {"recorded_on": "2024-09-10"}]
    bureau(tables, store=folder, delivered_on=date(2024, 11, 1))
    tables["family"].remove(said)
    store = bureau(tables, store=folder, delivered_on=date(2024, 12, 1))
    relations = [each.name for each in TABLES] + ["cohort", "school_days", "reported_days"]
    days = [date(2024, 10, day) for day in (8, 9, 10, 11, 12, 10)]
    days += [date(2024, 11, 30), date(2024, 12, 1), date(2024, 12, 2), date(2024, 10, 8)]

    def shown(reader, day):
        connection = reader.at(day, RULE)
        return {name: sorted(map(repr, connection.execute(f"FROM {name}").fetchall())) for name in relations}

    with reader_of(store) as reader:
        together = [shown(reader, day) for day in days]
    for day, answer in zip(days, together, strict=True):
        with reader_of(store) as alone:
            assert shown(alone, day) == answer, day
    assert [len(answer["family"]) for answer in together] == [1, 1, 1, 2, 2, 1, 2, 1, 1, 1]


def test_a_period_that_no_school_reported_is_not_known(bureau):
    report = {"school_id": "A", "start_date": "2024-10-08", "end_date": "2024-10-09"}
    store = bureau({
        "attendance": [ABSENT],
        "attendance_reports": [report, report | {"start_date": "2024-10-09", "end_date": "2024-10-10"},
                               report | {"start_date": "2024-11-04", "end_date": "2024-11-05",
                                         "recorded_on": "2024-12-01"}],
    })  # fmt: skip
    sql = "SELECT strftime(date, '%m-%d') FROM reported_days ORDER BY 1"
    with reader_of(store) as reader:
        known = reader.at(date(2024, 11, 30), RULE).execute(sql).fetchall()
        assert known == [("10-08",), ("10-09",), ("10-10",)]
        assert len(reader.at(date(2024, 12, 1), RULE).execute(sql).fetchall()) == 5


def absent(day, *, recorded_on):
    return ABSENT | {"start_date": day, "end_date": day, "recorded_on": recorded_on}


REPORTED = "SELECT count(*) FROM reported_days"


@pytest.mark.parametrize(
    ("tables", "options", "expected"),
    [
        # The sixth is the last of five school days of which anybody had told by the tenth.
        ({"attendance": [absent("2024-09-05", recorded_on="2024-09-06")]}, {}, 5),
        ({"attendance": [absent("2024-09-05", recorded_on="2024-09-10")]}, {}, 7),
        # What is claimed by the tenth holds; a claim that came later bounds what was known.
        ({"attendance": [absent("2024-09-03", recorded_on="2024-09-04")]},
         {"complete_to": date(2024, 9, 6), "delivered_on": date(2024, 9, 9)}, 5),
        ({"attendance": [absent("2024-09-05", recorded_on="2024-09-10")]},
         {"complete_to": date(2024, 9, 4)}, 3),
        ({"attendance": [absent("2024-09-03", recorded_on="2024-09-04")]},
         {"complete_to": date(2024, 12, 1)}, 3),
        # A delivery of the next day, or later, brings rows that were known on the day.
        ({"attendance": [absent("2024-09-09", recorded_on="2024-09-10")]},
         {"complete_to": date(2024, 9, 10), "delivered_on": date(2024, 9, 11)}, 7),
        ({}, {"complete_to": date(2024, 9, 6)}, 0),
    ],
)  # fmt: skip
def test_without_reports_days_count_as_far_as_was_known_on_the_day_and_without_attendance_none(
    bureau, tables, options, expected
):
    with reader_of(bureau(tables, **options)) as reader:
        assert reader.at(date(2024, 9, 10), RULE).execute(REPORTED).fetchall() == [(expected,)]


def test_what_was_reported_by_a_day_is_not_changed_by_a_later_delivery(bureau, tmp_path):
    folder, told = tmp_path / "store", [absent("2024-09-05", recorded_on="2024-09-06")]
    late = [absent(f"2024-09-{day:02}", recorded_on="2024-10-10") for day in (9, 10)]
    seen = []
    for attendance, delivered_on in ((told, date(2024, 9, 10)), (told + late, date(2024, 10, 11))):
        store = bureau({"attendance": attendance}, store=folder, delivered_on=delivered_on)
        with reader_of(store) as reader:
            seen.append(reader.at(date(2024, 9, 10), RULE).execute(REPORTED).fetchall())
            later = reader.at(date(2024, 10, 11), RULE).execute(REPORTED).fetchall()
    assert seen == [[(5,)]] * 2
    assert later > [(20,)]


@pytest.mark.parametrize(
    ("day", "asked", "expected"),
    [
        ("2024-10-08", None, "2024-2025-1"),
        ("2025-02-01", None, "2024-2025-1"),
        ("2025-02-17", None, "2024-2025-2"),
        ("2025-02-17", "2024-2025-1", "2024-2025-1"),
        ("2024-08-01", None, None),
    ],
)
def test_the_term_is_the_one_asked_for_else_the_one_that_holds_the_day_else_the_last_begun(
    bureau, day, asked, expected
):
    with reader_of(bureau({})) as reader:
        rows = reader.at(date.fromisoformat(day), RULE, asked).execute("SELECT as_of_date, term FROM as_of")
        assert rows.fetchall() == [(date.fromisoformat(day), expected)]


def test_every_table_is_there_with_the_contract_s_columns_even_if_nobody_sent_it(bureau):
    with reader_of(bureau({})) as reader:
        connection = reader.at(date(2024, 10, 8), RULE)
        for table in TABLES:
            described = connection.execute(f"DESCRIBE {table.name}").fetchall()
            assert {name: kind for name, kind, *_ in described} == column_types(table)
        present = connection.execute("SELECT table_name FROM tables_present ORDER BY 1").fetchall()
    assert present == [("enrolments",), ("schools",), ("students",), ("terms",)]


def test_a_second_date_replaces_what_the_first_one_showed(bureau):
    store = bureau({"attendance": [ABSENT]})
    with reader_of(store) as reader:
        assert reader.at(date(2024, 10, 8), RULE).execute("SELECT count(*) FROM attendance").fetchall() == [
            (1,)
        ]
        assert reader.at(date(2024, 10, 7), RULE).execute("SELECT count(*) FROM attendance").fetchall() == [
            (0,)
        ]


def test_a_reader_that_was_left_answers_no_more(bureau):
    with reader_of(bureau({})) as reader:
        connection = reader.at(date(2024, 10, 8), RULE)
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("FROM students")


def test_townships_of_one_name_in_two_counties_are_two_places(bureau, ask):
    place = {"name": "学校", "stage": "junior"}
    schools = [
        place | {"school_id": "A", "county": "东县", "township": "城关镇"},
        place | {"school_id": "B", "county": "西县", "township": "城关镇"},
        place | {"school_id": "C", "county": "西县", "township": "山口乡"},
        place | {"school_id": "D", "county": "西县", "township": ""},
    ]
    person = {"source": "household", "name": "甲", "birth_date": "2012-01-01", "recorded_on": "2024-09-01"}
    people = [
        person | {"person_id": "p1", "county": "东县", "township": "城关镇"},
        person | {"person_id": "p2", "county": "", "township": "城关镇"},
    ]
    store = bureau({"schools": schools, "enrolments": [SPELL], "population": people})
    told = [("A", "东县 城关镇"), ("B", "西县 城关镇"), ("C", "山口乡"), ("D", None)]
    assert ask(store, "SELECT school_id, township FROM schools", "2024-10-01") == told
    assert [(one.school_id, one.township or None) for one in store.schools()] == told
    found = ask(store, "SELECT person_id, township FROM population", "2024-10-01")
    assert found == [("p1", "东县 城关镇"), ("p2", "城关镇")]
