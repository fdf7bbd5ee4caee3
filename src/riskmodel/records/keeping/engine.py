"""The engine that reads records: bounded, quiet, and it fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb


def duckdb_settings(
    *, threads: int = 1, memory_limit: str = "1GB", spill_to: Path | None = None
) -> dict[str, Any]:
    """Return the settings of every DuckDB that reads records: bounded, and no extension is fetched."""
    return {
        "threads": threads,
        "memory_limit": memory_limit,
        "temp_directory": str(spill_to) if spill_to else "",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "false",
    }


def without_progress_bar(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep DuckDB's own bar out of what a person or a program reads.

    In a notebook without ipywidgets it is off, and DuckDB refuses every word about it.
    """
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")
