"""How often a key may ask: an allowance that refills steadily, shared by all workers through one small file.

Kept as the one instant at which the allowance will be full again (the generic cell rate algorithm), so that a
request is one statement. The file may be lost: then all allowances are full. Nothing in it is synced.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from riskmodel.errors import StoreError, Where

FILE_NAME = "limits.db"
BURST_SECONDS = 10
"""A key may use this many seconds' worth at once; then it waits for the refill."""

# An instant further ahead than the window was written before the clock was set back: it counts as passed.
_FROM = "CASE WHEN full_at > :now + :window THEN :now ELSE max(full_at, :now) END + :each"
_TAKE = f"""
INSERT INTO allowance (key_id, full_at) VALUES (:key_id, :now + :each)
ON CONFLICT (key_id) DO UPDATE SET full_at = {_FROM}
WHERE {_FROM} <= :now + :window
RETURNING full_at
"""


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
        self._each = 60 / per_minute
        self._quota = max(1, round(BURST_SECONDS / self._each))
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                folder / FILE_NAME, timeout=1, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode=WAL", "synchronous=OFF"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS allowance "
                "(key_id TEXT PRIMARY KEY, full_at REAL NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.Error:
            raise StoreError("limits_unwritable", Where(file=FILE_NAME)) from None

    def take(self, key_id: str) -> Allowance:
        """Use one request of a key's allowance, if there is one left.

        Raises
        ------
        StoreError
            If the file cannot be written: without a limit nothing is answered.
        """
        now = self._clock()
        window = self._quota * self._each
        # A hair wider, so that sums of floats do not refuse the last of the quota.
        values = {"key_id": key_id, "now": now, "each": self._each, "window": window + self._each / 1000}
        try:
            with self._lock:
                taken = self._connection.execute(_TAKE, values).fetchone()
                if taken is None:
                    kept = self._connection.execute(
                        "SELECT full_at FROM allowance WHERE key_id = ?", (key_id,)
                    ).fetchone()
        except sqlite3.Error:
            raise StoreError("limits_unwritable", Where(file=FILE_NAME)) from None
        full_in = (taken or kept)[0] - now
        return Allowance(
            quota=self._quota,
            remaining=max(0, math.floor((window - full_in) / self._each + 0.01)),
            full_in=math.ceil(full_in),
            wait_seconds=None if taken else max(0.0, full_in + self._each - window),
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
