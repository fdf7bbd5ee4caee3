from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskmodel.errors import StoreError
from riskmodel.store import keys
from riskmodel.store.engine import Store
from riskmodel.store.keys import list_keys, make_key, recognise, replace_demo_keys, revoke, rotate
from riskmodel.store.principals import Principal, Role, SchoolClass

CLASS = SchoolClass("a", 7, "1")


def key_id(plain: str) -> str:
    return plain.split("_")[1]


def test_a_key_is_recognised_with_its_role_and_schools(store: Store, now: datetime) -> None:
    plain = make_key(store, role="counsellor", school_ids=["b", "a"], label="software", made_at=now)
    assert recognise(store, plain, at=now) == Principal(key_id(plain), "counsellor", frozenset({"a", "b"}))


def test_a_key_has_a_public_part_and_256_bits_of_secret(store: Store, now: datetime) -> None:
    made = {make_key(store, role="bureau", label="x", made_at=now) for _ in range(20)}
    assert all(re.fullmatch(r"rm_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", plain) for plain in made)
    assert len({plain[16:] for plain in made}) == 20


def test_a_revoked_key_is_refused_at_once_and_keeps_its_first_date(store: Store, now: datetime) -> None:
    plain = make_key(store, role="bureau", label="x", made_at=now)
    other = make_key(store, role="bureau", label="x", made_at=now)
    revoke(store, key_id(plain), at=now)
    revoke(store, key_id(plain), at=now + timedelta(days=1))
    assert recognise(store, plain, at=now) is None
    assert recognise(store, other, at=now) is not None
    kept = {record.key_id: record for record in list_keys(store)}
    assert kept[key_id(plain)].revoked_at == now


def test_a_key_expires_to_the_second(store: Store, now: datetime) -> None:
    end = now + timedelta(days=30)
    plain = make_key(store, role="bureau", label="x", made_at=now, expires_at=end)
    assert recognise(store, plain, at=end - timedelta(microseconds=1)) is not None
    assert recognise(store, plain, at=end) is None


def test_one_changed_character_is_another_key(store: Store, now: datetime) -> None:
    plain = make_key(store, role="bureau", label="x", made_at=now)
    for place in range(len(plain)):
        changed = plain[:place] + ("A" if plain[place] != "A" else "B") + plain[place + 1 :]
        assert recognise(store, changed, at=now) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.text() | st.text().map(lambda text: f"rm_{text}") | st.text().map(lambda text: f"rm__{text}"))
def test_no_text_that_was_never_given_out_is_a_key(store: Store, now: datetime, plain: str) -> None:
    assert recognise(store, plain, at=now) is None


