import json
from dataclasses import replace

import pytest

from riskmodel.evaluation.report import ReferenceRow, evaluation_json, evaluation_report, verdict
from riskmodel.figures import Interval

TUNED = ReferenceRow(
    name="tuned | by others", auc=0.663, auc_low=0.644, auc_high=0.682, precision_at_10=0.382
)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_tells_counts_figures_intervals_ceilings_and_every_model(judged, language):
    report = evaluation_report(judged, language)
    model, at = judged.models[0], judged.models[0].at_capacity[0]
    for told in (
        f"{judged.events:,}", f"{judged.rows:,}", "2025-10-20, 2025-11-17", "321",
        f"{model.auc.value:.3f} [{model.auc.low:.3f}, {model.auc.high:.3f}]",
        f"{model.calibration_slope.value:.2f}",
        f"{at.precision.value * 100:.1f} % [", f"{at.found:,} / {judged.events:,}",
        f"{at.precision_ceiling * 100:.1f} %",
    ):  # fmt: skip
        assert told in report
    rows = [line for line in report.splitlines() if line.startswith("| ")]
    assert len(rows) == (2 + 3) + (2 + 3 * 4)


def test_both_languages_name_the_models_and_columns_in_their_own_words(judged):
    chinese, english = (evaluation_report(judged, language) for language in ("zh", "en"))
    assert "缺勤规则" in chinese
    assert "Absence rule" in english
    assert "Absence rule" not in chinese


def test_columns_line_up_where_a_chinese_character_takes_two(judged):
    import unicodedata

    table = [line for line in evaluation_report(judged, "zh").splitlines() if line.startswith("| ")]
    ends = {sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in table[:5]}
    assert len(ends) == 1


def test_reference_figures_stand_beside_ours_and_say_so(judged):
    report = evaluation_report(judged, "en", reference=[TUNED])
    marked = [line for line in report.splitlines() if "reference: tuned" in line]
    assert len(marked) == 2
    assert "0.663 [0.644, 0.682]" in marked[0]
    assert marked[1].startswith("| 10 %")
    assert "38.2 %" in marked[1]
    assert "tuned \\| by others" in marked[0]


def test_few_leavers_are_said_to_be_few(judged):
    assert "rough" not in evaluation_report(judged, "en")
    assert "rough" in evaluation_report(replace(judged, events=40), "en")


def test_machines_get_every_figure(judged):
    told = json.loads(evaluation_json(judged))
    assert told["test_dates"] == ["2025-10-20", "2025-11-17"]
    assert told["events"] == judged.events
    assert [model["name"] for model in told["models"]] == ["lightgbm", "logistic", "absence_rule"]
    assert told["models"][0]["auc"]["low"] == judged.models[0].auc.low
    assert told["models"][0]["at_capacity"][0]["share"] == 0.01


def test_flat_names_of_figures_leave_out_what_is_missing(judged):
    model, rule = judged.models[0].numbers(), judged.models[2].numbers()
    assert model["precision_at_1_percent_low"] == judged.models[0].at_capacity[0].precision.low
    assert model["calibration_intercept"] == judged.models[0].calibration_intercept.value
    assert "brier" in model
    assert "brier" not in rule


def differing(judged, **auc):
    return replace(judged, paired_auc_difference=auc)


@pytest.mark.parametrize(
    ("logistic", "said", "not_said"),
    [
        (Interval(0.02, 0.01, 0.03), "better than every other", "Logistic regression. The"),
        (Interval(0.01, -0.01, 0.03), "cannot be called better than: Logistic regression.", "does worse"),
        (Interval(-0.02, -0.03, -0.01), "does worse than: Logistic regression.", "cannot be called"),
    ],
)
def test_the_report_says_whether_the_model_is_the_best_beyond_the_interval(judged, logistic, said, not_said):
    evaluation = differing(judged, logistic=logistic, absence_rule=Interval(0.2, 0.1, 0.3))
    report = evaluation_report(evaluation, "en")
    assert said in report
    assert not_said not in report


def test_a_table_without_the_model_says_nothing_of_it(judged):
    rule_only = replace(judged, models=judged.models[2:])
    assert verdict(rule_only, "zh") == []
