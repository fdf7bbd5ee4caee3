"""Do the tests notice? Small changes to features, labels and splits, one at a time; most must fail a test.

    make mutants                                 every mutant; at least nine in ten must be noticed
    python benchmarks/mutants.py --sample 100    so many, drawn with a fixed seed
    python benchmarks/mutants.py --list          only tell them

What counts here stands in SQL, at the top of modules: mutmut 3 changes the bodies of functions, and
cosmic-ray knows Python's operators, so that neither reaches it (tried: benchmarks/README.md). This one
changes the tokens of both: comparisons, AND and OR, plus and minus, whole numbers, NULL tests, the kind of a
join or an aggregate, the direction of an order. Of a feature's declaration only the expression is changed,
not its words.

A mutant is tried in a child process on a copy of the package; the libraries are loaded once. It counts as
noticed if a test of its room fails, or they do not end within `SECONDS` of processor time (a busy machine
must not look like a test that notices).
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "riskmodel"
SECONDS = 240
PROCESSES = 2
WANTED_SHARE = 0.9
LOADED = ("pytest", "numpy", "pandas", "pyarrow.parquet", "duckdb", "yaml")
"""Libraries that are loaded once, before the children."""

_ROOM = "tests/features"
TESTS_OF_FEATURES = {
    **{f"{group}.py": [f"{_ROOM}/test_{group}_features.py"]
       for group in ("attendance", "marks", "enrolment", "school")},
    **{f"{group}.py": [f"{_ROOM}/test_home_aid_travel_features.py"] for group in ("home", "aid", "travel")},
    "peers.py": [f"{_ROOM}/test_peers.py"], "periods.py": [_ROOM],
    "build.py": [f"{_ROOM}/test_build.py", _ROOM],
}  # fmt: skip
"""Tests beside the pandas twin, which comes first: it looks at every feature at once."""

SQL_WORDS = re.compile(r"\b(SELECT|FILTER|CASE|WHERE|OVER|CAST|coalesce|count|avg|max|min|sum|age|round)\b")
SQL = (
    (r"<=", "<"), (r">=", ">"), (r"(?<![<=-])>(?!=)", ">="), (r"<(?![=>])", "<="), (r"<>", "="),
    (r"(?<![<>!=]) = ", " <> "), (r"\bAND\b", "OR"), (r"\bOR\b", "AND"), (r" \+ ", " - "), (r" - ", " + "),
    (r" \* ", " / "), (r" / ", " * "), (r"\bIS NULL\b", "IS NOT NULL"), (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bNOT (?!NULL|EXISTS|IN|MATERIALIZED)", ""), (r"\bNOT EXISTS\b", "EXISTS"), (r"\bNOT IN\b", "IN"),
    (r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\barg_max\(", "arg_min("), (r"\barg_min\(", "arg_max("),
    (r"\bsum\(", "max("), (r"\bavg\(", "max("), (r"\bcount\(DISTINCT ", "count("), (r"\bDESC\b", "ASC"),
    (r"\bLEFT JOIN\b", "JOIN"), (r"\bANTI JOIN\b", "SEMI JOIN"), (r"\bSEMI JOIN\b", "ANTI JOIN"),
    (r"\bgreatest\(", "least("), (r"\bleast\(", "greatest("), (r"\bbool_or\(", "bool_and("),
    (r"\bNULLS LAST\b", "NULLS FIRST"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"(?<![\w.$'])\d+(?![\w.'-])", "number"),
)  # fmt: skip
PYTHON = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "*": "+",
    "//": "*", "and": "or", "or": "and", "not": "", "True": "False", "False": "True", "min": "max",
    "max": "min", "&": "|", "|": "&", "~": "", "any": "all", "all": "any", "in": "not in",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: of the text between two offsets of a file."""

    file: Path
    start: int
    end: int
    new: str

    @property
    def name(self) -> str:
        """Say where it is, what was changed, and what stands around it."""
        text = self.file.read_text(encoding="utf-8")
        line = text.count("\n", 0, self.start) + 1
        near = " ".join(text[max(0, self.start - 45) : self.end + 35].split())
        old = text[self.start : self.end]
        return f"{self.file.relative_to(PACKAGE)}:{line} [{old.strip()}] -> [{self.new.strip()}]  … {near} …"

    def text(self) -> str:
        """Return the whole file with the change."""
        text = self.file.read_text(encoding="utf-8")
        return text[: self.start] + self.new + text[self.end :]


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Give every change of a file that still can be read."""
    text = file.read_text(encoding="utf-8")
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    left_alone = _left_alone(text, offsets)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start = offsets[token.start[0] - 1] + token.start[1]
        end = offsets[token.end[0] - 1] + token.end[1]
        if any(a <= start < b for a, b in left_alone):
            continue
        for begin, stop, new in _changes(token, start, end, text):
            mutant = Mutant(file, begin, stop, new)
            try:
                compile(mutant.text(), str(file), "exec")
            except (SyntaxError, ValueError):
                continue
            yield mutant


def _changes(token: tokenize.TokenInfo, start: int, end: int, text: str) -> Iterator[tuple[int, int, str]]:
    if token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
        yield from _sql_changes(token.string, start)
    elif token.type == tokenize.NUMBER and token.string.isdigit():
        yield start, end, str(int(token.string) + 1)
    elif token.type in (tokenize.OP, tokenize.NAME) and token.string in PYTHON:
        if token.string == "not" and text[start : end + 3] == "not in":
            return
        yield start, end, PYTHON[token.string]


def _sql_changes(string: str, start: int) -> Iterator[tuple[int, int, str]]:
    if not SQL_WORDS.search(string) and not re.search(r"[<>=]", string):
        return
    is_formatted = re.match(r"[rRbB]*[fF]", string) is not None
    hidden = [match.span() for match in re.finditer(r"\{[^{}]*\}", string)] if is_formatted else []
    hidden += [match.span() for match in re.finditer(r"--[^\n]*", string)]
    between = [
        match.end() - 3 for match in re.finditer(r"BETWEEN\b[^()]*?(\([^()]*\)[^()]*?)*?\bAND", string)
    ]
    for pattern, new in SQL:
        for match in re.finditer(pattern, string):
            if any(a <= match.start() < b for a, b in hidden) or match.start() in between:
                continue
            changed = str(int(match.group()) + 1) if new == "number" else new
            yield start + match.start(), start + match.end(), changed


def _left_alone(text: str, offsets: list[int]) -> list[tuple[int, int]]:
    """Find docstrings, annotations, imports, and of declarations all but the expression."""
    spans = []

    def span(node: ast.AST) -> None:
        lines = text.splitlines(keepends=True)

        def at(line: int, column: int) -> int:
            return offsets[line - 1] + len(lines[line - 1].encode()[:column].decode())

        spans.append((at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)))  # type: ignore[attr-defined]

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            span(node)
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            span(node.annotation)
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            span(node.returns)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                span(decorator)
        if isinstance(node, ast.Call) and any(k.arg == "expression" for k in node.keywords):
            for keyword in node.keywords:
                if keyword.arg != "expression":
                    span(keyword.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("partial", "NotEnoughData"):
            span(node)
        if isinstance(node, ast.keyword) and node.arg in ("strict", "parents", "exist_ok", "ignore_index"):
            span(node.value)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            span(node)
    return spans


def tests_of(file: Path) -> list[str]:
    """Name the tests of a file, the quickest to notice first."""
    if file.name in ("labels.py", "outcomes.py"):
        return ["tests/labels/test_labels_life_histories.py", "tests/labels"]
    if file.name == "splits.py":
        return ["tests/test_splits.py", "tests/validity/test_split_worlds.py"]
    return ["tests/features/test_twin.py", *TESTS_OF_FEATURES[file.name]]


def targets() -> list[Path]:
    """Name the files that are changed."""
    return [
        *(PACKAGE / "features" / name for name in TESTS_OF_FEATURES), PACKAGE / "labels.py",
        PACKAGE / "outcomes.py", PACKAGE / "splits.py",
    ]  # fmt: skip


@dataclass
class Trial:
    """A mutant whose tests run in a child process, on a copy of the package of its own."""

    mutant: Mutant
    place: Path
    child: int

    @classmethod
    def begin(cls, mutant: Mutant, tree: Path) -> Trial:
        """Write the change into the copy, and start the tests."""
        place = tree / "riskmodel" / mutant.file.relative_to(PACKAGE)
        place.write_text(mutant.text(), encoding="utf-8")
        child = os.fork()
        if child == 0:
            _run_tests(mutant, tree)
        return cls(mutant, place, child)

    def noticed(self) -> bool | None:
        """Tell whether a test failed; None while they run."""
        done, status = os.waitpid(self.child, os.WNOHANG)
        if not done:
            return None
        shutil.copyfile(self.mutant.file, self.place)
        return status != 0


class _Notice:
    """To notice is enough: hypothesis needs not make small what fails."""

    def pytest_collection(self) -> None:
        if "hypothesis" not in sys.modules:
            return
        from hypothesis import Phase, settings

        settings.register_profile("notice", phases=[Phase.explicit, Phase.generate], database=None)
        settings.load_profile("notice")


def _run_tests(mutant: Mutant, tree: Path) -> None:
    import pytest

    status = 1
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        sys.path.insert(0, str(tree))
        sys.dont_write_bytecode = True
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={tree / 'tmp'}"]
        if mutant.file.parent == PACKAGE:
            options += ["-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0"]
        status = int(pytest.main([*options, *tests_of(mutant.file)], plugins=[_Notice()]))
    finally:
        os._exit(status)


def main() -> int:
    """Try the mutants, tell those that no test noticed, and the share that was."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, help="so many of all, drawn with a fixed seed")
    parser.add_argument("--only", default="", help="of files whose path holds this")
    parser.add_argument("--list", action="store_true", help="tell the mutants and end")
    asked = parser.parse_args()
    mutants = [m for file in targets() if asked.only in str(file) for m in mutants_of(file)]
    total = len(mutants)
    if asked.sample:
        mutants = random.Random(1).sample(mutants, min(asked.sample, total))  # noqa: S311  not a secret
    if asked.list:
        print("\n".join(mutant.name for mutant in mutants))
        return 0
    return _try(mutants, total)


