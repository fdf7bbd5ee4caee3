"""A table of the report reads as a table: names begin at the left, and an interval stays on one line."""

from markupsafe import Markup

from riskmodel.documents.page import Section, Table, to_html


def test_an_interval_stays_on_one_line_and_names_begin_at_the_left() -> None:
    table = Table(("名单比例", "方法", "精确率"), [("2 %", "缺勤规则", "6.8 % [1.7, 12.7]")], words=2)
    page = to_html("题目", "", [Section("名单", [table])], "zh")
    assert "6.8 % [1.7,\u00a012.7]" in page
    assert '<td class="words">缺勤规则</td>' in page
    assert '<th class="words">方法</th><th>精确率</th>' in page


def test_sentences_and_what_is_markup_are_left_as_they_are() -> None:
    prose = Table(("说明",), [("甲, 乙",)], prose=True)
    marked = Table(("AUC",), [(Markup("<data>0.7 [0.6, 0.8]</data>"),)])
    page = to_html("title", "", [Section("both", [prose, marked])], "en")
    assert "甲, 乙" in page
    assert "<data>0.7 [0.6, 0.8]</data>" in page
