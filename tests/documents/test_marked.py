import pytest
from markupsafe import Markup

from riskmodel.documents.marked import Differs, Facts, check_figures, sentence
from riskmodel.wording import LANGUAGES

FACTS = Facts({
    "auc": {"value": 0.8421, "low": 0.8, "high": 0.88},
    "alone": {"value": 0.5, "low": None, "high": None},
    "events": 1234, "share": 0.05, "none": None, "name": "云岭乡",
    "groups": [{"recall": {"value": 0.4}}],
})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "digits", "percent", "written"),
    [
        ("auc", 3, False, "0.842 [0.800, 0.880]"),
        ("alone", 2, False, "0.50"),
        ("events", 0, False, "1,234"),
        ("share", 1, True, "5.0 %"),
        ("none", 3, False, "–"),
        ("name", 0, False, "云岭乡"),
        ("groups.0.recall", 0, True, "40 %"),
    ],
)
def test_a_figure_is_written_as_people_write_it_and_found_to_be_what_the_run_says(
    path: str, digits: int, percent: bool, written: str
) -> None:
    page = FACTS.number(path, digits, percent=percent)
    assert page.striptags() == written
    assert check_figures(f"<p>{page}</p>", FACTS) == ()


def test_a_changed_digit_is_found_with_what_it_should_be() -> None:
    page = str(FACTS.number("auc", 3)).replace("0.842", "0.852")
    assert check_figures(page, FACTS) == (Differs("auc", "0.852 [0.800, 0.880]", "0.842 [0.800, 0.880]"),)


def test_a_figure_of_another_run_is_found() -> None:
    page = FACTS.number("events")
    other = Facts({"events": 1235})
    assert [one.found for one in check_figures(str(page), other)] == ["1,235"]


def test_a_figure_that_the_run_does_not_have_and_a_digit_without_a_source_are_found() -> None:
    gone = '<data data-figure="groups.7.recall" data-digits="1">0.4</data>'
    assert check_figures(gone, FACTS) == (Differs("groups.7.recall", "0.4", ""),)
    assert check_figures("<p>about 85 of them</p>", FACTS) == (Differs("", "about 85 of them", ""),)
    assert check_figures("<style>p { margin: 8mm }</style><title>run 7</title>", FACTS) == ()


def test_words_are_escaped_and_marked_figures_are_not() -> None:
    given = {"gate": "<b>", "of": Markup("<i>x</i>")}
    for language in LANGUAGES:
        said = sentence("gates.of", language, **given)
        assert "&lt;b&gt;" in said
        assert "<i>x</i>" in said


def test_what_is_not_there_or_nothing_is_no_figure() -> None:
    assert FACTS.has("groups.0.recall")
    assert not FACTS.has("groups.1.recall")
    assert not FACTS.has("none")


def test_names_that_hold_a_digit_are_marked_in_a_sentence_the_longer_first() -> None:
    facts = Facts({"of": ["township", "第2镇", "东<第2镇>"]})
    said = facts.naming("Township (东<第2镇> – 第2镇)", "of")
    assert check_figures(str(said), facts) == ()
    assert said.striptags() == "Township (东<第2镇> – 第2镇)"
    assert said.count("<data") == 2
    assert facts.naming("Township (a & b)", "of") == "Township (a &amp; b)"
    assert check_figures("Township (第2镇)", facts) != ()
