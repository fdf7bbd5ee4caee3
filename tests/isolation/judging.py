"""Whether an answer is what the oracle says."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .asking import Answer, Asker, forms
from .cells import ODD, Cell, Matrix
from .oracle import (
    children_of,
    children_of_cases,
    children_who_left,
    holds,
    holds_case,
    holds_report,
    holds_run,
    holds_school,
    never,
    verdict,
)
from .world import (
    ABSENT,
    ABSENT_CASE,
    ABSENT_REPORT,
    ABSENT_RUN,
    ABSENT_SCHOOL,
    CLOSED,
    OBJECTING,
    SCHOOLS,
    Place,
    World,
)

BATCH = 64
_NOBODY = {"st": ABSENT, "sc": ABSENT_SCHOOL, "al": ABSENT_RUN, "re": ABSENT_REPORT, "ca": ABSENT_CASE}
"""Who is nobody, by the beginning of ids."""
ONCE = ("post /v1/cases", "post /v1/cases/{case_id}/decisions")
"""What is done once for a child or a case: afterwards it is refused as not fitting. That each was done at
least once is asked of the whole matrix."""


def about_cases(cell: Cell) -> bool:
    """Whether a cell asks about cases of the ledgers."""
    return cell.operation.path.startswith(("/v1/cases", "/v1/due"))


@dataclass
class Judged:
    """What the matrix counted."""

    cells: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    by_verdict: dict[str, int] = field(default_factory=dict)
    by_operation: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    """Good answers, by operation."""
    shown_in: dict[str, int] = field(default_factory=dict)
    """Good answers that showed a child, by operation."""
    looks: dict[str, frozenset[str]] = field(default_factory=dict)
    """Children found in an answer to a reading, by request."""


class Judge:
    """Asks cells, and holds each answer against the oracle and against the answer about nobody."""

    def __init__(self, matrix: Matrix, asker: Asker) -> None:
        self.matrix, self.asker = matrix, asker
        self.world: World = matrix.world
        marks = {mark: one for one, mark in self.world.marks.items()}
        named = {
            form: one
            for one in (
                *self.world.children,
                *SCHOOLS,
                CLOSED,
                *self.world.runs,
                *self.world.reports,
                *self.world.cases,
            )
            for form in forms(one)
        }
        self._who_is = named | marks
        self._any = re.compile(
            "|".join(re.escape(one) for one in sorted(self._who_is, key=len, reverse=True))
        )
        self._nobody: dict[tuple[object, ...], tuple[object, ...]] = {}

    def judge(self, cells: Iterator[Cell], *, stop_at_first: bool = False) -> Judged:
        """Ask all cells; or stop at the first that is wrong."""
        judged = Judged()
        while some := [cell for _, cell in zip(range(BATCH), cells, strict=False)]:
            answers = self.asker.ask_all([self.matrix.request(cell) for cell in some])
            for cell, answer in zip(some, answers, strict=True):
                judged.wrong += [(cell.told(), why) for why in self._wrong(cell, answer, judged)]
                judged.cells += 1
                name = cell.operation.name
                judged.by_operation[name] = judged.by_operation.get(name, 0) + 1
            if stop_at_first and judged.wrong:
                break
        return judged

    def _wrong(self, cell: Cell, answer: Answer, judged: Judged) -> Iterator[str]:
        if not cell.documented:
            yield from self._undocumented(answer)
            return
        expected = "shown"
        if cell.operation.needs_key:
            asked = cell.path_values() | {"audience": dict(cell.values).get("query.audience", "")}
            expected = verdict(self.world, cell.who, cell.operation.method, cell.operation.path, asked)
        judged.by_verdict[expected] = judged.by_verdict.get(expected, 0) + 1
        if str(answer.status) not in cell.operation.statuses and answer.status != 304:
            yield f"{answer.status} is not documented"
        usual = tuple(self.matrix.usual(cell.who, cell.operation).items())
        good = answer.status in (200, 201, 202, 204, 304)
        judged.done[cell.operation.name] = judged.done.get(cell.operation.name, 0) + good
        # What is no JSON is refused before anybody asks whose key it is.
        unread = cell.asked.get("body") == "{" and answer.status == 422
        if expected == "refused" and answer.status != 401 and not unread:
            yield f"a refused key got {answer.status}"
        elif expected == "forbidden" and answer.status not in (403, 422):
            yield f"what the key may not do got {answer.status}"
        elif expected == "hidden" and answer.status not in (404, 422):
            yield f"a hidden child or school got {answer.status}"
        elif expected == "shown" and answer.status == 422 and cell.operation.name in ONCE:
            pass
        elif expected == "shown" and cell.values == usual and not good and cell.who.only is None:
            yield f"what may be seen got {answer.status}"
        elif expected == "shown" and answer.status in (401, 403) and cell.who.only is None:
            yield f"what may be done got {answer.status}"
        yield from self._too_much(cell, answer, judged)
        yield from self._too_little(cell, answer)
        yield from self._tells_apart(cell, answer)

    def _undocumented(self, answer: Answer) -> Iterator[str]:
        found = {self._who_is[one] for one in self._any.findall(answer.text())}
        if answer.status != 405 or found:
            yield f"a method that is not documented got {answer.status} and showed {sorted(found)}"

    def _too_much(self, cell: Cell, answer: Answer, judged: Judged) -> Iterator[str]:
        """Find every child and school in the bytes of the answer that is not this principal's."""
        text = answer.text()
        sent = {one for value in dict(cell.values).values() for one in self._ids_in(value)}
        found = {self._who_is[one] for one in self._any.findall(text)}
        children = self._children(cell)
        schools = self._schools(cell)
        runs = {one for one in self.world.runs if holds_run(self.world, cell.who, one)}
        runs |= {one for one in self.world.reports if holds_report(self.world, cell.who, one)}
        runs |= {one for one in self.world.cases if holds_case(self.world, cell.who, one)}
        marks, foreign = self.world.marks, found - children - schools - runs
        marked = {one for one in foreign if one in marks and marks[one] in text}
        strange = {one for one in foreign if one not in sent}
        if cell.operation.needs_key and (
            strange or marked - {self.world.marks[one] for one in self._left(cell)}
        ):
            yield f"showed {sorted(strange)} {sorted(marked)}"
        for mark in never(cell.who):
            if re.search(rf"(?<![0-9]){re.escape(mark)}(?![0-9])", text):
                yield f"showed {mark}, which is not for this role"
        reads = cell.method == "GET" or ":" in cell.operation.path
        # On a sheet without a name nobody can be told: then it cannot be held against the log from outside.
        is_named = cell.who.role != "data_team" or answer.body[:1] == b"{"
        if reads and answer.status == 200 and cell.operation.needs_key and is_named:
            # An answer about a child is a look at it, though it tells that nothing was done for it.
            about = (
                {cell.path_values().get("student_id")} if cell.operation.path.endswith("/actions") else set()
            )
            seen = frozenset(one for one in (found | about) & children)
            judged.looks[answer.request_id] = seen
            if seen:
                name = cell.operation.name
                judged.shown_in[name] = judged.shown_in.get(name, 0) + 1

    def _too_little(self, cell: Cell, answer: Answer) -> Iterator[str]:
        """Find whoever is missing from a whole list: an empty answer hides everything and is no help."""
        usual = self.matrix.usual(cell.who, cell.operation)
        asked = {key for key, value in cell.values if value != usual.get(key)}
        if answer.status != 200 or cell.method != "GET" or any(not key.startswith("path.") for key in asked):
            return
        found = {self._who_is[one] for one in self._any.findall(answer.text())}
        if cell.operation.path == "/v1/schools":
            missing = {one for one in SCHOOLS if holds_school(self.world, cell.who, one)} - found
        elif cell.operation.path == "/v1/schools/{school_id}/students":
            place = cell.path_values()["school_id"]
            own = children_of(self.world, cell.who) & set(self.world.now)
            missing = {one for one in own if self.world.now[one].school_id == place} - found
        elif cell.operation.path == "/v1/reports":
            missing = {one for one in self.world.reports if holds_report(self.world, cell.who, one)} - found
        elif cell.operation.path == "/v1/indicators":
            missing = {one for one in SCHOOLS if holds_school(self.world, cell.who, one)} - found
        elif cell.operation.path in ("/v1/cases", "/v1/cases.xlsx", "/v1/due"):
            missing = {one for one in self.world.cases if holds_case(self.world, cell.who, one)} - found
            if cell.operation.path == "/v1/due":  # what waited for a decision may have got it
                missing -= self.world.closing
        elif cell.operation.path == "/v1/allocations":
            missing = {one for one in self.world.runs if holds_run(self.world, cell.who, one)} - found
        elif cell.operation.path == "/v1/allocations/{run_id}/items":
            students, _ = self.world.runs[cell.path_values()["run_id"]]
            missing = (students & children_of(self.world, cell.who) & set(self.world.now)) - found
        else:
            return
        if missing:
            yield f"left out {sorted(missing)}"

    def _children(self, cell: Cell) -> frozenset[str]:
        own = children_of(self.world, cell.who)
        if about_cases(cell):
            own |= children_of_cases(self.world, cell.who)
        if about_cases(cell) or cell.operation.path.endswith("/actions"):
            own |= children_who_left(self.world, cell.who)
        return own

    def _schools(self, cell: Cell) -> set[str]:
        """Which schools may appear in an answer: one that was closed keeps its cases."""
        schools = {one for one in SCHOOLS if holds_school(self.world, cell.who, one)}
        keeps = about_cases(cell) and holds(self.world, cell.who, Place(CLOSED, 0, ""))
        told = cell.who.role in ("bureau", "data_team") and cell.who.only is None
        return schools | {CLOSED} if keeps or told else schools

    def _left(self, cell: Cell) -> set[str]:
        """Who has left this principal's school, and is asked about by a route that still helps."""
        asked = cell.path_values().get("student_id")
        told = verdict(self.world, cell.who, cell.operation.method, cell.operation.path, cell.path_values())
        return {asked} if asked is not None and told == "either" else set()

    def _tells_apart(self, cell: Cell, answer: Answer) -> Iterator[str]:
        """Ask the same about nobody wherever a hidden child or school was asked about: nothing may differ."""
        children, schools = self._children(cell), self._schools(cell)
        runs = {one for one in self.world.runs if holds_run(self.world, cell.who, one)}
        runs |= {one for one in self.world.reports if holds_report(self.world, cell.who, one)}
        runs |= {one for one in self.world.cases if holds_case(self.world, cell.who, one)}
        in_path = cell.path_values()
        hidden = [
            one for key, value in cell.values for one in self._ids_in(value)
            if one not in children | schools | runs and one not in self._left(cell)
            and (key.startswith("path.") or not {"student_id", "school_id"} & set(in_path))
        ]  # fmt: skip
        if not hidden or not cell.who.alive:
            return
        swapped = tuple(
            (key, self._nobodys(value, hidden, next_to=key == "query.after")) for key, value in cell.values
        )
        twin = replace(cell, values=swapped)
        key = (cell.who.name, cell.operation.name, swapped, cell.headers)
        if key not in self._nobody:
            self._nobody[key] = self.asker.ask(self.matrix.request(twin)).same_for(_NOBODY.values())
        if answer.same_for((*hidden, *_NOBODY.values())) != self._nobody[key]:
            yield f"{sorted(set(hidden))} can be told from nobody"

    def _ids_in(self, value: str) -> list[str]:
        return [self._who_is[one] for one in self._any.findall(value)] if value not in ODD else []

    def _nobodys(self, value: str, hidden: Sequence[str], *, next_to: bool) -> str:
        """Put nobody in the place of the hidden; `next_to` them, where a list goes on behind an id."""
        for one in hidden:
            for form in forms(one):
                value = value.replace(form, f"{form}0" if next_to else _NOBODY[one[:2]])
        return value


def not_written_down(world: World, judged: Judged, audit_file: str, student_ref: object) -> list[str]:
    """Return requests whose rows in the log of looks are not exactly the children that the answer showed."""
    with sqlite3.connect(audit_file) as file:
        # Who objects to scores is on the ledger all the same, and no child of the world's for anything else.
        rows = file.execute(
            """SELECT request_id, student_ref FROM look
               WHERE shown = 1 AND NOT (student_ref = ? AND route LIKE '/v1/cases%')""",
            (student_ref(OBJECTING),),  # type: ignore[operator]
        ).fetchall()
    file.close()
    written: dict[str, set[str]] = {}
    for request_id, ref in rows:
        written.setdefault(request_id, set()).add(ref)
    refs = {one: student_ref(one) for one in world.children}  # type: ignore[operator]
    return [
        request_id
        for request_id, seen in judged.looks.items()
        if {refs[one] for one in seen} != written.get(request_id, set())
    ]
