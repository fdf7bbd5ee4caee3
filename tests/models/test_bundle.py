import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from riskmodel import bundle as bundles
from riskmodel.bundle import read_bundle, write_bundle
from riskmodel.errors import BundleRefused
from riskmodel.models.gbm import Gbm


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "m1"
    write_bundle(place, trained, model_version="m1", data_hash="d" * 64)
    return place


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "m1")


def _resign(place, **changed: bytes):
    """Make the hashes right again after a change, as one would who means to deceive."""
    manifest = json.loads((place / "manifest.json").read_bytes())
    for name, content in changed.items():
        file = name.replace("__", "-").replace("_", ".")
        (place / file).write_bytes(content)
        manifest["files"][file] = bundles.hashlib.sha256(content).hexdigest()
    (place / "manifest.json").write_bytes(bundles._json(manifest))
    (place / "manifest.sha256").write_bytes(bundles._checksum_line((place / "manifest.json").read_bytes()))


def test_what_was_written_is_read(folder, trained):
    read = read_bundle(folder)
    assert read.model_version == "m1"
    assert read.features == trained.features
    assert read.feature_names == trained.feature_names
    assert read.model.scorer == trained.fitted.scorer
    assert read.model.bag == trained.fitted.bag
    assert read.model.calibrator == trained.fitted.calibrator
    assert read.model.similar == trained.fitted.similar
    assert read.manifest["training"]["events"] == trained.counts.events
    assert read.manifest["data_hash"] == "d" * 64


def test_nothing_in_a_bundle_is_anything_but_text(folder):
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "trees.txt", *(f"bag-{number}-trees.txt" for number in range(1, 6)), "calibrator.json",
        "similar.json", "features.json", "golden.json", "manifest.json", "manifest.sha256",
    }  # fmt: skip
    for file in folder.iterdir():
        assert "\x00" not in file.read_text(encoding="utf-8")


def test_no_student_stands_in_a_bundle(folder, planted):
    everything = "".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    assert "s00001" not in everything
    golden = np.array(json.loads((folder / "golden.json").read_text())["rows"], dtype=float)
    rows = planted.matrix.frame[list(planted.matrix.model_features)].to_numpy()
    assert not (golden[:, None, :] == rows[None, :, :]).all(axis=2).any()


def test_a_flipped_byte_in_any_file_is_refused_before_lightgbm_sees_it(folder, tmp_path, monkeypatch):
    def never(*_args):
        raise AssertionError("a changed text reached LightGBM")

    monkeypatch.setattr(Gbm, "from_text", never)
    chance = np.random.default_rng(0)
    for number, name in enumerate(sorted(file.name for file in folder.iterdir())):
        for trial in range(3):
            place = shutil.copytree(folder, tmp_path / f"{number}-{trial}")
            content = bytearray((place / name).read_bytes())
            content[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
            (place / name).write_bytes(content)
            with pytest.raises(BundleRefused):
                read_bundle(place)


def test_a_missing_file_is_refused_by_name(copy):
    (copy / "calibrator.json").unlink()
    with pytest.raises(BundleRefused, match=r"calibrator\.json") as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_incomplete"


def test_a_truncated_model_is_refused(copy):
    text = (copy / "trees.txt").read_bytes()
    (copy / "trees.txt").write_bytes(text[: len(text) // 2])
    with pytest.raises(BundleRefused) as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_changed"


def test_another_model_under_right_hashes_fails_on_the_golden_rows(copy):
    other = (copy / "bag-1-trees.txt").read_bytes()
    _resign(copy, trees_txt=other)
    with pytest.raises(BundleRefused) as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_golden_rows_differ"


def test_another_calibrator_under_right_hashes_fails_on_the_golden_rows(copy):
    numbers = json.loads((copy / "calibrator.json").read_bytes())
    _resign(copy, calibrator_json=bundles._json({**numbers, "slope": numbers["slope"] * 1.001}))
    with pytest.raises(BundleRefused) as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_golden_rows_differ"


def test_another_format_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_bytes(bundles._json({**manifest, "format": 99}))
    _resign_manifest = bundles._checksum_line((copy / "manifest.json").read_bytes())
    (copy / "manifest.sha256").write_bytes(_resign_manifest)
    with pytest.raises(BundleRefused) as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_format"


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b'{"features": [{}], "model_columns": []}'])
def test_content_that_is_not_as_agreed_is_refused_though_hashes_are_right(copy, content):
    _resign(copy, features_json=content)
    with pytest.raises(BundleRefused) as refused:
        read_bundle(copy)
    assert refused.value.code == "bundle_unreadable"


def test_a_manifest_that_points_outside_the_folder_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["files"]["../elsewhere"] = "0" * 64
    (copy / "manifest.json").write_bytes(bundles._json(manifest))
    (copy / "manifest.sha256").write_bytes(bundles._checksum_line((copy / "manifest.json").read_bytes()))
    with pytest.raises(BundleRefused):
        read_bundle(copy)


def test_a_bundle_without_probabilities_has_declarations_only(trained, tmp_path):
    write_bundle(tmp_path / "m2", replace(trained, fitted=None), model_version="m2", data_hash="d")
    read = read_bundle(tmp_path / "m2")
    assert not read.probabilities
    assert read.model is None
    assert read.features == trained.features
    assert not (tmp_path / "m2" / "trees.txt").exists()


def test_a_bundle_is_never_written_over(folder, trained):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(folder, trained, model_version="m1", data_hash="d")
    assert refused.value.code == "bundle_exists"


def test_nothing_half_written_is_left_where_a_bundle_is_looked_for(trained, tmp_path, monkeypatch):
    def broken(*_args):
        raise OSError("disk full")

    monkeypatch.setattr(bundles.Path, "write_bytes", broken)
    with pytest.raises(OSError, match="disk full"):
        write_bundle(tmp_path / "m3", trained, model_version="m3", data_hash="d")
    assert list(tmp_path.iterdir()) == []
