from collections.abc import Iterator

import duckdb
import pytest

from riskmodel.reconcile.linking import ACCEPT, Pair, link

Row = tuple[str, str, str, str, str, str]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def paired(connection: duckdb.DuckDBPyConnection, left: list[Row], right: list[Row]) -> list[Pair]:
    for name, rows in (("left_people", left), ("right_people", right)):
        connection.execute(
            f"CREATE OR REPLACE TABLE {name} (unique_id VARCHAR, name VARCHAR, birth_date DATE, sex VARCHAR,"
            " township VARCHAR, roll_number VARCHAR)"
        )
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, nullif(?, ''))", rows)
    return link(connection, "left_people", "right_people")


def row(who: str, name: str = "王甲子", born: str = "2015-03-04", number: str = "", sex: str = "M") -> Row:
    return who, name, born, sex, "东镇", number


GOOD, WRONG, TEMPORARY = "G11010519491231002X", "G110105194912310021", "L110105194912310021"


def test_a_right_roll_number_of_any_time_makes_a_pair_whatever_the_name(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    [pair] = paired(
        connection,
        [row("p1", "李甲", number=GOOD)],
        [row("s1", "王丁丑", "2014-01-01", f"{TEMPORARY} {GOOD}"), row("s2", "李甲")],
    )
    assert pair == Pair("p1", "s1", 1.0, "roll_number")


def test_a_number_whose_check_character_is_wrong_makes_none_and_a_temporary_one_has_none(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    far = row("s1", "李乙亥", "2012-01-01", WRONG, "F")
    assert paired(connection, [row("p1", number=WRONG)], [far]) == []
    [pair] = paired(connection, [row("p1", number=TEMPORARY)], [(*far[:5], TEMPORARY)])
    assert pair.by == "roll_number"


@pytest.mark.parametrize("dotted", ["阿依·古丽", "阿依•古丽", "阿依．古丽", "阿依 古丽", "阿依古丽"])
def test_the_dot_of_a_name_is_written_in_many_ways(
    connection: duckdb.DuckDBPyConnection, dotted: str
) -> None:
    [pair] = paired(connection, [row("p1", "阿依·古丽")], [row("s1", dotted)])
    assert (pair.right, pair.by) == ("s1", "name_and_birthday")


@pytest.mark.parametrize(
    ("name", "born"),
    [("王甲䶮", "2015-03-04"), ("王甲子", "2015-03-05"), ("王甲子", "2015-04-03"), ("王甲子", "2014-03-04")],
)
def test_one_slip_of_the_pen_is_taken(connection: duckdb.DuckDBPyConnection, name: str, born: str) -> None:
    [pair] = paired(connection, [row("p1")], [row("s1", name, born)])
    assert (pair.left, pair.right, pair.by) == ("p1", "s1", "likeness")
    assert ACCEPT < pair.probability < 1


def test_two_slips_and_another_sex_make_no_pair(connection: duckdb.DuckDBPyConnection) -> None:
    assert paired(connection, [row("p1")], [row("s1", "王甲䶮", "2015-03-05", sex="F")]) == []


def test_twins_are_not_taken_for_each_other(connection: duckdb.DuckDBPyConnection) -> None:
    twins = [row("p1", "王甲子"), row("p2", "王甲丑")]
    found = paired(connection, twins, [row("s2", "王甲丑"), row("s1", "王甲子")])
    assert {(one.left, one.right) for one in found} == {("p1", "s1"), ("p2", "s2")}
    [one] = paired(connection, twins, [row("s1", "王甲寅")])
    assert one.is_near, "either could be: a person decides"
    [one] = paired(connection, twins, [row("s2", "王甲丑")])
    assert (one.left, one.right) == ("p2", "s2")
