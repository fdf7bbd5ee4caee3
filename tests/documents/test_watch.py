"""The page of `riskmodel monitor`: every kind of alarm has its words, and no student is on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from markupsafe import escape

from riskmodel.documents.watch import Watched, alarm_lines, watch_page
from riskmodel.domain import Language
from riskmodel.evaluation.drift import LISTED, RISK, Alarm, Change, Kind
from riskmodel.evaluation.promises import ByHelp, Held, Kept, ServedJudged
from riskmodel.features import ALL_FEATURES
from riskmodel.figures import Interval
from riskmodel.wording import LANGUAGES, text

SOURCES = sorted({feature.source for feature in ALL_FEATURES if feature.role == "model"})
BROKEN = ServedJudged(
    "2025-2026-1", "m1", (date(2025, 9, 29),), 1000, 40, 20, 3,
    (Held("observed_over_expected", Interval(1.0, 0.9, 1.1), Interval(1.5, 1.3, 1.7), Kept.BROKEN),),
)  # fmt: skip


def watched(*alarms: Alarm, alarming: tuple[ServedJudged, ...] = ()) -> Watched:
    changes = tuple(change for alarm in alarms for change in alarm.changes)
    return Watched(
        set_id="set-1", model_version="m1", as_of_date=date(2026, 3, 30), earlier=(date(2025, 9, 29),),
        learnt=(date(2024, 9, 29),), schools={"A": "<甲校>"}, students=1000, listed=20, asked=70,
        alarms=alarms, changes=changes, coverage={"grades": (0.5, 0.9)},
        school_coverage={"A": {"grades": 0.5}},
        judged=alarming, alarming=alarming,
    )  # fmt: skip


def alarm(kind: Kind, feature: str | None, source: str, school: str | None) -> Alarm:
    change = Change(kind, feature, source, school, now=0.5, before=0.9, distance=0.4, limit=0.2, p=0.0)
    return Alarm(kind, source, school, (change,))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_alarm_says_what_it_means_who_owns_it_and_what_to_do(language: Language) -> None:
    every = [
        *(alarm(kind, "absence_share_7d", source, school) for kind in list(Kind)[:4]
          for source in SOURCES for school in (None, "A")),
        *(alarm(Kind.STUDENTS, None, "enrolments", school) for school in (None, "A")),
        *(alarm(Kind.KNOWN, None, source, "A") for source in SOURCES),
        *(alarm(Kind.LISTED, LISTED, "scores", school) for school in (None, "A")),
        *(alarm(Kind.VALUES, RISK, "scores", school) for school in (None, "A")),
    ]  # fmt: skip
    told = watched(*every, alarming=(BROKEN,))
    page = watch_page(told, language)
    assert not told.quiet
    assert len(alarm_lines(told, language)) == len(every) + 1
    for of in ("values", "values_school", "known", "known_school", "constant", "same", "students", "listed",
               "risk", "promise"):  # fmt: skip
        for part in ("means", "owner", "do"):
            assert str(escape(text(f"monitor.alarm.{of}.{part}", language))) in page
    assert "&lt;甲校&gt;" in page
    assert "<甲校>" not in page


def test_large_values_are_written_as_people_write_them() -> None:
    metres = Change(
        Kind.VALUES, "distance_km", "family", "A", now=3_684.2, before=4.12, distance=9.0, limit=0.2, p=0.0
    )
    [line] = alarm_lines(watched(Alarm(Kind.VALUES, "family", "A", (metres,))), "en")
    assert f"{text('features.distance_km', 'en')} 4.12 → 3,684" in line


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_feature_goes_by_what_it_is_and_not_by_its_column(language: Language) -> None:
    page = watch_page(watched(alarm(Kind.VALUES, "absence_share_7d", "attendance", None)), language)
    assert page.count(str(escape(text("features.absence_share_7d", language)))) == 2
    assert "absence_share_7d" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_quiet_page_says_how_much_was_asked(language: Language) -> None:
    told = watched()
    assert told.quiet
    assert alarm_lines(told, language) == []
    assert text("monitor.quiet", language, asked="70", students="1,000") in watch_page(told, language)


def test_what_became_of_those_who_were_helped_is_told_in_students_and_a_few_are_not_told_apart() -> None:
    told = replace(BROKEN, by_help=(ByHelp(True, 120, 12, 600, 60, 41.5, None),))
    assert "120 students on 600 student-dates; 12 students left" in watch_page(
        watched(alarming=(told,)), "en"
    )
    few = replace(BROKEN, by_help=tuple(ByHelp(helped, *(None,) * 6) for helped in (True, False)))
    page = watch_page(watched(alarming=(few,)), "en")
    assert page.count("are not told apart") == 1
    assert "with something done" not in page
