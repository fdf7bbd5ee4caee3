"""What is remembered is what stands in the file, whoever changed it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime

from riskmodel.domain import ScoredTerm
from riskmodel.store import reading
from riskmodel.store.engine import Store, open_store
from riskmodel.store.keys import make_key, recognise
from riskmodel.store.publishing import publish
from riskmodel.store.reading import current_set

REVOKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from riskmodel.store.engine import open_store
from riskmodel.store.keys import revoke
revoke(open_store(Path(sys.argv[1])), sys.argv[2], at=datetime.now(UTC))
"""


def test_what_was_read_is_read_once_until_somebody_commits(store: Store, now: datetime) -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(len(asked) + 1)
        return asked[-1]

    assert [store.remember("x", ask) for _ in range(3)] == [1, 1, 1]
    make_key(store, role="bureau", label="x", made_at=now)
    assert [store.remember("x", ask) for _ in range(3)] == [2, 2, 2]


def test_what_belongs_together_is_of_one_state_and_is_not_kept_for_the_next(
    store: Store, now: datetime
) -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(len(asked) + 1)
        return asked[-1]

    seen = store.seen()
    assert [store.remember("x", ask, seen=seen) for _ in range(2)] == [1, 1]
    make_key(store, role="bureau", label="x", made_at=now)
    later = store.seen()
    assert later != seen
    assert store.remember("x", ask, seen=seen) == 2  # who is late reads anew, and leaves nothing behind
    assert [store.remember("x", ask, seen=later) for _ in range(2)] == [3, 3]


def test_nothing_found_is_asked_again_each_time(store: Store) -> None:
    asked: list[None] = []
    for _ in range(3):
        assert store.remember("x", lambda: asked.append(None)) is None
    assert len(asked) == 3


def test_a_key_that_another_process_revoked_is_refused_at_the_next_request(
    store: Store, now: datetime
) -> None:
    plain = make_key(store, role="bureau", label="x", made_at=now)
    assert recognise(store, plain, at=now) is recognise(store, plain, at=now) is not None
    subprocess.run([sys.executable, "-c", REVOKE, str(store.folder), plain.split("_")[1]], check=True)
    assert recognise(store, plain, at=now) is None


def test_a_set_that_another_opening_published_is_the_current_one_at_once(
    store: Store, now: datetime, term: Callable[..., ScoredTerm]
) -> None:
    first = publish(store, term(), published_at=now, published_by="test")
    assert current_set(store).set_id == first
    other = open_store(store.folder)
    second = publish(other, term(), published_at=now, published_by="test")
    assert current_set(store).set_id == second
    other.close()


def test_what_a_thread_read_before_a_change_is_not_kept_after_it(store: Store, now: datetime) -> None:
    began, changed = threading.Event(), threading.Event()

    def slow() -> str:
        began.set()
        changed.wait()
        return "before"

    reader = threading.Thread(target=lambda: store.remember("x", slow))
    reader.start()
    began.wait()
    make_key(store, role="bureau", label="x", made_at=now)
    store.remember("y", lambda: "met the change")
    changed.set()
    reader.join()
    assert store.remember("x", lambda: "after") == "after"


def test_the_same_student_is_found_as_text_and_as_a_whole(
    store: Store, now: datetime, term: Callable[..., ScoredTerm], bureau: reading.Principal
) -> None:
    made = term()
    set_id = publish(store, made, published_at=now, published_by="test")
    for student in made.students:
        assert reading.student(store, bureau, student.student_id) == student
        content = reading.student_content(store, bureau, student.student_id, current_set_id=set_id)
        assert content is not None
        assert student.student_id in content
        assert reading.student_content(store, bureau, student.student_id) == content
