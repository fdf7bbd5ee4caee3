"""Three fictional school years lived day by day: what schools, townships and a bureau tell the ledgers.

Children go away, for reasons of every kind; schools notice late, write down late, write down wrongly and put
it right; one school calls its leavers transfers; schools merge, a township is divided, children move, come
back, are followed up and leave again; closings are proposed, refused and confirmed. All of it goes through
the public functions of the store; what must come of it says a clerk (`clerk.py`) who sees the same days.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from riskmodel.domain import Band, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.errors import StoreError
from riskmodel.ledger.cases import Entry, Home, PlanStep
from riskmodel.ledger.deadlines import LedgerRule
from riskmodel.store import cases, children, engine, ledger, ledger_check, ledger_totals
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

from .clerk import KEPT, MAY, NEEDS, NOBODYS, NOT_ALLOWED, REFUSED, Clerk, Line, Stand

FIRST_DAY = date(2023, 9, 1)
RULES = [
    {"from": date(2020, 1, 1), "first": 7, "verify": 28, "every": 30, "weeks": (1, 2, 4, 8), "closing": 14},
    {"from": date(2025, 2, 15), "first": 3, "verify": 21, "every": 21, "weeks": (1, 3, 6), "closing": 10},
]
"""The region's deadlines as the clerk has them; the second is told to the store some days before it holds."""
SCHOOLS = {"s1": "东镇", "s2": "东镇", "s3": "西镇", "s4": "西镇"}
GAMING, MERGED, INTO = "s2", "s4", "s3"
"""The school that calls leavers transfers; the one that is merged into another in the second summer."""
DIVIDED, ITS_NEW = "s2", "南镇"
"""The school that lies in another township from the third year on."""
BUREAU = {"role": "bureau", "key": "key-b", "place": ""}
OTHER_DESK = {"role": "bureau", "key": "key-b2", "place": ""}
TRUTHS = (
    "gone",
    "gone",
    "gone",
    "gone",
    "moved",
    "ill",
    "mistaken",
    "back",
    "dead",
    "abroad",
    "taught_at_home",
)
EXPLAINED_BY = {
    "moved": "out_of_province_no_roll", "ill": "suspended_with_papers", "mistaken": "in_school",
    "back": "in_school", "dead": "died", "abroad": "emigrated", "taught_at_home": "home_teaching",
}  # fmt: skip
CODES_OF_GONE = ("past_age", "died", "emigrated")


def desk(role: str, place: str) -> dict[str, str]:
    """Return who writes at a school or a township."""
    return {"role": role, "key": f"key-{place}", "place": place}


def principal(who: dict[str, str]) -> Principal:
    """Return somebody as the store knows them."""
    places = frozenset({who["place"]} - {""})
    by_role = {"school": {"school_ids": places}, "district": {"townships": places}}
    return Principal(who["key"], who["role"], **by_role.get(who["role"], {}))  # type: ignore[arg-type]


class Differs(Exception):  # noqa: N818  the name is the sentence
    """The first difference, where a world is to stop at it."""


@dataclass
class Story:
    """What is true of a child who is away, which nobody tells the ledger as such."""

    child: str
    school: str
    truth: str
    left_on: date
    case: str = ""
    relabelled: int = 0
    visits: int = 1
    rounds: int = 2
    ends: str = "returns"


