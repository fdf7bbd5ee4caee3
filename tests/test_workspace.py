from pathlib import Path

import pytest

from riskmodel.errors import WorkspaceError
from riskmodel.workspace import Workspace


def test_a_new_workspace_is_marked_with_its_version_and_opens_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")

    with workspace.opened():
        pass
    with workspace.opened():
        assert (workspace.root / "FORMAT").read_text(encoding="utf-8") == "1\n"


def test_a_workspace_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("0\n", encoding="utf-8")

    with pytest.raises(WorkspaceError, match="version 0"), Workspace(tmp_path).opened():
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["FORMAT"]


def test_a_folder_with_other_things_in_it_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(WorkspaceError, match="nothing was written"), Workspace(tmp_path).opened():
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_two_jobs_do_not_write_in_one_workspace(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")

    with (
        workspace.opened(),
        pytest.raises(WorkspaceError, match="Another job"),
        Workspace(workspace.root).opened(),
    ):
        pass
