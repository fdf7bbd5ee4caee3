"""Nothing that became known after the as-of date reaches a feature, a label known by then, or a score.

Every record of a fictional world that was known only after the as-of date is deleted, changed, scrambled,
and more are added, through the real intake, also by a later delivery that revises the earlier one. What the
system makes of the as-of date must be the same, byte for byte. First the proof has to catch planted leaks.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.bundle import ModelBundle
from riskmodel.domain import FeatureMatrix, School, TermFacts
from riskmodel.features import ALL_FEATURES, GROUPS, build, school
from riskmodel.records.asking import asof
from riskmodel.records.contract import TABLES
from riskmodel.records.deliveries import staging
from riskmodel.scoring import score, scored_term

from . import poison
from .seeing import DELIVERED, Bureau, Seen
from .worlds import SCHOOLS, TERMS, Author, Tables, World, days

pytestmark = pytest.mark.slow

FULL = os.environ.get("RISKMODEL_VALIDITY") == "full"
WORLDS = 200 if FULL else 1
CHUNKS = 100 if FULL else 1
SILENT_WORLDS = 20 if FULL else 2
PLANTED_WORLDS = 10 if FULL else 1
PLANTED_WAYS = ("deleted", "scrambled") if FULL else ("scrambled",)
WAYS = {
    "deleted": poison.without_later,
    "changed or added": poison.changed_and_added,
    "scrambled": poison.scrambled,
    "revised": poison.revised,
}


def look(bureau: Bureau, world: World, store: Path) -> Seen:
    """See features and scores of the as-of date, and labels of an earlier date as known on it."""
    return bureau.see(store, world.as_of, earlier=world.earlier, label_date=world.as_of.as_of_date)


def scores(seen: Seen, world: World, bundle: ModelBundle) -> bytes:
    """Everything that a term's scoring says of the as-of date: risks, lists, reasons, what is not known."""
    day = world.as_of.as_of_date
    frame = seen.matrix.frame
    matrix = FeatureMatrix(frame[frame["as_of_date"].dt.date == day].reset_index(drop=True), ALL_FEATURES)
    facts = TermFacts(
        region="fictional", term=world.as_of.term, as_of_date=day, horizon_end=world.as_of.horizon_end,
        valid_until=world.as_of.horizon_end, model_version="drawn", rule_version="fictional",
        wording_version="w", records_hash="r", data_complete_to=day, probabilities=True,
        features=ALL_FEATURES,
    )  # fmt: skip
    term = scored_term(
        matrix, bundle, facts=facts, schools=[School(name, name, "") for name in SCHOOLS],
        bands=(0.5, 0.3), capacity_share=0.3,
    )  # fmt: skip
    given = score(matrix, bundle)
    return given.margin.tobytes() + given.risk.tobytes() + repr(term.students).encode()


# --- the proof


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_became_known_later_changes_no_byte_and_what_was_known_counts(chunk, bureau_of, bundle, count):
    bureau = bureau_of()
    for seed in range(chunk, WORLDS, CHUNKS):
        world, chance = Author(seed).world(), np.random.default_rng([seed, 1])
        store = bureau.store(world.tables)
        as_it_was = look(bureau, world, store)
        scored = scores(as_it_was, world, bundle)
        for name, way in WAYS.items():
            tables, touched = way(world, chance)
            if name == "revised":
                bureau.deliver(store, tables, delivered_on=DELIVERED + days(30))
            poisoned = look(bureau, world, store if name == "revised" else bureau.store(tables))
            assert poisoned.differs_in(as_it_was) == set(), (seed, name)
            assert scores(poisoned, world, bundle) == scored, (seed, name)
            count("future-poisoning", **{f"later records {name}": touched})
        students = len(as_it_was.matrix.frame)
        count("future-poisoning", worlds=1, **{"students the same to the last bit": students}, leaks=0)
        check_known_records_count(bureau, world, as_it_was, count)
        check_backdated_entries(bureau, world, count)
        bureau.forget()


