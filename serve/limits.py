"""How often a key may ask: an allowance that refills steadily, shared by all workers through one small file.

Kept as the one instant at which the allowance will be full again (the generic cell rate algorithm), sixteen
bytes a key in a file that every worker has mapped: a request reads and writes one number. The file may be
lost: then all allowances are full. Nothing in it is synced.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from riskmodel.errors import StoreError, Where
from riskmodel.store.turns import Turn

FILE_NAME = "limits.bin"
BURST_SECONDS = 10
"""A key may use this many seconds' worth at once; then it waits for the refill."""
MOST_KEYS = 65_536
"""Places in the file; a key keeps its own for as long as the file lives."""

_PLACE = struct.Struct("=8sd")  # what stands for the key, and when its allowance will be full
_FREE = bytes(8)


@dataclass(frozen=True)
class Allowance:
    """What a key has left after a request. `wait_seconds` is None where the request is granted."""

    quota: int
    remaining: int
    full_in: int
    wait_seconds: float | None

    @property
    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After where it is refused."""
        told = {
            "RateLimit-Policy": f'"key";q={self.quota};w={BURST_SECONDS}',
            "RateLimit": f'"key";r={self.remaining};t={self.full_in}',
        }
        if self.wait_seconds is not None:
            told["Retry-After"] = str(max(1, math.ceil(self.wait_seconds)))
        return told


class Limits:
    """The open file."""

    def __init__(self, folder: Path, *, per_minute: int, clock: Callable[[], float]) -> None:
        self.seconds_each = 60 / per_minute
        self.quota = max(1, round(BURST_SECONDS / self.seconds_each))
        self._clock = clock
        size = MOST_KEYS * _PLACE.size
        try:
            self._file = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
            os.posix_fallocate(self._file, 0, size)  # a full disk is met here only
            self._kept = mmap.mmap(self._file, size)
            self._turn = Turn(self._file)
        except OSError:
            raise StoreError("limits_unwritable", Where(file=FILE_NAME)) from None

    def take(self, key_id: str, *, cost: int = 1) -> Allowance:
        """Use so many requests of a key's allowance, if they are left; none otherwise."""
        window = self.quota * self.seconds_each
        with self._turn:
            now = self._clock()
            place = self._place(key_id)
            name, kept = _PLACE.unpack_from(self._kept, place)
            # An instant further ahead than the window was written before the clock was set back.
            begun = kept if now < kept <= now + window else now
            full_at = begun + cost * self.seconds_each
            # A hair wider, so that sums of floats do not refuse the last of the quota.
            granted = full_at <= now + window + self.seconds_each / 1000
            if granted:
                _PLACE.pack_into(self._kept, place, name, full_at)
        full_in = (full_at if granted else begun) - now
        return Allowance(
            quota=self.quota,
            remaining=max(0, math.floor((window - full_in) / self.seconds_each + 0.01)),
            full_in=math.ceil(full_in),
            wait_seconds=None if granted else max(0.0, full_in + cost * self.seconds_each - window),
        )

    def close(self) -> None:
        """Close the file."""
        self._kept.close()
        os.close(self._file)

    def _place(self, key_id: str) -> int:
        """Find the key's place in the file, or take a free one; where none is free, all begin anew."""
        name = _name(key_id)
        place = int.from_bytes(name) % MOST_KEYS * _PLACE.size
        for _ in range(MOST_KEYS):
            found = self._kept[place : place + len(name)]
            if found in (name, _FREE):
                self._kept[place : place + len(name)] = name
                return place
            place = (place + _PLACE.size) % len(self._kept)
        self._kept[:] = bytes(len(self._kept))
        return self._place(key_id)


@lru_cache(maxsize=MOST_KEYS)
def _name(key_id: str) -> bytes:
    return hashlib.blake2b(key_id.encode(), digest_size=8).digest()
