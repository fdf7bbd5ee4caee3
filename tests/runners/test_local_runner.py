import os
from pathlib import Path

import pytest

from riskmodel.errors import WorkspaceError
from riskmodel.records.store import RecordStore
from riskmodel.runners.local import LocalRunner


def test_paths_come_in_the_order_of_the_tasks_and_progress_is_told(tmp_path) -> None:
    told = []
    folders = [tmp_path / name for name in "abc"]

    paths = LocalRunner(2, progress=lambda done, of: told.append((done, of))).map(os.path.abspath, folders)

    assert [Path(path) for path in paths] == folders
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_one_process_works_in_this_one(tmp_path) -> None:
    seen = []

    def note(task: Path) -> Path:
        seen.append(os.getpid())
        return task

    LocalRunner(1).map(note, [tmp_path, tmp_path])
    LocalRunner(4).map(note, [tmp_path])

    assert seen == [os.getpid()] * 3


def test_no_task_is_no_work() -> None:
    assert LocalRunner().map(Path.resolve, []) == []


def test_an_error_of_a_worker_comes_through_as_it_is(tmp_path) -> None:
    with pytest.raises(WorkspaceError) as here:
        LocalRunner(1).map(RecordStore.open, [tmp_path])
    with pytest.raises(WorkspaceError) as there:
        LocalRunner(2).map(RecordStore.open, [tmp_path, tmp_path])

    assert there.value.code == here.value.code
    assert str(there.value) == str(here.value)


def test_a_worker_that_is_lost_is_said_so() -> None:
    with pytest.raises(WorkspaceError) as raised:
        LocalRunner(2).map(os._exit, [1, 1])

    assert raised.value.code == "worker_lost"
