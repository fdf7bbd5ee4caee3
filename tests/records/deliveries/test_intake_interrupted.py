"""An interrupted intake loses nothing: the short form of `make intake-kills`."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from riskmodel.errors import WorkspaceError
from riskmodel.records.keeping.durable import told_in_a_sentence
from riskmodel.records.keeping.manifest import MANIFEST, STAGING, generation_folder

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "intake_interrupted.py"
PLANTED = (
    "the manifest before the rows",
    "rows that are not synced",
    "a manifest that is not synced",
    "acknowledged before the name is synced",
    "the old generation cleared too early",
    "rows written over the old ones",
)
ABSENT = {"student_id": "s1", "start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}


@pytest.fixture(scope="module")
def proof(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("intake_interrupted")


@pytest.mark.parametrize("bug", PLANTED)
def test_the_proof_catches_a_planted_bug(proof, bug):
    assert set(proof.PLANTED) == set(PLANTED)
    assert proof.planted(bug).wrong > 0


@pytest.fixture
def in_two_buckets() -> None:
    """Let the killed processes, which are others, and this one count the buckets alike."""


def test_a_power_failure_at_any_boundary_leaves_the_old_store_or_the_new_one(proof):
    found = proof.power_failures(number=3, every=12)
    assert found.tried > 50
    assert (found.lost, found.half_stored, found.hand_work) == (0, 0, 0)


def test_a_first_delivery_that_power_fails_in_leaves_no_store_or_a_whole_one(proof):
    found = proof.power_failures(number=1, every=12)
    assert found.tried > 30
    assert (found.lost, found.half_stored, found.hand_work) == (0, 0, 0)


def test_a_disk_that_is_full_at_a_boundary_is_told_in_a_sentence_and_changes_nothing(proof):
    found = proof.full_disks(number=2, every=5)
    assert found.tried >= 10
    assert (found.lost, found.half_stored, found.hand_work, found.tracebacks) == (0, 0, 0, 0)


def test_who_is_killed_loses_no_delivery_that_was_acknowledged(proof):
    found = proof.kills(count=5, seed=20261123, students=20)
    assert found.tried == 5
    assert (found.lost, found.half_stored, found.hand_work) == (0, 0, 0)


def test_what_a_killed_intake_left_is_cleared_even_when_nothing_is_new(bureau, tmp_path):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder)
    (folder / STAGING).mkdir()
    (folder / STAGING / "rows.duckdb").write_bytes(b"rows of children")
    (folder / "generation-00002").mkdir()
    (folder / f"{MANIFEST}.partial").write_text("half")
    bureau({"attendance": [ABSENT]}, store=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["generation-00001", MANIFEST]


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk_full"), (errno.EDQUOT, "disk_full"), (errno.EIO, "disk_refuses")],
)
def test_what_the_system_says_of_a_disk_becomes_a_sentence(tmp_path, number, code):
    with pytest.raises(WorkspaceError) as told, told_in_a_sentence(tmp_path):
        raise OSError(number, "the system's words")
    assert told.value.code == code


def test_an_old_generation_that_cannot_be_removed_does_not_undo_the_delivery(bureau, tmp_path, monkeypatch):
    folder = tmp_path / "store"
    bureau({"attendance": [ABSENT]}, store=folder)
    monkeypatch.setattr("shutil.os.rmdir", _refuse)
    store = bureau(
        {"attendance": [ABSENT | {"days_absent": 0.5}]}, store=folder, delivered_on=date(2026, 2, 1)
    )
    assert store.manifest.generation == 2
    monkeypatch.undo()
    again = bureau(
        {"attendance": [ABSENT | {"days_absent": 0.5}]}, store=folder, delivered_on=date(2026, 2, 1)
    )
    assert again.content_hash == store.content_hash
    assert sorted(path.name for path in folder.iterdir()) == ["generation-00002", MANIFEST]
    assert generation_folder(folder, 2).is_dir()


def _refuse(*args: object, **kwargs: object) -> None:
    raise PermissionError(errno.EACCES, "no")
