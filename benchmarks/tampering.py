"""Proof that no single changed byte of a model bundle is read: every one of 10,000 is refused.

A model is trained on drawn rows, signed and written; then one byte after another is changed, the bundle read,
and the byte put back. A change counts as refused only where `read_bundle` raises `BundleRefused`. Two planted
faults show that the proof can fail: with the signature, or the hashes, left unchecked, changes come through.

    python benchmarks/tampering.py [--changes 10000]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).parents[1]


def single_byte_changes(folder: Path, *, count: int, seed: int) -> Iterator[str]:
    """Change one byte of one file at a time, give its name, and put the byte back.

    Every file has its turn; within a file the place and the new byte are drawn.
    """
    chance = np.random.default_rng(seed)
    files = sorted(folder.iterdir())
    for number in range(count):
        file = files[number % len(files)]
        with file.open("r+b") as opened:
            at = int(chance.integers(file.stat().st_size))
            opened.seek(at)
            was = opened.read(1)[0]
            now = (was + int(chance.integers(1, 256))) % 256
            opened.seek(at)
            opened.write(bytes([now]))
            opened.flush()
            yield file.name
            opened.seek(at)
            opened.write(bytes([was]))


def refusals(folder: Path, public_key: str, *, count: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Return, by file, how many changes were refused, and how many were not."""
    from riskmodel.bundle import read_bundle
    from riskmodel.errors import BundleRefused

    refused: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for name in single_byte_changes(folder, count=count, seed=seed):
        try:
            read_bundle(folder, version=folder.name, public_key=public_key)
        except BundleRefused:
            refused[name] += 1
        except Exception:
            # Whatever else happens, the change came through to what reads the content.
            read[name] += 1
        else:
            read[name] += 1
    return refused, read


def _trained():  # type: ignore[no-untyped-def]
    """Train on 20,000 drawn rows with two columns that tell something."""
    import pandas as pd

    from riskmodel.domain import FeatureInfo, FeatureMatrix, Labels
    from riskmodel.features import ALL_FEATURES
    from riskmodel.models.training import train

    chance = np.random.default_rng(1)
    features: tuple[FeatureInfo, ...] = tuple(one for one in ALL_FEATURES if one.role == "model")
    rows = 20_000
    values = {one.name: chance.normal(size=rows) for one in features}
    first, second, *_ = values
    left = chance.random(rows) < 1 / (1 + np.exp(4 - values[first] - values[second]))
    keys = {
        "as_of_date": pd.Timestamp("2024-10-01"),
        "student_id": [f"s{number:05d}" for number in range(rows)],
        "school_id": [f"A{number % 40}" for number in range(rows)],
        "household_id": [f"h{number:05d}" for number in range(rows)],
        "stage": "junior",
    }
    frame = pd.DataFrame({**keys, **values})
    outcomes = pd.DataFrame(
        {
            "as_of_date": frame["as_of_date"],
            "student_id": frame["student_id"],
            "outcome": np.where(left, "left", "stayed"),
            "left_on": pd.NaT,
            "horizon_end": pd.Timestamp("2025-01-01"),
        }
    )
    return train(FeatureMatrix(frame, features), Labels(outcomes, date(2025, 6, 1), "drawn"), seed=1)


def main() -> int:
    """Print what was refused; exit code 1 where anything was read, or a planted fault was not seen."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--changes", type=int, default=10_000)
    count = asked.parse_args().changes
    from riskmodel import bundle as bundles
    from riskmodel.signing import SigningKey

    key = SigningKey.make()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "m1"
        files = bundles.bundle_files(_trained(), model_version="m1", data_hash="d", key=key)
        bundles.write_bundle(folder, files)
        print(f"bundle: {len(files)} files, {sum(map(len, files.values())):,} bytes")
        seen = 0
        # A damaged text could end this process: it counts as let through where it would be loaded.
        reached = mock.patch.object(bundles, "_read_model", side_effect=RuntimeError)
        for check, passing in (("signer_of", key.public), ("_same_hash", True)):
            with reached, mock.patch.object(bundles, check, return_value=passing):
                _, through = refusals(folder, key.public, count=len(files) * 4, seed=2)
            seen += through.total() > 0
        print(f"planted faults (no signature checked; no hash checked) that let changes through: {seen} of 2")
        wall, cpu = time.monotonic(), time.process_time()
        refused, read = refusals(folder, key.public, count=count, seed=1)
        for name in sorted({*refused, *read}):
            print(f"  {name:20} {refused[name]:6,} refused, {read[name]} read")
        print(
            f"{sum(refused.values()):,} of {count:,} single-byte changes refused; "
            f"{time.monotonic() - wall:.0f} s, {time.process_time() - cpu:.0f} s CPU, "
            f"load {os.getloadavg()[0]:.1f}"
        )
    return 0 if seen == 2 and not read else 1


if __name__ == "__main__":
    sys.exit(main())
