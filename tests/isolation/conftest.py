"""The table of what each proof counted, printed at the end of a full run (`make isolation`)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

_COUNTED: list[str] = []


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what a proof counted."""
    return lambda told: _COUNTED.append(f"{request.node.name}: {told}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    if os.environ.get("RISKMODEL_ISOLATION") == "full":
        for line in _COUNTED:
            terminalreporter.write_line(line)
