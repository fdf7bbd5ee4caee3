"""A chain of hashes: each row holds the hash of the row before it, so that no row is changed unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST = "0" * 64
"""What the first row holds in the place of a hash before it."""
Row = tuple[int, Sequence[object], str, str]
"""Number, content, and the two hashes that the row says: of the row before it, and its own."""


@dataclass(frozen=True)
class ChainCheck:
    """What checking the chain found. `broken_at` is the first row that does not fit; None: all do.

    `head` is the hash of the last row: noted elsewhere, it proves later that nothing was cut off.
    """

    rows: int
    head: str
    broken_at: int | None


_compact = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def link(previous: str, content: Sequence[object]) -> str:
    """Return the hash of a row from that of the row before it."""
    return hashlib.sha256(_compact([previous, *content]).encode()).hexdigest()


def chain_up(head: str, rows: Iterable[Sequence[object]]) -> tuple[list[object], str]:
    """Chain rows behind a hash; return the values of all of them one after another, and the hash of the last.

    Of each row: the hash before it, its content, its own hash.
    """
    values: list[object] = []
    for content in rows:
        values += (head, *content)
        head = link(head, content)
        values.append(head)
    return values, head


def check_chain(rows: Iterable[Row], *, counted: int, known_head: str | None = None) -> ChainCheck:
    """Check every row against the one before it.

    Parameters
    ----------
    rows
        In the order of their numbers, which count from 1.
    counted
        How many rows the file says there ever were: fewer are some cut off at the end.
    known_head
        A head noted earlier: it must still be the hash of some row.
    """
    previous, found, broken = FIRST, 0, None
    met = known_head in (None, FIRST)
    for number, content, said_previous, said in rows:
        found += 1
        sound = number == found and said_previous == previous and said == link(previous, content)
        if not sound and broken is None:
            broken = found
        met = met or said == known_head
        previous = said
    if broken is None and (not met or counted != found):
        broken = found + 1
    return ChainCheck(found, previous, broken)
