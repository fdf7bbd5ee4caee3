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
# # 回测：每个过去的学期，当时会怎样 / Backtest: what each past term would have seen
#
# 一个很小的虚构县，离校率调高了。每个学期只用它之前已知的结果训练，再按后来的结果检验；
# 与更简单的方法放在同一张表里。
#
# A very small fictional county, with more leavers than is usual. Each term is trained only on outcomes that
# were known before it and judged on what came, beside the simpler methods in the same table.

# %%
import shutil
import tempfile
from pathlib import Path

import yaml
from IPython.display import Image, Markdown, display

from riskmodel import pipelines
from riskmodel.wording import text

folder = Path(tempfile.mkdtemp())
workspace = folder / "workspace"
rules = [{"version": "notebook", "valid_from": "2021-09-01", "source": "an example"}]
(folder / "regions").mkdir()
(folder / "regions" / "notebook.yaml").write_text(
    yaml.safe_dump({"config_version": 1, "rules": rules}), encoding="utf-8"
)
told = []


def say(code: str, *, language: str = "en", **slots: object) -> None:
    told.append(code)
    if code != "table":
        print(text(f"steps.{code}", language, **slots))


def run_up_to(complete_to: str) -> pipelines.Run:
    """A run on records that tell everything up to a day."""
    configuration = {
        "config_version": 1,
        "region": "notebook",
        "workspace": str(workspace),
        "seed": 7,
        "county": {
            "students": 1500,
            "first_school_year": 2022,
            "school_years": 2,
            "primary_leavers_a_year": 0.12,
            "junior_leavers_a_year": 0.18,
        },
        "sources": [
            {
                "name": "county",
                "path": str(workspace / "county" / "records"),
                "complete_to": complete_to,
            }
        ],
        "as_of": {"weeks": [8, 14], "current": {"term": "2023-2024-1", "week": 14}},
        "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08},
        "capacity": {"share": 0.05},
    }
    (folder / "notebook.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return pipelines.Run.of(folder / "notebook.yaml", say=say)


# %% [markdown]
# ## 第一次 / The first time
# 记录完整到 2023 年底。此前离校的学生还太少，只由缺勤规则判定。
#
# Records are complete to the end of 2023. Too few had left before: the absence rule alone is judged.

# %%
run = run_up_to("2023-12-31")
with run.workspace.opened():
    pipelines.make_county(run)
    pipelines.take_in_records(run)
    report = pipelines.backtest(run)

# %% [markdown]
# ## 再来一次，什么也不用做 / Once more, nothing is left to do

# %%
told.clear()
with run.workspace.opened():
    pipelines.backtest(run)
assert "backtest_unchanged" in told
assert not {"backtest_term", "backtest_term_rule"} & set(told)

# %% [markdown]
# ## 又过了一个学期 / A term later
# 只做新的那一个学期，这一次由模型评分。/ Only the new term is judged, by a model this time.

# %%
told.clear()
run = run_up_to("2024-05-31")
with run.workspace.opened():
    pipelines.take_in_records(run)
    pipelines.backtest(run)
assert told.count("backtest_term") == 1
assert told.count("backtest_term_reused") == 2

# %% [markdown]
# ## 报告 / The report

# %%
display(Markdown((report / "report.zh.md").read_text(encoding="utf-8")))
display(Markdown((report / "report.en.md").read_text(encoding="utf-8")))

# %%
display(Image(report / "by_term.png", width=900))

# %%
shutil.rmtree(folder)
