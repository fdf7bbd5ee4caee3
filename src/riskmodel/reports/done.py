"""What people did and what they sent: coverage of the data, contacts and aid, and the draft of a circular."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from riskmodel.domain import Language
from riskmodel.hiding import Sum, withheld
from riskmodel.ledger.codes import Kind, State
from riskmodel.official import Place
from riskmodel.official_words import percent, place_words
from riskmodel.reports.page import Lines, Section, Table, rows
from riskmodel.reports.told import Covered, ReportKind, Told, Work
from riskmodel.wording import text
from riskmodel.wording.statements import format_date

_TOTAL = -1
LOW = 0.8
"""A school that has reported fewer of its school days is asked to report the rest."""


def done_sections(told: Told, kind: ReportKind, place: Place, language: Language) -> tuple[Section, ...]:
    """Compose coverage, actions, those expected, the ledgers, and the circular."""

    def say(code: str, **slots: object) -> str:
        return text(f"periodic.{code}", language, **slots)

    writer = _Writer(told, kind, place, language)
    parts = (writer.coverage(), writer.actions(), writer.expected(), writer.ledgers(), writer.circular())
    names = ("coverage", "actions", "expected", "ledgers", "asked" if kind == "school" else "circular")
    return tuple(Section(say(f"sections.{name}"), part) for name, part in zip(names, parts, strict=True))


class _Writer:
    def __init__(self, told: Told, kind: ReportKind, place: Place, language: Language) -> None:
        self.told, self.kind, self.place, self.language = told, kind, place, language
        self.own = set(told.within(place))
        # A school's own report is read by who sees the whole school, and knows its students.
        self.few = 0 if kind == "school" else told.hide_below

    def say(self, code: str, **slots: object) -> str:
        return text(f"periodic.{code}", self.language, **slots)

    def groups(self) -> list[tuple[str, set[str]]]:
        """Return the lines of a table: the place's parts with their schools, or the school itself."""
        parts = self.told.parts(self.place) or [self.place]
        return [
            (place_words(part, self.language, school=self.told.names.get(part.school_id, "")),
             set(self.told.within(part)))
            for part in parts
        ]  # fmt: skip

    def coverage(self) -> tuple[Table | Lines, ...]:
        """How much of the school days was reported, and how many students have marks."""
        lines = []
        for name, schools in self.groups():
            found = [one for one in self.told.covered if one.school_id in schools]
            if found:
                lines.append((
                    name, len(found), _share(found, "reported_days", "school_days"),
                    _share(found, "with_marks", "students"), sum(one.silent for one in found) or "—",
                ))  # fmt: skip
        head = ("place", "schools", "reported", "with_marks", "silent")
        return (Table(tuple(self.say(f"heads.{name}") for name in head), rows(lines)),)

    def actions(self) -> tuple[Table | Lines, ...]:
        """Contact and aid of those listed, from the actions that people recorded."""
        if self.told.work is None:
            return (Lines((self.say("nothing_published"),)),)
        groups = self.groups()
        work = [[one for one in self.told.work if one.school_id in schools] for _, schools in groups]
        counts = {
            count: [sum(getattr(one, count) for one in found) for found in work]
            for count in ("listed", "contacted", "aided", "aid")
        }
        # Whom somebody contacted tells of those who work, and is left out only where the listed are.
        said = {
            count: self._shown(of_places) if count != "contacted" else [str(one) for one in of_places]
            for count, of_places in counts.items()
        }
        lines = [
            (
                name, said["listed"][at], self._share_of_listed("contacted", at, counts, said),
                self._share_of_listed("aided", at, counts, said), sum(one.visits for one in found),
                said["aid"][at], f"{sum(one.hours for one in found):g}",
            )
            for at, ((name, _), found) in enumerate(zip(groups, work, strict=True))
        ]  # fmt: skip
        head = ("place", "listed", "contacted", "aided", "visits", "aid", "hours")
        table = Table(tuple(self.say(f"heads.{name}") for name in head), rows(lines))
        return (table, Lines((self.say("actions_meaning"),)))

    def _share_of_listed(
        self, count: str, at: int, counts: Mapping[str, Sequence[int]], said: Mapping[str, Sequence[str]]
    ) -> str:
        if self.say("withheld") in (said[count][at], said["listed"][at]):
            return self.say("withheld")
        listed = counts["listed"][at]
        return percent(counts[count][at] / listed, 0) if listed else "—"

    def _shown(self, counts: Sequence[int]) -> list[str]:
        """Say the counts of a table's lines; small ones are withheld, and what would give them away."""
        whole = {**dict(enumerate(counts)), _TOTAL: sum(counts)}
        tied = [Sum(_TOTAL, tuple(range(len(counts))))] if len(counts) > 1 else []
        hidden = withheld(whole, tied, below=self.few, worth=lambda line: int(line == _TOTAL))
        return [self.say("withheld") if line in hidden else f"{count:,}" for line, count in enumerate(counts)]

    def expected(self) -> tuple[Table | Lines, ...]:
        """Who is expected and not there, to be found by the spring and autumn visits."""
        counts: dict[str, int] = defaultdict(int)
        for (school, reason), count in self.told.expected.items():
            if school in self.own:
                counts[reason] += count
        lines = [
            (
                self.say(f"expected.{reason}"),
                self.say("fewer_than", few=self.few) if count < self.few else f"{count:,}",
            )
            for reason, count in counts.items()
        ]
        head = (self.say("heads.expected"), self.say("heads.students"))
        visits = [one for one in self.told.work or () if one.school_id in self.own]
        notes = [self.say("expected_meaning" if lines else "expected_none")]
        if self.kind == "county":
            season = "spring" if 2 <= self.told.as_of_date.month <= 7 else "autumn"
            notes.append(self.say(f"visits.{season}", visits=sum(one.visits for one in visits)))
            notes += [self.say("visits.settle")] if lines else []
        return (Table(head, rows(lines)), Lines(tuple(notes)))

    def ledgers(self) -> tuple[Table | Lines, ...]:
        """How many cases stand in which ledger and state: of a school, and of a county with its townships."""
        if self.told.ledgers is None or self.kind not in ("school", "county"):
            return ()
        counts: Counter[tuple[str, str]] = Counter()
        townships = self._own_townships() if self.kind == "county" else set()
        for (school, township, ledger, state), count in self.told.ledgers.items():
            if school in self.own or (not school and township in townships):
                counts[ledger, state] += count
        lines = [
            (
                text(f"ledger.kinds.{ledger}", self.language), text(f"ledger.states.{state}", self.language),
                self.say("fewer_than", few=self.few) if count < self.few else f"{count:,}",
            )
            for ledger in get_args(Kind) for state in get_args(State)
            if (count := counts[ledger, state])
        ]  # fmt: skip
        head = tuple(self.say(f"heads.{name}") for name in ("ledger", "case_state", "cases"))
        return (Table(head, rows(lines)), Lines((self.say("ledgers_meaning" if lines else "ledgers_none"),)))

    def _own_townships(self) -> set[str]:
        """Return the townships of the county that no other county has by the same name."""
        counties: dict[str, set[str]] = defaultdict(set)
        for place in self.told.places.values():
            counties[place.township].add(place.county)
        return {township for township, of in counties.items() if of == {self.place.county}}

    def circular(self) -> tuple[Table | Lines, ...]:
        """Draft the circular: what was done and what is asked for, about data and actions alone."""
        own = [one for one in self.told.covered if one.school_id in self.own]
        if self.kind == "school":
            return (Lines(tuple(self._asked_of_school(own))),)
        name, day = place_words(self.place, self.language), format_date(self.told.as_of_date, self.language)
        if self.place.level == "region":
            lines = [self.say("circular.opening_region", day=day)]
        else:
            lines = [self.say("circular.opening", place=name, day=day)]
        silent = [one for one in own if one.silent]
        late = [
            one for one in own
            if not one.silent and one.reported_days is not None and one.reported_days < LOW * one.school_days
        ]  # fmt: skip
        if own and not silent and not late:
            lines.append(self.say("circular.data_complete", schools=len(own)))
        if silent:
            names = self._named(one.school_id for one in silent)
            lines.append(self.say("circular.silent", count=len(silent), schools=names))
        if late:
            names, share = self._named(one.school_id for one in late), percent(LOW, 0)
            lines.append(self.say("circular.late", count=len(late), share=share, schools=names))
        lines += self._acted([one for one in self.told.work or () if one.school_id in self.own])
        lines += [self.say("circular.asked"), self.say("circular.no_ranking"), self.say("circular.draft")]
        return (Lines(tuple(lines)),)

    def _acted(self, work: list[Work]) -> list[str]:
        listed, contacted = sum(one.listed for one in work), sum(one.contacted for one in work)
        if not listed:
            return [self.say("nothing_published")] if self.told.work is None else []
        if 0 < listed < self.few:
            return []
        lines = [
            self.say(
                "circular.contacted", contacted=contacted, listed=listed, share=percent(contacted / listed, 0)
            )
        ]
        none = [one.school_id for one in work if one.listed and not one.contacted]
        if none:
            lines.append(self.say("circular.no_contact", count=len(none), schools=self._named(none)))
        return lines

    def _asked_of_school(self, own: list[Covered]) -> list[str]:
        lines = []
        for one in own:
            if one.silent:
                lines.append(self.say("asked.silent"))
            elif one.reported_days is not None and one.reported_days < one.school_days:
                lines.append(self.say("asked.days", days=one.school_days - one.reported_days))
        for done in self.told.work or ():
            if done.school_id in self.own and done.contacted < done.listed:
                lines.append(self.say("asked.contacts", students=done.listed - done.contacted))
        count = sum(number for (school, _), number in self.told.expected.items() if school in self.own)
        if count:
            lines.append(self.say("asked.expected", students=count))
        return lines or [self.say("asked.nothing")]

    def _named(self, schools: Iterable[str]) -> str:
        """Name schools; in the circular of a region their counties, with how many are in each."""
        if self.place.level == "region":
            counties = Counter(self.told.places[school].county for school in schools)
            names = [f"{name} ({count})" for name, count in sorted(counties.items())]
        else:
            names = sorted(self.told.names.get(school, school) for school in schools)
        return self.say("name_separator").join(names[:20]) + (self.say("and_more") if len(names) > 20 else "")


def _share(found: list[Covered], part: str, whole: str) -> str:
    told = [one for one in found if getattr(one, part) is not None]
    total = sum(getattr(one, whole) for one in told)
    return percent(sum(getattr(one, part) for one in told) / total, 0) if total else "—"
