"""What was done for the listed, school by school: counts of work, and nobody's name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from riskmodel.errors import StoreError
from riskmodel.store.actions import HELP, actions_in_force
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.scope import sees_student
from riskmodel.store.sets import current_set_id, set_of
from riskmodel.store.tables import STUDENTS, day_of


@dataclass
class WorkOfSchool:
    """Listed students; of them those for whom something was done since, and those who were given aid or
    hours; visits, aid and hours since a day.
    """  # noqa: D205  one sentence

    listed: int = 0
    contacted: int = 0
    aided: int = 0
    visits: int = 0
    aid: int = 0
    hours: float = 0.0


def work_by_school(
    store: Store, principal: Principal, *, since: date, until: date
) -> dict[str, WorkOfSchool]:
    """Count, for each school within the scope, what was done.

    `listed`, `contacted` and `aided` are of the current set, from the day it was published; visits, aid and
    hours are those of any student from `since` to `until`, both included.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists; `nothing_published` if nothing was by `until`.
    """
    principal.must("read_list")
    with store.reading() as connection:
        set_id = current_set_id(connection)
        published = day_of(set_of(connection, set_id).published_at)
        if published > until:
            raise StoreError("nothing_published")  # on that day nobody could have worked by this list
        rows = connection.execute(
            select(STUDENTS.c.student_id, STUDENTS.c.school_id, STUDENTS.c.listed).where(
                STUDENTS.c.set_id == set_id, sees_student(principal)
            )
        ).all()
    found: dict[str, WorkOfSchool] = defaultdict(WorkOfSchool)
    school_of = {row.student_id: row.school_id for row in rows}
    listed = {row.student_id for row in rows if row.listed}
    for student in listed:
        found[school_of[student]].listed += 1
    contacted, aided = set(), set()
    for taken in actions_in_force(store, principal, since=min(since, published), until=until):
        action = taken.action
        school = found[school_of.get(action.student_id, taken.school_id)]
        if action.kind in HELP and action.day >= published and action.student_id in listed:
            contacted.add(action.student_id)
            if action.kind in ("aid_given", "counselling_hours"):
                aided.add(action.student_id)
        if action.day >= since:
            school.visits += action.kind == "visited"
            school.aid += action.kind == "aid_given"
            school.hours += action.hours or 0.0
    for student in contacted:
        found[school_of[student]].contacted += 1
        found[school_of[student]].aided += student in aided
    return dict(found)