@dataclass
class World:
    """A county, its store, its clerk, and what differed between them.

    Attributes
    ----------
    leaving
        The chance of a child to go away on a school day.
    disturbed
        The chance of a step that something goes wrong before it.
    told
        How often what was told came to what: by event and answer, and by kind of disturbance.
    compared
        How many things were held against each other.
    """

    seed: int
    folder: Path
    years: int = 3
    size: int = 80
    leaving: float = 0.0011
    disturbed: float = 0.3
    stop_at_first: bool = False
    differences: list[tuple[Any, ...]] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    compared: int = 0

    def __post_init__(self) -> None:
        """Fill the schools."""
        self.chance = random.Random(self.seed)  # noqa: S311  a world, not a secret
        self.clerk = Clerk(RULES[:1])
        self.today = FIRST_DAY
        self.queue: dict[date, list[Callable[[], None]]] = defaultdict(list)
        self.schools = dict(SCHOOLS)
        self.on_roll = {f"c{number:03}": self.chance.choice(list(SCHOOLS)) for number in range(self.size)}
        self.away: set[str] = set()
        self.noted: dict[date, Counter[tuple[str, str, str]]] = {}
        self.ids = 0

    def live(self) -> World:
        """Live all days; return the world with what differed."""
        self.store = engine.open_store(self.folder, create=True)
        try:
            self._keep_rules()
            last = date(FIRST_DAY.year + self.years, 7, 31)
            while self.today <= last:
                self._day()
                self.today += timedelta(days=1)
            self._compare_everything()
        except Differs:
            pass
        finally:
            self.store.close()
        return self

    # --- what happens ----------------------------------------------------------------------------------

    def _day(self) -> None:
        month_day = (self.today.month, self.today.day)
        if month_day == (9, 1):
            self._begin_year()
        if month_day in ((9, 15), (3, 10)):
            self._publish()
        if self.today == date(2025, 2, 10):
            self.clerk.rules = RULES
            self._keep_rules()
        if self._is_school_day():
            self._children_go_away()
        for act in self.queue.pop(self.today, []):
            act()
        if (self.today + timedelta(days=1)).day == 1:
            self._compare_month()

    def _is_school_day(self) -> bool:
        return self.today.weekday() < 5 and self.today.month not in (2, 7, 8)

    def _children_go_away(self) -> None:
        for child, school in self.on_roll.items():
            if child in self.away or self.chance.random() > self.leaving:
                continue
            self.away.add(child)
            story = Story(child, school, self.chance.choice(TRUTHS), self.today)
            story.visits, story.rounds = self.chance.randint(0, 2), self.chance.randint(1, 4)
            story.ends = self.chance.choices(["returns", "stays away", "is found"], [6, 3, 1])[0]
            if school == GAMING and story.truth == "gone":
                story.relabelled = self.chance.choice((1, 1, 2))
            self._later(self.chance.randint(3, 14), lambda story=story: self._open(story))
        if self.chance.random() < 0.006:
            self._open_of_a_household()

    def _later(self, days: int, act: Callable[[], None]) -> None:
        self.queue[self.today + timedelta(days=max(1, days))].append(act)

    def _begin_year(self) -> None:
        """Let some children change school without a case; merge two schools; divide a township."""
        year = self.today.year - FIRST_DAY.year
        for child in self.on_roll:
            if self.chance.random() < 0.06:
                self.on_roll[child] = self.chance.choice(list(self.schools))
        if year == 1:
            del self.schools[MERGED]
            self.on_roll = {child: INTO if at == MERGED else at for child, at in self.on_roll.items()}
            self.told["schools merged"] += 1
            self._later(20, self._hand_over_what_was_merged)
        if year == 2:
            self.schools[DIVIDED] = ITS_NEW
            self.told["townships divided"] += 1

    def _hand_over_what_was_merged(self) -> None:
        for case in list(self.clerk.cards):
            stand = self.clerk.stand(case)
            if stand["home"]["school"] == MERGED and stand["state"] not in ("closing", "closed"):
                who = desk("district", SCHOOLS[MERGED]) if self.chance.random() < 0.5 else BUREAU
                self._tell(who, case, self._line("handed_over", home={"school": INTO, "township": ""}))

    def _publish(self) -> None:
        """Publish the roll of the term, and let the clerk read it."""
        students = tuple(
            ScoredStudent(
                student_id=child, school_id=school, stage=Stage.JUNIOR, grade=7, class_name="1",
                masked_name="王*", number_tail="0000", risk=0.1, band=Band.CHECK_IN, listed=False,
            )
            for child, school in self.on_roll.items() if self.chance.random() < 0.97
        )  # fmt: skip
        facts = TermFacts(
            region="demo", term=f"{self.today.year}", as_of_date=self.today, horizon_end=self.today,
            valid_until=self.today, model_version="m", rule_version="r", wording_version="w",
            records_hash="00", data_complete_to=self.today, probabilities=True, features=(),
        )  # fmt: skip
        named = tuple(School(school, school, township) for school, township in self.schools.items())
        publish(self.store, ScoredTerm(facts, named, students), published_at=self._at(), published_by="world")
        self.clerk.townships = dict(self.schools)
        self.clerk.ever |= self.schools
        self.clerk.published |= {one.student_id: one.school_id for one in students}

    def _keep_rules(self) -> None:
        rules = [
            LedgerRule(
                version=str(one["from"]), valid_from=one["from"], source="world",
                first_visit_days=one["first"], verify_days=one["verify"],
                visit_every_days=one["every"], follow_up_weeks=one["weeks"], closing_days=one["closing"],
            )
            for one in self.clerk.rules
        ]  # fmt: skip
        ledger.keep_ledger_rules(self.store, principal(BUREAU), rules, at=self._at())

    # --- cases -----------------------------------------------------------------------------------------

    def _open(self, story: Story) -> None:
        who = desk("school", story.school) if self.chance.random() < 0.8 else BUREAU
        line = self._line(
            "opened",
            kind="suspected",
            found_by="school",
            why="三天未到",
            home={"school": story.school, "township": ""},
        )
        if self.chance.random() < 0.15:
            other = self.chance.choice([one for one in self.schools if one != story.school])
            self.told["foreign school opens"] += 1
            wrong = dict(line, entry_id=self._id(), home={"school": other, "township": ""})
            self._tell_opening(desk("school", other), story.child, wrong)
        story.case = self._tell_opening(who, story.child, line) or ""
        if not story.case:  # not published at this school: the bureau opens it
            story.case = self._tell_opening(BUREAU, story.child, dict(line, entry_id=self._id())) or ""
        if not story.case:
            return
        if self.chance.random() < 0.1:
            self.told["opened twice"] += 1
            self._tell_opening(BUREAU, story.child, dict(line, entry_id=self._id()))
        self._later(self.chance.randint(1, 9), lambda: self._go_on(story))

    def _open_of_a_household(self) -> None:
        township = self.chance.choice(sorted(set(self.schools.values())))
        child = f"household:p{len(self.clerk.cards):03}"
        story = Story(child, "", self.chance.choice(("gone", "moved", "mistaken")), self.today)
        line = self._line(
            "opened", kind="school_age", found_by="village", why="入户发现", child={"name": "王甲子"},
            home={"school": "", "township": township},
        )  # fmt: skip
        story.case = self._tell_opening(desk("district", township), child, line) or ""
        if story.case:
            self._later(self.chance.randint(1, 9), lambda: self._go_on(story))

    def _go_on(self, story: Story) -> None:
        """Take the next step of a case, now and then with something that goes wrong, and come back later."""
        if story.case not in self.clerk.cards:  # erased meanwhile
            return
        stand = self.clerk.stand(story.case)
        if self.chance.random() < self.disturbed:
            self._disturb(story, stand)
            stand = self.clerk.stand(story.case)
        days = self._step(story, stand)
        if days:
            self._later(days, lambda: self._go_on(story))

    def _step(self, story: Story, stand: Stand) -> int:
        """Tell what is to be told in this state; return after how many days the case goes on (0: never)."""
        return int(getattr(self, f"_in_{stand['state']}")(story, stand))

    def _in_to_verify(self, story: Story, stand: Stand) -> int:
        if stand["rounds"] < story.visits:
            self._tell(
                self._who(stand),
                story.case,
                self._late("visited", met=self.chance.choice(("guardian", "nobody"))),
            )
            return self.chance.randint(1, 9)
        if self.chance.random() < 0.1:
            self._tell(self._who(stand), story.case, self._line(
                self.chance.choice(("noted", "assigned", "planned")), **self._smaller()
            ))  # fmt: skip
        if story.truth == "back":
            self._tell(self._who(stand), story.case, self._returned())
        elif story.truth == "gone" and not story.relabelled:
            self._tell(self._who(stand), story.case, self._out(story))
        else:
            self._tell(
                self._who(stand), story.case, self._late("verified_not_out", why="转学", evidence=("证明",))
            )
        return self.chance.randint(1, 12)

    def _in_explained(self, story: Story, stand: Stand) -> int:
        if story.truth == "gone" and not story.relabelled:
            self._tell(self._who(stand), story.case, self._out(story))
            return self.chance.randint(2, 25)
        code = "transferred" if story.truth == "gone" else EXPLAINED_BY.get(story.truth, "in_school")
        more = {"to_school_id": "s-elsewhere"} if code in ("transferred", "out_of_province_no_roll") else {}
        self._tell(
            self._who(stand),
            story.case,
            self._line("closing_proposed", code=code, evidence=("证明",), **more),
        )
        return self.chance.randint(1, 20)

    def _in_persuading(self, story: Story, stand: Stand) -> int:
        if stand["rounds"] < story.visits + story.rounds:
            self._tell(self._who(stand), story.case, self._late("visited", met="guardian"))
            return self.chance.randint(10, 40)
        if story.ends == "returns":
            self._tell(self._who(stand), story.case, self._returned())
            return 7
        if story.ends == "is found":
            story.truth, story.relabelled = "moved", 0
            self._tell(
                self._who(stand), story.case, self._late("verified_not_out", why="找到", evidence=("电话",))
            )
            return 5
        code = self.chance.choice(CODES_OF_GONE)
        self._tell(
            self._who(stand), story.case, self._line("closing_proposed", code=code, evidence=("证明",))
        )
        return self.chance.randint(1, 20)

    def _in_returned(self, story: Story, stand: Stand) -> int:
        missing = self.clerk.weeks_missing(stand)
        if not missing:
            self._tell(
                self._who(stand),
                story.case,
                self._line("closing_proposed", code="returned_stable", evidence=("回访表",)),
            )
            return self.chance.randint(1, 20)
        due = stand["returned_on"] + timedelta(days=7 * missing[0] + self.chance.randint(-9, 9))
        if due > self.today:
            if self.chance.random() < 0.15:
                self.told["followed up too early"] += 1
                self._tell(
                    self._who(stand), story.case, self._line("followed_up", week=missing[-1], in_school=True)
                )
            return (due - self.today).days
        there = self.chance.random() < 0.85
        self._tell(self._who(stand), story.case, self._line("followed_up", week=missing[0], in_school=there))
        if not there and self.chance.random() < 0.6:
            line = self._line(
                "left_again", why="又走了", reasons=("work",), evidence=("点名册",), left_on=self.today
            )
            self._tell(self._who(stand), story.case, line)
            story.rounds = stand["rounds"] + self.chance.randint(1, 2)
        return self.chance.randint(2, 9)

    def _in_closing(self, story: Story, stand: Stand) -> int:
        """Let somebody decide who may not, then somebody who may."""
        proposer = next(
            one for one in reversed(self.clerk.cards[story.case]["all"]) if one["event"] == "closing_proposed"
        )
        if self.chance.random() < 0.2:
            own = next((one for one in self._desks(stand) if one["key"] == proposer["key"]), BUREAU)
            self.told["decided by who proposed"] += 1
            self._tell(own, story.case, dict(self._line("closing_confirmed"), by=proposer["by"]))
        others = [one for one in (*self._desks(stand)[1:], OTHER_DESK) if one["key"] != proposer["key"]]
        caught = story.relabelled == 1 and stand["state"] == "closing"
        if caught or self.chance.random() < 0.2:
            story.relabelled = 0
            self._tell(
                self.chance.choice(others), story.case, self._line("closing_refused", why="接收学校查无此人")
            )
        else:
            self._tell(self.chance.choice(others), story.case, self._line("closing_confirmed"))
        return self.chance.randint(1, 15)

    def _in_closed(self, story: Story, stand: Stand) -> int:
        """Let a closed case be, reopen it, or let the child go away once more in a case of its own."""
        if self.chance.random() < 0.25:
            self._tell(self._who(stand), story.case, self._line("reopened", why="又未到"))
            story.truth, story.relabelled, story.visits = "gone", 0, 1
            return self.chance.randint(1, 9)
        if self.chance.random() < 0.06 and "erased" not in self.told:
            children.erase_student(self.store, principal(BUREAU), story.child, at=self._at())
            self.clerk.erase(story.child)
            self.on_roll.pop(story.child, None)
            self.told["erased"] += 1
            self.noted.clear()  # who is erased is in no count of former days either
        elif story.truth in ("gone", "back", "mistaken", "ill"):
            self.away.discard(story.child)
        return 0

    # --- what goes wrong -------------------------------------------------------------------------------

    def _disturb(self, story: Story, stand: Stand) -> None:
        kinds = (
            self._correct, self._correct, self._withdraw, self._out_of_the_table, self._incomplete,
            self._again, self._foreign, self._hand_over,
        )  # fmt: skip
        what = self.chance.choice(kinds)
        self.told[what.__name__.strip("_").replace("_", " ")] += 1
        what(story, stand)

    def _correct(self, story: Story, stand: Stand) -> None:
        """Put a line right: its day, and what it says."""
        line = self.chance.choice(self.clerk.cards[story.case]["lines"])
        names = {"event", "by", *NEEDS[line["event"]].split(), "left_on", "to_school_id"}
        anew = {name: said for name, said in line.items() if name in names}
        if line["event"] == "opened":
            anew = {"event": "opened", "by": line["by"], "child": {"name": "王甲丑"}}
        if "reasons" in anew:
            anew["reasons"] = ("distance",)
        if "in_school" in anew:
            anew["in_school"] = not anew["in_school"]
        day = line["day"] + timedelta(days=self.chance.choice((0, 0, -1, 1, -5)))
        if anew.get("left_on"):
            anew["left_on"] = min(anew["left_on"], day)
        day = min(day, self.today)
        self._tell(self._who(stand), story.case, dict(
            anew, day=day, entry_id=self._id(), corrects=line["number"], why="写错"
        ))  # fmt: skip

    def _withdraw(self, story: Story, stand: Stand) -> None:
        line = self.chance.choice(self.clerk.cards[story.case]["all"])
        self._tell(self._who(stand), story.case, {
            "event": line["event"], "by": line["by"], "day": self.today, "entry_id": self._id(),
            "corrects": line["number"], "withdrawn": True, "why": "看错人",
        })  # fmt: skip

    def _out_of_the_table(self, story: Story, stand: Stand) -> None:
        """Tell events that may not follow now, each complete in itself."""
        outside = sorted({*NEEDS} - {"opened"} - {*MAY[stand["state"]].split()})
        for event in self.chance.sample(outside, min(3, len(outside))):
            code = {"to_verify": "in_school", "closed": "died"}.get(stand["state"], "past_age")
            usual = {
                "met": "both", "why": "随机", "duties": {"class_teacher": "李"},
                "plan": (("家访", "李", self.today),), "home": stand["home"], "reasons": ("illness",),
                "evidence": ("记录",), "placement": "vocational", "week": 1, "in_school": True, "code": code,
            }  # fmt: skip
            line = self._line(event, **{name: usual[name] for name in NEEDS[event].split()})
            if event in ("verified_out", "left_again"):
                line["left_on"] = self.today
            self._tell(BUREAU, story.case, dict(line, by="新来的人"))

    def _incomplete(self, story: Story, stand: Stand) -> None:
        line = self._out(story)
        del line[self.chance.choice(("reasons", "evidence", "left_on"))]
        self._tell(self._who(stand), story.case, line)

    def _again(self, story: Story, stand: Stand) -> None:
        """Tell the last entry again, as a program does whose answer was lost; or another one under its id."""
        last = self.clerk.cards[story.case]["all"][-1]
        if last["event"] == "opened" or last["event"].startswith("closing_"):
            return
        line = {
            name: said for name, said in last.items() if name not in ("number", "written", "key", "struck")
        }
        if self.chance.random() < 0.4:
            line["by"] = "另一人"
        who = next((one for one in self._desks(stand) if one["key"] == last["key"]), BUREAU)
        self._tell(who, story.case, line)

    def _foreign(self, story: Story, stand: Stand) -> None:
        others = [one for one in SCHOOLS if one != stand["home"]["school"]]
        self._tell(desk("school", self.chance.choice(others)), story.case, self._line("visited", met="both"))

    def _hand_over(self, story: Story, stand: Stand) -> None:
        """Hand a case to another school: a school may not, who sees both places may."""
        to = self.chance.choice([one for one in self.schools if one != stand["home"]["school"]])
        who = self.chance.choice(self._desks(stand))
        self._tell(
            who, story.case, self._line("handed_over", why="转入", home={"school": to, "township": ""})
        )

    # --- lines -----------------------------------------------------------------------------------------

    def _line(self, event: str, **more: Any) -> Line:
        """Return a line of today."""
        by = self.chance.choice(("李老师", "张校长", "王干事", "赵主任"))
        return {"event": event, "day": self.today, "by": by, "entry_id": self._id(), **more}

    def _late(self, event: str, **more: Any) -> Line:
        """Return a line of a day that may be weeks ago: it is written down only now."""
        days = self.chance.choice((0, 0, 0, 1, 2, 6, 20))
        self.told["written down late"] += days > 0
        return self._line(event, **more) | {"day": self.today - timedelta(days=days)}

    def _out(self, story: Story) -> Line:
        line = self._late("verified_out", evidence=("家访记录",))
        reasons = self.chance.sample(("work", "learning", "distance", "illness"), self.chance.randint(1, 2))
        return line | {"reasons": tuple(reasons), "left_on": min(story.left_on, line["day"])}

    def _returned(self) -> Line:
        place = self.chance.choice(("former_school", "former_school", "other_school", "vocational"))
        more = {"to_school_id": "s1"} if place == "other_school" else {}
        return self._late("returned", placement=place, evidence=("到校签字",), **more)

    def _smaller(self) -> dict[str, Any]:
        return {"why": "记", "duties": {"class_teacher": "李老师"}, "plan": (("补课", "李老师", self.today),)}

    def _id(self) -> str:
        self.ids += 1
        return f"e{self.ids}"

    def _at(self) -> datetime:
        return datetime.combine(self.today, time(8, 30), UTC)

    def _desks(self, stand: Stand) -> list[dict[str, str]]:
        """Return who may write in a case: its school, its township, the bureau."""
        home = stand["home"]
        township = self.clerk.townships.get(home["school"], home["township"])
        school = [desk("school", home["school"])] if home["school"] else []
        return [*school, *([desk("district", township)] if township else []), BUREAU]

    def _who(self, stand: Stand) -> dict[str, str]:
        desks = self._desks(stand)
        return desks[0] if self.chance.random() < 0.7 else self.chance.choice(desks)

    # --- telling ---------------------------------------------------------------------------------------

    def _tell_opening(self, who: dict[str, str], child: str, line: Line) -> str | None:
        expected = self.clerk.answer_opening(who, child, line)
        try:
            found = ledger.open_case(self.store, principal(who), child, entry_of(line), at=self._at())
        except ledger.EntryRefused:
            self._came_of(line, expected, REFUSED)
            return None
        self._came_of(line, expected, KEPT)
        self.clerk.open(found.case_id, child, who, line, self.today)
        return found.case_id

    def _tell(self, who: dict[str, str], case: str, line: Line) -> None:
        expected = self.clerk.answer(who, case, line, self.today)
        try:
            found = ledger.add_entry(self.store, principal(who), case, entry_of(line), at=self._at())
            answer = NOBODYS if found is None else KEPT
        except ledger.EntryRefused:
            answer = REFUSED
        except StoreError as problem:
            answer = NOT_ALLOWED if problem.code == "not_allowed" else problem.code
        self._came_of(line, expected, answer)
        if expected == KEPT:
            self.clerk.tell(case, who, line, self.today)

    def _came_of(self, line: Line, expected: str, answer: str) -> None:
        self.told[f"{line['event']} {answer}"] += 1
        self._same("answer", expected, answer, line)

    # --- comparing -------------------------------------------------------------------------------------

    def _same(self, what: str, expected: object, found: object, *where: object) -> None:
        self.compared += 1
        if expected != found:
            self.differences.append((self.today, what, expected, found, *where))
            if self.stop_at_first:
                raise Differs

    def _compare_month(self) -> None:
        """Hold totals, events, what is due and what flows out against the clerk's cards."""
        seen = cases.cases(self.store, principal(BUREAU))
        self.noted[self.today] = self.clerk.totals(BUREAU)
        self._same("totals", self.noted[self.today], totals(seen))
        self._same("cases", sorted(self.clerk.cards), [one.case_id for one in seen])
        for one in seen:
            if one.case_id in self.clerk.cards:
                self._same("events", self.clerk.history(one.case_id), history(one), one.case_id)
        until = self.today + timedelta(days=30)
        self._same("due", self.clerk.due(BUREAU, until), self._due(BUREAU, until))
        self._same("flows out", self.clerk.flows_out(), self._flows_out())
        self._compare_places([self.chance.choice(self._places()) for _ in range(2)], until)

    def _compare_places(self, places: list[dict[str, str]], until: date) -> None:
        for who in places:
            seen = totals(cases.cases(self.store, principal(who)))
            self._same("totals of a place", self.clerk.totals(who), seen, who)
            self._same("due in a place", self.clerk.due(who, until), self._due(who, until), who)

    def _compare_everything(self) -> None:
        self._compare_month()
        self._compare_places(self._places(), self.today + timedelta(days=400))
        checked = ledger_check.check_ledger(self.store, principal(BUREAU))
        self._same("chain", True, checked.sound)
        self._same("rows", self.clerk.rows, checked.chain.rows)
        for day in list(self.noted)[::9]:
            then: Counter[tuple[str, str, str]] = Counter()
            found = ledger_totals.ledger_totals(self.store, principal(BUREAU), until=day)
            for (school, township, kind, state), count in found.items():
                then[school or township, kind, state] += count
            self._same("totals as they were", self.noted[day], then, day)

    def _places(self) -> list[dict[str, str]]:
        townships = sorted({*SCHOOLS.values(), *self.schools.values()})
        return [*(desk("school", one) for one in SCHOOLS), *(desk("district", one) for one in townships)]

    def _due(self, who: dict[str, str], until: date) -> list[tuple[Any, ...]]:
        found = cases.due_cases(self.store, principal(who), until=until)
        return [(one.due[0].on, one.case_id, one.due[0].duty, one.due[0].week) for one in found]

    def _flows_out(self) -> list[tuple[str, ...]]:
        names = ("student_id", "event_date", "event", "left_on", "reason", "recorded_on")
        rows = cases.ledger_events(self.store, principal(BUREAU))
        return [tuple(row[name] for name in names) for row in rows]


def entry_of(line: Line) -> Entry:
    """Return a line as the store takes it."""
    told = dict(line)
    if told.get("home"):
        told["home"] = Home(told["home"]["school"], told["home"]["township"])
    told["plan"] = tuple(PlanStep(*one) for one in told.get("plan", ()))
    return replace(Entry(event=told.pop("event"), day=told.pop("day"), by=told.pop("by")), **told)


def totals(seen: tuple[cases.KeptCase, ...]) -> Counter[tuple[str, str, str]]:
    """Count cases by place, ledger and state."""
    return Counter(
        (one.case.home.school_id or one.case.home.township, one.case.kind, one.case.state) for one in seen
    )


def history(seen: cases.KeptCase) -> list[tuple[Any, ...]]:
    """Return all that was ever told of a case, and of each whether it stands."""
    standing = {one.number for one in seen.entries_in_force}
    return [
        (
            one.number, one.entry.event, one.entry.day, one.entry.by, one.recorded_at.date(), one.key_id,
            one.entry.corrects, one.number in standing,
        )
        for one in seen.entries
    ]  # fmt: skip
