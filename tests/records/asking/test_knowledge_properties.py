"""Whatever is delivered: nothing is known before its day, and no later delivery changes an earlier answer."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.domain import RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.keeping.rows import quoted
from riskmodel.records.store import RecordStore

pytestmark = pytest.mark.slow

RULE = RegionRule(version="test", valid_from=date(2000, 1, 1), source="a test")
BEGUN = date(2024, 9, 2)
DELIVERED = BEGUN + timedelta(40)
TABLES = ("students", "enrolments", "attendance", "family")

FIXED = {
    "schools": "school_id,name,county,stage\nA,甲校,甲县,junior\n",
    "terms": "term,start_date,end_date\nt,2024-09-02,2025-01-17\n",
}
HEADERS = {
    "students": "student_id,name,recorded_on",
    "enrolments": "student_id,school_id,start_date,grade,end_date,recorded_on",
    "attendance": "student_id,start_date,end_date,days_absent,recorded_on",
    "family": "student_id,recorded_on,siblings",
}
STUDENTS = ("s1", "s2")
days = st.integers(0, 39).map(lambda number: BEGUN + timedelta(number))
recorded = st.one_of(st.none(), days)


@st.composite
def deliveries(draw: st.DrawFn) -> dict[str, list[tuple[Any, ...]]]:
    who = st.sampled_from(STUDENTS)
    spell = st.tuples(who, st.just("A"), days, st.integers(1, 9), st.integers(0, 9), st.booleans(), recorded)
    spells = {
        (s, d, r): (s, a, d, g, d + timedelta(n) if over else None, r)
        for s, a, d, g, n, over, r in draw(st.lists(spell, max_size=4))
    }
    absence = st.tuples(who, days, st.integers(0, 3), st.sampled_from([0, 0.5, 1]), recorded)
    absences = {
        (s, d, n, r): (s, d, d + timedelta(n), lost, r)
        for s, d, n, lost, r in draw(st.lists(absence, max_size=6))
    }
    told = st.tuples(who, days, st.integers(0, 3))
    return {
        "students": [(student, draw(st.sampled_from(["甲", "乙"])), None) for student in STUDENTS],
        "enrolments": list(spells.values()),
        "attendance": list(absences.values()),
        "family": list({row[:2]: row for row in draw(st.lists(told, max_size=3))}.values()),
    }


def deliver(folder: Path, tables: dict[str, list[tuple[Any, ...]]], day: date) -> RecordStore:
    source = folder / f"in-{day}"
    source.mkdir()
    for name, content in FIXED.items():
        (source / f"{name}.csv").write_text(content)
    for name, rows in tables.items():
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        (source / f"{name}.csv").write_text("\n".join([HEADERS[name], *lines]) + "\n")
    claimed = SourceFiles("b", source, complete_to=DELIVERED)
    # Forced: a drawn delivery may hold a required table without a row.
    take_in([claimed], store=folder / "store", delivered_on=day, force=True)
    return RecordStore.open(folder / "store")


def views(store: RecordStore, *asked: date) -> list[dict[str, list[tuple[Any, ...]]]]:
    """All that is known on some days (both students lie in bucket 0)."""
    with BucketReader(store, 0) as reader:
        return [
            {
                name: sorted(known.execute(f"FROM {name}").fetchall(), key=repr)
                for name in (*TABLES, "cohort", "reported_days")
            }
            for known in (reader.at(day, RULE) for day in asked)
        ]


@settings(max_examples=4, deadline=None)
@given(deliveries(), st.integers(0, 45))
def test_no_row_is_shown_before_it_is_known(tables, number):
    day = BEGUN + timedelta(number)
    with tempfile.TemporaryDirectory() as folder:
        store = deliver(Path(folder), tables, DELIVERED)
        with BucketReader(store, 0) as reader:
            connection = reader.at(day, RULE)
            for name, header in HEADERS.items():
                columns = quoted(header.split(","))
                hidden = connection.execute(
                    f"""SELECT {columns} FROM main.{name}
                        EXCEPT SELECT {columns} FROM raw.{name} WHERE known_from <= $day""",
                    {"day": day},
                ).fetchall()
                assert hidden == []
                late = connection.execute(
                    f"SELECT count(*) FROM main.{name} WHERE recorded_on > $day", {"day": day}
                )
                assert late.fetchall() == [(0,)]


@settings(max_examples=4, deadline=None)
@given(deliveries(), st.data())
def test_a_later_delivery_never_changes_what_an_earlier_day_answered(tables, data):
    revised = {
        name: [row for row in rows if data.draw(st.booleans(), label=f"keep a row of {name}")]
        for name, rows in tables.items()
    }
    revised["students"] = [(student, "丙", None) for student, *_ in tables["students"]]
    revised["attendance"] = [
        (*row[:3], data.draw(st.sampled_from([0, 1])), row[4]) for row in revised["attendance"]
    ]
    revised["family"].append(("s1", DELIVERED + timedelta(5), 3))
    asked = [BEGUN + timedelta(number) for number in (20, 39)] + [DELIVERED + timedelta(4)]
    with tempfile.TemporaryDirectory() as folder:
        first = deliver(Path(folder), tables, DELIVERED)
        before = views(first, *asked)
        store = deliver(Path(folder), revised, DELIVERED + timedelta(5))
        assert views(store, *asked) == before


@settings(max_examples=4, deadline=None)
@given(deliveries(), st.data(), st.integers(0, 45))
def test_the_order_of_rows_in_a_file_says_nothing(tables, data, number):
    shuffled = {name: data.draw(st.permutations(rows)) for name, rows in tables.items()}
    day = BEGUN + timedelta(number)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = views(deliver(Path(one), tables, DELIVERED), day)
        assert views(deliver(Path(other), shuffled, DELIVERED), day) == first