@pytest.mark.parametrize("seed", range(1, 1 + SILENT_WORLDS))
def test_where_no_school_tells_what_it_reported_later_records_change_no_feature(seed, bureau_of, count):
    """Then the days that count as reported are told by the records themselves, as they were known."""
    bureau = bureau_of()
    bureau.complete_to = None
    world, chance = Author(seed).world(), np.random.default_rng([seed, 2])
    day = world.as_of.as_of_date
    for rows in world.tables.values():  # files come monthly: the last month is told in the next
        for row in rows:
            on = row.get("recorded_on") or row.get("end_date")
            if on is not None and day - days(30) < on <= day:
                row["recorded_on"] = on + days(40)

    def seen(tables: Tables) -> Seen:
        silent = {name: rows for name, rows in tables.items() if name != "attendance_reports"}
        return bureau.see(bureau.store(silent), world.as_of)

    as_it_was = seen(world.tables)
    for name in ("deleted", "scrambled"):
        assert seen(WAYS[name](world, chance)[0]).differs_in(as_it_was) == set(), (seed, name)
    count("future-poisoning", **{"worlds in which nobody tells what was reported": 1})


# --- what was known does count


def moved_by(world: World) -> tuple[Tables, dict[str, tuple[str, str]]]:
    """Change one known record of each kind; return the tables, and who and which feature must move.

    The tables that hold for all change in turn, for they move the same feature.
    """
    day = world.as_of.as_of_date
    tables = {name: [dict(row) for row in rows] for name, rows in world.tables.items()}
    own = {name: [row for row in rows if row.get("student_id") == "w0"] for name, rows in tables.items()}

    def change(name: str, column: str, to, **where) -> None:
        rows = [row for row in own[name] if all(row.get(key) == value for key, value in where.items())]
        assert rows, (world.seed, name)
        for row in rows:
            row[column] = to(row[column])

    began = max(start for _, start, _ in TERMS[:4] if start <= day)
    change("attendance", "days_absent", lambda _: 0, start_date=day - days(2))
    change("grades", "score", lambda score: score + 1, exam_date=day - days(25))
    change("family", "distance_km", lambda km: km + 5, recorded_on=day)
    change("subsidies", "amount_yuan", lambda yuan: yuan + 50, start_date=day - days(120))
    change("enrolments", "boards", lambda boards: not boards, start_date=began)
    change("students", "birth_date", lambda on: on - days(400))
    row = {"student_id": "w2", "event_date": day - days(3), "event": "verified_dropout"}
    tables["ledger_events"].append(row | {"recorded_on": day - days(1)})
    expected = {
        "attendance": ("w0", "days_since_absence"), "grades": ("w0", "marks_mean_365d"),
        "family": ("w0", "distance_km"), "subsidies": ("w0", "aid_yuan_365d"), "enrolments": ("w0", "boards"),
        "students": ("w0", "years_over_grade_age"),
    }  # fmt: skip
    of_all = ("attendance_reports", "calendar", "terms", "schools")[world.seed % 4]
    expected[of_all] = ("w1", "reported_days_56d")
    in_term = [day - days(n) for n in range(56) if any(a <= day - days(n) <= b for _, a, b in TERMS)]
    school_days = [on for on in in_term if on.weekday() < 5]
    if of_all == "attendance_reports":
        tables[of_all] = [row for row in tables[of_all] if row["school_id"] != "A"]
    elif of_all == "calendar":
        rows = [row for row in tables[of_all] if row["date"] != school_days[-1]]
        off = {"date": school_days[-1], "school_id": "A", "is_school_day": False}
        tables[of_all] = [*rows, off]
    elif of_all == "terms":
        for row in tables[of_all]:
            if row["start_date"] <= in_term[0] <= row["end_date"]:
                row["start_date"] = in_term[0]
    else:
        for row in tables[of_all]:
            row["open_from"] = school_days[0] + days(1)
    return tables, expected


def check_known_records_count(bureau: Bureau, world: World, as_it_was: Seen, count) -> None:
    """Hold that one record of each kind, known and changed, moves its feature, or who is there at all."""
    tables, expected = moved_by(world)
    after = bureau.see(bureau.store(tables), world.as_of).matrix.frame.set_index("student_id")
    before = as_it_was.matrix.frame.set_index("student_id")
    for kind, (student, feature) in expected.items():
        assert before.loc[student, feature] != after.loc[student, feature], (world.seed, kind, feature)
        count("past sensitivity", **{f"moved by {kind}": 1})
    assert "w2" in before.index
    assert "w2" not in after.index
    count("past sensitivity", worlds=1, **{"left the cohort by ledger_events": 1})


