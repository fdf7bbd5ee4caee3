"""The official figures counted once more: row by row, in plain Python, from the files themselves.

It shares no line with `riskmodel.indicators`: no SQL, no tables, no formula. It reads the CSV files of a
folder, and follows one child after the other.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, str]
BREAK, COUNTED_AFTER, OVERRUN, LAST_GRADE = 30, 30, 30, 9
LOST = ("dropped_out", "suspended", "transfer_unconfirmed")


def _day(said: str) -> date | None:
    return date.fromisoformat(said) if said else None


def _lasts(number: str) -> bool:
    """Whether a number is a child's own for good: G or J, 18 places, the last of them right."""
    body, last = number.strip().upper()[1:-1], number.strip().upper()[-1:]
    if number.strip().upper()[:1] not in ("G", "J") or len(body) != 17 or not body.isdigit():
        return False
    return last == "10X98765432"[sum(int(d) * 2 ** (17 - at) for at, d in enumerate(body)) % 11]


@dataclass
class Child:
    sex: str = ""
    number: str = ""
    name: str = ""
    born: date | None = None
    spells: list[Row] = field(default_factory=list)
    ledger: list[Row] = field(default_factory=list)
    family: list[Row] = field(default_factory=list)


class Office:
    """A clerk with the files of a county, who knows what had come in by a day."""

    def __init__(self, folder: Path, today: date) -> None:
        self.today = today
        self.schools = {row["school_id"]: row for row in self._rows(folder, "schools")}
        self.terms = sorted(
            ((row["term"], date.fromisoformat(row["start_date"]), date.fromisoformat(row["end_date"]))
             for row in self._rows(folder, "terms")), key=lambda term: term[1],
        )  # fmt: skip
        self.all = {
            name: self._rows(folder, name) for name in ("students", "enrolments", "family", "ledger_events")
        }
        self.children = self._known(today)
        self.people = [row for row in self._rows(folder, "population") if _day(row["recorded_on"]) <= today]

    @staticmethod
    def _rows(folder: Path, name: str) -> list[Row]:
        with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def _known(self, day: date) -> dict[str, Child]:
        children: dict[str, Child] = defaultdict(Child)
        for row in sorted(self.all["students"], key=lambda row: row["recorded_on"]):
            if _day(row["recorded_on"]) <= day:
                child = children[row["student_id"]]
                child.sex, child.number, child.name = row["sex"], row["roll_number"], row["name"]
                child.born = _day(row["birth_date"])
        latest: dict[tuple[str, str, str], Row] = {}
        for row in sorted(self.all["enrolments"], key=lambda row: row["recorded_on"]):
            if _day(row["recorded_on"]) <= day:
                latest[row["student_id"], row["school_id"], row["start_date"]] = row
        for row in latest.values():
            children[row["student_id"]].spells.append(row)
        for name, into in (("family", "family"), ("ledger_events", "ledger")):
            for row in self.all[name]:
                if _day(row["recorded_on"]) <= day:
                    getattr(children[row["student_id"]], into).append(row)
        return dict(children)

    # -- one child on one day -------------------------------------------------------------------------

    def stands(self, child: Child, day: date) -> tuple[str, Row | None, bool]:
        """Return state, spell, and whether the spell runs."""
        begun = [spell for spell in child.spells if _day(spell["start_date"]) <= day]
        if not begun:
            return "", None, False
        running = [spell for spell in begun if not spell["end_date"] or _day(spell["end_date"]) >= day]
        end = "9999-12-31"
        if running:
            spell = max(running, key=lambda s: (s["start_date"], s["end_date"] or end, s["school_id"]))
        else:
            spell = max(begun, key=lambda s: (s["end_date"], s["start_date"], s["school_id"]))
        word = self._ledger_word(child, day)
        why, grade = spell["exit_reason"], int(spell["grade"])
        away = why == "transferred" and spell["to_school_id"] not in self.schools
        settled = why in ("died", "emigrated", "home_teaching") or (
            why == "graduated" and grade >= LAST_GRADE
        )
        verified = word and word[0] == "verified_dropout" and _day(spell["start_date"]) <= word[1]
        if verified and (running or not (settled or away)):
            return "dropped_out", spell, bool(running)
        if running:
            return "in_school", spell, True
        if why == "dropped_out":
            back = word and word[0] == "returned" and word[1] > _day(spell["end_date"])
            return ("unexplained" if back else "dropped_out"), spell, False
        if why == "suspended":
            due = _day(spell["expected_return"])
            over = due is not None and due + timedelta(days=OVERRUN) < day
            return ("dropped_out" if over else "suspended"), spell, False
        if why == "graduated" and grade >= LAST_GRADE:
            return "graduated", spell, False
        if away:
            return "transferred_out", spell, False
        if why in ("died", "emigrated", "home_teaching", "transfer_unconfirmed"):
            return why, spell, False
        if why in ("continued", "graduated", "transferred"):
            later = [start for _, start, _ in self.terms if start > _day(spell["end_date"])]
            waits = not later or day < min(later) + timedelta(days=BREAK)
            return ("in_school" if waits else "not_back"), spell, False
        return "unexplained", spell, False

    def _ledger_word(self, child: Child, day: date) -> tuple[str, date] | None:
        words = [
            (row["event_date"], row["event"] == "verified_dropout", row["recorded_on"], row["event"])
            for row in child.ledger
            if row["event"] in ("verified_dropout", "verified_not_dropout", "returned")
            and _day((self._stood(child, row) and row.get("left_on")) or row["event_date"]) <= day
        ]
        if not words:
            return None
        newest = max(word[0] for word in words)
        of_day = [word for word in words if word[0] == newest]
        against = [word for word in of_day if not word[1]]
        event = (against or of_day)[0][3]
        return event, date.fromisoformat(newest)

    @staticmethod
    def _stood(child: Child, said: Row) -> bool:
        """Whether it is the word of a leaving, which the next word did not take back."""
        words = [
            r for r in child.ledger if r["event"] in ("verified_dropout", "verified_not_dropout", "returned")
        ]
        words.sort(key=lambda r: r["event"], reverse=True)
        words.sort(key=lambda r: (r["event_date"], r["event"] != "verified_dropout", r["recorded_on"]))
        following = words[words.index(said) + 1 :]
        taken_back = following != [] and following[0]["event"] == "verified_not_dropout"
        return said["event"] == "verified_dropout" and not taken_back

    def counted(self, child: Child, day: date) -> Row | None:
        """Return the spell by which a child is counted on a day."""
        state, spell, running = self.stands(child, day)
        return spell if state == "in_school" and running and int(spell["grade"]) <= LAST_GRADE else None

    # -- spans ----------------------------------------------------------------------------------------

    def spans(self) -> list[tuple[str, str, date, date]]:
        counts = [
            (name, start, start + timedelta(days=COUNTED_AFTER), end) for name, start, end in self.terms
        ]
        found = []
        for at, (name, _, first, _) in enumerate(counts):
            following = counts[at + 1][2] if at + 1 < len(counts) else None
            found.append((name, "term", first, following))
        years = sorted({start.year if start.month >= 8 else start.year - 1 for _, start, _, _ in counts})
        for year in years:
            own = [c for c in counts if (c[1].year if c[1].month >= 8 else c[1].year - 1) == year]
            after = [c for c in counts if (c[1].year if c[1].month >= 8 else c[1].year - 1) == year + 1]
            name = f"{year}-{year + 1}"
            found.append((name, "year", own[0][2], after[0][2] if after else None))
            found.append((name, "within_year", own[0][2], own[-1][3]))
        cut = []
        for name, kind, first, last in found:
            if first <= self.today:
                ends = last if last is not None and last <= self.today else self.today
                cut.append((name, kind, first, max(first, ends)))
        return cut

    # -- counts ---------------------------------------------------------------------------------------

    def places(self, school_id: str) -> list[tuple[str, ...]]:
        """Return a school's places, from the region down."""
        school = self.schools.get(school_id, {"county": "", "township": ""})
        county, township = school["county"], school["township"]
        return [("region",), ("county", county), ("township", county, township),
                ("school", county, township, school_id)]  # fmt: skip

    def groups(self, child: Child, spell: Row, last: date) -> list[str]:
        said = {}
        for row in sorted(child.family, key=lambda row: row["recorded_on"]):
            if _day(row["recorded_on"]) <= last:
                said |= {name: value for name, value in row.items() if value}
        tests = {
            "left_behind": said.get("parents_away") in ("one", "both"),
            "boarding": spell["boards"] == "true",
            "migrant": said.get("migrant_child") == "true",
            "disability": said.get("disability", "none") != "none",
            "hardship": said.get("hardship", "none") != "none",
            "orphan": said.get("hardship") in ("orphan", "de_facto_unsupported"),
        }
        return [name for name, holds in tests.items() if holds]

    def slices(
        self, child: Child, spell: Row, last: date, counted: Row | None = None
    ) -> list[tuple[str, str, str]]:
        grade = int(spell["grade"])
        stage = "primary" if grade <= 6 else "junior"
        found = [("all", "", ""), ("stage", stage, ""), ("grade", stage, str(grade))]
        if child.sex:
            found.append(("sex", stage, child.sex))
        return found + [("group", stage, name) for name in self.groups(child, counted or spell, last)]

    def figures(self) -> dict[tuple[object, ...], tuple[int, int, int | None, int | None]]:
        """Return numerator, denominator, unaccounted and already gone by formula, span, place and slice."""
        found: dict[tuple[object, ...], tuple[int, int, int | None, int | None]] = {}
        for name, kind, first, last in self.spans():
            if kind in ("year", "term"):
                for (place, why), lost in self._reasons(first, last).items():
                    found["dropout_rate", name, kind, place, "reason", "", why] = (lost, None, None, None)
            for key, ids in self._tally(first, last).items():
                place, (by, stage, value) = key
                if place[0] == "school" and by in ("sex", "group"):
                    continue
                at = (name, kind, place, by, stage, value)
                beside = (
                    ids["transfer_unconfirmed"] + ids["not_back"] + ids["unexplained"],
                    ids["already_gone"],
                )
                enrolled = ids["enrolled"]
                if kind in ("year", "term"):
                    lost = sum(ids[outcome] for outcome in LOST)
                    found["dropout_rate", *at] = (lost, enrolled, *beside)
                if kind == "year" and by in ("all", "stage"):
                    less = sum(ids[n] for n in (*LOST, "died", "transferred_out", "emigrated", "not_back",
                                                "unexplained", "moved_out"))  # fmt: skip
                    net = less - ids["transferred_in"] - ids["returned"]
                    found["dropout_rate_net", *at] = (net, enrolled, *beside)
                if kind == "within_year" and by in ("all", "stage", "grade"):
                    at_end = ids["here_at_end"]
                    found["yearly_retention", *at] = (at_end, enrolled, *beside)
                    arrived = sum(ids[n] for n in ("entered", "promoted_in", "transferred_in", "returned"))
                    gone = sum(
                        ids[n] for n in ("moved_out", "promoted_out", "transferred_out", "emigrated", "died")
                    )
                    found["yearly_retention_corrected", *at] = (at_end, enrolled + arrived - gone, *beside)
        found |= self._nine_years()
        found |= self._registers()
        return found

    def _reasons(self, first: date, last: date) -> dict[tuple[Any, str], int]:
        """Count who was lost by what the ledger says last of why, or by what else became of them."""
        found: dict[tuple[Any, str], int] = defaultdict(int)
        for child in self.children.values():
            spell, (state, _, _) = self.counted(child, first), self.stands(child, last)
            if spell is None or state not in LOST:
                continue
            said = [
                r
                for r in child.ledger
                if r.get("reason") and _day(r.get("left_on") or r["event_date"]) <= last
            ]
            newest = max(said, key=lambda row: row["event_date"])["reason"] if said else ""
            for place in self.places(spell["school_id"]):
                if place[0] != "school":
                    found[place, newest if state == "dropped_out" else state] += 1
        return found

    def _tally(self, first: date, last: date) -> dict[object, dict[str, int]]:
        found: dict[object, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        then = self._known(first)
        for student, child in self.children.items():
            spell = self.counted(child, first)
            state, at_last, _ = self.stands(child, last)
            here = at_last if state == "in_school" and int(at_last["grade"]) <= LAST_GRADE else None
            here_places = set(self.places(here["school_id"])) if here else set()
            way = self._way(child, spell, here, first, last)
            if spell is not None:
                for place in self.places(spell["school_id"]):
                    for slice_ in self.slices(child, spell, last):
                        counts = found[place, slice_]
                        counts["enrolled"] += 1
                        counts[state] += 1
                        stayed = state in ("in_school", "graduated", "home_teaching")
                        if here is not None and place not in here_places:
                            stayed = False
                            if way in ("transferred", "promoted"):
                                counts["moved_out" if way == "transferred" else "promoted_out"] += 1
                        counts["here_at_end"] += stayed
            elif then.get(student) and self.counted(then[student], first):
                was = self.counted(then[student], first)
                if self.stands(child, first)[0] == "dropped_out":
                    for place in self.places(was["school_id"]):
                        for slice_ in self.slices(child, was, last):
                            found[place, slice_]["already_gone"] += 1
            if here is not None:
                before = set(self.places(spell["school_id"])) if spell else set()
                arrival = {"transferred": "transferred_in", "promoted": "promoted_in"}.get(way, way)
                for place in self.places(here["school_id"]):
                    if place not in before:
                        for slice_ in self.slices(child, here, last, counted=spell):
                            found[place, slice_][arrival] += 1
                            found[place, slice_]["here_at_end"] += 1
        return found

    def _way(self, child: Child, spell: Row | None, here: Row | None, first: date, last: date) -> str:
        if here is None:
            return ""
        if spell is not None:
            if spell["school_id"] == here["school_id"]:
                return "same"
            ended = any(
                s["exit_reason"] == "graduated" and first <= _day(s["end_date"]) < last for s in child.spells
            )
            other_stage = (int(spell["grade"]) > 6) != (int(here["grade"]) > 6)
            return "promoted" if ended or other_stage else "transferred"
        if any(_day(s["start_date"]) <= first for s in child.spells):
            return "returned"
        return "entered" if int(here["grade"]) == 1 else "transferred"

    def _nine_years(self) -> dict[tuple[object, ...], tuple[int, int, int | None, int | None]]:
        years = [span for span in self.spans() if span[1] == "year"]
        found = {}
        for at in range(8, len(years)):
            chain = years[at - 8 : at + 1]
            summer = chain[-1][2] + timedelta(days=240)
            ended = max(end for _, start, end in self.terms if start < summer)
            if chain[-1][3] < ended + timedelta(days=30):
                continue  # graduations are still coming in
            tally: dict[object, dict[str, int]] = defaultdict(lambda: defaultdict(int))
            for child in self.children.values():
                member: list[set[tuple[str, ...]]] = []
                ends = []
                for grade, (_, _, first, last) in enumerate(chain, start=1):
                    spell = self.counted(child, first)
                    own = spell is not None and int(spell["grade"]) == grade
                    member.append(set(self.places(spell["school_id"])[:3]) if own else set())
                    ends.append(self.stands(child, last)[0])
                slices = [("all", "", "")] + ([("sex", "", child.sex)] if child.sex else [])
                for place in set().union(*member):
                    for slice_ in slices:
                        self._follow(tally[place, slice_], place, member, ends)
            for (place, (by, stage, value)), ids in tally.items():
                at_key = (chain[-1][0], "year", place, by, stage, value)
                found["nine_year_retention", *at_key] = (ids["graduates"], ids["entrants"], None, None)
                below = ids["entrants"] + ids["in"] - ids["out"] - ids["died"]
                found["nine_year_retention_corrected", *at_key] = (ids["graduates"], below, None, None)
        return found

    @staticmethod
    def _follow(
        ids: dict[str, int], place: tuple[str, ...], member: list[set[tuple[str, ...]]], ends: list[str]
    ) -> None:
        for year in range(9):
            if place not in member[year]:
                continue
            if year == 0:
                ids["entrants"] += 1
            elif place not in member[year - 1]:
                ids["in"] += 1
            if year == 8:
                goes = ends[8] != "graduated"
                ids["graduates"] += not goes
            else:
                goes = place not in member[year + 1]
            if goes:
                ids["died"] += ends[year] == "died"
                ids["out"] += ends[year] in (
                    "transferred_out",
                    "emigrated",
                    "home_teaching",
                    "in_school",
                    "graduated",
                )

    def _registers(self) -> dict[tuple[object, ...], tuple[int, int, int | None, int | None]]:
        name, _, day, _ = [span for span in self.spans() if span[1] == "year"][-1]
        by_number: dict[str, list[str]] = defaultdict(list)
        by_name: dict[tuple[str, date], list[tuple[str, bool]]] = defaultdict(list)
        counted: dict[object, int] = defaultdict(int)
        for child in self.children.values():
            state, spell, _ = self.stands(child, day)
            if not state:
                continue
            if child.number.strip():
                by_number[child.number.strip().upper()].append(state)
            if child.born:
                by_name[child.name.strip(), child.born].append((state, _lasts(child.number)))
            stage = self._age_group(child.born, name)
            if state == "in_school" and stage:
                for place in self.places(spell["school_id"])[:3]:
                    for slice_ in (("all", "", ""), ("stage", stage, ""), ("sex", stage, child.sex)):
                        counted[place, slice_] += 1
        tally: dict[object, list[int]] = defaultdict(lambda: [0, 0, 0])
        for person in self.people:
            stage = self._age_group(_day(person["birth_date"]), name)
            if not stage or person["source"] not in ("household", "disability"):
                continue
            states = (
                by_number.get(person["roll_number"].strip().upper())
                if person["roll_number"].strip()
                else None
            )
            named = by_name.get((person["name"].strip(), _day(person["birth_date"])), [])
            two = _lasts(person["roll_number"])  # of one name, where each has a number of its own
            states = states or [state for state, lasts in named if not (two and lasts)]
            found_in = any(
                s in ("in_school", "graduated", "home_teaching", "transferred_out") for s in states
            )
            other = any(s not in ("died", "emigrated") for s in states)
            off = bool(states) and not found_in and not other
            places = [
                ("region",),
                ("county", person["county"]),
                ("township", person["county"], person["township"]),
            ]
            for place in places:
                slices = [("all", "", ""), ("stage", stage, "")]
                if person["source"] == "household":
                    slices.append(("sex", stage, person["sex"]))
                for slice_ in slices:
                    ids = tally[person["source"], place, slice_]
                    ids[0] += found_in
                    ids[1] += not off
                    ids[2] += not states
        found: dict[tuple[object, ...], tuple[int, int, int | None, int | None]] = {}
        for (source, place, (by, stage, value)), (inside, total, lost) in tally.items():
            at = (name, "year", place, by, stage, value)
            if source == "disability":
                found["disabled_enrolment_rate", *at] = (inside, total, lost, None)
            else:
                found["enrolment_rate", *at] = (inside, total, lost, None)
                heads = counted.get((place, (by, stage, value)), 0)
                found["enrolment_rate_counted", *at] = (heads, total, lost, None)
        return found

    @staticmethod
    def _age_group(born: date | None, year: str) -> str:
        if born is None:
            return ""
        on = date(int(year[:4]), 8, 31)
        age = on.year - born.year - ((born.month, born.day) > (on.month, on.day))
        return "primary" if 6 <= age <= 11 else "junior" if 12 <= age <= 14 else ""
