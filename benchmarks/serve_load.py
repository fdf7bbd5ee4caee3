"""What an answer costs: the store's read, and the whole endpoint, beside a bare FastAPI and MLflow's server.

    make bench-serve                  (STUDENTS=1000000 for the size of a province)

Servers of one process each, asked in turn and several rounds, so that whatever else the machine does meets
all alike; medians are printed, by the clock and by the processor time that each server used. The generator is
a process of its own with plain sockets (16 connections, each asking again at once): every status is looked
at, every request names another student and a key of that student's school. Then 200 schools ask once a second
each, on a plan that does not wait for answers (a late answer counts from when its question was due): alone,
beside a publishing, and beside a flood by one key.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from county_steps import SEED, run_steps

from riskmodel.domain import (
    Band,
    FeatureInfo,
    PerHundred,
    School,
    ScoredStudent,
    ScoredTerm,
    Stage,
    Statement,
    TermFacts,
)
from riskmodel.store.engine import open_store
from riskmodel.store.keys import make_key
from riskmodel.store.publishing import publish
from riskmodel.workspace import FORMAT

SCHOOLS = tuple(f"school-{number:03}" for number in range(200))
AT = datetime.now(UTC)

HELLO = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}
"""
BARE = """
import os
from pathlib import Path
from fastapi import FastAPI, Request, Response
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import student_content
store = open_store(Path(os.environ["RISKMODEL_WORKSPACE"]) / "store")
bureau = Principal("bench", "bureau")
app = FastAPI()
@app.get("/students/{student_id}")
async def read(request: Request) -> Response:
    found = student_content(store, bureau, request.path_params["student_id"])
    return Response(found, media_type="application/json")
"""
RAW = """
import os, sqlite3
from fastapi import FastAPI, Request, Response
asked = "SELECT content FROM published_student WHERE set_id = ? AND student_id = ?"
file = sqlite3.connect(os.environ["RISKMODEL_WORKSPACE"] + "/store/published.db", check_same_thread=False)
[current] = file.execute("SELECT set_id FROM pointer_move ORDER BY number DESC LIMIT 1").fetchone()
app = FastAPI()
@app.get("/students/{student_id}")
async def read(request: Request) -> Response:
    found = file.execute(asked, (current, request.path_params["student_id"])).fetchone()
    return Response(found[0], media_type="application/json")
"""
"""The least that one row of SQLite can cost: by its key, whoever asks, whatever was published since."""
TREES = """
import lightgbm, mlflow, numpy, sys
rows = numpy.random.default_rng(1).random((5000, 60))
data = lightgbm.Dataset(rows, rows[:, 0] > 0.9)
model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 200)
mlflow.lightgbm.save_model(model, sys.argv[1])
"""
SAME = """
import json
from pathlib import Path
import mlflow, numpy
from riskmodel.models.calibration import Calibrator
from riskmodel.models.scorer import PARTS, Scorer
class Same(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        bundle = Path(context.artifacts["bundle"])
        texts = {name: (bundle / name).read_text() for name in PARTS if (bundle / name).exists()}
        self.scorer = Scorer.from_texts(texts)
        self.calibrator = Calibrator.from_numbers(json.loads((bundle / "calibrator.json").read_text()))
    def predict(self, context, model_input, params=None):
        rows = numpy.asarray(model_input, dtype=float)
        risk = self.calibrator.risk(self.scorer.margin(rows))
        return numpy.column_stack([risk, self.scorer.contributions(rows)])
mlflow.models.set_model(Same())
"""
"""What the endpoint tells is risk and reasons: the model that a county trained gives both for each row."""


@dataclass(frozen=True)
class Server:
    """One that is asked: its address, its process, and what it is asked the nth time."""

    name: str
    port: int
    pid: int
    question: Callable[[int], bytes]


