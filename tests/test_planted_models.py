"""One planted model through the real training, audit and publishing; `make gates` does all of them."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_models")


def test_a_leak_stops_the_training_and_nothing_is_published(planted: ModuleType, tmp_path: Path) -> None:
    planted.make_the_county(tmp_path, students=1200)
    went = planted.try_model(tmp_path, "a leak", students=1200, bootstraps=2)
    assert went.stopped == "leak_single_column"
    assert went.caught


def test_a_fault_that_is_published_or_refused_for_another_reason_does_not_count_as_caught(
    planted: ModuleType,
) -> None:
    went = planted.Went
    assert not went("a", ("not_stale",), (), "").caught
    assert not went("a", ("not_stale",), (), "model_refused").caught
    assert not went("no fault", (), (), "model_refused").caught
    assert went("no fault", (), (), "").caught
    assert all(fault.gates for fault in planted.FAULTS.values())
