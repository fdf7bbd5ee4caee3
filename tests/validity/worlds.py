"""Fictional worlds: a few students in three schools, and when each thing about them was recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from riskmodel.domain import AsOf
from riskmodel.records.contract import table
from riskmodel.records.keeping.rows import BEGINNING

Row = dict[str, Any]
Tables = dict[str, list[Row]]

TERMS = (
    ("2023-2024-2", date(2024, 2, 19), date(2024, 7, 5)),
    ("2024-2025-1", date(2024, 9, 2), date(2025, 1, 17)),
    ("2024-2025-2", date(2025, 2, 17), date(2025, 7, 4)),
    ("2025-2026-1", date(2025, 9, 1), date(2026, 1, 16)),
    ("2025-2026-2", date(2026, 2, 16), date(2026, 7, 3)),
)
SCHOOLS = ("A", "B", "C")
DELAYS = (0, 0, 1, 4, 12, 45)
"""Days from an event to its record."""


def days(count: int) -> timedelta:
    return timedelta(days=int(count))


def known_on(name: str, row: Row) -> date:
    """When a row is known, by the record contract, reckoned here without the product."""
    if row.get("recorded_on"):
        return row["recorded_on"]
    events = [row.get(column) for column in table(name).event_dates or ()]
    return max((on for on in events if on), default=BEGINNING)


@dataclass(frozen=True)
class World:
    """A county of a few students in three schools, around an as-of date.

    `watched` has a record of every kind that was known on the as-of date, recent enough to count.
    """

    seed: int
    as_of: AsOf
    earlier: AsOf
    """A date whose outcomes are known on the as-of date."""
    next_snapshot: AsOf
    tables: Tables
    watched: str = "w0"


class Author:
    """Writes the records of one world: everything that happens to a student, and when it was recorded."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.seed = seed
        # Mostly within a term, where records come in every day; sometimes in a break or at its edge.
        term = TERMS[int(self.chance.integers(2, 4))]
        offset = int(self.chance.choice([4, 20, 33, 56, 57, 90, 120, 140, 160]))
        self.day = term[1] + days(offset)
        self.term = term[0]
        self.rows: Tables = defaultdict(list)
        self.said: dict[str, set[Any]] = defaultdict(set)

    def world(self) -> World:
        self._bureau()
        students = [f"w{n}" for n in range(3)] + [f"s{n}" for n in range(int(self.chance.integers(9, 16)))]
        for number, student in enumerate(students):
            self._student(student, number)
        self._on_the_edge()
        earlier = self.day - days(110)
        return World(
            seed=self.seed,
            as_of=AsOf(self.day, self.day + days(90), self.term),
            earlier=AsOf(earlier, earlier + days(90), max(t for t, start, _ in TERMS if start <= earlier)),
            next_snapshot=AsOf(self.day + days(7), self.day + days(97), self.term),
            tables=dict(self.rows),
        )

    def put(self, name: str, /, **row: Any) -> None:
        """Add a statement; of two about one fact that are known from the same day the first holds."""
        closed = row.get("end_date") is not None if table(name).spell else None
        key = tuple(row.get(column) for column in table(name).key)
        said = row.get("recorded_on")
        # Intake refuses two of one record date; where one has none, the order in the file would decide.
        alike = {(key, said, None if said else closed), (key, known_on(name, row), closed)}
        if not alike & self.said[name]:
            self.said[name] |= alike
            self.rows[name].append(row)

    def recorded(self, on: date) -> date:
        return on + days(self.chance.choice(DELAYS))

    def maybe(self, share: float) -> bool:
        return bool(self.chance.random() < share)

    def pick(self, values: Sequence[Any]) -> Any:
        return values[int(self.chance.integers(len(values)))]

    def _bureau(self) -> None:
        for school in SCHOOLS:
            self.put("schools", school_id=school, name=school, county="c", township=f"t{school < 'C'}",
                     stage="nine_year")  # fmt: skip
            for number in range(30):
                first = date(2024, 2, 1) + days(30 * number)
                if self.maybe(0.9):
                    self.put("attendance_reports", school_id=school, start_date=first,
                             end_date=first + days(29), recorded_on=self.recorded(first + days(29,
        )))  # fmt: skip
            # Reported day by day around the as-of date, or nothing of a running month would count.
            for number in range(-60, 40):
                on = self.day + days(number)
                self.put("attendance_reports", school_id=school, start_date=on, end_date=on,
                         recorded_on=on + days(self.chance.choice([0, 0, 0, 1])))  # fmt: skip
        for term, start, end in TERMS:
            self.put("terms", term=term, start_date=start, end_date=end)
        for number in (-400, -30, -9, 12):
            on = self.day + days(number)
            self.put("calendar", date=on, school_id=self.pick([None, "A"]), is_school_day=on.weekday() > 4,
                     reason="other")  # fmt: skip
        for number in range(6):
            on = self.day + days(30 * number - 90)
            self.put("population", source="household", person_id=f"p{number}", name="n",
                     birth_date=date(2012, 1, 1), recorded_on=on)  # fmt: skip

    def _student(self, student: str, number: int) -> None:
        watched = student.startswith("w")
        born = date(2011 + number % 4, 1 + number % 12, 1 + number)
        known = self.day - days(700) if watched or self.maybe(0.9) else self.recorded(self.day)
        about = {"student_id": student, "roll_number": f"L{number:018}", "name": f"王{number}",
                 "birth_date": born, "sex": self.pick("FM"), "household_id": f"h{number // 2}"}  # fmt: skip
        self.put("students", **about, recorded_on=known)
        if self.maybe(0.4):
            later = about | {"roll_number": f"L{number + 500:018}", "birth_date": born - days(200)}
            self.put("students", **later, recorded_on=known + days(self.chance.integers(1, 900)))
        self._spells(student, watched, school=SCHOOLS[0 if watched else number % 3], grade=7 + number % 2)
        self._absences(student)
        self._exams(student)
        self._home(student)

    def _spells(self, student: str, watched: bool, *, school: str, grade: int) -> None:
        for _, start, end in TERMS[:4]:
            began = start + days(0 if watched else self.chance.choice([0, 0, 0, 10]))
            opening = {"student_id": student, "school_id": school, "start_date": began, "grade": grade,
                       "class_name": "1", "boards": self.maybe(0.5)}  # fmt: skip
            without_day = not watched and self.maybe(0.2)
            if watched or self.maybe(0.85):
                self.put("enrolments", **opening,
                         recorded_on=began if watched else None if without_day else self.recorded(began,
        ))  # fmt: skip
            last, reason = end, "continued"
            if not watched and self.maybe(0.25):
                last = began + days(self.chance.integers(1, 130))
                reason = self.pick(
                    ["dropped_out", "transferred", "transfer_unconfirmed", "suspended", "died"]
                )
            for _ in range(1 if watched else 1 + self.maybe(0.2)):
                self.put("enrolments", **opening, end_date=last, exit_reason=reason,
                         to_school_id=self.pick([None, "B", "X"]) if reason.startswith("transfer") else None,
                         expected_return=last + days(40) if reason == "suspended" else None,
                         recorded_on=None if without_day else self.recorded(last))  # fmt: skip
                last, reason = last + days(self.chance.integers(0, 9)), self.pick([reason, "dropped_out"])
            grade = min(9, grade + self.maybe(0.5))
        self.put("ledger_events", student_id=student, event_date=self.day - days(300), event="visited",
                 recorded_on=self.day - days(300))  # fmt: skip
        for event, on in (("verified_dropout", 40), ("returned", 70), ("visited", -20), ("suspected", 3)):
            if not watched and self.maybe(0.12):
                happened = self.day + days(on - self.chance.integers(0, 60))
                self.put("ledger_events", student_id=student, event_date=happened, event=event,
                         left_on=happened - days(5) if event == "verified_dropout" else None,
                         recorded_on=self.recorded(happened))  # fmt: skip

    def _absences(self, student: str) -> None:
        for _ in range(int(self.chance.integers(12, 30))):
            on = self.day + days(self.chance.integers(-190, 60))
            for run in range(int(self.chance.choice([1, 1, 2, 5]))):
                day = on + days(run)
                # What is watched shall be the last that was known.
                if not student.startswith("w") or not -9 <= (day - self.day).days <= 9:
                    self._absence(student, day, day)
        for month in range(2):
            first = self.day - days(150 - 35 * month)
            if self.maybe(0.5):
                self._absence(student, first, first + days(27), most=8)
        self.put("attendance", student_id=student, start_date=self.day - days(2), end_date=self.day - days(2),
                 days_absent=1, days_unexcused=0, times_late=1, recorded_on=self.day - days(1))  # fmt: skip

    def _absence(self, student: str, first: date, last: date, most: int = 1) -> None:
        absent = self.chance.integers(0, 2 * most + 1) / 2
        row = {"student_id": student, "start_date": first, "end_date": last, "days_absent": absent,
               "days_unexcused": self.pick([absent, 0, None]), "times_late": self.pick([0, 1, None],
        )}  # fmt: skip
        recorded = self.recorded(last)
        self.put("attendance", **row, recorded_on=self.pick([None, recorded, recorded, recorded]))
        if self.maybe(0.2):
            self.put("attendance", **(row | {"days_absent": 0, "days_unexcused": 0}),
                     recorded_on=recorded + days(self.chance.integers(1, 40)))  # fmt: skip

    def _exams(self, student: str) -> None:
        for back in (400, 330, 200, 150, 60, 25, 3, -15):
            on = self.day - days(back)
            for subject in ("chinese", "mathematics", "english"):
                status = self.pick(["sat"] * 7 + ["absent", "exempt", "void"]) if back != 25 else "sat"
                row = {"student_id": student, "subject": subject, "exam_date": on, "exam": "monthly",
                       "full_score": 100, "status": status,
                       "score": int(self.chance.integers(20, 100)) if status == "sat" else None}  # fmt: skip
                recorded = self.recorded(on) if back != 25 else on + days(2)
                self.put("grades", **row, recorded_on=recorded)
                if self.maybe(0.1) and status == "sat":
                    self.put("grades", **(row | {"score": 5}), recorded_on=recorded + days(30))

    def _home(self, student: str) -> None:
        for back in (0, *self.chance.integers(-60, 500, 3)):
            self.put("family", student_id=student, recorded_on=self.day - days(back),
                     carer=self.pick([None, "both_parents", "grandparents"]),
                     parents_away=self.pick([None, "none", "one", "both"]),
                     hardship=self.pick([None, "none", "low_income"]),
                     distance_km=None if back and self.maybe(0.3) else int(self.chance.integers(1, 20)),
                     siblings=int(self.chance.integers(0, 4)), sibling_left_school=self.maybe(0.2,
        ))  # fmt: skip
        for back in (300, 120, int(self.chance.integers(-30, 200))):
            start = self.day - days(back)
            grant = {"student_id": student, "programme": self.pick(["living_cost", "nutrition"]),
                     "start_date": start, "amount_yuan": int(self.chance.integers(1, 9)) * 100}  # fmt: skip
            self.put("subsidies", **grant, recorded_on=start if back == 120 else self.recorded(start))
            if self.maybe(0.6):
                end = start + days(self.chance.integers(10, 200))
                self.put("subsidies", **grant, end_date=end, recorded_on=self.recorded(end))

    def _on_the_edge(self) -> None:
        """Make some rows of each table known on the as-of date itself, and some a day later."""
        for name in (
            "attendance",
            "grades",
            "ledger_events",
            "attendance_reports",
            "enrolments",
            "subsidies",
        ):
            for day in (self.day, self.day + days(1)):
                near = [row for row in self.rows[name]
                        if self.day - days(20) < (row.get("recorded_on") or BEGINNING) < self.day
                        and not row.get("student_id", "").startswith("w")]  # fmt: skip
                for row in near[:2]:
                    self._say_anew(name, row, day)

    def _say_anew(self, name: str, row: Row, on: date) -> None:
        """State a fact once more, otherwise, on a day."""
        change = {"attendance": {"days_absent": 0.5}, "grades": {"score": 1, "status": "sat"},
                  "subsidies": {"amount_yuan": 7}, "enrolments": {"class_name": "9", "boards": True,
        }}  # fmt: skip
        self.put(name, **(row | change.get(name, {}) | {"recorded_on": on}))
