"""Official figures and reports as they are kept: by scope, page by page, and never half of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from riskmodel.domain import ScoredTerm
from riskmodel.errors import StoreError
from riskmodel.official import Place
from riskmodel.store.engine import Store
from riskmodel.store.official import figures, report, reports, save_figures, save_report
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

DAY, CONTENT = date(2026, 10, 31), {"rules": ["test"], "targets": [], "faults": []}
SCHOOL, TOWNSHIP = Place("school", "县", "镇", "school-0"), Place("township", "县", "镇")
COUNTY = Place("county", "县")


def figure(place: Place, number: int = 6, **changes: object) -> dict[str, Any]:
    usual = {"formula": "dropout_rate", "span": "2026-2027", "span_kind": "year", "level": place.level,
             "county": place.county, "township": place.township, "school_id": place.school_id,
             "numerator": number}  # fmt: skip
    return usual | changes


@pytest.fixture
def keep(store: Store, term: Callable[..., ScoredTerm], now: datetime, bureau: Principal) -> Any:
    publish(store, term(), published_at=now, published_by="test")

    def kept(found: Iterator[Mapping[str, Any]] | list[dict[str, Any]], day: date = DAY) -> None:
        save_figures(store, bureau, day, found, counted_at=now, content=CONTENT)

    return kept


def numbers(store: Store, who: Principal, **asked: Any) -> list[int]:
    page = figures(store, who, **asked)
    return [one["numerator"] for one in page.figures] if page else []


def test_who_sees_a_place_reads_its_figures(
    store: Store, keep: Any, bureau: Principal, of_school_0: Principal
) -> None:
    keep([figure(COUNTY, 60), figure(TOWNSHIP, 20), figure(SCHOOL, 6)])
    other = Principal("key-1", "school", frozenset({"school-1"}))
    township = Principal("key-t", "district", townships=frozenset({"镇"}))
    told = [numbers(store, who) for who in (bureau, township, of_school_0, other)]
    assert told == [[60, 20, 6], [20, 6], [6], []]
    assert numbers(store, other, school_id="school-0") == []


def test_only_the_newest_day_is_told_and_a_day_counted_again_takes_the_place_of_the_former(
    store: Store, keep: Any, bureau: Principal
) -> None:
    assert figures(store, bureau) is None
    keep([figure(SCHOOL, 6)])
    keep([figure(SCHOOL, 7)])
    keep([figure(SCHOOL, 5)], date(2026, 9, 30))
    page = figures(store, bureau)
    assert page is not None
    assert (page.day, [one["numerator"] for one in page.figures]) == (DAY, [7])


def test_a_day_that_was_not_kept_whole_is_not_told(store: Store, keep: Any, bureau: Principal) -> None:
    def torn() -> Iterator[Mapping[str, Any]]:
        yield figure(SCHOOL, 9)
        raise RuntimeError("the disk is full")

    keep([figure(SCHOOL, 6)], date(2026, 9, 30))
    with pytest.raises(RuntimeError):
        keep(torn())
    assert numbers(store, bureau) == [6]


def test_pages_follow_one_another_and_what_is_asked_for_narrows_them(
    store: Store, keep: Any, bureau: Principal
) -> None:
    keep([figure(SCHOOL, n, span="2025-2026" if n < 2 else "2026-2027") for n in range(5)])
    seen, after = [], None
    while page := figures(store, bureau, limit=2, after=after):
        seen += [one["numerator"] for one in page.figures]
        after = page.after
        if after is None:
            break
    assert seen == list(range(5))
    assert numbers(store, bureau, span="2025-2026", level="school", formula="dropout_rate") == [0, 1]
    page = figures(store, bureau, limit=2)
    assert page is not None
    keep([figure(SCHOOL, n) for n in range(5)], day=DAY + timedelta(days=1))
    with pytest.raises(StoreError) as refused:
        figures(store, bureau, limit=2, after=page.after)
    assert refused.value.code == "cursor_of_former_set"
    day = f"{DAY + timedelta(days=1):%Y%m%d}"
    for unreadable in (day, f"{day}x", f"{day}-1", f"{day}²", day + "9" * 30):
        with pytest.raises(StoreError) as refused:
            figures(store, bureau, after=unreadable)
        assert refused.value.code == "cursor_unreadable"


def test_reports_are_listed_without_pages_and_read_with_them_by_scope(
    store: Store, keep: Any, bureau: Principal, of_school_0: Principal, now: datetime
) -> None:
    for name, place in (("rep-s", SCHOOL), ("rep-c", COUNTY)):
        page = {"title": f"{name} 标题", "sections": []}
        for _ in range(2):  # the same report again takes its own place
            save_report(store, bureau, report_id=name, kind=place.level, place=place, as_of_date=DAY,
                        made_at=now, content={"zh": page})  # fmt: skip
    assert [one.report_id for one in reports(store, bureau)] == ["rep-c", "rep-s"]
    [own] = reports(store, of_school_0)
    assert (own.report_id, own.titles, own.content) == ("rep-s", {"zh": "rep-s 标题"}, {})
    read = report(store, of_school_0, "rep-s")
    assert read is not None
    assert read.content == {"zh": {"title": "rep-s 标题", "sections": []}}
    assert report(store, of_school_0, "rep-c") is None


def test_a_school_keeps_nothing(store: Store, keep: Any, of_school_0: Principal, now: datetime) -> None:
    with pytest.raises(StoreError) as refused:
        save_figures(store, of_school_0, DAY, [], counted_at=now, content=CONTENT)
    assert refused.value.code == "not_allowed"
    with pytest.raises(StoreError) as refused:
        save_report(store, of_school_0, report_id="r", kind="school", place=SCHOOL, as_of_date=DAY,
                    made_at=now, content={})  # fmt: skip
    assert refused.value.code == "not_allowed"
