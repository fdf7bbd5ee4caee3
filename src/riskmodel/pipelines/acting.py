"""What was done for students, from a list that people filled in: all of it is kept, or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from riskmodel.domain import Action, ActionKind, ActionResult
from riskmodel.errors import Finding, RecordsRefused
from riskmodel.pipelines.lists import read_list
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run
from riskmodel.pipelines.targeting import programme_ids
from riskmodel.records.contract import Column, Table
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.mapping.vocabulary import plain
from riskmodel.store.actions import MOST_AT_ONCE, MOST_HOURS, MOST_YUAN, ActionsRefused, record_actions
from riskmodel.store.engine import open_store

LIST = Table(
    "actions",
    (
        Column("student_id", required=True),
        Column("kind", "code", required=True, codes=get_args(ActionKind)),
        Column("day", "date", required=True),
        Column("done_by", required=True),
        Column("programme"),
        Column("amount_yuan", "number", minimum=0, maximum=MOST_YUAN),
        Column("hours", "number", minimum=0, maximum=MOST_HOURS),
        Column("result", "code", codes=get_args(ActionResult)),
        Column("note"),
        Column("action_id"),
        Column("corrects"),
    ),
)
"""The columns of a list, by their names in the API."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "student_id": ("学生编号", "个人标识码"), "kind": ("类别",), "day": ("日期",), "done_by": ("经办人",),
    "programme": ("项目",), "amount_yuan": ("金额", "金额元"), "hours": ("时数", "小时"), "result": ("结果",),
    "note": ("备注",), "action_id": ("编号",), "corrects": ("改正",),
}  # fmt: skip
_WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "建议": "suggested", "联系": "contacted", "家访": "visited", "资助": "aid_given",
        "辅导": "counselling_hours", "结果": "result",
    },
    "result": {
        "已联系上": "reached", "未联系上": "not_reached", "接受": "accepted", "谢绝": "declined",
        "在校": "in_school", "已返校": "returned", "已转学": "transferred", "已离校": "left",
        "无需帮助": "no_need",
    },
}  # fmt: skip


class _List(Telling):
    """A list of actions: its columns are known by the API's names and by the usual Chinese ones."""

    def _names_of(self, column: str) -> tuple[str, ...]:
        return (column, *_NAMES[column])


def take_actions(run: Run, file: Path) -> int:
    """Keep the actions of a list (CSV, Excel, ODS); return how many rows it has.

    A row without an id of its own gets one from its content: the same list taken in twice changes nothing,
    and two rows that say the very same are one action.

    Raises
    ------
    RecordsRefused
        With file, sheet, row and column of everything that cannot be kept; then nothing was.
    """
    telling, rows = read_list(run, _List("actions", LIST, file.name, path=file, codes=_WORDS))
    actions, ids = [_action(row) for row in rows], programme_ids(run)
    store, at = open_store(run.workspace.store, create=True), datetime.now(UTC)
    findings: list[Finding] = []
    try:
        with store.writing():
            for first in range(0, len(actions), MOST_AT_ONCE):
                try:
                    record_actions(store, BUREAU, actions[first : first + MOST_AT_ONCE], at=at)
                except ActionsRefused as refused:
                    findings += [
                        _finding(telling, rows[first + one.position], one.field, one.code)
                        for one in refused.refusals
                    ]
            if findings:
                raise RecordsRefused(findings)
    finally:
        store.close()
    run.say("actions_taken", count=len(actions))
    strange = [
        row["row"] for row in rows if ids and row.get("programme") and plain(row["programme"]) not in ids
    ]
    if strange:
        run.say("programmes_unknown", count=len(strange), row=strange[0])
    return len(actions)


def _action(row: Mapping[str, Any]) -> Action:
    told: dict[str, Any] = {column.name: row.get(column.name) for column in LIST.columns}
    action = Action(**told)
    if action.action_id:
        return action
    said = json.dumps(asdict(action), default=str, sort_keys=True)
    made = "list-" + hashlib.sha256(said.encode()).hexdigest()[:20]
    return replace(action, action_id=made)


def _finding(telling: Telling, row: Mapping[str, Any], field: str, code: str) -> Finding:
    column = field if field in _NAMES else None
    return Finding(code, "refuse", telling.where(sheet=row.get("sheet"), row=row["row"], column=column))
