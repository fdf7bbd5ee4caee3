"""Proof that no acknowledged entry of the ledger is lost, and none is half written, whenever the writer dies.

    make ledger-interrupted     every statement, every change of a file, bad disks, 300 random kills

A process takes a case from its opening to its closing by a second person, with a correction and two actions,
and says of each step when it is acknowledged. It is killed with SIGKILL before and after every statement and
commit; at its n-th system call that changes a file of the store (strace does it), for every n that there is;
is told at each of them that the disk is full, or that it fails; and is killed at random moments. After each:
what was acknowledged is there; of a step all (entry, case, action) is there, or nothing; file and chain are
sound; the next writer goes on without hand work. Planted bugs must be caught first.
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
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

from publishing_under_load import term_of
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from riskmodel.errors import RiskmodelError
from riskmodel.ledger.cases import Entry, Home
from riskmodel.store import ledger
from riskmodel.store.cases import cases
from riskmodel.store.engine import FILE_NAME, Store, open_store
from riskmodel.store.ledger_check import check_ledger
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

NOW = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
DAY = date(2026, 11, 2)
CHANGES = "pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
SCHOOL = Principal("kills-school", "school", frozenset({"s0"}))
TOWNSHIP = Principal("kills-township", "district", townships=frozenset({"镇"}))
BUREAU = Principal("kills", "bureau")
CHILDREN = 60
LONGEST_SECONDS = 0.5
Said = Callable[[str], None]
Content = tuple[object, ...]


# --- the work ------------------------------------------------------------------------------------------


def _steps() -> list[tuple[Principal, Entry]]:
    def told(name: str, days: int, by: str, **more: Any) -> Entry:
        return Entry(event=name, day=DAY + timedelta(days=days), by=by, **more)  # type: ignore[arg-type]

    evidence = ("家访记录",)
    steps = (
        (
            SCHOOL,
            told("opened", 0, "李", kind="suspected", found_by="school", why="三天未到", home=Home("s0")),
        ),
        (SCHOOL, told("visited", 1, "李", met="guardian")),
        (SCHOOL, told("verified_out", 3, "李", reasons=("work",), evidence=evidence, left_on=DAY)),
        (SCHOOL, told("visited", 2, "李", met="both", corrects=2, why="日期写错")),
        (SCHOOL, told("returned", 9, "李", placement="home_teaching", evidence=evidence)),
        (SCHOOL, told("closing_proposed", 12, "李", code="home_teaching", evidence=evidence)),
        (TOWNSHIP, told("closing_confirmed", 14, "赵")),
    )
    return [(who, replace(entry, entry_id=f"step-{number}")) for number, (who, entry) in enumerate(steps)]


STEPS = _steps()


def take_through(store: Store, child: str, say: Said) -> None:
    """Take the case of a child through all steps that are not kept yet; say each once it is acknowledged."""
    found = next(iter(cases(store, BUREAU, student_id=child)), None)
    for number, (who, entry) in enumerate(STEPS):
        if found is not None and number < len(found.entries):
            continue
        if found is None:
            found = ledger.open_case(store, who, child, entry, at=NOW)
        else:
            corrects = entry.corrects and found.entries[entry.corrects - 1].number
            found = ledger.add_entry(store, who, found.case_id, replace(entry, corrects=corrects), at=NOW)
            assert found is not None  # noqa: S101  the case is theirs
        say(f"{child} {number}")


def _early(store: Store, child: str, say: Said) -> None:
    """Acknowledge wrongly: before the commit."""
    with store.writing():
        take_through(store, child, say)


def _case_later(store: Store, child: str, say: Said) -> None:
    """Write wrongly: the entry in one transaction, how the case stands in another."""
    real = ledger.update

    def not_yet(table: Any) -> Any:
        return real(table).where(table.c.case_id == "")

    def later(line: str) -> None:
        [found] = cases(store, BUREAU, student_id=child)
        with store.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE ledger_case SET state = ?, kind = ?, last_number = ? WHERE case_id = ?",
                (found.case.state, found.case.kind, found.entries[-1].number, found.case_id),
            )
        say(line)

    with mock.patch.object(ledger, "update", not_yet):
        take_through(store, child, later)


def _action_later(store: Store, child: str, say: Said) -> None:
    """Write wrongly: the action that a visit is, after the entry's transaction."""
    real, waiting = ledger._as_action, list[tuple[Any, ...]]()

    def wait(*told: Any) -> None:
        waiting.append(told)

    def later(line: str) -> None:
        for told in waiting:
            real(*told)
        waiting.clear()
        say(line)

    with mock.patch.object(ledger, "_as_action", wait):
        take_through(store, child, later)


PLANTED: dict[str, Callable[[Store, str, Said], None]] = {
    "acknowledged before the commit": _early,
    "the case in a transaction of its own": _case_later,
    "the action after the entry": _action_later,
}


