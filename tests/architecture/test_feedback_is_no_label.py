"""What schools say of a sheet corrects data and checks reasons. It never becomes a label or a feature."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"feedback|ticket", re.IGNORECASE)
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
MODEL_WING = next(
    contract["source_modules"]
    for contract in CONTRACTS["contracts"]
    if contract["name"] == "The model wing does not know the people wing"
)
LEARNING = ("inputs", "training", "backtesting", "searching", "refitting")
"""The pipelines that make features and labels and learn from them."""


def files_of(module: str) -> list[Path]:
    place = ROOT / "src" / Path(*module.split("."))
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def named(code: str) -> Iterator[str]:
    """Say every name and every text of the code but what is only told to its readers."""
    tree = ast.parse(code)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (getattr(node, "module", "") or "", *(alias.name for alias in node.names))
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def about_feedback(code: str) -> list[str]:
    return [name for name in named(code) if SAID.search(name)]


@pytest.mark.parametrize("module", [*MODEL_WING, *(f"riskmodel.pipelines.{name}" for name in LEARNING)])
def test_nothing_that_learns_names_what_schools_said(module: str) -> None:
    files = files_of(module)
    assert files
    assert all(file.is_file() for file in files)
    found = {file.name: about_feedback(file.read_text(encoding="utf-8")) for file in files}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "from riskmodel.store.feedback import feedback_of",
        "from riskmodel.store import tickets",
        "import riskmodel.store.feedback",
        "def label(row):\n    'Docs.'\n    return row.feedback",
        "QUERY = 'select code from feedback'",
    ],
)
def test_a_planted_use_is_noticed(planted: str) -> None:
    assert about_feedback(planted)


def test_words_for_the_reader_of_the_code_are_no_use() -> None:
    assert about_feedback('def label(row):\n    """Never from feedback."""\n    return 1') == []
