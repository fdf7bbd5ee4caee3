from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import insert, select

from riskmodel.domain import ScoredTerm
from riskmodel.store import sets
from riskmodel.store.engine import Store
from riskmodel.store.publishing import go_back, publish
from riskmodel.store.sets import Document
from riskmodel.store.tables import MOVES, SETS

Terms = Callable[..., ScoredTerm]


def test_sets_are_told_last_current_first_and_a_set_that_was_never_current_is_not(
    store: Store, term: Terms, now: datetime
) -> None:
    autumn = publish(store, term(), published_at=now, published_by="x")
    spring = publish(store, term(term="2026-2027-2"), published_at=now, published_by="x")
    again = publish(store, term(term="2026-2027-2"), published_at=now, published_by="x")
    assert [one.set_id for one in sets.published_sets(store)] == [again, spring, autumn]
    go_back(store, to=spring, by="x", at=now)
    assert [one.set_id for one in sets.published_sets(store)] == [spring, again, autumn]
    told = [sets.set_of_term(store, one) for one in ("2026-2027-1", "2026-2027-2", "2020-2021-1")]
    assert [one and one.set_id for one in told] == [autumn, spring, None]
    named = sets.published_set(store, again)
    assert named is not None
    assert named.facts.term == "2026-2027-2"
    assert sets.published_set(store, "set-none") is None


def test_sets_of_all_years_are_told_but_to_who_asks_for_some(
    store: Store, term: Terms, now: datetime
) -> None:
    made = [publish(store, term(schools=1, each=1), published_at=now, published_by="x")]
    with store.writing() as connection:
        one = dict(connection.execute(select(SETS)).one()._mapping)
        for number in range(100):
            made.append(f"set-{number}")
            connection.execute(insert(SETS).values({**one, "set_id": made[-1]}))
            connection.execute(insert(MOVES).values(set_id=made[-1], moved_at="", moved_by="x"))
    assert [one.set_id for one in sets.published_sets(store)] == made[::-1]
    assert [one.set_id for one in sets.published_sets(store, most=2)] == made[:-3:-1]


def test_a_page_is_kept_with_its_set_and_language(store: Store, term: Terms, now: datetime) -> None:
    pages = [Document("card", "zh", "<p>卡</p>"), Document("card", "en", "<p>card</p>")]
    set_id = publish(store, term(), published_at=now, published_by="x", documents=pages)
    assert [sets.document(store, set_id, "card", one) for one in ("zh", "en")] == ["<p>卡</p>", "<p>card</p>"]
    assert sets.document(store, set_id, "other", "zh") is None
    assert sets.document(store, "set-none", "card", "zh") is None
