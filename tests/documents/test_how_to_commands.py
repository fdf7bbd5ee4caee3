"""A command that a how-to names exists: a reader who types it is not told that there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from riskmodel.cli import app

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
COMMANDS = typer.main.get_command(app)


def commands_of(page: str) -> set[tuple[str, ...]]:
    """Return the commands in code of a page, as words up to the first that is no plain word."""
    told = re.findall(r"`riskmodel ((?:[a-z][a-z-]*(?: |(?=`)))+)", page)
    return {tuple(one.split()) for one in told}


def exists(words: tuple[str, ...]) -> bool:
    first = getattr(COMMANDS, "commands", {}).get(words[0])
    parts = getattr(first, "commands", None)
    return first is not None and (parts is None or len(words) == 1 or words[1] in parts)


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("*.md")), ids=lambda page: page.name)
def test_every_command_of_a_page_exists(page: Path) -> None:
    told = commands_of(page.read_text(encoding="utf-8"))
    assert [words for words in told if not exists(words)] == []


def test_a_command_that_is_not_there_would_be_found() -> None:
    found = commands_of("`riskmodel tickets shut 17`, `riskmodel sheets --school X`, `riskmodel print`")
    assert found == {("tickets", "shut"), ("sheets",), ("print",)}
    assert [exists(words) for words in sorted(found)] == [False, True, False]
