from riskmodel.evaluation.gates import GateFound, Verdict
from riskmodel.evaluation.gates_report import gate_name, gates_table, group_name, group_title
from riskmodel.evaluation.groups import GROUPINGS
from riskmodel.figures import Interval
from riskmodel.wording import LANGUAGES, has, text

MET = GateFound("too_good", Verdict.MET, Interval(0.8421, 0.8, 0.88), (None, 0.95), 120)
FEW = GateFound("same_list", Verdict.TOO_FEW, None, (0.5, None))
STALE = GateFound("not_stale", Verdict.REFUSED, Interval(945), (None, 550))


def test_what_refuses_comes_first_then_what_a_person_decides():
    rows = gates_table((MET, FEW, STALE), "en").splitlines()[2:]
    assert [row.split("|")[5].strip() for row in rows] == [
        "refused",
        "too few to say: a person decides",
        "met",
    ]


def test_days_are_whole_and_figures_have_their_interval_limits_and_leavers():
    stale, _, met = gates_table((MET, FEW, STALE), "en").splitlines()[2:]
    assert [cell.strip() for cell in stale.split("|")[2:5]] == ["945", "≤ 550", "–"]
    assert [cell.strip() for cell in met.split("|")[2:5]] == ["0.842 [0.800, 0.880]", "≤ 0.950", "120"]


def test_a_gate_names_the_method_or_the_groups_it_is_about():
    gap = GateFound(
        "no_group_missed", Verdict.REFUSED, Interval(0.3), (None, 0.1), None, ("boarding", "no", "yes")
    )
    assert gate_name(gap, "en").endswith("Boarding (lives at home – boards)")
    assert gate_name(gap, "zh").endswith("寄宿（走读 – 寄宿）")
    beaten = GateFound("not_beaten", Verdict.REFUSED, Interval(-0.1), (0.0, None), 50, ("absence_rule",))
    assert gate_name(beaten, "en").endswith("Absence rule")


def test_every_group_has_a_name_and_a_township_goes_by_its_own():
    wanted = [f"groups.{one.name}.{value}" for one in GROUPINGS for value in ("name", *one.names.values())]
    assert [code for code in wanted for language in LANGUAGES if not has(code, language)] == []
    assert group_name("township", "青禾镇", "en") == "青禾镇"
    assert group_title("township", "青禾镇", "zh") == "乡镇：青禾镇"
    assert group_title("township", "青禾镇", "en") == "Township: 青禾镇"
    assert group_name("sex", "not_known", "zh") == text("values.not_known", "zh")
