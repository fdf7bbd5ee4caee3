"""The key that signs models (the only door to `cryptography`).

It lies outside every workspace: who can write there can damage a model, and cannot make one that is read.
A lost key has a way out: a new one is made, and the same records, configuration and code train the same model
again, byte for byte.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from riskmodel.errors import Where, WorkspaceError

_PURPOSE = b"riskmodel bundle manifest\n"
"""Stands before what is signed, so that no signature made for something else counts for a model."""
_LINE = re.compile(rb"ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})\n")
_OPEN_TO_OTHERS = 0o027
"""A group may read the key (people who train in turn); nobody else may, and only the owner writes."""


@dataclass(frozen=True)
class SigningKey:
    """A private key of Ed25519. `public` is its public half, in hex, by which signatures are checked."""

    public: str
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def make(cls) -> SigningKey:
        """Make a new key, in memory only."""
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def _of(cls, private: Ed25519PrivateKey) -> SigningKey:
        return cls(private.public_key().public_bytes_raw().hex(), private)

    def sign(self, content: bytes) -> bytes:
        """Return the line that `signer_of` checks. The same content always has the same line."""
        return f"ed25519 {self.public} {self._private.sign(_PURPOSE + content).hex()}\n".encode()


def signer_of(line: bytes, content: bytes) -> str | None:
    """Return the public key, in hex, that signed the content; None where the line does not fit it.

    A valid signature says only that the key's owner signed: compare the key with the one that is trusted.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    public, signature = (bytes.fromhex(part.decode()) for part in found.groups())
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _PURPOSE + content)
    except (InvalidSignature, ValueError):
        return None
    return public.hex()


def open_signing_key(file: Path) -> SigningKey:
    """Read a key.

    Raises
    ------
    WorkspaceError
        If it is not there, is no key of this kind, or others than its owner and group may use it.
    """
    try:
        content = file.read_bytes()
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise WorkspaceError("signing_key_missing", Where(file=str(file))) from None
    except OSError:
        raise WorkspaceError("signing_key_unusable", Where(file=str(file))) from None
    if mode & _OPEN_TO_OTHERS:
        raise WorkspaceError("signing_key_open", Where(file=str(file)))
    try:
        private = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise WorkspaceError("signing_key_unusable", Where(file=str(file)))
    return SigningKey._of(private)


def make_signing_key(file: Path) -> SigningKey:
    """Make a key where there is none; where another job made one meanwhile, that one holds.

    Raises
    ------
    WorkspaceError
        If it cannot be written.
    """
    content = SigningKey.make()._private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(beside, file)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    except OSError:
        raise WorkspaceError("signing_key_not_written", Where(file=str(file))) from None
    return open_signing_key(file)
