"""No function of the published store gives or takes anything of a student without being told who asks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import riskmodel.store
from riskmodel.store.audit import AuditLog
from riskmodel.store.engine import Store
from riskmodel.store.principals import RIGHTS, Principal

WITHOUT = {
    "engine.open_store": "opens the file",
    "keys": "the command line of the server, and how a principal comes to be; no student is among it",
    "publishing": "publish, go back, clear up: the command line; nothing is given out",
    "retention": "what is no longer kept goes: the command line; only ids of sets and counts are given out",
    "steps": "what anybody can do first: about nobody",
    "sets": "which sets there are, and documents about nobody",
    "reading.current_set": "which set is current: about nobody; readiness asks it without a key",
    "objections": "the command line takes a guardian's objection down; who asks the web never reaches it",
}
"""Modules and functions that no principal is told to, and why that is right."""
BUREAU = Principal("x", "bureau")
DOCUMENT = Path(__file__).parents[2] / "docs" / "who-may-see-what.md"


def doors() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function of the store's modules that takes the store."""
    for module_info in pkgutil.iter_modules(riskmodel.store.__path__):
        module = importlib.import_module(f"riskmodel.store.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("_") or function.__module__ != module.__name__:
                continue
            if Store in get_type_hints(function).values():
                yield f"{module_info.name}.{name}", function


def asks_who(function: Callable[..., Any]) -> bool:
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    told = [one for one in parameters if hints.get(one.name) is Principal]
    return len(told) == 1 and told[0].default is inspect.Parameter.empty


def test_no_function_about_students_can_be_called_without_a_principal() -> None:
    found = dict(doors())
    assert len(found) > 15
    silent = {name for name, function in found.items() if not asks_who(function)}
    excused = {name for name in silent if name in WITHOUT or name.split(".")[0] in WITHOUT}
    assert silent - excused == set()


def test_the_check_rings_for_a_function_that_asks_nobody_and_for_one_that_may_be_told_nobody() -> None:
    def silent(store: Store, student_id: str) -> None: ...
    def forgetful(store: Store, principal: Principal = BUREAU) -> None: ...
    def careful(store: Store, audit: AuditLog, principal: Principal) -> None: ...

    for function in (silent, forgetful, careful):
        function.__annotations__ = {
            "store": Store, "principal": Principal, "audit": AuditLog, "student_id": str, "return": None,
        }  # fmt: skip
    assert [asks_who(one) for one in (silent, forgetful, careful)] == [False, False, True]


def test_the_page_of_who_may_see_what_says_what_the_table_says() -> None:
    rows = re.findall(r"^\| (\w+) \|(.*)\|$", DOCUMENT.read_text(encoding="utf-8"), re.M)
    told = {role: [cell.strip() for cell in cells.split("|")] for role, cells in rows}
    yes = {True: "是 / yes", False: "否 / no"}
    assert told == {
        role: [
            "全部 / all" if rights.everywhere else "密钥所列 / what its key names",
            ", ".join(sorted(rights.permissions)),
            yes[rights.audience == "counsellor"],
            yes[rights.names],
            yes[rights.risk],
            yes[rights.margin],
            rights.purpose,
        ]
        for role, rights in RIGHTS.items()
    }
