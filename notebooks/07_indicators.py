# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 官方指标：率、目标、背后的行 / Official figures: rates, targets, and the rows behind them
#
# 入学率、辍学率、巩固率怎么来的：从记录数出来，按某一天所知；对照计划的目标，差距用人数说；
# 每个数都能追到哪个文件的哪一行；缺了一所学校要说出来，不能平均进去。
#
# How the rates of enrolment, leaving and retention come about: counted from the records, as known on a day;
# held against the plan's targets, the distance told in students; each figure followed back to a file and a
# row; and a school that is missing is reported, not averaged in.
#
# 县是虚构的，离校的孩子比真的多得多，好让几秒钟的例子里有数可看。
# The county is fictional, and many more leave than in life, so that an example of seconds has what to count.

# %%
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from IPython.display import display

from riskmodel import pipelines
from riskmodel.official import Place
from riskmodel.official_words import fault_words
from riskmodel.pipelines.indicating import figure_row, target_line
from riskmodel.wording import text

folder = Path(tempfile.mkdtemp())
(folder / "regions").mkdir()


workspace = folder / "workspace"
records = workspace / "county" / "records"
configuration = {
    "config_version": 1,
    "region": "notebook",
    "workspace": str(workspace),
    "seed": 7,
    "county": {
        "students": 1200,
        "first_school_year": 2023,
        "school_years": 2,
        "primary_leavers_a_year": 0.04,
        "junior_leavers_a_year": 0.12,
    },
    "sources": [{"name": "county", "path": str(records)}],
    "as_of": {"weeks": [8], "current": {"term": "2024-2025-2", "week": 16}},
    "horizon": {"days": 90},
    "bands": {"reach_out": 0.15, "check_in": 0.08},
    "capacity": {"share": 0.05},
}
(folder / "notebook.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")


def say(code: str, *, language: str = "en", **slots: object) -> None:
    if code not in ("table", "indicator_line", "behind_line"):
        print(text(f"steps.{code}", language, **slots))


# %% [markdown]
# ## 规则与目标 / Rules and targets
# 年龄、学年的分界、统计的日子、多少算少：按地区写，注明日期。公式有名字和版本：年辍学率有两种公布的算法，
# 互相矛盾，目标要写明用哪一种。
#
# Ages, the year's boundary, the day of the count and what is few stand in a region's dated rule. Formulas
# have names and versions: two published rates of leaving conflict, so a target says which it means.

# %%
region = {
    "config_version": 1,
    "rules": [{"version": "notebook", "valid_from": "2021-09-01", "source": "an example"}],
    "indicators": [{"version": "notebook", "valid_from": "2000-01-01", "source": "ages in use today"}],
}
asked = [
    ("primary", "enrolment_rate", {"at_least": 0.99}, "小学适龄儿童入学率", "enrolment, primary age group"),
    ("junior", "enrolment_rate", {"at_least": 0.95}, "初中适龄少年入学率", "enrolment, junior age group"),
    ("primary", "dropout_rate", {"at_most": 0.006}, "小学年辍学率", "primary students leaving in a year"),
    ("junior", "dropout_rate", {"at_most": 0.018}, "初中年辍学率", "junior students leaving in a year"),
]
targets = {
    "config_version": 1,
    "targets": [
        {"name": f"{stage}_{formula}", "formula": formula, "stage": stage, **limit, "zh": zh, "en": en}
        | {"valid_from": "2020-01-01", "source": "the plan"}
        for stage, formula, limit, zh, en in asked
    ],
}
for name, told in (("regions/notebook.yaml", region), ("targets.yaml", targets)):
    (folder / name).write_text(yaml.safe_dump(told, allow_unicode=True), encoding="utf-8")

# %% [markdown]
# ## 数一遍 / The count
# 送来的文件里，有一所学校第二年的学籍漏了：率照算，但下面会说出缺了哪所、缺多少人。
# The second year of one school is left out of the files; it must be told below.