# --- what a store holds, and may hold ------------------------------------------------------------------


def prepared(folder: Path) -> Path:
    """Make a store in which children are published."""
    with closing(open_store(folder, create=True)) as store:
        term = term_of(0, schools=1, each=CHILDREN)
        publish(store, term, published_at=NOW, published_by="kills")
    return folder


def content_of(folder: Path, child: str) -> Content:
    """Read what is kept of a child, without the ledger's code: entries, how the case stands, actions.

    Raises
    ------
    sqlite3.DatabaseError
        If the file is not sound.
    """
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        sound = file.execute("PRAGMA integrity_check").fetchone()[0]
        if sound != "ok" or file.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.DatabaseError(sound)
        entries = file.execute(
            "SELECT entry_id, event, json_remove(content, '$.corrects') FROM ledger_entry"
            " WHERE student_id = ? ORDER BY number",
            (child,),
        ).fetchall()
        stands = file.execute(
            "SELECT kind, state, opened_on, school_id, last_number ="
            " (SELECT max(number) FROM ledger_entry AS e WHERE e.case_id = c.case_id)"
            " FROM ledger_case AS c WHERE student_id = ?",
            (child,),
        ).fetchall()
        actions = file.execute(
            "SELECT kind, day, corrects IS NULL FROM action WHERE student_id = ? ORDER BY number", (child,)
        ).fetchall()
    return (tuple(entries), tuple(stands), tuple(actions))


@lru_cache
def stages() -> list[Content]:
    """Return what may be kept of a child: nothing, or all of the first so many steps."""
    with tempfile.TemporaryDirectory() as place:
        folder = prepared(Path(place) / "whole")
        found = [content_of(folder, "s0-0")]
        with closing(open_store(folder)) as store:
            take_through(store, "s0-0", lambda _: found.append(content_of(folder, "s0-0")))
    if len(set(found)) != len(STEPS) + 1:
        raise RuntimeError("a step that is to be interrupted changes nothing")
    return found


@dataclass
class Result:
    """What was tried, and what went wrong."""

    tried: int = 0
    in_the_midst: int = 0
    acknowledged: int = 0
    lost: int = 0
    half_written: int = 0
    unsound: int = 0
    hand_work: int = 0
    tracebacks: int = 0

    @property
    def wrong(self) -> int:
        """How often anything went wrong."""
        return self.lost + self.half_written + self.unsound + self.hand_work + self.tracebacks

    def look(self, folder: Path, said: list[str], may: list[Content], *, go_on: bool = True) -> None:
        """Hold a store whose writer died against what it may be, and go on without touching anything."""
        self.tried += 1
        self.acknowledged += len(said)
        of_child: dict[str, int] = {}
        for line in said:
            child, number = line.split()
            of_child[child] = int(number) + 1
        try:
            for child in sorted({*of_child, "s0-0"}):
                acknowledged = of_child.get(child, 0)
                found = content_of(folder, child)
                if found not in may:
                    self.half_written += 1
                elif may.index(found) < acknowledged:
                    self.lost += acknowledged - may.index(found)
            with closing(open_store(folder, wait_seconds=30)) as store:
                self.unsound += not check_ledger(store, BUREAU).sound
                if go_on:
                    take_through(store, "s0-0", lambda _: None)
                    clean = content_of(folder, "s0-0") == may[-1] and check_ledger(store, BUREAU).sound
                    self.hand_work += not clean
        except sqlite3.DatabaseError:
            self.unsound += 1
        except (RiskmodelError, SQLAlchemyError, AssertionError):
            self.hand_work += 1


# --- ways to die ---------------------------------------------------------------------------------------


