"""The key that signs models: made once, kept from others, and never replaced in silence."""

from __future__ import annotations

import pytest

from riskmodel.errors import ConfigurationError, WorkspaceError
from riskmodel.signing import SigningKey, make_signing_key, open_signing_key, signer_of


def test_a_signature_names_its_signer_and_holds_for_these_bytes_only():
    key = SigningKey.make()
    line = key.sign(b"a manifest")
    assert signer_of(line, b"a manifest") == key.public
    assert signer_of(line, b"another") is None
    by_another = line.replace(key.public.encode(), SigningKey.make().public.encode())
    assert signer_of(by_another, b"a manifest") is None
    assert key.sign(b"a manifest") == line


def test_a_key_is_made_once_and_only_its_owner_may_use_it(tmp_path):
    file = tmp_path / "config" / "signing.key"
    made = make_signing_key(file)
    assert make_signing_key(file) == made
    assert open_signing_key(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["signing.key"]
    assert "rivate" not in repr(made)


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_key_that_others_could_use_is_refused(tmp_path, mode, refused):
    file = tmp_path / "signing.key"
    made = make_signing_key(file)
    file.chmod(mode)
    if not refused:
        assert open_signing_key(file) == made
        return
    with pytest.raises(WorkspaceError, match="chmod 600"):
        open_signing_key(file)


def test_a_key_that_is_missing_or_no_key_is_told_with_the_way_out(tmp_path):
    with pytest.raises(WorkspaceError, match="train again") as missing:
        open_signing_key(tmp_path / "signing.key")
    assert missing.value.code == "signing_key_missing"
    (tmp_path / "signing.key").write_bytes(b"no key")
    (tmp_path / "signing.key").chmod(0o600)
    with pytest.raises(WorkspaceError) as unusable:
        open_signing_key(tmp_path / "signing.key")
    assert unusable.value.code == "signing_key_unusable"


def test_a_key_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError) as refused:
        make_signing_key(tmp_path / "file" / "signing.key")
    assert refused.value.code == "signing_key_not_written"


@pytest.mark.parametrize("place", ["workspace/signing.key", "workspace/models/../signing.key"])
def test_a_key_within_the_workspace_is_refused(tmp_path, place):
    import yaml

    from riskmodel.pipelines.run import Run, silent

    (tmp_path / "regions").mkdir()
    rule = {"version": "here", "valid_from": "2023-09-01", "source": "an example"}
    (tmp_path / "regions" / "here.yaml").write_text(yaml.safe_dump({"config_version": 1, "rules": [rule]}))
    told = {
        "config_version": 1, "region": "here", "workspace": str(tmp_path / "workspace"),
        "sources": [{"name": "bureau", "path": "records"}], "signing_key": str(tmp_path / place),
        "as_of": {"weeks": [4], "current": {"term": "2025-2026-1", "week": 8}}, "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08}, "capacity": {"share": 0.02},
    }  # fmt: skip
    (tmp_path / "here.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(ConfigurationError) as refused:
        _ = Run.of(tmp_path / "here.yaml", say=silent).signing_key
    assert refused.value.code == "signing_key_in_workspace"
