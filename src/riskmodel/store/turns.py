"""One at a time, of all threads of this process and of all processes that opened the same file.

A lock of the kernel: whoever waits for it is woken in turn, and the end of a process lets it go.
"""

from __future__ import annotations

import ctypes
import fcntl
import threading

_flock = ctypes.PyDLL(None).flock
"""The call that `fcntl.flock` makes, but Python's lock is kept: where nobody else holds the file it takes a
microsecond, and to get Python's lock back from a busy thread takes a hundred."""


class Turn:
    """A turn to be taken with `with`, by the number of an open file."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if _flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB) != 0:
                fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:  # a turn that was not had is not kept from the others
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        _flock(self._file, fcntl.LOCK_UN)
        self._threads.release()
