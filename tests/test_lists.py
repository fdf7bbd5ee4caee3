"""A list for people is there whole, or as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from riskmodel.errors import WorkspaceError
from riskmodel.pipelines.lists import write_list


def test_a_list_that_breaks_off_leaves_the_former_one(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    write_list(file, ["who"], [["a"], ["=1+1"]])
    before = file.read_bytes()
    assert before.decode("utf-8-sig").splitlines() == ["who", "a", "'=1+1"]

    def broken() -> Iterator[list[str]]:
        yield ["b"]
        raise OSError("the disk is full")

    with pytest.raises(WorkspaceError, match="OSError"):
        write_list(file, ["who"], broken())
    assert [one.name for one in tmp_path.iterdir()] == ["list.csv"]
    assert file.read_bytes() == before
