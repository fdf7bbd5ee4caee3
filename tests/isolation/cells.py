"""Every route of the OpenAPI file, asked in every way that its parameters allow: the cells of the matrix.

A parameter is known by its name or by its type. One that is known by neither fails: a route that comes later
is in the matrix by itself, or the build says what is missing.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .asking import Asker, Request
from .oracle import children_who_left, holds, holds_case, holds_report, holds_run, holds_school
from .world import (
    ABSENT,
    ABSENT_CASE,
    ABSENT_REPORT,
    ABSENT_RUN,
    ABSENT_SCHOOL,
    CLOSED,
    NOBODYS,
    NOW,
    SCHOOLS,
    Who,
    World,
    roll_number,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ODD = (
    "none",
    "st-a1-0-x'",
    "st-a1-0-x OR 1=1",
    "*",
    "%25",
    "%",
    "..",
    "st-a1-0-x,st-b1-0-x",
    "x" * 300,
    "\u202e",
)
STUDENT_IDS = {"student_id", "student_ids", "ids", "students"}
SCHOOL_IDS = {"school_id", "school_ids", "schools"}


@dataclass(frozen=True)
class Operation:
    """A method of a path, with what it asks for."""

    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    body: Any
    types: tuple[str, ...]
    needs_key: bool
    statuses: frozenset[str]

    @property
    def name(self) -> str:
        """How the matrix names it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Cell:
    """One question: who, of which operation, with which values in the place of the usual ones."""

    who: Who
    operation: Operation
    method: str
    values: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...] = ()
    documented: bool = True

    @property
    def asked(self) -> dict[str, str]:
        """The values by place and name: `path.student_id`."""
        return dict(self.values)

    def path_values(self) -> dict[str, str]:
        """The values of the path's parameters."""
        return {key[5:]: value for key, value in self.values if key.startswith("path.")}

    def told(self) -> str:
        """Say which cell this is."""
        return (
            f"{self.who.name}: {self.method} {self.operation.path} {dict(self.values)} {dict(self.headers)}"
        )