def _try(mutants: list[Mutant], total: int) -> int:
    for library in LOADED:
        importlib.import_module(library)
    os.chdir(ROOT)
    begun, unnoticed, done, waiting = time.monotonic(), [], 0, list(reversed(mutants))
    with tempfile.TemporaryDirectory() as place:
        free = [Path(place) / str(number) for number in range(PROCESSES)]
        for tree in free:
            shutil.copytree(PACKAGE, tree / "riskmodel", ignore=shutil.ignore_patterns("__pycache__"))
        # The first run without a change keeps the random counties, and what pandas makes of them.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        os.environ["RISKMODEL_TWIN_KEPT"] = str(Path(place) / "counties")
        for file in {mutant.file.parent if mutant.file.parent != PACKAGE else mutant.file: mutant.file
                     for mutant in mutants}.values():  # fmt: skip
            if not _passes_unchanged(file, free[0]):
                print(f"{file.relative_to(PACKAGE)}: its tests fail without any change")
                return 1
        running: dict[Path, Trial] = {}
        while waiting or running:
            while waiting and free:
                tree = free.pop()
                running[tree] = Trial.begin(waiting.pop(), tree)
            time.sleep(0.05)
            for tree, trial in list(running.items()):
                noticed = trial.noticed()
                if noticed is None:
                    continue
                done += 1
                free.append(tree)
                del running[tree]
                if not noticed:
                    unnoticed.append(trial.mutant)
                    print(f"unnoticed: {trial.mutant.name}", flush=True)
                if done % 50 == 0:
                    print(f"· {done} of {len(mutants)}, {len(unnoticed)} unnoticed", flush=True)
    return _tell(mutants, unnoticed, total, minutes=(time.monotonic() - begun) / 60)


def _passes_unchanged(file: Path, tree: Path) -> bool:
    trial = Trial.begin(Mutant(file, 0, 0, ""), tree)
    while (failed := trial.noticed()) is None:
        time.sleep(0.05)
    return not failed


def _tell(mutants: list[Mutant], unnoticed: list[Mutant], total: int, *, minutes: float) -> int:
    for file in targets():
        tried = sum(mutant.file == file for mutant in mutants)
        if tried:
            kept = sum(mutant.file == file for mutant in unnoticed)
            print(f"{file.relative_to(PACKAGE)}: {tried - kept} of {tried} noticed")
    share = 1 - len(unnoticed) / len(mutants)
    noticed = len(mutants) - len(unnoticed)
    print(f"{noticed} of {len(mutants)} mutants noticed ({share:.1%}); {total} in all; {minutes:.0f} minutes")
    return 0 if share >= WANTED_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
