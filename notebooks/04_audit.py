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
# # 审查：报告一步一步地看 / The audit: the report step by step
#
# 一个很小的虚构县，离校率调高了。训练、审查、问关卡、写报告；每一步的数都可以在这里改着看。
# 人数这么少，多数关卡说“说不准”，这正是它该说的。
#
# A very small fictional county, with more leavers than is usual: train, audit, ask the gates, write the
# report; every figure can be taken apart here. With so few students many gates say "too few to say", as they
# should.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML, Image, Markdown, display

from riskmodel import pipelines
from riskmodel.evaluation.audit import groups_in, judgeable
from riskmodel.evaluation.by_school import SchoolCells
from riskmodel.evaluation.capacity import judge_places, top_lists
from riskmodel.evaluation.gates import Verdict, read_gates_found
from riskmodel.evaluation.gates_report import gates_table
from riskmodel.evaluation.pictures import calibration_picture
from riskmodel.wording import text


def say(code: str, *, language: str = "en", **slots: object) -> None:
    if code != "table":
        print(text(f"steps.{code}", language, **slots))


run = pipelines.Run.of(Path("county.yaml"), say=say)
with run.workspace.opened():
    pipelines.make_county(run)
    pipelines.take_in_records(run)
    pipelines.build_features(run)
    version = pipelines.train_model(run)
    audit = pipelines.audit_model(run, bootstraps=4)
    model = pipelines.write_report(run)
assert audit is not None
assert model is not None

# %% [markdown]
# ## 关卡 / The gates

# %%
found = read_gates_found((model / "gates.json").read_text(encoding="utf-8"))
for language in ("zh", "en"):
    display(Markdown(gates_table(found, language)))
verdicts = pd.Series([each.verdict.value for each in found]).value_counts()
assert set(verdicts.index) <= {verdict.value for verdict in Verdict}
verdicts

# %% [markdown]
# ## 评判过的每一行 / Every row that was judged
# 每行一条“学生－日期”：后来怎样，各种方法的分数，以及所属群体。
#
# A row per student-date: what became of it, the scores of each method, and its groups.

# %%
rows = judgeable(pd.read_parquet(model / "judged-scores.parquet"))
score, risk = (next(rows[column] for column in rows if column.endswith(end)) for end in ("_score", "_risk"))
share = run.configuration.capacity.share
print(f"{len(rows):,} rows, {rows['student_id'].nunique():,} students")

# %% [markdown]
# ## 名额：全县统排，还是每校各排 / Places: the whole bureau, or each school

# %%
pd.DataFrame([
    {
        "within": each.within.value,
        "listed": each.listed,
        "precision": each.precision.value,
        "recall": each.recall.value,
        "recall_low": each.recall.low,
        "recall_high": each.recall.high,
    }
    for each in judge_places(rows, risk.to_numpy(), share=share, seed=1, resamples=200)
])  # fmt: skip

# %% [markdown]
# ## 群体：先看谁被漏掉 / Groups: who is missed comes first
# 换一个分组，改 `grouping` 即可。/ Change `grouping` for another one.

# %%
grouping = "left_behind"
listed = top_lists(rows, risk.to_numpy(), share=share)
cells = SchoolCells.of(rows, listed=listed, risk=risk.to_numpy())
groups = groups_in(rows)[grouping].to_numpy(dtype=str)
by_group = {name: cells.count(groups == name) for name in np.unique(groups)}
pd.DataFrame({
    name: {
        "left": one.events,
        "found": one.found.sum(),
        "recall": one.found.sum() / max(one.events, 1),
    }
    for name, one in by_group.items()
}).T  # fmt: skip

# %% [markdown]
# ## 校准 / Calibration

# %%
known = rows["outcome"].isin(["left", "stayed"]).to_numpy()
picture = calibration_picture(
    run.workspace.root / "calibration.png",
    risk=risk.to_numpy()[known],
    left=(rows["outcome"] == "left").to_numpy()[known],
    language="zh",
)
display(Image(picture, width=620))

# %% [markdown]
# ## 换一种做法 / Made in another way

# %%
others = [("aged", one) for one in audit.aged] + [("seeds", one) for one in audit.seeds]
pd.DataFrame([
    {"made": kind, "name": one.name, "auc_less": one.auc_less.value, "same_list": one.same_list}
    for kind, one in others
])  # fmt: skip

# %% [markdown]
# ## 模型卡 / The model card

# %%
display(HTML((model / "card.zh.html").read_text(encoding="utf-8")))

# %%
assert {file.name for file in model.glob("*.html")} == {
    f"{name}.{language}.html" for name in ("report", "card", "datasheet") for language in ("zh", "en")
}