@dataclass
class Matrix:
    """All cells of a world and of the routes that its application documents."""

    world: World
    document: Mapping[str, Any]
    marks: dict[str, list[str]] = field(default_factory=dict)
    """Cursors and entity tags that the bureau was given: what a thief would try."""

    @property
    def operations(self) -> list[Operation]:
        """Every documented method of every path."""
        return [
            _operation(self.document, path, method, told)
            for path, methods in self.document["paths"].items()
            for method, told in methods.items()
            if method.upper() in METHODS
        ]

    def steal(self, asker: Asker) -> None:
        """Collect what the bureau is given for every child and school: cursors, entity tags, addresses."""
        bureau = next(who for who in self.world.principals if who.name == "bureau")
        found: dict[str, list[str]] = {"etag": [], "cursor": []}
        for operation in self.operations:
            if operation.method != "get" or not operation.needs_key:
                continue
            names = [p["name"] for p in operation.parameters if p["in"] == "path"]
            ids = self.world.now if "student_id" in names else SCHOOLS
            for one in ids:
                values = self.usual(bureau, operation)
                values |= {key: one for key in ("path.student_id", "path.school_id") if key in values}
                if any(p["name"] == "limit" for p in operation.parameters):
                    values["query.limit"] = "1"
                answer = asker.ask(self.request(Cell(bureau, operation, "GET", tuple(values.items()))))
                headers = dict(answer.headers)
                found["etag"] += [headers["etag"]] if "etag" in headers else []
                if "after=" in headers.get("link", ""):
                    found["cursor"].append(headers["link"].split("after=")[1].split("&")[0].split(">")[0])
                if not names:
                    break
        self.marks = {name: list(dict.fromkeys(values)) for name, values in found.items()}

    def cells(self, *, pairs: bool, chance: random.Random) -> Iterator[Cell]:
        """Give the cells: usual values, each other value of each parameter in turn, methods, tags, types.

        With `pairs`, each value of a path's parameter is asked with each value of every other parameter, too.
        """
        for operation in self.operations:
            for who in self.world.principals:
                yield from self._cells_of(operation, who, pairs=pairs, chance=chance)

    def _cells_of(
        self, operation: Operation, who: Who, *, pairs: bool, chance: random.Random
    ) -> Iterator[Cell]:
        usual = self.usual(who, operation)
        method = operation.method.upper()
        yield Cell(who, operation, method, tuple(usual.items()))
        ways = {key: values for key, values in self.ways(operation).items() if values}
        for key, values in ways.items():
            for value in values:
                yield Cell(who, operation, method, tuple((usual | {key: value}).items()))
        documented = {one.upper() for one in self.document["paths"][operation.path]}
        for other in METHODS:
            if other not in documented and operation.method == min(self.document["paths"][operation.path]):
                yield Cell(who, operation, other, tuple(usual.items()), documented=False)
        for kind in operation.types[1:]:
            for child in chance.sample(sorted(self.world.children), 3):
                values = usual | {key: child for key in usual if key == "path.student_id"}
                yield Cell(who, operation, method, tuple(values.items()), (("Accept", kind),))
        if method == "GET" and operation.needs_key:
            for tag in ["*", *chance.sample(self.marks["etag"], min(4, len(self.marks["etag"])))]:
                for child in ("st-a1-0-x", "st-b1-0-x", ABSENT):
                    values = usual | {key: child for key in usual if key == "path.student_id"}
                    yield Cell(who, operation, method, tuple(values.items()), (("If-None-Match", tag),))
        if pairs:
            for one, two in itertools.combinations(ways, 2):
                if one.startswith("path.") or two.startswith("path."):
                    for first, second in itertools.product(ways[one], ways[two]):
                        yield Cell(who, operation, method, tuple((usual | {one: first, two: second}).items()))

    def usual(self, who: Who, operation: Operation) -> dict[str, str]:
        """Values that should be answered: the principal's own child and school."""
        own = [one for one, place in self.world.now.items() if holds(self.world, who, place)]
        schools = [one for one in SCHOOLS if holds_school(self.world, who, one)]
        usual: dict[str, str] = {}
        for parameter in operation.parameters:
            name, key = parameter["name"], f"{parameter['in']}.{parameter['name']}"
            if name in STUDENT_IDS and parameter["in"] == "path":
                usual[key] = own[0] if own else "st-a1-0-x"
            elif name in SCHOOL_IDS and parameter["in"] == "path":
                usual[key] = schools[0] if schools else SCHOOLS[0]
            elif name == "run_id":
                runs = [one for one in self.world.runs if holds_run(self.world, who, one)]
                usual[key] = runs[0] if runs else ABSENT_RUN
            elif name == "case_id":
                decides = operation.path.endswith("/decisions")
                fit = self.world.closing if decides else self.world.cases.keys() - self.world.closing
                cases = [one for one in self.world.cases if one in fit and holds_case(self.world, who, one)]
                usual[key] = cases[0] if cases else ABSENT_CASE
            elif name == "report_id":
                reports = [one for one in self.world.reports if holds_report(self.world, who, one)]
                usual[key] = reports[0] if reports else ABSENT_REPORT
            elif parameter.get("required") and name in ("grade", "class"):
                place = self.world.now[(own or ["st-a1-0-x"])[0]]
                usual[key] = str(place.grade if name == "grade" else place.class_name)
            elif parameter.get("required") and (values := self.values(parameter)):
                usual[key] = values[0]
        if operation.body is not None:
            helped = own or sorted(children_who_left(self.world, who)) or ["st-a1-0-x"]
            child, school = helped[0], (schools or [SCHOOLS[0]])[0]
            usual["body"] = json.dumps(self._filled(operation.body, child, school), ensure_ascii=False)
        return usual

    def ways(self, operation: Operation) -> dict[str, list[str]]:
        """Every value that is tried for every parameter, the fields of the body included."""
        ways = {f"{one['in']}.{one['name']}": self.values(one) for one in operation.parameters}
        if operation.body is not None:
            children = [*self.world.children, *NOBODYS, ABSENT]
            bodies = [self._filled(operation.body, one, SCHOOLS[0]) for one in children]
            bodies += [self._filled(operation.body, "st-a1-0-x", one) for one in (*SCHOOLS, CLOSED)]
            bodies += [self._filled(operation.body, [*self.world.children, *NOBODYS, ABSENT], SCHOOLS[0])]
            texts = [json.dumps(one, ensure_ascii=False) for one in bodies]
            ways["body"] = list(dict.fromkeys([*texts, "{}", "[]", "{", '"st-b1-0-x"']))
        return ways

    def values(self, parameter: Mapping[str, Any]) -> list[str]:
        """Every value tried for a parameter.

        Raises
        ------
        AssertionError
            If neither its name nor its type says what it is.
        """
        name, schema = parameter["name"], self._schema(parameter["schema"])
        sets = [self.world.set_id, self.world.former_set_id, "set-20200101-000000"]
        by_name: dict[str, list[str]] = {
            "student_id": [*self.world.children, *NOBODYS, ABSENT, *ODD],
            "school_id": [*SCHOOLS, CLOSED, ABSENT_SCHOOL, *ODD],
            "run_id": [*self.world.runs, ABSENT_RUN, *ODD],
            "report_id": [*self.world.reports, ABSENT_REPORT, *ODD],
            "case_id": [*self.world.cases, ABSENT_CASE, *ODD],
            "programme": ["counselling", "none", "%"],
            "set_id": sets,
            "term": ["2026-2027-1", "2025-2026-2", "latest", "1999-2000-1"],
            "after": [*self.marks.get("cursor", []), "x", "W10="],
            "class": ["1", "2", "%", "' OR '1'='1"],
            "class_name": ["1", "2", "%"],
            "fields": ["student_id", "student_id,band", "risk", "content", "number_tail", "margin"],
            "sort": ["student_id", "-student_id", "class", "-class", "risk", "-risk", "band", "content"],
            "lang": ["zh", "en", "fr"],
            "Idempotency-Key": [],
            "If-None-Match": [],
            "Accept": [],
            "q": [*self.world.marks.values()],
        }
        if name in by_name:
            return by_name[name]
        kinds = {str(one.get("type")) for one in schema}
        if any("enum" in one or "const" in one for one in schema):
            said = [
                value for one in schema for value in one.get("enum", [one.get("const")]) if value is not None
            ]
            return [*map(str, said), "none"]
        if "boolean" in kinds:
            return ["true", "false", "maybe"]
        if "integer" in kinds or "number" in kinds:
            low = next((one["minimum"] for one in schema if "minimum" in one), 0)
            high = next((one["maximum"] for one in schema if "maximum" in one), 100)
            return list(dict.fromkeys([*map(str, (low, high, 1, 7, 8, int(low) - 1, int(high) + 1)), "x"]))
        if any(one.get("format") in ("date", "date-time") for one in schema):
            return ["2026-11-02", "2026-04-30", "1999-01-01", "0001-01-01", "9999-12-31", "x"]
        raise AssertionError(
            f"the matrix does not know what the parameter {name!r} is: tell it in tests/isolation/cells.py"
        )

    def request(self, cell: Cell) -> Request:
        """Write a cell as a request."""
        path, query, body = cell.operation.path, [], b""
        headers = [("Authorization", cell.who.header)] if cell.who.header else []
        for key, value in cell.values:
            place, _, name = key.partition(".")
            if place == "path":
                path = path.replace(f"{{{name}}}", quote(value, safe=""))
            elif place == "query":
                query.append((name, value))
            elif place == "header":
                headers.append((name, value))
            elif place == "body" and cell.documented:
                body = value.encode()
        if any(one["name"].lower() == "idempotency-key" for one in cell.operation.parameters):
            headers = [one for one in headers if one[0].lower() != "idempotency-key"]
            headers.append(("Idempotency-Key", f"k-{abs(hash((cell.told(), path))):x}"[:36]))
        return Request(cell.method, path, tuple(query), (*headers, *cell.headers), body)

    def _filled(self, body: Any, student: str | list[str], school: str) -> Any:
        """The documented body, about this child or these, and this school."""
        several = student if isinstance(student, list) else [student]

        def fill(node: Any, name: str = "") -> Any:
            if isinstance(node, dict):
                return {key: fill(value, key) for key, value in node.items()}
            if isinstance(node, list):
                if name == "roll_numbers":
                    return [roll_number(one) for one in several]
                if name in STUDENT_IDS and all(isinstance(one, str) for one in node):
                    return several
                if isinstance(student, list) and node and "student_id" in (node[0] if node[0] else ()):
                    return [fill(node[0]) | {"student_id": one} for one in several]
                return [fill(one, name) for one in node[:1]]
            if name in STUDENT_IDS:
                return several[0]
            if name in SCHOOL_IDS:
                return school
            if name == "set_id":
                left = several[0] in self.world.before and several[0] not in self.world.now
                return self.world.former_set_id if left else self.world.set_id
            if name in ("day", "noted_on"):
                return NOW.date().isoformat()
            return node

        return fill(copy.deepcopy(body))

    def _schema(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in schema:
            return self._schema(self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        if "anyOf" in schema:
            return [part for one in schema["anyOf"] for part in self._schema(one)]
        return [schema]


def _operation(document: Mapping[str, Any], path: str, method: str, told: Mapping[str, Any]) -> Operation:
    shared = tuple(document["paths"][path].get("parameters", ()))
    good = [one for status, one in told["responses"].items() if status.startswith("2")]
    types = tuple(kind for one in good for kind in one.get("content", {}))
    body = None
    if "requestBody" in told:
        content = next(iter(told["requestBody"]["content"].values()))
        examples = [one["value"] for one in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, f"{method} {path}: the body has no named example to be asked with"
        body = examples[0]
    return Operation(
        method, path, (*shared, *told.get("parameters", ())), body, types, bool(told.get("security")),
        frozenset(told["responses"]),
    )  # fmt: skip
