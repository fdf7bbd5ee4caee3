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
# # 看个案：二十个编号的孩子 / Case review: twenty children under a number
#
# 指标说的是平均，个案说的是这一个孩子。四类各抽五个：排在最前的、分数线附近的、漏掉的、列入后没有离校的。
# 两个人各自填写，互不知道对方的答案，也不知道是哪一类；最后看两人有多一致。
#
# Figures tell of averages, a case tells of one child. Five of each kind are drawn: at the top, near the line,
# missed, listed and stayed. Two people fill the columns in, knowing neither the other's answers nor the kind;
# how far they agree is computed in the end.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import display

from riskmodel import pipelines
from riskmodel.evaluation.audit import judgeable
from riskmodel.evaluation.case_review import agreement, choose_cases
from riskmodel.evaluation.contributions_pictures import family_sums
from riskmodel.pipelines.bundles import read_judged
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.run import dates_of
from riskmodel.records.store import RecordStore
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
    store = RecordStore.open(run.workspace.records)
    tested = matrix_of(run, store, dates_of(run, store).test)

# %% [markdown]
# ## 抽取 / The draw
# 编号与学生的对照只在这里，不写进要发给人看的表。/ Who is behind a number stays here.

# %%
model = run.workspace.models / version
bundle = read_judged(run, model)
rows = judgeable(pd.read_parquet(model / "judged-scores.parquet"))
score = next(rows[column] for column in rows if column.endswith("_score")).to_numpy()
cases = choose_cases(rows, score, share=run.configuration.capacity.share, seed=7)
assert len(cases) == 20
cases["kind"].value_counts()

# %% [markdown]
# ## 要看的表 / The sheet to look at
# 每个个案：各类情况把结果推高（正）或推低（负）多少，几项事实，以及待填的列。
#
# Of each case: what each family adds (positive) or takes away, some facts, and columns to fill in.

# %%
keys = ["as_of_date", "student_id"]
values = rows.iloc[cases["position"]][keys].merge(tested.frame, on=keys, how="left")
X = values[list(bundle.feature_names)].to_numpy(float)
families = family_sums(bundle.model.scorer.contributions(X), bundle.feature_names, bundle.features)
facts = ["absence_share_28d", "marks_last_round", "grade_level", "boards"]
sheet = pd.concat(
    [
        cases[["case"]],
        pd.DataFrame({text(f"families.{name}", "zh"): sums.round(2) for name, sums in families.items()}),
        values[[name for name in facts if name in values]].rename(
            columns={name: text(f"features.{name}", "zh") for name in facts if name in values}
        ),
    ],
    axis=1,
)
questions = ["下一步_甲", "下一步_乙", "理由是否可信_甲", "理由是否可信_乙", "还缺什么"]
sheet[questions] = None
assert not set(sheet.columns) & {"student_id", "kind", "outcome"}
sheet.to_excel(run.workspace.root / "cases.xlsx", index=False, engine="xlsxwriter")
display(sheet)

# %% [markdown]
# ## 填回来之后 / After it was filled in
# 这里由两个虚构的人填写：多数时候看法相同。真用时，读回填好的文件即可。
#
# Two invented people have filled it in here, and mostly agree. With real ones, read the file that came back.

# %%
generator = np.random.default_rng(7)
filled = pd.read_excel(run.workspace.root / "cases.xlsx", engine="calamine")
first = generator.choice(["家访", "谈话", "先不打扰"], len(filled))
second = np.where(generator.random(len(filled)) < 0.7, first, "谈话")
filled["下一步_甲"], filled["下一步_乙"] = first, second
found = agreement(filled["下一步_甲"], filled["下一步_乙"])
print(f"{found.cases} cases, same answer {found.same:.0%}, kappa {found.kappa:.2f}")
assert found.cases == 20

# %% [markdown]
# ## 揭开是哪一类 / The kinds, told at last
# 漏掉的孩子，记录里看得出来吗？列入后没有离校的，是看错了，还是帮上了？
#
# Could the missed have been seen in the records? Were those listed who stayed a mistake, or helped?

# %%
told = filled[["case", "下一步_甲", "下一步_乙"]].merge(cases[["case", "kind"]], on="case")
display(told.sort_values(["kind", "case"]))
pd.crosstab(told["kind"], told["下一步_甲"])
