"""A clerk with a card for each case: the ledgers counted a second time, by hand and from paper.

Nothing here knows the ledger's code. A card is a list of lines; a correction is written over the line that it
puts right, and a withdrawn line is struck out. How a case stands is found by reading its card from the top.
The tables below were written down from `docs/how-to/ledgers.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

Line = dict[str, Any]
Card = dict[str, Any]
Stand = dict[str, Any]

MAY = {
    # Written down from the plan, without a look at the table of the code.
    "to_verify": "visited noted assigned planned handed_over verified_out verified_not_out returned",
    "explained": "visited noted assigned planned handed_over verified_out closing_proposed",
    "persuading": "visited noted assigned planned handed_over verified_not_out returned closing_proposed",
    "returned": "visited noted assigned planned handed_over followed_up left_again closing_proposed",
    "closing": "noted assigned closing_refused closing_confirmed",
    "closed": "reopened",
}
LEADS_TO = {
    "verified_out": "persuading", "verified_not_out": "explained", "returned": "returned",
    "left_again": "persuading", "closing_proposed": "closing", "closing_confirmed": "closed",
    "reopened": "to_verify",
}  # fmt: skip
NEEDS = {
    "opened": "kind found_by home why", "visited": "met", "noted": "why", "assigned": "duties",
    "planned": "plan", "handed_over": "home why", "verified_out": "reasons evidence",
    "verified_not_out": "why evidence", "returned": "placement evidence", "followed_up": "week in_school",
    "left_again": "reasons evidence why", "closing_proposed": "code evidence", "closing_refused": "why",
    "closing_confirmed": "", "reopened": "why",
}  # fmt: skip
CLOSES = {
    "explained": "in_school transferred out_of_province_no_roll suspended_with_papers died emigrated "
    "number_or_name_wrong home_teaching",
    "persuading": "died emigrated past_age home_teaching",
    "returned": "returned_stable home_teaching",
}
SAYS_SCHOOL = {"transferred", "out_of_province_no_roll"}
TOLD_AS = {
    "opened": "suspected", "visited": "visited", "verified_out": "verified_dropout",
    "verified_not_out": "verified_not_dropout", "returned": "returned", "left_again": "verified_dropout",
    "closing_confirmed": "closed", "reopened": "suspected",
}  # fmt: skip
KEPT, REFUSED, NOBODYS, NOT_ALLOWED = "kept", "refused", "nobody's", "not allowed"


class Clerk:
    """The cards, and what follows from them.

    Attributes
    ----------
    rules
        Deadlines by the day from which they hold: `from`, `first`, `verify`, `every`, `weeks`, `closing`.
    townships, ever
        Of the schools that the last published set names, where each lies; and of all that any set ever named.
    published
        Of every child who was ever published, the school of the last set that names the child.
    """

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        self.rules = rules
        self.cards: dict[str, Card] = {}
        self.rows = 0
        self.townships: dict[str, str] = {}
        self.ever: dict[str, str] = {}
        self.published: dict[str, str] = {}

    # --- whose a case is -------------------------------------------------------------------------------

    def sees(self, who: Mapping[str, Any], home: Mapping[str, str]) -> bool:
        """Tell whether a case of this home is somebody's."""
        if who["role"] == "bureau":
            return True
        if who["role"] == "school":
            return home["school"] == who["place"]
        return self.townships.get(home["school"], home["township"]) == who["place"]

    def placed(self, home: Mapping[str, str]) -> dict[str, str]:
        """Return a home with the township in which its school lies."""
        school = home["school"]
        return {"school": school, "township": self.ever.get(school, "") if school else home["township"]}

    # --- what must come of what is told ----------------------------------------------------------------

    def answer_opening(self, who: Mapping[str, Any], child: str, line: Line) -> str:
        """Say what must come of an opening: `kept`, `refused`, or what else."""
        if self.open_card(child) is not None:
            return REFUSED
        if who["role"] != "bureau":
            of_township = ":" in child and who["role"] == "district" and not line["home"].get("school")
            if not of_township and self.published.get(child) is None:
                return REFUSED
        if not self.sees(who, self.home_of(child, line)):
            return REFUSED
        return KEPT if _complete(line) else REFUSED

    def home_of(self, child: str, line: Line) -> dict[str, str]:
        """Return whose a new case is: the published school's, else as told."""
        school = self.published.get(child)
        return self.placed({"school": school} if school else line["home"])

    def answer(self, who: Mapping[str, Any], case: str, line: Line, today: date) -> str:
        """Say what must come of an entry: `kept`, `refused`, or what else."""
        decision = line["event"] in ("closing_refused", "closing_confirmed")
        if decision and who["role"] == "school":
            return NOT_ALLOWED
        card, before = self.cards[case], self.stand(case)
        if not self.sees(who, before["home"]):
            return NOBODYS
        known = next((one for one in card["all"] if one["entry_id"] == line["entry_id"]), None)
        if known is not None:
            same = {name: said for name, said in known.items() if name in line} == line
            return KEPT if same else REFUSED
        if not line.get("withdrawn") and not _complete(line, before["kind"]):
            return REFUSED
        tried = deepcopy(card)
        if line.get("corrects") is not None:
            if not self._may_correct(tried, line, before):
                return REFUSED
        elif not self._may_follow(line, before, who):
            return REFUSED
        write(tried, dict(line, number=self.rows + 1, written=today, key=who["key"]))
        after = self.read(tried)
        if after is None:
            return REFUSED
        named = [line["home"]] if line.get("home") and not line.get("withdrawn") else []
        moved = [after["home"]] if after["home"] != before["home"] else []
        homes = [*map(self.placed, named), *moved]
        return KEPT if all(self.sees(who, home) for home in homes) else REFUSED

    def _may_correct(self, card: Card, line: Line, before: Stand) -> bool:
        target = next((one for one in card["lines"] if one["number"] == line["corrects"]), None)
        if target is None or target["struck"] or target["event"] != line["event"] or not line.get("why"):
            return False
        opening_withdrawn = line["event"] == "opened" and line.get("withdrawn")
        if opening_withdrawn or line["event"].startswith("closing_") or before["state"] == "closed":
            return False
        if before["state"] == "closing":
            proposed = max(one["number"] for one in card["all"] if one["event"] == "closing_proposed")
            if target["number"] < proposed:
                return False
        if line["event"] == "followed_up" and not line.get("withdrawn"):
            then = self.read({"lines": card["lines"][: card["lines"].index(target)]})
            return then is not None and line["week"] in self.rule(then["since"])["weeks"]
        return True

    def _may_follow(self, line: Line, before: Stand, who: Mapping[str, Any]) -> bool:
        event = line["event"]
        if event not in MAY[before["state"]].split():
            return False
        if event == "followed_up":
            return line["week"] in self.rule(before["since"])["weeks"]
        if event == "closing_proposed":
            if line["code"] not in CLOSES[before["state"]].split():
                return False
            if line["code"] in SAYS_SCHOOL and not line.get("to_school_id"):
                return False
            return line["code"] != "returned_stable" or not self.weeks_missing(before)
        if event in ("closing_refused", "closing_confirmed"):
            return line["by"] != before["proposed_by"] and who["key"] != before["proposed_key"]
        return True

    # --- writing ---------------------------------------------------------------------------------------

    def open(self, case: str, child: str, who: Mapping[str, Any], line: Line, today: date) -> None:
        """Begin a card."""
        self.rows += 1
        card: Card = {"child": child, "lines": [], "all": []}
        home = self.home_of(child, line)
        write(card, dict(line, home=home, number=self.rows, written=today, key=who["key"]))
        self.cards[case] = card

    def tell(self, case: str, who: Mapping[str, Any], line: Line, today: date) -> None:
        """Write a line on a card; one that stands there already is not written again."""
        card = self.cards[case]
        if any(one["entry_id"] == line["entry_id"] for one in card["all"]):
            return
        self.rows += 1
        said = dict(line, number=self.rows, written=today, key=who["key"])
        if said.get("home"):
            said["home"] = self.placed(said["home"])
        write(card, said)

    def erase(self, child: str) -> None:
        """Burn the cards of a child; that it was done is a row of the ledger."""
        burnt = [case for case, card in self.cards.items() if card["child"] == child]
        for case in burnt:
            del self.cards[case]
        self.rows += bool(burnt)
        self.published.pop(child, None)

    # --- reading ---------------------------------------------------------------------------------------

    def open_card(self, child: str) -> str | None:
        """Return the case of a child that is not closed."""
        of_child = [case for case, card in self.cards.items() if card["child"] == child]
        return next((case for case in of_child if self.stand(case)["state"] != "closed"), None)

    def stand(self, case: str) -> Stand:
        """Return how a case stands by its card."""
        stand = self.read(self.cards[case])
        assert stand is not None, "nothing that cannot be read is ever written"
        return stand

    def read(self, card: Card) -> Stand | None:
        """Read a card from the top; None where a line does not follow from those above it."""
        now: Stand = {}
        for line in card["lines"]:
            if line["struck"]:
                continue
            if not now:
                now = _first(line)
                continue
            event = line["event"]
            if event not in MAY[now["state"]].split():
                return None
            if event == "followed_up":
                week_begins = now["returned_on"] + timedelta(days=7 * line["week"] - 6)
                if line["day"] < week_begins:
                    return None
            before = now["state"]
            to = now["proposed_in"] if event == "closing_refused" else LEADS_TO.get(event, before)
            if to != before:
                if line["day"] < now["since"]:
                    return None
                now["state"], now["since"] = to, line["day"]
            _write_down(now, line, before)
        return now

    def rule(self, day: date) -> dict[str, Any]:
        """Return the deadlines that held on a day."""
        return max((one for one in self.rules if one["from"] <= day), key=lambda one: one["from"])

    def weeks_missing(self, stand: Stand) -> list[int]:
        """Return the set weeks in which the child was not seen in school since the return."""
        return [week for week in self.rule(stand["since"])["weeks"] if week not in stand["seen"]]

    # --- counting --------------------------------------------------------------------------------------

    def totals(self, who: Mapping[str, Any]) -> Counter[tuple[str, str, str]]:
        """Count somebody's cases by place, ledger and state."""
        stands = [self.stand(case) for case in self.cards]
        return Counter(
            (one["home"]["school"] or one["home"]["township"], one["kind"], one["state"])
            for one in stands
            if self.sees(who, one["home"])
        )

    def history(self, case: str) -> list[tuple[Any, ...]]:
        """Return all that was ever told of a case, and of each whether it stands."""
        card = self.cards[case]
        standing = {line["number"] for line in card["lines"] if not line["struck"]}
        return [
            (
                one["number"], one["event"], one["day"], one["by"], one["written"], one["key"],
                one.get("corrects"), one["number"] in standing,
            )
            for one in card["all"]
        ]  # fmt: skip

    def due(self, who: Mapping[str, Any], until: date) -> list[tuple[date, str, str, int | None]]:
        """Return what is due first of each of somebody's cases by a day, the longest due first."""
        found = []
        for case in self.cards:
            stand = self.stand(case)
            if self.sees(who, stand["home"]):
                things = sorted(self._due(stand), key=lambda one: one[0])
                found += [(day, case, duty, week) for day, duty, week in things[:1] if day <= until]
        return sorted(found, key=lambda one: one[:2])

    def _due(self, stand: Stand) -> Iterator[tuple[date, str, int | None]]:
        rule, since, days = self.rule(stand["since"]), stand["since"], timedelta
        if stand["state"] == "to_verify":
            if not stand["visits"] or max(stand["visits"]) < since:
                yield since + days(rule["first"]), "first_visit", None
            yield since + days(rule["verify"]), "verify", None
        if stand["state"] == "persuading":
            last = max([since, *stand["visits"]])
            yield last + days(rule["every"]), "next_visit", None
        if stand["state"] == "explained":
            yield since + days(rule["closing"]), "propose_closing", None
        if stand["state"] == "closing":
            yield since + days(rule["closing"]), "decide_closing", None
        if stand["state"] == "returned":
            missing, back = self.weeks_missing(stand), stand["returned_on"]
            if missing:
                yield back + days(7 * missing[0]), "follow_up", missing[0]
            else:
                yield back + days(7 * rule["weeks"][-1] + rule["closing"]), "propose_closing", None

    def flows_out(self) -> list[tuple[str, str, str, str, str, str]]:
        """Return what the records are told of children on the rolls, and from which day on."""
        told: dict[tuple[str, str, str], tuple[int, str, str, str]] = {}
        for card in self.cards.values():
            if ":" in card["child"]:
                continue
            for line in card["lines"]:
                event = TOLD_AS.get(line["event"])
                if line["struck"] or event is None:
                    continue
                key = card["child"], line["day"].isoformat(), event
                away = line.get("left_on", line["day"])
                left_on = away.isoformat() if event == "verified_dropout" else ""
                reason = [*line.get("reasons", ()), ""][0]
                row = line["number"], left_on, reason, line["written"].isoformat()
                told[key] = min(told.get(key, row), row)
        return sorted((*key, *row[1:]) for key, row in told.items())