def test_an_unknown_key_takes_the_same_comparison_as_a_wrong_secret(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_key(store, role="bureau", label="x", made_at=now)
    compared: list[tuple[int, int]] = []
    true_compare = keys.hmac.compare_digest

    def counting(one: str, two: str) -> bool:
        compared.append((len(one), len(two)))
        return true_compare(one, two)

    monkeypatch.setattr(keys.hmac, "compare_digest", counting)
    for tried in (plain, f"rm_{key_id(plain)}_wrong", "rm_000000000000_wrong", "nonsense", ""):
        recognise(store, tried, at=now)
    assert compared == [(64, 64)] * 5


def test_the_secret_stands_nowhere_in_the_files(store: Store, now: datetime) -> None:
    plain = make_key(store, role="bureau", label="x", made_at=now)
    secret = plain.split("_", 2)[2].encode()
    files = list(Path(store.folder).iterdir())
    assert files
    assert all(secret not in file.read_bytes() for file in files)
    assert key_id(plain).encode() in b"".join(file.read_bytes() for file in files)


@pytest.mark.parametrize("role", ["district", "school", "counsellor", "class_teacher"])
def test_a_key_must_name_what_it_reaches(store: Store, now: datetime, role: Role) -> None:
    with pytest.raises(StoreError) as refused:
        make_key(store, role=role, label="x", made_at=now)
    assert refused.value.code == "key_without_place"
    assert list_keys(store) == ()


@pytest.mark.parametrize(
    ("role", "places"),
    [
        ("bureau", {"school_ids": ["a"]}), ("data_team", {"townships": ["东乡"]}),
        ("school", {"townships": ["东乡"]}), ("school", {"classes": [CLASS]}),
        ("counsellor", {"school_ids": ["a"], "classes": [CLASS]}),
        ("class_teacher", {"school_ids": ["a"], "classes": [CLASS]}),
        ("class_teacher", {"school_ids": ["a"]}),
        ("district", {"classes": [CLASS]}),
    ],
)  # fmt: skip
def test_a_key_cannot_reach_what_its_role_does_not(
    store: Store, now: datetime, role: Role, places: dict[str, Any]
) -> None:
    with pytest.raises(StoreError) as refused:
        make_key(store, role=role, label="x", made_at=now, **places)
    assert refused.value.code == "key_place_not_of_role"
    assert list_keys(store) == ()


def test_a_district_reaches_townships_and_schools_and_a_teacher_classes(store: Store, now: datetime) -> None:
    district = make_key(
        store, role="district", townships=["东乡", "西乡"], school_ids=["a"], label="x", made_at=now
    )
    teacher = make_key(store, role="class_teacher", classes=[CLASS], label="x", made_at=now)
    known = recognise(store, district, at=now)
    assert known is not None
    assert (known.townships, known.school_ids) == (frozenset({"东乡", "西乡"}), frozenset({"a"}))
    known = recognise(store, teacher, at=now)
    assert known is not None
    assert (known.classes, known.school_ids) == (frozenset({CLASS}), frozenset())


def test_a_key_may_do_what_it_was_given_and_never_more_than_its_role(store: Store, now: datetime) -> None:
    whole = recognise(store, make_key(store, role="bureau", label="x", made_at=now), at=now)
    plain = make_key(
        store, role="school", school_ids=["a"], permissions=["read_list"], label="x", made_at=now
    )
    narrow = recognise(store, plain, at=now)
    assert whole is not None
    assert narrow is not None
    assert whole.may("read_audit")
    assert narrow.may("read_list")
    assert not narrow.may("read_risk")
    assert not Principal("k", "school", permissions=frozenset({"read_audit"})).may("read_audit")
    with pytest.raises(StoreError) as refused:
        make_key(store, role="school", school_ids=["a"], permissions=["read_audit"], label="x", made_at=now)
    assert refused.value.code == "key_permission_unknown"


def test_a_rotated_key_has_an_heir_of_the_same_rights_and_dies_after_the_overlap(
    store: Store, now: datetime
) -> None:
    old = make_key(
        store, role="class_teacher", classes=[CLASS], permissions=["read_list"], label="x", made_at=now,
        expires_at=now + timedelta(days=100),
    )  # fmt: skip
    at = now + timedelta(days=60)
    new = rotate(store, key_id(old), at=at, overlap=timedelta(days=14))
    end = at + timedelta(days=14)
    for when in (at, end - timedelta(microseconds=1)):
        first, second = recognise(store, old, at=when), recognise(store, new, at=when)
        assert first is not None
        assert second == replace(first, key_id=key_id(new))
    assert recognise(store, old, at=end) is None
    assert recognise(store, new, at=end) is not None
    heir = list_keys(store)[1]
    assert (heir.replaces, heir.label, heir.expires_at) == (key_id(old), "x", at + timedelta(days=100))


@pytest.mark.parametrize("life", [None, timedelta(days=100)])
def test_a_key_that_is_rotated_again_in_its_overlap_hands_its_whole_life_on(
    store: Store, now: datetime, life: timedelta | None
) -> None:
    old = make_key(store, role="bureau", label="x", made_at=now, expires_at=life and now + life)
    first = rotate(store, key_id(old), at=now, overlap=timedelta(days=14))
    rotate(store, key_id(first), at=now, overlap=timedelta(days=1))
    at = now + timedelta(days=5)
    again = rotate(store, key_id(old), at=at, overlap=timedelta(days=14))
    [heir] = [one for one in list_keys(store) if one.key_id == key_id(again)]
    assert heir.expires_at == (life and at + life)


def test_an_overlap_never_lengthens_a_life_and_no_dead_key_has_an_heir(store: Store, now: datetime) -> None:
    end = now + timedelta(days=3)
    short = make_key(store, role="bureau", label="x", made_at=now, expires_at=end)
    rotate(store, key_id(short), at=now, overlap=timedelta(days=14))
    assert recognise(store, short, at=end) is None
    dead = make_key(store, role="bureau", label="x", made_at=now)
    revoke(store, key_id(dead), at=now)
    for one in (short, dead):
        with pytest.raises(StoreError) as refused:
            rotate(store, key_id(one), at=end, overlap=timedelta(days=1))
        assert refused.value.code == "key_not_alive"
    assert len(list_keys(store)) == 3


def test_revoking_an_unknown_key_is_an_error(store: Store, now: datetime) -> None:
    with pytest.raises(StoreError) as refused:
        revoke(store, "none", at=now)
    assert refused.value.code == "key_unknown"


def test_new_demo_keys_take_the_place_of_the_former_and_touch_no_other(store: Store, now: datetime) -> None:
    kept = make_key(store, role="bureau", label="a real one", made_at=now)
    first = replace_demo_keys(store, school_ids=["s1", "s2"], at=now)
    second = replace_demo_keys(store, school_ids=["s1", "s2"], at=now + timedelta(hours=1))
    former = [plain for _, plain in first.schools] + [first.bureau]
    assert all(recognise(store, plain, at=now) is None for plain in former)
    seen = {school: recognise(store, plain, at=now) for school, plain in second.schools}
    assert {school: who.school_ids for school, who in seen.items() if who} == {
        "s1": frozenset({"s1"}),
        "s2": frozenset({"s2"}),
    }
    assert recognise(store, second.bureau, at=now) is not None
    assert recognise(store, kept, at=now) is not None
