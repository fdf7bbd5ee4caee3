"""What makes PDFs and workbooks for the web process: one child, asked one task at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from serve.problems import Problem

MOST_SECONDS = 60.0
"""For one task: a booklet of a large class takes some seconds."""
MOST_WAITING_SECONDS = 20.0
MOST_WAITING = 4
"""Requests: each that waits keeps a thread, of which all other answers need some."""


class Maker:
    """The child process. It is started when it is first needed, and again after it has died."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._child: subprocess.Popen[bytes] | None = None

    def make(self, kind: str, **task: Any) -> bytes:
        """Make a file.

        Raises
        ------
        Problem
            `not_made_now` if too many are waiting, or too long, the child died or took too long, or what was
            asked for cannot be printed (a font is missing).
        """
        if not self._places.acquire(blocking=False):
            raise _not_now()
        try:
            if not self._turn.acquire(timeout=MOST_WAITING_SECONDS):
                raise _not_now()
            try:
                return self._ask({"make": kind, **task})
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not yet read by a dead child
                    pipe.close()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _ask(self, task: Mapping[str, Any]) -> bytes:
        child = self._running()
        ends = threading.Timer(MOST_SECONDS, child.kill)
        ends.start()
        try:
            assert child.stdin is not None  # noqa: S101  both are pipes
            assert child.stdout is not None  # noqa: S101
            child.stdin.write(json.dumps(task, ensure_ascii=True).encode() + b"\n")
            child.stdin.flush()
            told = json.loads(child.stdout.readline())
            made = child.stdout.read(told["bytes"])
        except (OSError, ValueError):
            child.kill()
            self.close()
            raise _not_now() from None
        finally:
            ends.cancel()
        if "error" in told or len(made) != told["bytes"]:
            raise _not_now()
        return made

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self.close()
        if self._child is None:
            # Its own errors would hold what it was asked to print.
            self._child = subprocess.Popen(
                [sys.executable, "-m", "serve.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._child


def _not_now() -> Problem:
    return Problem("not_made_now")
