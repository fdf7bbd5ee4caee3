"""Proof that an interrupted intake loses nothing and leaves nothing half done.

    make intake-kills      all boundaries, all faults, 300 kills, and the planted bugs

Three ways to be interrupted. **Power**: at each write, sync and rename of an intake the disk is rebuilt as it
may be after a power failure. **Faults**: at each of them the system says that the disk is full. **Kills**: a
process that takes one delivery after the other is killed at a random moment, with SIGKILL.

Held to after each: the store is one that was acknowledged, or the next one whole; never less than what was
acknowledged; and the next intake needs no hand work. Planted bugs must be caught first.
"""

from __future__ import annotations

import argparse
import csv
import errno
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from riskmodel.errors import RiskmodelError
from riskmodel.records import intake
from riskmodel.records import store as stores
from riskmodel.records.deliveries import generation
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.keeping import manifest as manifests
from riskmodel.records.keeping.manifest import MANIFEST, generation_folder, manifest_of
from riskmodel.records.store import RecordStore
from riskmodel.workspace import Workspace

FIRST_DAY = date(2026, 1, 1)
LONGEST_SECONDS = 2.5
"""A process is killed at a moment up to here: in its first delivery, or in one of some more."""
Image = Mapping[str, bytes | None]
"""Files by their path, None for a folder."""
Content = tuple[object, ...] | None
"""All that a store holds; None where there is none. (The same rows make the same bytes.)"""


# --- deliveries that grow ------------------------------------------------------------------------------


