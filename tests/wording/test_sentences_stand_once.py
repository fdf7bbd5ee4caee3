from collections import Counter
from importlib import resources

import pytest
import yaml

from riskmodel.wording import LANGUAGES


def repeated_keys(text: str) -> list[str]:
    """YAML keeps the last of two equal keys and says nothing."""
    found, left = [], [yaml.compose(text)]
    while left:
        node = left.pop()
        if isinstance(node, yaml.MappingNode):
            counts = Counter(key.value for key, _ in node.value)
            found += [key for key, count in counts.items() if count > 1]
            left += [value for _, value in node.value]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_stands_twice_in_a_language(language):
    text = resources.files("riskmodel.wording").joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    assert repeated_keys(text) == []


def test_a_sentence_that_stands_twice_is_found():
    assert repeated_keys("errors:\n  a: one\n  b: two\n  a: three\n") == ["a"]
