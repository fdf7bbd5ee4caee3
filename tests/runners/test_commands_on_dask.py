"""A term's commands on two workers, one of them killed in the midst of each, tell what one machine tells."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from distributed import Client
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.domain import ScoredStudent
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set
from riskmodel.store.served import served_term

from ..test_line import configured
from .test_dask_runner import die_once_while_writing, in_full

pytestmark = pytest.mark.slow
BUREAU = Principal(key_id="test", role="bureau")
CONFIGS = Path(__file__).parents[2] / "configs"
MAPPED = ("features", "train", "publish", "indicators")
"""Commands whose work lies in buckets; `train` maps its labels."""


def does(config: Path, *command: str) -> None:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert ran.exit_code == 0, ran.output


@contextmanager
def one_killed(client: Client, marker: Path) -> Iterator[None]:
    """Let one worker end while it writes, and see that it did."""
    client.wait_for_workers(2, timeout=120)
    before = set(client.run(os.getpid).values())
    client.run(die_once_while_writing, str(marker))
    yield
    client.wait_for_workers(2, timeout=120)
    assert marker.exists()
    assert len(before - set(client.run(os.getpid).values())) == 1, "one was killed, and replaced"


def told(workspace: Path) -> tuple[str, dict[str, ScoredStudent], dict[str, bytes]]:
    """Return the model's manifest (hashes of its files), what each student is told, the official figures."""
    store = open_store(workspace / "store")
    published = current_set(store)
    students = served_term(store, BUREAU, published).students
    store.close()
    manifest = workspace / "models" / published.facts.model_version / "bundle" / "manifest.json"
    files = (file for file in (workspace / "indicators").rglob("*.csv"))
    figures = {str(file.relative_to(workspace)): file.read_bytes() for file in files}
    return manifest.read_text(encoding="utf-8"), {one.student_id: one for one in students}, figures


@in_full
def test_the_commands_of_a_term_tell_the_same_on_a_cluster_that_loses_a_worker_in_each(
    address: str, tmp_path: Path
) -> None:
    config = configured(tmp_path, students=2000, primary_leavers_a_year=0.18, junior_leavers_a_year=0.19)
    shutil.copy(CONFIGS / "regions" / "demo.yaml", tmp_path / "regions" / "line.yaml")
    shutil.copy(CONFIGS / "targets.yaml", tmp_path)
    workspace = tmp_path / "workspace"
    with mock.patch("riskmodel.records.deliveries.generation.bucket_count_for", return_value=3):
        for step in ("county", "intake"):
            does(config, step)
    with Client(address, set_as_default=False) as client:
        for command in MAPPED:
            with one_killed(client, tmp_path / command):
                does(config, command, "--runner", "dask", "--scheduler", address)
    on_cluster = told(workspace)
    for made in ("features", "labels", "models", "store", "indicators"):
        shutil.rmtree(workspace / made)
    for command in MAPPED:
        does(config, command)
    alone = told(workspace)

    assert alone[0] == on_cluster[0], "the model's files are the same, byte for byte"
    assert alone[1] == on_cluster[1]
    assert sum(student.listed for student in alone[1].values()) > 20
    assert alone[2] == on_cluster[2]
    assert any(b"dropout_rate" in content for content in alone[2].values())
    # What differs is noticed.
    (one, *_) = alone[1].values()
    assert on_cluster[1] != alone[1] | {one.student_id: replace(one, listed=not one.listed)}
