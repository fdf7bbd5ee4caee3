"""What was served: a whole set as it was stored, and what a revision changed in one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from riskmodel.domain import PublishedSet, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import schools
from riskmodel.store.rows import read_student
from riskmodel.store.scope import is_theirs_now, sees_student
from riskmodel.store.sets import current_set_id, published_set
from riskmodel.store.tables import STUDENTS


def served_term(store: Store, principal: Principal, published: PublishedSet) -> ScoredTerm:
    """Return what was published in a set, as far as the principal may see it: nothing is scored anew."""
    principal.must("read_risk")
    with store.reading() as connection:
        found = connection.scalars(
            select(STUDENTS.c.content)
            .where(
                STUDENTS.c.set_id == published.set_id,
                sees_student(principal),
                is_theirs_now(principal, STUDENTS.c.student_id, current_set_id=current_set_id(connection)),
            )
            .order_by(STUDENTS.c.student_id)
        )
        students = tuple(map(read_student, found))
    return ScoredTerm(published.facts, schools(store, principal, set_id=published.set_id), students)


@dataclass(frozen=True)
class Revised:
    """How a revision differs from the set that it revises: ids of students."""

    changed: frozenset[str]
    added: frozenset[str]
    removed: frozenset[str]


def revised_students(store: Store, principal: Principal, published: PublishedSet) -> Revised:
    """Tell who changed in a revision.

    Raises
    ------
    StoreError
        If the set revises none.
    """
    revises = published.facts.revises
    former_set = None if revises is None else published_set(store, revises)
    if former_set is None:
        raise StoreError("set_revises_none", set_id=published.set_id)
    former, now = (
        {student.student_id: student for student in served_term(store, principal, each).students}
        for each in (former_set, published)
    )
    both = former.keys() & now.keys()
    return Revised(
        frozenset(student for student in both if former[student] != now[student]),
        frozenset(now.keys() - former.keys()),
        frozenset(former.keys() - now.keys()),
    )
