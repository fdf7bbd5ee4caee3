"""The figures of fictional counties equal an independent count, row by row: 0 differences.

In short one county; `make indicators-count` (RISKMODEL_INDICATORS=full) counts fifty, and plants more errors.
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

from .counties import FIRST_YEAR, county, keyed, official, taken_in
from .oracle import Office

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


@pytest.mark.skipif(not FULL, reason="make indicators-count plants these as well")
@pytest.mark.parametrize(
    ("module", "name", "was", "becomes"),
    [
        ("following", "_STANDING", "$day < due.due_on", "$day <= due.due_on + 400"),
        ("following", "_STANDING", "spell.start_date <= says.event_date", "true"),
        ("following", "_STANDING", "expected_return + $overrun < $day", "expected_return < $day"),
        ("following", "_FOLLOWED", "now.state = 'dropped_out'", "true"),
        ("following", "_FOLLOWED", "end_date >= $first_day AND", ""),
        ("formulas", "dropout_rate_v1", "suspended", "not counted"),
    ],
)  # fmt: skip
def test_a_planted_error_is_caught(
    module: str, name: str, was: str, becomes: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caught = 0
    for seed in range(1, 9):
        students, years, day = drawn(seed)
        files = county(tmp_path / str(seed), seed=seed, students=students, years=years)
        store = taken_in(files, tmp_path / str(seed) / "store", date(2035, 1, 1))
        with monkeypatch.context() as patched:
            if module == "following":
                told = getattr(following, name)
                assert was in told
                patched.setattr(following, name, told.replace(was, becomes))
            else:
                wrong = tuple(
                    replace(one, compute=lambda c: Ratio(c["dropped_out"], c["enrolled"]))
                    if one.name == "dropout_rate" else one for one in formulas.FORMULAS
                )  # fmt: skip
                patched.setattr(table, "FORMULAS", wrong)
            caught += bool(differences(official(store, day, tmp_path / str(seed) / "rows"), files, day))
        if caught:
            return
    pytest.fail("no county of eight shows the planted error")
