"""What is on the disk for good, even if power fails in the next instant; and a disk that takes no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from riskmodel.errors import Where, WorkspaceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def settle(*paths: Path) -> None:
    """Put files on the disk for good, and of folders the names that stand in them.

    A file's name is only safe once its folder is settled as well.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def settle_tree(folder: Path) -> None:
    """Settle all files of a folder, its folders, and at last itself."""
    settle(*sorted(folder.rglob("*"), key=lambda path: path.is_dir()), folder)


@contextmanager
def told_in_a_sentence(folder: Path) -> Iterator[None]:
    """Say in a sentence what the system says about a disk, while something is written into a folder.

    Raises
    ------
    WorkspaceError
        If the disk is full, or takes no more for another reason (rights, a fault of the device).
    """
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise WorkspaceError("disk_full", Where(file=str(folder))) from None
        said = os.strerror(problem.errno) if problem.errno else type(problem).__name__
        where = Where(file=str(problem.filename or folder))
        raise WorkspaceError("disk_refuses", where, problem=said) from None
    except duckdb.Error as problem:
        # The engine tells the system's own words, in English whatever the language of the machine.
        if any(os.strerror(number) in str(problem) for number in _FULL):
            raise WorkspaceError("disk_full", Where(file=str(folder))) from None
        raise
