"""A zip of files: looked at before anything of it is unpacked, then unpacked beside the store."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from riskmodel.errors import Where
from riskmodel.records.files.packages import WorkbookRefused, check_package
from riskmodel.records.files.raw import DAMAGED_ZIP, RawFile, format_of
from riskmodel.records.findings import Findings

MOST_BYTES = 4_000_000_000
"""Of all files of a zip together, unpacked: they go to the disk, not into memory."""
_UTF8_NAME = 0x800


def unpacked(files: Iterable[RawFile], *, source: str, folder: Path, findings: Findings) -> list[RawFile]:
    """Return the files, each zip among them replaced by what is in it.

    A zip that is locked, damaged, too large or names a place outside itself is refused and not unpacked;
    a zip in a zip stays one, and is then refused as a format that is not read.

    Parameters
    ----------
    folder
        Where files are unpacked to, under names of our own; made when it is needed.
    """
    told: list[RawFile] = []
    for raw in files:
        if format_of(raw.path)[0] != "zip":
            told.append(raw)
            continue
        try:
            members = check_package(raw.path, most_bytes=MOST_BYTES)
            told += _unpack(raw, members, folder / f"{len(told):04d}")
        except WorkbookRefused as refused:
            where = Where(source=source, file=raw.name)
            findings.refuse(refused.code, where, kind=None, **refused.slots)
        except (OSError, *DAMAGED_ZIP) as problem:
            # A full disk has a number; bz2 says "invalid data" by an OSError without one.
            if isinstance(problem, OSError) and problem.errno is not None:
                raise
            findings.refuse("zip_damaged", Where(source=source, file=raw.name))
    return told


def _unpack(raw: RawFile, members: Iterable[zipfile.ZipInfo], folder: Path) -> list[RawFile]:
    folder.mkdir(parents=True)
    files = []
    with zipfile.ZipFile(raw.path) as package:
        for number, member in enumerate(members):
            inside = _name_of(member).replace("\\", "/")
            if inside.split("/")[-1].startswith((".", "~")) or inside.startswith("__MACOSX/"):
                continue
            path = folder / f"{number:04d}"
            with package.open(member) as packed, path.open("wb") as out:
                shutil.copyfileobj(packed, out)
            files.append(RawFile(f"{raw.name}/{inside}", path, inside))
    return files


def _name_of(member: zipfile.ZipInfo) -> str:
    """Return a file's name as it was meant: without a mark for UTF-8 it is the packing system's own."""
    if member.flag_bits & _UTF8_NAME:
        return member.filename
    packed = member.filename.encode("cp437", errors="ignore")
    for encoding in ("utf-8", "gb18030"):
        try:
            return packed.decode(encoding)
        except UnicodeDecodeError:
            continue
    return member.filename
