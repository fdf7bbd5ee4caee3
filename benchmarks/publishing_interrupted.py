"""Proof that an interrupted publishing, or going back, loses nothing and leaves nothing half published.

    make publishing-kills     every write, sync, cut and removal of a file; full disks; 300 random kills

A process that publishes, or goes back, is killed with SIGKILL at its n-th system call that changes a file
(strace does it), for every n that there is; is told at each of them that the disk is full; and is killed at
random moments. Held to after each: the current set is one that was there or the new one, and whole; never
older than what was acknowledged; the file is sound; and the next publishing needs no hand work. Planted bugs
must be caught first: the pointer moved before the rows, and a set called complete before its rows.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from publishing_under_load import term_of
from sqlalchemy.exc import SQLAlchemyError

from riskmodel.errors import RiskmodelError
from riskmodel.store import publishing as room
from riskmodel.store.engine import FILE_NAME, Store, open_store
from riskmodel.store.publishing import go_back, publish

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
CHANGES = "pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
SCHOOLS, EACH, CHUNK = 2, 10, 10
DONE = "acknowledged"
Content = tuple[object, ...]


@dataclass
class Result:
    """What was tried, and what went wrong."""

    tried: int = 0
    in_the_midst: int = 0
    acknowledged: int = 0
    lost: int = 0
    half_published: int = 0
    damaged: int = 0
    hand_work: int = 0
    tracebacks: int = 0

    @property
    def wrong(self) -> int:
        """How often anything went wrong."""
        return self.lost + self.half_published + self.damaged + self.hand_work + self.tracebacks


def work(folder: Path, kind: str, mark: int) -> None:
    """Do what is interrupted, and say when it is acknowledged."""
    room.CHUNK_ROWS = CHUNK
    store = open_store(folder, wait_seconds=30)
    if kind == "go_back":
        go_back(store, to=None, by="kills", at=NOW)
    else:
        PLANTED.get(kind, publish)(
            store, term_of(mark, schools=SCHOOLS, each=EACH), published_at=NOW, published_by="kills"
        )
    sys.stdout.write(DONE)
    sys.stdout.flush()


def _pointer_first(store: Store, term: object, **told: object) -> str:
    """Publish wrongly: the set is complete and current before its rows are there."""
    real, chunks = room._still_writing, room._chunks

    def hasty(connection: object, set_id: str, more: int) -> None:
        real(connection, set_id, more)  # type: ignore[arg-type]

    def pointing(students: object) -> object:
        with store.writing() as connection:
            set_id = connection.exec_driver_sql(
                "SELECT set_id FROM published_set WHERE state = 'writing'"
            ).scalar()
            room._move(connection, str(set_id), at=NOW, by="kills")
        return chunks(students)  # type: ignore[arg-type]

    room._still_writing, room._chunks = hasty, pointing  # type: ignore[assignment]
    return publish(store, term, **told)  # type: ignore[arg-type]


def _complete_first(store: Store, term: object, **told: object) -> str:
    """Publish wrongly: pointer and state in the first transaction, the rows after it."""
    chunks = room._chunks

    def finishing(students: object) -> object:
        with store.writing() as connection:
            told_id = connection.exec_driver_sql(
                "SELECT set_id FROM published_set WHERE state = 'writing'"
            ).scalar()
            connection.exec_driver_sql("UPDATE published_set SET state = 'complete'")
            room._move(connection, str(told_id), at=NOW, by="kills")
        return chunks(students)  # type: ignore[arg-type]

    room._chunks = finishing  # type: ignore[assignment]
    room._still_writing = lambda *_: None  # type: ignore[assignment]
    return publish(store, term, **told)  # type: ignore[arg-type]


PLANTED: dict[str, Callable[..., str]] = {"pointer first": _pointer_first, "complete first": _complete_first}


def content_of(folder: Path) -> Content | None:
    """Read what is current, as a reader would: its mark, and its students; None where it is not whole."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        sound = file.execute("PRAGMA integrity_check").fetchone()[0]
        if sound != "ok" or file.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.DatabaseError(sound)
        pointed = "SELECT set_id FROM pointer_move ORDER BY number DESC LIMIT 1"
        current = file.execute(
            f"SELECT set_id, state, student_count, facts FROM published_set WHERE set_id = ({pointed})"
        ).fetchone()
        rows = file.execute(
            f"SELECT student_id, content FROM published_student WHERE set_id = ({pointed}) ORDER BY 1"
        ).fetchall()
    if current is None or current[1] != "complete" or current[2] != len(rows):
        return None
    return (current[3], *rows)


def prepared(folder: Path) -> Path:
    """Make a store with two sets, the second of which is current."""
    store = open_store(folder, create=True)
    for mark in (0, 1):
        publish(store, term_of(mark, schools=SCHOOLS, each=EACH), published_at=NOW, published_by="kills")
    store.close()
    return folder


def _command(folder: Path, kind: str, mark: int) -> list[str]:
    return [sys.executable, __file__, "--work", str(folder), "--kind", kind, "--mark", str(mark)]


def look(
    folder: Path, result: Result, *, before: Content, after: Content, said: str, go_on: bool = True
) -> None:
    """Hold a store that was interrupted against what it may be, and go on without touching anything."""
    acknowledged = DONE in said
    result.tried += 1
    result.acknowledged += acknowledged
    try:
        found = content_of(folder)
    except sqlite3.DatabaseError:
        result.damaged += 1
        return
    if found not in (before, after):
        result.half_published += 1
    elif acknowledged and found != after:
        result.lost += 1
    if not go_on:
        return
    try:
        store = open_store(folder, wait_seconds=30)
        publish(store, term_of(9, schools=SCHOOLS, each=EACH), published_at=NOW, published_by="kills")
        with store.reading() as connection:
            left = connection.exec_driver_sql(
                "SELECT count(*) FROM published_set WHERE state <> 'complete'"
            ).scalar()
        store.close()
        result.hand_work += bool(left)
    except (RiskmodelError, SQLAlchemyError):
        result.hand_work += 1