def check_backdated_entries(bureau: Bureau, world: World, count) -> None:
    """Hold that entries about days before the as-of date, recorded after it, wait for their record."""
    day = world.as_of.as_of_date
    tables = {name: list(rows) for name, rows in world.tables.items()}
    for table, row in (
        ("attendance", {"start_date": day, "end_date": day, "days_absent": 1}),
        ("grades", {"subject": "physics", "exam_date": day - days(20), "exam": "final", "score": 0,
                    "full_score": 100, "status": "sat"}),
        ("subsidies", {"programme": "orphan", "start_date": day - days(50), "amount_yuan": 9999}),
    ):  # fmt: skip
        tables[table].append(row | {"student_id": "w1", "recorded_on": day + days(1 + world.seed % 7)})
    seen = [bureau.see(bureau.store(told), world.as_of, world.next_snapshot).matrix.frame
            for told in (world.tables, tables)]  # fmt: skip
    then, later = ([frame[frame["as_of_date"].dt.date == on.as_of_date].set_index("student_id")
                    for frame in seen] for on in (world.as_of, world.next_snapshot))  # fmt: skip
    pd.testing.assert_frame_equal(*then, check_exact=True)
    for feature in ("days_since_absence", "marks_mean_365d", "aid_yuan_365d"):
        assert later[0].loc["w1", feature] != later[1].loc["w1", feature], (world.seed, feature)
    count("backdated entries", worlds=1, **{"invisible before their record": 3, "visible after it": 3})


# --- planted leaks: the proof must ring


def plant_a_day_more(monkeypatch):
    monkeypatch.setattr(asof, "KNOWN", asof.KNOWN.replace("known_from <= $day", "known_from <= $day + 1"))


def plant_event_date_for_known_date(monkeypatch):
    real = staging.known_from_sql

    def by_event(table, delay):
        return real(replace(table, columns=tuple(c for c in table.columns if c.name != "recorded_on")), delay)

    monkeypatch.setattr(staging, "known_from_sql", by_event)


def plant_a_school_rate_with_the_future(monkeypatch):
    leaky = school.LEAVING
    for sound, planted in (
        ("FROM enrolments AS spell", "FROM raw.enrolments AS spell"),
        (
            "exit_reason = 'dropped_out' AND spell.end_date + 1 BETWEEN since AND until",
            "spell.end_date > until",
        ),
    ):
        assert sound in leaky
        leaky = leaky.replace(sound, planted)
    monkeypatch.setattr(school, "LEAVING", leaky)


def plant_a_join_without_the_date(monkeypatch):
    aid = next(group for group in GROUPS if group.name == "aid")
    leaky = aid.relation.replace("LEFT JOIN subsidies AS grant_", "LEFT JOIN raw.subsidies AS grant_")
    assert leaky != aid.relation
    monkeypatch.setattr(build, "GROUPS", tuple(
        replace(group, relation=leaky) if group.name == "aid" else group for group in GROUPS
    ))  # fmt: skip


LEAKS = {
    "a window off by a day": plant_a_day_more,
    "event date used for known date": plant_event_date_for_known_date,
    "school rate with the student's own future": plant_a_school_rate_with_the_future,
    "a join without the date": plant_a_join_without_the_date,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_proof_catches_a_planted_leak(leak, bureau_of, count, monkeypatch):
    bureau, caught = bureau_of(), 0
    LEAKS[leak](monkeypatch)
    for seed in range(PLANTED_WORLDS):
        world, chance = Author(seed).world(), np.random.default_rng([seed, 1])
        as_it_was = look(bureau, world, bureau.store(world.tables))
        poisoned = (bureau.store(WAYS[name](world, chance)[0]) for name in PLANTED_WAYS)
        caught += any(look(bureau, world, store).differs_in(as_it_was) for store in poisoned)
        bureau.forget()
    assert 2 * caught >= PLANTED_WORLDS
    count(f"planted leak caught: {leak}", worlds=caught, **{"of worlds": PLANTED_WORLDS})


def test_every_table_is_poisoned_or_holds_from_the_beginning():
    undated = {table.name for table in TABLES if table.event_dates is None and table.name != "students"}
    # Consents alone count whatever the day: one withdrawn today keeps a child out of former days too.
    assert {*poison.DATED, *undated, "consents"} == {table.name for table in TABLES}
