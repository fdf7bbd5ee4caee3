from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.metrics import evaluate
from riskmodel.evaluation.report import evaluation_report
from riskmodel.evaluation.transfers import transfer_figures
from riskmodel.figures import Evaluation


@pytest.fixture(scope="module")
def told(county) -> tuple[pd.DataFrame, np.ndarray]:
    """The county, with sixty student-dates at the top of the list of whom nobody knows where they are."""
    frame, risk = county
    frame = frame.assign(cause=None)
    frame.loc[frame["outcome"] == "left", "cause"] = "dropped_out_exit"
    top = np.argsort(-risk)[:60]
    frame.loc[top, ["outcome", "cause"]] = ["unaccounted", "transfer_unconfirmed"]
    frame.loc[np.argsort(risk)[:5], ["outcome", "cause"]] = ["unaccounted", "not_back"]
    return frame, np.log(risk)


def test_unconfirmed_transfers_are_counted_in_three_ways(told):
    frame, score = told
    left_out, stayed, left = transfer_figures((score, None), frame, seed=1, resamples=50)

    assert [figures.counted for figures in (left_out, stayed, left)] == ["left_out", "stayed", "left"]
    assert {figures.unconfirmed_rows for figures in (left_out, stayed, left)} == {60}
    assert stayed.rows == left.rows == left_out.rows + 60
    assert left_out.events == stayed.events < left.events
    assert stayed.auc.value < left_out.auc.value < left.auc.value
    assert stayed.average_precision.value < left_out.average_precision.value < left.average_precision.value


def test_left_out_is_what_the_training_prints(told):
    frame, score = told
    usual = evaluate({"m": (score, None)}, frame, seed=1, training_rows=0, training_events=0, resamples=50)
    left_out = transfer_figures((score, None), frame, seed=1, resamples=50)[0]

    assert left_out.auc == usual.models[0].auc
    assert (left_out.rows, left_out.events) == (usual.rows, usual.events)


def test_where_every_transfer_is_confirmed_there_is_nothing_to_tell(county):
    frame, risk = county
    assert transfer_figures((risk, None), frame.assign(cause="not_back"), seed=1) == ()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_shows_all_three(judged: Evaluation, told, language):
    frame, score = told
    figures = transfer_figures((score, None), frame, seed=1, resamples=50)
    report = evaluation_report(replace(judged, unconfirmed_transfers=figures), language)

    for way in figures:
        assert f"{way.auc.value:.3f} [{way.auc.low:.3f}, {way.auc.high:.3f}]" in report
        assert f"{way.events:,}" in report
    assert report.startswith(evaluation_report(judged, language))
