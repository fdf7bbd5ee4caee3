"""Where bucket functions run: on this machine, or elsewhere. Paths travel, never frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

Task = TypeVar("Task")


class Runner(Protocol):
    """Applies a function to tasks and returns the paths it wrote.

    A function is a top-level one that writes a file and returns its path; a task is picklable. A file that
    is there is whole, so that a run that was broken off goes on where it stopped.
    """

    def map(self, function: Callable[[Task], Path], tasks: Sequence[Task]) -> list[Path]:
        """Apply the function to each task; paths come in the order of the tasks."""
        ...
