"""Ways to poison a world: what became known only after its as-of date is made into something else.

A spell of which only a closed row was ever sent is, by the record contract, taken as opened on its start: its
key, and what the row tells of the opening, count as known then and are left alone. A spell whose opening was
recorded late is poisoned whole, opening and closing together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import numpy as np

from riskmodel.records.contract import Column, table

from .worlds import SCHOOLS, Row, Tables, World, days, known_on

DATED = ("students", "enrolments", "attendance", "attendance_reports", "grades", "family", "subsidies",
         "ledger_events", "population")  # fmt: skip
"""Tables whose rows say, or let one reckon, when they were known."""
_OF_THE_CLOSING = ("end_date", "exit_reason", "to_school_id", "expected_return")

Poison = Callable[[World, np.random.Generator], tuple[Tables, int]]


class Poisoner:
    """Changes a copy of a world's tables; `touched` counts the rows that are no longer as they were."""

    def __init__(self, world: World, chance: np.random.Generator) -> None:
        self.world, self.chance, self.touched = world, chance, 0
        self.day = world.as_of.as_of_date
        self.students = [row["student_id"] for row in world.tables["students"]]

    def tables(self) -> Tables:
        return {name: [dict(row) for row in rows] for name, rows in self.world.tables.items()}

    def later(self, most: int = 200) -> date:
        """Draw a day after the as-of date, often the very next one."""
        return self.day + days(self.chance.choice([1, self.chance.integers(1, most)]))

    def is_later(self, name: str, row: Row) -> bool:
        return known_on(name, row) > self.day

    def value(self, column: Column, row: Row) -> Any:
        if column.name in ("to_school_id", "school_id"):
            return str(self.chance.choice(SCHOOLS))
        if column.name == "student_id":
            return str(self.chance.choice(self.students))
        if column.name == "roll_number":
            return f"L{self.chance.integers(10**17):018}"
        if column.kind == "code":
            return str(self.chance.choice(column.codes))
        if column.kind == "boolean":
            return bool(self.chance.integers(2))
        if column.kind in ("integer", "number"):
            return int(self.chance.integers(int(column.minimum or 0), int(min(column.maximum or 90, 90))))
        if column.kind == "date":
            return max(row.get("start_date") or date.min, self.day + days(self.chance.integers(-120, 120)))
        return f"x{self.chance.integers(99)}"

    def altered(self, name: str, row: Row) -> Row:
        """Give every column but the key and the day of record another value, as far as intake lets it."""
        if name == "terms":
            return row | {"start_date": row["start_date"] - days(3), "end_date": row["end_date"] + days(5)}
        free = [c for c in table(name).columns if not c.key and c.name != "recorded_on"]
        if table(name).spell and row.get("end_date") is None:
            free = [c for c in free if c.name not in _OF_THE_CLOSING]
        new = row | {column.name: self.value(column, row) for column in free}
        if name == "grades":
            new["full_score"] = 100
            new["score"] = new["score"] if new["status"] == "sat" else None
        if name == "attendance":
            new["days_absent"] = int(self.chance.integers(0, 2 + (row["end_date"] - row["start_date"]).days))
        return new

    def spells(self, name: str, tables: Tables) -> Iterator[tuple[list[Row], str]]:
        """Give the rows of each spell, and what of it may be poisoned: `all`, `later` rows, or `closing`."""
        groups: dict[Any, list[Row]] = {}
        for row in tables[name]:
            groups.setdefault(tuple(row[key] for key in table(name).key), []).append(row)
        for rows in groups.values():
            is_opened = any(row.get("end_date") is None for row in rows)
            if any(not self.is_later(name, row) for row in rows):
                yield rows, "later"
            else:
                yield rows, "all" if is_opened else "closing"

    def deleted(self) -> Tables:
        tables = self.tables()
        for name in DATED:
            before = len(tables[name])
            if table(name).spell:
                tables[name] = [
                    row
                    for rows, part in self.spells(name, tables)
                    for row in rows
                    if part == "closing" or (part == "later" and not self.is_later(name, row))
                ]
            elif name != "students":
                tables[name] = [row for row in tables[name] if not self.is_later(name, row)]
            self.touched += before - len(tables[name])
        # Intake refuses rows about a student of whom `students` says nothing: then one statement stays.
        named = {row["student_id"] for name in DATED if table(name).per_student and name != "students"
                 for row in tables[name]}  # fmt: skip
        told = [row for row in tables["students"] if not self.is_later("students", row)]
        lacking = named - {row["student_id"] for row in told}
        tables["students"] = told + [{"student_id": student, "recorded_on": self.later()}
                                     for student in sorted(lacking)]  # fmt: skip
        self.touched += len(self.world.tables["students"]) - len(told)
        return tables

    def changed(self) -> Tables:
        tables = self.tables()
        for name in DATED:
            if table(name).spell:
                rows = [self._changed_spell(name, row, part) for group, part in self.spells(name, tables)
                        for row in group]  # fmt: skip
            else:
                rows = [self._changed(name, row) for row in tables[name]]
            tables[name] = rows
        return tables

    def scrambled(self) -> Tables:
        """Let every later row tell of somebody else and of other days, before the as-of date too."""
        tables = self.tables()
        for name in DATED:
            if name in ("students", "population"):
                tables[name] = [self._changed(name, row) for row in tables[name]]
            elif table(name).spell:
                tables[name] = [row for group, part in self.spells(name, tables)
                                for row in self._scrambled_spell(name, group, part)]  # fmt: skip
            else:
                tables[name] = [self._scrambled(name, row) for row in tables[name]]
        return self.once(tables)

    def added(self, tables: Tables) -> Tables:
        """Add, in every table, new statements about known facts and new facts, all recorded later."""
        for name in DATED:
            spells = {id(row) for group, part in self.spells(name, tables) if part != "closing"
                      for row in group} if table(name).spell else set()  # fmt: skip
            for row in list(tables[name]):
                of_spell = table(name).spell and (id(row) not in spells or row.get("end_date") is None)
                if self.chance.random() < 0.3 and not of_spell:
                    tables[name].append(self.altered(name, row) | {"recorded_on": self.later()})
                    self.touched += 1
        self._new_students(tables)
        for name in ("attendance", "grades", "family", "ledger_events", "subsidies", "attendance_reports"):
            for _ in range(15):
                row = self.altered(name, self._new_fact(name)) | {"recorded_on": self.later()}
                if table(name).spell:  # a closed row alone would tell of an opening
                    row = {key: value for key, value in row.items() if key not in _OF_THE_CLOSING}
                tables[name].append(row)
                self.touched += 1
        return self.once(tables)

    def revised(self) -> Tables:
        """Send everything again some day later: rows changed, left out, or new, whatever they are about."""
        tables = self.added(self.scrambled())
        keep = {"students": 1.0, "schools": 1.0, "terms": 0.8, "calendar": 0.5}
        for name, rows in tables.items():
            of = table(name)
            told: list[Row] = []
            for row in rows:
                fate = self.chance.random()
                if self.is_later(name, row) or fate < 0.4:
                    told.append(row)
                elif of.spell and row.get("end_date") is None:
                    told.append(row)  # an opening that is taken away makes the closing tell of another
                elif fate < 0.7 or keep.get(name, 0) == 1.0:
                    told.append(self.altered(name, row))
                    self.touched += 1
                elif self.chance.random() < keep.get(name, 0.1):
                    told.append(row)
                else:
                    self.touched += 1
            tables[name] = told or rows
        return tables

    def once(self, tables: Tables) -> Tables:
        """Keep one of several statements about one fact of one day."""
        for name, rows in tables.items():
            kept: dict[Any, Row] = {}
            for row in sorted(rows, key=lambda row: self.is_later(name, row)):
                said = row.get("recorded_on")
                closed = row.get("end_date") is not None if table(name).spell and said is None else None
                kept.setdefault((*(row.get(key) for key in table(name).key), said, closed), row)
            tables[name] = list(kept.values())
        return tables

    def _changed(self, name: str, row: Row) -> Row:
        if not self.is_later(name, row):
            return row
        self.touched += 1
        new = self.altered(name, row)
        return new if self.is_later(name, new) else new | {"recorded_on": self.later()}

    def _changed_spell(self, name: str, row: Row, part: str) -> Row:
        new = self._changed(name, row)
        if part == "closing" and new is not row:
            new |= {key: row[key] for key in row if key not in (*_OF_THE_CLOSING, "recorded_on")}
        return new

    def _scrambled(self, name: str, row: Row) -> Row:
        if not self.is_later(name, row):
            return row
        self.touched += 1
        shift = days(self.chance.integers(-150, 60))
        new = {key: value + shift if isinstance(value, date) and key != "recorded_on" else value
               for key, value in row.items()}  # fmt: skip
        if "student_id" in row:
            new["student_id"] = str(self.chance.choice(self.students))
        return self.altered(name, new) | {"recorded_on": self.later()}

    def _scrambled_spell(self, name: str, group: list[Row], part: str) -> list[Row]:
        if part != "all":
            return [self._changed_spell(name, row, part) for row in group]
        taken = {tuple(row[key] for key in table(name).key) for row in self.world.tables[name]}
        while True:
            whose = str(self.chance.choice(self.students))
            start = group[0]["start_date"] + days(self.chance.integers(-60, 30))
            moved_to = group[0] | {"student_id": whose, "start_date": start}
            if tuple(moved_to[key] for key in table(name).key) not in taken:
                break
        moved = []
        for row in group:
            self.touched += 1
            new = self.altered(name, row | {"student_id": whose, "start_date": start})
            moved.append(new | {"recorded_on": self.later()})
        opening = {k: v for k, v in moved[0].items() if k not in _OF_THE_CLOSING}
        return [opening | {"recorded_on": self.later()}, *moved]

    def _new_fact(self, name: str) -> Row:
        on = self.day + days(self.chance.integers(-100, 30))
        row: Row = {column.name: self.value(column, {}) for column in table(name).columns if column.key}
        return row | {key: on for key in ("start_date", "end_date", "exam_date", "event_date")
                      if key in {column.name for column in table(name).columns}}  # fmt: skip

    def _new_students(self, tables: Tables) -> None:
        """Add children whom nobody knew, and late spells of known ones, begun long before."""
        for number in range(3):
            tables["students"].append({"student_id": f"new{number}", "recorded_on": self.later()})
        for student in ("new0", "new1", "new2", *self.chance.choice(self.students, 4, replace=False)):
            start = self.day - days(self.chance.integers(3, 90))
            spell = {"student_id": str(student), "school_id": "B", "start_date": start, "grade": 7}
            recorded = self.later()
            tables["enrolments"].append(spell | {"recorded_on": recorded})
            if self.chance.random() < 0.5:
                closing = {"end_date": start + days(2), "exit_reason": "dropped_out"}
                tables["enrolments"].append(spell | closing | {"recorded_on": recorded + days(1)})
            self.touched += 2


def without_later(world: World, chance: np.random.Generator) -> tuple[Tables, int]:
    """Delete every row known later."""
    poisoner = Poisoner(world, chance)
    return poisoner.deleted(), poisoner.touched


def changed_and_added(world: World, chance: np.random.Generator) -> tuple[Tables, int]:
    """Change every row known later, and add more."""
    poisoner = Poisoner(world, chance)
    return poisoner.added(poisoner.changed()), poisoner.touched


def scrambled(world: World, chance: np.random.Generator) -> tuple[Tables, int]:
    """Let every row known later tell of somebody else and of other days."""
    poisoner = Poisoner(world, chance)
    return poisoner.scrambled(), poisoner.touched


def revised(world: World, chance: np.random.Generator) -> tuple[Tables, int]:
    """Send everything again, in a later delivery, otherwise."""
    poisoner = Poisoner(world, chance)
    return poisoner.revised(), poisoner.touched
