"""Runs the corpus and prints its table; the exit code is 1 where anything is not as it should be."""

from __future__ import annotations

import sys

from .run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
