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
# # 从记录到一个有理由的风险 / From records to a risk with its reasons
#
# 一个很小的虚构县，离校率调高了，好在几秒钟里看到全过程。这里的每一步都是 `make run` 用的同一个函数。
#
# A very small fictional county, with more leavers than is usual, so that the whole way can be seen in
# seconds. Every step is the function that `make run` uses.

# %%
from pathlib import Path


from riskmodel import pipelines
from riskmodel.store.engine import open_store
from riskmodel.store.keys import Principal
from riskmodel.store.reading import current_set, schools, students
from riskmodel.wording import text
from riskmodel.wording.statements import statement_text


def say(code: str, *, language: str = "en", **slots: object) -> None:
    print(text(f"steps.{code}", language, **slots))


run = pipelines.Run.of(Path("county.yaml"), say=say)

# %% [markdown]
# ## 记录 / Records
# 取入时要么全部，要么一条也不。/ All of them are taken in, or none.

# %%
with run.workspace.opened():
    pipelines.make_county(run)
    pipelines.take_in_records(run)

# %% [markdown]
# ## 特征、训练、检验 / Features, training, judging
# 只用每个日期当时所知道的。/ Only what was known on each date is used.

# %%
with run.workspace.opened():
    pipelines.build_features(run)
    pipelines.train_model(run)

# %% [markdown]
# ## 发布，然后像学校那样读 / Publish, and read as a school reads

# %%
with run.workspace.opened():
    pipelines.publish_scores(run)

store = open_store(run.workspace.store)
published = current_set(store)
bureau = Principal(key_id="notebook", role="bureau")
units = {feature.name: feature.unit for feature in published.facts.features}
listed = [
    student
    for school in schools(store, bureau)
    for student in students(store, bureau, school.school_id, listed=True, limit=5).students
]
assert listed, "the list is empty"

told = max(listed, key=lambda student: len(student.reasons))
print(told.masked_name, told.class_name, text(f"bands.{told.band}.name", "zh"))
for reason in told.reasons:
    print(" ", "●" * reason.dots, statement_text(reason, units, "zh"))
    print("     ", statement_text(reason, units, "en"))
assert told.reasons, "nobody of the listed has a reason"
