"""A random county: some eighty students in four schools, much of it on the edges of what features look at.

Nothing here knows the features, but for the days on which their windows begin and end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

TERMS = (
    ("2023-2024-2", date(2024, 2, 19), date(2024, 7, 5)),
    ("2024-2025-1", date(2024, 9, 2), date(2025, 1, 17)),
    ("2024-2025-2", date(2025, 2, 17), date(2025, 7, 4)),
    ("2025-2026-1", date(2025, 9, 1), date(2026, 1, 16)),
)
SHORT_TERMS = (
    ("a", date(2024, 9, 2), date(2024, 12, 20)), ("b", date(2025, 2, 3), date(2025, 3, 28)),
    ("c", date(2025, 4, 7), date(2025, 7, 4)),
)  # fmt: skip
SCHOOLS = {"A": "east", "B": "east", "C": "west", "D": None}
# School and grade of each student: peers in plenty, six with which a middle can be told, and five.
CLASSES = (
    [("A", 7)] * 26 + [("A", 8)] * 14 + [("B", 7)] * 16 + [("B", 6)] * 8 + [("C", 9)] * 6 + [("D", 7)] * 5
)
AGES = (0, 1, 6, 7, 13, 14, 27, 28, 55, 56, 83, 84, 111, 112, 139, 140, 167, 168, 169)
"""Days before the as-of date between which windows begin and end."""


@dataclass(frozen=True)
class Scene:
    """When the county is looked at, what is known of the past, and what was delivered."""

    day: date
    terms: tuple[tuple[str, date, date], ...] = TERMS
    roll_since: date = date(2023, 9, 1)
    without: tuple[str, ...] = ()


SCENES = (
    Scene(date(2025, 10, 31)),
    Scene(date(2025, 3, 3)),
    Scene(date(2025, 8, 14)),
    Scene(date(2024, 5, 10), terms=TERMS[:1], without=("subsidies",)),
    Scene(date(2025, 12, 19), roll_since=date(2024, 10, 10)),
    Scene(date(2025, 6, 2), terms=SHORT_TERMS),
    Scene(date(2025, 9, 1), roll_since=date(2024, 7, 1), without=("attendance_reports",)),
)
"""Within a term, in its second week, in the break, in the first term that is known, with a roll that reaches
back to the very day that counts for earlier leavers, with 168 days that begin before the former term, and on
the first day of a term."""


def days(count: float) -> timedelta:
    return timedelta(days=int(count))


class County:
    """Draws the records of one scene."""

    def __init__(self, seed: int, scene: Scene, add: Callable[..., None]) -> None:
        self.chance = np.random.default_rng([7, seed])
        self.scene, self.day, self.put = scene, scene.day, add
        begun = [term for term in scene.terms if term[1] <= scene.day]
        term = begun[-1]
        before = [other for other in scene.terms if other[2] < term[1]]
        self.term = term[0]
        self.edges = [self.day - days(age) for age in AGES]
        for start, end in ((term[1], term[2]), *((other[1], other[2]) for other in before[-1:])):
            self.edges += [start, start - days(1), end, end + days(1)]
        self.term_start = term[1]
        self.before = before[-1] if before else None

    def add(self, name: str, /, **row: Any) -> None:
        if name not in self.scene.without:
            self.put(name, **row)

    def maybe(self, share: float) -> bool:
        return bool(self.chance.random() < share)

    def pick(self, *values: Any) -> Any:
        return values[int(self.chance.integers(len(values)))]

    def back(self, *ages: int) -> date:
        """Give a day so many days before the as-of date."""
        return self.day - days(self.pick(*ages))

    def draw(self) -> None:
        self._bureau()
        for number, (school, grade) in enumerate(CLASSES):
            student = f"s{number:02}"
            born = date(2026 - grade - 7 - self.pick(0, 0, 0, 1, 2), 1 + number % 12, 1 + number % 28)
            self.add("students", student_id=student, birth_date=self.pick(born, born, born, None),
                     sex=self.pick("F", "M", None),
                     ethnicity=self.pick("汉", "01", "汉族", "Han", "苗", None),
                     household=self.pick("rural", "urban", None))  # fmt: skip
            self._roll(student, school, grade)
            if number == 0:
                self._always_away(student)
            elif number == 7:
                self._half_and_half(student)
            elif number % 7:
                self._absences(student)
            self._exams(student)
            self._home(student)
            self._aid(student)
        self._leavers()

    def _bureau(self) -> None:
        for school, township in SCHOOLS.items():
            self.add(
                "schools", school_id=school, name=school, county="c", township=township, stage="nine_year"
            )
        for term, start, end in self.scene.terms:
            self.add("terms", term=term, start_date=start, end_date=end)
        for back in (2, 9, 30, 61, 200):
            on = self.day - days(back)
            self.add("calendar", date=on, school_id=self.pick(None, "A", "B"), is_school_day=on.weekday() > 4)
        first, last = date(2023, 9, 1), self.day
        self.add("attendance_reports", school_id="A", start_date=first, end_date=last - days(70))
        for back in range(69, 0, -1):
            if back % 11:
                on = last - days(back)
                self.add("attendance_reports", school_id="A", start_date=on, end_date=on)
        self.add("attendance_reports", school_id="B", start_date=first, end_date=last)
        # Silent for more than two months, and one week of it within the last month.
        self.add("attendance_reports", school_id="C", start_date=first, end_date=last - days(66))
        self.add("attendance_reports", school_id="C", start_date=last - days(20), end_date=last - days(14))

    def _roll(self, student: str, school: str, grade: int) -> None:
        """Up to three school years in spells, and what may come between them."""
        start, now = max(self.scene.roll_since, date(2023, 9, 1)), self._now(student)
        others = [other for other in SCHOOLS if other != school]
        at, level, boards = (
            self.pick(school, *others),
            grade - self.pick(0, 1, 1, 2),
            self.pick(True, False, None),
        )
        while start < now and self.maybe(0.85):
            end = min(start + days(self.pick(60, 130, 200, 320)), now - days(1))
            reason = self.pick(
                "continued", "continued", "transferred", "graduated", "suspended", "dropped_out"
            )
            # Some spells are closed late, or never.
            closed = self.pick(*[end] * 10, now + days(9), None)
            self.add("enrolments", student_id=student, school_id=at, start_date=start, grade=max(level, 1),
                     boards=boards, end_date=closed, exit_reason=reason if closed else None,
                     recorded_on=end)  # fmt: skip
            start = end + days(self.pick(1, 1, 1, 40, 120, 121, 200))
            at, level = self.pick(school, at, *others), level + self.pick(0, 1)
            boards = self.pick(boards, True, False, None)
        end = self.pick(None, None, None, None, self.day, self.day + days(1))
        self.add("enrolments", student_id=student, school_id=school, start_date=now, grade=grade,
                 boards=self.pick(True, False, False, None), end_date=end,
                 exit_reason="continued" if end else None, recorded_on=now)  # fmt: skip
        if self.maybe(0.1):
            self.add("enrolments", student_id=student, school_id="B", start_date=self.day + days(20),
                     grade=grade, boards=True, recorded_on=self.day - days(3))  # fmt: skip

    def _now(self, student: str) -> date:
        """Day on which the running spell began."""
        if student == "s00":
            return max(self.scene.roll_since, date(2023, 9, 1))
        starts = [self.term_start] * 6 + [
            self.day,
            self.back(1, 20, 40),
            self.back(364, 365),
            self.back(729, 730),
        ]
        starts += [self.before[1]] * 3 if self.before else []
        return max(min(self.pick(*starts), self.day), self.scene.roll_since)

    def _always_away(self, student: str) -> None:
        for back in range(400):
            on = self.day - days(back)
            self.add(
                "attendance", student_id=student, start_date=on, end_date=on, days_absent=1, days_unexcused=1
            )

    def _half_and_half(self, student: str) -> None:
        """Half of each day of a week by one row, and the other half by another."""
        monday = self.day - days(21 + self.day.weekday())
        for last in (4, 5):
            self.add("attendance", student_id=student, start_date=monday, end_date=monday + days(last),
                     days_absent=2.5)  # fmt: skip

    def _absences(self, student: str) -> None:
        told = set()
        for _ in range(int(self.chance.integers(0, 9))):
            first = (
                self.pick(*self.edges) if self.maybe(0.6) else self.day - days(self.chance.integers(0, 330))
            )
            for run in range(self.pick(1, 1, 1, 2, 3, 9)):
                told.add((first + days(run), first + days(run)))
        for _ in range(self.pick(0, 0, 1, 2, 3)):
            last = (
                self.pick(*self.edges) if self.maybe(0.5) else self.day - days(self.chance.integers(0, 200))
            )
            told.add((last - days(self.pick(1, 3, 10, 30)), last))
        for first, last in sorted(told):
            length = (last - first).days
            absent = self.pick(0, 2, length, length + 1) if length else self.pick(0, 0.5, 0.99, 1, 1, 1, 1)
            row = {"student_id": student, "start_date": first, "end_date": last, "days_absent": absent,
                   "days_unexcused": self.pick(absent, 0, 0, absent / 2, *([None] * self.maybe(0.2))),
                   "times_late": self.pick(0, 1, 2, None)}  # fmt: skip
            self.add("attendance", **row)

    def _exams(self, student: str) -> None:
        if self.maybe(0.08):
            return
        ages = {0, 7, 8, 15, 22, 27, 90, 180, 364, 365, 500, 1094, 1095}
        when = {self.back(age) for age in ages if self.maybe(0.5)} | {self.day + days(2)}
        for edge in self.edges[len(AGES) :]:
            if self.maybe(0.3):
                when.add(edge)
        sits = self.maybe(0.95)
        for on in sorted(when):
            for subject in ("chinese", "mathematics", "english"):
                status = self.pick(*["sat"] * 8, "absent", "exempt", "void", "deferred") if sits else "absent"
                full = self.pick(100, 120, 150)
                score = self.pick(0.6 * full, *(self.chance.random(4) * full).round(1))
                self.add("grades", student_id=student, subject=subject, exam_date=on, exam="monthly",
                         full_score=full, status=status, recorded_on=min(on, self.day),
                         score=score if status == "sat" and self.maybe(0.95) else None)  # fmt: skip

    def _home(self, student: str) -> None:
        ages = {self.pick(0, 3, 60, 179, 180, 181, 300, 600) for _ in range(self.pick(0, 1, 2, 3, 4))}
        for age in sorted(ages):
            self.add(
                "family", student_id=student, recorded_on=self.day - days(age),
                carer=self.pick(None, "both_parents", "one_parent", "grandparents", "other"),
                parents_away=self.pick(None, "none", "none", "one", "both"),
                hardship=self.pick(None, "none", "low_income"), disability=self.pick(None, "none", "hearing"),
                siblings=self.pick(None, 0, 1, 3), sibling_left_school=self.pick(None, True, False),
                distance_km=self.pick(None, 0.5, 4, 12), migrant_child=self.pick(None, True, False),
                carer_schooling_years=self.pick(None, 6, 9),
            )  # fmt: skip

    def _aid(self, student: str) -> None:
        ends = [self.term_start, self.term_start - days(1), self.day, self.day - days(1), self.day + days(9)]
        starts = [
            self.day,
            self.day + days(4),
            self.back(364),
            self.back(365),
            self.back(200),
            self.term_start,
        ]
        if self.before:
            ends += [self.before[1], self.before[1] - days(1), self.before[2]]
            starts += [self.before[1], self.before[2], self.before[2] + days(1)] * 2
        given = {(self.pick("living_cost", "living_cost", "nutrition"), self.pick(*starts))
                 for _ in range(self.pick(0, 1, 1, 2, 3))}  # fmt: skip
        for programme, start in sorted(given):
            end = self.pick(None, *(on for on in ends if on >= start))
            self.add("subsidies", student_id=student, programme=programme, start_date=start, end_date=end,
                     amount_yuan=self.pick(100, 250, 500), recorded_on=min(start, self.day))  # fmt: skip

    def _leavers(self) -> None:
        """Students of earlier years, some of whom left around the year that counts."""
        until = self.day - days(70)
        since = until - days(365)
        for number in range(40):
            school = self.pick("A", "A", "B", "C")
            start = self.pick(
                since - days(200), since, since + days(100), until - days(1), until, until + days(1)
            )
            ends = [
                since - days(2),
                since - days(1),
                since,
                since + days(50),
                until - days(1),
                until,
                until + days(3),
            ]
            end = self.pick(None, *(on for on in ends if on >= start))
            start = max(start, min(self.scene.roll_since, end or start))
            student, reason = f"e{number:02}", self.pick("dropped_out", "dropped_out", "transferred")
            self.add("students", student_id=student)
            self.add("enrolments", student_id=student, school_id=school, start_date=start,
                     grade=self.pick(6, 7, 9, 10), end_date=end, exit_reason=reason if end else None,
                     recorded_on=end or start)  # fmt: skip