def a_student(number: int) -> ScoredStudent:
    """Return a student with four statements, as those of a list have; of few is just the same said."""
    first, second, third = (
        Statement(
            "attendance", "api.example.reason", "can_act", "class_teacher", 0.9, 3,
            {"now": float(number // each % 29), "before": number // each % 7 + 0.5}, "attendance",
            date(2026, 10, 30),
        )
        for each in (1, 29, 203)
    )  # fmt: skip
    strength = Statement(
        "study", "api.example.strength", "can_act", "class_teacher", -0.4, 2, {}, "marks", date(2026, 10, 30)
    )
    return ScoredStudent(
        student_id=f"{number:016x}", school_id=SCHOOLS[number % 200], stage=Stage.JUNIOR,
        grade=7 + number % 3, class_name=str(number % 9), masked_name="王**", number_tail="0000", risk=0.1,
        band=Band.REACH_OUT, listed=True, similar=PerHundred(14, 8, 22), reasons=(first, second, third),
        strengths=(strength,),
    )  # fmt: skip


def a_term(students: int) -> ScoredTerm:
    """Return a scored term of 200 schools."""
    facts = TermFacts(
        region="bench", term="2026-2027-1", as_of_date=date(2026, 10, 31), horizon_end=date(2027, 4, 29),
        valid_until=date(2027, 1, 29), model_version="m", rule_version="r", wording_version="w",
        records_hash="0", data_complete_to=date(2026, 10, 30), probabilities=True,
        features=(FeatureInfo(name="now", unit="days", family="attendance", source="attendance"),
                  FeatureInfo(name="before", unit="days", family="attendance", source="attendance")),
    )  # fmt: skip
    schools = tuple(School(one, one, "t") for one in SCHOOLS)
    return ScoredTerm(facts, schools, tuple(a_student(number) for number in range(students)))


def of_process(pid: int) -> tuple[float, float]:
    """Return processor seconds and resident MB of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(resident.split()[1]) / 1024


def ask_closed(port: int, questions: Sequence[bytes], seconds: float) -> tuple[int, int]:
    """Ask on 16 connections, each again at once; return answers and those that are not 200."""
    selector = selectors.DefaultSelector()
    number = answered = wrong = 0
    for _ in range(16):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sendall(questions[number % len(questions)])
        selector.register(opened, selectors.EVENT_READ, bytearray())
        number += 1
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(timeout=0.5):
            opened, got = key.fileobj, key.data
            got += opened.recv(65_536)  # type: ignore[union-attr]
            if not whole(got):
                continue
            answered += 1
            wrong += not got.startswith(b"HTTP/1.1 200")
            got.clear()
            opened.sendall(questions[number % len(questions)])  # type: ignore[union-attr]
            number += 1
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return answered, wrong


def whole(got: bytearray) -> bool:
    """Tell whether an answer has come to its end."""
    head, separator, body = got.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(body) >= int(length or 0)


def ask_open(port: int, questions: Sequence[bytes], seconds: float) -> tuple[list[float], int]:
    """Ask as each of 200 schools once a second, whatever the answers do; return ms from when each was due."""
    taken: list[float] = []
    wrong = [0]

    def school(number: int) -> None:
        due = began + number / 200
        with socket.create_connection(("127.0.0.1", port), timeout=120) as opened:
            for turn in range(int(seconds)):
                time.sleep(max(0.0, due - time.monotonic()))
                opened.sendall(questions[(number + 200 * turn) % len(questions)])
                got = bytearray()
                while not whole(got):
                    got += opened.recv(65_536)
                taken.append((time.monotonic() - due) * 1000)
                wrong[0] += not got.startswith(b"HTTP/1.1 200")
                due += 1

    began = time.monotonic() + 1
    threads = [threading.Thread(target=school, args=(number,)) for number in range(200)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sorted(taken), wrong[0]


def elsewhere(work: Callable[..., object], *given: object) -> object:
    """Do it in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


@contextmanager
def started(command: Sequence[str], port: int, **environment: str) -> Iterator[int]:
    """Start a server and wait until it answers."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextmanager
def beside(work: Callable[..., object], *given: object, **named: object) -> Iterator[None]:
    """Do it in a thread meanwhile, and wait for its end."""
    working = threading.Thread(target=work, args=given, kwargs=named)
    working.start()
    yield
    working.join()


@contextmanager
def retrained(county: Path) -> Iterator[None]:
    """Train the model meanwhile, niced and on one processor; with its old seed it would be used again."""
    config = county / "county.yaml"
    said = config.read_text(encoding="utf-8")
    config.write_text(said.replace(f"seed: {SEED}", f"seed: {SEED + 1}"), encoding="utf-8")
    train = [str(Path(sys.executable).with_name("riskmodel")), "train", "--config", str(config)]
    command = ["taskset", "-c", "0", "nice", "-n", "19", *train]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    if process.poll() is not None:
        sys.exit("the training ended before the questions did: ask for fewer seconds")
    process.terminate()
    process.wait()


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(path: str, key: str = "") -> bytes:
    """Write a question."""
    header = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode()


def load() -> str:
    """Return the load of the machine."""
    return "load " + " ".join(f"{one:.1f}" for one in os.getloadavg())


def compare(servers: Sequence[Server], *, rounds: int, seconds: float) -> None:
    """Ask the servers in turn; print medians of requests a second, by the clock and by processor time."""
    by_clock: dict[str, list[float]] = {one.name: [] for one in servers}
    by_cpu: dict[str, list[float]] = {one.name: [] for one in servers}
    for _ in range(rounds):
        for one in servers:
            questions = [one.question(number) for number in range(20_000)]
            before = of_process(one.pid)[0]
            answered, wrong = elsewhere(ask_closed, one.port, questions, seconds)  # type: ignore[misc]
            used = of_process(one.pid)[0] - before
            if wrong:
                sys.exit(f"{one.name}: {wrong} of {answered} answers are not 200")
            by_clock[one.name].append(answered / seconds)
            by_cpu[one.name].append(answered / max(used, 0.01))
    first = servers[0].name
    for one in servers:
        clock, cpu = statistics.median(by_clock[one.name]), statistics.median(by_cpu[one.name])
        share = clock / statistics.median(by_clock[first]), cpu / statistics.median(by_cpu[first])
        print(
            f"{one.name:8} {clock:8.0f} requests/s ({share[0]:.2f} of {first})  {cpu:8.0f} "
            f"a processor second ({share[1]:.2f})  {of_process(one.pid)[1]:6.0f} MB  {load()}",
            flush=True,
        )


def tell(name: str, taken: Sequence[float], wrong: int) -> None:
    """Print how long answers took."""
    at = {share: taken[min(len(taken) - 1, int(len(taken) * share))] for share in (0.5, 0.99)}
    print(
        f"{name:46} {len(taken)} answers, {wrong} not 200, "
        f"median {at[0.5]:.1f} ms, p99 {at[0.99]:.1f} ms  {load()}"
    )


def main() -> None:
    """Print the comparison and the latencies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--open-seconds", type=int, default=30)
    parser.add_argument("--without-mlflow", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), told)


def run(folder: Path, told: argparse.Namespace) -> None:
    """Make the store, start the servers, ask them."""
    (folder / "FORMAT").write_text(f"{FORMAT}\n", encoding="utf-8")
    store = open_store(folder / "store", create=True)
    publish(store, a_term(told.students), published_at=AT, published_by="bench")
    keys = [make_key(store, role="school", school_ids=[one], label="bench", made_at=AT) for one in SCHOOLS]
    flood = make_key(store, role="bureau", label="flood", made_at=AT)
    for module, code in (("hello", HELLO), ("raw", RAW), ("bare", BARE)):
        (folder / f"{module}_app.py").write_text(code, encoding="utf-8")
    ports = {one: free_port() for one in ("hello", "raw", "bare", "full", "limited")}

    def student(number: int) -> int:
        return number * 7919 % told.students

    def published_anew() -> AbstractContextManager[None]:
        return beside(publish, store, a_term(told.students), published_at=AT, published_by="bench")

    def uvicorn(module: str) -> list[str]:
        app = ["--app-dir", str(folder), f"{module}_app:app", "--no-access-log"]
        return [sys.executable, "-m", "uvicorn", *app, "--port", str(ports[module])]

    serve = [sys.executable, "-m", "serve", "--workspace", str(folder), "--port"]
    questions = {
        "hello": lambda _: get("/hello"),
        "raw": lambda number: get(f"/students/{student(number):016x}"),
        "bare": lambda number: get(f"/students/{student(number):016x}"),
        "full": lambda number: get(f"/v1/students/{student(number):016x}/risk", keys[student(number) % 200]),
    }
    with (
        started(uvicorn("hello"), ports["hello"]) as hello,
        started(uvicorn("raw"), ports["raw"], RISKMODEL_WORKSPACE=str(folder)) as raw,
        started(uvicorn("bare"), ports["bare"], RISKMODEL_WORKSPACE=str(folder)) as bare,
        started(
            [*serve, str(ports["full"])], ports["full"], RISKMODEL_REQUESTS_PER_MINUTE="10000000"
        ) as full,
    ):
        servers = [
            Server(name, ports[name], pid, questions[name])
            for name, pid in (("hello", hello), ("raw", raw), ("bare", bare), ("full", full))
        ]
        print(f"{told.students:,} students, {os.cpu_count()} processors, generator: plain sockets")
        compare(servers, rounds=told.rounds, seconds=told.seconds)
        if not told.without_mlflow:
            for name, save in (("trees", trees_alone), ("same", same_model)):
                columns = save(folder / name)
                posted = post([0.5] * columns)
                port = free_port()
                with mlflow_server(folder / name, port) as mlflow:
                    print(f"beside MLflow's scoring server, {name}: a row of {columns} columns")
                    other = Server("mlflow", port, mlflow, lambda _, posted=posted: posted)  # type: ignore[misc]
                    compare([other, servers[-1]], rounds=told.rounds, seconds=told.seconds)
    with started([*serve, str(ports["limited"])], ports["limited"]):
        asked = [questions["full"](number) for number in range(20_000)]
        by_school = sorted(range(20_000), key=lambda number: student(number) % 200)
        asked = [asked[number] for number in by_school]
        plan = [asked[(place % 200) * 100 + place // 200 % 100] for place in range(20_000)]
        one_key = [get(f"/v1/students/{number:016x}/risk", flood) for number in range(1000)]
        flooding = beside(elsewhere, ask_closed, ports["limited"], one_key, told.open_seconds)
        whiles: dict[str, list[AbstractContextManager[None]]] = {
            "alone": [], "beside one key's flood": [flooding], "beside a publishing": [published_anew()],
        }  # fmt: skip
        if not told.without_mlflow:
            whiles["beside a training and a publishing"] = [retrained(folder / "county"), published_anew()]
        for name, contexts in whiles.items():
            with ExitStack() as meanwhile:
                for one in contexts:
                    meanwhile.enter_context(one)
                taken, wrong = elsewhere(ask_open, ports["limited"], plan, told.open_seconds)  # type: ignore[misc]
            tell(f"200 schools {name}", taken, wrong)
    store.close()


def post(row: Sequence[float]) -> bytes:
    """Write a question to MLflow's server."""
    body = json.dumps({"inputs": [row]}).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def trees_alone(folder: Path) -> int:
    """Save 200 trees of 60 columns as MLflow's own flavour: raw scores and no reasons; return the columns."""
    subprocess.run([sys.executable, "-c", TREES, str(folder)], check=True, capture_output=True)
    return 60


def same_model(folder: Path) -> int:
    """Train a model by the commands, and save what it tells: risk, contributions; return its columns."""
    county = folder.with_name("county")
    run_steps(20_000, county, steps=("county", "intake", "features", "train"), school_years=2)
    [bundle] = county.glob("workspace/models/*/bundle")
    code = folder.with_name("same_model.py")
    code.write_text(SAME, encoding="utf-8")
    saving = f"""
import mlflow
mlflow.pyfunc.save_model({str(folder)!r}, python_model={str(code)!r}, artifacts={{"bundle": {str(bundle)!r}}},
                         pip_requirements=[])
"""
    subprocess.run([sys.executable, "-c", saving], check=True, capture_output=True)
    return len(json.loads((bundle / "features.json").read_text(encoding="utf-8"))["model_columns"])


@contextmanager
def mlflow_server(model: Path, port: int) -> Iterator[int]:
    """Start MLflow's scoring server."""
    app = ["mlflow.pyfunc.scoring_server.app:app", "--port", str(port), "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", *app]
    with started(command, port, __pyfunc_model_path__=str(model), MLFLOW_DISABLE_TELEMETRY="true") as pid:
        yield pid


if __name__ == "__main__":
    main()
