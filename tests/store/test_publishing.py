from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from riskmodel.domain import ScoredStudent, ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.store import publishing, reading
from riskmodel.store.engine import Store, open_store
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import go_back, publish, remove_leftovers, taken_back
from riskmodel.store.tables import MOVES, SCHOOLS, SETS, STUDENTS

Terms = Callable[..., ScoredTerm]


def counts(store: Store) -> tuple[int, int, int]:
    with store.reading() as connection:
        return tuple(  # type: ignore[return-value]
            connection.scalar(select(func.count()).select_from(table)) for table in (SETS, SCHOOLS, STUDENTS)
        )


def test_a_published_term_is_current_and_reads_back_whole(
    store: Store, term: Terms, now: datetime, bureau: Principal
) -> None:
    scored = term(schools=3, each=7)
    set_id = publish(store, scored, published_at=now, published_by="tester")
    current = reading.current_set(store)
    assert (current.set_id, current.published_at, current.facts) == (set_id, now, scored.facts)
    assert reading.schools(store, bureau) == scored.schools
    assert all(reading.student(store, bureau, one.student_id) == one for one in scored.students)


def test_nothing_is_current_before_the_first_publishing(store: Store) -> None:
    with pytest.raises(StoreError) as refused:
        reading.current_set(store)
    assert refused.value.code == "nothing_published"


def test_while_a_set_is_written_the_former_one_stays_current(
    store: Store, term: Terms, now: datetime, bureau: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 3)
    first = publish(store, term(), published_at=now, published_by="x")
    seen: list[tuple[int, int, str]] = []

    def look(done: int, total: int) -> None:
        seen.append((done, total, reading.current_set(store).set_id))

    second = publish(store, term(), published_at=now, published_by="x", progress=look)
    assert seen == [(3, 10, first), (6, 10, first), (9, 10, first), (10, 10, first)]
    assert reading.current_set(store).set_id == second


def test_a_publishing_that_breaks_off_is_never_seen_and_is_removed_by_the_next(
    store: Store, term: Terms, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 4)
    first = publish(store, term(), published_at=now, published_by="x")

    def break_off(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, term(), published_at=now, published_by="x", progress=break_off)
    assert counts(store) == (2, 4, 14)
    assert reading.current_set(store).set_id == first
    publish(store, term(), published_at=now, published_by="x")
    assert counts(store) == (2, 4, 20)


def test_former_sets_stay_and_the_pointer_can_go_back(
    store: Store, term: Terms, now: datetime, bureau: Principal
) -> None:
    first = publish(store, term(each=2), published_at=now, published_by="x")
    publish(store, term(each=1), published_at=now, published_by="x")
    gone = "school-0-student-00001"
    assert reading.student(store, bureau, gone) is None
    assert go_back(store, to=None, by="tester", at=now + timedelta(hours=1)) == first
    assert reading.current_set(store).set_id == first
    assert reading.student(store, bureau, gone) is not None
    with store.reading() as connection:
        assert connection.scalars(select(MOVES.c.moved_by).order_by(MOVES.c.number)).all() == [
            "x",
            "x",
            "tester",
        ]


def test_going_back_twice_never_returns_to_what_was_taken_back_unless_it_is_named(
    store: Store, term: Terms, now: datetime
) -> None:
    first, second, third = (
        publish(store, term(each=number), published_at=now, published_by="x") for number in (1, 2, 3)
    )
    assert go_back(store, to=None, by="a", at=now) == second
    assert taken_back(store) == {third: "a"}
    assert go_back(store, to=None, by="b", at=now) == first
    with pytest.raises(StoreError, match="nothing"):
        go_back(store, to=None, by="b", at=now)
    fourth = publish(store, term(each=4), published_at=now, published_by="x")
    assert go_back(store, to=None, by="a", at=now) == first
    assert taken_back(store) == {third: "a", second: "b", fourth: "a"}
    assert go_back(store, to=third, by="a", at=now) == third
    assert taken_back(store) == {second: "b", fourth: "a"}
    assert reading.current_set(store).set_id == third


