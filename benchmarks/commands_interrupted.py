"""Proof that `score`, `publish` and `promote`, killed at random moments, lose nothing and leave no half.

    make publishing-kills        (after the store's own proof: publishing_interrupted.py)
    python benchmarks/commands_interrupted.py --kills 300 --students 2400

The commands of a data team run on a small county, with a model that was trained, audited and reported on. A
process that does one of them is killed with SIGKILL, with all that it started, at a random moment between its
beginning and its end. Held to after each: what schools read is what stood before or the new set, whole; an
approval is there as a whole or not at all; what was acknowledged is there; and the same command, given again
(after each third kill), ends as if nothing had happened. Planted bugs must be caught first: an approval that
is written where it is read, and a set that is called complete before its rows are there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import year
from publishing_interrupted import DONE, PLANTED, Result, content_of

from riskmodel.cli import app
from riskmodel.pipelines import publishing
from riskmodel.pipelines.term_folder import APPROVAL
from riskmodel.store.engine import FILE_NAME

_HALF_SECONDS = 0.5
"""So long a planted bug leaves an approval by half."""
State = tuple[object, object]
"""What schools read, and who approved the model."""


@dataclass(frozen=True)
class Job:
    """A command that is interrupted, its share of all kills, and what has to be done before it."""

    command: tuple[str, ...]
    share: float
    before: tuple[tuple[str, ...], ...] = ()
    plants: tuple[str, ...] = ()
    plant_kills: int = 20


JOBS = {
    "promote": Job(
        ("promote", "--by", "Wang Fang", "--by", "Li Qiang"),
        share=0.4,
        plants=("approval in halves",),
        plant_kills=40,
    ),
    "publish": Job(("publish",), share=0.3, plants=("complete first",)),
    "score": Job(
        ("score", "--week", "5"),
        share=0.3,
        before=(("county", "--until", "2025-10-06"), ("intake", "--delivered-on", "2025-10-06")),
    ),
}
"""In the order of a term: each begins where the one before has ended."""


class HalfThereError(Exception):
    """Something is there by half."""


@dataclass
class Bench:
    """A folder in which commands run, and what it was like before each job.

    Every try is made at the same place: where records lie is part of what a model is made from.
    """

    place: Path
    config: str
    log: Path = field(init=False)
    was_killed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Keep the words of the commands beside."""
        self.log = self.place / "log.txt"

    @property
    def now(self) -> Path:
        """Where the commands work."""
        return self.place / "now"

    def keep(self, name: str) -> None:
        """Keep the folder as it is under a name."""
        shutil.copytree(self.now, self.place / name)

    def restore(self, name: str) -> None:
        """Put the folder in the state that was kept."""
        shutil.rmtree(self.now, ignore_errors=True)
        shutil.copytree(self.place / name, self.now)

    def run(self, command: tuple[str, ...], *, after: float | None = None, plant: str = "") -> bool:
        """Run a command in a process of its own, killed after so many seconds; tell whether it ended well."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_the_command(command, writing, plant)
        os.close(writing)
        with suppress(PermissionError, ProcessLookupError):  # whichever of the two is first
            os.setpgid(child, child)
        if after is not None:
            time.sleep(after)
            with suppress(ProcessLookupError):  # it had ended
                os.killpg(child, signal.SIGKILL)  # with all that it has started
        said = b""
        while more := os.read(reading, 64):
            said += more
        os.close(reading)
        self.was_killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        return DONE.encode() in said

    def _be_the_command(self, command: tuple[str, ...], writing: int, plant: str) -> None:
        status = 1
        try:
            os.setpgid(0, 0)
            out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            with PLANTS[plant]():
                status = app([*command, "--config", str(self.now / self.config)], standalone_mode=False) or 0
            if not status:
                os.write(writing, DONE.encode())
        except BaseException as problem:  # a forked process must not go on as its parent
            os.write(2, f"{type(problem).__name__}: {problem}\n".encode())
        finally:
            sys.stdout.flush()
            os._exit(status)

    def state(self) -> State:
        """Read what schools would read, and who approved.

        Raises
        ------
        HalfThereError
            If either is there by half.
        """
        store = self.now / "workspace" / "store"
        served = content_of(store) if _was_published(store) else None
        if served is None and _was_published(store):
            raise HalfThereError("the current set is not whole")
        approvals: dict[str, object] = {}
        for file in sorted((self.now / "workspace" / "models").glob(f"*/{APPROVAL}")):
            try:
                told = json.loads(file.read_text(encoding="utf-8"))
            except ValueError:
                raise HalfThereError("the approval is not whole") from None
            approvals[file.parent.name] = {name: told[name] for name in told if name != "approved_at"}
        return served, approvals


def _was_published(store: Path) -> bool:
    """Tell whether a set was ever current; a store that was killed at its making has no tables yet."""
    if not (store / FILE_NAME).exists():
        return False
    with closing(sqlite3.connect(store / FILE_NAME)) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
        return "pointer_move" in tables and bool(
            file.execute("SELECT count(*) FROM pointer_move").fetchone()[0]
        )


@contextmanager
def _written_where_it_is_read() -> Iterator[None]:
    """Write an approval wrongly: in its place, in two halves."""
    replace = Path.replace

    def in_halves(self: Path, target: Path) -> Path:
        if Path(target).name != APPROVAL:
            return replace(self, target)
        whole = self.read_bytes()
        with Path(target).open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            time.sleep(_HALF_SECONDS)
            file.write(whole[len(whole) // 2 :])
        return Path(target)

    with patch.object(Path, "replace", in_halves):
        yield


@contextmanager
def _complete_first() -> Iterator[None]:
    with patch.object(publishing, "publish", PLANTED["complete first"]):
        yield


PLANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "": nullcontext,
    "approval in halves": _written_where_it_is_read,
    "complete first": _complete_first,
}


def term_prepared(place: Path, *, students: int) -> Bench:
    """Make a county and a model that was trained, audited and reported on: it waits for its approval."""
    bench = Bench(place, "year.yaml")
    bench.now.mkdir(parents=True)
    year.configure(bench.now, students=students, current=year.AUTUMN, leavers=8.0)
    steps = (
        ("county", "--until", "2025-09-29"), ("intake", "--delivered-on", "2025-09-29"),
        ("term", year.AUTUMN),
    )  # fmt: skip
    for command in steps:
        if not bench.run(command):
            raise RuntimeError(f"{command[0]} did not end as meant: {bench.log.read_text()[-2000:]}")
    return bench


def ready(bench: Bench, name: str) -> tuple[State, State, float]:
    """Bring the folder to where a job begins; return its state before, after, and how long it lasts."""
    job = JOBS[name]
    for command in job.before:
        if not bench.run(command):
            raise RuntimeError(f"{command[0]} did not end as meant: {bench.log.read_text()[-2000:]}")
    bench.keep(name)
    before = bench.state()
    began = time.monotonic()
    if not bench.run(job.command):
        raise RuntimeError(f"{name} did not end as meant: {bench.log.read_text()[-2000:]}")
    lasts, after = time.monotonic() - began, bench.state()
    if before == after:
        raise RuntimeError(f"{name}, which is to be interrupted, changes nothing")
    bench.restore(name)
    return before, after, lasts


def kill_at_random(
    bench: Bench, name: str, told: tuple[State, State, float], *, kills: int, seed: int, plant: str = ""
) -> Result:
    """Kill a job so many times at random moments, and look at what each has left."""
    chance, result = random.Random(f"{seed} {name}"), Result()  # noqa: S311
    before, after, lasts = told
    lasts += _HALF_SECONDS if plant else 0
    for number in range(kills):
        bench.restore(name)
        acknowledged = bench.run(JOBS[name].command, after=chance.uniform(0, lasts * 1.1), plant=plant)
        result.tried += 1
        result.acknowledged += acknowledged
        result.in_the_midst += not acknowledged
        result.tracebacks += not acknowledged and not bench.was_killed  # it ended by itself, and not well
        try:
            found = bench.state()
        except HalfThereError:
            result.half_published += 1
            continue
        result.half_published += found not in (before, after)
        result.lost += acknowledged and found != after
        if number % 3 == 0:  # whoever gives the command again needs nothing else
            result.hand_work += not bench.run(JOBS[name].command) or bench.state() != after
    return result


def main() -> int:
    """Run the proof, print what was tried; 1 if anything was wrong or a planted bug went unnoticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--students", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--only", choices=tuple(JOBS), nargs="*", default=tuple(JOBS), help="kill these only")
    asked = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        bench = term_prepared(Path(place), students=asked.students)
        for name, job in JOBS.items():
            told = ready(bench, name)
            if name not in asked.only:
                bench.run(job.command)
                continue
            for plant in job.plants:
                found = kill_at_random(bench, name, told, kills=job.plant_kills, seed=asked.seed, plant=plant)
                caught = bool(found.half_published)
                wrong += not caught
                print(f"planted: {plant}: {'caught' if caught else 'NOT CAUGHT'} ({found})", flush=True)
            found = kill_at_random(bench, name, told, kills=round(asked.kills * job.share), seed=asked.seed)
            wrong += found.wrong
            print(f"{name}, {told[2]:.1f} s undisturbed: {found}", flush=True)
            bench.restore(name)
            bench.run(job.command)
    used = os.times()
    print(f"CPU {sum(used[:4]):.0f} s; load average {os.getloadavg()[0]:.1f}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
