import re
from pathlib import Path
from typing import get_args

import pytest

from riskmodel import wording
from riskmodel.domain import MATRIX_KEYS, Audience, Family, FeatureMatrix, Kind, Unit
from riskmodel.features import ALL_FEATURES, GROUPS
from riskmodel.features.dictionary import data_dictionary
from riskmodel.features.school import GROUP as SCHOOL
from riskmodel.records.contract import TABLES
from riskmodel.wording.statements import format_value

NAMES = [feature.name for feature in ALL_FEATURES]
MODEL = [feature for feature in ALL_FEATURES if feature.role == "model"]


def test_names_are_unique_and_no_keys() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert not set(NAMES) & set(MATRIX_KEYS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in NAMES)


def test_there_are_features_of_every_family() -> None:
    families = {feature.family for feature in MODEL}

    assert len(MODEL) >= 60
    assert families == {
        "attendance",
        "study",
        "home",
        "money",
        "travel",
        "mobility",
        "age_and_grade",
        "season",
        "school",
    }


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_every_feature_has_a_plain_name_and_no_name_is_left_over(language) -> None:
    assert [code.removeprefix("features.") for code in wording.codes("features.", language)] == NAMES


def test_every_sentence_exists_in_both_languages_and_its_slots_are_features() -> None:
    said = {code for feature in ALL_FEATURES for code in (feature.reason, feature.strength) if code}

    for language in wording.LANGUAGES:
        known = {code for prefix in ("reasons.", "strengths.") for code in wording.codes(prefix, language)}
        assert said == known
        for code in said:
            assert wording.slots(code, language) <= set(NAMES), code


def test_every_family_a_school_can_help_with_has_reasons() -> None:
    for family in ("attendance", "study", "home", "money", "travel", "mobility", "age_and_grade"):
        assert [feature for feature in MODEL if feature.family == family and feature.reason], family


def test_only_features_of_the_model_are_said_as_reasons_and_only_within_a_range() -> None:
    for feature in ALL_FEATURES:
        for code, (low, high) in (
            (feature.reason, feature.reason_range),
            (feature.strength, feature.strength_range),
        ):
            if code:
                assert feature.role == "model"
                assert float("-inf") < low <= high < float("inf"), feature.name


def test_a_reason_and_a_strength_of_one_feature_never_hold_for_one_value() -> None:
    for feature in ALL_FEATURES:
        if feature.reason and feature.strength:
            apart = feature.reason_range[0] >= feature.strength_range[1]
            assert apart or feature.strength_range[0] >= feature.reason_range[1], feature.name


def test_freshness_is_told_by_a_fact_of_days() -> None:
    days = {feature.name for feature in ALL_FEATURES if feature.unit == "days"}

    assert {feature.freshness for feature in ALL_FEATURES if feature.freshness} <= days


def test_sources_are_tables_of_the_contract_and_never_the_ledger_or_other_registers() -> None:
    sources = {feature.source for feature in ALL_FEATURES}

    assert sources <= {table.name for table in TABLES}
    assert not sources & {"ledger_events", "population"}
    assert not [group.name for group in (*GROUPS, SCHOOL) if "ledger" in group.relation.lower()]


def test_protected_traits_are_for_auditing_and_not_for_the_model() -> None:
    matrix = FeatureMatrix(frame=None, features=ALL_FEATURES)  # type: ignore[arg-type]
    audit = {feature.name for feature in ALL_FEATURES if feature.role == "audit"}

    assert {"sex_female", "ethnicity_not_han", "household_rural", "disability_registered"} <= audit
    assert not audit & set(matrix.model_features)
    reads = [
        f
        for group in GROUPS
        for f in group.features
        if re.search(r"\b(sex|ethnicity|disability)\b", f.expression)
    ]
    assert {feature.role for feature in reads} == {"audit"}


def test_what_concerns_third_parties_money_or_health_is_for_the_counsellor() -> None:
    audience = {feature.name: feature.audience for feature in ALL_FEATURES}

    for name in (
        "sibling_left_school",
        "hardship_registered",
        "hardship_without_aid",
        "disability_registered",
    ):
        assert audience[name] == "counsellor"


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_a_value_of_every_feature_can_be_written_with_its_unit(language) -> None:
    for feature in ALL_FEATURES:
        assert wording.has(f"units.{feature.unit}", language), feature.name
        assert wording.has(f"kinds.{feature.kind}", language), feature.name
        assert wording.has(f"sheet.audience.{feature.audience}", language), feature.name
        assert wording.has(f"sources.{feature.source}", language), feature.name
        assert re.fullmatch(r"−?[\d,.]+%?|是|yes", format_value(1.0, feature.unit, language)), feature.name
        assert format_value(None, feature.unit, language) == wording.text("values.not_known", language)


def test_what_is_said_of_a_family_names_who_can_act_as_the_family_is_meant() -> None:
    said: dict[str, set[str]] = {}
    for feature in ALL_FEATURES:
        if feature.reason:
            said.setdefault(feature.family, set()).add(feature.kind)

    assert said == {
        "attendance": {"can_act"},
        "study": {"can_act"},
        "money": {"can_act", "needs_others"},
        "home": {"needs_others", "background"},
        "travel": {"needs_others"},
        "mobility": {"needs_others"},
        "age_and_grade": {"background"},
    }, "a kind that is not declared is background, and nobody would be asked to act"


def test_the_data_dictionary_has_a_row_for_every_feature_family_kind_reader_and_unit() -> None:
    told = re.findall(r"^\| `(\w+)` \|", data_dictionary(), re.M)
    words = [*get_args(Family), *get_args(Kind), *get_args(Audience), *get_args(Unit)]

    assert told == [*words, *NAMES]


def test_the_data_dictionary_is_the_one_that_is_committed() -> None:
    file = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

    assert file.read_text(encoding="utf-8") == data_dictionary()
