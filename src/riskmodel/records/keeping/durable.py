"""What is on the disk for good, even if power fails in the next instant; and a disk that takes no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import duckdb

from riskmodel.errors import Where, WorkspaceError

HALF = ".writing"
"""How the name of a file ends that is not whole."""
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


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a name beside a file to write under; the file's own name appears with the file whole, or never.

    The name is nobody else's: a bucket that is thought lost is given to another process while the first one
    may still be writing it, and whichever ends last puts the same bytes there.

    Raises
    ------
    WorkspaceError
        See `told_in_a_sentence`.
    """
    beside = file.with_name(f"{file.name}.{uuid4().hex}{HALF}")
    with told_in_a_sentence(file.parent):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            settle(beside)
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def remove_halves(folder: Path) -> None:
    """Remove what killed processes left of `whole_file` anywhere in a folder."""
    for half in folder.rglob(f"*{HALF}"):
        half.unlink(missing_ok=True)
