from __future__ import annotations

from pathlib import Path

import pytest

from riskmodel.errors import StoreError
from riskmodel.store.roll_numbers import lookup_key, roll_ref


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "lookup.key"
    assert lookup_key(file) is None
    made = lookup_key(file, create=True)
    assert made == lookup_key(file, create=True) == lookup_key(file)
    assert file.stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lookup.key"
    for content in ("", "00ff", "not hexadecimal"):
        file.write_text(content, encoding="ascii")
        with pytest.raises(StoreError) as refused:
            lookup_key(file)
        assert refused.value.code == "lookup_key_damaged"


def test_spaces_width_and_case_do_not_count_and_another_key_gives_another_reference() -> None:
    ref = roll_ref("G11010120000101123X", bytes(32))
    assert roll_ref(" g1101 0120000101123x\n", bytes(32)) == ref
    assert roll_ref("Ｇ１１０１０１２００００１０１１２３Ｘ", bytes(32)) == ref
    assert roll_ref("G11010120000101123X", bytes(31) + b"1") != ref
    assert roll_ref("G110101200001011231", bytes(32)) != ref
    assert "1101" not in ref[:4]
