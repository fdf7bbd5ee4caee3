"""A model's two bundles in the workspace: the one that is used and the one that was judged."""

from __future__ import annotations

from pathlib import Path

from riskmodel.bundle import ModelBundle, read_bundle
from riskmodel.bundle_trial import try_bundle
from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.run import Run
from riskmodel.signing import SigningKey, make_signing_key, open_signing_key

USED, JUDGED = "bundle", "judged"
"""Folders of `models/<version>`."""


def judged_version(version: str) -> str:
    """Return the version under which the judged model of a version stands."""
    return f"{version}-{JUDGED}"


def read_used(run: Run, folder: Path) -> ModelBundle:
    """Read the model that is used, from a model's folder; its name says which version must stand there."""
    return read_bundle(folder / USED, version=folder.name, public_key=trusted(run))


def read_judged(run: Run, folder: Path) -> ModelBundle:
    """Read the model that was judged, from a model's folder."""
    return read_bundle(folder / JUDGED, version=judged_version(folder.name), public_key=trusted(run))


def read_in_use(run: Run, folder: Path) -> ModelBundle:
    """Read the model behind what schools read.

    Raises
    ------
    WorkspaceError
        If its folder is gone.
    """
    if not (folder / USED).exists():
        raise WorkspaceError("model_in_use_gone", Where(file=str(folder)))
    try_used(run, folder)
    return read_used(run, folder)


def try_used(run: Run, folder: Path) -> None:
    """Load the model that is used in a process of its own, before this one does (see `bundle_trial`)."""
    try_bundle(folder / USED, version=folder.name, public_key=trusted(run))


def trusted(run: Run) -> str:
    """Return the public key whose signature counts.

    Raises
    ------
    WorkspaceError
        If there is no key: nothing can be read that it signed.
    """
    return open_signing_key(run.signing_key).public


def signing_key(run: Run) -> SigningKey:
    """Return the key that signs what is trained; the first training makes it, and says where it lies."""
    try:
        return open_signing_key(run.signing_key)
    except WorkspaceError as error:
        if error.code != "signing_key_missing":
            raise
    key = make_signing_key(run.signing_key)
    run.say("signing_key_made", file=run.signing_key)
    return key
