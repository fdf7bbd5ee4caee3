import re
from collections.abc import Hashable
from importlib import resources
from typing import get_args

import pytest
import yaml

from riskmodel.domain import Audience, Band, Family, Kind, Language, Unit
from riskmodel.records.contract import TABLES
from riskmodel.wording import LANGUAGES, codes, forbidden_in, has, slots, text

OWN_LISTS = "forbidden."


def sentence_codes(language: Language) -> list[str]:
    return [code for code in codes("", language) if not code.startswith(OWN_LISTS)]


def test_languages_have_the_same_codes_in_the_same_order() -> None:
    assert sentence_codes("zh") == sentence_codes("en")


def test_languages_have_the_same_slots_in_each_sentence() -> None:
    different = [code for code in sentence_codes("zh") if slots(code, "zh") != slots(code, "en")]
    assert different == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_holds_a_forbidden_word(language: Language) -> None:
    forbidden = [text(code, language) for code in codes(OWN_LISTS, language)]
    assert len(forbidden) >= 20
    hits = [
        (code, forbidden_in(re.sub(r"\{.*?\}", "", _template(code, language)), language))
        for code in sentence_codes(language)
    ]
    hits = [(code, words) for code, words in hits if words]
    assert hits == []


def _template(code: str, language: Language, filling: str = "") -> str:
    return text(code, language, **dict.fromkeys(slots(code, language), filling))


def test_a_forbidden_word_is_found_as_a_word_in_english_and_anywhere_in_chinese() -> None:
    assert forbidden_in("Left school Because of it.", "en") == ("because",)
    assert forbidden_in("the column verified_dropout", "en") == ()
    assert forbidden_in("这与家庭有关，不是因为他", "zh") == ("因为",)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty(language: Language) -> None:
    assert [code for code in codes("", language) if not _template(code, language, "x").strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_is_said_by_code_has_words(language: Language) -> None:
    wanted = [f"bands.{band}.{part}" for band in Band for part in ("name", "mark", "meaning")]
    wanted += [f"families.{family}" for family in get_args(Family)]
    wanted += [f"kinds.{kind}" for kind in get_args(Kind)]
    wanted += [f"units.{unit}" for unit in get_args(Unit)]
    wanted += [f"sources.{table.name}" for table in TABLES]
    wanted += [f"grades.{grade}" for grade in range(1, 10)]
    wanted += [f"sheet.audience.{audience}" for audience in get_args(Audience)]
    wanted += [f"feedback.F{number}" for number in range(1, 6)]
    assert [code for code in wanted if not has(code, language)] == []


class NoDoubles(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(keys) == len(set(keys)), sorted(keys, key=str)
        return super().construct_mapping(node, deep)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_of_a_wording_file_hides_another_of_the_same_name(language: Language) -> None:
    file = resources.files("riskmodel.wording").joinpath(f"{language}.yaml")
    assert yaml.load(file.read_text(encoding="utf-8"), NoDoubles)  # noqa: S506  a safe loader, made stricter
