"""A drill: back up while a term is published and schools ask, lose everything, restore, and ask again."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from riskmodel.domain import Band, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.errors import WorkspaceError
from riskmodel.pipelines import back_up, restore
from riskmodel.store.audit import open_audit
from riskmodel.store.engine import Store, open_store
from riskmodel.store.keys import make_key
from riskmodel.store.publishing import publish
from riskmodel.workspace import FORMAT, Workspace
from serve.app import create_app
from serve.settings import Settings

FACTS = TermFacts(
    region="demo", term="2026-2027-1", as_of_date=date(2026, 10, 31), horizon_end=date(2027, 4, 29),
    valid_until=date(2027, 1, 29), model_version="model-1", rule_version="rule-1", wording_version="words-1",
    records_hash="00ff", data_complete_to=date(2026, 10, 30), probabilities=True, features=(),
)  # fmt: skip
AT = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
STUDENTS = 2_100


def a_term(risk: float) -> ScoredTerm:
    students = tuple(
        ScoredStudent(
            student_id=f"student-{number:05}", school_id="school", stage=Stage.JUNIOR, grade=7,
            class_name="1", masked_name="王**", number_tail="0000", risk=risk,
            band=Band.CHECK_IN, listed=False,
        )
        for number in range(STUDENTS)
    )  # fmt: skip
    return ScoredTerm(FACTS, (School("school", "学校", "镇"),), students)


@dataclass(frozen=True)
class _Configured:
    """What the two functions ask of a run."""

    workspace: Workspace
    say: Callable[..., None] = lambda *_, **__: None


@dataclass
class Bureau:
    run: Any
    store: Store
    headers: dict[str, str]


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    root = tmp_path / "workspace"
    for name, content in {
        "FORMAT": f"{FORMAT}\n", "records/manifest.json": "{}", "models/m/bundle/model.txt": "tree",
        "identity.key": "SECRET-1", "lookup.key": "SECRET-2", "features/x/matrix.parquet": "made again",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    store = open_store(root / "store", create=True)
    publish(store, a_term(0.25), published_at=AT, published_by="first")
    key = make_key(store, role="bureau", label="x", made_at=AT)
    yield Bureau(_Configured(Workspace(root)), store, {"Authorization": f"Bearer {key}"})
    store.close()


def answers(bureau: Bureau) -> dict[str, Any]:
    """Ask as a school would, of the workspace as it stands."""
    with TestClient(create_app(Settings(workspace=bureau.run.workspace.root), clock=lambda: AT)) as client:
        paths = [f"/v1/students/student-{number:05}/risk" for number in range(0, STUDENTS, 300)]
        told = {path: client.get(path, headers=bureau.headers) for path in [*paths, "/v1/schools"]}
        assert {answer.status_code for answer in told.values()} == {200}
        return {path: answer.content for path, answer in told.items()}


def test_a_backup_taken_while_a_term_is_published_and_schools_ask_restores_every_answer(
    bureau: Bureau, tmp_path: Path
) -> None:
    before = answers(bureau)
    begun, asked, taken = threading.Event(), [0], threading.Event()

    def publish_a_term() -> None:
        publish(
            bureau.store, a_term(0.75), published_at=AT, published_by="second",
            progress=lambda done, _all: (begun.set(), taken.wait(60)) if done < STUDENTS else None,
        )  # fmt: skip

    def ask() -> None:
        with TestClient(create_app(Settings(workspace=bureau.run.workspace.root))) as client:
            while not taken.is_set():
                answer = client.get("/v1/students/student-00000/risk", headers=bureau.headers)
                assert answer.status_code == 200
                asked[0] += 1

    busy = [threading.Thread(target=publish_a_term), threading.Thread(target=ask)]
    for one in busy:
        one.start()
    begun.wait(60)
    made = back_up(bureau.run, tmp_path / "backups")
    taken.set()
    for one in busy:
        one.join()
    assert asked[0] > 0
    after = answers(bureau)
    assert after != before  # the second term is out now; the backup holds the first

    bureau.store.close()
    shutil.rmtree(bureau.run.workspace.root)
    assert restore(bureau.run, tmp_path / "backups") is None
    assert answers(bureau) == before
    root = bureau.run.workspace.root
    assert (root / "identity.key").read_text(encoding="utf-8") == "SECRET-1"
    assert (root / "models/m/bundle/model.txt").read_text(encoding="utf-8") == "tree"
    assert not (root / "features").exists()
    audit = open_audit(root / "store")
    assert audit.verify().broken_at is None
    assert audit.verify().rows > 0
    audit.close()
    # What the broken-off publishing left is removed by the next one.
    again = open_store(root / "store")
    publish(again, a_term(0.5), published_at=AT, published_by="third")
    again.close()
    data = b"".join(file.read_bytes() for file in made.rglob("*") if file.is_file())
    assert b"SECRET" not in data


@pytest.mark.parametrize("harm", ["changed", "missing", "added", "manifest", "keys"])
def test_a_backup_that_is_not_whole_changes_nothing(bureau: Bureau, tmp_path: Path, harm: str) -> None:
    made = back_up(bureau.run, tmp_path / "backups")
    before = answers(bureau)
    if harm == "changed":
        file = made / "workspace/store/published.db"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif harm == "missing":
        (made / "workspace/models/m/bundle/model.txt").unlink()
    elif harm == "added":
        (made / "workspace/models/m/bundle/more.txt").write_text("x", encoding="utf-8")
    elif harm == "manifest":
        told = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
        told["files"]["../outside"] = "0"
        (made / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    else:
        shutil.rmtree(made.with_name(f"{made.name}-keys"))
    with pytest.raises(WorkspaceError):
        restore(bureau.run, made)
    assert answers(bureau) == before
    assert [path.name for path in tmp_path.iterdir()] == ["workspace", "backups"] or not any(
        path.name.startswith(".") for path in tmp_path.iterdir()
    )


def test_nothing_is_restored_under_a_running_server(bureau: Bureau, tmp_path: Path) -> None:
    back_up(bureau.run, tmp_path / "backups")
    with TestClient(create_app(Settings(workspace=bureau.run.workspace.root))):
        with pytest.raises(WorkspaceError) as refused:
            restore(bureau.run, tmp_path / "backups")
        assert refused.value.code == "workspace_in_use"
    bureau.store.close()
    former = restore(bureau.run, tmp_path / "backups")
    assert former is not None
    assert (former / "features/x/matrix.parquet").is_file()  # nothing of the former workspace is removed


def test_a_disk_that_fails_leaves_no_half_backup(
    bureau: Bureau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(WorkspaceError) as refused:
        back_up(bureau.run, tmp_path / "backups")
    assert refused.value.code == "backup_not_written"
    assert list((tmp_path / "backups").iterdir()) == []


def test_the_latest_of_several_backups_is_taken(bureau: Bureau, tmp_path: Path) -> None:
    first = back_up(bureau.run, tmp_path / "backups")
    first.rename(first.with_name("20200101T000000Z"))
    first.with_name(f"{first.name}-keys").rename(first.with_name("20200101T000000Z-keys"))
    publish(bureau.store, a_term(0.75), published_at=AT, published_by="second")
    latest = answers(bureau)
    back_up(bureau.run, tmp_path / "backups")
    bureau.store.close()
    restore(bureau.run, tmp_path / "backups")
    assert answers(bureau) == latest