def write(card: Card, line: Line) -> None:
    """Write a line on a card: at the end, or over the one that it puts right."""
    line["struck"] = bool(line.get("withdrawn"))
    card["all"].append(line)
    for place, one in enumerate(card["lines"]):
        if one["number"] == line.get("corrects"):
            # Of an opening a correction says only what was wrong; of all else it says the whole anew.
            card["lines"][place] = {**one, **line} if line["event"] == "opened" else line
            return
    card["lines"].append(line)


def _complete(line: Line, kind: str = "suspected") -> bool:
    needed = NEEDS[line["event"]].split()
    if line["event"] == "opened" and line.get("corrects"):
        needed = ["why"]
    if line["event"] in ("verified_out", "left_again") and kind != "school_age":
        needed.append("left_on")
    if line.get("placement") == "other_school":
        needed.append("to_school_id")
    return all(line.get(name) not in (None, "", (), {}) for name in needed)


def _first(line: Line) -> Stand:
    return {
        "state": "to_verify", "since": line["day"], "kind": line["kind"], "home": line["home"],
        "visits": [], "seen": set(), "proposed_by": "", "proposed_key": "", "proposed_in": "", "rounds": 0,
    }  # fmt: skip


def _write_down(now: Stand, line: Line, before: str) -> None:
    """Take over what a line tells beside the state."""
    event = line["event"]
    if event == "visited":
        now["visits"] = [*now["visits"], line["day"]]
        now["rounds"] += 1
    if event == "handed_over":
        now["home"] = line["home"]
    if event in ("verified_out", "left_again") and now["kind"] != "school_age":
        now["kind"] = "dropped_out"
    if event == "returned":
        now["returned_on"] = line["day"]
    if event in ("returned", "left_again", "reopened"):
        now["seen"] = set()
    if event == "followed_up" and line["in_school"]:
        now["seen"] = now["seen"] | {line["week"]}
    if event == "closing_proposed":
        now |= {"proposed_by": line["by"], "proposed_key": line["key"], "proposed_in": before}
    if event == "reopened":
        now |= {"visits": [], "rounds": 0}


def in_words(differences: Iterable[tuple[Any, ...]]) -> str:
    """Write some differences, one a line."""
    return "\n".join(" | ".join(map(str, one)) for one in differences)