def test_who_goes_back_over_several_sets_has_left_them_all(store: Store, term: Terms, now: datetime) -> None:
    first, second, third = (
        publish(store, term(each=number), published_at=now, published_by="x") for number in (1, 2, 3)
    )
    go_back(store, to=first, by="a", at=now)
    assert taken_back(store) == {second: "a", third: "a"}
    publish(store, term(each=4), published_at=now, published_by="x")
    assert go_back(store, to=None, by="a", at=now) == first


def test_who_returns_from_a_mistaken_rollback_undoes_all_that_it_left_and_nothing_else(
    store: Store, term: Terms, now: datetime
) -> None:
    sets = [publish(store, term(each=number), published_at=now, published_by="x") for number in (1, 2, 3)]
    assert go_back(store, to=None, by="of good reason", at=now) == sets[1]
    fourth = publish(store, term(each=4), published_at=now, published_by="x")
    go_back(store, to=sets[0], by="by mistake", at=now)
    assert set(taken_back(store)) == {sets[1], sets[2], fourth}
    go_back(store, to=fourth, by="a", at=now)
    assert taken_back(store) == {sets[2]: "of good reason"}
    assert go_back(store, to=None, by="a", at=now) == sets[1]


def test_there_is_nothing_to_go_back_to_before_the_second_publishing(
    store: Store, term: Terms, now: datetime
) -> None:
    with pytest.raises(StoreError) as refused:
        go_back(store, to=None, by="a", at=now)
    assert refused.value.code == "nothing_published"
    only = publish(store, term(), published_at=now, published_by="x")
    with pytest.raises(StoreError) as refused:
        go_back(store, to=None, by="a", at=now)
    assert refused.value.code == "nothing_to_go_back_to"
    assert reading.current_set(store).set_id == only


def test_the_pointer_goes_to_no_unknown_or_unfinished_set(
    store: Store, term: Terms, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 1)

    def half(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, term(), published_at=now, published_by="x", progress=half)
    with store.reading() as connection:
        unfinished = connection.scalar(select(SETS.c.set_id))
    for set_id in (unfinished, "set-none"):
        with pytest.raises(StoreError) as refused:
            go_back(store, to=str(set_id), by="x", at=now)
        assert refused.value.code == "set_unknown"


def test_a_publishing_overtaken_by_another_stops_and_the_later_one_stands(
    store: Store, term: Terms, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 3)
    later: list[str] = []

    def overtake(done: int, total: int) -> None:
        if not later:
            later.append(publish(store, term(), published_at=now, published_by="later"))

    with pytest.raises(StoreError) as refused:
        publish(store, term(), published_at=now, published_by="earlier", progress=overtake)
    assert refused.value.code == "publishing_overtaken"
    assert reading.current_set(store).set_id == later[0]
    assert remove_leftovers(store) == 0
    assert counts(store) == (1, 2, 10)


def _twice(term: ScoredTerm) -> ScoredTerm:
    return replace(term, students=(*term.students, term.students[0]))


def _school_twice(term: ScoredTerm) -> ScoredTerm:
    return replace(term, schools=(*term.schools, term.schools[0]))


def _school_missing(term: ScoredTerm) -> ScoredTerm:
    return replace(term, schools=term.schools[1:])


def _with_risk(risk: float) -> Callable[[ScoredTerm], ScoredTerm]:
    def change(term: ScoredTerm) -> ScoredTerm:
        students: list[ScoredStudent] = list(term.students)
        students[-1] = replace(students[-1], risk=risk)
        return replace(term, students=tuple(students))

    return change


def _no_probabilities(term: ScoredTerm) -> ScoredTerm:
    return replace(term, facts=replace(term.facts, probabilities=False))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_twice, "publish_student_twice"),
        (_school_twice, "publish_school_twice"),
        (_school_missing, "publish_school_missing"),
        (_with_risk(1.5), "publish_risk_unsound"),
        (_with_risk(float("nan")), "publish_risk_unsound"),
        (_no_probabilities, "publish_risk_unsound"),
    ],
)
def test_a_term_that_contradicts_itself_is_refused_and_nothing_is_stored(
    store: Store, term: Terms, now: datetime, change: Callable[[ScoredTerm], ScoredTerm], code: str
) -> None:
    with pytest.raises(StoreError) as refused:
        publish(store, change(term()), published_at=now, published_by="x")
    assert refused.value.code == code
    assert counts(store) == (0, 0, 0)