def _in_a_child(act: Callable[[Said], None], *, seconds: float | None = None) -> list[str]:
    """Let a forked process act, perhaps kill it after some time, and return what it acknowledged."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        try:
            act(lambda line: bool(os.write(writing, f"{line}\n".encode())) and None)
        finally:
            os._exit(0)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reading) as told:
        lines = told.read().split("\n")[:-1]
    os.waitpid(process, 0)
    return lines


def _kill_at(store: Store, at: int) -> list[int]:
    """Kill this process at the n-th statement or commit, before it or after it; return where it stands."""
    count = [0]

    def boundary(*_: object) -> None:
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(store.engine, name, boundary)
    return count


def at_every_statement(name: str = "", *, stride: int = 1) -> Result:
    """Kill the writer at every statement and commit of the work.

    `name`: with a planted bug, at statements drawn at random, until anything is wrong.
    """
    act, may, result = PLANTED.get(name, take_through), stages(), Result()
    with tempfile.TemporaryDirectory() as place:
        first = prepared(Path(place) / "first")

        def work(folder: Path, at: int, say: Said) -> None:
            store = open_store(folder)
            count = _kill_at(store, at)
            act(store, "s0-0", say)
            say(f"boundaries {count[0]}")

        counted = shutil.copytree(first, Path(place) / "counted")
        boundaries = int(_in_a_child(lambda say: work(counted, 0, say))[-1].split()[1])
        chosen = list(range(1, boundaries + 1, stride))
        if name:
            random.Random(5).shuffle(chosen)  # noqa: S311
        for at in chosen:
            folder = shutil.copytree(first, Path(place) / f"at-{at}")
            said = _in_a_child(lambda say, at=at, folder=folder: work(folder, at, say))  # type: ignore[misc]
            result.in_the_midst += len(said) < len(STEPS)
            result.look(folder, said, may, go_on=not name)
            shutil.rmtree(folder)
            if name and result.wrong:
                break
    return result


def at_every_change(inject: str, *, stride: int = 1) -> Result:
    """Interrupt at the n-th system call that changes a file of the store, for each n that there is.

    `inject` is what strace does there: `signal=SIGKILL`, `error=ENOSPC`, `error=EIO`.
    """
    may, result = stages(), Result()
    with tempfile.TemporaryDirectory() as place:
        first = prepared(Path(place) / "first")
        counted = shutil.copytree(first, Path(place) / "counted")
        _traced(counted)
        changes = len(counted.with_suffix(".trace").read_text().splitlines())
        for at in range(1, changes + 1, stride):
            folder = shutil.copytree(first, Path(place) / f"at-{at}")
            done = _traced(folder, "-e", f"inject={CHANGES}:{inject}:when={at}")
            said = done.stdout.split("\n")[:-1]
            result.in_the_midst += len(said) < len(STEPS)
            # What ends in our sentence is as it should be.
            result.tracebacks += "Traceback" in done.stderr and "StoreError" not in done.stderr
            result.look(folder, said, may)
            shutil.rmtree(folder)
    return result


def _traced(folder: Path, *asked: str) -> subprocess.CompletedProcess[str]:
    files = [part for end in ("", "-wal", "-shm") for part in ("-P", f"{folder / FILE_NAME}{end}")]
    trace = folder.with_suffix(".trace")
    command = ["strace", "-f", "-qq", "-o", str(trace), *files, "-e", f"trace={CHANGES}", *asked]
    command += [sys.executable, __file__, "--work", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


def random_kills(kills: int, *, seed: int = 20261128) -> Result:
    """Kill a process that takes one child's case after the other through, at a random moment of its work.

    Ten kills of the same store in a row: each process goes on with what the last one left.
    """
    chance, may, result = random.Random(seed), stages(), Result()  # noqa: S311
    with tempfile.TemporaryDirectory() as place:
        first = prepared(Path(place) / "first")
        folder, told = first, list[str]()

        def work(say: Said) -> None:
            store = open_store(folder, wait_seconds=30)
            for number in range(CHILDREN):
                take_through(store, f"s0-{number}", say)

        for number in range(kills):
            if number % 10 == 0:
                folder, told = shutil.copytree(first, Path(place) / f"store-{number}"), []
            said = _in_a_child(work, seconds=chance.uniform(0, LONGEST_SECONDS))
            result.in_the_midst += len(said) < CHILDREN * len(STEPS)
            before = result.acknowledged
            told += said
            result.look(folder, told, may, go_on=number % 10 == 9)
            result.acknowledged = before + len(said)
    return result


def main() -> int:
    """Run the proof, print what was tried; 1 if anything was wrong or a planted bug went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--stride", type=int, default=1, help="try each so-manieth statement and change")
    parser.add_argument("--without-strace", action="store_true")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        with ExitStack() as stack:
            store = stack.enter_context(closing(open_store(asked.work)))
            take_through(store, "s0-0", lambda line: print(line, flush=True))
        return 0
    wrong = 0
    for name in PLANTED:
        found = at_every_statement(name)
        seen = f"caught at kill {found.tried}: {found.lost} lost, {found.half_written} half written"
        print(f"planted: {name}: {seen if found.wrong else 'NOT CAUGHT'}", flush=True)
        wrong += not found.wrong
    proofs: dict[str, Callable[[], Result]] = {
        "killed at each statement and commit": lambda: at_every_statement(stride=asked.stride)
    }
    if not asked.without_strace:
        for name, inject in (
            ("killed", "signal=SIGKILL"), ("disk full", "error=ENOSPC"), ("disk fails", "error=EIO"),
        ):  # fmt: skip
            proofs[f"{name} at each change of a file"] = lambda inject=inject: at_every_change(  # type: ignore[misc]
                inject, stride=asked.stride
            )
    proofs[f"{asked.kills} random kills"] = lambda: random_kills(asked.kills)
    for name, proof in proofs.items():
        found = proof()
        print(f"{name}: {found}", flush=True)
        wrong += found.wrong
    print(f"CPU {sum(os.times()[:4]):.0f} s; load average {os.getloadavg()[0]:.1f}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
