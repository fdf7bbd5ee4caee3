"""Finding a student by roll number, although no roll number is kept.

What is published of a number is its keyed hash. Roll numbers can be guessed from birthday and area, so that
a plain hash would be no protection: the key lies in a file of its own outside the store, and whoever holds a
copy of the store alone can confirm no number.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path

from riskmodel.errors import StoreError, Where

_KEY_BYTES = 32


def lookup_key(file: Path, *, create: bool = False) -> bytes | None:
    """Read the key; None where there is none and none is to be made.

    Where it was lost, `create` makes another one: look-ups find again what is published after that.

    Raises
    ------
    StoreError
        If the file holds no such key.
    """
    if not file.exists():
        if not create:
            return None
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(_KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StoreError("lookup_key_damaged", Where(file=str(file)))
    return key


def roll_ref(roll_number: str, key: bytes) -> str:
    """Return what is published instead of a roll number; spaces, width and case of letters do not count."""
    plain = "".join(unicodedata.normalize("NFKC", roll_number).split()).upper()
    return hmac.new(key, plain.encode("utf-8", errors="replace"), hashlib.sha256).hexdigest()
