"""Where bucket functions run: on this machine, or elsewhere. Paths travel, never frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from riskmodel.errors import ConfigurationError, Where

Task = TypeVar("Task")
RunnerName = Literal["local", "dask"]


class Runner(Protocol):
    """Applies a function to tasks and returns the paths it wrote.

    A function is a top-level one that writes a file, or a folder, and returns its path; a task is picklable.
    What is there is whole, and was made from the same inputs or is made again: so a run that was broken off
    goes on where it stopped, and a task may run twice, even at the same time.
    """

    def map(self, function: Callable[[Task], Path], tasks: Sequence[Task]) -> list[Path]:
        """Apply the function to each task; paths come in the order of the tasks."""
        ...


@contextmanager
def cluster(name: RunnerName, *, scheduler: str | None, folder: Path) -> Iterator[Runner | None]:
    """Open the runner of a cluster, and close it; None where the work is done on this machine.

    Parameters
    ----------
    scheduler
        Address of the cluster's scheduler: `tls://host:port`.
    folder
        The workspace, which every worker must see under the same name.

    Raises
    ------
    ConfigurationError
        If there is an address and no cluster, or a cluster and no address, or Dask is not installed.
    WorkspaceError
        If the cluster cannot be used: see `riskmodel.runners.dask.connected`.
    """
    if (name == "dask") != (scheduler is not None):
        raise ConfigurationError("runner_and_scheduler", Where(key="--runner, --scheduler"))
    if scheduler is None:
        yield None
        return
    try:
        from riskmodel.runners.dask import connected
    except ModuleNotFoundError as missing:
        if missing.name not in ("dask", "distributed"):
            raise
        raise ConfigurationError("cluster_not_installed", Where(key="--runner")) from None
    with connected(scheduler, folder=folder) as runner:
        yield runner