def test_a_locked_store_refuses_to_publish_and_keeps_what_it_has(
    store: Store, term: Terms, now: datetime
) -> None:
    first = publish(store, term(), published_at=now, published_by="x")
    other = open_store(store.folder, wait_seconds=0.2)
    with store.writing(), pytest.raises(StoreError) as refused:
        publish(other, term(), published_at=now, published_by="x")
    other.close()
    assert refused.value.code == "store_locked"
    assert reading.current_set(store).set_id == first


def test_an_instant_without_time_zone_is_refused(store: Store, term: Terms, now: datetime) -> None:
    with pytest.raises(ValueError, match="time zone"):
        publish(store, term(), published_at=now.replace(tzinfo=None), published_by="x")


def test_readers_see_the_old_set_or_the_new_one_and_never_a_mix(
    store: Store, term: Terms, student: Callable[..., ScoredStudent], now: datetime, bureau: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 7)

    def version(number: int) -> ScoredTerm:
        made = term(schools=1, each=0, model_version=str(number))
        students = tuple(student(one, "school-0", class_name=str(number)) for one in range(30))
        return replace(made, students=students)

    publish(store, version(0), published_at=now, published_by="x")
    mixed: list[str] = []
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            page = reading.students(store, bureau, "school-0", limit=500)
            classes = {one.class_name for one in page.students}
            if len(classes) != 1 or len(page.students) != 30:
                mixed.append(f"{classes} {len(page.students)}")
            seen.update(classes)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 13):
        publish(store, version(number), published_at=now, published_by="x")
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert len(seen) > 2


KILLED = """
import json, os, random, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import make_term
from riskmodel.store import publishing, reading
from riskmodel.store.engine import open_store
from riskmodel.store.tables import SETS
from sqlalchemy import select

folder, random_source = Path(sys.argv[1]), random.Random(20261031)
publishing.CHUNK_ROWS = 100
now = datetime(2026, 11, 2, tzinfo=UTC)
term = make_term(schools=4, each=600)

def publish_once():
    store = open_store(folder)
    publishing.publish(store, term, published_at=now, published_by="x")
    store.close()

store = open_store(folder, create=True)
began = time.perf_counter()
publishing.publish(store, term, published_at=now, published_by="x")
usual = time.perf_counter() - began
store.close()
results = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        publish_once()
        os._exit(0)
    time.sleep(random_source.uniform(0, 1.05 * usual))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    store = open_store(folder)
    with store.reading() as connection:
        unfinished = connection.scalars(select(SETS.c.set_id).where(SETS.c.state != "complete")).all()
        whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        strays = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    current = reading.current_set(store).set_id
    with store.reading() as connection:
        students = connection.exec_driver_sql(
            "SELECT count(*) FROM published_student WHERE set_id = ?", (current,)
        ).scalar()
    results.append({"unfinished": len(unfinished), "current_is_unfinished": current in unfinished,
                    "students": students, "whole": whole, "strays": len(strays)})
    store.close()
publish_once()
store = open_store(folder)
left = publishing.remove_leftovers(store)
store.close()
print(json.dumps({"results": results, "left": left}))
"""


def test_killing_a_publishing_leaves_a_whole_store_and_a_whole_current_set(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(Path(__file__).parent)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert len(told["results"]) == 20
    for after_kill in told["results"]:
        assert after_kill["students"] == 2400
        assert not after_kill["current_is_unfinished"]
        assert after_kill["whole"] == "ok"
        assert after_kill["strays"] == 0
        assert after_kill["unfinished"] <= 1
    assert sum(after_kill["unfinished"] for after_kill in told["results"]) >= 5, "the kills hit nothing"
    assert told["left"] == 0
    opened = open_store(tmp_path / "store")
    assert reading.current_set(opened).facts.region == "demo"
    opened.close()
