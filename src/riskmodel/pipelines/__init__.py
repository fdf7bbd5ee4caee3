"""A table of contents: one function per command, each a straight line through the rooms.

Only here do the model wing and the people wing meet: what crosses is a type of `domain`. A step says what
it did through `Run.say`, uses again what was made from the same inputs, and says that it did.
"""

from __future__ import annotations

from riskmodel.pipelines.acting import take_actions
from riskmodel.pipelines.approving import list_sets, promote_model, roll_back
from riskmodel.pipelines.auditing import audit_model
from riskmodel.pipelines.backtesting import backtest
from riskmodel.pipelines.backup import back_up, restore
from riskmodel.pipelines.checking import check_records
from riskmodel.pipelines.children import erase_child, export_child
from riskmodel.pipelines.explaining import explain_student, tell_explanation
from riskmodel.pipelines.feedback import (
    close_data_ticket,
    list_tickets,
    take_feedback,
    tell_agreement,
)
from riskmodel.pipelines.guides import write_guides
from riskmodel.pipelines.indicating import list_behind, tell_indicators
from riskmodel.pipelines.judging_aid import evaluate_allocation
from riskmodel.pipelines.looking import show_looks
from riskmodel.pipelines.monitoring import monitor
from riskmodel.pipelines.objecting import take_objection
from riskmodel.pipelines.outbox import send_waiting
from riskmodel.pipelines.periodic import write_reports
from riskmodel.pipelines.publishing import (
    list_keys,
    make_key,
    publish_scores,
    revoke_key,
    rotate_key,
    show_what_to_open,
    write_sheets,
)
from riskmodel.pipelines.records import build_features, make_county, take_in_records
from riskmodel.pipelines.reporting import write_report
from riskmodel.pipelines.retaining import retain
from riskmodel.pipelines.run import Run
from riskmodel.pipelines.targeting import (
    approve_allocation,
    draft_allocation,
    freeze_allocation,
    list_allocations,
)
from riskmodel.pipelines.term import prepare_term
from riskmodel.pipelines.training import train_model
from riskmodel.pipelines.within_term import score_week
from riskmodel.records.intake import told_to_programs
from riskmodel.records.suggesting.suggestion import suggest_mapping

__all__ = [
    "Run",
    "approve_allocation",
    "audit_model",
    "back_up",
    "backtest",
    "build_features",
    "check_records",
    "close_data_ticket",
    "draft_allocation",
    "erase_child",
    "evaluate_allocation",
    "explain_student",
    "export_child",
    "freeze_allocation",
    "list_allocations",
    "list_behind",
    "list_keys",
    "list_sets",
    "list_tickets",
    "make_county",
    "make_key",
    "monitor",
    "prepare_term",
    "promote_model",
    "publish_scores",
    "restore",
    "retain",
    "revoke_key",
    "roll_back",
    "rotate_key",
    "run_all",
    "score_week",
    "send_waiting",
    "show_looks",
    "show_what_to_open",
    "suggest_mapping",
    "take_actions",
    "take_feedback",
    "take_in_records",
    "take_objection",
    "tell_agreement",
    "tell_explanation",
    "tell_indicators",
    "told_to_programs",
    "train_model",
    "write_guides",
    "write_report",
    "write_reports",
    "write_sheets",
]


def run_all(run: Run, *, port: int) -> None:
    """Do a term's work, and say at the end what to open."""
    make_county(run)
    take_in_records(run)
    build_features(run)
    train_model(run)
    publish_scores(run)
    write_sheets(run)
    show_what_to_open(run, port=port)
