"""The proof on interrupted ledgers, in short; `make ledger-interrupted` runs it in full.

It forks, which is for a process of one thread: the script runs by itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "ledger_interrupted.py"


def test_a_killed_writer_loses_no_acknowledged_entry_and_planted_bugs_are_caught() -> None:
    asked = ["--kills", "2", "--stride", "120", "--without-strace"]
    done = subprocess.run([sys.executable, str(SCRIPT), *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("caught at kill") == 3
    assert "2 random kills: Result(tried=2" in done.stdout
