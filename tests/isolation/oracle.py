"""What each of them may see: the promise in some thirty lines, written without a look at the code."""

from __future__ import annotations

from collections.abc import Mapping

from .world import COUNSELLORS_FACT, RISK, Place, Who, World

EVERYWHERE = {"bureau", "data_team"}
NOT_FOR = {
    "read_audit": {"district", "school", "counsellor", "class_teacher"},
    "read_cases": {"data_team"},
    "write_cases": {"data_team"},
    "close_cases": {"data_team", "school", "counsellor", "class_teacher"},
    "write_actions": {"data_team"},
    "write_feedback": {"data_team", "district"},
}


def holds(world: World, who: Who, place: Place | None) -> bool:
    if not who.alive or place is None or who.only is not None:
        return False
    return (
        who.role in EVERYWHERE
        or place.school_id in who.schools
        or world.township(place.school_id) in who.townships
        or (place.school_id, place.grade, place.class_name) in who.classes
    )


def holds_school(world: World, who: Who, school_id: str) -> bool:
    of_class = Place(school_id, *next(((g, c) for s, g, c in who.classes if s == school_id), (0, "")))
    return any(place.school_id == school_id for place in world.now.values()) and holds(world, who, of_class)


def holds_run(world: World, who: Who, run_id: str) -> bool:
    """Who may read a run: the bureau all, others an approved one that answers a child of theirs."""
    students, approved = world.runs.get(run_id, (frozenset(), False))
    if not students or not who.alive or who.only is not None:
        return False
    if who.role == "bureau":
        return True
    return approved and bool(who.role in EVERYWHERE or students & children_of(world, who) & set(world.now))


def holds_report(world: World, who: Who, report_id: str) -> bool:
    """Who may read a report: that of a school who sees the whole of it, that of the region who sees all."""
    school = world.reports.get(report_id)
    if school is None or not who.alive or who.only is not None:
        return False
    if who.role in EVERYWHERE or not school:
        return who.role in EVERYWHERE
    whole = school in who.schools or world.township(school) in who.townships
    return whole and holds_school(world, who, school)


def holds_case(world: World, who: Who, case_id: str) -> bool:
    """Who may read a case: whoever sees the place that keeps it; the data team none."""
    if case_id not in world.cases or who.role == "data_team":
        return False
    return holds(world, who, world.cases[case_id][1])


def children_of_cases(world: World, who: Who) -> frozenset[str]:
    """Who may appear in an answer about cases: children of the principal's, wherever they are now."""
    return frozenset(child for one, (child, _) in world.cases.items() if holds_case(world, who, one))


def children_who_left(world: World, who: Who) -> frozenset[str]:
    """Who is in no school now, and is helped, and put on the ledger, by the last school that had them."""
    left = {one: place for one, place in world.before.items() if one not in world.now}
    return frozenset(one for one, place in left.items() if holds(world, who, place))


def children_of(world: World, who: Who) -> frozenset[str]:
    """All who may appear in an answer: who is theirs today, and for who sees everywhere who was before."""
    left = world.before if who.role in EVERYWHERE else {}
    return frozenset(one for one in world.children if holds(world, who, world.now.get(one) or left.get(one)))


READS_A_COUNSELLORS_FACTS = EVERYWHERE | {"counsellor"}


def permission(method: str, path: str) -> str | None:
    """What a route asks of a key beyond reading."""
    if path.startswith(("/v1/audit", "/metrics")):
        return "read_audit"
    if path.startswith(("/v1/cases", "/v1/due")):
        return "close_cases" if "decisions" in path else f"{'write' if method == 'post' else 'read'}_cases"
    writes = method != "get" and ":" not in path
    return next((f"write_{what}" for what in ("actions", "feedback") if writes and what in path), None)


def verdict(world: World, who: Who, method: str, path: str, asked: Mapping[str, str]) -> str:
    """Say `refused`, `forbidden`, `hidden`, `shown`, or `either` of the last two: who has left a school can
    still be helped by it, and is found by who sees everywhere in the sets that hold the child.
    """
    if not who.alive:
        return "refused"
    needed = permission(method, path)
    if who.role in NOT_FOR.get(needed or "", ()) or (who.only is not None and needed not in who.only):
        return "forbidden"
    for_counsellors = "run_id" in asked or asked.get("audience") == "counsellor"
    if for_counsellors and who.role not in READS_A_COUNSELLORS_FACTS:
        return "forbidden"
    if "run_id" in asked:
        return "shown" if holds_run(world, who, asked["run_id"]) else "hidden"
    if "case_id" in asked:
        return "shown" if holds_case(world, who, asked["case_id"]) else "hidden"
    if "report_id" in asked:
        return "shown" if holds_report(world, who, asked["report_id"]) else "hidden"
    if "student_id" in asked:
        child = asked["student_id"]
        left = world.before.get(child) if child not in world.now else None
        if left is not None and (who.role in EVERYWHERE or ("actions" in path and holds(world, who, left))):
            return "either"
        if not holds(world, who, world.now.get(child)):
            return "hidden"
    return "hidden" if "school_id" in asked and not holds_school(world, who, asked["school_id"]) else "shown"


def never(who: Who) -> list[str]:
    """Marks that stand in no answer to this role."""
    facts = [] if who.role in {"counsellor"} | EVERYWHERE else [str(COUNSELLORS_FACT)]
    return facts + ([str(RISK)] if who.role == "class_teacher" else [])