def write_delivery(folder: Path, number: int, *, students: int = 3) -> Path:
    """Write the files of delivery `number`, from 1: all that came before, and one more day of absences."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ids = [f"s{index}" for index in range(students)]
    begun = date(2025, 9, 1)
    days = [begun + timedelta(day) for day in range(1, number + 1)]
    tables: dict[str, list[dict[str, object]]] = {
        "schools": [{"school_id": "A", "name": "甲校", "county": "甲县", "stage": "nine_year"}],
        "terms": [{"term": "2025-2026-1", "start_date": begun, "end_date": "2026-01-16"}],
        "students": [{"student_id": each} for each in ids],
        "enrolments": [
            {"student_id": each, "school_id": "A", "start_date": begun, "grade": 7} for each in ids
        ],
        "attendance": [
            {"student_id": each, "start_date": day, "end_date": day, "days_absent": 1}
            for day in days
            for each in ids
        ],
    }
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def deliver(source: Path, into: Path, number: int) -> None:
    """Take delivery `number` in."""
    take_in([SourceFiles("bureau", source)], store=into, delivered_on=FIRST_DAY + timedelta(number))


def content_of(folder: Path) -> Content:
    """Read all that a store holds, where there is one: its deliveries, and each file of the generation."""
    return content_of_image({path.relative_to(folder).as_posix(): _bytes(path) for path in folder.rglob("*")})


def content_of_image(image: Image, place: str = "") -> Content:
    """Read all that the store at a place of an image holds."""
    told = image.get(f"{place}{MANIFEST}")
    if told is None:
        return None
    manifest = manifest_of(json.loads(told))
    holds = f"{place}{generation_folder(Path(), manifest.generation)}/"
    files = {name.removeprefix(holds): content for name, content in image.items() if name.startswith(holds)}
    return (str(manifest.deliveries), str(manifest.rows), *sorted(files.items()))


# --- the disk under it ---------------------------------------------------------------------------------


@dataclass
class Disk:
    """Sees every write, sync, rename and removal below a folder, and what a power failure may leave.

    Attributes
    ----------
    synced, names
        By inode: the content of a file when it was last synced, the names in a folder when it was.
    images
        What may be on the disk at some boundary, each once, and whether the delivery was acknowledged.
    fail_at
        The boundary at which the disk is full, from 0; None: never.
    """

    root: Path
    fail_at: int | None = None
    watch: bool = True
    synced: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    is_folder: dict[int, bool] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    images: dict[str, tuple[Image, bool]] = field(default_factory=dict)
    boundaries: int = 0
    acknowledged: bool = False
    seeing: bool = False

    def __post_init__(self) -> None:
        if not self.watch:
            return
        for path in (self.root, *self.root.rglob("*")):
            self._sync(path)
        self._see()

    @contextmanager
    def under(self) -> Iterator[None]:
        """Put the disk under this process's intake."""
        with ExitStack() as patched:
            for name in ("mkdir", "link", "replace", "rename", "unlink", "rmdir", "fsync"):
                patched.enter_context(mock.patch.object(os, name, self._around(getattr(os, name), name)))
            opened = self._around(io.open, "open", only=lambda args, kwargs: "w" in _mode(args, kwargs))
            patched.enter_context(mock.patch.object(io, "open", opened))
            connect = duckdb.connect
            patched.enter_context(
                mock.patch.object(
                    intake.duckdb, "connect", lambda *args, **kw: _Engine(connect(*args, **kw), self)
                )
            )
            yield

    def boundary(self, work: Callable[[], Any], *, engine: bool = False) -> Any:
        """Do one write, sync, rename or removal, and see what it left, unless the disk is full."""
        number, self.boundaries = self.boundaries, self.boundaries + 1
        if number == self.fail_at:
            said = os.strerror(errno.ENOSPC)
            raise duckdb.IOException(f"IO Error: {said}") if engine else OSError(errno.ENOSPC, said)
        try:
            return work()
        finally:
            self._see()

    def _around(self, real: Callable[..., Any], name: str, only: Any = None) -> Callable[..., Any]:
        def seen(*args: Any, **kwargs: Any) -> Any:
            if self.seeing or (only and not only(args, kwargs)):
                return real(*args, **kwargs)
            result = self.boundary(lambda: real(*args, **kwargs))
            if name == "fsync" and self.watch:
                self._synced(args[0])
            return result

        return seen

    def _synced(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        for path in (self.root, *self.root.rglob("*")):
            if path.stat().st_ino == inode:
                self._sync(path)
                self._see()
                return

    def _sync(self, path: Path) -> None:
        inode = self._hold(path)
        if path.is_dir():
            self.names[inode] = {each.name: self._hold(each) for each in path.iterdir()}
        else:
            self.synced[inode] = path.read_bytes()

    def _hold(self, path: Path) -> int:
        # An open descriptor keeps the inode's number from being given to another file.
        inode = path.stat().st_ino
        if inode not in self.is_folder:
            self.is_folder[inode] = path.is_dir()
            self.held.append(os.open(path, os.O_RDONLY))
        return inode

    def close(self) -> None:
        """Let go of all inodes."""
        for descriptor in self.held:
            os.close(descriptor)

    def _see(self) -> None:
        if not self.watch or self.seeing:
            return
        self.seeing = True
        try:
            for image in (self._as_it_stands(), self._least(), self._torn()):
                key = hashlib.sha256(repr((sorted(image.items()), self.acknowledged)).encode()).hexdigest()
                self.images.setdefault(key, (image, self.acknowledged))
        finally:
            self.seeing = False

    def _as_it_stands(self) -> Image:
        """Return what a killed process leaves."""
        return {path.relative_to(self.root).as_posix(): _bytes(path) for path in self._paths()}

    def _torn(self) -> Image:
        """Return all names, but of what was not synced only a half."""
        image: dict[str, bytes | None] = {}
        for path in self._paths():
            content = _bytes(path)
            if content is not None:
                content = self.synced.get(self._hold(path), content[: len(content) // 2])
            image[path.relative_to(self.root).as_posix()] = content
        return image

    def _least(self) -> Image:
        """Return only what was synced, under names that were synced."""
        image: dict[str, bytes | None] = {}

        def enter(inode: int, path: str) -> None:
            for name, inside in self.names.get(inode, {}).items():
                if self.is_folder[inside]:
                    image[f"{path}{name}"] = None
                    enter(inside, f"{path}{name}/")
                else:
                    image[f"{path}{name}"] = self.synced.get(inside, b"")

        enter(self.root.stat().st_ino, "")
        return image

    def _paths(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.exists()]


@dataclass
class _Engine:
    """A DuckDB connection whose COPY to a file is a boundary."""

    connection: Any
    disk: Disk

    def execute(self, sql: str, *args: Any) -> Any:
        if not sql.startswith("COPY"):
            return self.connection.execute(sql, *args)
        return self.disk.boundary(lambda: self.connection.execute(sql, *args), engine=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def __enter__(self) -> _Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()


def _mode(args: Any, kwargs: Any) -> str:
    return str(args[1] if len(args) > 1 else kwargs.get("mode", "r"))


def _bytes(path: Path) -> bytes | None:
    return None if path.is_dir() else path.read_bytes()


def lay_out(image: Image, folder: Path) -> Path:
    """Write an image of a disk into a folder."""
    for name, content in sorted(image.items()):
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


# --- the proofs ----------------------------------------------------------------------------------------


@dataclass
class Result:
    """What was tried, and what went wrong. Of kills: deliveries acknowledged, and kills in their midst."""

    tried: int = 0
    lost: int = 0
    half_stored: int = 0
    hand_work: int = 0
    tracebacks: int = 0
    acknowledged: int = 0
    in_the_midst: int = 0

    @property
    def wrong(self) -> int:
        """How often anything went wrong."""
        return self.lost + self.half_stored + self.hand_work + self.tracebacks

    def look(
        self, read: Callable[[], Content], *, accepted: tuple[Content, ...], earlier: tuple[Content, ...]
    ) -> bool:
        """Hold what a store holds against what it may hold; `earlier` is what came before that."""
        try:
            found = read()
        except (RiskmodelError, OSError, ValueError, KeyError):
            self.half_stored += 1
            return False
        if found in accepted:
            return True
        if found is None or found in earlier:
            self.lost += 1
        else:
            self.half_stored += 1
        return False

    def go_on(self, folder: Path, source: Path, *, number: int, after: Content) -> None:
        """Take the same delivery in again, without touching anything."""
        try:
            deliver(source, folder, number)
            clean = content_of(folder) == after and left_lying(folder) == []
        except Exception:
            clean = False
        self.hand_work += not clean


def left_lying(folder: Path) -> list[str]:
    """Name what stands in a store's folder and does not belong there."""
    belongs = {MANIFEST}
    if (folder / MANIFEST).exists():
        belongs.add(generation_folder(folder, RecordStore.open(folder).manifest.generation).name)
    return sorted({path.name for path in folder.glob("*")} - belongs)


def stores_before_and_after(work: Path, number: int) -> tuple[Content, Content]:
    """Make the store before delivery `number` in `work/disk`, its files in `work/in`; tell both contents."""
    image, before, after = _stores_before_and_after(number)
    lay_out(image, work)
    return before, after


@lru_cache
def _stores_before_and_after(number: int) -> tuple[Image, Content, Content]:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        disk = work / "disk"
        disk.mkdir()
        for earlier in range(1, number):
            deliver(write_delivery(work / "in", earlier), disk / "records", earlier)
        write_delivery(work / "in", number)
        image = {path.relative_to(work).as_posix(): _bytes(path) for path in work.rglob("*")}
        before = content_of(disk / "records")
        deliver(work / "in", disk / "records", number)
        return image, before, content_of(disk / "records")


def power_failures(*, number: int = 3, every: int = 1) -> Result:
    """Rebuild the disk as it may be after a power failure at each boundary of delivery `number`.

    Every `every`-th image is also taken on by a next intake.
    """
    result = Result()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        before, after = stores_before_and_after(work, number)
        disk = Disk(work / "disk")
        try:
            with disk.under():
                deliver(work / "in", work / "disk" / "records", number)
            disk.acknowledged = True
            disk._see()
        finally:
            disk.close()
        for index, (image, acknowledged) in enumerate(disk.images.values()):
            result.tried += 1
            accepted = (after,) if acknowledged else (before, after)
            read = partial(content_of_image, image, "records/")
            sound = result.look(read, accepted=accepted, earlier=(before,))
            if sound and (index % every == 0 or acknowledged):
                laid = lay_out(image, work / f"image-{index}") / "records"
                result.go_on(laid, work / "in", number=number, after=after)
                shutil.rmtree(laid.parent)
    return result


def full_disks(*, number: int = 3, every: int = 1) -> Result:
    """Let the disk be full at every `every`-th boundary: a sentence says so, and the store is whole."""
    result = Result()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        before, after = stores_before_and_after(work, number)
        at = 0
        while True:
            tried = shutil.copytree(work / "disk", work / "tried")
            disk = Disk(tried, fail_at=at, watch=False)
            acknowledged = False
            with disk.under():
                try:
                    deliver(work / "in", tried / "records", number)
                    acknowledged = True
                except RiskmodelError as error:
                    result.tracebacks += error.code != "disk_full"
                except (OSError, duckdb.Error):
                    result.tracebacks += 1
            if disk.boundaries <= at:
                return result
            result.tried += 1
            accepted = (after,) if acknowledged else (before, after)
            if result.look(partial(content_of, tried / "records"), accepted=accepted, earlier=(before,)):
                result.go_on(tried / "records", work / "in", number=number, after=after)
            shutil.rmtree(tried)
            at += every


def kills(*, count: int, seed: int, students: int = 300) -> Result:
    """Kill a process `count` times at random moments while it takes one delivery after the other."""
    result, chance = Result(), random.Random(seed)  # noqa: S311  moments, not secrets
    while result.tried < count:
        with tempfile.TemporaryDirectory() as folder:
            work, acknowledged, known = Path(folder), 0, [None]
            # A dozen kills on one store: each process goes on with what the last one left.
            for _ in range(min(12, count - result.tried)):
                last = acknowledged
                acknowledged, went_on = _kill(work, chance, acknowledged, students=students)
                result.tried += 1
                result.hand_work += not went_on
                result.acknowledged += acknowledged - last
                for number in range(len(known), acknowledged + 2):
                    deliver(write_delivery(work / "in", number, students=students), work / "known", number)
                    known.append(content_of(work / "known"))
                records = work / "workspace" / "records"
                result.in_the_midst += left_lying(records) != []
                accepted = (known[acknowledged], known[acknowledged + 1])
                result.look(
                    partial(content_of, records), accepted=accepted, earlier=tuple(known[:acknowledged])
                )
    return result


def _kill(work: Path, chance: random.Random, acknowledged: int, *, students: int) -> tuple[int, bool]:
    """Start a process that goes on from the last delivery, and kill it.

    Returns the last delivery that it acknowledged, and whether it went on until it was killed.
    """
    command = [sys.executable, str(Path(__file__)), "--deliver-to", str(work), "--from", str(acknowledged)]
    with subprocess.Popen([*command, "--students", str(students)], stdout=subprocess.PIPE) as process:
        told = process.stdout or io.BytesIO()
        told.readline()  # it is ready, and begins
        time.sleep(chance.uniform(0, LONGEST_SECONDS))
        process.send_signal(signal.SIGKILL)
        said = told.read()
    # The last line may be cut short: a number that is not ended by a new line was not acknowledged.
    lines = said.decode().split("\n")[:-1]
    last = max([acknowledged, *(int(line) for line in lines)])
    return last, process.returncode == -signal.SIGKILL


def deliver_on_and_on(work: Path, begun: int, students: int) -> None:
    """Take one delivery after the other, and say each number once it is acknowledged, until killed."""
    workspace = Workspace(work / "workspace")
    print("ready", flush=True)
    number = begun
    while True:
        number += 1
        source = write_delivery(work / "sent", number, students=students)
        with workspace.opened():
            deliver(source, workspace.records, number)
        print(number, flush=True)


# --- planted bugs --------------------------------------------------------------------------------------


def _manifest_first(connection: Any, before: Any, deliveries: Any, *, store: Path, **options: Any) -> Any:
    """Tell the manifest before the rows are written."""
    elsewhere = store.with_name("elsewhere")
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.copytree(store, elsewhere)
    after = _write_generation(connection, before, deliveries, store=elsewhere, **options)
    (elsewhere / MANIFEST).replace(store / MANIFEST)
    made = generation_folder(store, after.manifest.generation)
    os.rename(generation_folder(elsewhere, after.manifest.generation), made)  # noqa: PTH104  a boundary
    shutil.rmtree(elsewhere)
    generation.commit(store, after.manifest)
    return RecordStore.open(store)


def _in_place(folder: Path, *_: object) -> Path:
    """Write every generation over the last one."""
    return folder / "generation-00001"


def _not_at_all(*_: object) -> None:
    """Sync nothing."""


def _cleared_too_early(folder: Path, manifest: Any) -> None:
    for other in folder.glob("generation-*"):
        if other != generation_folder(folder, manifest.generation):
            shutil.rmtree(other)
    _commit(folder, manifest)


def _acknowledged_unsettled(folder: Path, manifest: Any) -> None:
    with mock.patch.object(manifests, "settle", _settle_but(folder)):
        _commit(folder, manifest)


def _settle_but(folder: Path) -> Callable[..., None]:
    def settle(*paths: Path) -> None:
        _settle(*(path for path in paths if path != folder))

    return settle


def _manifest_unsynced(folder: Path, manifest: Any) -> None:
    with mock.patch.object(manifests.os, "fsync", _not_at_all):
        _commit(folder, manifest)


_write_generation, _commit, _settle = generation.write_generation, generation.commit, manifests.settle

PLANTED: dict[str, list[tuple[object, str, Callable[..., Any]]]] = {
    "the manifest before the rows": [(intake, "write_generation", _manifest_first)],
    "rows that are not synced": [(manifests, "settle_tree", _not_at_all)],
    "a manifest that is not synced": [(generation, "commit", _manifest_unsynced)],
    "acknowledged before the name is synced": [(generation, "commit", _acknowledged_unsettled)],
    "the old generation cleared too early": [(generation, "commit", _cleared_too_early)],
    "rows written over the old ones": [
        (generation, "generation_folder", _in_place),
        (manifests, "generation_folder", _in_place),
        (stores, "generation_folder", _in_place),
    ],
}
"""Bugs that the power proof must catch."""


def planted(name: str, *, number: int = 2) -> Result:
    """Run the power proof with one planted bug."""
    with ExitStack() as stack:
        result = Result()
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        before, after = stores_before_and_after(work, number)
        disk = Disk(work / "disk")
        for place, what, bug in PLANTED[name]:
            stack.enter_context(mock.patch.object(place, what, bug))
        with disk.under():
            deliver(work / "in", work / "disk" / "records", number)
        disk.acknowledged = True
        disk._see()
        disk.close()
        for image, acknowledged in disk.images.values():
            result.tried += 1
            accepted = (after,) if acknowledged else (before, after)
            read = partial(content_of_image, image, "records/")
            result.look(read, accepted=accepted, earlier=(before,))
    return result


def main() -> None:
    """Run everything, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--deliver-to", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from", type=int, default=0, dest="begun", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.deliver_to:
        deliver_on_and_on(asked.deliver_to, asked.begun, asked.students)
    wrong = 0
    print("| planted bug | states of the disk | wrong |\n|---|---:|---:|")
    for name in PLANTED:
        found = planted(name)
        print(f"| {name} | {found.tried} | {found.wrong} |", flush=True)
        wrong += not found.wrong
    print("\n| interruption | tried | lost | half stored | hand work | tracebacks |")
    print("|---|---:|---:|---:|---:|---:|")
    proofs: dict[str, Callable[[], Result]] = {
        "power failure, first delivery": lambda: power_failures(number=1),
        "power failure, third delivery": lambda: power_failures(number=3),
        "full disk, first delivery": lambda: full_disks(number=1),
        "full disk, third delivery": lambda: full_disks(number=3),
        "kill": lambda: kills(count=asked.kills, seed=asked.seed, students=asked.students),
    }
    for name, proof in proofs.items():
        r = proof()
        print(
            f"| {name} | {r.tried} | {r.lost} | {r.half_stored} | {r.hand_work} | {r.tracebacks} |",
            flush=True,
        )
        wrong += r.wrong
    print(f"\n{r.acknowledged} deliveries were acknowledged; {r.in_the_midst} kills left something behind.")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
