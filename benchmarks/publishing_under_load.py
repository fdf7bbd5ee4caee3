"""Proof that no answer mixes two published sets, and that going back loses no request.

    make publishing-load     100 publishings under load, a rollback at 50 requests a second, the planted bug

A real server process and client threads that read a student, all pages of a school, and the schools. Each set
carries its mark in everything that it holds: in its region, in the names of its schools and in its students.
An answer counts as mixed where it holds more than one mark, or a set id with the mark of another. A server
that reads a student from the set before the current one is planted first, and must be noticed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from riskmodel.domain import Band, FeatureInfo, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.store.engine import Store, open_store
from riskmodel.store.keys import make_key
from riskmodel.store.publishing import go_back, publish

SCHOOLS, EACH = 6, 60
MARK = re.compile(r"mark-\d+")
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def term_of(mark: int, *, schools: int = SCHOOLS, each: int = EACH) -> ScoredTerm:
    """Make a set whose every part says which one it is."""
    name = f"mark-{mark}"
    facts = TermFacts(
        region=name, term="2026-2027-1", as_of_date=date(2026, 10, 31), horizon_end=date(2027, 4, 29),
        valid_until=date(2027, 1, 29), model_version=name, rule_version="rule", wording_version="words",
        records_hash="00ff", data_complete_to=date(2026, 10, 30), probabilities=True,
        features=(FeatureInfo(name="now", unit="days", family="attendance", source="attendance"),),
    )  # fmt: skip
    ids = [f"s{number}" for number in range(schools)]
    students = tuple(
        ScoredStudent(
            student_id=f"{school}-{number}", school_id=school, stage=Stage.JUNIOR, grade=7, class_name="1",
            masked_name=name, number_tail="0000", risk=0.1, band=Band.CHECK_IN, listed=True,
        )
        for school in ids
        for number in range(each)
    )  # fmt: skip
    return ScoredTerm(facts, tuple(School(one, f"{one} {name}", "镇") for one in ids), students)


@dataclass
class Seen:
    """What the clients were answered."""

    answers: Counter[str] = field(default_factory=Counter)
    mixed: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    mark_of: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, kind: str, status: int, body: bytes) -> None:
        """Hold an answer against what may be."""
        with self.lock:
            if status == 409 and kind == "page":
                self.answers["page, told that a new set has come"] += 1
                return
            if status != 200:
                self.failed[f"{kind} {status}"] += 1
                return
            self.answers[kind] += 1
            told = body.decode()
            marks = set(MARK.findall(told))
            set_ids = set(re.findall(r"set-\d{8}-[0-9a-f]{6}", json.dumps(json.loads(told).get("set", {}))))
            if len(marks) != 1 or len(set_ids) != 1:
                self.mixed.append(f"{kind}: {sorted(marks)} {sorted(set_ids)}")
                return
            mark, set_id = marks.pop(), set_ids.pop()
            if self.mark_of.setdefault(set_id, mark) != mark:
                self.mixed.append(f"{kind}: {set_id} was {self.mark_of[set_id]}, here {mark}")


def read_on(port: int, key: str, seen: Seen, stop: threading.Event, *, pace: float = 0.0) -> None:
    """Read until told to stop: a student, the pages of a school, the schools."""
    chance = random.Random(threading.get_ident())  # noqa: S311
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(kind: str, path: str) -> tuple[int, bytes]:
        began = time.monotonic()
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except OSError as problem:
            connection.close()
            status, body = 0, type(problem).__name__.encode()
        seen.take(kind, status, body)
        if pace:
            time.sleep(max(0.0, pace - (time.monotonic() - began)))
        return status, body

    while not stop.is_set():
        school = f"s{chance.randrange(SCHOOLS)}"
        kind = chance.choice(("student", "student", "page", "schools"))
        if kind == "student":
            ask(kind, f"/v1/students/{school}-{chance.randrange(EACH)}/risk")
        elif kind == "schools":
            ask(kind, "/v1/schools")
        else:
            path: str | None = f"/v1/schools/{school}/students?limit=25"
            while path and not stop.is_set():
                status, body = ask(kind, path)
                path = json.loads(body).get("next") if status == 200 else None
    connection.close()


@contextmanager
def serving(workspace: Path, *, planted: bool = False) -> Iterator[int]:
    """Start the server as a process of its own on a free port; it is ready when this returns."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, "--planted-server"] if planted else [sys.executable, "-m", "serve"]
    server = subprocess.Popen(
        [*command, "--workspace", str(workspace), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # All clients share one key here: what is asked for is load, and no limit.
        env={**os.environ, "RISKMODEL_REQUESTS_PER_MINUTE": "1000000"},
    )  # fmt: skip
    try:
        _wait_until_ready(server, port)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError("the server ended")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("the server is not ready after a minute")


def _prepared(folder: Path) -> tuple[Store, str]:
    store = open_store(folder / "store", create=True, wait_seconds=30)
    publish(store, term_of(0), published_at=NOW, published_by="load")
    return store, make_key(store, role="bureau", label="load", made_at=NOW)


@contextmanager
def _reading(port: int, key: str, seen: Seen, *, threads: int, pace: float = 0.0) -> Iterator[None]:
    stop = threading.Event()
    readers = [
        threading.Thread(target=read_on, args=(port, key, seen, stop), kwargs={"pace": pace})
        for _ in range(threads)
    ]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join(60)


def publish_under_load(*, publishings: int, threads: int = 4, planted: bool = False) -> Seen:
    """Publish again and again while clients read; return what they saw. The planted bug ends it early."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        store, key = _prepared(Path(folder))
        with serving(Path(folder), planted=planted) as port, _reading(port, key, seen, threads=threads):
            for mark in range(1, publishings + 1):
                publish(store, term_of(mark), published_at=NOW, published_by="load")
                time.sleep(0.05)
                if planted and seen.mixed:
                    break
            time.sleep(0.5)
        store.close()
    return seen


@dataclass
class WentBack:
    """What going back took and changed."""

    seconds: float
    seen: Seen
    requests_a_second: float
    same_to_the_bit: int
    different: int


def roll_back_under_load(*, seconds: float = 10, a_second: int = 50) -> WentBack:
    """Go back to the former set by a process of its own while clients ask at a steady pace."""
    seen, threads = Seen(), 5
    with tempfile.TemporaryDirectory() as folder:
        store, key = _prepared(Path(folder))
        with serving(Path(folder)) as port:
            earlier = _all_students(port, key)
            publish(store, term_of(1), published_at=NOW, published_by="load")
            began = time.monotonic()
            with _reading(port, key, seen, threads=threads, pace=threads / a_second):
                time.sleep(seconds / 2)
                asked = time.monotonic()
                subprocess.run([sys.executable, __file__, "--go-back", folder], check=True)
                while _all_students(port, key, only=1) != {k: earlier[k] for k in list(earlier)[:1]}:
                    time.sleep(0.01)
                took = time.monotonic() - asked
                time.sleep(max(0.0, seconds / 2 - took))
            lasted = time.monotonic() - began
            now = _all_students(port, key)
        store.close()
    same = sum(now[student] == body for student, body in earlier.items())
    rate = (sum(seen.answers.values()) + sum(seen.failed.values())) / lasted
    return WentBack(took, seen, rate, same, len(earlier) - same)


def _all_students(port: int, key: str, *, only: int | None = None) -> dict[str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    found = {}
    ids = [f"s{school}-{number}" for school in range(SCHOOLS) for number in range(EACH)]
    for student in ids[:only]:
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("GET", f"/v1/students/{student}/risk", headers=headers)
        found[student] = connection.getresponse().read()
    connection.close()
    return found


def _planted_server(arguments: list[str]) -> int:
    """Serve, but read each student from the set before the one that the answer names."""
    from sqlalchemy import select

    import serve.daily
    import serve.run
    from riskmodel.store import reading
    from riskmodel.store.tables import MOVES

    real = reading.student_content

    def from_the_set_before(store: Store, principal: object, student_id: str, **_: str) -> str | None:
        with store.reading() as connection:
            moves = connection.scalars(select(MOVES.c.set_id).order_by(MOVES.c.number.desc())).all()
        return real(store, principal, student_id, current_set_id=moves[min(1, len(moves) - 1)])  # type: ignore[arg-type]

    serve.daily.student_content = from_the_set_before  # type: ignore[assignment]
    reading.student_content = from_the_set_before
    return serve.run.main(arguments)


def main() -> int:
    """Run the proof, print what was seen; 1 if anything was wrong or the planted bug went unnoticed."""
    if "--planted-server" in sys.argv:
        return _planted_server([one for one in sys.argv[1:] if one != "--planted-server"])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--publishings", type=int, default=100)
    parser.add_argument("--go-back", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.go_back:
        store = open_store(asked.go_back / "store", wait_seconds=30)
        go_back(store, to=None, by="load", at=NOW)
        return 0
    planted = publish_under_load(publishings=20, planted=True)
    print(f"planted: a student read from the set before: {'caught' if planted.mixed else 'NOT CAUGHT'}")
    began = time.monotonic()
    seen = publish_under_load(publishings=asked.publishings)
    lasted = time.monotonic() - began
    print(f"{asked.publishings} publishings in {lasted:.0f} s, sets seen: {len(seen.mark_of)}")
    print(f"answers: {dict(seen.answers)}; mixed: {len(seen.mixed)}; failed: {dict(seen.failed)}")
    back = roll_back_under_load()
    print(
        f"rollback: {back.seconds:.2f} s until the first answer of the former set, at "
        f"{back.requests_a_second:.0f} requests a second; "
        f"failed: {dict(back.seen.failed)}, mixed: {len(back.seen.mixed)}; "
        f"answers the same to the bit: {back.same_to_the_bit}, other: {back.different}"
    )
    print(f"CPU {sum(os.times()[:4]):.0f} s; load average {os.getloadavg()[0]:.1f}")
    wrong = [*seen.mixed, *seen.failed, *back.seen.mixed, *back.seen.failed]
    return int(bool(wrong) or not planted.mixed or back.seconds > 10 or back.different > 0)


if __name__ == "__main__":
    sys.exit(main())
