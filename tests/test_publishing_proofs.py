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


@pytest.fixture(scope="module")
def commands(proof: ModuleType, script: Callable[[str], ModuleType]) -> ModuleType:
    return script("commands_interrupted")


def test_a_killed_command_acknowledges_nothing_and_one_that_is_refused_neither(
    commands: ModuleType, tmp_path: Path
) -> None:
    bench = commands.Bench(tmp_path, "year.yaml")
    bench.now.mkdir()
    commands.year.configure(bench.now, students=500, current=commands.year.AUTUMN)
    assert bench.run(("explain", "--help"))
    assert not bench.run(("county", "--until", "2025-09-29"), after=0.01)
    assert not bench.run(("publish",)), "there is nothing to publish"
    assert "riskmodel intake" in bench.log.read_text(encoding="utf-8")


def test_an_approval_or_a_set_by_half_is_noticed(
    commands: ModuleType, proof: ModuleType, tmp_path: Path
) -> None:
    bench = commands.Bench(tmp_path, "year.yaml")
    assert bench.state() == (None, {})
    approval = bench.now / "workspace" / "models" / "m" / commands.APPROVAL
    approval.parent.mkdir(parents=True)
    approval.write_text('{"names": ["a", "b"], "approved_at": "now"}', encoding="utf-8")
    assert bench.state() == (None, {"m": {"names": ["a", "b"]}})
    with commands.PLANTS["approval in halves"]():
        approval.rename(approval)
    assert bench.state() == (None, {"m": {"names": ["a", "b"]}}), "whole again at its end"
    approval.write_text('{"names": ["a"', encoding="utf-8")
    with pytest.raises(commands.HalfThereError):
        bench.state()
    approval.unlink()
    store = proof.prepared(bench.now / "workspace" / "store")
    assert bench.state()[0] == proof.content_of(store)
    with closing(sqlite3.connect(store / proof.FILE_NAME)) as file, file:
        file.execute("DELETE FROM published_student WHERE student_id = 's0-0'")
    with pytest.raises(commands.HalfThereError):
        bench.state()
