"""The proofs on publishing, in short; `make publishing-load` and `make publishing-kills` run them in full."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture(scope="module")
def proof(script: Callable[[str], ModuleType]) -> Iterator[ModuleType]:
    sys.path.insert(0, BENCHMARKS)
    yield script("publishing_interrupted")
    sys.path.remove(BENCHMARKS)


def test_no_answer_mixes_two_sets_while_sets_are_published(script: Callable[[str], ModuleType]) -> None:
    seen = script("publishing_under_load").publish_under_load(publishings=4, threads=3)
    assert seen.mixed == []
    assert not seen.failed
    assert sum(seen.answers.values()) > 10


def test_a_killed_publishing_is_whole_or_not_there(proof: ModuleType) -> None:
    found = proof.random_kills(("publish", "go_back"), kills=6)
    assert (found.tried, found.wrong) == (6, 0)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_publishing_killed_at_some_changes_of_a_file_is_whole_or_not_there(proof: ModuleType) -> None:
    found = proof.at_every_change("go_back", inject="signal=SIGKILL", stride=6)
    assert found.in_the_midst >= 2
    assert found.wrong == 0


def test_the_proof_rings_when_a_set_is_half_there_or_one_is_lost(proof: ModuleType, tmp_path: Path) -> None:
    first = proof.prepared(tmp_path / "first")
    after = proof.content_of(first)
    for spoilt, wrong in (
        (
            "DELETE FROM published_student WHERE student_id = 's0-0' AND set_id = ({current})",
            "half_published",
        ),
        ("UPDATE published_student SET content = 'x' WHERE set_id = ({current})", "half_published"),
        ("DELETE FROM pointer_move WHERE number = (SELECT max(number) FROM pointer_move)", "lost"),
    ):
        folder = shutil.copytree(first, tmp_path / wrong, dirs_exist_ok=True)
        with closing(sqlite3.connect(folder / proof.FILE_NAME)) as file, file:
            before = proof.content_of(first)
            current = "SELECT set_id FROM pointer_move ORDER BY number DESC LIMIT 1"
            file.execute(spoilt.format(current=current))
        if wrong == "lost":
            before = proof.content_of(folder)
        result = proof.Result()
        proof.look(folder, result, before=before, after=after, said=proof.DONE, go_on=False)
        assert getattr(result, wrong) == 1, spoilt
