"""Which day a column of a class's sheet is about."""

from __future__ import annotations

import pytest

from riskmodel.records.mapping.wide import Wide

DAYS = Wide(days_into=("start_date",))


@pytest.mark.parametrize(
    ("titles", "month"),
    [
        (["2025-2026-2学期八年级1班2026年5月考勤表"], "2026-05"),
        (["2025-2026学年第二学期2026年5月考勤"], "2026-05"),
        (["2025-2026-2学期", "2026.5"], "2026-05"),
        (["2025-09"], "2025-09"),
        (["2025年 10 月"], "2025-10"),
        (["打印日期：2025-11-03", "2025年10月考勤"], "2025-10"),
        (["2025年11月3日打印", "2025年10月1班考勤"], "2025-10"),
        (["2025.10.8考勤"], "2025-10"),
    ],
)
def test_a_month_is_read_beside_the_name_of_a_term(titles: list[str], month: str) -> None:
    assert DAYS.spread(["姓名", "18"], titles) == {1: {"start_date": f"{month}-18"}}
    assert DAYS.months(["姓名", "18"], titles) == [month]


@pytest.mark.parametrize(
    "titles",
    [
        ["某校2025-2026-1学期 9月考勤表"],
        ["", "5月", "考勤_2025-2026-2_5月.xlsx"],
        ["2025—2026-2考勤"],
        ["2026-2 学期考勤"],
    ],
)
def test_the_name_of_a_term_alone_states_no_month(titles: list[str]) -> None:
    assert DAYS.spread(["姓名", "18"], titles) == {}
