from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.idempotency import KEPT_FOR, answer_once
from riskmodel.store.principals import Principal
from riskmodel.store.tables import ANSWERS, MOVES, SETS

ONE, OTHER = Principal("key-1", "bureau"), Principal("key-2", "bureau")


@pytest.fixture
def write(store: Store, now: datetime) -> Callable[..., tuple[str, bool]]:
    """Write a set under a key; answer with how many there are."""

    def counted() -> str:
        with store.writing() as connection:
            number = connection.scalar(select(func.count()).select_from(SETS)) or 0
            row = {"set_id": f"set-{number}", "published_at": "", "published_by": "", "term": "", "facts": ""}
            connection.execute(insert(SETS).values(state="complete", student_count=0, **row))
        return str(number + 1)

    def ask(key: str, *, who: Principal = ONE, sent: str = "a", later: timedelta = timedelta(),
            does: Callable[[], str] = counted) -> tuple[str, bool]:  # fmt: skip
        done = answer_once(store, who, key, fingerprint=sent, at=now + later, write=does)
        return done.answer, done.again

    return ask


def test_the_same_write_sent_again_is_done_once_and_answered_the_same(
    write: Callable[..., tuple[str, bool]],
) -> None:
    assert write("k1") == ("1", False)
    assert write("k1") == ("1", True)
    assert write("k2") == ("2", False)
    assert write("k1") == ("1", True)


def test_another_content_under_the_same_key_is_refused(write: Callable[..., tuple[str, bool]]) -> None:
    write("k1")
    with pytest.raises(StoreError) as refused:
        write("k1", sent="b")
    assert refused.value.code == "idempotency_key_reused"
    assert write("k2") == ("2", False)


def test_keys_of_two_principals_have_nothing_to_do_with_each_other(
    write: Callable[..., tuple[str, bool]],
) -> None:
    assert write("k1") == ("1", False)
    assert write("k1", who=OTHER, sent="b") == ("2", False)


def test_an_answer_is_kept_for_a_day_and_then_gone(
    store: Store, write: Callable[..., tuple[str, bool]]
) -> None:
    write("k1")
    assert write("k1", later=KEPT_FOR - timedelta(seconds=1)) == ("1", True)
    assert write("k1", later=KEPT_FOR, sent="b") == ("2", False)
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(ANSWERS)) == 1


def test_a_write_that_fails_leaves_neither_its_rows_nor_an_answer(
    store: Store, write: Callable[..., tuple[str, bool]]
) -> None:
    def half() -> str:
        with store.writing() as connection:
            connection.execute(
                insert(SETS).values(
                    set_id="half", published_at="", published_by="", state="complete", term="",
                    student_count=0, facts="",
                )
            )  # fmt: skip
        with store.writing() as connection:
            connection.execute(insert(MOVES).values(set_id="none", moved_at="", moved_by=""))
        raise AssertionError("the foreign key held nobody up")

    with pytest.raises(Exception, match="FOREIGN KEY"):
        write("k1", does=half)
    assert write("k1") == ("1", False)
