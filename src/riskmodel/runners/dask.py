"""Bucket functions on the workers of a Dask cluster; the only module that knows Dask.

What goes over the network: the name of a function, paths, days, the region's rules, and the ids of children
whose guardians object; back comes a path. Records, features and scores lie in a folder that all machines see.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import metadata, resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from distributed import Client, KilledWorker, Security
from distributed.comm import CommClosedError

from riskmodel.errors import ConfigurationError, RiskmodelError, Where, WorkspaceError
from riskmodel.runners import Task

Versions = Mapping[str, str]

_LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "pyarrow")
"""Of another version each may give another digit somewhere."""
_DISK = {"disk_full": "worker_disk_full", "disk_refuses": "worker_disk_refuses"}
_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.05
_ASK_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
"""How long a cluster may be without any worker, and a shared folder may hide a new file: NFS remembers for up
to a minute that a name was not there."""
_GONE = (CancelledError, CommClosedError, TimeoutError, OSError)


@contextmanager
def connected(
    address: str, *, folder: Path, patience_seconds: float = _PATIENCE_SECONDS
) -> Iterator[DaskRunner]:
    """Connect with a cluster's scheduler, and hold its workers against this machine.

    Parameters
    ----------
    folder
        What all machines must see under the same name.
    patience_seconds
        How long to wait for a worker, and for a file that a worker has written.

    Raises
    ------
    ConfigurationError
        If the address names another machine and is not encrypted: who reaches a scheduler without TLS can let
        workers do anything that they may do themselves.
    WorkspaceError
        If no scheduler answers, it has no workers, one of them is of another version, or does not see the
        folder.
    """
    _check_encrypted(address)
    try:
        _knock(address)
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (*_GONE, AttributeError, TypeError, ValueError):
        # Without certificates Dask speaks of types and arguments.
        raise WorkspaceError("scheduler_not_reached", Where(key=address)) from None
    try:
        runner = DaskRunner(client, address, patience_seconds)
        runner.check_workers(folder)
        yield runner
    finally:
        with suppress(*_GONE):
            client.close(timeout=_CONNECT_SECONDS)


@dataclass(frozen=True)
class DaskRunner:
    """Runs tasks on the workers of a cluster, wherever one is free.

    A worker that ends is replaced by another one; what it had begun is begun again. What a task wrote is
    there whole, or not at all (see `Runner`), so nothing else needs to be put right.
    """

    client: Client
    address: str
    patience_seconds: float

    def map(self, function: Callable[[Task], Path], tasks: Sequence[Task]) -> list[Path]:
        """Apply the function to each task; paths come in the order of the tasks.

        Raises
        ------
        WorkspaceError
            If the scheduler or all workers are lost, a bucket has ended several workers, a worker is of
            another version or cannot write, or what it wrote is not seen here.
        RiskmodelError
            What a task raised, as it raised it; tasks not yet begun are left.
        """
        name, run = function.__name__, uuid4().hex[:8]
        own = versions()
        try:
            # Asked again each time: a run is not what an earlier one of the same name was.
            futures = [
                self.client.submit(work, function, task, own, key=f"{name}-{run}-{number}", pure=False)
                for number, task in enumerate(tasks)
            ]
            try:
                self._wait(futures)
                paths: list[Path] = self.client.gather(futures)
            except BaseException:
                with suppress(*_GONE):
                    self.client.cancel(futures)
                raise
        except RiskmodelError:
            raise
        except KilledWorker as killed:
            raise WorkspaceError("bucket_ends_workers", Where(key=str(killed.task))) from None
        except _GONE:
            raise WorkspaceError("scheduler_lost", Where(key=self.address)) from None
        self._check_seen(paths)
        return paths

    def check_workers(self, folder: Path) -> None:
        """Let every worker tell its versions, read a file of the folder and write one; see `connected`."""
        nobody = WorkspaceError("cluster_without_workers", Where(key=self.address))
        self._until(lambda: self._workers() > 0, error=nobody)
        probe = folder / f"probe-{uuid4().hex}"
        told = uuid4().hex
        own = versions()
        try:
            probe.write_text(told, encoding="utf-8")
            for worker, answer in self.client.run(look_around, probe, own, on_error="return").items():
                if isinstance(answer, RiskmodelError):
                    raise answer
                if isinstance(answer, BaseException):
                    # What is sent is found by its name: no riskmodel, or an older one, has no such function.
                    raise WorkspaceError("worker_of_another_program", Where(key=worker)) from answer
                read, wrote = answer
                apart = WorkspaceError("worker_sees_no_folder", Where(file=str(folder)), worker=worker)
                if read != told:
                    raise apart
                self._until(wrote.exists, error=apart)
        finally:
            for left in folder.glob(f"{probe.name}*"):
                left.unlink(missing_ok=True)

    def _wait(self, futures: Sequence[Any]) -> None:
        """Wait for all. The first failure is raised; a cluster without workers is not waited for."""
        waiting, seen, asked = list(futures), time.monotonic(), time.monotonic()
        while waiting:
            time.sleep(_LOOK_SECONDS)
            for ended in [future for future in waiting if future.done()]:
                ended.result()
            waiting = [future for future in waiting if not future.done()]
            if time.monotonic() - asked > _ASK_SECONDS:
                asked = time.monotonic()
                seen = asked if self._workers() else seen
            if time.monotonic() - seen > self.patience_seconds + _ASK_SECONDS:
                raise WorkspaceError("cluster_without_workers", Where(key=self.address))

    def _workers(self) -> int:
        return len(self.client.scheduler_info()["workers"])

    def _check_seen(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self._until(path.exists, error=WorkspaceError("result_not_seen", Where(file=str(path))))

    def _until(self, holds: Callable[[], bool], *, error: WorkspaceError) -> None:
        last = time.monotonic() + self.patience_seconds
        while not holds():
            if time.monotonic() > last:
                raise error
            time.sleep(_LOOK_SECONDS)


def work(function: Callable[[Task], Path], task: Task, wanted: Versions) -> Path:
    """Do a task on a worker, if the worker is of the versions of the machine that asks.

    Asked with each task: a worker may come while a run goes on.
    """
    _check_versions(wanted)
    try:
        return function(task)
    except WorkspaceError as error:
        code = _DISK.get(error.code)
        if code is None:
            raise
        raise WorkspaceError(code, error.where, worker=socket.gethostname(), **error.slots) from None
    except OSError as problem:  # raised as it is, it would be taken for a lost scheduler
        file = Where(file=str(problem.filename or ""))
        why = os.strerror(problem.errno) if problem.errno else type(problem).__name__
        raise WorkspaceError("worker_reads_not", file, worker=socket.gethostname(), problem=why) from None


def look_around(probe: Path, wanted: Versions) -> tuple[str, Path]:
    """Return what a worker reads in a file, and the path of one that it has written beside it."""
    _check_versions(wanted)
    own = probe.with_name(f"{probe.name}-{uuid4().hex}")
    try:
        read = probe.read_text(encoding="utf-8")
        own.write_text(read, encoding="utf-8")
    except OSError:
        return "", own
    return read, own


@lru_cache
def versions() -> Versions:
    """Return what this process runs: Python, the libraries that reckon, a hash of this program's own files.

    Files are read once: what is edited while a process lives is not what it runs.
    """
    own = sha256()
    for source in sorted(Path(str(resources.files("riskmodel"))).rglob("*")):
        if source.suffix in (".py", ".yaml"):
            own.update(source.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {
        "python": python,
        "riskmodel": f"{metadata.version('riskmodel')} {own.hexdigest()[:12]}",
        **libraries,
    }


def _check_versions(wanted: Versions) -> None:
    own = versions()
    for name, version in wanted.items():
        if own.get(name) != version:
            raise WorkspaceError(
                "worker_of_another_version",
                Where(key=socket.gethostname()),
                name=name,
                found=own.get(name, "–"),
                wanted=version,
            )


def _knock(address: str) -> None:
    """Try port and certificates before Dask does: a client of its own that fails speaks up at the end."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    with socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_SECONDS) as plain:
        if parts.scheme == "tls":
            Security().get_connection_args("client")["ssl_context"].wrap_socket(plain).close()


def _check_encrypted(address: str) -> None:
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme == "tls":
        return
    try:
        own = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        own = False
    if parts.scheme != "tcp" or not own:
        raise ConfigurationError("scheduler_not_encrypted", Where(key=address))
