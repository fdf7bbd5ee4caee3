import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from riskmodel import bundle as bundles
from riskmodel.bundle import bundle_files, read_bundle, write_bundle
from riskmodel.bundle_trial import try_bundle
from riskmodel.errors import BundleRefused
from riskmodel.models.gbm import Gbm
from riskmodel.pipelines.child_marks import ChildMarks
from riskmodel.signing import SigningKey

KEY = SigningKey.make()
CHANGES = 600
"""Single-byte changes; `make tampering` makes 10,000 of them, in a bundle of the demo's size."""


def read(place, version="m1"):
    return read_bundle(place, version=version, public_key=KEY.public)


def write(place, trained):
    write_bundle(place, bundle_files(trained, model_version=place.name, data_hash="d" * 64, key=KEY))


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "m1"
    write(place, trained)
    return place


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "m1")


def resign(place, *, key=KEY, manifest=None, **changed: bytes):
    """Make hashes and signature right again after a change, as the owner of the key could."""
    told = json.loads((place / "manifest.json").read_bytes()) | (manifest or {})
    for name, content in changed.items():
        file = name.replace("__", "-").replace("_", ".")
        (place / file).write_bytes(content)
        told["files"][file] = bundles.hashlib.sha256(content).hexdigest()
    (place / "manifest.json").write_bytes(bundles._json(told))
    (place / "manifest.sig").write_bytes(key.sign((place / "manifest.json").read_bytes()))


def test_what_was_written_is_read(folder, trained):
    found = read(folder)
    assert found.model_version == "m1"
    assert found.features == trained.features
    assert found.feature_names == trained.feature_names
    assert found.model.scorer == trained.fitted.scorer
    assert found.model.bag == trained.fitted.bag
    assert found.model.calibrator == trained.fitted.calibrator
    assert found.model.similar == trained.fitted.similar
    assert found.manifest["training"]["events"] == trained.counts.events
    assert found.manifest["data_hash"] == "d" * 64
    assert found.manifest["libraries"].keys() >= {"python", "lightgbm", "numpy"}


def test_nothing_in_a_bundle_is_anything_but_text(folder):
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "trees.txt", *(f"bag-{number}-trees.txt" for number in range(1, 6)), "calibrator.json",
        "similar.json", "features.json", "golden.json", "manifest.json", "manifest.sig",
    }  # fmt: skip
    for file in folder.iterdir():
        assert "\x00" not in file.read_text(encoding="utf-8")


def test_no_student_stands_in_a_bundle(folder, planted):
    """So an erasure leaves bundles as they were signed (`pipelines.child_marks`)."""
    frame = planted.matrix.frame
    named = ("student_id", "household_id", "school_id", "masked_name")
    marks = ChildMarks({value for column in named for value in frame[column].astype(str)})
    assert not any(marks.without(file) != file.read_bytes() for file in folder.iterdir())
    golden = np.array(json.loads((folder / "golden.json").read_text())["rows"], dtype=float)
    rows = frame[list(planted.matrix.model_features)].to_numpy()
    assert not (golden[:, None, :] == rows[None, :, :]).all(axis=2).any()


@pytest.fixture
def never_loaded(monkeypatch):
    def never(*_args):
        raise AssertionError("a changed text reached LightGBM")

    monkeypatch.setattr(Gbm, "from_text", never)


def test_a_changed_byte_in_any_file_is_refused_before_lightgbm_sees_it(copy, never_loaded, script):
    changes = script("tampering").single_byte_changes(copy, count=CHANGES, seed=0)
    refused = []
    for name in changes:
        with pytest.raises(BundleRefused):
            read(copy)
        refused.append(name)
    assert len(refused) == CHANGES
    assert set(refused) == {file.name for file in copy.iterdir()}


def test_every_byte_of_the_signature_counts(copy, never_loaded):
    line = (copy / "manifest.sig").read_bytes()
    for at in range(len(line)):
        for other in {line[at] ^ 0x20, line[at] ^ 0x01} - {line[at]}:
            (copy / "manifest.sig").write_bytes(line[:at] + bytes([other]) + line[at + 1 :])
            with pytest.raises(BundleRefused):
                read(copy)


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: line + b"\n", lambda line: b""])
def test_a_signature_that_is_cut_or_longer_is_refused(copy, change):
    (copy / "manifest.sig").write_bytes(change((copy / "manifest.sig").read_bytes()))
    with pytest.raises(BundleRefused):
        read(copy)


def test_a_model_that_somebody_else_signed_is_refused_and_its_manifest_not_even_parsed(copy, never_loaded):
    resign(copy, key=SigningKey.make())
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_of_another_key"


