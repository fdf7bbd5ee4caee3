"""The first loading of a model happens in a process of its own, which may end or hang without harm.

A damaged LightGBM text ended the process in 82 of 87 trials and hung it in 4 of 86 (shared measurements). The
signature keeps such a text away; another version of LightGBM, or of the machine's libraries, it does not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from riskmodel.bundle import read_bundle
from riskmodel.errors import BundleRefused, Where

PATIENCE_SECONDS = 1800.0
"""Forty programs on two processors: loading the libraries alone, some seconds else, took eight minutes."""
_REFUSED = 3


def try_bundle(
    folder: Path, *, version: str, public_key: str, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Load a bundle and score its golden rows in a child process.

    Raises
    ------
    BundleRefused
        If the child ends, hangs, or refuses the bundle; of a refusal, the reason that this process finds too.
    """
    asked = [sys.executable, "-m", "riskmodel.bundle_trial", str(folder), version, public_key]
    try:
        done = subprocess.run(asked, capture_output=True, timeout=patience_seconds, check=False)  # noqa: S603
        code: int | None = done.returncode
    except subprocess.TimeoutExpired:
        code = None
    if code == _REFUSED:
        read_bundle(folder, version=version, public_key=public_key)
    if code != 0:
        ended = "–" if code is None else code
        raise BundleRefused("bundle_fails_its_trial", Where(file=folder.name), exit_code=ended)


def _main() -> int:
    folder, version, public_key = sys.argv[1:]
    try:
        read_bundle(Path(folder), version=version, public_key=public_key)
    except BundleRefused:
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main())
