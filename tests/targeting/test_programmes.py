from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from riskmodel.errors import ConfigurationError
from riskmodel.targeting.programmes import read_programmes, read_school_capacities

SHIPPED = Path(__file__).parents[2] / "configs" / "programmes.yaml"


def test_the_shipped_file_can_be_read_and_names_everything_in_both_languages() -> None:
    told = read_programmes(SHIPPED)
    assert [one.id for one in told.programmes if one.kind == "entitlement"] == [
        "living_cost",
        "disability_aid",
    ]
    assert all(set(one.name) == {"zh", "en"} for one in told.programmes)


def test_an_entitlement_cannot_ask_for_a_score(programmes) -> None:
    for fact in ('band == "reach_out"', "listed", '"money" in reason_families'):
        with pytest.raises(ConfigurationError, match=r"no such fact"):
            programmes({"kind": "entitlement", "eligible": fact})


@pytest.mark.parametrize("limit", [{"places": 3}, {"cost_hours": 2}])
def test_an_entitlement_has_no_places_and_no_hours(programmes, limit) -> None:
    with pytest.raises(ConfigurationError, match="entitlement has no places"):
        programmes({"kind": "entitlement", **limit})


def test_an_effect_needs_an_order_and_a_source(programmes) -> None:
    with pytest.raises(ConfigurationError, match="low <= middle <= high"):
        programmes({"effect": {"low": 0.3, "middle": 0.1, "high": 0.2, "source": "x"}})
    with pytest.raises(ConfigurationError, match="source"):
        programmes({"effect": {"low": 0.0, "middle": 0.1, "high": 0.2, "source": ""}})


def test_a_slip_in_a_key_is_named(programmes) -> None:
    with pytest.raises(ConfigurationError, match=r"programmes\.0\.elegible"):
        programmes({"elegible": "true"})


def test_two_programmes_with_one_id_are_refused(programmes) -> None:
    with pytest.raises(ConfigurationError, match="one id"):
        programmes({"id": "same"}, {"id": "same"})


def test_amounts_are_those_that_have_begun_last(programmes) -> None:
    row = {"source": "x", "yearly": [{"when": "true", "yuan": 1}]}
    told = programmes({"amount": "a"}, amounts={"a": [row | {"valid_from": date(2024, 2, 1)},
                                                      row | {"valid_from": date(2026, 2, 1)}]})  # fmt: skip
    assert told.amounts_on("a", date(2026, 1, 31)).valid_from == date(2024, 2, 1)
    assert told.amounts_on("a", date(2026, 2, 1)).valid_from == date(2026, 2, 1)
    with pytest.raises(ConfigurationError, match="2024-01-31"):
        told.amounts_on("a", date(2024, 1, 31))


def test_capacities_of_schools_name_row_and_column_of_what_is_no_number(programmes, tmp_path) -> None:
    told = programmes({"id": "boarding"}, budget={"yuan": 0, "hours_per_school": 30})
    file = tmp_path / "capacity.csv"
    file.write_text("school_id,hours,places:boarding\nA,12,3\nB,,\n", encoding="utf-8-sig")
    found = read_school_capacities(file, told, schools={"A", "B", "0012"})
    assert (found["A"].hours, found["A"].places) == (12, {"boarding": 3})
    assert (found["B"].hours, found["B"].places) == (30, {})
    file.write_text("school_id,hours\nA,12\nB,many\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_school_capacities(file, told, schools={"A", "B", "0012"})
    assert (refused.value.where.row, refused.value.where.column) == (3, "hours")
    file.write_text("school_id,places:bording\nA,1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="places:bording"):
        read_school_capacities(file, told, schools={"A", "B", "0012"})


@pytest.mark.parametrize(
    ("rows", "code", "column"),
    [
        ("12,60,20", "capacities_school_unknown", "school_id"),
        ("0012,60,20\n0012,1,1", "capacities_school_twice", "school_id"),
        ("A,60,\n0012,60,2.7", "capacities_no_number", "places:boarding"),
    ],
)
def test_a_school_that_is_unknown_or_told_twice_and_half_a_place_are_refused(
    programmes, tmp_path, rows, code, column
) -> None:
    told = programmes({"id": "boarding"}, budget={"yuan": 0, "hours_per_school": 30})
    file = tmp_path / "capacity.csv"
    file.write_text(f"school_id,hours,places:boarding\n{rows}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_school_capacities(file, told, schools={"A", "0012"})
    where = refused.value.where
    assert (refused.value.code, where.row, where.column) == (code, 2 + rows.count("\n"), column)
