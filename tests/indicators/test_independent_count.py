"""The figures of fictional counties equal an independent count, row by row: 0 differences.

In short one county; `make indicators-count` (RISKMODEL_INDICATORS=full) counts fifty.
Errors are planted in a class of hard cases, which small counties rarely have.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from riskmodel.indicators import following, formulas, table
from riskmodel.indicators.showing import key_of, small_count, sums_of
from riskmodel.official import OfficialFigure, Ratio
from riskmodel.records.store import RecordStore

from .counties import FIRST_YEAR, county, keyed, official, taken_in, write_tables
from .oracle import Office
from .test_following import DAY, tables

pytestmark = pytest.mark.slow

FULL = os.environ.get("RISKMODEL_INDICATORS") == "full"
SEEDS = range(1, 51) if FULL else range(1, 2)

Differences = list[tuple[object, object, object]]


def differences(ours: list[OfficialFigure], files: Path, day: date) -> Differences:
    one, other = keyed(ours), Office(files, day).figures()
    keys = sorted(one.keys() | other.keys(), key=repr)
    return [(key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)]


def drawn(seed: int) -> tuple[int, int, date]:
    """Return students, school years and the day of knowledge of a county: every tenth lives ten years."""
    draw = random.Random(seed)  # noqa: S311
    years = 10 if seed % 10 == 0 else draw.choice((2, 3)) if FULL else 2
    last = date(FIRST_YEAR + years, 7, 5)
    return draw.randrange(100, 300), years, last - timedelta(days=draw.randrange(0, 500))


@pytest.fixture(scope="module", params=SEEDS)
def counted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[OfficialFigure], Path, date]:
    seed, folder = request.param, tmp_path_factory.mktemp("counted")
    students, years, day = drawn(seed)
    files = county(folder, seed=seed, students=students, years=years)
    store = taken_in(files, folder / "store", date(2035, 1, 1))
    return official(store, day, folder / "rows"), files, day


def test_a_county_is_counted_as_a_clerk_counts_it_row_by_row(counted: Any) -> None:
    found, files, day = counted
    assert len(found) > 300
    assert sum(one.numerator for one in found if one.formula == "dropout_rate") > 0
    assert differences(found, files, day) == []
    for planted in planted_formulas(found):
        assert differences(planted, files, day) != []


def test_the_sum_of_the_parts_is_the_total(counted: Any) -> None:
    found, _, _ = counted
    tables: dict[object, list[OfficialFigure]] = {}
    for one in found:
        tables.setdefault((one.formula, one.span), []).append(one)
    checked = 0
    for of_one in tables.values():
        small = {key_of(one): small_count(one) for one in of_one}
        beside = {key_of(one): (one.unaccounted, one.already_gone) for one in of_one}
        heads = {key_of(one): one.denominator for one in of_one}
        for tied in sums_of(of_one):
            assert sum(small[part] for part in tied.parts) == small[tied.total], tied
            checked += 1
            if of_one[0].formula == "dropout_rate" and tied.parts[0][1] != "reason":
                assert sum(heads[part] for part in tied.parts) == heads[tied.total]
                for at in (0, 1):
                    assert sum(beside[part][at] for part in tied.parts) == beside[tied.total][at]
    assert checked > 100


def planted_formulas(found: list[OfficialFigure]) -> Iterator[list[OfficialFigure]]:
    """Yield the same figures as a wrong formula would have told them."""
    at = next(n for n, one in enumerate(found) if one.formula == "dropout_rate" and one.by == "stage")
    for change in ({"numerator": found[at].numerator + 1}, {"denominator": found[at].denominator - 1}):
        yield [*found[:at], replace(found[at], **change), *found[at + 1 :]]


@pytest.fixture(scope="module")
def hard_cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The class of `test_following`, and four whom a county of some hundred rarely has: files and store."""
    told = tables()
    usual = {"school_id": "A", "start_date": "2024-09-02", "grade": 8, "recorded_on": "2024-09-02"}
    ill = {"end_date": "2024-11-01", "exit_reason": "suspended", "expected_return": "2025-06-25"}
    away = {"exit_reason": "transferred", "to_school_id": "far"}
    told["enrolments"] += [
        {"student_id": "not_yet_overdue", **usual, **ill},
        {"student_id": "came_back", **usual, "end_date": "2024-10-07", "exit_reason": "dropped_out"},
        {"student_id": "came_back", **usual, "start_date": "2024-11-04", "recorded_on": "2024-11-04"},
        {"student_id": "ended_before", **usual, "school_id": "B", "start_date": "2023-09-01", "grade": 7,
         "end_date": "2024-07-05", "exit_reason": "graduated", "recorded_on": "2024-07-05"},
        {"student_id": "ended_before", **usual, "end_date": "2024-11-01", "exit_reason": "transferred",
         "to_school_id": "B"},
        {"student_id": "ended_before", **usual, "school_id": "B", "start_date": "2024-11-04"},
        {"student_id": "away_before", **usual},
        {"student_id": "away_before", **usual, **away, "end_date": "2024-09-20", "recorded_on": "2024-12-01"},
    ]  # fmt: skip
    told["ledger_events"].append({"student_id": "came_back", "event_date": "2024-10-10",
                                  "event": "verified_dropout", "recorded_on": "2024-10-12"})  # fmt: skip
    told["students"] = [
        {"student_id": name, "roll_number": f"L{number:018}", "name": f"王{number}", "sex": "FM"[number % 2],
         "birth_date": "2011-03-01", "recorded_on": "2023-09-01"}
        for number, name in enumerate(dict.fromkeys(row["student_id"] for row in told["enrolments"]))
    ]  # fmt: skip
    told["family"] = [{"student_id": "stays", "recorded_on": "2024-09-02", "hardship": "low_income"}]
    told["population"] = [
        {"source": "household", "person_id": f"p-{township}-{sex}", "name": "王一",
         "birth_date": "2011-03-01", "sex": sex, "county": "甲县", "township": township,
         "recorded_on": "2024-09-02"}
        for township in ("东乡", "西乡") for sex in "FM"
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("hard")
    files = write_tables(folder / "files", told)
    taken_in(files, folder / "store", date(2025, 8, 1))
    return files, folder / "store"


def count_hard_cases(hard_cases: tuple[Path, Path], rows: Path) -> Differences:
    files, store = hard_cases
    return differences(official(RecordStore.open(store), DAY, rows), files, DAY)


def test_the_hard_cases_are_counted_as_a_clerk_counts_them(
    hard_cases: tuple[Path, Path], tmp_path: Path
) -> None:
    assert count_hard_cases(hard_cases, tmp_path) == []


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("_STANDING", "$day < due.due_on", "$day <= due.due_on + 400"),
        ("_STANDING", "spell.start_date <= says.event_date", "true"),
        ("_STANDING", "coalesce(left_on, event_date)", "event_date"),
        ("_STANDING", "next_word IS DISTINCT FROM 'verified_not_dropout'", "true"),
        ("_STANDING", "expected_return + $overrun < $day", "expected_return < $day"),
        ("_FOLLOWED", "now.state = 'dropped_out'", "true"),
        ("_FOLLOWED", "end_date >= $first_day AND", ""),
    ],
)
def test_an_error_planted_in_the_following_is_caught(
    hard_cases: tuple[Path, Path], name: str, was: str, becomes: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    told = getattr(following, name)
    assert was in told
    monkeypatch.setattr(following, name, told.replace(was, becomes))
    assert count_hard_cases(hard_cases, tmp_path) != []


def test_an_error_planted_in_a_formula_is_caught(
    hard_cases: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tuple(
        replace(one, compute=lambda c: Ratio(c["dropped_out"], c["enrolled"]))
        if one.name == "dropout_rate" else one for one in formulas.FORMULAS
    )  # fmt: skip
    monkeypatch.setattr(table, "FORMULAS", wrong)
    assert count_hard_cases(hard_cases, tmp_path) != []
