"""Bucket functions on this machine, in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from riskmodel.errors import WorkspaceError
from riskmodel.runners import Task

_MOST_PROCESSES = 4
"""More of them read the same disk and want memory of their own, some 0.5 GB each."""


@dataclass(frozen=True)
class LocalRunner:
    """Runs tasks in as many processes as there are processors, at most four.

    Attributes
    ----------
    processes
        How many; None: as above. With one process, or one task, everything runs in this process.
    progress
        Called after each task with how many are done and how many there are.
    """

    processes: int | None = None
    progress: Callable[[int, int], None] | None = None

    def map(self, function: Callable[[Task], Path], tasks: Sequence[Task]) -> list[Path]:
        """Apply the function to each task; paths come in the order of the tasks.

        Raises
        ------
        WorkspaceError
            If a process ends before its task is done (as a rule: out of memory).
        RiskmodelError
            What a task raised, as it raised it; tasks not yet begun are left.
        """
        processes = min(self.processes or min(os.cpu_count() or 1, _MOST_PROCESSES), len(tasks))
        if processes <= 1:
            return self._one_by_one(function, tasks)
        # A fresh interpreter per process: a fork would copy locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = [pool.submit(function, task) for task in tasks]
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    self._tell(done, len(tasks))
            except BrokenProcessPool:
                raise WorkspaceError("worker_lost", processes=processes) from None
            finally:
                pool.shutdown(cancel_futures=True)
            return [future.result() for future in futures]

    def _one_by_one(self, function: Callable[[Task], Path], tasks: Sequence[Task]) -> list[Path]:
        paths = []
        for task in tasks:
            paths.append(function(task))
            self._tell(len(paths), len(tasks))
        return paths

    def _tell(self, done: int, of: int) -> None:
        if self.progress is not None:
            self.progress(done, of)
