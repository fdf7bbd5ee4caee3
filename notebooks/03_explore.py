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
# # 记录、上报与特征 / Records, coverage and features
#
# 一个很小的虚构县。训练之前先看三件事：送来了什么，学校上报了多少，特征里有多少是不知道的。
# 这里只看县、学校和分布，不看任何一个学生。
#
# A very small fictional county. Three things to look at before any training: what was delivered, how much of
# it schools reported, and how much of the features is not known. Only the county, its schools and
# distributions are shown, no student.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display

from riskmodel import pipelines
from riskmodel.features.dictionary import data_dictionary
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.run import dates_of
from riskmodel.records.asking.coverage import coverage
from riskmodel.records.store import RecordStore
from riskmodel.wording import text


def say(code: str, *, language: str = "en", **slots: object) -> None:
    print(text(f"steps.{code}", language, **slots))


run = pipelines.Run.of(Path("county.yaml"), say=say)

# %% [markdown]
# ## 记录：每张表多少行 / Records: rows per table

# %%
with run.workspace.opened():
    pipelines.make_county(run)
    pipelines.take_in_records(run)

store = RecordStore.open(run.workspace.records)
current = dates_of(run, store).current
held = coverage(store, current, run.rule(current))
tables = pd.DataFrame(
    [
        {"表": text(f"sources.{name}", "zh"), "table": text(f"sources.{name}", "en"), "rows": rows}
        for name, rows in held.rows.items()
    ]
)
display(tables)
print("没有送来 / not delivered:", ", ".join(held.missing_tables) or "—")
print(f"{current.as_of_date}：在册 / enrolled {held.students}")
print("没有成绩 / without marks:", held.without_marks)
print("没有家庭情况记录 / without a family statement:", held.without_family_statement)
assert set(held.missing_tables) <= {"consents"}  # only a bureau that uses a source by consent has them
assert held.students

# %% [markdown]
# ## 上报：哪所学校报了多少个上课日 / Coverage: how much of their school days schools reported
#
# 没有上报的一天不是全勤的一天。颜色浅的格子，出勤情况多半是不知道的。
#
# A day that was not reported is no day of full attendance. In a pale cell attendance is mostly not known.

# %%
reported = pd.DataFrame([vars(one) for one in held.reported])
reported["share"] = reported["reported_days"] / reported["school_days"]
by_school = reported.pivot(index="school_id", columns="term", values="share")

figure, axes = plt.subplots(figsize=(6, 0.35 * len(by_school) + 1.2), layout="constrained")
picture = axes.imshow(by_school, vmin=0, vmax=1, cmap="Blues", aspect="auto")
axes.set_xticks(range(by_school.shape[1]), by_school.columns)
axes.set_yticks(range(len(by_school)), by_school.index)
for row, school in enumerate(by_school.index):
    for column, term in enumerate(by_school.columns):
        share = by_school.loc[school, term]
        colour = "white" if share > 0.6 else "black"
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour, fontsize=8)
axes.set_title(f"share of school days reported up to {current.as_of_date}", loc="left", fontsize=10)
plt.show()
assert reported["share"].between(0, 1).all()

# %% [markdown]
# ## 特征：每一类有多少是不知道的 / Features: how much of each family is not known
# 不知道既不是 0，也不是“否”。/ Not known is neither 0 nor "no".

# %%
with run.workspace.opened():
    pipelines.build_features(run)
    matrix = matrix_of(run, store, (current,))

declared = pd.DataFrame(
    [{"name": one.name, "family": one.family} for one in matrix.features if one.role == "model"]
)
declared["missing"] = matrix.frame[declared["name"]].isna().mean().to_numpy()
families = declared.groupby("family", sort=False)["missing"].agg(["size", "mean", "max"])
families.insert(0, "类别 / family", [f"{text(f'families.{name}', 'zh')} / {name}" for name in families.index])
families.columns = ["类别 / family", "特征 / features", "平均缺失 / mean missing", "最多 / most"]
display(families.reset_index(drop=True).round(3))
assert declared["missing"].between(0, 1).all()

# %% [markdown]
# ## 几个特征的分布 / Distributions of a few features

# %%
looked_at = ("absence_share_28d", "marks_mean_365d", "distance_km", "years_over_grade_age")
figure, all_axes = plt.subplots(1, len(looked_at), figsize=(13, 2.8), layout="constrained")
for axes, name in zip(all_axes, looked_at, strict=True):
    known = matrix.frame[name].dropna()
    axes.hist(known, bins=25, color="#2f6690")
    axes.set_yscale("log")
    axes.set_title(f"{text(f'features.{name}', 'en')}\nn = {len(known)}", fontsize=9, loc="left")
all_axes[0].set_ylabel("students (log scale)")
plt.show()
for name in looked_at:
    print(f"{name}: {text(f'features.{name}', 'zh')}")
assert matrix.frame["absence_share_28d"].dropna().between(0, 1).all()

# %% [markdown]
# ## 数据字典里怎么写 / What the data dictionary says of them
# 整本在 `docs/data-dictionary.md`，由特征的声明生成。/ All of it is in `docs/data-dictionary.md`, which is
# written from the declarations.

# %%
lines = data_dictionary().splitlines()
head = [line for line in lines if line.startswith(("| name", "|---"))]
entries = [line for line in lines if any(line.startswith(f"| `{name}` |") for name in looked_at)]
display(Markdown("\n".join([*head, *entries])))
assert len(entries) == len(looked_at)
