"""What is to be logged in MLflow waits in the workspace until it was: a tracking that is away loses nothing.

A step keeps what it has to log (`keep`) and then tries to log all that waits, oldest first (`send`). No step
depends on the answer: where MLflow is locked, lost or slow that is said, and the next command, or
`riskmodel track`, tries again. An entry that cannot be read is put aside, and the others go on.

    untracked/00007-training-20260612-ab12cd34-9f3e/entry.json, files/…
    untracked/unreadable-00006-…/
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.run import Run
from riskmodel.records.keeping.durable import settle, settle_tree, told_in_a_sentence
from riskmodel.tracking import Entry, Tracking, deliver, open_tracking
from riskmodel.wording import LANGUAGES

PATIENCE_SECONDS = 300.0
"""So long a server may take for all that waits; one that answers at all needs some seconds."""
ENTRY = "entry.json"
UNREADABLE = "unreadable-"
"""How the name of a folder begins that was put aside: it waits no more."""
_SENDER = "riskmodel-tracking"


def track(run: Run, entry: Entry, files: Mapping[str, Path | bytes] | None = None) -> bool:
    """Keep an entry and try to log all that waits; return whether nothing waits any more."""
    keep(run, entry, files)
    return send(run)


def keep(run: Run, entry: Entry, files: Mapping[str, Path | bytes] | None = None) -> Path:
    """Keep an entry, and copies of its files under their names there, until it is logged.

    When this returns, all of it is on the disk for good.
    """
    folder = run.workspace.untracked
    number = max((int(one.name.split("-")[0]) for one in _waiting(run)), default=0) + 1
    name = f"{number:05d}-{entry.kind}-{entry.model_version}-{secrets.token_hex(2)}"
    beside = folder / f".{name}"
    with told_in_a_sentence(folder):
        beside.mkdir(parents=True)
        for place, content in (files or {}).items():
            file = beside / "files" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                shutil.copyfile(content, file)
        told = json.dumps(asdict(entry), ensure_ascii=False, indent=1)
        (beside / ENTRY).write_text(told, encoding="utf-8")
        settle_tree(beside)
        beside.rename(folder / name)
        settle(folder)
    return folder / name


def send(run: Run, *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Log what waits, oldest first; say what was logged, and what waits on and why."""
    if not _waiting(run):
        return True
    sending = _Sending(run)
    if any(thread.name == _SENDER for thread in threading.enumerate()):
        sending.problem = _slow(run)
    else:
        # The embedded database waits for locks itself; a server may never answer, or a byte a minute.
        thread = threading.Thread(target=sending.all, name=_SENDER, daemon=True)
        thread.start()
        thread.join(None if run.configuration.tracking is None else patience_seconds)
        if thread.is_alive():
            sending.stopped = True
            sending.problem = _slow(run)
    if sending.mistake is not None:
        raise sending.mistake
    for model_version, run_id in tuple(sending.trainings):
        run.say("tracked", experiment=run.configuration.region, run_id=run_id, version=model_version)
    for folder in tuple(sending.unreadable):
        run.say("tracking_entry_unreadable", folder=folder)
    for entry in tuple(sending.unknown):
        run.say("tracking_of_unknown", kind=entry.kind, version=entry.model_version)
    if sending.problem is None:
        return True
    for language in LANGUAGES:
        run.say(
            "tracking_waits",
            language=language,
            count=len(_waiting(run)),
            folder=run.workspace.untracked,
            problem=sending.problem.text(language),
        )
    return False


def send_waiting(run: Run) -> bool:
    """Log what waits (`riskmodel track`); return whether nothing waits any more."""
    if not _waiting(run):
        run.say("tracking_nothing_waits")
        return True
    return send(run)


class _Sending:
    """One attempt: what was logged, and what ended it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.trainings: list[tuple[str, str]] = []
        self.unknown: list[Entry] = []
        self.unreadable: list[Path] = []
        self.problem: WorkspaceError | None = None
        self.mistake: Exception | None = None
        self.stopped = False

    def all(self) -> None:
        try:
            tracking = open_tracking(self.run.workspace.tracking, server=self.run.configuration.tracking)
            for folder in _waiting(self.run):
                self._one(tracking, folder)
        except WorkspaceError as problem:
            self.problem = self.problem or problem
        except Exception as mistake:
            self.mistake = mistake

    def _one(self, tracking: Tracking, folder: Path) -> None:
        entry = _entry_in(folder)
        if entry is None:
            self.unreadable.append(folder.rename(folder.with_name(f"{UNREADABLE}{folder.name}")))
            return
        try:
            run_id = deliver(
                tracking, entry, folder / "files", entry_id=folder.name, go_on=lambda: not self.stopped
            )
            if entry.kind == "training":
                self.trainings.append((entry.model_version, run_id))
        except WorkspaceError as problem:
            if problem.code != "model_not_tracked":
                raise
            # Its training was logged elsewhere, or its database is gone: nobody can add to that any more.
            self.unknown.append(entry)
        shutil.rmtree(folder)


def _entry_in(folder: Path) -> Entry | None:
    """Read what waits; None where it is not there, was cut short, or is no entry of this version."""
    try:
        return TypeAdapter(Entry).validate_python(json.loads((folder / ENTRY).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _waiting(run: Run) -> list[Path]:
    return sorted(run.workspace.untracked.glob("[0-9]*"))


def _slow(run: Run) -> WorkspaceError:
    return WorkspaceError("tracking_slow", Where(file=str(run.configuration.tracking)))
