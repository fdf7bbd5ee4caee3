"""Back up a workspace while it is in use, and put it back: whole, or not at all.

    DIR/20261127T143000Z/          manifest.json, workspace/…      all that cannot be made again
    DIR/20261127T143000Z-keys/     manifest.json, identity.key, …  what opens it: to be kept elsewhere

Databases are copied by SQLite's own online backup, so that publishing and answering go on meanwhile; other
files are copied again for as long as one of them changed while it was copied. Every file stands in the
manifest with its SHA-256, and is read again before anything is called done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.run import Run, clock
from riskmodel.workspace import Workspace

MANIFEST = "manifest.json"
_MADE_AGAIN = {"features", "labels", "county", "LOCK", "limits.bin", "audit.lock", "serving.lock"}
"""Names that are not backed up: made from the records again, or of use to a running process only."""
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
_ROUNDS = 5


def back_up(run: Run, into: Path) -> Path:
    """Write a backup and return its folder. Nobody needs to stop meanwhile.

    Raises
    ------
    WorkspaceError
        If there is no workspace, files keep changing, or it cannot be written. Then no backup is left behind.
    """
    seconds = clock()
    source = run.workspace.root
    if not (source / "FORMAT").is_file():
        raise WorkspaceError("backup_of_nothing", Where(file=str(source)))
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    made, keys = into / name, into / f"{name}-keys"
    with _all_or_nothing(made) as data, _all_or_nothing(keys) as secret:
        _copy_quietly(source, data / "workspace")
        for key in sorted((data / "workspace").rglob("*.key")):
            to = secret / key.relative_to(data / "workspace")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(key, to)
        for folder in (data, secret):
            _write_manifest(folder)
            _check(folder)
    files = _read_manifest(made)
    run.say("backed_up", files=len(files), folder=made, keys=keys, seconds=seconds())
    return made


def restore(run: Run, backup: Path, *, keys: Path | None = None) -> Path | None:
    """Put a backup in the place of the workspace; return where the former one lies now.

    Parameters
    ----------
    backup
        The folder of one backup, or the folder of several: then the latest.
    keys
        The folder of its keys, if it does not lie beside.

    Raises
    ------
    WorkspaceError
        If a file is missing, changed or too many, the keys are missing, or a job or a server uses the
        workspace. Then nothing is changed.
    """
    seconds = clock()
    chosen = _latest(backup)
    secret = keys or chosen.with_name(f"{chosen.name}-keys")
    if not (secret / MANIFEST).is_file():
        raise WorkspaceError("backup_keys_missing", Where(file=str(secret)))
    for folder in (chosen, secret):
        _check(folder)
    target = run.workspace.root
    former: Path | None = None
    with _held(run.workspace), _all_or_nothing(target, replace=True) as made:
        for file in _read_manifest(chosen):
            _copy(chosen / file, made / Path(file).relative_to("workspace"))
        for file in _read_manifest(secret):
            _copy(secret / file, made / file)
        for folder, below in ((chosen, "workspace"), (secret, ".")):
            told = {str(Path(name).relative_to(below)): sha for name, sha in _read_manifest(folder).items()}
            _compare(made, told, only=False)
        if target.exists():
            former = target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            target.rename(former)
        try:
            made.rename(target)
        except OSError:
            if former is not None:
                former.rename(target)
            raise
    run.say("restored", folder=chosen, workspace=target, seconds=seconds())
    if former is not None:
        run.say("restored_former", former=former)
    return former


def _copy_quietly(source: Path, to: Path) -> None:
    """Copy until nothing changed while it was copied."""
    copied: dict[str, tuple[int, int]] = {}
    for _ in range(_ROUNDS):
        before = _seen(source)
        for gone in copied.keys() - before.keys():
            (to / gone).unlink()
        for name, stamp in before.items():
            if copied.get(name) != stamp:
                try:
                    _copy(source / name, to / name)
                except FileNotFoundError:
                    continue
                copied[name] = stamp
        copied = {name: stamp for name, stamp in copied.items() if name in before}
        if _seen(source) == copied:
            return
    raise WorkspaceError("backup_never_quiet", Where(file=str(source)))


def _seen(source: Path) -> dict[str, tuple[int, int]]:
    """Return the files to back up with size and time; a database counts as one that is always the same."""
    seen: dict[str, tuple[int, int]] = {}
    for folder, below, files in os.walk(source):
        below[:] = [name for name in below if name not in _MADE_AGAIN and not name.startswith(".")]
        for name in files:
            file = Path(folder) / name
            if name in _MADE_AGAIN or name.startswith(".") or name.endswith(_BESIDE_A_DATABASE):
                continue
            try:
                stamp = (0, 0) if _is_database(file) else (file.stat().st_size, file.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
            seen[str(file.relative_to(source))] = stamp
    return seen


def _is_database(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if not _is_database(file):
        shutil.copy2(file, to)
    else:
        to.unlink(missing_ok=True)
        # One step of all pages: one state of the database, at which no writer has to wait.
        with closing(sqlite3.connect(file, timeout=30)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)
    with to.open("rb") as opened:
        os.fsync(opened.fileno())


def _write_manifest(folder: Path) -> None:
    told = {"files": {name: _sha256(folder / name) for name in _files(folder)}}
    with (folder / MANIFEST).open("w", encoding="utf-8") as out:
        json.dump(told, out, indent=1)
        out.flush()
        os.fsync(out.fileno())


def _read_manifest(folder: Path) -> Mapping[str, str]:
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, str] = told["files"]
    except (OSError, ValueError, KeyError):
        raise WorkspaceError("backup_unreadable", Where(file=str(folder / MANIFEST))) from None
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
        raise WorkspaceError("backup_unreadable", Where(file=str(folder / MANIFEST)))
    return files


def _check(folder: Path) -> None:
    """Hold every file against the manifest, and every database against itself."""
    _compare(folder, _read_manifest(folder), only=True)
    for name in _files(folder):
        if _is_database(folder / name):
            with closing(
                sqlite3.connect(f"{(folder / name).resolve().as_uri()}?immutable=1", uri=True)
            ) as one:
                if one.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                    raise WorkspaceError("backup_file_wrong", Where(file=str(folder / name)))


def _compare(folder: Path, told: Mapping[str, str], *, only: bool) -> None:
    here = set(_files(folder))
    wrong = sorted(here - told.keys()) if only else []
    wrong += [name for name, sha in told.items() if name not in here or _sha256(folder / name) != sha]
    if wrong:
        raise WorkspaceError("backup_file_wrong", Where(file=str(folder / wrong[0])), count=len(wrong))


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found if path != folder / MANIFEST)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _latest(backup: Path) -> Path:
    if (backup / MANIFEST).is_file():
        return backup
    found = sorted(path.parent for path in backup.glob(f"*Z/{MANIFEST}"))
    if not found:
        raise WorkspaceError("backup_absent", Where(file=str(backup)))
    return found[-1]


@contextmanager
def _all_or_nothing(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a folder beside, which takes the name at the end; nothing is left of one that failed."""
    if folder.exists() and not replace:
        raise WorkspaceError("backup_stands_already", Where(file=str(folder)))
    beside = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        if beside.exists():
            beside.rename(folder)
        directory = os.open(folder.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    except (OSError, sqlite3.Error) as problem:
        raise WorkspaceError("backup_not_written", Where(file=str(folder))) from problem
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _held(workspace: Workspace) -> Iterator[None]:
    """Hold what jobs and servers hold while they use the workspace."""
    if not workspace.root.exists():
        yield
        return
    with (workspace.root / "LOCK").open("a") as job:
        locks = [job]
        if workspace.store.is_dir():
            locks.append((workspace.store / "serving.lock").open("a"))
        try:
            for lock in locks:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise WorkspaceError("workspace_in_use", Where(file=str(workspace.root))) from None
        finally:
            for lock in locks[1:]:
                lock.close()
