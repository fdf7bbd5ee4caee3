"""Whatever a model contributes, a sheet prints what the row holds, for a reason, in every language alike."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskmodel.domain import Language, ScoredStudent, Statement
from riskmodel.explain import Explained, family_statements
from riskmodel.features import ALL_FEATURES
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.page import page
from riskmodel.wording import LANGUAGES, slots, text
from riskmodel.wording.statements import format_value

NAMES = tuple(feature.name for feature in ALL_FEATURES if feature.role == "model")
UNITS = {feature.name: feature.unit for feature in ALL_FEATURES}
FAMILY = {feature.name: feature.family for feature in ALL_FEATURES}
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[np.ndarray, pd.DataFrame]:
    """One row of every feature, each within what its sentences are true of, and random contributions."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values: dict[str, object] = {"as_of_date": pd.Timestamp("2025-10-31")}
    for feature in ALL_FEATURES:
        low, high = (
            feature.reason_range if feature.reason and random.random() < 0.6 else feature.strength_range
        )
        value = float(random.uniform(max(low, -50.0), min(high, 400.0)))
        values[feature.name] = np.nan if random.random() < 0.05 else round(value, 3)
    spread = draw(st.sampled_from((0.05, 0.2, 0.6)))
    contributions = random.normal(0.0, spread, size=(1, len(NAMES) + 1))
    return contributions, pd.DataFrame([values]).astype({"as_of_date": "datetime64[s]"})


def explained(contributions: np.ndarray, frame: pd.DataFrame) -> Explained:
    bag = np.repeat(contributions[None], 3, axis=0)
    (told,) = family_statements(contributions, bag, rows=frame, names=NAMES, features=ALL_FEATURES)
    return told


@pytest.fixture
def sheet_of(student: ScoredStudent, published, school, steps):
    facts = replace(published, facts=replace(published.facts, features=ALL_FEATURES))

    def made(told: Explained) -> Sheet:
        child = replace(student, reasons=told.reasons, strengths=told.strengths)
        sheet = compose(child, facts, school, audience="counsellor", steps=steps)
        assert sheet is not None
        return sheet

    return made


def read_back(sentence: str, code: str, language: Language) -> dict[str, str]:
    """Take the values out of a printed sentence, by the sentence of the wording file."""
    marked = {name: f"\0{name}\0" for name in slots(code, language)}
    parts = text(code, language, **marked).split("\0")
    pattern, seen = "", set[str]()
    for number, part in enumerate(parts):
        if number % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.+?)"
            seen.add(part)
    found = re.fullmatch(pattern, sentence)
    assert found is not None, (code, sentence)
    return found.groupdict()


def wrong_numbers(statement: Statement, sentence: str, frame: pd.DataFrame, language: Language) -> list[str]:
    told = read_back(sentence, statement.code, language)
    row = frame.iloc[0]
    return [
        name for name, said in told.items() if said != format_value(float(row[name]), UNITS[name], language)
    ]


@SETTINGS
@given(rows())
def test_every_number_that_a_sheet_prints_is_that_of_the_feature_row(sheet_of, drawn) -> None:
    contributions, frame = drawn
    sheet = sheet_of(explained(contributions, frame))
    for language in LANGUAGES:
        said = page(sheet, language)
        printed = [reason["text"] for group in said["groups"] for reason in group["reasons"]]
        told = [statement for group in sheet.reasons for statement in group.statements]
        both = [*zip(told, printed, strict=True), *zip(sheet.strengths, said["strengths"], strict=True)]
        for statement, sentence in both:
            assert wrong_numbers(statement, sentence, frame, language) == []


@SETTINGS
@given(rows())
def test_every_reason_that_is_printed_has_a_family_that_raises_the_margin(sheet_of, drawn) -> None:
    contributions, frame = drawn
    sheet = sheet_of(explained(contributions, frame))
    told = [statement for group in sheet.reasons for statement in group.statements]
    for statement in (*told, *sheet.strengths):
        total = sum(
            contributions[0, number] for number, name in enumerate(NAMES) if FAMILY[name] == statement.family
        )
        assert statement.contribution == pytest.approx(total)
        assert (total > 0) == (statement in told)
    assert len({statement.family for statement in (*told, *sheet.strengths)}) == len(told) + len(
        sheet.strengths
    )


@SETTINGS
@given(rows())
def test_codes_and_their_order_are_the_same_in_every_language(sheet_of, drawn) -> None:
    sheet = sheet_of(explained(*drawn))
    told = [statement for group in sheet.reasons for statement in group.statements]
    orders = []
    for language in LANGUAGES:
        said = page(sheet, language)
        printed = [reason["text"] for group in said["groups"] for reason in group["reasons"]]
        codes = [statement.code for statement in told]
        orders.append(
            [next(code for code in codes if says(code, sentence, language)) for sentence in printed]
        )
        assert [option["code"] for option in said["feedback"]] == ["F0", "F1", "F2", "F3", "F4", "F5"]
    assert orders == [[statement.code for statement in told]] * len(LANGUAGES)


@pytest.mark.parametrize("name", ["absence_share_28d", "absence_share_term", "absence_share_56d"])
def test_days_absent_in_eight_weeks_are_no_strength_though_the_last_four_were_clean(name: str) -> None:
    known = {"absence_share_28d": 0.0, "absence_share_term": 0.0, "absence_share_56d": 0.175,
             "absence_days_56d": 7.0, "grade_median_absence_days_56d": 0.0}  # fmt: skip
    frame = pd.DataFrame([{"as_of_date": pd.Timestamp("2025-10-31"), **known}])
    contributions = np.zeros((1, len(NAMES) + 1))
    contributions[0, NAMES.index(name)] = -0.6
    assert explained(contributions, frame).strengths == ()


def says(code: str, sentence: str, language: Language) -> bool:
    try:
        read_back(sentence, code, language)
    except AssertionError:
        return False
    return True


def test_a_number_that_is_told_otherwise_is_noticed() -> None:
    frame = pd.DataFrame([{"distance_km": 12.46}])
    far = Statement(
        family="travel", code="reasons.distance", kind="background", audience="class_teacher",
        contribution=0.5, dots=2, values={"distance_km": 12.46}, source="family",
        source_date=date(2025, 9, 1),
    )  # fmt: skip
    right, wrong = (text(far.code, "zh", distance_km=said) for said in ("12.5", "12.4"))
    assert wrong_numbers(far, right, frame, "zh") == []
    assert wrong_numbers(far, wrong, frame, "zh") == ["distance_km"]