# %%
run = pipelines.Run.of(folder / "notebook.yaml", say=say)
with run.workspace.opened():
    pipelines.make_county(run)
    enrolments = pd.read_csv(records / "enrolments.csv", dtype=str)
    largest = enrolments["school_id"].value_counts().index[0]
    left_out = (enrolments["school_id"] == largest) & (enrolments["start_date"] >= "2024-08-01")
    enrolments[~left_out].to_csv(records / "enrolments.csv", index=False)
    pipelines.take_in_records(run)
    found = pipelines.tell_indicators(run)

# %% [markdown]
# ## 对照目标 / Beside the targets
# 差距说的是人数：还差几名，或者再多几名就超过。括号里是 95% 区间。
# The distance is told in students; the brackets hold the 95 % interval.

# %%
for one in found.against:
    if one.figure.place.level == "county" and one.figure.span.kind == "year":
        print(target_line(one, "zh"))
        print(target_line(one, "en"))
        print()

# %% [markdown]
# ## 两种公式 / Two formulas
# 同一批孩子：第一种不算死亡和有着落的转学，第二种按净流失算，可以是负数。两种都不截断。
# The same children: v1 leaves deaths and confirmed transfers out, v2 nets all flows and may fall below zero.

# %%
every = pd.DataFrame([figure_row(one) for one in found.every])
year = every[(every["span_kind"] == "year") & (every["level"] == "county")]
both = year[year["formula"].isin(["dropout_rate", "dropout_rate_net"]) & (year["by"] == "stage")]
display(both[["span", "formula", "version", "stage", "numerator", "denominator", "rate", "unaccounted"]])

# %% [markdown]
# ## 部分相加等于整体 / Parts add up to the whole

# %%
leaving = every[(every["formula"] == "dropout_rate") & (every["by"] == "stage")]
per_level = leaving.groupby(["span", "span_kind", "stage", "level"])[["numerator", "denominator"]].sum()
assert per_level.groupby(["span", "span_kind", "stage"]).nunique().eq(1).all().all()
per_level.unstack("level")["numerator"]

# %% [markdown]
# ## 背后的行 / The rows behind a figure
# 谁被算进去，算成什么，由哪个文件的哪一行说的。打开那一行看一看。
# Whom a rate counts, as what, and which row of which file says so. Open that row and look.

# %%
county = next(one.figure.place.county for one in found.against if one.figure.place.county)
span = "2023-2024"
behind = pipelines.list_behind(run, span=span, kind="year", place=Place("county", county), stage="junior")
outcomes = pd.Series([one.outcome for one in behind if one.outcome]).value_counts()
display(outcomes)
counted = leaving[
    (leaving["span"] == span) & (leaving["span_kind"] == "year")
    & (leaving["level"] == "county") & (leaving["stage"] == "junior")
].iloc[0]  # fmt: skip
left = ["dropped_out", "suspended", "transfer_unconfirmed"]
assert outcomes.reindex(left).fillna(0).sum() == counted["numerator"]

one = next(one for one in behind if one.outcome == "dropped_out")
told = next(row for row in one.rows if row.table == "enrolments")
line = pd.read_csv(records / Path(told.file).name, dtype=str).iloc[told.row - 2]
assert line["student_id"] == one.who
line[["school_id", "grade", "start_date", "end_date", "exit_reason", "recorded_on"]]

# %% [markdown]
# ## 别人看到什么 / What others may see
# 1 到 4 人的数不外传，能由它们算出小数的也不外传；县教育局的数据组看得到全部。
# Counts of 1 to 4 are withheld from others, and whatever would give them away; the data team sees all.

# %%
seen = pd.DataFrame([figure_row(one) for one in found.shown])
assert not seen.loc[seen["formula"] == "dropout_rate", "numerator"].between(1, 4).any()
seen.groupby("level")["hidden"].agg(["mean", "size"])

# %% [markdown]
# ## 漏报的学校 / The school that is missing
# 说出是哪所、哪一天、多少人、碰到哪些时段；报告里这些时段的率前面有 ※。
# Which school, on which day, how many, and which spans it touches: reports mark their rates with ※.

# %%
assert largest in {one.school_id for one in found.faults if one.code == "school_missing"}
for one in found.faults:
    print(fault_words(one, "zh"), "·", fault_words(one, "en"), one.spans)

# %%
shutil.rmtree(folder)