def at_every_change(kind: str, *, inject: str, stride: int = 1, every: int = 5) -> Result:
    """Interrupt at the n-th call that changes a file of the store, for each n that there is.

    `inject` is what strace does there: `signal=SIGKILL`, or `error=ENOSPC`. Every `every`-th store is also
    gone on with. `stride`: try only each so-manieth.
    """
    result = Result()
    with tempfile.TemporaryDirectory() as place:
        first, before, after = _before_and_after(Path(place), kind)
        for number in range(1, _changes_of(first, kind) + 1, stride):
            folder = shutil.copytree(first, Path(place) / f"at-{number}")
            done = _traced(folder, kind, "-e", f"inject={CHANGES}:{inject}:when={number}")
            result.in_the_midst += DONE not in done.stdout
            # What ends in our sentence is as it should be.
            result.tracebacks += "Traceback" in done.stderr and "StoreError" not in done.stderr
            look(folder, result, before=before, after=after, said=done.stdout, go_on=number % every == 0)
            shutil.rmtree(folder)
    return result


def _traced(folder: Path, kind: str, *asked: str) -> subprocess.CompletedProcess[str]:
    files = [part for end in ("", "-wal", "-shm") for part in ("-P", f"{folder / FILE_NAME}{end}")]
    trace = folder.with_suffix(".trace")
    command = ["strace", "-f", "-qq", "-o", str(trace), *files, "-e", f"trace={CHANGES}", *asked]
    return subprocess.run([*command, *_command(folder, kind, 2)], capture_output=True, text=True)


def _changes_of(first: Path, kind: str) -> int:
    """Count the calls of the work, undisturbed."""
    folder = shutil.copytree(first, first.parent / "counted")
    _traced(folder, kind)
    return len(folder.with_suffix(".trace").read_text().splitlines())


def random_kills(kinds: tuple[str, ...], *, kills: int, seed: int = 20261127) -> Result:
    """Kill a process that publishes, or goes back, at a random moment of its work."""
    chance, result = random.Random(seed), Result()  # noqa: S311
    with tempfile.TemporaryDirectory() as place:
        starts = {kind: _before_and_after(Path(place) / kind.replace(" ", "-"), kind) for kind in kinds}
        lasts = {kind: _seconds_of(starts[kind][0], kind) for kind in kinds}
        for number in range(kills):
            kind = chance.choice(kinds)
            first, before, after = starts[kind]
            folder = shutil.copytree(first, Path(place) / f"kill-{number}")
            with subprocess.Popen(_command(folder, kind, 2), stdout=subprocess.PIPE) as process:
                _begun(process)
                time.sleep(chance.uniform(0, lasts[kind]))
                process.send_signal(signal.SIGKILL)
                said = process.communicate()[0].decode()
            result.in_the_midst += DONE not in said
            look(folder, result, before=before, after=after, said=said, go_on=number % 5 == 0)
            shutil.rmtree(folder)
    return result


def _before_and_after(place: Path, kind: str) -> tuple[Path, Content, Content]:
    place.mkdir(parents=True, exist_ok=True)
    first = prepared(place / "first")
    before = content_of(first)
    whole = shutil.copytree(first, place / "whole")
    subprocess.run(
        _command(whole, "go_back" if kind == "go_back" else "publish", 2), check=True, capture_output=True
    )
    after = content_of(whole)
    if before is None or after is None or before == after:
        raise RuntimeError("the work that is to be interrupted changes nothing")
    return first, before, after


def _begun(process: subprocess.Popen[bytes]) -> None:
    """Wait until the work begins: what comes before is the start of an interpreter."""
    if process.stdout is not None:
        process.stdout.read(1)


def _seconds_of(first: Path, kind: str) -> float:
    """Return how long the work takes until it is acknowledged: an interpreter that ends takes longer."""
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(first, Path(place) / "timed")
        with subprocess.Popen(_command(folder, kind, 2), stdout=subprocess.PIPE) as process:
            _begun(process)
            began = time.monotonic()
            if process.stdout is not None:
                process.stdout.read(len(DONE))
            took = time.monotonic() - began
            process.communicate()
    return took * 1.2


def main() -> int:
    """Run the proof, print what was tried; 1 if anything was wrong or a planted bug went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--stride", type=int, default=1, help="try each so-manieth change of a file")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="publish", help=argparse.SUPPRESS)
    parser.add_argument("--mark", type=int, default=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        sys.stdout.write(".")
        sys.stdout.flush()
        work(asked.work, asked.kind, asked.mark)
        return 0
    missed = 0
    for planted in PLANTED:
        found = random_kills((planted,), kills=30)
        missed += not found.half_published
        print(
            f"planted: {planted}: {f'caught ({found.half_published} of 30)' if found.wrong else 'NOT CAUGHT'}"
        )
    wrong = 0
    for kind in ("publish", "go_back"):
        for name, inject in (("killed", "signal=SIGKILL"), ("disk full", "error=ENOSPC")):
            at = at_every_change(kind, inject=inject, stride=asked.stride)
            print(f"{kind}, {name} at each change of a file: {at}")
            wrong += at.wrong
    kills = random_kills(("publish", "go_back"), kills=asked.kills)
    print(f"{asked.kills} random kills: {kills}")
    print(f"CPU {sum(os.times()[:4]):.0f} s; load average {os.getloadavg()[0]:.1f}")
    return int(bool(wrong + kills.wrong or missed))


if __name__ == "__main__":
    sys.exit(main())
