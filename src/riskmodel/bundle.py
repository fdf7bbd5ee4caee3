"""A model as a folder: texts and numbers under a manifest of hashes. Nothing in it can run code.

    trees.txt, linear.json   the parts of the model: LightGBM's own text, a line's numbers
    bag-1-trees.txt …        the same of each model of the bag
    calibrator.json          from margin to risk
    similar.json             of 100 students with about this risk
    features.json            the declarations, the model's columns in order
    golden.json              synthetic rows and what the model must say of them
    manifest.json            sha256 of each file, and what the model was made from
    manifest.sig             who signed the manifest (see `signing`)

A bundle without probabilities has `features.json`, the manifest and its signature only. Nothing of a bundle
is parsed before its signature and its hash were found right; a folder that holds anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from riskmodel import wording
from riskmodel.domain import FeatureInfo
from riskmodel.errors import BundleRefused, Where
from riskmodel.models.calibration import Calibrator
from riskmodel.models.gbm import THREADS
from riskmodel.models.scorer import PARTS, Scorer
from riskmodel.models.similar import SimilarStudents
from riskmodel.models.training import TrainedModel
from riskmodel.signing import SigningKey, signer_of

Floats = NDArray[np.float64]

FORMAT = 5
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
GOLDEN_ROWS = 200
GOLDEN_TOLERANCE = 1e-9
"""On the machine that wrote the bundle margins come back bit for bit; another processor's last digit is
forgiven, a changed digit in a tree is not."""
_LIBRARIES = ("riskmodel", "lightgbm", "numpy", "pandas", "scikit-learn")
_INFINITY = float("inf")
_LARGEST_FILE = 1 << 30
"""Bytes. The largest model seen has some 10 MB: what is larger was not written here."""


@dataclass(frozen=True)
class Model:
    """The parts that score: see `models.training.Fitted`."""

    scorer: Scorer
    bag: tuple[Scorer, ...]
    calibrator: Calibrator
    similar: SimilarStudents


@dataclass(frozen=True)
class ModelBundle:
    """What was read from a bundle and found whole.

    `model` is None where there are no probabilities. `manifest` says what the model was made from; its
    `cutoffs` is None, or a grouping (`by`) and the risk from which each of its groups is to be listed.
    """

    model_version: str
    features: tuple[FeatureInfo, ...]
    feature_names: tuple[str, ...]
    model: Model | None
    manifest: Mapping[str, Any]

    @property
    def probabilities(self) -> bool:
        """Whether the bundle gives calibrated risks."""
        return self.model is not None


def bundle_files(
    trained: TrainedModel,
    *,
    model_version: str,
    data_hash: str,
    key: SigningKey,
    cutoffs: Mapping[str, Any] | None = None,
    horizon: int | Literal["end_of_term"] | None = None,
) -> dict[str, bytes]:
    """Return a bundle as file names and contents; the same inputs give the same bytes.

    Parameters
    ----------
    data_hash
        Content hash of the records that the model was made from.
    key
        Signs the manifest.
    cutoffs
        See `ModelBundle`.
    horizon
        How many days its risks look ahead; None: it is not said, and the model is not to be published.
    """
    files = {"features.json": _json(_declarations(trained))}
    fitted = trained.fitted
    if fitted:
        files |= _texts(fitted.scorer)
        for number, member in enumerate(fitted.bag, start=1):
            files |= _texts(member, f"bag-{number}-")
        files["calibrator.json"] = _json(fitted.calibrator.to_numbers())
        files["similar.json"] = _json(fitted.similar.to_numbers())
        golden = _golden_rows(trained)
        margin = fitted.scorer.margin(golden)
        files["golden.json"] = _json(
            {
                "rows": [[None if math.isnan(value) else value for value in row] for row in golden.tolist()],
                "margin": margin.tolist(),
                "risk": fitted.calibrator.risk(margin).tolist(),
            }
        )
    manifest = _manifest(files, trained, model_version, data_hash)
    files[MANIFEST] = _json({**manifest, "cutoffs": cutoffs, "horizon": horizon})
    files[SIGNATURE] = key.sign(files[MANIFEST])
    return files


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write what `bundle_files` gave: everything beside its place first, then one rename.

    Parameters
    ----------
    folder
        Where it will stand; must not be there yet.

    Raises
    ------
    BundleRefused
        If the folder is there.
    """
    if folder.exists():
        raise BundleRefused("bundle_exists", Where(file=folder.name))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        for name, content in files.items():
            (beside / name).write_bytes(content)
        beside.rename(folder)
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def read_bundle(folder: Path, *, version: str, public_key: str) -> ModelBundle:
    """Read a bundle that the owner of a key signed and whose golden rows come out as they were written.

    Parameters
    ----------
    version
        The model version that is to stand there: an older one of the same owner is not taken for it.
    public_key
        Whose signature counts (`SigningKey.public`).

    Raises
    ------
    BundleRefused
        If a file is missing, changed or foreign, the signature is of somebody else, the version or the format
        is another, or the golden rows differ. No text reaches LightGBM before all hashes are right: a
        damaged one can end the process.
    """
    files = _checked_files(folder, version=version, public_key=public_key)
    try:
        manifest = json.loads(files[MANIFEST])
        declared = json.loads(files["features.json"])
        features = tuple(_feature(entry) for entry in declared["features"])
        model = _read_model(files, manifest) if manifest["probabilities"] else None
        bundle = ModelBundle(version, features, tuple(declared["model_columns"]), model, manifest)
        agrees = model is None or _golden_agree(model, json.loads(files["golden.json"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BundleRefused("bundle_unreadable", Where(file=folder.name)) from None
    if not agrees or (model and model.scorer.names != bundle.feature_names):
        raise BundleRefused("bundle_golden_rows_differ", Where(file=f"{folder.name}/golden.json"))
    return bundle


def _checked_files(folder: Path, *, version: str, public_key: str) -> dict[str, bytes]:
    """Return the files of the bundle, after the signature and every hash were found right."""
    if folder.is_symlink():
        raise BundleRefused("bundle_foreign", Where(file=folder.name))
    files = {name: _bytes(folder, name) for name in (MANIFEST, SIGNATURE)}
    signer = signer_of(files[SIGNATURE], files[MANIFEST])
    if signer is None:
        raise BundleRefused("bundle_changed", Where(file=f"{folder.name}/{MANIFEST}"))
    if signer != public_key:
        raise BundleRefused("bundle_of_another_key", Where(file=f"{folder.name}/{SIGNATURE}"))
    content = json.loads(files[MANIFEST])
    if content.get("format") != FORMAT:
        raise BundleRefused("bundle_format", Where(file=folder.name), format=FORMAT)
    if content["model_version"] != version:
        found = content["model_version"]
        raise BundleRefused("bundle_of_another_version", Where(file=folder.name), found=found, wanted=version)
    for foreign in sorted({file.name for file in folder.iterdir()} - {*content["files"], *files}):
        raise BundleRefused("bundle_foreign", Where(file=f"{folder.name}/{foreign}"))
    for name, sha256 in content["files"].items():
        files[name] = _bytes(folder, name)
        if not _same_hash(files[name], sha256):
            raise BundleRefused("bundle_changed", Where(file=f"{folder.name}/{name}"))
    return files


def _same_hash(content: bytes, sha256: str) -> bool:
    return hashlib.sha256(content).hexdigest() == sha256


def _bytes(folder: Path, name: str) -> bytes:
    """Read a file of the folder itself: no link, no device, nothing of a size that no model has."""
    if Path(name).name != name:
        raise BundleRefused("bundle_unreadable", Where(file=folder.name))
    try:
        with os.fdopen(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_FILE:
                raise BundleRefused("bundle_foreign", Where(file=f"{folder.name}/{name}"))
            return file.read()
    except FileNotFoundError:
        raise BundleRefused("bundle_incomplete", Where(file=f"{folder.name}/{name}")) from None
    except OSError:
        raise BundleRefused("bundle_foreign", Where(file=f"{folder.name}/{name}")) from None


def _read_model(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Model:
    return Model(
        scorer=_scorer(files),
        bag=tuple(_scorer(files, f"bag-{number}-") for number in range(1, manifest["bag"] + 1)),
        calibrator=Calibrator.from_numbers(json.loads(files["calibrator.json"])),
        similar=SimilarStudents.from_numbers(json.loads(files["similar.json"])),
    )


def _texts(scorer: Scorer, prefix: str = "") -> dict[str, bytes]:
    return {f"{prefix}{name}": text.encode() for name, text in scorer.texts.items()}


def _scorer(files: Mapping[str, bytes], prefix: str = "") -> Scorer:
    texts = {name: files[f"{prefix}{name}"].decode() for name in PARTS if f"{prefix}{name}" in files}
    if not texts:
        raise KeyError(prefix)
    return Scorer.from_texts(texts)


def _golden_rows(trained: TrainedModel) -> Floats:
    """Rows that are nobody's: each value drawn apart from the others, from quantiles of its column."""
    chance = np.random.default_rng(trained.seed)
    columns, quantiles = trained.quantiles.shape
    drawn = trained.quantiles[np.arange(columns), chance.integers(0, quantiles, (GOLDEN_ROWS, columns))]
    # Every column is missing now and then, so that the branches for what is not known are tried too.
    gone = chance.random((GOLDEN_ROWS, columns)) < np.maximum(trained.missing, 0.05)
    return np.where(gone, np.nan, drawn)


def _golden_agree(model: Model, golden: Mapping[str, Any]) -> bool:
    rows = np.array(golden["rows"], dtype=np.float64)
    margin = model.scorer.margin(rows)
    return bool(
        np.abs(margin - np.array(golden["margin"])).max() <= GOLDEN_TOLERANCE
        and np.abs(model.calibrator.risk(margin) - np.array(golden["risk"])).max() <= GOLDEN_TOLERANCE
    )


def _manifest(
    files: Mapping[str, bytes], trained: TrainedModel, model_version: str, data_hash: str
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model_version": model_version,
        "probabilities": trained.probabilities,
        "bag": len(trained.fitted.bag) if trained.fitted else 0,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
        "data_hash": data_hash,
        "label_date": trained.label_date.isoformat(),
        "as_of_dates": [day.isoformat() for day in trained.as_of_dates],
        "rule_version": trained.rule_version,
        "wording_version": wording.version(),
        "seed": trained.seed,
        "recipe": asdict(trained.recipe),
        "training": asdict(trained.counts),
        "base_risk": trained.base_risk,
        "threads": THREADS,
        "libraries": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _LIBRARIES},
        },
    }


def _declarations(trained: TrainedModel) -> dict[str, Any]:
    entries = []
    for feature in trained.features:
        entry = asdict(feature)
        for ends in ("reason_range", "strength_range"):
            # JSON knows no infinity: an open end is null.
            entry[ends] = [None if math.isinf(end) else end for end in entry[ends]]
        entries.append(entry)
    return {"model_columns": list(trained.feature_names), "features": entries}


def _feature(entry: dict[str, Any]) -> FeatureInfo:
    ranges = {
        ends: (
            -_INFINITY if entry[ends][0] is None else entry[ends][0],
            _INFINITY if entry[ends][1] is None else entry[ends][1],
        )
        for ends in ("reason_range", "strength_range")
    }
    return FeatureInfo(**{**entry, **ranges})


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False).encode()