def test_an_older_model_of_the_same_owner_does_not_take_the_place_of_a_newer_one(folder, trained, tmp_path):
    write(tmp_path / "m2", trained)
    shutil.rmtree(tmp_path / "m2")
    shutil.copytree(folder, tmp_path / "m2")
    with pytest.raises(BundleRefused, match="riskmodel rollback") as refused:
        read(tmp_path / "m2", "m2")
    assert refused.value.code == "bundle_of_another_version"


def test_a_file_too_many_a_link_and_a_device_are_refused_and_run_nothing(folder, tmp_path, never_loaded):
    (tmp_path / "evil").write_bytes(b"cos\nsystem\n(S'false'\ntR.")

    def planted(number: int):
        return shutil.copytree(folder, tmp_path / f"{number}" / "m1")

    (planted(1) / "model.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (planted(2) / "code").mkdir()
    linked = planted(3)
    (linked / "trees.txt").rename(tmp_path / "trees.txt")
    (linked / "trees.txt").symlink_to(tmp_path / "trees.txt")
    piped = planted(4)
    (piped / "trees.txt").unlink()
    os.mkfifo(piped / "trees.txt")
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "m1").symlink_to(folder)
    for number in range(1, 6):
        with pytest.raises(BundleRefused) as refused:
            read(tmp_path / f"{number}" / "m1")
        assert refused.value.code == "bundle_foreign"


def test_the_first_loading_happens_in_a_process_that_may_end_or_hang(folder, tmp_path):
    told = {"version": "m1", "public_key": KEY.public}
    try_bundle(folder, **told)
    with pytest.raises(BundleRefused) as refused:
        try_bundle(folder, **told, patience_seconds=0.01)
    assert refused.value.code == "bundle_fails_its_trial"
    damaged = shutil.copytree(folder, tmp_path / "m1")
    text = (damaged / "trees.txt").read_bytes()
    resign(damaged, trees_txt=text[: len(text) // 2])
    with pytest.raises(BundleRefused):
        try_bundle(damaged, **told)


def test_a_missing_file_is_refused_by_name(copy):
    (copy / "calibrator.json").unlink()
    with pytest.raises(BundleRefused, match=r"calibrator\.json") as refused:
        read(copy)
    assert refused.value.code == "bundle_incomplete"


def test_a_truncated_model_is_refused(copy):
    text = (copy / "trees.txt").read_bytes()
    (copy / "trees.txt").write_bytes(text[: len(text) // 2])
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_changed"


def test_another_model_under_right_hashes_fails_on_the_golden_rows(copy):
    other = (copy / "bag-1-trees.txt").read_bytes()
    resign(copy, trees_txt=other)
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_golden_rows_differ"


def test_another_calibrator_under_right_hashes_fails_on_the_golden_rows(copy):
    numbers = json.loads((copy / "calibrator.json").read_bytes())
    resign(copy, calibrator_json=bundles._json({**numbers, "slope": numbers["slope"] * 1.001}))
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_golden_rows_differ"


def test_another_format_is_refused(copy):
    resign(copy, manifest={"format": 99})
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_format"


NOT_AS_AGREED = (
    b"{}", b"[]", b"null", b'{"features": [{}], "model_columns": []}', b"[" * 100_000, b"1e999", b"9" * 5000,
    b"!!python/object/apply:os.system [false]",
)  # fmt: skip


@pytest.mark.parametrize("content", NOT_AS_AGREED)
def test_content_that_is_not_as_agreed_is_refused_though_hashes_are_right(copy, content):
    resign(copy, features_json=content)
    with pytest.raises(BundleRefused) as refused:
        read(copy)
    assert refused.value.code == "bundle_unreadable"


def test_a_manifest_that_points_outside_the_folder_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    resign(copy, manifest={"files": {**manifest["files"], "../elsewhere": "0" * 64}})
    with pytest.raises(BundleRefused):
        read(copy)


def test_a_bundle_without_probabilities_has_declarations_only(trained, tmp_path):
    write(tmp_path / "m2", replace(trained, fitted=None))
    found = read(tmp_path / "m2", "m2")
    assert not found.probabilities
    assert found.model is None
    assert found.features == trained.features
    assert not (tmp_path / "m2" / "trees.txt").exists()


def test_a_bundle_is_never_written_over(folder, trained):
    with pytest.raises(BundleRefused) as refused:
        write(folder, trained)
    assert refused.value.code == "bundle_exists"


def test_nothing_half_written_is_left_where_a_bundle_is_looked_for(trained, tmp_path, monkeypatch):
    def broken(*_args):
        raise OSError("disk full")

    monkeypatch.setattr(bundles.Path, "write_bytes", broken)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "m3", trained)
    assert list(tmp_path.iterdir()) == []


def test_the_proof_in_full_still_makes_its_model(script):
    """`make tampering` had stopped at a column that training asks for since."""
    assert script("tampering")._trained().probabilities
